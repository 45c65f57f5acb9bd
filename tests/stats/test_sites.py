"""Every statistic against NumPy in float64, on the values themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.stats.sites import (
    LINEAR,
    SATURATION,
    active,
    active_units,
    regime,
    sparsity,
    steepest,
    value_and_slope,
)


def slopes(act, x):
    return np.asarray(jax.vmap(jax.grad(act))(x.ravel()), np.float64).reshape(x.shape)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(50, 12), (10, 5, 12)])
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "leaky_relu"])
def test_regime(name, shape):
    act = make(name)
    pre = 3 * jax.random.normal(jax.random.key(0), shape) - 1
    pre = pre.at[..., 2].set(-9.0)
    threshold = SATURATION * steepest(act)
    row, on = jax.jit(lambda x: regime(act, {}, x, threshold, full=True))(pre)
    x, y, slope = np.asarray(pre, np.float64), np.asarray(act(pre), np.float64), slopes(act, pre)
    quiet = np.abs(slope) < np.float32(threshold)
    assert float(row["saturated_share"]) == pytest.approx(quiet.mean(), rel=1e-5)
    rise = y - float(act(jnp.float32(0)))
    straight = np.abs(rise - x * slope) <= LINEAR * np.abs(rise)
    assert float(row["linear_share"]) == pytest.approx((straight & ~quiet).mean(), abs=1 / x.size)
    np.testing.assert_array_equal(on, ~quiet.all(axis=tuple(range(x.ndim - 1))))
    np.testing.assert_array_equal(active_units(act, {}, pre, threshold), on)


@pytest.mark.slow
def test_the_linear_regime_is_where_one_expects_it():
    def share(name, low, high):
        act = make(name)
        x = jnp.linspace(low, high, 1001)[:, None]
        return float(regime(act, {}, x, SATURATION * steepest(act), full=True)[0]["linear_share"])

    assert share("relu", 0.01, 5.0) == 1
    assert share("relu", -5.0, -0.01) == 0
    # Its slope of a hundredth of the largest is just not saturated.
    assert share("leaky_relu", -5.0, -0.01) == 1
    assert share("tanh", -0.26, 0.26) == 1
    assert share("tanh", 0.3, 9.0) == 0
    assert share("gelu", 4.0, 9.0) == 1
    assert share("sigmoid", -0.2, 0.2) > 0.9


@pytest.mark.slow
def test_nan_values_are_no_part_of_the_shares():
    act = make("relu")
    pre = jnp.array([[1.0, jnp.nan], [-1.0, jnp.nan], [2.0, jnp.nan], [3.0, jnp.nan]])
    row, on = regime(act, {}, pre, 0.01, full=True)
    assert float(row["saturated_share"]) == 0.25
    assert float(row["linear_share"]) == 0.75
    assert on.tolist() == [True, False]


@pytest.mark.slow
def test_learnt_parameters_enter():
    act = make("swish", learn=["beta"], beta=1.0)
    pre = jnp.linspace(-3.0, 3.0, 50).reshape(10, 5)
    sharp, _ = regime(act, {"beta": jnp.float32(40.0)}, pre, 0.01, full=True)
    soft, _ = regime(act, {"beta": jnp.float32(0.1)}, pre, 0.01, full=True)
    assert float(sharp["saturated_share"]) > 0.4 > float(soft["saturated_share"])


@pytest.mark.slow
def test_sparsity():
    a = np.abs(np.random.default_rng(0).normal(size=(20, 7, 16))) * (np.arange(16) < 5)
    a[3] = 0
    row = {k: float(v) for k, v in sparsity(jnp.float32(a)).items()}
    rows = a.reshape(-1, 16)
    rows = rows[rows.sum(-1) > 0]
    hoyer = (4 - rows.sum(-1) / np.sqrt((rows**2).sum(-1))) / 3
    share = (rows**2).sum(-1) ** 2 / (16 * (rows**4).sum(-1))
    assert row["hoyer"] == pytest.approx(hoyer.mean(), rel=1e-5)
    assert row["participation"] == pytest.approx(share.mean(), rel=1e-5)
    one = {k: float(v) for k, v in sparsity(jnp.eye(8)).items()}
    assert one == {"hoyer": pytest.approx(1, rel=1e-6), "participation": pytest.approx(1 / 8)}
    spoilt = np.where(np.arange(16) == 2, np.nan, a)
    got = {k: float(v) for k, v in sparsity(jnp.float32(spoilt)).items()}
    others = {k: float(v) for k, v in sparsity(jnp.float32(np.delete(a, 2, -1))).items()}
    assert got == pytest.approx(others, rel=1e-5)
    tiny = {k: float(v) for k, v in sparsity(jnp.float32(1e-30 * a)).items()}
    assert tiny["hoyer"] == pytest.approx(row["hoyer"], rel=1e-4)


@pytest.mark.parametrize("name", ["relu", "gelu", "selu", "tanh", "sin", "square", "spike_atan"])
def test_steepest_of_the_spec_is_what_a_grid_finds(name):
    x = np.linspace(-20, 20, 8001, dtype=np.float32)
    grid = np.abs(jax.vmap(jax.grad(make(name)))(x)).max()
    assert steepest(make(name)) == pytest.approx(float(grid), rel=1e-3)


def test_steepest_of_a_users_function():
    assert steepest(make(lambda x: 3 * jnp.sin(x))) == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "flips"),
    [("relu", 1), ("gelu", 3), ("hard_tanh", 2), ("leaky_relu", 0), ("gaussian", 4), ("abs", 2)],
)
def test_where_a_function_is_active_is_told_to_the_last_bit(name, flips):
    act = make(name)
    threshold = SATURATION * steepest(act)
    where = active(act, threshold)
    assert len(where.flips) == flips
    edges = np.float32([*where.flips, 0.0, 1.0, -1.0, np.inf, -np.inf, 3e38])
    near = np.concatenate([edges, np.nextafter(edges, np.float32(9)), np.nextafter(edges, np.float32(-9))])
    near = near[(near == 0) | (np.abs(near) >= np.finfo(np.float32).tiny)]
    x = np.concatenate([near, np.linspace(-40, 40, 99_991), [np.nan]]).astype(np.float32)
    slope = np.asarray(jax.jit(lambda v: value_and_slope(act, {}, v)[1])(x))
    np.testing.assert_array_equal(jax.jit(where)(x), np.abs(slope) >= np.float32(threshold))
    np.testing.assert_array_equal(where.known(x), ~np.isnan(slope))


def test_where_many_comparisons_would_be_needed_the_slope_is_taken():
    assert active(make("sin"), 0.01) is None
    assert active(make("swish", learn=["beta"]), 0.01) is None


@pytest.mark.slow
def test_shares_by_comparisons_are_those_by_slopes():
    act = make("gelu")
    threshold = SATURATION * steepest(act)
    pre = (4 * jax.random.normal(jax.random.key(1), (40, 7)) - 2).at[:, 3].set(-9.0).at[2, 1].set(jnp.nan)
    where = active(act, threshold)
    for full in (False, True):
        row, on = regime(act, {}, pre, threshold, full=full)
        same, also = regime(act, {}, pre, threshold, where, full=full)
        assert same == row
        np.testing.assert_array_equal(on, also)
    np.testing.assert_array_equal(active_units(act, {}, pre, threshold, where), on)
    assert not on[3]
