"""The gallery in Chromium: every chart drawn, search, filters and overlay, wide and narrow, no network, no errors."""

import json
import re

import pytest

from actlab.report import write_gallery

from .test_browser import pytestmark as pytestmark
from .test_browser import shown

SOME = ["elu", "gelu", "heaviside", "relu", "round_ste", "siren_sine", "softmax", "swiglu", "swish", "tanh"]

# What a person does, one thing after another, and what is seen after each.
DRIVER = """<iframe src="index.html" width="1280" height="3000"></iframe>
<iframe src="index.html" width="400" height="3000"></iframe><pre id="out"></pre><script>
const told = { errors: [] };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (what) => { for (let i = 0; i < 100 && !what(); i++) await wait(100); };
const drive = async (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow, seen = {};
  view.addEventListener("error", (event) => told.errors.push(event.message));
  view.addEventListener("securitypolicyviolation", (event) => told.errors.push(event.violatedDirective));
  const $ = (id) => page.getElementById(id);
  const left = () => [...page.querySelectorAll(".fn")].filter((node) => !node.hidden).map((node) => node.id);
  const set = async (id, value, kind) => {
    $(id).value = value;
    $(id).dispatchEvent(new view.Event(kind, { bubbles: true }));
    await wait(200);
  };
  const drawn = () => [...page.querySelectorAll(".fn .plot")].filter((box) => box.dataset.drawn).length;
  const plots = [...page.querySelectorAll(".fn .plot")];
  view.dispatchEvent(new view.Event("beforeprint"));
  await until(() => drawn() === plots.length);
  seen.drawn = [drawn(), plots.length];
  seen.cut = plots.filter((box) => box.querySelector("canvas").offsetWidth > box.clientWidth).length;
  seen.wide = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  await set("search", "elu", "input");
  seen.search = left();
  await set("search", "torch.nn softmax", "input");
  seen.words = left();
  await set("search", "zzz", "input");
  seen.nothing = [left(), !$("none").hidden];
  await set("search", "", "input");
  await set("kind", "gated", "change");
  seen.kind = left();
  $("reset").click();
  const box = page.querySelector("[name=flag][value=surrogate]");
  box.click();
  await wait(100);
  seen.flag = left();
  $("reset").click();
  await set("sort", "family", "change");
  seen.sorted = left();
  for (const name of ["gelu", "relu", "siren_sine"]) page.querySelector(`.pick[data-name=${name}]`).click();
  const plot = page.querySelector("#overlay .plot");
  await until(() => plot.dataset.drawn?.includes("siren_sine"));
  const canvases = plot.querySelectorAll("canvas").length;
  seen.overlay = [plot.dataset.drawn, $("see").textContent, $("overlay").hidden, canvases];
  page.querySelector("[name=order][value='1']").click();
  await until(() => plot.dataset.drawn?.startsWith("f\\u2032"));
  page.querySelector(".chip").click();
  await until(() => !plot.dataset.drawn?.includes("gelu"));
  seen.slope = plot.dataset.drawn;
  seen.address = view.location.hash;
  seen.pressed = [...page.querySelectorAll(".pick[aria-pressed=true]")].map((button) => button.dataset.name).sort();
  view.dispatchEvent(new view.Event("resize"));
  await wait(300);
  seen.wider = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  $("clear").click();
  await wait(100);
  seen.cleared = $("overlay").hidden;
  return seen;
};
addEventListener("load", async () => {
  try {
    told.seen = [];
    for (const frame of document.querySelectorAll("iframe")) told.seen.push(await drive(frame));
  } catch (error) { told.errors.push(String(error)); }
  document.getElementById("out").textContent = JSON.stringify(told);
});</script>"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    write_gallery(folder, SOME, cache=folder / "cache")
    (folder / "frames.html").write_text(DRIVER)
    url = (folder / "frames.html").as_uri()
    text = shown(url, str(folder / "profile"), "--window-size=1750,6500", "--virtual-time-budget=60000")
    found = re.search(r'<pre id="out">([^<]+)</pre>', text)
    assert found, text[-2000:]
    return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<"))


def test_nothing_goes_wrong(told):
    assert told["errors"] == []
    assert len(told["seen"]) == 2


@pytest.mark.parametrize("which", [0, 1], ids=["wide", "narrow"])
def test_every_chart_is_drawn_whole(told, which):
    seen = told["seen"][which]
    assert seen["drawn"] == [len(SOME), len(SOME)]
    assert seen["cut"] == 0
    assert seen["wide"] == seen["wider"] == 0


@pytest.mark.parametrize("which", [0, 1], ids=["wide", "narrow"])
def test_search_filters_and_order(told, which):
    seen = told["seen"][which]
    assert seen["search"] == ["elu", "gelu", "relu"]
    assert seen["words"] == ["softmax"]
    assert seen["nothing"] == [[], True]
    assert seen["kind"] == ["swiglu"]
    assert seen["flag"] == ["round_ste"]
    assert seen["sorted"][0] == "swiglu"  # the family gated
    assert len(seen["sorted"]) == len(SOME)


@pytest.mark.parametrize("which", [0, 1], ids=["wide", "narrow"])
def test_overlay(told, which):
    seen = told["seen"][which]
    assert seen["overlay"] == ["f of gelu, relu, siren_sine from -5 to 5", "Overlay (3)", False, 1]
    assert seen["slope"] == "f′ of relu, siren_sine from -5 to 5"
    assert seen["address"] == "#?sort=family&pick=relu%2Csiren_sine&order=1"
    assert seen["pressed"] == ["relu", "siren_sine"]
    assert seen["cleared"] is True
