import json
import os
import subprocess
import sys

import pytest

from actlab.cli import run, sweep_settings

SMALL = [
    "steps=20",
    "model.width=8",
    "model.depth=1",
    "batch_size=50",
    "eval_every=20",
    "checkpoint_every=20",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def sweep(here, capsys):
    """Return ``sweep(*argv) -> (exit code, standard output, standard error)`` of a small sweep in ``s``."""

    def call(*argv, place="hydra.sweep.dir=s"):
        places = [place] if place else []
        code = run(["train", "-m", "hydra/launcher=vmap", *SMALL, *argv, *places])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def jobs(here):
    """Return ``jobs() -> {number: record}`` as sweep.json of the folder ``s`` says."""

    def read(path="s"):
        return {j["number"]: j for j in json.loads((here / path / "sweep.json").read_text())["jobs"]}

    return read


@pytest.fixture
def process(here):
    """Return ``process(*argv) -> Popen`` of the command line in a process of its own."""
    started = []

    def start(*argv):
        command = [sys.executable, "-c", "from actlab.cli import main; main()", *argv]
        started.append(
            subprocess.Popen(
                command, cwd=here, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for p in started:
        if p.poll() is None:
            p.kill()
        p.communicate()


def tamed(monkeypatch, answer):
    """Replace the engine by ``answer(jobs, tell)``, a list of how each ended; return the packs it was handed."""

    packs = []

    def engine(jobs, options, tell):
        packs.append((jobs, options))
        return answer(jobs, tell)

    monkeypatch.setattr(sweep_settings, "run_pack", engine)
    return packs
