"""The line through a depth profile."""

import math

import numpy as np
import pytest

from actlab.stability.depth import SMALLEST, Profile, line


@pytest.mark.parametrize("factor", [0.2, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("depth", [2, 4, 50])
def test_a_power_law_is_found_exactly(factor, depth):
    found = line(2.5 * factor ** np.arange(depth))
    assert found.factor == pytest.approx(factor)
    assert found.total == pytest.approx(factor ** (depth - 1))
    assert found.count == depth
    assert found.agree == (factor != 1)


def test_a_quarter_of_the_layers_may_be_anything():
    rng = np.random.default_rng(0)
    values = 0.7 ** np.arange(40)
    values[rng.choice(40, 9, replace=False)] = 10.0 ** rng.uniform(-20, 20, 9)
    assert line(values).factor == pytest.approx(0.7, rel=0.03)


def test_noise_without_trend_has_no_agreement():
    rng = np.random.default_rng(0)
    found = line(np.exp(rng.normal(size=60)))
    assert found.factor == pytest.approx(1, abs=0.02)
    assert found.agree < 0.6


def test_what_is_not_there():
    assert line(np.array([])) is None
    assert line(np.array([1.0, np.nan, np.inf, -1.0])) is None
    gaps = line(np.array([1.0, np.nan, 0.25, np.inf, 0.0625]))
    assert (gaps.factor, gaps.total, gaps.count) == (pytest.approx(0.5), pytest.approx(1 / 16), 3)
    fallen = line(np.array([1.0, 0.0]))
    assert fallen.total == pytest.approx(SMALLEST)
    assert math.isfinite(line(np.array([1e-45, 1e300] * 2)).total)


def test_a_profile_leaves_out_steps_without_values():
    values = np.array([[1.0, np.nan, 1.0], [0.5, np.nan, 2.0]])
    lines = dict(Profile("", ("a", "b"), np.array([0, 10, 20]), values).lines())
    assert {step: fit.factor for step, fit in lines.items()} == pytest.approx({0: 0.5, 20: 2.0})
