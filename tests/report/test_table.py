"""`actlab.table`: one row an activation, with typed columns, and null where a fact does not apply."""

import math
import subprocess
import sys

import polars as pl
import pytest

import actlab
from actlab.errors import InputError
from actlab.report.table import SCHEMA


@pytest.fixture(scope="module")
def rows():
    return actlab.table()


def row(rows, name):
    return rows.row(by_predicate=pl.col("name") == name, named=True)


def test_a_row_for_every_activation_in_typed_columns(rows):
    assert sorted(rows["name"]) == sorted(actlab.names())
    assert rows.schema == SCHEMA
    assert rows["name"].to_list() == rows.sort("family", "name")["name"].to_list()
    facts = (
        "name",
        "family",
        "kind",
        "formula",
        "parameters",
        "range",
        "low",
        "high",
        "lipschitz",
        "reference",
    )
    assert (
        rows.select(*facts, "aliases", "inexact", "smoothness", "keeps", "stochastic")
        .null_count()
        .sum_horizontal()[0]
        == 0
    )


def test_relu(rows):
    found = row(rows, "relu")
    assert found["kinks"] == [{"at": 0.0, "left": 0.0, "right": 1.0, "chosen": 0.0}]
    assert found["fixed_intervals"] == [{"low": 0.0, "high": 50.0, "open_low": False, "open_high": False}]
    assert (found["low"], found["high"], found["range"]) == (0.0, math.inf, "[0, inf)")
    assert (found["limits"], found["turning"], found["jumps"]) == ([0.0, math.inf], [], [])
    assert found["gain"] == pytest.approx(math.sqrt(2))
    assert found["jax"] == "jax.nn.relu"
    assert found["surrogate"] is None


def test_parameters_of_every_type(rows):
    leaky = row(rows, "leaky_relu")
    assert leaky["parameters"] == "negative_slope=0.01 in (-inf, inf)"
    assert leaky["defaults"] == [{"name": "negative_slope", "number": 0.01, "text": "0.01"}]
    for name in rows["name"]:
        told = {d["name"]: (d["number"], d["text"]) for d in row(rows, name)["defaults"]}
        for key, value in getattr(actlab, name).spec.defaults.items():
            number = float(value) if type(value) in (int, float) else None
            assert told[key] == (number, str(value))


def test_null_where_a_fact_does_not_apply(rows):
    elementwise = rows.filter(kind="elementwise")
    others = rows.filter(pl.col("kind") != "elementwise")
    computed = [
        "at_zero",
        "slope_at_zero",
        "fixed_points",
        "fixed_intervals",
        "mean",
        "second_moment",
        "gain",
    ]
    stated = ["monotonic", "kinks", "jumps", "limits"]
    assert all(others[c].null_count() == others.height for c in [*computed, *stated, "turning"])
    assert all(elementwise[c].null_count() == 0 for c in stated)
    assert all(elementwise[c].null_count() == 0 for c in computed)
    assert row(rows, "sin")["turning"] is None
    assert all(map(math.isnan, row(rows, "sin")["limits"]))


def test_one_family(rows):
    assert actlab.table("spiking").equals(rows.filter(family="spiking"))
    with pytest.raises(InputError, match="no family is called 'spikin'; did you mean 'spiking'"):
        actlab.table("spikin")


@pytest.mark.slow
def test_polars_is_loaded_by_the_call_alone():
    code = (
        "import sys, jax, jax.numpy; before = set(sys.modules); import actlab; actlab.gelu\n"
        "assert 'table' in dir(actlab)\n"
        "assert 'polars' not in set(sys.modules) - before, 'polars'\n"
        "print(actlab.table('radial').height)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) > 0
