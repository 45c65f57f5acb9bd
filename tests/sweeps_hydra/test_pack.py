import pickle
from pathlib import Path

import pytest

from actlab.cli import composing
from actlab.cli.build import plain, worth
from actlab.cli.sweep import run_pack
from actlab.cli.sweep_pack import Job

from .conftest import SMALL


def config(*overrides):
    return plain(composing.compose([*SMALL, *overrides]))


@pytest.mark.slow
def test_plain_values_go_in_and_out(here):
    jobs = [
        Job(config("seed=1"), "a", {"command": "c"}),
        Job(config("optimizer.clip_norm=-1"), "b"),
        Job(config("seed=2"), "c"),
    ]
    Path("c").write_text("no folder")  # c cannot be written
    work = pickle.loads(pickle.dumps((run_pack, jobs, {"strategy": "map", "lanes": None})))
    ended = work[0](*work[1:])
    assert [e.state for e in pickle.loads(pickle.dumps(ended))] == ["finished", "failed", "failed"]
    assert ended[0].step == 20
    assert ended[1].message.startswith("optimizer: ")
    assert ended[2].message.startswith("File exists") or "c" in ended[2].message


@pytest.mark.slow
def test_a_jobs_records_go_to_its_loggers(here, monkeypatch):
    from actlab.sinks import Guarded

    calls = []

    class Kept(Guarded):
        def start(self, folder, *, resumed):
            calls.append(("start", folder.name, resumed))

        def log(self, rows, histograms):
            calls.append(("log", len(list(rows)) > 10))

    monkeypatch.setattr("actlab.cli.build.sinks_of", lambda config: (Kept("mine", object(), config),))
    monkeypatch.setattr(
        "actlab.sinks.finish_all", lambda sinks, state, scores: calls.append((state, len(sinks)))
    )
    values = config() | {"logger": {"mine": {"_target_": "actlab.sinks.tensorboard.TensorBoard"}}}
    run_pack([Job(values, "a")], {})
    assert calls == [("start", "a", False), ("log", True), ("finished", 1)]


def test_what_a_run_is_worth():
    scores = {"test accuracy": 0.25, "test loss": float("nan")}
    assert worth(scores, {}) == 0.25
    assert worth(scores, {"objective": "test loss"}) == float("inf")
    assert worth({}, {"objective": "train accuracy"}) == 0.0
