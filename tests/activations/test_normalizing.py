"""Functions along an axis against their definitions in mpmath, one row at a time; masks, extremes, transforms."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from row_definitions import DEFINITIONS

import actlab
from actlab.errors import InputError

INF, NAN = float("inf"), float("nan")
THIRD = 1 / 3
UNOPTIMISED = {"xla_backend_optimization_level": 0}  # compiles in half the time; where no digit is at stake


# An alpha given as an array takes the general path at 1, 1.5 and 2 too.
CASES = [(name, {}) for name in DEFINITIONS if name != "entmax"]
CASES += [("entmax", {"alpha": a}) for a in (1.0, 1.0001, 1.2, 1.5, 1.8, 2.0, 3.0, 6.0)]
CASES += [
    ("softmax_temperature", {"temperature": 0.3}),
    ("softmax_sink", {"sink": -1.5}),
    ("softmax_sink", {"sink": 4.0}),
    ("scalable_softmax", {"scale": -0.7}),
    ("softpick", {"eps": 0.5}),
    ("rms_norm_act", {"gamma": -2.0, "eps": 0.1}),
    ("poly_norm", {"coefficients": (0.5, -2.0, 0.3, 1.0), "bias": 0.2, "eps": 0.01, "norm": "rms"}),
]
cases = pytest.mark.parametrize(("name", "params"), CASES, ids=str)
ALL = sorted(DEFINITIONS)
MASKED = [name for name in ALL if name not in ("rms_norm_act", "poly_norm")]
LEARNT = [
    (name, params, key)
    for name, params in CASES
    for key, value in (actlab.registry()[name].spec.defaults | params).items()
    if isinstance(value, float)
]


def function(name):
    return getattr(actlab, name)


def exact(value):
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    return value if isinstance(value, (str, mp.mpf)) else mp.mpf(float(value))


def with_dtype(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def definition(name, params, row):
    given = {
        k: v for k, v in (function(name).spec.defaults | params).items() if k not in ("axis", "keepdims")
    }
    return DEFINITIONS[name](row, **{k: exact(v) for k, v in given.items()})


ROWS = np.random.default_rng(7).normal(size=(5, 4)) * np.array([[0.1], [0.5], [1.0], [3.0], [12.0]])


def as_arrays(params, dtype):
    return {k: jnp.asarray(v, dtype) if isinstance(v, float) else v for k, v in params.items()}


def apart(params, dtype):
    """Real parameters as arrays, which one compiled program takes all values of, and the others as a key."""
    numbers = {k: jnp.asarray(v, dtype) for k, v in params.items() if isinstance(v, float)}
    return numbers, tuple((k, v) for k, v in params.items() if k not in numbers)


def difference(f, at, h):
    """The derivative of a function of one mpf to a row, by central differences."""
    return [(a - b) / (2 * h) for a, b in zip(f(at + h), f(at - h), strict=True)]


def true_jacobian(name, params, row):
    def along(j):
        def moved(v):
            return definition(name, params, [*row[:j], v, *row[j + 1 :]])

        return difference(moved, row[j], mp.mpf(10) ** -15)

    columns = [along(j) for j in range(len(row))]
    return [[column[i] for column in columns] for i in range(len(columns[0]))]


@functools.cache
def value_and_jacobian(name, others):
    def both(row, numbers):
        def f(row):
            return jnp.atleast_1d(function(name)(row, **numbers, **dict(others)))

        return f(row), jax.jacrev(f)(row)

    return jax.jit(jax.vmap(both, (0, None)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@cases
def test_value_and_jacobian(name, params, dtype):
    """In units of eps (|f| + sum of |df/dx_j x_j|), what rounding the input costs; derivatives by their row."""
    eps = float(jnp.finfo(dtype).eps)
    numbers = {k: v for k, v in (function(name).spec.defaults | params).items() if isinstance(v, float)}
    others = {k: v for k, v in params.items() if k not in numbers}
    rounded = others | {k: float(np.asarray(v, dtype)) for k, v in numbers.items()}
    with mp.workdps(45), with_dtype(dtype):
        x = jnp.asarray(ROWS, dtype)
        given, fixed = apart(params, dtype)
        got, jacobians = value_and_jacobian(name, fixed)(x, given)
        assert got.dtype == jacobians.dtype == dtype
        for row, ys, jacobian in zip(np.asarray(x), np.asarray(got), np.asarray(jacobians), strict=True):
            row = [exact(v) for v in row]
            slopes = true_jacobian(name, rounded, row)
            for i, true in enumerate(definition(name, rounded, row)):
                cost = abs(true) + sum(abs(s * v) for s, v in zip(slopes[i], row, strict=True))
                assert abs(exact(ys[i]) - true) <= 4 * eps * cost + 1e-37, (row, i)
                scale = max(map(abs, slopes[i])) + abs(true) + (name == "log_softmax")
                scale *= 1 + max(map(abs, row))
                for j, slope in enumerate(slopes[i]):
                    assert abs(exact(jacobian[i][j]) - slope) <= 8 * eps * scale + 1e-37, (row, i, j)


@pytest.mark.parametrize(("name", "params", "key"), LEARNT, ids=str)
def test_derivative_by_a_parameter(name, params, key):
    row = ROWS[2]
    at = (function(name).spec.defaults | params)[key]
    with mp.workdps(45), jax.enable_x64(True):
        h = mp.mpf(10) ** -15
        start = exact(at) + h if key == "alpha" else exact(at)  # the definition knows no alpha below 1
        truth = difference(lambda p: definition(name, params | {key: p}, [exact(v) for v in row]), start, h)

        def f(p):
            return function(name)(jnp.asarray(row), **as_arrays(params, "float64") | {key: p})

        for got in jax.jit(lambda p: (jax.jacfwd(f)(p), jax.jacrev(f)(p)))(jnp.asarray(at)):
            np.testing.assert_allclose(got, [float(v) for v in truth], rtol=1e-9, atol=1e-12)


@functools.cache
def second_derivatives(name, others):
    """By differences, forward over reverse and reverse over reverse."""

    @jax.jit
    def all_ways(x, v, u, numbers):
        gradient = jax.grad(lambda x: jnp.vdot(v, function(name)(x, **numbers, **dict(others))))
        h = 1e-5
        return (
            (gradient(x + h * u) - gradient(x - h * u)) / (2 * h),
            jax.jvp(gradient, (x,), (u,))[1],
            jax.grad(lambda x: jnp.vdot(gradient(x), u))(x),
        )

    return all_ways


@cases
def test_second_derivatives_are_those_of_the_first(name, params):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(5).normal(size=(2, 4)))
        shape = jax.eval_shape(lambda x: function(name)(x, **params), x).shape
        v, u = (jnp.asarray(np.random.default_rng(k).normal(size=s)) for k, s in ((6, shape), (8, x.shape)))
        numbers, others = apart(params, "float64")
        differences, forward, reverse = second_derivatives(name, others)(x, v, u, numbers)
        np.testing.assert_allclose(forward, differences, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKED)
def test_masked_entries_do_not_take_part(name):
    """Three of five entries: what the three alone give. None: zeros. Whatever the others hold."""
    f = function(name)
    rng = np.random.default_rng(0)
    x, v = (jnp.asarray(rng.normal(size=(4, 5)), "float32") for _ in range(2))
    mask = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    inside = np.nonzero(mask[:3])[1].reshape(3, 3)

    def loss(x, v, where=None):
        y = f(x, where=where)
        return jnp.sum(jnp.where(jnp.isfinite(y), y, 0.0) * (v[:, 0] if name == "logsumexp" else v))

    @jax.jit
    def everything(x, mask):
        return f(x, where=mask), jax.grad(loss)(x, v, mask), jax.hessian(loss)(x, v, mask)

    few = jnp.take_along_axis(x[:3], inside, -1)
    few_v = (
        jnp.broadcast_to(v[:3, :1], (3, 3)) if name == "logsumexp" else jnp.take_along_axis(v[:3], inside, -1)
    )
    want, slope = f(few), jax.grad(loss)(few, few_v)
    left_out = -INF if name in ("log_softmax", "logsumexp") else 0.0
    for rubbish in (NAN, INF, 1e30):
        y, g, hessian = everything(jnp.where(mask, x, rubbish), mask)
        got = y[:3] if name == "logsumexp" else jnp.take_along_axis(y[:3], inside, -1)
        np.testing.assert_allclose(got, want, rtol=2e-6)
        np.testing.assert_array_equal(y[3:] if name == "logsumexp" else y[~mask], left_out)
        np.testing.assert_allclose(jnp.take_along_axis(g[:3], inside, -1), slope, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(g[~mask], 0.0)
        assert not jnp.isnan(hessian).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKED)
def test_masks_under_transforms(name):
    """The mask is an operand: traced, batched, scanned, rematerialised; it broadcasts like a parameter."""
    f = function(name)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), "float32")
    masks = jnp.asarray(np.random.default_rng(1).random((2, 3, 4)) < 0.7).at[:, 1].set(False)

    def loss(x, mask):
        y = f(x, where=mask)
        return jnp.sum(jnp.where(jnp.isfinite(y), jnp.sin(y), 0.0))

    def scanned(x, masks):
        return jax.lax.scan(lambda c, m: (c + loss(x, m), None), jnp.zeros(()), masks)[0]

    @functools.partial(jax.jit, compiler_options=UNOPTIMISED)
    def all_ways(x, masks):
        return (
            [jax.grad(loss)(x, m) for m in masks],
            jax.vmap(jax.grad(loss), (None, 0))(x, masks),
            jax.grad(jax.checkpoint(loss))(x, masks[0]),
            jax.grad(scanned)(x, masks),
        )

    plain, batched, again, summed = all_ways(x, masks)
    np.testing.assert_allclose(batched, plain, atol=1e-6)
    np.testing.assert_allclose(again, plain[0], atol=1e-6)
    np.testing.assert_allclose(summed, plain[0] + plain[1], atol=1e-6)
    np.testing.assert_allclose(f(x, where=masks[0, 0]), f(x, where=jnp.tile(masks[0, 0], (3, 1))))
    assert jax.grad(loss, argnums=(0, 1), allow_int=True)(x, masks[0])[1].dtype == jax.dtypes.float0
    with pytest.raises(InputError, match="booleans"):
        f(x, where=jnp.ones((3, 4)))
    with pytest.raises(InputError, match="does not fit"):
        f(x, where=jnp.ones((2, 4), bool))


@functools.cache
def all_derivatives(name, others):
    """f, its Jacobian in both modes and the Hessian of a sum, of rows of 3."""

    def everything(x, numbers):
        f = functools.partial(function(name), **numbers, **dict(others))
        total = jax.hessian(lambda x: jnp.sum(jnp.asarray([1.0, 2.0, 4.0], x.dtype) * f(x)))
        return f(x), jax.jacrev(f)(x), jax.jacfwd(f)(x), total(x)

    return jax.jit(jax.vmap(everything, (0, None)), compiler_options=UNOPTIMISED)


@cases
def test_extremes(name, params):
    """No NaN in values, Jacobians and Hessians of rows that strain a formula; NaN handed on."""
    big = float(jnp.finfo("float32").max)
    finite = [
        [big, -big, 0],
        [1e30, 1e30, -1e-30],
        [0, -0.0, 0],
        [1e-30, 2e-30, 0],
        [-90, -104, -1],
        [300, -5, 88],
    ]
    infinite = [[-INF, 0, 0], [-INF, -INF, -INF], [INF, 0, 1], [INF, INF, 0]]
    numbers, others = apart(params, "float32")
    everything = all_derivatives(name, others)
    for dtype in ("float32", "float16") if params == {} else ("float32",):
        rows = jnp.asarray([*finite, *infinite, [NAN, 0.5, 1.0]]).astype(dtype)
        *first, second = map(np.asarray, everything(rows, numbers))
        assert not any(np.isnan(values[:-1]).any() for values in first)
        # f'' of these two is beyond float32 around a row of zeros.
        assert not np.isnan(second[:6]).any() or dtype == "float16" or name in ("softpick", "poly_norm")
        y, slope, _ = (values[-1] for values in first)
        assert np.isnan(y).all() or name == "sigmoid_attention"
        assert np.isnan(y).any()
        assert np.isnan(slope).any()


@pytest.mark.parametrize("name", ALL)
def test_half_precision_is_rounded_once(name):
    f = jax.jit(function(name))
    x = np.random.default_rng(0).normal(size=(16, 5)) * 3
    for dtype in ("float16", "bfloat16"):
        narrow = jnp.asarray(x, dtype)
        once = f(narrow.astype("float32")).astype(dtype)
        np.testing.assert_array_equal(np.asarray(f(narrow), "float32"), np.asarray(once, "float32"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_axes(name):
    f = function(name)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 5)), "float32")
    for axis in (0, 1, -2, 2):
        last = f(jnp.moveaxis(x, axis, -1))
        want = last if name == "logsumexp" else jnp.moveaxis(last, -1, axis)
        np.testing.assert_allclose(f(x, axis=axis), want, rtol=1e-5, atol=1e-6)
    for shape, axis in (((), -1), ((3,), 1), ((3, 2), -3)):
        with pytest.raises(InputError, match="does not exist"):
            f(jnp.zeros(shape), axis=axis)
    with pytest.raises(InputError, match="integer"):
        f(x, axis=0.5)


@pytest.mark.parametrize(
    ("name", "params"), [(n, {}) for n in MASKED] + [("entmax", {"alpha": a}) for a in (1, 1.3, 2)], ids=str
)
def test_errors_name_the_function_that_was_called(name, params):
    for wrong in ({"axis": 7}, {"where": jnp.ones(3, bool)}, {"where": jnp.ones(4)}):
        with pytest.raises(InputError, match=f"^{name}: "):
            function(name)(jnp.zeros((2, 4)), **params, **wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("softmax_temperature", "temperature"),
        ("softmax_sink", "sink"),
        ("scalable_softmax", "scale"),
        ("entmax", "alpha"),
    ],
)
def test_a_parameter_has_one_value_a_row(name, key):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), "float32")
    values = jnp.asarray([1.2, 1.7]).reshape(2, 1, 1)
    y = function(name)(x, **{key: values})
    for i, value in enumerate(values.ravel()):
        np.testing.assert_allclose(y[i], function(name)(x[i], **{key: value}), rtol=1e-6)
    slope = jax.grad(lambda p: jnp.sum(function(name)(x, **{key: p}) ** 2))(values)
    assert slope.shape == values.shape
    with pytest.raises(InputError, match="varies along .* per=tensor"):
        function(name)(x, **{key: jnp.ones(4)})


@pytest.mark.slow
def test_a_float16_gradient_over_a_long_row_is_finite():
    x = jnp.linspace(-1, 1, 2**17).astype("float16")
    for f in (actlab.log_softmax, actlab.softmax, actlab.logsumexp):
        gradient = jax.grad(lambda x, f=f: jnp.sum(f(x).astype("float32")))(x)
        assert jnp.isfinite(gradient).all()
    wide = jax.grad(lambda x: jnp.sum(actlab.log_softmax(x)))(x.astype("float32"))
    got = jax.grad(lambda x: jnp.sum(actlab.log_softmax(x).astype("float32")))(x)
    np.testing.assert_allclose(got, wide, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "entmax15", "entmax"])
def test_long_rows_sum_to_1(name):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2**15)), "float32")
    params = {"alpha": jnp.float32(1.3)} if name == "entmax" else {}
    np.testing.assert_allclose(jnp.sum(function(name)(x, **params), -1), 1.0, rtol=2e-6)


class TestSoftmax:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 5)) * 5, "float32")

    @pytest.mark.slow
    @pytest.mark.parametrize("axis", [-1, 0, 1, -2])
    def test_agrees_with_jax(self, axis):
        def loss(x, f):
            return jnp.sum(f(x, axis=axis)[:2] ** 2)

        np.testing.assert_allclose(
            jax.grad(loss)(self.x, actlab.softmax), jax.grad(loss)(self.x, jax.nn.softmax), atol=2e-6
        )

    @pytest.mark.slow
    def test_equal_and_infinite_entries_share(self):
        big = float(jnp.finfo("float32").max)
        rows = jnp.asarray([[big, -big, 0], [INF, 0, 1], [-INF, 0, 0], [-INF, -INF, -INF], [INF, INF, 0]])
        expected = [[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5], [THIRD, THIRD, THIRD], [0.5, 0.5, 0]]
        for f in (actlab.softmax, actlab.sparsemax, actlab.entmax15, actlab.softmax_temperature):
            np.testing.assert_allclose(f(rows), expected, rtol=1e-6)
        for alpha in (1.0, 1.3, 2.0, 5.0):
            np.testing.assert_allclose(actlab.entmax(rows, alpha=jnp.float32(alpha)), expected, rtol=1e-6)


@pytest.mark.slow
def test_special_cases_agree():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(8, 6)) * 3, "float32")
    same = np.testing.assert_array_equal
    same(actlab.softmin(x), actlab.softmax(-x))
    same(actlab.softmax_temperature(x), actlab.softmax(x))
    same(actlab.softmax_one(x), actlab.softmax_sink(x, sink=0.0))
    same(actlab.entmax(x, alpha=1), actlab.softmax(x))
    same(actlab.entmax(x), actlab.entmax15(x))
    same(actlab.entmax(x, alpha=2.0), actlab.sparsemax(x))
    np.testing.assert_allclose(actlab.softmax_sink(x, sink=-200.0), actlab.softmax(x), rtol=1e-6)
    np.testing.assert_allclose(jnp.exp(actlab.log_softmax(x)), actlab.softmax(x), rtol=1e-5)
    shorter = actlab.logsumexp(x, keepdims=True)
    assert shorter.shape == (8, 1)
    assert actlab.logsumexp(jnp.zeros((2, 0))).tolist() == [-INF, -INF]
    unit = jnp.sqrt(6.0)
    np.testing.assert_allclose(
        actlab.poly_norm(x, coefficients=(1.0,), eps=0.0) * unit, actlab.rms_norm_act(x, eps=0.0), rtol=1e-6
    )


def test_logsumexp_of_nothing_has_gradient_0():
    row = jnp.full(3, -INF)
    np.testing.assert_array_equal(jax.grad(actlab.logsumexp)(row), 0.0)
    assert actlab.logsumexp(row) == -INF


def test_log_softmax_near_0_keeps_its_digits():
    y = actlab.log_softmax(jnp.asarray([30.0, 0.0, 1.0]))
    np.testing.assert_allclose(y[0], -float(mp.exp(-30) + mp.exp(-29)), rtol=1e-6)
