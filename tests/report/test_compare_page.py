import base64
import hashlib
import html
import json
import re
import shutil
import struct
from pathlib import Path

import pytest
from made_sweeps import config, write_run, write_sweep

from actlab.compare import Metric, compare
from actlab.errors import InputError
from actlab.report.compare_page import page, write_comparison, write_ranking_png

from .test_browser import CHROMIUM, shown

LEVELS = {"relu": 0.6, "gelu": 0.62, "tanh": 0.5, "<b>&": 0.4}
RATES = {1e-3: 0.0, 1e-2: 0.02, 1e-1: -0.2}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("sweep"), LEVELS, rates=RATES, spikes=1)


@pytest.fixture(scope="module")
def text(sweep):
    (sweep / "0" / "report.html").write_text("a page")
    return page(compare([sweep]), "/* bundle */", sweep.parent / "elsewhere")


def payload(text):
    return json.loads(re.search(r'<script type="application/json" id="views">(.*?)</script>', text, re.S)[1])


def test_the_answer_stands_on_top_and_everything_has_its_section(sweep, text):
    answer = html.escape(compare([sweep]).answer)
    assert 0 < text.index(answer) < text.index("<h2")
    for name in ("ranking", "curves", "behaviour", "sites", "cells", "runs"):
        assert f'id="h-{name}"' in text
    titles = [view["name"] for view in payload(text)["views"]]
    assert titles[:2] == ["Ranking_by_test_accuracy", "Pairs"]
    assert {
        "Sensitivity_to_the_learning_rate",
        "Test_accuracy_while_training",
        "Score__cost_and_stability",
    } <= set(titles)
    assert "Dead_units" in titles
    assert text.count('class="plot"') == len(titles)


def test_it_asks_for_nothing_and_its_policy_allows_what_is_there(text):
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "unsafe" not in policy
    for inline in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.S):
        assert base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() in policy


def test_names_stay_text(text):
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_the_chart_of_the_ranking_has_the_scores(sweep, text):
    table = payload(text)["views"][0]["tables"]["levels"]
    levels = compare([sweep]).ranking.levels
    assert table["level"] == [one.name for one in levels]
    assert table["score"] == pytest.approx([one.score for one in levels], rel=1e-4)
    assert table["low"] == pytest.approx([one.interval.low for one in levels], rel=1e-4)


def test_heights_are_numbers(text):
    """Vega-Lite fits no chart to a width whose height is a step, and complains of it in the browser's console."""
    heights = [spec["height"] for spec in payload(text)["specs"] if "height" in spec]
    assert len(heights) >= 3 and all(isinstance(height, (int, float)) for height in heights)


def test_runs_have_links_to_the_pages_there_are(sweep, text):
    links = re.findall(r'<a href="([^"]*report.html)">', text)
    assert len(links) == 1
    assert (sweep.parent / "elsewhere" / links[0]).resolve() == (sweep / "0" / "report.html").resolve()
    runs = text[text.index('id="runs"') :]
    assert runs.count("<tr>") == 1 + 4 * 3 * 4


def test_tables_say_what_the_numbers_are(sweep, text):
    found = compare([sweep])
    first = found.ranking.levels[0]
    section = text[text.index('id="ranking"') : text.index('id="h-curves"')]
    assert f"{100 * first.interval.t_low:.1f} % to {100 * first.interval.t_high:.1f} %" in section
    assert section.count("told apart</td>") == sum(c.told for c in found.ranking.comparisons)
    assert "Could rank" in section
    assert ">Against" not in section
    against = page(compare([sweep], baseline="relu"), "", Path("."))
    assert "Against relu" in against
    assert "Pairs</h3>" not in against


def test_what_was_not_recorded_leaves_a_smaller_page(tmp_path):
    for name in ("relu", "gelu"):
        write_run(
            tmp_path / name, config(name), 0.5, steps_per_second=None, wall_time_s=None, parameters=None
        )
    text = page(compare([tmp_path]), "", tmp_path)
    assert "Score, cost and stability" not in text
    assert "Sensitivity" not in text
    assert "One seed each" in text
    none = compare([write_run(tmp_path / "elu", config("elu"), 0.5, state="running")])
    assert "nothing can be told" in page(none, "", tmp_path)


def test_a_picture_of_the_ranking(sweep, tmp_path):
    data = write_ranking_png(compare([sweep]), tmp_path / "x.png", scale=1).read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert 500 < width < 800
    assert height > 100
    with pytest.raises(InputError, match="cannot be written"):
        write_ranking_png(compare([sweep]), sweep / "0" / "run.json" / "x.png")
    running = write_run(tmp_path / "elu", config("elu"), 0.5, state="running")
    with pytest.raises(InputError, match="nothing to draw"):
        write_ranking_png(compare([running]), tmp_path / "y.png")


@pytest.mark.slow
def test_five_hundred_runs_stay_small(tmp_path):
    levels = {f"act{i}": 0.5 + 0.004 * i for i in range(20)}
    rates = {10.0**-k: -0.01 * k for k in range(1, 6)}
    found = compare([write_sweep(tmp_path, levels, rates=rates, seeds=5, parts=2)])
    assert len(found.runs) == 500
    text = page(found, "", tmp_path)
    assert len(text.encode()) < 1.5e6  # the bundle adds 0.9 MB
    assert "All levels by learning rate" in text
    assert "The best 7 of 20 are drawn." in text
    drawn = next(v for v in payload(text)["views"] if v["name"] == "Test_accuracy_while_training")
    assert drawn["values"]["names"] == [one.name for one in found.ranking.levels[:7]]


FRAMES = """<iframe src="compare.html" width="1280" height="6000"></iframe>
<iframe src="compare.html" width="400" height="6000"></iframe><pre id="out"></pre><script>
const told = { errors: [] }, wait = (ms) => new Promise((done) => setTimeout(done, ms));
addEventListener("load", async () => {
  const frames = [...document.querySelectorAll("iframe")].map((frame) => frame.contentWindow);
  for (const view of frames) {
    view.addEventListener("error", (event) => told.errors.push(event.message));
    view.dispatchEvent(new Event("beforeprint")); // draws also what is not in sight
  }
  const plots = (view) => [...view.document.querySelectorAll(".plot")];
  const drawn = () => frames.every((view) => plots(view).every((box) => box.dataset.drawn));
  for (let i = 0; i < 200 && !drawn(); i++) await wait(50);
  told.frames = frames.map((view) => ({
    client: view.document.documentElement.clientWidth, scroll: view.document.documentElement.scrollWidth,
    plots: plots(view).length, drawn: plots(view).filter((box) => box.dataset.drawn).length,
    cut: plots(view).filter((box) => (box.querySelector("canvas")?.offsetWidth ?? 9999) > box.clientWidth).length,
  }));
  const table = frames[0].document.querySelector("#runs table"), head = [...table.tHead.rows[0].cells];
  const score = head.findIndex((cell) => cell.textContent === "Score");
  const values = () => [...table.tBodies[0].rows].map((row) => +row.cells[score].dataset.v);
  head[score].click();
  told.up = values();
  head[score].click();
  told.down = values();
  told.said = head[score].getAttribute("aria-sort");
  document.getElementById("out").textContent = JSON.stringify(told);
});
</script>"""


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_it_is_drawn_whole_wide_and_narrow_and_sorts(sweep, tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(sweep, folder)
    path = write_comparison(compare([folder]), folder / "compare.html", cache=tmp_path / "cache")
    driver = path.with_name("frames.html")
    driver.write_text(FRAMES)
    found = shown(driver.as_uri(), str(tmp_path / "profile"), "--window-size=1750,6200")
    told = json.loads(html.unescape(re.search(r'<pre id="out">([^<]+)</pre>', found)[1]))
    assert told["errors"] == []
    for frame, width in zip(told["frames"], (1280, 400), strict=True):
        assert frame["scroll"] <= frame["client"] <= width
        assert frame["drawn"] == frame["plots"] == path.read_text().count('class="plot"') >= 8
        assert frame["cut"] == 0
    assert told["up"] == sorted(told["up"])
    assert told["down"] == sorted(told["down"], reverse=True)
    assert told["up"] != told["down"]
    assert told["said"] == "descending"


def test_losses_are_not_told_in_per_cent(sweep):
    text = page(compare([sweep], metric=Metric.of("test loss")), "", sweep)
    ranking = text[text.index('id="ranking"') : text.index('id="h-curves"')]
    assert " % to " not in ranking
