"""Surrogate slopes: what autodiff returns is ``spec.surrogate``, in every dtype and for other parameters too."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import actlab

SPECS = {name: actlab.registry()[name].spec for name in actlab.names()}
SURROGATES = [name for name in SPECS if SPECS[name].surrogate]
DTYPES = ["float16", "bfloat16", "float32", "float64"]


def others(spec):
    """The defaults, and each parameter changed."""
    yield {}
    for p in spec.parameters:
        if isinstance(p.default, str):
            yield from ({p.name: name} for name in p.domain if name != p.default)
        elif isinstance(p.default, float):
            scale = p.default or 1.0
            yield from ({p.name: v} for v in (0.375 * scale, 16.0 * scale) if v in p.domain)


def worst_slope(spec, dtype, xs, slopes, params):
    """The largest error of the slope in units: 1 is what rounding x costs."""
    eps, tiny, _ = oracle.LIMITS[dtype]
    found = (0.0, None)
    for x, slope in zip(xs, np.asarray(slopes, np.float64), strict=True):
        true, change = (float(v.mid()) for v in oracle.surrogate(spec, float(x), **params)[:2])
        error = abs(slope - true)
        if not error <= tiny:
            scale = max(abs(true), abs(float(x) * change))
            found = max(found, (error / (eps * scale) if scale else np.inf, float(x)))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "params"), [(n, p) for n in SURROGATES for p in others(SPECS[n])], ids=str)
def test_slope_is_the_stated_one(name, params, dtype):
    spec, count = SPECS[name], {"float64": 60}.get(dtype, 160)
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        act = actlab.make(name, **params)
        xs = jnp.asarray(oracle.points(dtype, count), dtype)
        slopes = jax.jit(jax.vmap(jax.grad(act)))(xs)
        assert slopes.dtype == dtype
    limit = 1.0 if "16" in dtype else 8.0
    edges = [k.at for k in spec.at(**params).kinks]
    xs, slopes = (np.asarray(v, np.float64) for v in (xs, slopes))
    away = ~np.isin(xs, edges)
    units, at = worst_slope(spec, dtype, xs[away], slopes[away], params)
    assert units <= limit, f"{units:.3g} units at {at!r}"


@pytest.mark.parametrize("name", SURROGATES)
def test_slope_at_the_ends(name):
    """At 0 the stated slope, and no NaN in the tails or beyond, of the slope's own derivative either."""
    act = actlab.make(name)
    far = float(jnp.finfo("float32").max)
    xs = jnp.asarray([0.0, -0.0, 1e-38, 1e15, -1e15, 1e25, -1e25, far, -far, jnp.inf, -jnp.inf])
    slopes, bends = jax.jit(jax.vmap(lambda x: (jax.grad(act)(x), jax.grad(jax.grad(act))(x))))(xs)
    assert np.isfinite(slopes).all()
    assert np.isfinite(bends).all()
    true = float(oracle.surrogate(SPECS[name], 0.0)[0].mid())
    np.testing.assert_allclose(slopes[:2], true, rtol=1e-6)
    np.testing.assert_allclose(slopes[-2:], slopes[-4:-2], rtol=1e-6, atol=1e-30)
