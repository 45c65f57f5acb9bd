"""The page of a language model's activations: its numbers are the trace's, nothing it shows can end its scripts."""

import base64
import json
import math
import re

import numpy as np
import pytest

from actlab.activations import silu
from actlab.errors import InputError
from actlab.inspection import Trace
from actlab.inspection.measures import vector
from actlab.report import inspect_payload
from actlab.report.inspect_page import MARK, shell, text, write_inspection
from actlab.report.inspect_payload import exported

KINDS = {"f4": "<f4", "i4": "<i4", "f2": "<f2"}


def made(pieces=("a", "</script><b>", "\u202e!", "é"), prompt=2):
    """A trace of two blocks and three heads, of numbers that have no meaning."""
    n = len(pieces)
    rng = np.random.default_rng(0)
    normal = rng.standard_normal
    arrays = {
        "next.log_probability": -np.abs(normal(n)).astype(np.float32),
        "next.rank": np.arange(1, n + 1, dtype=np.int32),
        "next.entropy": np.abs(normal(n)).astype(np.float32),
        "site.resid_post.l2": (1e-30 * 10.0 ** np.arange(2 * n)).reshape(n, 2).astype(np.float32),
        "heads.entropy_rest": normal((n, 2, 3)).astype(np.float32),
        "value.blocks.0.resid_post": normal((n, 5)).astype(np.float32),
        "rows.1": rng.dirichlet(np.ones(n), (n, 3)).astype(np.float32),
    }
    arrays["heads.entropy_rest"][0] = np.nan
    arrays["next.log_probability"][1] = -np.inf
    about = {
        "model": "<made>",
        "depth": 2,
        "heads": 3,
        "activations": [
            {"name": "silu", "lean": False, "params": {}},
            {"name": "my.own:f", "lean": False, "params": {}},
        ],
        "measured": {"resid_post": [0, 1]},
    }
    return Trace(
        np.arange(n, dtype=np.int32), pieces, {i: p for i, p in enumerate(pieces)}, prompt, arrays, about
    )


def payload(page, name="runs"):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">([^<]*)</script>', page)[1])


def decoded(told):
    shape, kind, data = told
    return np.frombuffer(base64.b64decode(data), KINDS[kind]).reshape(shape)


def test_the_pages_numbers_are_the_traces():
    trace = made()
    (run,) = payload(text([("one", trace)]))
    (part,) = run["parts"]
    assert run["label"] == "one" and run["about"]["model"] == "<made>" and "activations" not in run["about"]
    assert (part["n"], part["given"], part["pieces"]) == (4, 2, list(trace.pieces))
    assert decoded(part["tokens"]).tolist() == [0, 1, 2, 3]
    assert part["arrays"].keys() == trace.arrays.keys() - {"value.blocks.0.resid_post"}
    for name, told in part["arrays"].items():
        kept = trace[name].astype(np.float16) if name == "rows.1" else trace[name]
        np.testing.assert_array_equal(decoded(told), kept)  # NaN and infinity as they are
    assert run["acts"] == [0, 1]
    own, unknown = run["curves"]
    np.testing.assert_array_equal(decoded(own["y"]), np.asarray(silu(decoded(own["x"]))))
    assert (own["name"], own["act"]["name"], unknown["y"]) == ("silu", "silu", None)


@pytest.mark.slow
def test_the_page_says_which_kurtosis():
    normal = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    said = re.search(r'kurtosis: \{ title: "[^"]*Gaussian: (\d)', shell())[1]
    assert round(float(vector(normal).kurtosis)) == int(said)


def test_two_runs_are_side_by_side_and_a_shell_takes_them_later():
    one, two = payload(text([("one", made()), ("two", made(prompt=4))]))
    assert (one["label"], two["label"], two["parts"][0]["given"]) == ("one", "two", 4)
    empty = shell()
    assert empty.count(MARK) == 1 and "<form" not in empty and "connect-src" not in empty
    live = shell(live={"temperature": 0.7, "seed": 4294967295})
    assert re.findall(r'id="(temperature|seed|top_p)" value="([^"]+)"', live) == [
        ("temperature", "0.7"),
        ("top_p", "1"),
        ("seed", "4294967295"),
    ]
    assert payload(live) == [] and "connect-src 'self'" in live and "<form" in live


def test_nothing_shown_can_run_or_be_fetched(tmp_path):
    page = write_inspection(tmp_path / "page.html", [("</script>", made())], command="<b>&").read_text()
    assert page.count("</script>") == 3 and "<b>&" not in page and "&lt;b&gt;&amp;" in page
    code = re.findall(r"<script>(.*?)</script>", page, re.S)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert len(code) == 1 and policy.startswith("default-src 'none'") and "connect-src" not in policy
    assert not re.search(r"https?://", page)
    assert "innerHTML" not in page and "eval(" not in page


def test_what_cannot_be_a_page_is_told(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no trace"):
        text([])
    with pytest.raises(InputError, match="cannot be written"):
        write_inspection(tmp_path, [("one", made())])
    assert write_inspection(tmp_path / "new" / "page.html", [("one", made())]).is_file()
    monkeypatch.setattr(inspect_payload, "MOST", 100)
    with pytest.raises(InputError, match=r"4 tokens are 0 MiB of records, a page holds"):
        text([("one", made())])


def test_exported_json_says_what_json_cannot():
    trace = made()
    told = json.loads(exported(trace))
    assert told["text"] == trace.text and told["tokens"] == [0, 1, 2, 3]
    entropy = told["arrays"]["heads.entropy_rest"]
    assert entropy["shape"] == [4, 2, 3] and entropy["data"][:6] == ["NaN"] * 6
    assert entropy["data"][6:] == trace["heads.entropy_rest"][1:].reshape(-1).tolist()
    assert told["arrays"]["next.log_probability"]["data"][1] == "-Infinity"
    assert math.isclose(told["arrays"]["site.resid_post.l2"]["data"][0], 1e-30, rel_tol=1e-6)
