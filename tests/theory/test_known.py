"""The file of facts holds what would be computed; -m exhaustive recomputes all of it."""

import importlib
import json
from dataclasses import asdict

import pytest

import actlab
from actlab.theory import facts, known
from actlab.theory.known import FILE, decode, encode, of

STORED = json.loads(FILE.read_text())
AGAIN = "run experiments/fits/facts.py"


def assert_same(found, expected):
    for field in ("at_zero", "slope_at_zero", "mean", "second_moment", "gain"):
        assert getattr(found, field) == pytest.approx(getattr(expected, field), rel=1e-12, abs=1e-14), field
    assert found.fixed_points == pytest.approx(expected.fixed_points, abs=2e-12)
    assert len(found.fixed_intervals) == len(expected.fixed_intervals)
    for ours, theirs in zip(found.fixed_intervals, expected.fixed_intervals, strict=True):
        assert tuple(asdict(ours).values()) == pytest.approx(tuple(asdict(theirs).values()), abs=2e-12)


def test_it_has_every_function_as_it_is_now():
    now = {n: of(a) for n in actlab.names() if (a := actlab.make(n)).elementwise}
    then = {n: record["of"] for n, record in STORED.items()}
    assert {n for n in now | then if now.get(n) != then.get(n)} == set(), AGAIN


@pytest.mark.parametrize("name", sorted(STORED)[::9])
def test_a_sample_is_computed_alike(name):
    assert_same(facts(actlab.make(name)), decode(STORED[name]["facts"]))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(STORED))
def test_all_are_computed_alike(name):
    assert_same(facts(actlab.make(name)), decode(STORED[name]["facts"]))


def test_what_has_no_facts():
    assert known("softmax") is None
    assert known("glu") is None
    assert known("wire_gabor") is None  # complex


def test_a_formula_that_changed_is_computed(monkeypatch):
    outdated = {"square": {**STORED["square"], "of": ["x**3", "", "square()"]}}
    module = importlib.import_module("actlab.theory.known")  # the package has the function by this name
    monkeypatch.setattr(module, "_records", lambda: outdated)
    assert known("square") == facts("square")
    assert decode(encode(facts("hard_shrink"))) == facts("hard_shrink")
