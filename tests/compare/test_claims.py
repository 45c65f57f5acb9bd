"""What is claimed of chance, by simulation."""

import numpy as np
import pytest

from actlab.compare.intervals import COVERAGE, interval
from actlab.compare.paired import adjusted, paired
from actlab.compare.ranking import rank, tied_with
from actlab.compare.tuned import choose


def ranked(values, **kwargs):
    values = np.asarray(values, np.float64)[:, None]  # levels, settings, conditions, seeds
    names = [f"l{i}" for i in range(values.shape[0])]
    return rank(values, names, ["all"], [f"c{i}" for i in range(values.shape[2])], **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("conditions", [1, 4])
def test_equal_levels_are_seldom_told_apart(conditions):
    """Six equal levels with a seed's luck in common: any false difference in at most 5 % of studies, within 3 s.e."""
    rng = np.random.default_rng(0)
    studies, false = 200, 0
    for _ in range(studies):
        luck = rng.normal(size=5)
        found = ranked(luck + rng.normal(size=(6, conditions, 5)))
        false += any(c.told for c in found.comparisons)
    assert false / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def test_a_clear_difference_is_told():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 2, 6)) * 0.1
    values[2] += 2.0
    found = ranked(values)
    assert found.levels[0].name == "l2" and not tied_with(found, "l2")
    assert {c.told for c in found.comparisons if "l2" in (c.better, c.worse)} == {True}
    assert "l2" not in [n for one in found.levels[1:] for n in tied_with(found, one.name)]


def test_lower_may_be_better_and_one_may_be_the_baseline():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(3, 1, 8)) * 0.1 + np.array([0.0, 1.0, 2.0])[:, None, None]
    found = ranked(values, higher=False, baseline="l1")
    assert [one.name for one in found.levels] == ["l0", "l1", "l2"]
    assert {(c.better, c.worse) for c in found.comparisons} == {("l0", "l1"), ("l1", "l2")}


def test_the_best_of_equal_conditions_is_marked_down():
    """Its mean is too good by luck; the estimate of that takes away more than half of it."""
    rng = np.random.default_rng(3)
    raw, kept = [], []
    for _ in range(100):
        values = rng.normal(size=(6, 5))
        found = choose(values)
        raw.append(np.mean(found.scores))
        kept.append(np.mean(found.scores) - found.optimism)
    assert np.mean(raw) > 0.4
    assert abs(np.mean(kept)) < np.mean(raw) / 2


@pytest.mark.slow
def test_intervals_cover_as_stated():
    rng = np.random.default_rng(4)
    for n in (4, 10):
        found = [interval(rng.normal(size=n)) for _ in range(400)]
        t = np.mean([f.t_low <= 0 <= f.t_high for f in found])
        boot = np.mean([f.boot_low <= 0 <= f.boot_high for f in found])
        assert t == pytest.approx(0.95, abs=0.04)
        assert boot == pytest.approx(COVERAGE[n], abs=0.07)


def test_pairs():
    a = np.array([1.0, 2.0, 3.0, np.nan])
    found = paired(a, a - 0.5)
    assert found.n == 3 and found.mean == 0.5 and found.p_sign == 0.25 == found.p_least
    assert paired(a, a).identical


def test_corrections():
    assert adjusted([0.01, 0.02, 0.9], "holm") == pytest.approx([0.03, 0.04, 0.9])
    assert adjusted([0.01, 0.02, 0.9], "bh") == pytest.approx([0.03, 0.03, 0.9])
    assert adjusted([0.01, 0.02], "none") == [0.01, 0.02]
