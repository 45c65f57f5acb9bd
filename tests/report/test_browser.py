import html
import json
import re
import shutil
import subprocess

import pytest

from actlab.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def shown(url: str, profile: str, *options: str) -> str:
    """Return the document after its scripts have run, every host name blocked."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files"),
        *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", *options, "--dump-dom", url),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


FRAMES = """<iframe src="report.html" width="1280" height="14000"></iframe>
<iframe src="report.html" width="400" height="14000"></iframe><p id="out"></p><script>
// Printing draws every chart, also those that are not in sight.
addEventListener("load", () => document.querySelectorAll("iframe").forEach((frame) =>
  frame.contentWindow.dispatchEvent(new Event("beforeprint"))));
setInterval(() => {
  const told = [...document.querySelectorAll("iframe")].map((frame) => {
    const page = frame.contentDocument, plots = [...page.querySelectorAll(".plot")];
    return [
      page.documentElement.clientWidth, page.documentElement.scrollWidth, plots.length,
      plots.filter((box) => box.dataset.drawn).length,
      plots.filter((box) => (box.querySelector("canvas")?.offsetWidth ?? 9999) > box.clientWidth).length,
    ].join(" ");
  });
  document.getElementById("out").textContent = told.join(" | ");
}, 500)</script>"""


def test_every_chart_is_drawn_whole_wide_and_narrow_without_network(runs, tmp_path):
    page = write_report(runs("full"), cache=tmp_path / "cache")
    frames = page.with_name("frames.html")
    frames.write_text(FRAMES)
    text = shown(frames.as_uri(), str(tmp_path / "profile"), "--window-size=1750,14500")
    told = re.search(r'<p id="out">([^<]+)</p>', text)[1].split(" | ")
    for width, numbers in zip((1280, 400), told, strict=True):
        client, scroll, plots, drawn, cut = map(int, numbers.split())
        assert client <= width
        assert scroll <= client
        assert drawn == plots == page.read_text(encoding="utf-8").count('class="plot"') > 30
        assert cut == 0


SLIDE = """<iframe src="report.html" width="900" height="9000"></iframe><pre id="out"></pre><script>
const told = { errors: [] };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (what) => { for (let i = 0; i < 200 && !what(); i++) await wait(50); };
addEventListener("load", async () => {
  try {
    const view = document.querySelector("iframe").contentWindow, page = view.document;
    view.addEventListener("error", (event) => told.errors.push(event.message));
    view.addEventListener("securitypolicyviolation", (event) => told.errors.push(event.violatedDirective));
    const slider = page.getElementById("depth-step"), play = page.getElementById("depth-play");
    const plots = [...page.querySelectorAll("[aria-labelledby=h-depth] .plot")];
    const at = (step) => until(() => plots.every((plot) => plot.dataset.step === String(step)));
    const pictures = () => plots.map((plot) => plot.querySelector("canvas").toDataURL());
    view.dispatchEvent(new Event("beforeprint"));
    await at(slider.max);
    const last = pictures();
    slider.value = 2;
    slider.dispatchEvent(new Event("input"));
    await at(2);
    told.moved = pictures().filter((picture, i) => picture !== last[i]).length;
    told.plots = plots.length;
    told.said = [page.querySelector(".slider output").textContent, slider.getAttribute("aria-valuetext")];
    slider.value = slider.max - 2;
    slider.dispatchEvent(new Event("input"));
    play.click();
    told.playing = play.textContent;
    await until(() => slider.value === slider.max && play.textContent === "Play");
    await at(slider.max);
    told.again = pictures().filter((picture, i) => picture === last[i]).length;
  } catch (error) { told.errors.push(String(error)); }
  document.getElementById("out").textContent = JSON.stringify(told);
});
</script>"""


def test_the_slider_moves_every_chart_against_depth(runs, tmp_path):
    page = write_report(runs("sick"), cache=tmp_path / "cache")
    steps = re.search(r'data-steps="([^"]*)"', page.read_text(encoding="utf-8"))[1].split(",")
    driver = page.with_name("slide.html")
    driver.write_text(SLIDE)
    text = shown(driver.as_uri(), str(tmp_path / "profile"), "--window-size=950,9200")
    told = json.loads(html.unescape(re.search(r'<pre id="out">([^<]+)</pre>', text)[1]))
    assert told["errors"] == []
    assert told["moved"] == told["plots"] == told["again"] == 6
    said = f"{int(steps[2]):,}"
    assert told["said"] == [said, f"step {said}"]
    assert told["playing"] == "Stop"
