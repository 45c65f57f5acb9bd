"""What a run records, against the same step laid open and computed in NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from test_summary import reference

from actlab import models
from actlab.activations import make
from actlab.errors import InputError
from actlab.nn import sites
from actlab.stats import VALUE, StatsConfig, value_and_grad
from actlab.stats.summary import QUANTILES
from actlab.train import first_look, sgd
from actlab.train.step import Program


def a_chunk(program, steps, every):
    """Return the rows of a chunk by (step, site, quantity), and the state before its last step."""
    data = program.setup.data
    x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    state, table, _ = program.chunk(program.init(program.own_numbers), x, y, length=steps, every=every)
    rows = program.rows(jax.device_get(table), 0, every, stop=steps)
    before = program.init(program.own_numbers)
    if steps > 1:
        before, _, _ = program.chunk(before, x, y, length=steps - 1, every=1)
    return {row[:3]: row[3] for row in rows}, before, state, (x, y)


def laid_open(program, state, x, y):
    """Values and gradients at every probe at the step after ``state``, and the gradients of the parameters."""
    inputs = program.batch(state, x, y)
    run = value_and_grad(program._loss, has_aux=True, reading=VALUE)
    (_, _, seen), grads = run(state.params, state.rest, *inputs)
    return seen, grads


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "in place"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("act", ["relu", "swish"])
def test_every_quantity_of_a_site(small_run, stacked, rows, act):
    learn = {"act": make("swish", learn=["beta"], per="channel")} if act == "swish" else {"act": act}
    setup = small_run(
        stats=StatsConfig("full", every=4, rows=rows, layers_every=4),
        optimizer=sgd(learning_rate=0.1),
        **learn,
    ).setup
    program = Program(setup, stacked=stacked)
    got, before, after, data = a_chunk(program, 4, 4)
    seen, grads = laid_open(program, before, *data)
    part = 96 // rows
    start = (3 * part) % 96
    names = []
    for name, value in seen.values.items():
        site, tensor = name.rsplit(".", 1)
        for kind, v in ((tensor, value), (f"{tensor}_gradient", seen.gradients[name])):
            v = np.asarray(v)[start : start + part]
            wanted = reference(v)
            scale = np.sqrt(wanted["variance"])
            for quantity, number in wanted.items():
                names.append((4, site, f"{kind}.{quantity}"))
                atol = {"mean": 1e-5 * scale, "skew": 1e-4, "kurtosis": 1e-3}.get(quantity, 1e-12)
                assert got[names[-1]] == pytest.approx(number, rel=2e-5, abs=atol), names[-1]
            for quantile, q in QUANTILES.items():
                names.append((4, site, f"{kind}.{quantile}"))
                true = np.quantile(v.astype(np.float64), q, method="inverted_cdf")
                assert got[names[-1]] == pytest.approx(true, rel=0.26, abs=1e-8), names[-1]
    for layer, inner in (("blocks.0.linear", grads["blocks"][0]["linear"]), ("head", grads["head"])):
        norm = np.sqrt(sum(float(jnp.sum(jnp.square(g))) for g in jax.tree.leaves(inner)))
        assert got[4, layer, "gradient_norm"] == pytest.approx(norm, rel=1e-5)
    old, new = before.params["head"], after.params["head"]
    moved = np.sqrt(sum(float(jnp.sum((new[k] - old[k]) ** 2)) for k in old))
    assert got[4, "head", "update_norm"] == pytest.approx(moved, rel=1e-5)
    own = {"saturated_share", "linear_share", "dead_share", "hoyer", "participation", "dead_longest"}
    assert own <= {q for _, s, q in got if s == "blocks.0.act"}
    assert (4, "blocks.0.act", "param.beta.mean") in got if act == "swish" else True


@pytest.mark.slow
def test_in_place_and_stacked_say_the_same(small_run):
    setup = small_run(stats=StatsConfig("full", every=5)).setup
    a, *_ = a_chunk(Program(setup, stacked=True), 10, 5)
    b, *_ = a_chunk(Program(setup, stacked=False), 10, 5)
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert b[key] == pytest.approx(value, rel=1e-3, abs=1e-5, nan_ok=True), key


def dying(x):
    """A function whose every second unit gives nothing."""
    return jnp.where(jnp.arange(x.shape[-1]) % 2 == 0, jnp.maximum(x, 0), 0.0 * x)


@pytest.mark.slow
def test_dead_units_and_for_how_long(small_run):
    setup = small_run(act=make(dying), stats=StatsConfig("full", every=5, rows=1)).setup
    program = Program(setup)
    got, _, state, _ = a_chunk(program, 20, 5)
    dead_for = program.observer.by_site(state.aside["dead_for"])
    assert dead_for["blocks.0.act"][1::2].tolist() == [20] * 4
    assert got[20, "blocks.0.act", "dead_longest"] == 20
    assert got[5, "blocks.0.act", "dead_longest"] == 5
    assert got[20, "blocks.0.act", "dead_share"] >= 0.5


@pytest.mark.slow
def test_a_window_sees_every_row(small_run):
    """Read a quarter at a time, four steps see the whole of a batch that does not change."""
    data = small_run().setup.data
    once = dataclasses.replace(data, x_train=data.x_train[:128], y_train=data.y_train[:128])
    kwargs = {"data": once, "order": "sequential", "optimizer": sgd(learning_rate=1e-30), "act": "relu"}
    kwargs |= {"eval_every": 8, "checkpoint_every": 8, "batch_size": 128}
    parts, *_ = a_chunk(Program(small_run(stats=StatsConfig("full", every=8, rows=8), **kwargs).setup), 8, 8)
    whole, *_ = a_chunk(Program(small_run(stats=StatsConfig("full", every=8, rows=1), **kwargs).setup), 8, 8)
    for site in ("blocks.0.act", "blocks.1.act"):
        assert parts[8, site, "dead_share"] == whole[8, site, "dead_share"]


@pytest.mark.slow
def test_layers_have_a_cadence_of_their_own(small_run):
    program = Program(small_run(stats=StatsConfig(every=2, layers_every=5)).setup)
    got, *_ = a_chunk(program, 18, 2)
    assert sorted({step for step, site, _ in got if site == "head"}) == [6, 12, 18]
    assert sorted({step for step, site, _ in got if site == "blocks.0.act"}) == list(range(2, 19, 2))


@pytest.mark.slow
def test_chosen_sites_and_quantities(small_run):
    config = StatsConfig("full", every=5, sites=["blocks.1.*"], quantities=["post.*", "dead_share"])
    got, *_ = a_chunk(Program(small_run(stats=config).setup), 5, 5)
    assert {site for _, site, _ in got} == {"blocks.1.act", "train"}
    assert {q.split(".")[0] for _, s, q in got if s != "train"} == {"post", "dead_share"}
    with pytest.raises(InputError, match="there is no 'blocks.7.act'; did you mean"):
        Program(small_run(stats=StatsConfig(sites=["blocks.7.act"])).setup)
    with pytest.raises(InputError, match="there is no 'post.skew'"):
        _ = small_run(stats=StatsConfig(quantities=["post.skew"])).looks
    only = small_run(stats=StatsConfig("full", every=10, quantities=["effective_rank", "sharpness"]))
    rows = first_look(only)
    assert {q for _, s, q, _ in rows if s not in ("train", "test", "head")} == {"effective_rank", "sharpness"}


@pytest.mark.slow
def test_without_statistics_the_program_is_that_of_a_model_without_probes(small_run, monkeypatch):
    def text():
        program = Program(small_run(act="gelu", stats=StatsConfig("none", every=4)).setup)
        data = program.setup.data
        state = program.init(program.own_numbers)
        lowered = program.chunk.lower(state, data.x_train, data.y_train, length=8, every=4)
        return program.probes, lowered.as_text()

    probed, with_probes = text()
    monkeypatch.setattr("actlab.nn.activation.probe", lambda x, name: x)
    bare, without = text()
    assert probed
    assert not bare
    assert with_probes == without


@pytest.mark.slow
@pytest.mark.parametrize("level", ["basic", "full"])
def test_statistics_do_not_change_what_is_learnt(small_run, level):
    _, _, bare, _ = a_chunk(Program(small_run(stats=StatsConfig("none", every=10)).setup), 20, 10)
    _, _, seen, _ = a_chunk(Program(small_run(stats=StatsConfig(level, every=10)).setup), 20, 10)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), bare.params, seen.params
    )


@pytest.mark.slow
def test_lanes_of_a_vmap_record_what_runs_alone_do(small_run):
    program = Program(small_run(stats=StatsConfig("full", every=5)).setup)
    data = program.setup.data
    x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    seeds = jnp.array([0, 7], jnp.uint32)
    states = jax.vmap(lambda seed: program._init(program.own_numbers | {"seed": seed}))(seeds)
    run = jax.jit(jax.vmap(lambda s: program._chunk(s, x, y, length=10, every=5)[1]))
    both = run(states)
    alone = program.chunk(program.init(program.own_numbers | {"seed": seeds[1]}), x, y, length=10, every=5)[1]
    np.testing.assert_allclose(both[1], alone, rtol=5e-3, atol=1e-3, equal_nan=True)


@pytest.mark.slow
def test_first_look_is_of_the_start_and_of_the_whole_batch(small_run):
    run = small_run(stats=StatsConfig("full", every=10))
    rows = {row[:3]: row[3] for row in first_look(run)}
    program = run.program
    data = program.setup.data
    seen, _ = laid_open(
        program, program.init(program.own_numbers), jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    )
    wanted = reference(seen.gradients["blocks.0.act.pre"])
    assert rows[0, "blocks.0.act", "pre_gradient.rms"] == pytest.approx(wanted["rms"], rel=1e-4)
    assert {"effective_rank", "selectivity", "cosine"} <= {q for _, s, q in rows if s == "blocks.0.act"}
    assert (0, "run", "sharpness") in rows
    assert rows[0, "head", "gradient_norm"] > 0


@pytest.mark.slow
def test_bfloat16(small_run):
    program = Program(small_run(dtype=jnp.bfloat16, stats=StatsConfig("full", every=5)).setup)
    got, *_ = a_chunk(program, 5, 5)
    assert got[5, "blocks.1.act", "pre.variance"] > 0.01
    assert got[5, "blocks.0.act", "pre_gradient.rms"] > 0


@pytest.mark.slow
def test_learnt_parameters_are_recorded(small_run):
    act = make("swish", learn=["beta"], beta=2.0)
    program = Program(small_run(act=act, stats=StatsConfig(every=5)).setup)
    got, before, *_ = a_chunk(program, 5, 5)
    model = nnx.merge(program.graphdef, before.params, before.rest)
    beta = float(sites(model)["blocks.1.act"].learnt()["beta"])
    assert got[5, "blocks.1.act", "param.beta.mean"] == pytest.approx(beta, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "in place"])
def test_a_site_inside_a_scan_over_positions(small_run, stacked):
    """Against the same network with its loop over positions in Python, where a site is one value after another."""
    setup = small_run(
        model=lambda act, *a, **k: models.Recurrent(act, *a, width=3, pool="none", **k),
        stats=StatsConfig("full", every=2, rows=2, layers_every=2),
        optimizer=sgd(learning_rate=0.1),
        batch_size=64,
    ).setup
    program = Program(setup, stacked=stacked)
    got, before, _, data = a_chunk(program, 2, 2)
    x, y, _ = program.batch(before, *data)
    model = nnx.merge(program.graphdef, before.params, before.rest)
    cell = model.blocks[0].forward

    def loss(bumps, posts):
        h, seen, outputs = jnp.zeros((len(x), 3)), [], []
        for t, bump in enumerate(bumps):
            of_x, of_h = (jnp.split(m, 3, -1) for m in (cell.input(x[:, t, None]), cell.recurrent(h)))
            r, z = (jax.nn.sigmoid(a + b) for a, b in zip(of_x[:2], of_h[:2], strict=True))
            seen.append(of_x[2] + r * of_h[2] + bump)
            h = (1 - z) * (jnp.tanh(seen[-1]) + posts[t]) + z * h
            outputs.append(h)
        return setup.loss(model.head(jnp.concatenate(outputs, -1)), y).mean(), seen

    zeros = [jnp.zeros((len(x), 3))] * 2
    gradients, seen = jax.grad(loss, (0, 1), has_aux=True)(zeros, zeros)
    rows = slice(32, 64)  # of the second step
    values = {"pre": seen, "post": [jnp.tanh(v) for v in seen]}
    values |= {"pre_gradient": gradients[0], "post_gradient": gradients[1]}
    for tensor, v in values.items():
        wanted = reference(np.stack(v, 1)[rows])
        for quantity in ("mean", "variance", "min", "max"):
            record = got[2, "blocks.0.forward.act", f"{tensor}.{quantity}"]
            assert record == pytest.approx(wanted[quantity], rel=2e-5, abs=1e-8), (tensor, quantity)
