import os
import subprocess
import sys

import pytest

from actlab.cli import run

SMALL = ["model.width=8", "model.depth=2", "batch_size=50", "eval_every=20", "checkpoint_every=20"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def actlab(here, capsys):
    """Return ``actlab(*argv) -> (exit code, standard output, standard error)``, run in this process."""

    def call(*argv):
        code = run([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def process(here):
    """Return ``process(*argv, **popen) -> Popen`` of the command line in a process of its own."""
    started = []

    def start(*argv, prefix=(), environment=None, **kwargs):
        command = [*prefix, sys.executable, "-c", "from actlab.cli import main; main()", *map(str, argv)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(
            subprocess.Popen(command, cwd=here, env=os.environ | (environment or {}), **(pipes | kwargs))
        )
        return started[-1]

    yield start
    for p in started:
        if p.poll() is None:
            p.kill()
        p.communicate()


@pytest.fixture(scope="session")
def served():
    """A server of ``actlab inspect`` with a small model; those who use it are in the group ``inspect``."""
    from made_server import serving

    with serving() as made:
        assert made.desk.state == "ready", made.desk.told
        yield made
