"""kill -9 at random moments, saves included, then resume: the same parameters and rows as never interrupted."""

import json
import os
import random
import signal
import time

import numpy as np
import polars as pl
import pytest

from actlab.train.checkpoint import Checkpoints

# A checkpoint after every 20 steps, so that most of the time something is being saved.
JOB = [
    "steps=1600",
    "stats.every=20",
    "eval_every=20",
    "checkpoint_every=20",
    "batch_size=20",
    "model.dropout=0.1",
]
KILLS = 10
SEED = 20261122


def start(process, here, argv, log):
    with (here / log).open("w") as out:
        return process("train", *argv, stdout=out, stderr=out)


def progress(path):
    try:
        return json.loads((path / "run.json").read_text()).get("step", 0)
    except (FileNotFoundError, ValueError):
        return -1


def rows(path):
    return pl.concat([pl.read_parquet(p) for p in sorted((path / "metrics").glob("*.parquet"))])


def final_arrays(path):
    """Return every array of the last checkpoint, read as orbax stores it."""
    import orbax.checkpoint as ocp

    step = Checkpoints(path / "checkpoints").steps()[-1]
    with ocp.StandardCheckpointer() as checkpointer:
        return step, checkpointer.restore((path / "checkpoints" / str(step)).absolute())


@pytest.mark.slow
def test_ten_kills(process, here):
    whole = start(process, here, [*JOB, "hydra.run.dir=whole"], "whole.log")
    assert whole.wait(timeout=300) == 0, (here / "whole.log").read_text()

    moments, during_save = random.Random(SEED), 0
    path = here / "killed"
    argv = [*JOB, "hydra.run.dir=killed"]
    for kill in range(KILLS):
        before = progress(path)
        p = start(process, here, argv, f"{kill}.log")
        deadline = time.monotonic() + 120
        while progress(path) <= max(before, 0) and p.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.3))
        assert p.poll() is None, f"ended before kill {kill}: " + (here / f"{kill}.log").read_text()
        p.send_signal(signal.SIGKILL)
        p.wait()
        unfinished = [
            f
            for f in os.listdir(path / "checkpoints")
            if f.isdigit() and not (path / "checkpoints" / f"{f}.json").exists()
        ] + [f for f in os.listdir(path / "checkpoints") if "tmp" in f]
        during_save += bool(unfinished)
        print(f"kill {kill}: at step {progress(path)}, unfinished in checkpoints: {unfinished or 'nothing'}")
        argv = ["resume=killed"]
    last = start(process, here, argv, "last.log")
    assert last.wait(timeout=300) == 0, (here / "last.log").read_text()

    assert during_save, "no kill met a save: make checkpoints more frequent"
    expected, got = final_arrays(here / "whole"), final_arrays(path)
    assert expected[0] == got[0] == 1600
    assert expected[1].keys() == got[1].keys()
    for name, array in expected[1].items():
        np.testing.assert_array_equal(got[1][name], array, err_msg=name)
    assert rows(path).equals(rows(here / "whole"))
    assert not rows(path).select("step", "site", "quantity").is_duplicated().any()
    print(
        f"{KILLS} kills, {during_save} during a save: {len(got[1])} arrays and {len(rows(path))} rows identical"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_save_and_exit(process, here, number, code):
    job = [a.replace("steps=1600", "steps=100000") for a in JOB]
    p = start(process, here, [*job, "hydra.run.dir=run"], "log")
    while progress(here / "run") <= 0 and p.poll() is None:
        time.sleep(0.01)
    p.send_signal(number)
    assert p.wait(timeout=60) == code, (here / "log").read_text()
    info = json.loads((here / "run" / "run.json").read_text())
    assert info["state"] == "interrupted"
    assert Checkpoints(here / "run" / "checkpoints").steps()[-1] == info["step"]
    assert (here / "run" / "report.html").exists()
    assert "to go on: actlab train resume=run" in (here / "log").read_text()


@pytest.mark.slow
def test_a_kill_while_samples_are_read_from_a_file(process, here):
    """Trained from memory, and by Grain with a kill: the same arrays and rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 8)).astype(np.float32)
    np.savez(here / "data.npz", x=x, y=(x[:, 0] > 0) + 2 * (x[:, 1] > 0))
    job = [*JOB, "steps=600", "data=file", "data.path=data.npz"]
    held = start(process, here, [*job, "hydra.run.dir=held"], "held.log")
    read = start(
        process, here, [*job, "data.loader=grain", "data.budget_mb=0.02", "hydra.run.dir=read"], "read.log"
    )
    while progress(here / "read") < 60 and read.poll() is None:
        time.sleep(0.002)
    assert read.poll() is None, (here / "read.log").read_text()
    read.send_signal(signal.SIGKILL)
    read.wait()
    last = start(process, here, ["resume=read"], "last.log")
    assert last.wait(timeout=300) == 0, (here / "last.log").read_text()
    assert held.wait(timeout=300) == 0, (here / "held.log").read_text()
    expected, got = final_arrays(here / "held"), final_arrays(here / "read")
    assert expected[0] == got[0] == 600
    for name, array in expected[1].items():
        np.testing.assert_array_equal(got[1][name], array, err_msg=name)
    assert rows(here / "read").equals(rows(here / "held"))
