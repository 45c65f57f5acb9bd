"""The page of `actlab inspect` in Chromium with its server: what a person does, and what the panels then say."""

import json
import re
import time

import numpy as np
import pytest
from chromium import CHROMIUM, browser

from actlab.cli import inspect_desk
from actlab.inspection import Capture, Trace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("inspect"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
PROMPT = "The quick brown fox"
NEW = 16


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def tab(chromium, served):
    """A page on which a run was asked for, by typing and a click."""
    page = chromium.tab(f"http://{served.host}/")
    page.until("!document.querySelector('#go').disabled")
    page.type("#prompt", PROMPT)
    page.type("#new", str(NEW))
    page.type("#temperature", "0.9")
    page.type("#top_k", "5")
    page.click("#go")
    ended(page)
    return page


@pytest.fixture(scope="module")
def trace(served):
    model = served.desk.model
    settings = {"temperature": 0.9, "top_k": 5, "capture": inspect_desk.watched(model)}
    return model.generate(PROMPT, max_new_tokens=NEW, **settings)


def ended(page):
    page.until("document.querySelector('#stop').disabled && !document.querySelector('#shown').hidden", 300)


def choose(page, selector, value):
    code = "(e => { e.value = %s; e.dispatchEvent(new Event('%s')); })(document.querySelector(%s))"
    event = "input" if selector == "#at" else "change"
    page.run(code % (json.dumps(value), event, json.dumps(selector)))


def figures(text):
    """Return the numbers in what a panel says, percentages as shares."""
    found = re.findall(r"(-?\d[\d,]*\.?\d*(?:e[+-]\d+)?)( %)?", text)
    return [float(x.replace(",", "")) / (100 if share else 1) for x, share in found]


def rows(page, selector):
    """Return the cells of a table's body as text."""
    found = json.dumps(selector + " tbody tr")
    return page.run(
        f"[...document.querySelectorAll({found})].map(r => [...r.children].map(c => c.textContent))"
    )


def facts(page):
    code = "[...document.querySelectorAll('#token [data-chart=facts-a] > div')].map(d => [...d.children])"
    # of two of one name the first is meant
    return dict(page.run(code + ".map(d => d.map(c => c.textContent)).reverse()"))


def go(page, t):
    page.run("document.activeElement.blur()")
    page.press("Home")
    page.press("ArrowRight", t)


def close(shown, true):
    np.testing.assert_allclose(shown, true, rtol=1e-3, atol=1e-12)  # four digits are shown


@pytest.mark.parametrize("which", ["given", "drawn"])
def test_token_panel(tab, trace, which):
    t = 5 if which == "given" else trace.prompt + 3
    go(tab, t)
    assert tab.text("#now").startswith(f"token {t} of {len(trace)}")
    told = facts(tab)
    assert told["position"] == f"{t}, {which}"
    close(figures(told["surprisal"])[0], trace.surprisal[t])
    close(figures(told["probability"])[0], trace.probability[t])
    assert figures(told["rank"]) == [trace.rank[t]]
    close(figures(told["entropy before: raw"])[0], trace.entropy[t - 1])
    close(figures(told["entropy after: raw"])[0], trace.entropy[t])
    tables = tab.run(
        "[...document.querySelectorAll('#token table')].map(t => [t.caption.textContent, "
        "[...t.tBodies[0].rows].map(r => [Number(r.dataset.token), r.className].concat("
        "[...r.cells].map(c => c.textContent)))])"
    )
    assert tables[0][0].startswith("how this" if which == "drawn" else "what was expected")
    for (_, shown), row in zip(tables, (t - 1, t), strict=True):
        came = [x for x in shown if x[1] == "came"]
        assert [x[0] for x in came] == [trace.tokens[row + 1]] and came[0][2].startswith("● ")
        others = dict(zip(trace.candidates[row].tolist(), trace.probabilities[row], strict=True))
        assert others.keys() <= {x[0] for x in shown}
        left = dict(
            zip(
                trace["next.filtered_candidates"][row].tolist(),
                np.exp(trace["next.filtered_log_probabilities"][row]),
                strict=True,
            )
        )
        for token, _, _, raw, filtered in shown:
            if token in others:
                close(figures(raw)[0], others[token])
            assert (filtered == "cut") == (left.get(token, 0) == 0)
            if filtered != "cut":
                close(figures(filtered)[0], left[token])


def test_strip_is_the_text_and_a_click_goes_there(tab, trace):
    pieces = tab.run("[...document.querySelectorAll('#strip-a .t')].map(x => x.textContent)")
    assert len(pieces) == len(trace)
    assert "".join(pieces[: trace.prompt]).replace("␣", " ") == PROMPT
    assert tab.run("document.querySelectorAll('#strip-a .given').length") == trace.prompt
    assert tab.run("document.querySelector('#strip-a .t').classList.contains('none')")  # nothing foretold it
    tab.click("#strip-a .t:nth-child(8)")
    assert tab.text("#now").startswith("token 7 ")
    choose(tab, "#at", "2")
    assert tab.text("#now").startswith("token 2 ")
    assert tab.run("document.querySelector('#strip-a .now').dataset.t") == "2"


def test_layers_heads_and_neurons(tab, trace):
    t, layer = 6, 1
    go(tab, t)
    said = figures(tab.text("[data-chart=layers-a] .said"))
    assert said[:2] == [layer, t]
    close(said[-1], trace["site.resid_post.l2"][t, layer])
    choose(tab, "#measure", "kurtosis")  # below 0 too: its scale is of kurtosis + 3
    close(figures(tab.text("[data-chart=layers-a] .said"))[-1], trace["site.resid_post.kurtosis"][t, layer])
    choose(tab, "#measure", "l2")
    tab.run("document.querySelector('[data-chart=layers-a] canvas').focus()")
    tab.press("ArrowDown")
    close(figures(tab.text("[data-chart=layers-a] .said"))[-1], trace["site.resid_post.l2"][t, 0])
    close(figures(tab.text("[data-chart=heads-a] .said"))[-1], trace["heads.entropy"][t, 0, 0])
    tab.run("document.querySelector('[data-chart=heads-a] canvas').focus()")
    tab.press("ArrowRight", 2)
    assert figures(tab.text("[data-chart=heads-a] .said"))[:2] == [0, 2]
    close(figures(tab.text("[data-chart=heads-a] .said"))[-1], trace["heads.entropy"][t, 0, 2])
    for unit, pre, post, value, _ in rows(tab, "#neurons"):
        at = trace["units.index"][t, 0].tolist().index(int(unit))
        for shown, name in ((pre, "pre"), (post, "post"), (value, "value")):
            close(figures(shown)[0], trace[f"units.{name}"][t, 0, at])
    # what has no number is not drawn: without the first token, its own row has no entropy
    choose(tab, "#of-heads", "entropy_rest")
    go(tab, 0)
    assert tab.text("[data-chart=heads-a] .said").endswith("not a number")


def test_rows_of_a_head(tab, trace, served):
    go(tab, 9)
    tab.click("[data-chart=looks-a] button")
    tab.until("document.querySelector('[data-chart=rows-a]')")
    layer, head = map(int, figures(tab.text("[data-chart=heads-a] .said"))[:2])
    capture = Capture((), heads=False, units=0, candidates=1, values=(), rows=(0, 1))
    row = served.desk.model.run(trace.tokens.tolist(), capture=capture)[f"rows.{layer}"][9, head, :10]
    chips = tab.run("[...document.querySelectorAll('[data-chart=looks-a] .t')].map(x => x.title)")
    np.testing.assert_allclose([figures(x)[1] for x in chips], row, rtol=2e-3, atol=1e-6)


def test_lens_and_two_runs(tab, trace, served):
    tab.run("document.querySelector('#ask details').open = true")
    tab.type("#swap", "relu")
    tab.type("#new", "0")
    tab.click("#with-lens")
    tab.click("#go")
    ended(tab)
    choose(tab, "#run-b", "0")
    model = served.desk.model
    other = model.run(PROMPT, capture=inspect_desk.watched(model, lens=True), swap={"act": "relu"})
    t = 4
    go(tab, t)
    *layers, last = rows(tab, "#lens")
    for layer, (name, _, p, entropy, divergence) in enumerate(layers):
        assert int(name) == layer
        close(figures(p)[0], np.exp(other["lens.log_probabilities"][t, layer, 0]))
        close(figures(entropy)[0], other["lens.entropy"][t, layer])
        close(figures(divergence)[0], other["lens.divergence"][t, layer])
    assert layers[-1][1:4] == last[1:4] and last[0] == "model"  # the last layer says what the model says
    told = figures(tab.text("[data-chart=difference-layers] .said"))
    layer = int(told[0])
    difference = trace["site.resid_post.l2"][t, layer] - other["site.resid_post.l2"][t, layer]
    close(told[2], difference)
    assert "relu" in tab.text("#neurons [data-chart=units-a] caption") and "relu" in tab.text("#facts")


def test_files_of_a_run(tab, trace, tmp_path):
    """What is saved holds what was recorded; the page is one that works by itself."""
    choose(tab, "#run-a", "0")
    tab.browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    names = ("npz", "json", "html")
    for name in names:
        tab.click(f"#{name}")
    for _ in range(600):
        if all(list(tmp_path.glob(f"*.{n}")) for n in names):
            break
        tab.run("new Promise(r => setTimeout(r, 50))")
    saved = Trace.load(next(tmp_path.glob("*.npz")))
    assert (saved.pieces, saved.prompt, saved.labels) == (trace.pieces, trace.prompt, trace.labels)
    assert saved.arrays.keys() == trace.arrays.keys()
    for name in trace.arrays:
        np.testing.assert_array_equal(saved[name], trace[name])
    told = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert told["tokens"] == trace.tokens.tolist() and told["about"] == json.loads(
        json.dumps(dict(trace.about))
    )
    alone = tab.browser.tab(next(tmp_path.glob("*.html")).as_uri())
    count = "document.querySelectorAll('#run-a option').length"
    assert alone.run(count) == tab.run(count) >= 1
    assert alone.run("document.querySelectorAll('#strip-a .t').length") == len(trace)
    assert alone.wrong() == [] and not [u for u in alone.asked() if u.startswith("http")]


def test_stop_midway_then_reload_in_one_of_two_tabs(tab, served, monkeypatch):
    real = inspect_desk.part_of

    def slow(part):
        time.sleep(0.1)
        return real(part)

    monkeypatch.setattr(inspect_desk, "part_of", slow)
    second = tab.browser.tab(f"http://{served.host}/", width=400, height=800)
    second.until("!document.querySelector('#go').disabled")
    second.type("#prompt", "Other")
    second.type("#new", "200")
    second.click("#go")
    second.until("document.querySelectorAll('#strip-a .t').length > 8")
    second.click("#stop")
    ended(second)
    served.idle()
    count = "document.querySelectorAll('#strip-a .t').length"
    shown = second.run(count)
    assert 8 < shown < 150 and second.text("#state").endswith("stopped")
    assert second.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    second.call("Page.reload")
    second.until("document.querySelector('#go') && !document.querySelector('#go').disabled")
    assert second.run("document.querySelector('#prompt').value") == "Other" and second.run(count) == shown
    assert tab.run("document.querySelector('#prompt').value") == PROMPT  # the other tab is its own
    # what is refused is said
    second.type("#temperature", "-1")
    second.run("document.querySelector('#ask').noValidate = true")
    second.click("#go")
    second.until("!document.querySelector('#wrong').hidden")
    assert second.text("#wrong").startswith("temperature=-1: must be a number")
    assert [x for x in second.wrong() if "400" not in x] == []


def test_nothing_was_complained_of(tab, served):
    assert tab.wrong() == []
    assert all(u.startswith((f"http://{served.host}/", "blob:")) for u in tab.asked())
