"""A transformer with its layers in a scan leaves the records of one with its layers apart."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_runs

from actlab.activations import make
from actlab.data import Dataset
from actlab.models import Transformer
from actlab.stats import StatsConfig
from actlab.train import sgd
from actlab.train.look import lines
from actlab.train.looking import Looks
from actlab.train.setup import run_once
from actlab.train.step import Program
from actlab.values import Bound

ACT = make("swish", learn=["beta"], per="channel")


def counting():
    tokens = (np.arange(64)[:, None] + np.arange(7) ** 2) % 5
    x, y = tokens[:, :-1], tokens[:, 1:]
    return Dataset("counting", x[:48], y[:48], x[48:], y[48:], num_classes=5)


DATA = counting()


def a_run(level, scan, **stats):
    model = Bound.of(Transformer, depth=2, width=8, heads=2, hidden=8, scan_layers=scan)
    return small_runs.small_run(
        act=ACT, model=model, data=DATA, eval_every=2, checkpoint_every=2, steps=2, batch_size=40,
        optimizer=sgd(learning_rate=0.1), stats=StatsConfig(level, every=1, rows=1, layers_every=1, **stats),
    )  # fmt: skip


@functools.cache
def records(level, scan, stacked=True):
    """Return the rows of a step, with ``basic`` of a window of two, and the program.

    Unoptimised code compiles several times faster.
    """
    n = 2 if level == "basic" else 1
    run = a_run(level, scan)
    program = run.program if stacked else Program(run.setup, stacked=False)
    x, y = jnp.asarray(DATA.x_train), jnp.asarray(DATA.y_train)
    chunk = jax.jit(program._chunk, static_argnames=("length", "every"), compiler_options=run_once())
    state, table, _ = chunk(program.init(program.own_numbers), x, y, length=n, every=n)
    return {row[:3]: row[3] for row in program.rows(jax.device_get(table), 0, n, stop=n)}, program, state, run


def same(one, other):
    assert list(one) == list(other)
    for key, value in one.items():
        assert other[key] == pytest.approx(value, rel=2e-3, abs=1e-4, nan_ok=True), key


@pytest.mark.slow
@pytest.mark.parametrize("level", ["basic", "full"])
def test_a_scan_leaves_the_same_records(level):
    (apart, one, *_), (scanned, two, *_) = (records(level, scan) for scan in (False, True))
    assert one.probes == two.probes
    assert (one.sites, one.layers, one.parameters) == (two.sites, two.layers, two.parameters)
    assert one.flops == two.flops
    assert {"blocks.0.mlp.act", "blocks.1.mlp.act", "blocks.1.attention"} <= {site for _, site, _ in scanned}
    assert {"entropy.mean", "gradient_norm", "param.beta.mean", "dead_share"} <= {q for _, _, q in scanned}
    same(apart, scanned)


@pytest.mark.slow
def test_a_look_at_a_scan_sees_the_same():
    found = []
    for scan in (False, True):
        _, _, state, run = records("full", scan)
        evaluate = jax.jit(run.looks._evaluate, compiler_options=run_once())
        seen = {"test": evaluate(state, DATA.x_test, DATA.y_test, True)}
        rows, tables = lines(run, 1, jax.device_get(seen))
        found.append({row[:3]: row[3] for row in rows})
        sites = [(site, tensor) for _, site, tensor, *_ in tables["histograms"]]
        assert ("blocks.1.mlp.act", "post") in sites
    assert (1, "blocks.1.mlp.act", "selectivity") in found[0]
    same(*found)


@pytest.mark.slow
def test_where_every_site_is_reduced_in_its_place():
    """What an accelerator does: rows of a scan are taken out, all else is reduced where it is."""
    together, *_ = records("full", True)
    scanned, program, *_ = records("full", True, stacked=False)
    assert program.observer.together("blocks.0.mlp.act.pre")
    assert not program.observer.together("elsewhere.pre")
    assert together.keys() == scanned.keys()
    same(together, {key: scanned[key] for key in together})


def test_layers_chosen_by_name():
    program = Program(a_run("basic", True, sites=["blocks.1.*"]).setup)
    sites = {site for site, quantity in program.keys if "variance" in quantity or "entropy" in quantity}
    assert sites == {"blocks.1.mlp.act", "blocks.1.attention"}


@pytest.mark.slow
def test_what_broke_in_a_scan_is_found_by_layer():
    run = a_run("basic", True)
    program = run.program
    state = program.init(program.own_numbers)
    kernel = state.params["blocks"][1]["mlp"]["up"]["kernel"]
    state.params["blocks"][1]["mlp"]["up"]["kernel"] = kernel.at[0, 0].set(jnp.inf)
    locate = jax.jit(Looks(program)._locate, compiler_options=run_once())
    seen = locate(state, jnp.asarray(DATA.x_train), jnp.asarray(DATA.y_train))
    fine = {name: bool(np.all(v)) for name, v in seen["values"].items()}
    first = next(name for name in program.probes if not fine[name])
    assert first == "blocks.1.mlp.act.pre"
