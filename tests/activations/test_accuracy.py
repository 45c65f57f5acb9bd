"""Values and derivatives against mpmath, in units of what the input's own rounding would cost.

Unit: |got - true| / (eps * max(|true|, |x * dtrue/dx|)). A result below the smallest normal number may be
flushed.
"""

import contextlib

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import actlab


def logistic(x):
    return 1 / (1 + mp.exp(-x))


# The catalogue's formulas, at mpmath's precision: every elementwise function has a row.
ORACLE = {
    "identity": lambda x: x,
    "relu": lambda x: max(mp.mpf(0), x),
    "leaky_relu": lambda x, negative_slope: x if x >= 0 else negative_slope * x,
    "sigmoid": logistic,
    "tanh": mp.tanh,
    "softplus": lambda x, beta: mp.log1p(mp.exp(beta * x)) / beta,
    "elu": lambda x, alpha: x if x > 0 else alpha * (mp.exp(x) - 1),
    "selu": lambda x, alpha, scale: scale * (x if x > 0 else alpha * (mp.exp(x) - 1)),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x * logistic(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)),
    "silu": lambda x: x * logistic(x),
    "swish": lambda x, beta: x * logistic(beta * x),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
}
ELEMENTWISE = [name for name in actlab.names() if actlab.make(name).elementwise]

# Largest error in units of f, f', f''; gelu's comes from XLA's erfc.
BOUNDS = {"float16": (0.52, 0.52, 0.52), "bfloat16": (0.52, 0.52, 0.52), "float32": (4.5, 5.5, 6.5)}
BOUNDS["float64"] = (6.0, 6.0, 6.0)
REACH = {"float16": 20.0, "bfloat16": 95.0, "float32": 95.0, "float64": 40.0}
COUNT = {"float16": 40, "bfloat16": 40, "float32": 80, "float64": 4}


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(80):  # sigmoid'(88) and two differences of 1e-12 need 72
        yield


def true_values(f, x, order):
    """f, f', ..., by central differences whose error is far below float64."""
    h = mp.mpf("1e-12")
    grid = [f(x + k * h) for k in (-2, -1, 0, 1, 2)]
    a, b, c, d, e = grid
    return [c, (d - b) / (2 * h), (d - 2 * c + b) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)][: order + 1]


def points(dtype, seed=0):
    """Both tails, the middle, and small numbers of either sign; no kink."""
    rng = np.random.default_rng(seed)
    n, far = COUNT[dtype], REACH[dtype]
    small = 10.0 ** rng.uniform(-4, 0, n // 2) * rng.choice([-1, 1], n // 2)
    parts = [rng.uniform(-far, far, n), rng.uniform(-12, 12, n), rng.uniform(-45, -8, n // 2), small]
    return jnp.asarray(np.concatenate(parts), dtype)


def worst(got, f, xs, order, dtype):
    info = jnp.finfo(dtype)
    found = (0.0, None)
    for x, value in zip(np.asarray(xs, np.float64), np.asarray(got, np.float64), strict=True):
        x = mp.mpf(float(x))
        *_, true, change = true_values(f, x, order + 1)
        error = abs(float(value) - true)
        if error > float(info.tiny):
            scale = max(abs(true), abs(x * change))
            unit = float(error / (float(info.eps) * scale)) if scale else np.inf
            found = max(found, (unit, float(x)))
        assert not np.isnan(value), float(x)
    return found


def test_every_elementwise_function_has_an_oracle():
    assert sorted(ELEMENTWISE) == sorted(ORACLE)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_and_two_derivatives(name, dtype, derivatives):
    x64 = jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()
    # In float64 gelu''(38) = 1e-310 has to be told from differences of gelu(38).
    with x64, mp.workdps(380 if dtype == "float64" else 80):
        f, xs = getattr(actlab, name), points(dtype)
        got = derivatives(actlab.make(name), xs)
        defaults = {key: mp.mpf(value) for key, value in f.spec.defaults.items()}
        for order in range(3):
            assert got[order].dtype == dtype
            unit, at = worst(got[order], lambda x: ORACLE[name](x, **defaults), xs, order, dtype)
            assert unit <= BOUNDS[dtype][order], f"derivative {order}: {unit:.2f} units at {at!r}"


PARAMETERS = [
    (name, parameter.name, value)
    for name in ELEMENTWISE
    for parameter in actlab.registry()[name].spec.parameters
    for value in (parameter.default, 0.3, 2.5)
]


@pytest.mark.parametrize(("name", "parameter", "value"), PARAMETERS)
def test_parameter_values_and_gradients(name, parameter, value):
    f, xs = getattr(actlab, name), jnp.linspace(-9.0, 9.0, 64)
    value = float(np.float32(value))

    def g(p):
        return f(xs, **{parameter: p})

    others = {key: mp.mpf(v) for key, v in f.spec.defaults.items()}
    got, moved = jax.jit(lambda p: jax.jvp(g, (p,), (jnp.float32(1.0),)))(jnp.float32(value))
    reverse = jax.jit(jax.jacrev(g))(jnp.float32(value))
    np.testing.assert_allclose(reverse, moved, rtol=1e-6)
    for i, x in enumerate(np.asarray(xs, np.float64)):

        def truth(p, x=x):
            return ORACLE[name](mp.mpf(float(x)), **{**others, parameter: p})

        true, change, *_ = true_values(truth, mp.mpf(value), 2)
        assert abs(float(got[i]) - true) <= 2e-6 * max(abs(true), abs(value * change), abs(x * mp.mpf("0.1")))
        assert abs(float(moved[i]) - change) <= 4e-6 * max(abs(change), mp.mpf("0.01"))


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
