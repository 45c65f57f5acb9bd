"""``actlab diagnose`` on run folders and on runs that have not begun."""

import json
import re

import pytest

from actlab.cli.diagnose import show
from actlab.stability import diagnose

SMALL = ["model.width=8", "model.depth=5", "batch_size=50"]


def test_a_run_folder(actlab, runs):
    code, out, err = actlab("diagnose", runs("diverged"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{runs('diverged')}: diverged at step 4,000"
    assert "SERIOUS  Divergence" in out
    assert "first non-finite value" in out
    assert "optimizer.learning_rate=0.0001" in out
    assert "not judged" in out
    assert "rank collapse" in out.lower()
    assert lines[-1] == "to try one: actlab train activation=relu model.depth=4 OVERRIDE"
    assert all(len(line) <= 120 for line in lines if not line.startswith(("/", "to try")))


def test_a_healthy_run(actlab, runs):
    code, out, err = actlab("diagnose", runs("healthy"), "--strict")
    assert (code, err) == (0, "")
    assert "OK  Healthy" in out
    assert "to try one" not in out


def test_strict_tells_by_exit_code(actlab, runs):
    assert actlab("diagnose", "--strict", runs("diverged"))[0] == 1


def test_json(actlab, runs):
    code, out, err = actlab("diagnose", runs("diverged"), "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["run"] == str(runs("diverged"))
    assert (told["state"], told["healthy"]) == ("diverged", False)
    finding = told["findings"][0]
    assert finding["name"] == "divergence"
    assert finding["advice"][0] == {
        "text": "lower the learning rate to a tenth",
        "override": "optimizer.learning_rate=0.0001",
    }
    assert {u["name"] for u in told["unjudged"]} >= {"rank_collapse", "output_misfit"}
    assert all(e.keys() >= {"kind", "step", "end_step", "site", "message"} for e in told["events"])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "name one run folder"),
        (["a", "b"], "name one run folder"),
        (["nowhere"], "nowhere is not a folder"),
        (["--jsn", "x"], "unknown flag --jsn; known: --json, --strict, --at-init"),
        (["model.depth=3"], "add --at-init"),
        (["--at-init", "model.depht=3"], "did you mean depth"),
        (["--at-init", "-m", "seed=0,1"], "unknown flag -m"),
        (["--at-init", "activation=rleu"], "there is no such activation; did you mean"),
    ],
)
def test_bad_input_is_one_line(actlab, argv, told):
    code, out, err = actlab("diagnose", *argv)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_begun_run_is_not_at_init(actlab, runs):
    code, _, err = actlab("diagnose", "--at-init", runs("healthy"))
    assert code == 2
    assert "leave --at-init out" in err


def test_help(actlab):
    code, out, _ = actlab("diagnose", "--help")
    assert code == 0
    assert out.startswith("usage: actlab diagnose RUN")
    assert "  diagnose " in actlab("--help")[1]


def test_events_are_shown(runs):
    from dataclasses import replace
    from io import StringIO

    import polars as pl
    from rich.console import Console

    from actlab.records import EVENTS
    from actlab.runs import read_run

    run = read_run(runs("healthy"))
    events = [(k, "spike", "train", 9.0, 5.0, f"loss spike [{k}]") for k in range(20, 40)]
    run = replace(run, events=pl.DataFrame(events, schema=EVENTS, orient="row"))
    console = Console(file=StringIO(), width=100)
    show(run, diagnose(run), console)
    out = console.file.getvalue()
    assert int(re.search(r"events, (\d+) in all", out)[1]) >= 20  # and what detectors find
    assert "step 20  spike  loss spike [20]" in out  # brackets are no markup
    assert "loss spike [35]" not in out


def files(folder):
    return sorted(p for p in folder.rglob("*"))


@pytest.mark.slow
def test_at_init_finds_what_is_wrong_before_the_first_step(actlab, here):
    argv = ["activation=silu", "model.init=torch_default", "model.depth=4", "model.width=64", "batch_size=50"]
    code, out, err = actlab("diagnose", "--at-init", *argv, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["run"] == " ".join(argv)
    assert told["state"] == "not started"
    found = {f["name"]: f for f in told["findings"]}
    assert found["initial_gain"]["severity"] in ("warning", "serious")
    assert found["initial_gain"]["steps"] == [0, 0]
    assert found["initial_gain"]["advice"][0]["override"] in (
        "model.init=lecun_normal",
        "model.init=he_normal",
    )
    assert {u["name"] for u in told["unjudged"]} == set()
    assert files(here) == []  # nothing is written

    # what it advises cures it
    override = found["initial_gain"]["advice"][0]["override"]
    code, out, err = actlab("diagnose", "--at-init", *argv, override, "--strict")
    assert (code, err) == (0, "")
    assert out.startswith(f"{' '.join(argv)} {override}: not started at step 0")
    assert "OK  Healthy" in out


@pytest.mark.slow
def test_at_init_of_statistics_that_tell_less(actlab, here):
    code, out, _ = actlab("diagnose", "--at-init", *SMALL, "stats=none")
    assert code == 0
    assert "not judged" in out
    assert files(here) == []


@pytest.mark.slow
def test_at_init_of_a_users_own_function(actlab, here):
    (here / "late_function.py").write_text("import jax\ndef late(x):\n    return jax.nn.relu(x - 4.9)\n")
    before = files(here)
    code, out, _ = actlab("diagnose", "--at-init", *SMALL, "activation.name=late_function:late", "--strict")
    assert code == 1
    assert "SERIOUS  Born dead" in out
    assert [f for f in files(here) if "__pycache__" not in str(f)] == before
