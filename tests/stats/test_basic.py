"""Every statistic against NumPy in float64, on the values themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.nn import Activation
from actlab.stats import StatsConfig
from actlab.stats.basic import (
    SATURATION,
    active,
    any_unit,
    histogram,
    layer_statistics,
    site_statistics,
    steepest,
)


def rows(act, pre, windows=()):
    site = Activation(act, pre.shape[1:], site="s")
    threshold = SATURATION * steepest(act)
    where = active(site, pre, threshold)
    ever = any_unit(where)
    for other in windows:
        ever |= any_unit(active(site, other, threshold))
    return jax.jit(lambda p: site_statistics(site, p, site(p), where, ever))(pre)


@pytest.mark.parametrize("shape", [(50, 12), (10, 5, 12)])
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_site_statistics(name, shape):
    act = make(name)
    pre = 3 * jax.random.normal(jax.random.key(0), shape) - 1
    pre = pre.at[..., 2].set(-9.0)
    got = {q: float(v) for (_, q), v in rows(act, pre).items()}
    x, y = np.asarray(pre, np.float64), np.asarray(act(pre), np.float64)
    slope = np.asarray(jax.vmap(jax.grad(act))(pre.ravel()), np.float64).reshape(shape)
    inactive = np.abs(slope) < 0.01 * act.spec.lipschitz
    expected = {
        "pre.mean": x.mean(),
        "pre.variance": x.var(),
        "pre.min": x.min(),
        "pre.max": x.max(),
        "pre.zero_share": 0.0,
        "post.mean": y.mean(),
        "post.variance": y.var(),
        "post.min": y.min(),
        "post.max": y.max(),
        "post.zero_share": (y == 0).mean(),
        "saturated_share": inactive.mean(),
        "dead_share": inactive.all(axis=tuple(range(x.ndim - 1))).mean(),
    }
    assert got.keys() == expected.keys()
    assert expected["dead_share"] == pytest.approx(1 / 12)
    for quantity, value in expected.items():
        assert got[quantity] == pytest.approx(value, rel=1e-5, abs=1e-6), quantity


def test_a_unit_is_dead_only_over_the_whole_window():
    off = jnp.full((4, 3), -1.0)
    on_once = off.at[2, 1].set(1.0)
    got = rows(make("relu"), off, windows=[on_once])
    assert float(got["s", "dead_share"]) == pytest.approx(2 / 3)
    assert float(got["s", "saturated_share"]) == 1


def test_leaky_relu_at_the_default_slope_is_never_dead():
    got = rows(make("leaky_relu"), -jnp.ones((4, 3)))
    assert float(got["s", "dead_share"]) == 0


def test_learnt_parameters_are_recorded():
    got = rows(make("swish", learn=["beta"], beta=2.0), jnp.ones((4, 3)))
    assert float(got["s", "param.beta.mean"]) == pytest.approx(2)


@pytest.mark.parametrize("name", ["relu", "gelu", "selu", "tanh", "sin", "square", "spike_atan"])
def test_steepest_of_the_spec_is_what_a_grid_finds(name):
    x = np.linspace(-20, 20, 8001, dtype=np.float32)
    grid = np.abs(jax.vmap(jax.grad(make(name)))(x)).max()
    assert steepest(make(name)) == pytest.approx(float(grid), rel=1e-3)


def test_steepest_of_a_users_function():
    assert steepest(make(lambda x: 3 * jnp.sin(x))) == pytest.approx(3, rel=1e-4)


def test_layer_statistics():
    rng = np.random.default_rng(0)
    trees = [
        {
            "a": {"kernel": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)},
            "b": {"kernel": rng.normal(size=2)},
        }
        for _ in range(3)
    ]
    got = layer_statistics(*jax.tree.map(jnp.float32, trees))

    def norm(tree):
        return np.sqrt(sum((leaf**2).sum() for leaf in tree.values()))

    params, grads, updates = trees
    for layer in ("a", "b"):
        assert float(got[layer, "gradient_norm"]) == pytest.approx(norm(grads[layer]), rel=1e-5)
        assert float(got[layer, "weight_norm"]) == pytest.approx(norm(params[layer]), rel=1e-5)
        ratio = norm(updates[layer]) / norm(params[layer])
        assert float(got[layer, "update_ratio"]) == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_histogram(dtype):
    x = jax.random.normal(jax.random.key(0), (30, 40)).astype(dtype)
    got = histogram(x)
    v = np.asarray(x, np.float64)
    low, high = v.min(), v.max()
    assert float(got["low"]) == pytest.approx(low)
    assert float(got["high"]) == pytest.approx(high)
    expected, _ = np.histogram(v, 64, (low, high))
    # float32 puts a value that lies on an edge into either neighbour
    assert np.abs(np.cumsum(got["counts"]) - np.cumsum(expected)).max() <= (1 if dtype == jnp.float32 else 20)
    assert int(got["counts"].sum()) == 1200


def test_histogram_of_what_is_not_finite_or_constant():
    got = histogram(jnp.array([1.0, jnp.nan, jnp.inf, -jnp.inf, 2.0]))
    assert (float(got["low"]), float(got["high"]), int(got["nonfinite"])) == (1.0, 2.0, 3)
    assert int(got["counts"].sum()) == 2
    assert int(histogram(jnp.full(5, 3.0))["counts"][0]) == 5
    got = histogram(jnp.full(5, jnp.nan))
    assert (float(got["low"]), float(got["high"]), int(got["nonfinite"])) == (0.0, 0.0, 5)
    top = jnp.finfo(jnp.float32).max
    assert int(histogram(jnp.array([-top, 0.0, top]))["counts"].sum()) == 3


def test_config():
    with pytest.raises(InputError, match="stats.level='ful'"):
        StatsConfig("ful")
    with pytest.raises(InputError, match="stats.every=0"):
        StatsConfig(every=0)
