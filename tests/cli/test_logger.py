"""``logger=``: records go there too, whatever happens there; a run stays what it is."""

import json

import pytest
import yaml

from actlab.cli.build import sinks
from actlab.cli.composing import compose

from .conftest import SMALL

USERS_MODULE = """
import json
from dataclasses import dataclass
from pathlib import Path

@dataclass(kw_only=True)
class File:
    path: str = "sent.jsonl"
    def start(self, config, run_folder, identity):
        with Path(self.path).open("a") as f: f.write(json.dumps([identity, config["steps"], str(run_folder)]) + "\\n")
        return "id"
    def log(self, step, values, histograms):
        with Path(self.path).open("a") as f: f.write(json.dumps([step, values, sorted(histograms)]) + "\\n")
    def finish(self, state, scores):
        with Path(self.path).open("a") as f: f.write(json.dumps([state, scores, []]) + "\\n")

class Down:
    def start(self, config, run_folder, identity): raise ConnectionError("no route to host")

class Needy:
    def __init__(self):
        from actlab.sinks.sink import require
        require("no_such_library", "needy")
"""
FILE = "+logger.file._target_=logger_users.File"


@pytest.fixture(autouse=True)
def users(here):
    (here / "logger_users.py").write_text(USERS_MODULE)


def contents(path):
    return {
        str(p.relative_to(path)): p.read_bytes()
        for sub in ("metrics", "histograms")
        for p in sorted((path / sub).iterdir())
    }


def parameters(path, step):
    files = json.loads((path / "checkpoints" / f"{step}.json").read_text())["files"]
    return sorted(digest for name, digest in files.items() if name.startswith("d/"))


@pytest.mark.slow
def test_loggers_change_nothing_but_get_everything(actlab, here):
    assert actlab("train", "steps=40", *SMALL, "hydra.run.dir=plain")[0] == 0
    down = "+logger.down._target_=logger_users.Down"
    code, _, err = actlab("train", "steps=40", *SMALL, "hydra.run.dir=told", FILE, down)
    assert code == 0
    lines = err.strip().splitlines()
    told = "logger=down: ConnectionError: no route to host; training goes on, what is lost is counted in run.json"
    assert lines[0] == f"actlab: {told}"
    assert len(lines) == 2
    assert "no route to host" in (here / "told" / "train.log").read_text()
    assert contents(here / "told") == contents(here / "plain")
    info = json.loads((here / "told" / "run.json").read_text())
    sent = [json.loads(line) for line in (here / "sent.jsonl").read_text().splitlines()]
    assert sent[0] == [None, 40, "told"]
    assert [s[0] for s in sent[1:-1]] == [0, 20, 40]
    assert sent[2][1]["test/loss"] > 0
    assert sent[-1] == ["finished", info["scores"], []]
    count = sum(len(values) + len(shapes) for _, values, shapes in sent[1:-1])
    assert info["sinks"]["file"] == {"sent": count, "lost": 0, "not_finite": 0, "repeated": 0, "error": None}
    assert info["sinks"]["down"]["lost"] == count
    assert "sinks" not in json.loads((here / "plain" / "run.json").read_text())


@pytest.mark.slow
def test_a_resumed_run_may_have_another_logger(actlab, here):
    """And goes on with the one it has, after the last step that was sent."""
    from actlab.train.folder import RunFolder

    assert actlab("train", "steps=40", *SMALL, "hydra.run.dir=run", FILE)[0] == 0
    with RunFolder(here / "run") as folder:  # as if killed after step 20
        folder.write(state="running")
        folder.drop_after(20)
    for name in ("40", "40.json"):
        (here / "run" / "checkpoints" / name).rename(here / name)
    assert actlab("train", "resume=run")[0] == 0
    sent = [json.loads(line) for line in (here / "sent.jsonl").read_text().splitlines()]
    # Step 40 came again and was there already: the sink is opened only to be closed.
    assert [s[0] for s in sent] == [None, 0, 20, 40, "finished", "id", "finished"]
    assert json.loads((here / "run" / "run.json").read_text())["sinks"]["file"]["repeated"] > 0
    with RunFolder(here / "run") as folder:
        folder.write(state="running")
    code, _, err = actlab("train", "resume=run", "logger=none", FILE, "logger.file.path=other.jsonl")
    assert code == 2  # Hydra's own rule: a key that is new is written with +
    code, _, err = actlab("train", "resume=run", "logger=none", FILE, "+logger.file.path=other.jsonl")
    assert (code, err) == (0, "")
    assert yaml.safe_load((here / "run" / ".hydra" / "config.yaml").read_text())["logger"].keys() == {"file"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("logger=wandbb", "logger=wandbb: there is no such logger; did you mean 'wandb'?"),
        (
            "logger=wandb logger.wandb.mode=offlin",
            "logger.wandb.mode='offlin': must be one of online, offline",
        ),
        ("logger=wandb logger.wandb.projct=x", "unknown key logger.wandb.projct; did you mean project?"),
        (
            "logger=mlflow logger.mlflow.tracking_uri=3",
            "logger.mlflow.tracking_uri=3: must be a name or null",
        ),
        ("+logger.x=3", "must be one of configs/logger, or a list of them"),
        ("+logger.x._target_=logger_users.Needy", "logger=x: needs the library no_such_library: pip install"),
    ],
)
def test_bad_input(actlab, here, argv, message):
    code, _, err = actlab("train", *argv.split())
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert {p.name for p in here.iterdir()} <= {"logger_users.py", "__pycache__"}


def test_several_at_once(monkeypatch):
    monkeypatch.setattr("actlab.sinks.wandb.require", lambda *_: None)
    monkeypatch.setattr("actlab.sinks.mlflow.require", lambda *_: None)
    made = sinks(compose(["logger=[wandb,mlflow]", "logger.wandb.project=mine"]))
    assert [s.label for s in made] == ["wandb", "mlflow"]
    assert made[0]._sink.project == "mine"
    assert "logger" not in made[0]._config
    assert sinks(compose([])) == ()
