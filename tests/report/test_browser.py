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
    page = write_report(runs("learnt"), cache=tmp_path / "cache")
    frames = page.with_name("frames.html")
    frames.write_text(FRAMES)
    text = shown(frames.as_uri(), str(tmp_path / "profile"), "--window-size=1750,14500")
    told = re.search(r'<p id="out">([^<]+)</p>', text)[1].split(" | ")
    for width, numbers in zip((1280, 400), told, strict=True):
        client, scroll, plots, drawn, cut = map(int, numbers.split())
        assert client <= width
        assert scroll <= client
        assert drawn == plots == 13
        assert cut == 0
