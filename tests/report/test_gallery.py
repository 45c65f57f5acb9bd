"""The gallery's page: complete, self-contained, with facts and data for its search, filters and overlay."""

import base64
import hashlib
import json
import re

import pytest

import actlab.report.gallery
from actlab.activations import make
from actlab.report.gallery import card_chart, entry, overlay_chart, page, write_gallery
from actlab.report.gallery_cards import FLAGS, Entry, card, filters

SOME = [
    "gelu",
    "gelu_tanh",
    "heaviside",
    "relu",
    "round_ste",
    "siren_sine",
    "softmax",
    "swiglu",
    "swish",
    "wire_gabor",
]


@pytest.fixture(scope="module")
def entries():
    return [entry(make(name)) for name in SOME]


@pytest.fixture(scope="module")
def text(entries):
    return page(entries, "/* bundle */")


def article(text, name):
    return re.search(rf'<article class="card fn" id="{name}".*?</article>', text, re.S)[0]


def data(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


@pytest.mark.slow
def test_it_asks_for_nothing_and_allows_only_itself(text):
    assert not re.search(r"""(src)\s*=\s*["']?(https?:)?//""", text)
    assert "@import" not in text
    assert "url(" not in text
    assert " style=" not in text  # the policy would drop it
    assert "$" not in re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for inline in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.S):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_every_function_has_a_card_with_its_facts(text):
    assert re.findall(r'<article class="card fn" id="(\w+)"', text) == SOME
    relu = article(text, "relu")
    for said in (
        "max(0,x)",
        "[0, ∞)",
        "never decreasing",
        "taken 0",
        "1.41421",
        "Fukushima 1969",
        "jax.nn.relu",
    ):
        assert said in relu, said
    assert 'data-flags="contracting jax monotonic nonnegative output torch zero"' in relu
    assert "@inproceedings" in relu
    assert 'href="https://arxiv.org/abs/1606.08415"' in article(text, "gelu")
    assert "along gate, with up = 1" in article(text, "swiglu")
    assert "f′ and f″ lie outside" in article(text, "siren_sine")
    assert "learnable" in article(text, "swish")


@pytest.mark.slow
def test_measured_errors_and_bytes_stand_beside_those_of_jax(text):
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', article(text, "gelu"))
    assert [who for who, _ in rows] == ["actlab", "jax.nn.gelu(x, approximate=False)"]
    ours, theirs = (re.findall("<td>(.*?)</td>", cells) for _, cells in rows)
    assert len(ours) == len(theirs) == 5
    assert (ours[-1], theirs[-1]) == ("2", "6")
    assert float(ours[0]) < 4 < float(theirs[0])


def test_data_for_the_charts(text):
    functions = {f["name"]: f for f in data(text)["functions"]}
    assert list(functions) == SOME
    for f in functions.values():
        assert len(f["y"]) == 3
        assert all(len(line) == len(f["x"]) for line in f["y"])
        assert f["starts"][0] == 0
        assert set(f["sort"]) == {"name", "family", "year", "lipschitz", "gain", "error"}
    assert functions["heaviside"]["marks"] == [[0, 0.0, 1.0]]
    assert functions["relu"]["marks"] == [[1, 0.0, 0.0]]
    assert functions["gelu"]["sort"]["year"] == 2016


def test_the_charts_are_vega_lite():
    for chart in (card_chart(), overlay_chart()):
        assert [layer["mark"]["type"] for layer in chart["layer"]][:3] == ["rule", "rule", "line"]
        assert "datasets" not in chart


def test_filters_count_what_they_leave(entries):
    found = filters(entries)
    for flag, words in FLAGS.items():
        many = sum(flag in e.flags for e in entries)
        assert (f'value="{flag}"> {words} <span class="many">{many}</span>' in found) == (many > 0)
    assert '<option value="gated">gated (1)</option>' in found


def test_a_function_that_cannot_be_drawn_has_a_card_all_the_same(monkeypatch):
    e = Entry(make("gelu"), None, "gelu cannot be drawn: <b>")
    html = card(e, 0)
    assert "gelu cannot be drawn: &lt;b&gt;" in html
    assert "Overlay gelu" not in html
    assert page([e], "")


def test_it_is_written_whole_and_says_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(actlab.report.gallery, "javascript", lambda cache: "")
    told = []
    path = write_gallery(tmp_path / "out", ["tanh", "hard_tanh"], told=lambda *done: told.append(done))
    assert path == tmp_path / "out" / "index.html"
    assert told == [(1, 2), (2, 2)]
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


def test_size(text):
    # Of 175 functions; the bundle adds 0.9 MB.
    assert len(text) / len(SOME) * 175 < 4e6
