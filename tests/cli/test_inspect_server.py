"""The server of `actlab inspect`: what it answers, to whom, and that nothing asked of it harms it."""

import base64
import json
import threading

import numpy as np
import pytest
from made_server import serving

from actlab.cli import inspect_desk
from actlab.errors import InputError
from actlab.inspection import Capture

pytestmark = pytest.mark.xdist_group("inspect")
PROMPT = "The quick brown"


def arrays(events, name):
    parts = [e["part"]["arrays"][name] for e in events if e["event"] == "part"]
    kinds = {"f4": "<f4", "i4": "<i4"}
    return np.concatenate(
        [np.frombuffer(base64.b64decode(x), kinds[kind]).reshape(shape) for shape, kind, x in parts]
    )


def test_a_run_is_what_the_model_records(served):
    status, events = served.generate(prompt=PROMPT, max_new_tokens=12, temperature=0.8, top_k=20, seed=3)
    assert status == 200
    assert [e["event"] for e in events] == ["part", "part", "part", "end"] and events[-1][
        "reason"
    ] == "length"
    model = served.desk.model
    trace = model.generate(
        PROMPT, max_new_tokens=12, temperature=0.8, top_k=20, seed=3, capture=inspect_desk.watched(model)
    )
    assert trace.arrays.keys() == events[0]["part"]["arrays"].keys()
    for name in trace.arrays:
        np.testing.assert_array_equal(arrays(events, name), trace[name], err_msg=name)
    assert "".join(p for e in events[:-1] for p in e["part"]["pieces"]) == trace.text
    assert [e["part"]["given"] for e in events[:-1]] == [trace.prompt, 0, 0]


def test_rows_of_a_head_on_demand(served):
    model = served.desk.model
    ids = model.encode(PROMPT)
    body = json.dumps({"tokens": ids, "layer": 1, "head": 2}).encode()
    status, told = served.ask("POST", "/api/rows", body)
    assert status == 200
    shape, kind, data = told["rows"]
    rows = np.frombuffer(base64.b64decode(data), "<f2").reshape(shape)
    capture = Capture((), heads=False, units=0, candidates=1, values=(), rows=(0, 1))
    assert kind == "f2"
    expected = model.run(ids, capture=capture)["rows.1"][:, 2]
    np.testing.assert_array_equal(rows, expected.astype(np.float16))
    np.testing.assert_allclose(rows.sum(1), 1, atol=2e-3)


@pytest.mark.slow
def test_a_text_is_read_units_are_silent_and_chat_has_its_template(served):
    status, events = served.generate(prompt=PROMPT, max_new_tokens=0, ablate={"blocks.0.mlp.act": [1, 2]})
    assert status == 200 and events[0]["head"]["about"]["edited"] == ["blocks.0.mlp.act.post"]
    plain = served.generate(prompt=PROMPT, max_new_tokens=0)[1]
    changed, before = (arrays(x, "site.mlp_out.l2") for x in (events, plain))
    assert (changed[:, 0] != before[:, 0]).all()
    status, events = served.generate(messages=[{"role": "user", "content": "hi"}], max_new_tokens=0)
    ids = served.desk.model.encode([{"role": "user", "content": "hi"}])
    assert status == 200 and events[0]["part"]["given"] == len(ids)


HOSTILE = [
    ({"prompt": ""}, "the prompt is empty"),
    ({"prompt": 5}, "prompt: must be a text, not such a number"),
    ({"messages": []}, "messages: must be a list of objects with role and content"),
    ({"messages": [{"role": "root", "content": "x"}]}, "role must be system, user or assistant"),
    ({"messages": [{"role": "user", "content": "x", "file": "/etc/passwd"}]}, "'file' is no field"),
    ({}, "give either prompt or messages"),
    ({"prompt": "x", "temperature": -1}, "temperature=-1: must be a number from 0.0 to 100.0"),
    ({"prompt": "x", "temperature": 1e9}, "temperature=1000000000.0: must be a number from 0.0 to 100.0"),
    ({"prompt": "x", "temperature": "hot"}, "temperature='hot': must be a number"),
    ({"prompt": "x", "top_k": 1.5}, "top_k=1.5: must be an integer"),
    ({"prompt": "x", "seed": -1}, "seed=-1: must be an integer"),
    ({"prompt": "x", "max_new_tokens": 10**9}, "max_new_tokens: must be an integer from 0 to 960"),
    ({"prompt": "x", "max_new_tokens": 900}, "are more than 512"),
    ({"prompt": "x", "max_new_tokens": True}, "max_new_tokens: must be an integer"),
    ({"prompt": "x", "max_new_token": 4}, "'max_new_token' is no field; did you mean 'max_new_tokens'?"),
    ({"prompt": "x", "model": "../../etc/passwd"}, "'model' is no field"),
    ({"prompt": "x", "swap": "os:system"}, "swap: 'os:system' is no activation"),
    ({"prompt": "x", "ablate": {"blocks.9.mlp.act": [1]}}, "is no site of this model"),
    ({"prompt": "x", "ablate": {"blocks.0.mlp.act": [10**6]}}, "is no unit, they are 0 to"),
    ({"prompt": "x", "ablate": [1]}, "ablate: must be units by site, not a list"),
    ({"prompt": "x", "lens": "yes"}, "lens: must be true or false"),
    ({"prompt": "half \ud83d"}, "surrogate"),
]


@pytest.mark.parametrize(("asked", "why"), HOSTILE, ids=[w[:30] for _, w in HOSTILE])
def test_what_cannot_be_is_one_line(served, asked, why):
    status, error = served.generate(**asked)
    assert status == 400 and why in error and "\n" not in error and len(error) <= 400


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b"[1]", 400, "must be a JSON object"),
        (b'{"prompt": "x", "temperature": NaN}', 400, "NaN is no number in JSON"),
        (b'{"prompt": "x", "prompt": "y"}', 400, "a field is given twice"),
        (b"[" * 60000, 400, "no JSON"),
        (b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}", 400, "no JSON"),
        (b'{"prompt": "' + b"a" * (1 << 20) + b'"}', 413, "longer than 64 KiB"),
    ],
    ids=["empty", "bytes", "list", "nan", "twice", "deep", "digits", "1MB"],
)
def test_bodies_that_are_none(served, body, status, why):
    got, told = served.ask("POST", "/api/generate", body)
    assert got == status and why in told["error"]


def test_any_characters_are_a_prompt(served):
    for prompt in ("\x00\x1b[2J\r\n\t\x7f", "\u202eשלום مرحبا\u2066", "👩‍👩‍👧‍👦🏴‍☠️" * 3, "<script>"):
        status, events = served.generate(prompt=prompt, max_new_tokens=0)
        assert status == 200 and "".join(p for e in events[:-1] for p in e["part"]["pieces"]) == prompt


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({}, 200),
    ],
)
def test_only_this_machines_own_page_is_answered(served, headers, status):
    body = json.dumps({"prompt": "x", "max_new_tokens": 0}).encode()
    assert served.ask("POST", "/api/generate", body, headers)[0] == status
    own = {"Host": f"localhost:{served.port}", "Origin": f"http://localhost:{served.port}"}
    assert served.ask("GET", "/api/model", headers=own)[0] == 200


def test_no_path_is_a_file_and_answers_are_guarded(served):
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/x.js", "//etc/passwd", "/api/"):
        status, told = served.ask("GET", path)
        assert status in (404, 307) or told == "" or "root:" not in str(told), path
        assert status != 200
    assert served.ask("GET", "/api/generate")[0] == 405
    connection, response = served.open("GET", "/")
    page = response.read().decode()
    connection.close()
    assert "connect-src 'self'" in page and response.getheader("x-frame-options") == "DENY"
    assert response.getheader("x-content-type-options") == "nosniff"
    assert "frame-ancestors 'none'" in response.getheader("content-security-policy")


def test_who_goes_away_stops_the_model(served, monkeypatch):
    parts = []

    def slow(trace):
        parts.append(len(trace))
        gone.wait(0.2)  # as a large model would take
        return real(trace)

    real, gone = inspect_desk.part_of, threading.Event()
    monkeypatch.setattr(inspect_desk, "part_of", slow)
    body = json.dumps({"prompt": PROMPT, "max_new_tokens": 200}).encode()
    connection, response = served.open("POST", "/api/generate", body)
    assert json.loads(response.readline())["event"] == "part"
    response.close()
    connection.close()
    served.idle()
    assert 1 <= len(parts) < 10  # of 26
    monkeypatch.undo()
    assert served.generate(prompt=PROMPT, max_new_tokens=0)[0] == 200


def test_fifty_at_once_are_served_or_told_to_come_again(served):
    answers = []
    start = threading.Barrier(50)

    def one():
        start.wait()
        answers.append(served.generate(prompt=PROMPT, max_new_tokens=24))

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [status for status, _ in answers]
    assert len(answers) == 50 and set(statuses) == {200, 429}
    texts = {str([e["part"]["tokens"] for e in told[:-1]]) for status, told in answers if status == 200}
    assert len(texts) == 1
    served.idle()
    assert served.generate(prompt=PROMPT, max_new_tokens=0)[0] == 200


def test_a_model_that_cannot_be_loaded_is_told_on_the_page():
    def load():
        raise InputError("x.gguf: is cut off")

    with serving(load) as server:
        status, told = server.ask("GET", "/api/model")
        assert (status, told["state"], told["told"]) == (200, "failed", "x.gguf: is cut off")
        body = json.dumps({"prompt": "x"}).encode()
        assert server.ask("POST", "/api/generate", body) == (
            503,
            {"error": "the model is not there: x.gguf: is cut off"},
        )
