"""The page of films in Chromium: keys step, the button plays, what is drawn changes; wide and narrow, no network."""

import json
import re

import numpy as np
import pytest

from actlab.explain.boundary import Film
from actlab.report.boundary import text

from .test_browser import pytestmark as pytestmark
from .test_browser import shown

DRIVER = """<iframe src="boundary.html" width="1280" height="1600"></iframe>
<iframe src="boundary.html" width="400" height="1600"></iframe><pre id="out"></pre><script>
const told = { errors: [], seen: [] };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const drive = async (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow, seen = {};
  view.addEventListener("error", (event) => told.errors.push(event.message));
  view.addEventListener("securitypolicyviolation", (event) => told.errors.push(event.violatedDirective));
  const $ = (id) => page.getElementById(id), key = (name) =>
    page.body.dispatchEvent(new view.KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const canvas = page.querySelector("canvas[data-layer='0']");
  const pixel = () => [...canvas.getContext("2d").getImageData(3, 3, 1, 1).data].join();
  const state = () => [$("step").textContent, canvas.nextElementSibling.textContent, $("play").textContent];
  seen.start = state(); seen.first = pixel();
  key("ArrowRight"); key("ArrowRight");
  seen.right = state();
  key("ArrowLeft");
  seen.left = state();
  $("play").click();
  seen.playing = state();
  await wait(2000);
  seen.end = state(); seen.last = pixel();
  seen.wide = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  return seen;
};
addEventListener("load", async () => {
  try {
    for (const frame of document.querySelectorAll("iframe")) told.seen.push(await drive(frame));
  } catch (error) { told.errors.push(String(error)); }
  document.getElementById("out").textContent = JSON.stringify(told);
});</script>"""


def made():
    """A film of three moments: the plane is all class 0, then half and half, then all class 1."""
    rng = np.random.default_rng(0)
    classes = np.zeros((3, 8, 8), int)
    classes[1, :, 4:] = classes[2] = 1
    return Film(
        steps=np.array([0, 10, 200]),
        classes=classes,
        sure=np.ones((3, 8, 8)),
        extent=(-1.0, 1.0, -1.0, 1.0),
        layers=("input", "blocks.0.act"),
        points=rng.uniform(-1, 1, (3, 2, 20, 2)),
        inputs=rng.uniform(-1, 1, (20, 2)),
        shown=np.array([1.0, 0.8]),
        probes=np.array([[0.5, 0.6], [0.5, 0.7], [0.5, 0.9]]),
        accuracy=np.array([0.4, 0.6, 0.95]),
        labels=np.arange(20) % 2,
        num_classes=2,
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boundary")
    (folder / "boundary.html").write_text(text([("tanh", made())], "moons", "actlab explain boundary"))
    (folder / "frames.html").write_text(DRIVER)
    found = re.search(
        r'<pre id="out">([^<]+)</pre>',
        shown((folder / "frames.html").as_uri(), str(folder / "profile"), "--window-size=1750,3400"),
    )
    return json.loads(found[1])


@pytest.mark.parametrize("which", [0, 1], ids=["wide", "narrow"])
def test_keys_step_and_the_button_plays(told, which):
    assert told["errors"] == []
    seen = told["seen"][which]
    assert seen["start"] == ["step 0", "the plane probe 50.0 %", "Play"]
    assert seen["right"][0] == "step 200" and seen["left"][0] == "step 10"
    assert seen["playing"][2] == "Pause" and seen["end"] == ["step 200", "the plane probe 50.0 %", "Play"]
    assert seen["first"] != seen["last"]  # the colour of a corner: of class 0, then of class 1
    assert seen["wide"] <= 0
