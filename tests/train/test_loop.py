import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from flax import nnx

from actlab import models
from actlab.activations import make
from actlab.data import batch_indices
from actlab.errors import InputError
from actlab.stats import StatsConfig
from actlab.train import sgd, train
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder
from actlab.train.loop import memory_bytes
from actlab.train.step import Program


def go(run, path, **kwargs):
    path.mkdir(exist_ok=True)
    with RunFolder(path) as folder:
        if not kwargs.get("resume"):
            folder.write(state="running")
        return train(run, folder, **kwargs), folder


def final_state(run, folder):
    return Checkpoints(folder.checkpoints).restore(jax.eval_shape(run.program.init, run.numbers))


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_it_learns_and_writes_everything(small_run, tmp_path):
    outcome, folder = go(small_run(), tmp_path / "run")
    assert outcome.state == "finished"
    assert outcome.scores["test accuracy"] > 0.8
    info = folder.read()
    assert info["state"] == "finished"
    assert info["step"] == 80
    assert info["sites"] == ["blocks.0.act", "blocks.1.act"]
    assert info["layers"] == ["blocks.0.linear", "blocks.1.linear", "head"]
    assert info["parameters"] == 2 * 8 + 8 + 8 * 8 + 8 + 8 * 4 + 4
    assert info["memory_bytes"] > 4 * info["parameters"]
    table = folder.metrics()
    assert not table.select("step", "site", "quantity").is_duplicated().any()
    steps = table.filter(pl.col("site") == "blocks.0.act")["step"].unique().sort().to_list()
    assert steps == list(range(10, 81, 10))
    assert table.filter(pl.col("site") == "test")["step"].unique().sort().to_list() == [0, 20, 40, 60, 80]
    assert table["value"].is_finite().all()
    histograms = pl.read_parquet(tmp_path / "run" / "histograms" / "*.parquet")
    assert histograms["counts"].list.sum().unique().to_list() == [100 * 8]


@pytest.mark.slow
def test_the_compiled_run_is_the_plain_loop(small_run, blobs, tmp_path):
    """The same training written out by hand, step by step: loss, parameters and statistics agree."""
    run = small_run(
        act="gelu", optimizer=sgd(learning_rate=0.1), steps=20, stats=StatsConfig(every=10, rows=1)
    )
    _, folder = go(run, tmp_path / "run")
    program = run.program
    state = program.init(run.numbers)
    params, losses = state.params, []
    key = jax.random.fold_in(jax.random.key(jnp.uint32(0)), 1)

    def loss_fn(params, x, y):
        model = nnx.merge(program.graphdef, params, state.rest)
        logp = jax.nn.log_softmax(model(x))
        return -jnp.take_along_axis(logp, y[:, None], 1).mean()

    for step in range(20):
        index = batch_indices(key, step, length=1, size=200, batch=32)[0]
        x, y = blobs.x_train[index], blobs.y_train[index]
        loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
        losses.append(float(loss))
        if step == 19:
            w, g = params["head"]["kernel"], grads["head"]
            pre = x @ params["blocks"][0]["linear"]["kernel"] + params["blocks"][0]["linear"]["bias"]
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    def value(site, quantity, step=20):
        rows = folder.metrics().filter(site=site, quantity=quantity, step=step)
        return rows["value"].item()

    assert value("train", "loss", 10) == pytest.approx(np.mean(losses[:10]), rel=1e-4)
    assert value("train", "loss", 20) == pytest.approx(np.mean(losses[10:]), rel=1e-4)
    norm = np.sqrt(np.square(g["kernel"]).sum() + np.square(g["bias"]).sum())
    assert value("head", "gradient_norm") == pytest.approx(norm, rel=1e-3)
    assert value("head", "weight_norm") >= float(np.linalg.norm(w))
    assert value("blocks.0.act", "pre.mean") == pytest.approx(float(pre.mean()), rel=1e-3)
    assert value("blocks.0.act", "pre.variance") == pytest.approx(float(pre.var()), rel=1e-3)
    got = final_state(run, folder)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), got.params, params)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["relu", make("swish", learn=["beta"], per="channel")], ids=str)
def test_interrupted_and_resumed_is_bit_identical(small_run, tmp_path, act):
    dropped = _dropout_batchnorm
    whole, whole_folder = go(small_run(act, dropped, steps=90), tmp_path / "whole")

    def interrupt(progress):
        if progress.step == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    first, folder = go(small_run(act, dropped, steps=90), tmp_path / "parts", tell=interrupt)
    assert first.state == "interrupted"
    assert first.signal == signal.SIGTERM
    assert folder.read()["state"] == "interrupted"
    assert first.step == 20
    second, folder = go(small_run(act, dropped, steps=90), tmp_path / "parts", resume=True)
    assert second.state == "finished"
    run = small_run(act, dropped, steps=90)
    assert_equal(final_state(run, folder), final_state(run, whole_folder))
    assert folder.metrics().equals(whole_folder.metrics())
    assert second.scores == whole.scores


def _dropout_batchnorm(act, *args, **kwargs):
    from actlab.models import MLP

    return MLP(act, *args, depth=2, width=8, norm="batch", dropout=0.2, **kwargs)


def test_killed_after_the_last_checkpoint_and_resumed(small_run, tmp_path, monkeypatch):
    whole, _ = go(small_run(), tmp_path / "whole")
    write = RunFolder.write

    def killed(self, **entries):
        if entries.get("state") == "finished":
            raise KeyboardInterrupt
        write(self, **entries)

    monkeypatch.setattr(RunFolder, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        go(small_run(), tmp_path / "killed")
    monkeypatch.undo()
    again, folder = go(small_run(), tmp_path / "killed", resume=True)
    assert again == whole
    assert folder.read()["scores"] == whole.scores
    assert folder.read()["steps_per_second"] > 0


def test_a_checkpoint_of_another_model_is_refused(small_run, tmp_path):
    from actlab.models import MLP

    def wider(act, *args, **kwargs):
        return MLP(act, *args, depth=2, width=9, **kwargs)

    go(small_run(), tmp_path / "run")
    with pytest.raises(InputError, match="checkpoint 80 is of another model: .* has float32"):
        go(small_run(model=wider), tmp_path / "run", resume=True)


@pytest.mark.slow
def test_rows_do_not_depend_on_the_evaluations_cadence(small_run, tmp_path):
    _, a = go(small_run(), tmp_path / "a")
    _, b = go(small_run(eval_every=40), tmp_path / "b")
    keep = ~pl.col("site").is_in(["test", "head"])
    assert a.metrics().filter(keep).equals(b.metrics().filter(keep))


@pytest.mark.slow
def test_memory_is_that_of_the_program_that_runs(small_run):
    run = small_run(stats=StatsConfig("none", every=10))
    state, data = run.program.init(run.numbers), run.setup.data
    x, y = jax.device_put((data.x_train, data.y_train))
    used = memory_bytes(run.program, state, x, y, length=20, every=10)
    assert used > sum(a.nbytes for a in jax.tree.leaves((state, x, y)))
    compiled = []

    def hear(event, *_, **__):
        if "compile" in event or "trace" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(hear)
    try:
        run.program.chunk(state, x, y, length=20, every=10)
        assert not compiled  # a second time would be heard
        run.program.chunk(run.program.init(run.numbers), x, y, length=10, every=10)
        assert compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(hear)


def test_without_statistics(small_run, tmp_path):
    outcome, folder = go(small_run(stats=StatsConfig("none", 10)), tmp_path / "run")
    with_stats, _ = go(small_run(), tmp_path / "with")
    assert folder.metrics()["site"].unique().sort().to_list() == ["test", "train"]
    assert outcome.scores["test accuracy"] == pytest.approx(with_stats.scores["test accuracy"], abs=0.05)


@pytest.mark.slow
def test_softmax_has_no_dead_or_saturated_units(small_run, tmp_path):
    _, folder = go(small_run("softmax"), tmp_path / "run")
    quantities = set(folder.metrics().filter(site="blocks.0.act")["quantity"])
    assert "post.variance" in quantities
    assert "dead_share" not in quantities


@pytest.mark.slow
def test_a_run_shorter_than_a_window(small_run, tmp_path):
    outcome, folder = go(small_run(steps=7), tmp_path / "run")
    assert outcome.step == 7
    assert folder.metrics().filter(site="blocks.0.act")["step"].unique().to_list() == [7]


class TestDivergence:
    def diverge(self, small_run, tmp_path, **kwargs):
        outcome, folder = go(small_run(**kwargs), tmp_path / "run")
        assert outcome.state == "diverged"
        assert folder.read()["state"] == "diverged"
        assert folder.read()["divergence"] == outcome.divergence
        table = folder.metrics()
        assert not table.select("step", "site", "quantity").is_duplicated().any()
        assert table["step"].max() == outcome.divergence["step"]
        return outcome, folder

    @pytest.mark.slow
    def test_forward(self, small_run, tmp_path):
        """A function that is NaN beyond 3 breaks first at the site that first reaches 3."""

        def nan_beyond_3(x):
            return jnp.where(x > 3, jnp.nan, jnp.maximum(x, 0))

        run = {"act": make(nan_beyond_3), "optimizer": sgd(learning_rate=0.5)}
        outcome, folder = self.diverge(small_run, tmp_path, **run)
        found = outcome.divergence
        assert found["value"] == "post"
        assert found["site"].startswith("blocks.")
        # Replay by hand: the state before the bad step, run forward on its batch.
        setup = small_run(**run).setup
        program = Program(setup)
        state = final_state(small_run(**run), folder)
        assert int(state.diverged) + 1 == found["step"]
        key = jax.random.fold_in(jax.random.key(jnp.uint32(0)), 1)
        index = batch_indices(key, int(state.step), length=1, size=200, batch=32)[0]
        h, first = setup.data.x_train[index], None
        for i in (0, 1):
            linear = jax.tree.map(np.asarray, state.params["blocks"][i]["linear"])
            pre = h @ linear["kernel"] + linear["bias"]
            if (pre > 3).any():
                first = f"blocks.{i}.act"
                break
            h = np.maximum(pre, 0)
        assert found["site"] == first
        assert program.sites[0] == "blocks.0.act"

    @pytest.mark.slow
    def test_backward(self, small_run, tmp_path):
        """A function whose value is fine and whose derivative is not: the last site's layer breaks first."""

        @jax.custom_jvp
        def f(x):
            return jnp.tanh(x)

        f.defjvp(lambda p, t: (f(p[0]), t[0] * jnp.where(p[0] > 2, jnp.inf, 1.0) * 1.0))
        outcome, _ = self.diverge(small_run, tmp_path, act=make(f), optimizer=sgd(learning_rate=0.5))
        assert outcome.divergence["value"] == "pre_gradient"
        assert outcome.divergence["site"] == "blocks.1.act"
        assert "the loss was finite; going backward, the gradient" in outcome.divergence["message"]

    @pytest.mark.slow
    def test_overflowing_update(self, small_run, tmp_path):
        outcome, folder = self.diverge(small_run, tmp_path, act="identity", optimizer=sgd(learning_rate=1e38))
        assert outcome.divergence["step"] <= 3
        assert folder.metrics().filter(site="test", step=0)["value"].is_finite().all()

    @pytest.mark.slow
    def test_a_last_update_that_leaves_no_finite_test_loss(self, small_run, tmp_path):
        kwargs = {"optimizer": sgd(learning_rate=3e38), "act": "identity", "steps": 1}
        outcome, _ = go(small_run(**kwargs), tmp_path / "run")
        assert outcome.state == "diverged"
        assert "test loss" in outcome.divergence["message"] or "overflowed" in outcome.divergence["message"]
        assert "NaN" not in (tmp_path / "run" / "run.json").read_text()

    @pytest.mark.slow
    def test_killed_before_it_is_told_and_resumed(self, small_run, tmp_path, monkeypatch):
        """A kill between the last rows and run.json: resume diverges again, with the same rows."""
        act = make(lambda x: jnp.where(x > 4, jnp.nan, jnp.maximum(x, 0)))
        run = {"optimizer": sgd(learning_rate=0.2), "act": act, "checkpoint_every": 20}
        whole, whole_folder = go(small_run(**run), tmp_path / "whole")
        write = RunFolder.write

        def killed(self, **entries):
            if entries.get("state") == "diverged":
                raise KeyboardInterrupt
            write(self, **entries)

        monkeypatch.setattr(RunFolder, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            go(small_run(**run), tmp_path / "killed")
        monkeypatch.undo()
        again, folder = go(small_run(**run), tmp_path / "killed", resume=True)
        assert again.divergence == whole.divergence
        assert folder.metrics().equals(whole_folder.metrics())

    @pytest.mark.slow
    def test_at_the_very_first_step(self, small_run, tmp_path):
        outcome, _ = self.diverge(small_run, tmp_path, act=make(lambda x: jnp.where(x > 0, jnp.nan, x)))
        assert outcome.divergence["step"] == 1
        assert outcome.divergence["site"] == "blocks.0.act"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch_size": 201}, "batch_size=201 is larger than blobs's 200 training samples"),
        ({"stats": StatsConfig(every=15)}, "eval_every=20 must be a multiple of stats.every=15: 30, say"),
        ({"checkpoint_every": 30}, "checkpoint_every=30 must be a multiple of eval_every=20: 40, say"),
        ({"steps": 0}, "steps=0: must be an integer >= 1"),
        ({"seed": -1}, "seed=-1: must be in"),
        ({"order": "shufled"}, "order='shufled' is unknown; did you mean 'shuffled'?"),
    ],
)
def test_what_cannot_be_is_told(small_run, fields, message):
    with pytest.raises(InputError) as e:
        small_run(**fields)
    assert message in str(e.value)


def test_sites_and_layers_stand_in_forward_order(small_run):
    deep = small_run(model=lambda act, *a, **k: models.MLP(act, *a, depth=12, width=4, **k))
    assert deep.program.sites == [f"blocks.{i}.act" for i in range(12)]
    assert deep.program.layers == [*(f"blocks.{i}.linear" for i in range(12)), "head"]
    assert deep.program.probes[:3] == ["blocks.0.act.pre", "blocks.0.act.post", "blocks.1.act.pre"]


def test_a_signal_after_the_decision_to_save_is_for_the_next_evaluation(small_run, tmp_path, monkeypatch):
    """Else a run would end at a step that it has no checkpoint of, and lose what it did since the last."""
    write, sent = RunFolder.write, []

    def written(folder, **entries):
        write(folder, **entries)
        if entries.get("step") == 20 and not sent:  # what comes last of an evaluation
            sent.append(os.kill(os.getpid(), signal.SIGTERM))

    monkeypatch.setattr(RunFolder, "write", written)
    with RunFolder(tmp_path) as folder:
        outcome = train(small_run(checkpoint_every=80), folder)
    assert (outcome.state, outcome.step, outcome.signal) == ("interrupted", 40, signal.SIGTERM)
    assert Checkpoints(tmp_path / "checkpoints").steps() == [40]
