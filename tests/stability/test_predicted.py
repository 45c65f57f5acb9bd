"""A network before its first step beside theory: healthy ones agree, one that is not what its config says is told."""

import dataclasses

import polars as pl
import pytest
from small_runs import small_run

from actlab import models
from actlab.stability import diagnose
from actlab.stability.first import first_record
from actlab.stability.predicted import beside, rows, with_theory
from actlab.stats import StatsConfig
from actlab.values import Bound


@pytest.fixture(scope="module")
def begun():
    model = Bound.of(models.MLP, depth=5, width=160, init="he_normal")
    run = small_run(
        act="relu", model=model, eval_every=20, checkpoint_every=40, stats=StatsConfig("full", every=10)
    )
    config = {"model": dict(model.keywords), "activation": {"name": "relu"}}
    return run, first_record(run, config)


@pytest.mark.slow
def test_a_network_as_configured_agrees(begun):
    found = beside(*begun)
    assert found.off == () and found.reason == ""
    assert {p.quantity for p in found.places} == {"q", "c", "gradient"} and len(rows(found)) == 15
    assert [p.expected for p in found.places if p.quantity == "q"] == pytest.approx(
        [found.places[0].measured] * 5
    )
    diagnosis = diagnose(begun[1])
    assert with_theory(diagnosis, found) is diagnosis


def test_one_that_is_not_what_its_config_says_is_told(begun):
    run, record = begun
    last = (pl.col("site") == "blocks.4.act") & pl.col("quantity").is_in(["pre.variance"])
    grown = pl.when(last).then(pl.col("value") * 40).otherwise(pl.col("value")).alias("value")
    found = beside(run, dataclasses.replace(record, metrics=record.metrics.with_columns(grown)))
    assert [(p.site, p.quantity) for p in found.off] == [("blocks.4.act", "q")]
    finding = next(f for f in with_theory(diagnose(record), found).findings if f.name == "unlike_theory")
    assert finding.severity == "warning" and finding.where == ("blocks.4.act",)
    assert finding.evidence[0][1] == pytest.approx(found.off[0].measured)


@pytest.mark.slow
def test_where_theory_says_nothing_it_says_why(begun):
    run, record = begun
    setup = dataclasses.replace(run.setup, model=Bound.of(models.MLP, depth=5, width=64, norm="batch"))
    assert "a batch norm mixes the samples" in beside(dataclasses.replace(run, setup=setup), record).reason
    assert "are not known" in beside(small_run(
        act="relu", model=lambda *a, **k: None, eval_every=20, checkpoint_every=40), record).reason  # fmt: skip
