"""Values and derivatives against each function's own formula, evaluated with hundreds of digits.

Unit: |got - true| / (eps * max(|true|, |x * dtrue/dx|)). The list of functions is the registry, the formula is
``spec.formula``: neither can be forgotten. Here a sample; ``-m exhaustive`` visits every bfloat16 and float16 and
200,000 float32 numbers, and prints the battery's table.
"""

import contextlib
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import actlab

ELEMENTWISE = [name for name in actlab.names() if actlab.registry()[name].spec.elementwise]
OWN_SLOPE = [name for name in ELEMENTWISE if not actlab.registry()[name].spec.surrogate]
DTYPES = ["float16", "bfloat16", "float32", "float64"]
COUNT = {"float16": 80, "bfloat16": 80, "float32": 160, "float64": 60}


def with_dtype(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def promise(spec, dtype, order):
    """What is promised, or the exception that the spec states."""
    stated = [e.units for e in spec.inexact if (e.dtype, e.order) == (dtype, order)]
    return max([oracle.PROMISE[dtype][order], *stated])


def measure(name, dtype, xs, derivatives):
    spec = actlab.registry()[name].spec
    with with_dtype(dtype):
        xs = np.unique(np.asarray(jnp.asarray(xs, dtype), np.float64))
        got = derivatives(actlab.make(name), jnp.asarray(xs, dtype))
    assert all(values.dtype == dtype for values in got)
    if spec.surrogate:
        got = got[:1]
    fixed = spec.at()
    skip = {k.at for k in (*fixed.kinks, *fixed.jumps)}
    # At a knot that does not bend two clips of pwlu's formula meet, and its power series counts both.
    skip |= {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0} if name == "pwlu" else set()
    return oracle.worst(spec, dtype, xs, got, skip)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_and_two_derivatives(name, dtype, derivatives):
    spec = actlab.registry()[name].spec
    for order, (units, at) in enumerate(
        measure(name, dtype, oracle.points(dtype, COUNT[dtype]), derivatives)
    ):
        assert units <= promise(spec, dtype, order), f"derivative {order}: {units:.3g} units at {at!r}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", DTYPES[:3])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_16_bit_number_and_200000_of_32_bits(name, dtype, derivatives):
    spec = actlab.registry()[name].spec
    xs = oracle.every(dtype) if "16" in dtype else oracle.points(dtype, 200_000, seed=1)
    found = measure(name, dtype, xs, derivatives)
    print(f"{name:22} {dtype:9}", *(f"{units:8.3f} at {at!r:24}" for units, at in found))
    for order, (units, at) in enumerate(found):
        assert units <= promise(spec, dtype, order), f"derivative {order}: {units:.3g} units at {at!r}"


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_two_evaluators_agree(name):
    """Arb's power series against mpmath's values and differences."""
    spec = actlab.registry()[name].spec
    fixed = spec.at()
    for x in (-50.25, -7.3, -2.125, -0.7, -1e-3, 2e-3, 0.4, 1.1, 3.7, 9.25, 40.5):
        if any(abs(x - k.at) < 1e-2 for k in (*fixed.kinks, *fixed.jumps)):
            continue
        for true, other in zip(oracle.derivatives(spec, x), oracle.mpmath_derivatives(spec, x), strict=False):
            true, other = float(true.mid()), float(other)
            assert true == pytest.approx(other, rel=1e-12, abs=1e-14)


def fit_together(spec, **params):
    """Whether these values and the defaults for the others go together."""
    return not (spec.requires and spec.requires(spec.defaults | params))


def values_of(parameter):
    """Values to try: the default and two more, and again for every coefficient of a vector."""
    if parameter.vector:
        yield parameter.default, None
        changed = tuple(0.6 * v + 0.15 for v in parameter.default)
        if all(v in parameter.domain for v in changed):
            yield changed, None
        return
    scale = parameter.default or 1.0
    for value in (parameter.default, 0.3 * scale, 2.5 * scale):
        if value in parameter.domain:
            yield value, None


def has_poles(spec):
    """Whether f jumps without listed jumps: near a pole no number of units is small."""
    return spec.smoothness == "jumps" and not spec.jumps


PARAMETERS = [
    (name, p.name, value)
    for name in OWN_SLOPE
    for p in actlab.registry()[name].spec.parameters
    if p.continuous
    for value, _ in values_of(p)
    if fit_together(actlab.registry()[name].spec, **{p.name: value})
    if not has_poles(actlab.registry()[name].spec.at(**{p.name: value}))
]


XS = np.linspace(-9.0, 9.0, 37, dtype=np.float32) + np.float32(0.013)


@functools.cache
def by_value(name, parameter):
    """f at `XS` and its derivatives by a parameter in both modes, compiled once for all values of one shape."""

    def g(p):
        return getattr(actlab, name)(jnp.asarray(XS), **{parameter: p})

    return jax.jit(lambda p: (g(p), jax.jacrev(g)(p), jax.jacfwd(g)(p)))


@pytest.mark.parametrize(("name", "parameter", "value"), PARAMETERS)
def test_parameter_values_and_gradients(name, parameter, value):
    spec = getattr(actlab, name).spec
    fixed = spec.at(**{parameter: value})
    edges = [k.at for k in (*fixed.kinks, *fixed.jumps)]
    loose = promise(spec, "float32", 0) / oracle.PROMISE["float32"][0]
    given = jnp.asarray(value, "float32")
    value = np.asarray(given, np.float64)
    got, slopes, forward = map(np.asarray, by_value(name, parameter)(given))
    np.testing.assert_allclose(slopes, forward, rtol=1e-5, atol=1e-6)
    for index in np.ndindex(value.shape):
        moved = forward[(slice(None), *index)]
        for i, x in enumerate(np.asarray(XS, np.float64)):
            if any(abs(x - at) < 1e-4 for at in edges):
                continue
            exact = {parameter: tuple(map(float, value)) if value.ndim else float(value)}
            true, change, bend = (
                float(v.mid()) for v in oracle.by_parameter(spec, x, parameter, *index, **exact)[:3]
            )
            steep = abs(x * float(oracle.derivatives(spec, x, **exact)[1].mid()))
            sway = abs(float(value[index]) * bend) / 16  # what the parameter's own rounding costs
            scale = max(abs(true), abs(float(value[index]) * change), steep)
            assert abs(float(got[i]) - true) <= 2e-6 * loose * max(scale, 1e-3), f"value at {x}"
            assert abs(float(moved[i]) - change) <= 3e-5 * max(abs(change), abs(true), sway, 1e-2), (
                f"slope at {x}"
            )
    assert math.prod(value.shape) == given.size


@pytest.mark.parametrize(
    "name",
    [name for name in ELEMENTWISE if any(p.continuous for p in actlab.registry()[name].spec.parameters)],
)
def test_parameter_gradients_are_no_nan_at_any_size_of_x(name):
    f, spec = getattr(actlab, name), getattr(actlab, name).spec
    info = jnp.finfo(jnp.float32)
    tiny, top = float(info.tiny), float(info.max)
    xs = jnp.asarray([0.0, tiny, -tiny, 1e20, -1e20, 3e38, -3e38, top, -top], jnp.float32)
    params = {p.name: jnp.asarray(p.default, jnp.float32) for p in spec.parameters if p.continuous}
    found = jax.jit(jax.vmap(jax.grad(lambda p, x: f(x, **p)), (None, 0)))(params, xs)
    for parameter, slopes in found.items():
        slopes = np.asarray(slopes)
        assert not np.isnan(slopes).any(), f"by {parameter} at {xs[np.argwhere(np.isnan(slopes))[0][0]]}"
        for i, *index in np.argwhere(np.isinf(slopes)):
            exact = {k: tuple(map(float, v)) if v.ndim else float(v) for k, v in params.items()}
            where = tuple(index) or (None,)
            true = oracle.by_parameter(spec, float(xs[i]), parameter, *where, **exact)[1]
            assert abs(true) > top, f"by {parameter} at {xs[i]}: {true}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "by", "x", "true"),
    [
        ("scaled_tanh", {}, "b", 3e38, 0.0),
        ("dyt", {"alpha": 40.0, "gamma": 2.6}, "alpha", 3e38, 0.0),
        ("acon_c", {"p1": 0.4, "p2": 0.4}, "beta", 1e20, 0.0),
        ("aptx", {"beta": 0.0, "gamma": 0.0}, "beta", 1e20, 0.0),
        ("soft_exponential", {"alpha": 40.0}, "alpha", -3e38, 1.0 + 1.0 / 1600),
        ("pade_a", {"denominator": (0.0,) * 4}, "denominator", 1e20, (0.0,) * 4),
        ("snake", {"a": 1.0}, "a", 3e38, None),
    ],
)
def test_parameter_gradients_far_out_at_other_values(name, params, by, x, true):
    f = getattr(actlab, name)
    params = {k: jnp.asarray(v, jnp.float32) for k, v in (f.spec.defaults | params).items()}
    for dtype in (jnp.float32, jnp.bfloat16):
        given = jnp.asarray(x, dtype)
        slope = jax.grad(lambda p, x=given: f(x, **(params | {by: p})))(params[by])
        assert jnp.isfinite(slope).all()
        if true is not None:
            np.testing.assert_allclose(np.asarray(slope, np.float32), true, rtol=1e-2)


@pytest.mark.slow
def test_mixed_derivatives_of_parameters():
    x, eps = jnp.linspace(-4.0, 4.0, 9), 1e-3
    for name, parameter in [
        ("swish", "beta"),
        ("softplus", "beta"),
        ("elu", "alpha"),
        ("leaky_relu", "negative_slope"),
    ]:
        f = getattr(actlab, name)
        slope = jax.vmap(jax.grad(lambda x, p, f=f, parameter=parameter: f(x, **{parameter: p})), (0, None))
        slope = jax.jit(slope)
        change = jax.jvp(lambda p, slope=slope: slope(x, p), (jnp.float32(0.8),), (jnp.float32(1.0),))[1]
        difference = (slope(x, jnp.float32(0.8 + eps)) - slope(x, jnp.float32(0.8 - eps))) / (2 * eps)
        np.testing.assert_allclose(change, difference, atol=3e-4, err_msg=name)
