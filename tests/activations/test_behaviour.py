"""One battery for every function of the namespace: the list is the registry, so none can be forgotten."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError

SPECS = {name: actlab.registry()[name].spec for name in actlab.names()}
# Gated, resizing and complex-valued ones have tests of their own.
ACTS = [
    actlab.make(name)
    for name, spec in SPECS.items()
    if spec.kind in ("elementwise", "axiswise") and spec.family != "complex"
]
# Values that take another path through a formula than the defaults do.
ACTS += [
    actlab.make("leaky_relu", negative_slope=0.0),
    actlab.make("leaky_relu", negative_slope=-0.5),
    actlab.make("softplus", beta=4.0),
    actlab.make("elu", alpha=0.5),
    actlab.make("swish", beta=0.0),
    actlab.make("swish", beta=-1.5),
]
ELEMENTWISE = [act for act in ACTS if act.elementwise]
DTYPES = ["float16", "bfloat16", "float32", "float64"]


def with_dtype(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def each(acts):
    return pytest.mark.parametrize("act", acts, ids=repr)


def forward_derivatives(act):
    """f, f', f'' by nested forward mode."""

    def push(f):
        return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    return jax.jit(lambda x: (act(x), *jax.jvp(push(act), (x,), (jnp.ones_like(x),))))


def wide(values):
    return np.asarray(values, np.float64)


@pytest.mark.parametrize(
    ("act", "dtype"),
    [
        (act, dtype)
        for act in ELEMENTWISE
        for dtype in DTYPES
        if dtype == "float32" or act == actlab.make(act.name)
    ],
    ids=str,
)
def test_special_inputs(act, dtype, derivatives):
    """No NaN at any finite input, stated limits at infinity, NaN handed on."""
    with with_dtype(dtype):
        info = jnp.finfo(dtype)
        middle = [0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 300.0, -300.0, float(info.tiny), -float(info.tiny)]
        least = float(info.smallest_subnormal)
        edges = [float(info.max), float(info.min), least, -least]
        x = jnp.asarray([*middle, *edges, -jnp.inf, jnp.inf, jnp.nan], dtype)
        results = derivatives(act, x)
        ends = np.asarray(act.spec.at(**dict(act.params)).limits)
        assert all(values.dtype == dtype for values in results)
        f, slope, bend = map(wide, results)
        for values in (f, slope, bend):
            assert not np.isnan(values[:-3]).any(), values
            assert not np.isnan(values[-3:-1][~np.isnan(ends)]).any(), values
        limits = ends
        np.testing.assert_allclose(f[-3:-1], limits, rtol=float(info.eps))
        assert np.isnan(f[-1])
        # A NaN reaches the gradient, but for slopes that are the same everywhere.
        assert np.isnan(slope[-1]) or np.ptp(slope[:-1]) == 0
        for end, far, near, limit in ((-3, -6, (5, 7), limits[0]), (-2, -7, (4, 6), limits[1])):
            settled = abs(slope[far]) > 1e3 or np.ptp(slope[[far, *near]]) < 0.02  # not an oscillation
            if settled and not np.isnan(limit):  # f' goes on to infinity as it went at the largest number
                assert np.isclose(slope[end], slope[far], rtol=1e-2, atol=1e-2) or abs(slope[far]) > 1e3
                assert abs(slope[end]) == np.inf or abs(slope[far]) <= 1e3
        if dtype == "float32":
            for once, again in zip(results, forward_derivatives(act)(x), strict=True):
                np.testing.assert_allclose(again, once, atol=float(info.tiny))  # below that it may be flushed


@each(ACTS)
def test_dtypes_and_shapes(act):
    def shapes(x):
        y = jax.eval_shape(act, x)
        slope = jax.eval_shape(jax.grad(lambda x: jnp.sum(act(x))), x)
        assert y.shape == slope.shape == x.shape
        assert y.dtype == slope.dtype
        return y.dtype

    for dtype in DTYPES[:3]:
        assert shapes(jax.ShapeDtypeStruct((2, 3), dtype)) == dtype
    for empty in ((0,), (3, 0), (0, 3)):
        assert shapes(jax.ShapeDtypeStruct(empty, "float32")) == "float32"
        assert act(jnp.zeros(empty)).shape == empty
    for integers in (np.arange(3), np.ones(3, np.uint8), np.ones(3, bool), jnp.arange(3)):
        assert jax.eval_shape(act, integers).dtype == jnp.float32
    with jax.enable_x64(True):
        assert shapes(jax.ShapeDtypeStruct((3,), "float64")) == "float64"
        assert jax.eval_shape(act, np.arange(3)).dtype == jnp.float64
        assert jax.eval_shape(act, np.ones(3, np.float32)).dtype == jnp.float32
    with pytest.raises(InputError, match="real"):
        act(jnp.ones(3, complex))


@each(ELEMENTWISE)
def test_scalars_and_weak_types(act):
    for number in (0.5, 1, True):
        y = act(number)
        assert y.shape == ()
        assert y.dtype == jnp.float32
        assert y.aval.weak_type
    assert not act(jnp.float32(0.5)).aval.weak_type
    np.testing.assert_array_equal(act(np.float64(0.5)), act(0.5))
    assert jax.eval_shape(jax.hessian(act), 0.5).shape == ()


@pytest.mark.slow
@each([act for act in ACTS if act == actlab.make(act.name)])
def test_transforms_agree(act):
    """jit, vmap, scan and remat change nothing; forward and reverse mode are transposes."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)) * 3, "float32")
    v = jnp.asarray(np.random.default_rng(1).normal(size=(4, 6)), "float32")

    def loss(x):
        return jnp.vdot(v, act(x))

    def scanned(x, f=act):
        return jnp.vdot(v, jax.lax.scan(lambda c, _: (f(c), None), x, None, length=1)[0])

    def all_ways(x):
        gradients = (
            jax.grad(scanned)(x, jax.checkpoint(act)),
            jax.vmap(jax.grad(lambda x, v: jnp.vdot(v, act(x))))(x, v),
        )
        products = (
            jax.jvp(jax.grad(scanned), (x,), (v,))[1],
            jax.grad(lambda x: jnp.vdot(jax.grad(loss)(x), v))(x),
        )
        return gradients, jax.jvp(loss, (x,), (v,))[1], products

    plain = jax.grad(loss)(x)  # eager, the others compiled
    # Unoptimised: half the time to compile, and the ways must agree all the same.
    compiled = jax.jit(all_ways, compiler_options={"xla_backend_optimization_level": 0})
    gradients, along, products = compiled(x)
    for other in gradients:
        np.testing.assert_allclose(other, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(along, jnp.vdot(plain, v), rtol=1e-4)
    np.testing.assert_allclose(*products, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@each([act for act in ELEMENTWISE if act.params])
def test_parameters_broadcast_against_the_last_axes(act):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3, 2)), "bfloat16")
    plain = np.asarray(act(x), np.float32)
    real = [p.name for p in act.spec.parameters if p.continuous]
    for parameter, value in act.params:
        if parameter not in real:
            continue
        value = jnp.asarray(value, "float32")
        lead = value.shape  # of a vector, the coefficients come first
        for shape in ((), (2,), (3, 2), (1, 2), (5, 3, 2)):
            p = jnp.broadcast_to(
                jnp.expand_dims(value, range(len(lead), len(lead) + len(shape))), lead + shape
            )
            y = jax.eval_shape(lambda p, q=parameter: act(x, **{q: p}), p)
            assert (y.shape, y.dtype) == (x.shape, jnp.bfloat16)
            if shape in ((2,), (5, 3, 2)):
                y = act(x, **{parameter: p})
                np.testing.assert_array_equal(np.asarray(y, np.float32), plain)
            slope = jax.eval_shape(
                jax.grad(lambda p, q=parameter: jnp.sum(act(x, **{q: p}).astype("float32"))), p
            )
            assert slope.shape == p.shape
            assert slope.dtype == jnp.float32
        for shape in ((5,), (4, 3, 2), (1, 5, 3, 2)):
            with pytest.raises(InputError, match="does not fit"):
                act(x, **{parameter: jnp.ones(lead + shape, "float32")})


@each([act for act in ACTS if act.name not in ("identity",)])
def test_backward_pass_keeps_one_tensor_in_the_callers_dtype(act):
    x = jax.ShapeDtypeStruct((8, 128), "bfloat16")
    kept = jax.tree.leaves(jax.eval_shape(lambda x: jax.vjp(act, x)[1], x))
    numbers = sum(len(v) if isinstance(v, tuple) else 1 for _, v in act.params)
    assert sum(leaf.size * leaf.dtype.itemsize for leaf in kept) <= 8 * 128 * 2 + 16 + 4 * numbers


@functools.cache
def scan_memory(f):
    """Temporary bytes of the gradient of scanned residual blocks, where residuals stack over the layers."""

    def loss(weights, x):
        return jnp.sum(jax.lax.scan(lambda x, w: (x + f(x @ w[0]) @ w[1], None), x, weights)[0])

    up = jax.ShapeDtypeStruct((LAYERS, WIDTH, 4 * WIDTH), "float32")
    down = jax.ShapeDtypeStruct((LAYERS, 4 * WIDTH, WIDTH), "float32")
    x = jax.ShapeDtypeStruct((BATCH, WIDTH), "float32")
    return jax.jit(jax.grad(loss)).lower((up, down), x).compile().memory_analysis().temp_size_in_bytes


LAYERS, BATCH, WIDTH = 8, 512, 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "kept"),
    [
        (actlab.relu, jax.nn.relu, 0),
        (actlab.gelu_tanh, jax.nn.gelu, 1),
    ],
)
def test_memory_of_a_scanned_network(ours, theirs, kept):
    tensor = LAYERS * BATCH * 4 * WIDTH * 4
    assert scan_memory(ours) < scan_memory(theirs)
    # Identity keeps y for the next product, which relu shares; the smooth functions keep x as well.
    assert scan_memory(ours) <= scan_memory(actlab.identity) + 1.1 * kept * tensor + 1024


def test_special_cases_share_a_formula():
    x = jnp.linspace(-20.0, 20.0, 101)
    np.testing.assert_array_equal(actlab.silu(x), actlab.swish(x, beta=1.0))
    np.testing.assert_array_equal(actlab.elu(x), actlab.selu(x, alpha=1.0, scale=1.0))


@pytest.mark.slow
def test_leaky_relu_tells_the_side_where_the_product_underflows():
    x = jnp.asarray([-1e-38, -1e-30, -0.0, 0.0, 1e-38], "float32")
    slope = jax.vmap(jax.grad(lambda x: actlab.leaky_relu(x, negative_slope=0.01)))(x)
    np.testing.assert_allclose(slope[1:], [0.01, 1.0, 1.0, 1.0])
    half = jnp.asarray([-6e-8, -1e-6], "float16")
    np.testing.assert_allclose(jax.vmap(jax.grad(actlab.leaky_relu))(half), [0.01, 0.01], rtol=1e-3)


def test_selu_constants_keep_mean_and_variance():
    half = np.linspace(0, 12, 200001)
    grid = np.concatenate([-half[:0:-1], half])
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    with jax.enable_x64(True):
        y = np.asarray(actlab.selu(jnp.asarray(grid)))
    assert abs(np.trapezoid(y * density, grid)) < 1e-9
    assert abs(np.trapezoid(y * y * density, grid) - 1) < 1e-8
