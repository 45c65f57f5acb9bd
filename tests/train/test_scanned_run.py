"""A transformer with its layers in a scan leaves the records of one with its layers apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_runs

from actlab.activations import make
from actlab.data import Dataset
from actlab.models import Transformer
from actlab.stats import StatsConfig
from actlab.train.look import look_at
from actlab.train.step import Program
from actlab.values import Bound

ACT = make("swish", learn=["beta"], per="channel")


def counting():
    tokens = (np.arange(64)[:, None] + np.arange(7) ** 2) % 5
    x, y = tokens[:, :-1], tokens[:, 1:]
    return Dataset("counting", x[:48], y[:48], x[48:], y[48:], num_classes=5)


DATA = counting()


def records(level, scan, *, stacked=None, act=ACT):
    """Return the rows of four steps, those of a look, and the program."""
    model = Bound.of(Transformer, depth=2, width=8, heads=2, hidden=8, scan_layers=scan)
    run = small_runs.small_run(
        act=act, model=model, data=DATA, eval_every=4, checkpoint_every=4, steps=4, batch_size=40,
        stats=StatsConfig(level, every=4, rows=1, layers_every=4),
    )  # fmt: skip
    program = run.program if stacked is None else Program(run.setup, stacked=stacked)
    data = tuple(map(jnp.asarray, (DATA.x_train, DATA.y_train, DATA.x_test, DATA.y_test)))
    state, table, _ = program.chunk(program.init(program.own_numbers), *data[:2], length=4, every=4)
    rows = {row[:3]: row[3] for row in program.rows(jax.device_get(table), 0, 4, stop=4)}
    if stacked is None:
        more, tables = look_at(run, state, 4, data)
        rows |= {row[:3]: row[3] for row in more}
        rows |= {
            (4, site, f"histogram {tensor}"): sum(counts)
            for _, site, tensor, _, _, counts, _ in tables["histograms"]
        }
        rows |= {(4, site, "curve"): curve[9] for _, site, _, curve in tables.get("curves", [])}
    return rows, program


@pytest.mark.parametrize("level", ["basic", "full"])
def test_a_scan_leaves_the_same_records(level):
    (apart, one), (scanned, two) = (records(level, scan) for scan in (False, True))
    assert one.probes == two.probes
    assert (one.sites, one.layers, one.parameters) == (two.sites, two.layers, two.parameters)
    assert list(apart) == list(scanned)
    assert {"blocks.0.mlp.act", "blocks.1.mlp.act", "blocks.1.attention"} <= {site for _, site, _ in scanned}
    assert (4, "blocks.1.attention", "entropy.mean") in scanned
    assert (4, "blocks.1.mlp.up", "gradient_norm") in scanned
    assert (4, "blocks.1.mlp.act", "param.beta.mean") in scanned
    for key, value in apart.items():
        assert scanned[key] == pytest.approx(value, rel=2e-3, abs=1e-4, nan_ok=True), key


def test_where_every_site_is_reduced_in_its_place():
    """What an accelerator does: rows of a scan are taken out, all else is reduced where it is."""
    act = make("gelu")
    apart, _ = records("full", False, stacked=False, act=act)
    scanned, program = records("full", True, stacked=False, act=act)
    assert program.observer.together("blocks.0.mlp.act.pre")
    assert not program.observer.together("head")
    assert apart.keys() == scanned.keys()
    for key, value in apart.items():
        assert scanned[key] == pytest.approx(value, rel=2e-3, abs=1e-4, nan_ok=True), key


def test_layers_chosen_by_name():
    model = Bound.of(Transformer, depth=2, width=8, heads=2, hidden=8, scan_layers=True)
    run = small_runs.small_run(
        act="tanh", model=model, data=DATA, eval_every=4, checkpoint_every=4, steps=4,
        stats=StatsConfig(every=4, sites=["blocks.1.*"]),
    )  # fmt: skip
    sites = {site for site, _ in run.program.keys}
    assert {"blocks.1.mlp.act", "blocks.1.attention"} <= sites
    assert not any(site.startswith("blocks.0.mlp.act") for site in sites)
