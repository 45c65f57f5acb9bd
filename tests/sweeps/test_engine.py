"""Lanes against the same runs alone: the same records, the same state, whatever goes on beside them."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import polars as pl
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.records import TABLES
from actlab.stats import StatsConfig
from actlab.sweeps import Halving, Lane, Options, train_lanes
from actlab.train import Stability, adam, sgd, train
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder
from actlab.train.parallel import Parallel


def alone(run, path):
    path.mkdir(parents=True)
    with RunFolder(path) as folder:
        folder.write(state="running")
        return train(run, folder)


def lanes(runs, root, options=None, **kwargs):
    """Train in folders named by the runs' places; each is as Hydra makes it."""
    for i in range(len(runs)):
        (root / str(i)).mkdir(parents=True, exist_ok=True)
    return train_lanes(
        [Lane(r, root / str(i), {"command": "x"}) for i, r in enumerate(runs)], options, **kwargs
    )


def tables(path):
    found = {}
    for name, schema in TABLES.items():
        parts = sorted((path / name).glob("part-*.parquet"))
        found[name] = pl.concat([pl.DataFrame(schema=schema), *map(pl.read_parquet, parts)])
    return found


def final_state(run, path):
    like = jax.eval_shape(run.program.init, run.numbers)
    return Checkpoints(path / "checkpoints").restore(like)


def assert_same(run, one, other):
    """The same rows in every table, the same last state."""
    for name, table in tables(one).items():
        got = tables(other)[name]
        assert table.equals(got, null_equal=True), f"{name} of {other}"
    jax.tree.map(np.testing.assert_array_equal, final_state(run, one), final_state(run, other))


RATES = (0.01, 0.03, 0.1)
KINDS = {
    "basic": {},
    "full": {"stats": StatsConfig("full", every=10, curvature_every=1)},
    "learnt": {
        "act": make("swish", learn=["beta"], per="channel"),
        "stats": StatsConfig("full", every=10),
    },
    "an odd end": {"steps": 47},
    "gelu": {"act": make("gelu")},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_mapped_lane_is_the_run_alone(a_run, tmp_path, kind):
    runs = [a_run(optimizer=adam(learning_rate=r), seed=i, **KINDS[kind]) for i, r in enumerate(RATES)]
    outcomes = lanes(runs, tmp_path / "lanes", Options(strategy="map"))
    for i, (run, got) in enumerate(zip(runs, outcomes, strict=True)):
        wanted = alone(run, tmp_path / "alone" / str(i))
        assert got == wanted and got.state == "finished"
        assert_same(run, tmp_path / "alone" / str(i), tmp_path / "lanes" / str(i))
    info = json.loads((tmp_path / "lanes" / "0" / "run.json").read_text())
    assert info["lanes"] == {"strategy": "map", "together": 3, "devices": 2} and info["command"] == "x"


@pytest.mark.slow
def test_neither_order_nor_number_of_lanes_matters(a_run, tmp_path):
    runs = [a_run(act, seed=s) for s in range(3) for act in ("tanh", "relu")]
    lanes(runs, tmp_path / "a", Options("map"))
    lanes(runs[::-1], tmp_path / "b", Options("map", lanes=2))
    for i, run in enumerate(runs):
        assert_same(run, tmp_path / "a" / str(i), tmp_path / "b" / str(5 - i))


@pytest.mark.slow
def test_a_batch_is_close_to_the_runs_alone(a_run, tmp_path):
    """Products over a batch of lanes add up in another order."""
    runs = [a_run(seed=s) for s in range(3)]
    outcomes = lanes(runs, tmp_path / "lanes", Options("vmap"))
    for i, run in enumerate(runs):
        wanted = alone(run, tmp_path / "alone" / str(i))
        assert outcomes[i].scores == pytest.approx(wanted.scores, rel=1e-3)
        one, other = (tables(tmp_path / d / str(i))["metrics"] for d in ("alone", "lanes"))
        assert one["quantity"].equals(other["quantity"])
        np.testing.assert_allclose(one["value"], other["value"], rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_a_lane_that_diverges_leaves_the_others_alone(a_run, tmp_path, strategy):
    rates = (0.1, 1e30, 0.05)
    runs = [a_run("relu", optimizer=sgd(learning_rate=r), seed=i) for i, r in enumerate(rates)]
    outcomes = lanes(runs, tmp_path / "lanes", Options(strategy))
    assert [o.state for o in outcomes] == ["finished", "diverged", "finished"]
    for i, run in enumerate(runs):
        wanted = alone(run, tmp_path / "alone" / str(i))
        if strategy == "map" or i == 1:
            assert outcomes[i].divergence == wanted.divergence
        if strategy == "map":
            assert_same(run, tmp_path / "alone" / str(i), tmp_path / "lanes" / str(i))
    info = json.loads((tmp_path / "lanes" / "1" / "run.json").read_text())
    assert info["state"] == "diverged" and info["divergence"]["step"] == outcomes[1].step


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", [Stability("rewind", "rewind", spike_z=3.0), Stability("skip", "skip", spike_z=3.0)]
)
def test_policies_act_lane_by_lane(a_run, tmp_path, policy):
    rates = (0.02, 0.2, 1e30)
    runs = [
        a_run("relu", optimizer=sgd(learning_rate=r, momentum=0.9), seed=i, stability=policy, steps=100)
        for i, r in enumerate(rates)
    ]
    outcomes = lanes(runs, tmp_path / "lanes", Options("map"))
    kinds = set()
    for i, run in enumerate(runs):
        assert str(outcomes[i]) == str(alone(run, tmp_path / "alone" / str(i)))
        assert_same(run, tmp_path / "alone" / str(i), tmp_path / "lanes" / str(i))
        kinds |= set(tables(tmp_path / "alone" / str(i))["events"]["kind"])
    assert policy.on_spike in kinds  # or nothing was tried


class Stop(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_an_interrupted_sweep_goes_on(a_run, tmp_path, strategy):
    """Killed between two evaluations, the second time once some lanes of a group are saved and others are not."""
    options = Options(strategy, save_every_s=0)
    runs = [a_run(act, seed=s) for act in ("tanh", "relu") for s in range(3)]
    lanes(runs, tmp_path / "straight", Options(strategy))

    def stop_in_the_second_group(told):
        if told.group == 2 and told.step == 40:
            raise Stop

    with pytest.raises(Stop):
        lanes(runs, tmp_path / "broken", options, tell=stop_in_the_second_group)
    shutil.rmtree(tmp_path / "broken" / "4" / "checkpoints" / "40")  # this one did not get that far
    (tmp_path / "broken" / "4" / "checkpoints" / "40.json").unlink()
    stamp = (tmp_path / "broken" / "0" / "run.json").stat().st_mtime_ns
    steps = []
    outcomes = lanes(runs, tmp_path / "broken", options, tell=lambda t: steps.append(t.step))
    assert [o.state for o in outcomes] == ["finished"] * 6
    assert (tmp_path / "broken" / "0" / "run.json").stat().st_mtime_ns == stamp  # left as it was
    assert min(steps) == 40  # one lane caught up from step 20 on, the others waited
    for i, run in enumerate(runs):
        if strategy == "map":
            assert_same(run, tmp_path / "straight" / str(i), tmp_path / "broken" / str(i))


def test_a_folder_that_vanishes_is_told_of_its_lane_alone(a_run, tmp_path):
    runs = [a_run(seed=s) for s in range(3)]
    left = []

    def remove(told):
        left.append(told.eta_s)
        shutil.rmtree(tmp_path / "1", ignore_errors=True)

    outcomes = lanes(runs, tmp_path, Options("map"), tell=remove)
    assert min(left) == left[-1] == 0
    assert isinstance(outcomes[1], OSError) and "removed while it was written" in str(outcomes[1])
    assert [o.state for i, o in enumerate(outcomes) if i != 1] == ["finished"] * 2
    assert not (tmp_path / "1").exists()


@pytest.mark.slow
def test_a_folder_in_use_is_told_of_its_lane_alone(a_run, tmp_path):
    runs = [a_run(seed=s, steps=20) for s in range(2)]
    with RunFolder(tmp_path / "1"):
        outcomes = lanes(runs, tmp_path, Options("map"))
    assert outcomes[0].state == "finished"
    assert isinstance(outcomes[1], InputError) and "written by another process" in str(outcomes[1])


@pytest.mark.slow
def test_a_signal_saves_every_lane(a_run, tmp_path, monkeypatch):
    import os
    import signal

    runs = [a_run(act, seed=s) for act in ("tanh", "relu") for s in range(2)]

    def interrupt(told):
        if told.step == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    outcomes = lanes(runs, tmp_path, Options("map"), tell=interrupt)
    assert [(o.state, o.signal) for o in outcomes] == [("interrupted", signal.SIGTERM)] * 4
    assert Checkpoints(tmp_path / "0" / "checkpoints").steps() == [20]
    assert json.loads((tmp_path / "0" / "run.json").read_text())["state"] == "interrupted"


@pytest.mark.slow
def test_halving_drops_the_worst_of_all_groups(a_run, tmp_path):
    rates = (1e-5, 0.02, 0.05)
    runs = [a_run(act, optimizer=adam(learning_rate=r)) for act in ("tanh", "relu") for r in rates]
    options = Options("map", halving=Halving([20, 40], keep=0.5))
    outcomes = lanes(runs, tmp_path / "a", options)
    assert [o.step for o in outcomes].count(60) == 2 and outcomes[0].state == outcomes[3].state == "pruned"
    assert sorted(o.step for o in outcomes) == [20, 20, 20, 40, 60, 60]
    for i, o in enumerate(outcomes):
        if o.state == "finished":
            alone(runs[i], tmp_path / "alone" / str(i))
            assert_same(runs[i], tmp_path / "alone" / str(i), tmp_path / "a" / str(i))
    info = json.loads((tmp_path / "a" / "0" / "run.json").read_text())
    assert info["state"] == "pruned" and "by test accuracy at step 20" in info["pruned"]
    # interrupted after the first rung, and gone on with: the same lanes are dropped

    def stop(told):
        if told.step == 40:
            raise Stop

    with pytest.raises(Stop):
        lanes(runs, tmp_path / "b", options, tell=stop)
    again = lanes(runs, tmp_path / "b", options)
    assert [dataclasses.replace(o, scores={}) for o in again] == [
        dataclasses.replace(o, scores={}) for o in outcomes
    ]
    with pytest.raises(InputError, match=r"halving.rungs=\[30\]: each must be a multiple of eval_every=20"):
        raise lanes([a_run()], tmp_path / "c", Options(halving=Halving([30])))[0]


def test_a_lane_has_one_device(a_run, tmp_path):
    (error,) = lanes([a_run(parallel=Parallel(data=2))], tmp_path)
    assert isinstance(error, InputError) and "parallel.data=2: a sweep has a lane for every device" in str(
        error
    )


@pytest.mark.slow
def test_lanes_by_memory(a_run):
    from actlab.sweeps.batch import fitting
    from actlab.sweeps.stacked import Stacked

    run = a_run()
    stacked = Stacked(run, "vmap", jax.devices()[:1])
    data = run.setup.data.x_train, run.setup.data.y_train
    one, eight = stacked.bytes_of(1, *data), stacked.bytes_of(8, *data)
    assert one < eight < 16 * one
    assert fitting(stacked, 8, eight) == 8
    fewer = fitting(stacked, 8, eight // 2)
    assert 1 <= fewer < 8 and stacked.bytes_of(fewer, *data) <= eight // 2
    with pytest.raises(InputError, match="one lane takes"):
        fitting(stacked, 8, one // 2)


@pytest.mark.slow
def test_what_is_told(a_run, tmp_path):
    told = []
    runs = [a_run(act, seed=s) for act in ("tanh", "relu") for s in range(2)]
    outcomes = lanes(runs, tmp_path, Options("map", lanes=1), tell=told.append)
    assert [(t.group, t.groups, t.group_lanes, t.lanes) for t in told][-1] == (2, 2, 2, 4)
    assert told[-1].done == 4 and told[-1].ended == dict(enumerate(outcomes)) and told[-1].eta_s == 0
    assert told[-1].best[1] == max(o.scores["test accuracy"] for o in outcomes)
    assert told[0].what == "tanh in mlp on blobs" and told[0].step == 20


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: Options(strategy="pmap"), "did you mean 'map' or 'vmap'"),
        (lambda: Options(lanes=0), "lanes=0: must be an integer >= 1"),
        (lambda: Options(save_every_s=-1), "save_every_s=-1: must be a number of seconds"),
        (lambda: Halving([]), "must be a list of steps"),
        (lambda: Halving([20, 10]), "must rise"),
        (lambda: Halving([10], keep=1.0), "keep=1.0"),
        (lambda: Halving([10], metric="test acuracy"), "did you mean 'test accuracy'"),
    ],
)
def test_what_cannot_be_is_told(make_it, message):
    with pytest.raises(InputError, match=message):
        make_it()
