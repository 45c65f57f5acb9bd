"""A batch split over two devices, in one process and in two: the same rows, within what sums of parts allow."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import polars as pl
import pytest

from actlab.errors import InputError
from actlab.train import train
from actlab.train.folder import RunFolder
from actlab.train.parallel import Parallel, agreed, from_writer


def rows(path):
    return pl.concat([pl.read_parquet(p) for p in sorted((path / "metrics").glob("*.parquet"))])


def trained(run, path, **kwargs):
    with RunFolder(path) as folder:
        return train(run, folder, **kwargs)


def close(one, two):
    """Assert that two runs' rows differ by what adding in another order does to 80 steps."""
    assert one.drop("value").equals(two.drop("value"))
    a, b = one["value"].to_numpy(), two["value"].to_numpy()
    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "dropout"])
def test_two_devices_compute_what_one_does(small_run, tmp_path, model):
    from actlab import models

    kind = None if model == "mlp" else (lambda *a, **k: models.MLP(*a, depth=2, width=8, dropout=0.2, **k))
    trained(small_run(model=kind), tmp_path / "one")
    trained(small_run(model=kind, parallel=Parallel(2)), tmp_path / "two")
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    close(one, two)
    test = (pl.col("site") == "test") & (pl.col("quantity") == "accuracy")
    assert one.filter(test)["value"][-1] > 0.5  # they have learnt something to agree on


@pytest.mark.slow
def test_each_device_computes_its_half(small_run):
    """Else the same work would be done twice, and all of the above would hold."""
    run = small_run(parallel=Parallel(2))
    program, data = run.program, run.setup.data
    state = program.init(run.numbers)
    x, y = run.setup.parallel.copied((data.x_train, data.y_train))
    text = program.chunk.lower(state, x, y, length=10, every=10).compile().as_text()
    products = re.findall(r"(f32\[\d+,\d+\])\S* (?:dot|custom-call)\(", text)
    assert "f32[16,8]" in products and "f32[32,8]" not in products, products
    assert "all-reduce" in text
    whole = small_run()
    text = whole.program.chunk.lower(
        whole.program.init(whole.numbers), data.x_train, data.y_train, length=10, every=10
    ).compile().as_text()  # fmt: skip
    assert "all-reduce" not in text


@pytest.mark.slow
def test_interrupted_and_resumed_on_two_devices_is_the_same(small_run, tmp_path):
    trained(small_run(parallel=Parallel(2)), tmp_path / "whole")
    half = small_run(parallel=Parallel(2))

    def stop(progress):
        if progress.step == 40:
            os.kill(os.getpid(), signal.SIGTERM)

    assert trained(half, tmp_path / "half", tell=stop).state == "interrupted"
    outcome = trained(small_run(parallel=Parallel(2)), tmp_path / "half", resume=True)
    assert (outcome.state, outcome.step) == ("finished", 80)
    assert rows(tmp_path / "whole").equals(rows(tmp_path / "half"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": 0}, "parallel.data=0: must be an integer >= 1"),
        ({"data": 2, "processes": 2}, "parallel.processes=2 wants parallel.coordinator"),
        ({"data": 2, "coordinator": "here"}, "parallel.coordinator=here: must be host:port, or auto"),
        (
            {"data": 3, "coordinator": "h:1", "processes": 2, "process": 0},
            "parallel.processes=2: must be a divisor of parallel.data=3",
        ),
        (
            {"data": 2, "coordinator": "h:1", "processes": 2, "process": 2},
            r"parallel.process=2: must be in \[0, 2\)",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(given, told):
    with pytest.raises(InputError, match=told):
        Parallel(**given)


def test_more_devices_than_there_are(small_run):
    with pytest.raises(InputError, match=r"parallel.data=64: JAX has \d+ devices"):
        Parallel(64).start()
    with pytest.raises(InputError, match="batch_size=33 must be a multiple of parallel.data=2"):
        small_run(batch_size=33, parallel=Parallel(2))


def test_alone_there_is_nothing_to_agree_on():
    caught = [15]
    now = agreed(caught)
    caught.append(2)
    assert now == [15]
    assert from_writer(None, {"a": 1}) is None
    assert jax.process_count() == 1


# -- two processes over loopback ----------------------------------------------------------------------------

SMALL = ["model.width=16", "model.depth=2", "stats.every=10", "model.dropout=0.1"]


@pytest.fixture
def pair(tmp_path):
    """Return ``pair(*argv) -> (first, second)``: two processes of one run."""
    started = []

    def start(*argv):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        both = ["parallel.data=2", f"parallel.coordinator=127.0.0.1:{port}", "parallel.processes=2"]
        return [one(*argv, *both, f"parallel.process={k}") for k in (0, 1)]

    def one(*argv):
        code = "from actlab.cli import main; main()"
        path = tmp_path / f"{len(started)}.log"
        with path.open("w") as log:
            p = subprocess.Popen(
                [sys.executable, "-c", code, "train", *argv], cwd=tmp_path, stdout=log, stderr=log
            )
        p.log = path
        started.append(p)
        return p

    start.one = one
    yield start
    for p in started:
        if p.poll() is None:
            p.kill()
        p.wait()


def step_of(path):
    try:
        return json.loads((path / "run.json").read_text()).get("step", 0)
    except (FileNotFoundError, ValueError):
        return 0


def wait_for(path, step, processes):
    deadline = time.monotonic() + 120
    while step_of(path) < step:
        assert time.monotonic() < deadline
        assert all(p.poll() is None for p in processes), [p.log.read_text()[-2000:] for p in processes]
        time.sleep(0.02)


@pytest.mark.slow
def test_two_processes_are_one_process_with_two_devices_and_end_and_go_on_together(pair, tmp_path):
    job = [*SMALL, "steps=600", "eval_every=100", "checkpoint_every=100"]
    alone = pair.one(*job, "parallel.data=2", "hydra.run.dir=alone")
    assert alone.wait(240) == 0, alone.log.read_text()
    both = pair(*job, "hydra.run.dir=both")
    wait_for(tmp_path / "both", 100, both)
    both[1].send_signal(signal.SIGTERM)  # the one that writes nothing hears it
    assert [p.wait(60) for p in both] == [143, 143], [p.log.read_text()[-2000:] for p in both]
    info = json.loads((tmp_path / "both/run.json").read_text())
    assert info["state"] == "interrupted" and info["step"] < 600
    again = pair("resume=both")
    assert [p.wait(120) for p in again] == [0, 0], [p.log.read_text()[-2000:] for p in again]
    assert rows(tmp_path / "alone").equals(rows(tmp_path / "both"))  # bit for bit: a + b is b + a
    assert not (tmp_path / "runs").exists()  # nothing from the second process


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_killed_ends_the_other(pair, tmp_path, victim):
    both = pair(*SMALL, "steps=10000000", "eval_every=100", "checkpoint_every=100", "hydra.run.dir=run")
    wait_for(tmp_path / "run", 100, both)
    both[victim].kill()
    began = time.monotonic()
    assert both[1 - victim].wait(90) != 0
    print(f"ended {time.monotonic() - began:.1f} s after process {victim}")
