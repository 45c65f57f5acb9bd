"""What `fit_lean` reaches on functions that are nobody's activation, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.gradients import fit_lean

FITTED = {
    "one turning point": lambda x: x * jax.nn.sigmoid(x),
    "turned over": lambda x: -x * jax.nn.sigmoid(x),
    "mirrored": lambda x: -x * jax.nn.sigmoid(-x),
    "moved": lambda x: (x - 2) * jax.nn.sigmoid(x - 2) + 0.5,
    "rises on both sides": lambda x: x * jnp.tanh(x),
    "between two limits": lambda x: 3 * jnp.tanh(x / 2) - 1,
    "falls between two limits": lambda x: jax.nn.sigmoid(-x),
    "from a limit to infinity": lambda x: jax.nn.softplus(x) - 1,
    "from infinity to a limit": lambda x: jax.nn.softplus(-x),
}
REFUSED = [
    (jnp.sin, "turns 1?[0-9][0-9] times"),
    (lambda x: x * jnp.cos(x) * jnp.exp(-(x**2) / 20), "turns [0-9]* times"),
    (lambda x: x * x, "has no bound"),
    (lambda x: jnp.exp(-(x**2)), "bfloat16 f' from y is off"),
    (lambda x: 2 * x + jnp.tanh(x), "no limit on either side"),
    (lambda x: x + 0.5 * jnp.sin(x), "does not settle"),
    (lambda x: 1 / x, "not finite"),
    (lambda x: jax.nn.silu(x) + 0.02 * jnp.tanh((x - 100.3) / 0.03), "off by"),  # narrower than a coarse grid
]


@pytest.mark.slow
@pytest.mark.parametrize("f", FITTED.values(), ids=FITTED)
def test_slope_from_rounded_output(f):
    fit = fit_lean(f)
    assert dict(fit.errors)["bfloat16"] <= 2
    assert dict(fit.errors)["float32"] <= 5e-4
    x = np.linspace(-25, 25, 20001)
    with jax.enable_x64(True):
        y, slope = jax.jvp(f, (jnp.asarray(x),), (jnp.ones(x.size),))
        y, slope = np.asarray(y), np.asarray(slope)
    left = None if fit.turning is None else jnp.asarray(x < fit.turning)
    for dtype, allowed in (("float32", 5e-4), ("bfloat16", 2 * 2.0**-7)):
        rounded = jnp.asarray(y.astype(jnp.dtype(dtype)), "float32")
        told = np.asarray(fit.slope(rounded, left, coarse=dtype == "bfloat16"))
        assert np.abs(told - slope).max() <= allowed * max(1, fit.steepest)


@pytest.mark.parametrize(("f", "told"), REFUSED)
def test_refuses_with_the_reason(f, told):
    with pytest.raises(InputError, match=told) as caught:
        fit_lean(f)
    assert "\n" not in str(caught.value)


def test_turning_point_and_extreme_are_exact():
    fit = fit_lean(lambda x: x * jax.nn.sigmoid(x))
    assert fit.turning == pytest.approx(-1.278464542761074, abs=1e-12)
    assert fit.right.start == pytest.approx(-0.2784645427610738, abs=1e-14)
    assert fit.steepest == pytest.approx(1.0998393201288669, rel=1e-5)


@pytest.mark.slow
def test_nan_goes_on():
    fit = fit_lean(lambda x: x * jax.nn.sigmoid(x))
    for left in (True, False):
        assert jnp.isnan(fit.slope(jnp.asarray([jnp.nan]), jnp.asarray([left]), coarse=False)).all()


@pytest.mark.parametrize("k", [-10, 3])
def test_the_scale_of_f_does_not_matter(k):
    """A factor of a power of two is exact in every dtype."""
    plain = dict(fit_lean(lambda x: x * jax.nn.sigmoid(x)).errors)
    scaled = dict(fit_lean(lambda x: 2.0**k * x * jax.nn.sigmoid(x)).errors)
    assert scaled["bfloat16"] == pytest.approx(plain["bfloat16"], rel=0.1)
    assert scaled["float32"] == pytest.approx(plain["float32"], rel=0.1)


def test_the_scale_of_x_does_not_matter():
    errors = dict(fit_lean(lambda x: x * jax.nn.sigmoid(64 * x)).errors)
    assert errors["bfloat16"] <= 2
