"""Groups, winners and conditioned shapes against numpy in float64."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError

RNG = np.random.default_rng(0)
SHAPE = (4, 6)
ONE = [
    actlab.make("maxout", pieces=3),
    actlab.make("crelu"),
    actlab.make("celu_concat", alpha=0.5),
    actlab.make("max_min"),
    actlab.make("group_sort", group_size=3),
    actlab.make("kwta", fraction=0.5),
    actlab.make("topk_relu", k=2),
    actlab.make("householder_act", theta=1.1),
]
W = jnp.asarray(RNG.normal(size=(5, 6)), "float32")
CASES = {act.name: act for act in ONE} | {
    "fourier_features": lambda x: actlab.fourier_features(x, W.astype(x.dtype)),
    "funnel_relu": lambda x: actlab.funnel_relu(x, W[:4].astype(x.dtype)),
    "dynamic_relu": lambda x: actlab.dynamic_relu(x, W[:3], W[2:]),
    "meta_acon": lambda x: actlab.meta_acon(x, jnp.abs(W[:4]), W[1], W[2]),
}
each = pytest.mark.parametrize("f", CASES.values(), ids=CASES.keys())
DTYPES = ["float16", "bfloat16", "float32", "float64"]
X = RNG.normal(size=SHAPE) * 2


def with_dtype(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def losers_off(x, k):
    out = np.zeros_like(x)
    for row, kept in zip(x, out, strict=True):
        best = np.argsort(-row, kind="stable")[:k]
        kept[best] = row[best]
    return out


def mirrored(x, theta):
    a, b = x[:, ::2], x[:, 1::2]
    m = np.array([[np.cos(theta), np.sin(theta)], [np.sin(theta), -np.cos(theta)]])
    beyond = a * np.sin(theta / 2) > b * np.cos(theta / 2)
    a, b = (np.where(beyond, m[i, 0] * a + m[i, 1] * b, v) for i, v in enumerate((a, b)))
    return np.stack([a, b], -1).reshape(x.shape)


def by_numpy(name, x):
    w = np.asarray(W, np.float64)
    match name:
        case "maxout":
            return x.reshape(4, 2, 3).max(-1)
        case "crelu":
            return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], -1)
        case "celu_concat":
            return np.concatenate([elu(x, 0.5), elu(-x, 0.5)], -1)
        case "max_min":
            return -np.sort(-x.reshape(4, 3, 2), -1).reshape(4, 6)
        case "group_sort":
            return np.sort(x.reshape(4, 2, 3), -1).reshape(4, 6)
        case "kwta":
            return losers_off(x, 3)
        case "topk_relu":
            return np.maximum(losers_off(x, 2), 0)
        case "householder_act":
            return mirrored(x, 1.1)
        case "fourier_features":
            return np.concatenate([np.cos(2 * np.pi * x @ w.T), np.sin(2 * np.pi * x @ w.T)], -1)
        case "funnel_relu":
            return np.maximum(x, w[:4])
        case "dynamic_relu":
            return (w[:3, None] * x + w[2:, None]).max(0)
        case "meta_acon":
            d = w[1] - w[2]
            return d * x / (1 + np.exp(-np.abs(w[:4]) * d * x)) + w[2] * x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_values(name, dtype):
    with with_dtype(dtype):
        x = jnp.asarray(X, dtype)
        y = CASES[name](x)
        assert y.dtype == dtype
        exact = np.asarray(x, np.float64)
        w = np.asarray(W.astype(dtype), np.float64)
        expected = by_numpy(name, exact)
        if name == "fourier_features":
            expected = np.concatenate([np.cos(2 * np.pi * exact @ w.T), np.sin(2 * np.pi * exact @ w.T)], -1)
        if name == "funnel_relu":
            expected = np.maximum(exact, w[:4])
        eps = float(jnp.finfo(dtype).eps)
        # A phase is as good as the product it comes from.
        atol = (200 if name == "fourier_features" and dtype in ("float32", "float64") else 4) * eps
        np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=4 * eps, atol=atol)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each
def test_no_nan_at_extremes(f, dtype):
    info = jnp.finfo(dtype)
    ends = [float(info.max), -float(info.max), float(info.tiny), 0.0, -0.0, 1.0]
    x = jnp.asarray([ends, ends[::-1], [0.0] * 6, [1.0] * 6], dtype)

    def product(x):
        return jnp.sum(f(x).astype("float32"))

    def bend(x):
        return jnp.sum(jnp.sin(jax.grad(product)(x).astype("float32")))

    for values in jax.jit(lambda x: (f(x), jax.grad(product)(x), jax.grad(bend)(x)))(x):
        assert values.dtype == dtype
        assert not jnp.isnan(values).any()
    assert jnp.isnan(f(jnp.full(SHAPE, jnp.nan, dtype))).any()


@pytest.mark.slow
@each
def test_gradients_and_transforms(f):
    with jax.enable_x64(True):
        x = jnp.asarray(X)
        v = jnp.asarray(np.random.default_rng(1).normal(size=SHAPE))
        w = jnp.asarray(np.random.default_rng(2).normal(size=f(x).shape))

        def loss(x, f=f):
            return jnp.vdot(w, f(x))

        slope = jax.grad(loss)(x)
        np.testing.assert_allclose(
            jnp.vdot(slope, v), (loss(x + 1e-7 * v) - loss(x - 1e-7 * v)) / 2e-7, rtol=1e-5
        )
        np.testing.assert_allclose(jax.jvp(loss, (x,), (v,))[1], jnp.vdot(slope, v), rtol=1e-12)

        def scanned(x):
            return jax.lax.scan(lambda c, _: (c, loss(c, jax.checkpoint(f))), x, None, length=2)[1].sum() / 2

        np.testing.assert_allclose(jax.jit(jax.grad(scanned))(x), slope, rtol=1e-12, atol=1e-12)
        both = jax.vmap(f)(jnp.stack([x, 2 * x]))
        np.testing.assert_allclose(both, jnp.stack([f(x), f(2 * x)]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("act", ONE, ids=lambda act: act.name)
def test_any_axis_and_what_is_kept(act):
    x = jnp.asarray(RNG.normal(size=(6, 6, 6)), "float32")
    plain = act(x)
    for axis in (0, 1, -2):
        moved = act(jnp.moveaxis(x, -1, axis), axis=axis)
        np.testing.assert_allclose(jnp.moveaxis(moved, axis, -1), plain, rtol=1e-6)
    with pytest.raises(InputError, match="axis 3 does not exist"):
        act(x, axis=3)
    kept = jax.tree.leaves(jax.eval_shape(lambda x: jax.vjp(act, x)[1], x.astype("bfloat16")))
    assert sum(leaf.size * leaf.dtype.itemsize for leaf in kept) <= 2 * x.size + 16
    assert act(jnp.zeros((0, 6))).shape[0] == 0
    with pytest.raises(InputError, match="real"):
        act(jnp.ones(6, complex))


def test_widths_that_do_not_divide():
    for pieces in (2, 0):
        with pytest.raises(InputError, match="7 features are not pieces of"):
            actlab.maxout(jnp.ones(7), pieces=pieces)
    with pytest.raises(InputError, match="at least 1"):
        actlab.group_sort(jnp.ones(7), group_size=0)
    x = jnp.asarray([3.0, 1.0, 2.0, 5.0, -1.0])
    np.testing.assert_array_equal(actlab.max_min(x), [3, 1, 5, 2, -1])
    np.testing.assert_array_equal(actlab.group_sort(x, group_size=3), [1, 2, 3, -1, 5])
    np.testing.assert_allclose(actlab.householder_act(x), [1, 3, 2, 5, -1], rtol=1e-6)


@pytest.mark.slow
def test_ties_go_to_the_first():
    x = jnp.asarray([1.0, 1.0, 1.0, 0.0])
    grads = {name: jax.grad(lambda x, f=f: f(x)[0]) for name, f in (("maxout", actlab.maxout),)}
    np.testing.assert_array_equal(grads["maxout"](x), [1, 0, 0, 0])
    np.testing.assert_array_equal(actlab.topk_relu(x, k=2), [1, 1, 0, 0])
    np.testing.assert_array_equal(actlab.kwta(x, fraction=0.5), [1, 1, 0, 0])
    np.testing.assert_array_equal(jax.jacobian(actlab.max_min)(x[:2]), np.eye(2))
    np.testing.assert_array_equal(
        jax.jacobian(lambda x: actlab.group_sort(x, group_size=3))(x[:3]), np.eye(3)
    )
    np.testing.assert_array_equal(jax.jacobian(actlab.householder_act)(jnp.zeros(2)), np.eye(2))
    assert jax.grad(actlab.funnel_relu, (0, 1))(2.0, 2.0) == (1, 0)


def test_winners():
    x = jnp.asarray(RNG.normal(size=(3, 100)), "float32")
    for fraction in (0.29, 0.07, 0.001, 1.0):
        count = (actlab.kwta(x, fraction=fraction) != 0).sum(-1)
        np.testing.assert_array_equal(count, max(1, round(fraction * 100)))
    np.testing.assert_array_equal(actlab.topk_relu(x, k=1000), actlab.relu(x))


@pytest.mark.slow
def test_relatives():
    x = jnp.asarray(X, "float32")
    np.testing.assert_allclose(
        actlab.householder_act(x), actlab.group_sort(x, group_size=2), rtol=1e-6, atol=1e-6
    )
    pairs = actlab.max_min(x).reshape(4, 3, 2)[..., ::-1].reshape(4, 6)
    np.testing.assert_array_equal(pairs, actlab.group_sort(x))
    np.testing.assert_array_equal(actlab.maxout(x), actlab.max_min(x)[:, ::2])
    np.testing.assert_array_equal(actlab.funnel_relu(x, 0.0), actlab.relu(x))
    np.testing.assert_array_equal(
        actlab.dynamic_relu(x, jnp.asarray([1.0, 0.0]), jnp.zeros(2)), actlab.relu(x)
    )
    np.testing.assert_allclose(actlab.meta_acon(x, 1.0, 1.0, 0.0), actlab.silu(x), rtol=1e-6)
    # One angle for each pair, and its derivative.
    theta = jnp.asarray([0.3, 1.2, 2.0])
    with jax.enable_x64(True):
        z, t, h = jnp.asarray(X), theta.astype("float64"), 1e-6

        def at(t):
            return jnp.sum(actlab.householder_act(z, theta=t) * jnp.asarray(X[::-1]))

        got = jax.grad(at)(t)
        steps = [(at(t.at[i].add(h)) - at(t.at[i].add(-h))) / (2 * h) for i in range(3)]
        np.testing.assert_allclose(got, np.array(steps), rtol=1e-5)
        same = np.linalg.norm(actlab.householder_act(z, theta=t), axis=-1)
        np.testing.assert_allclose(same, np.linalg.norm(X, axis=-1), rtol=1e-12)


@pytest.mark.slow
def test_derivatives_by_the_arrays_of_the_call():
    with jax.enable_x64(True):
        x, w = jnp.asarray(X), jnp.asarray(RNG.normal(size=(3, 1, 6)))
        calls = {
            "dynamic": (lambda a, b: actlab.dynamic_relu(x, a, b), (w, 2 * w)),
            "funnel": (lambda c: actlab.funnel_relu(x, c), (w[0],)),
            "acon": (lambda *p: actlab.meta_acon(x, *p), (w[0], w[1], w[2])),
            "fourier": (lambda b: actlab.fourier_features(x, b), (w[:, 0],)),
        }
        for f, args in calls.values():
            v = jnp.asarray(RNG.normal(size=f(*args).shape))
            for i, arg in enumerate(args):
                step = jnp.asarray(RNG.normal(size=arg.shape)) * 1e-6

                def at(a, i=i, f=f, args=args, v=v):
                    return jnp.vdot(v, f(*args[:i], a, *args[i + 1 :]))

                slope = jax.grad(at)(arg)
                assert slope.shape == arg.shape
                np.testing.assert_allclose(
                    jnp.vdot(slope, step), (at(arg + step) - at(arg - step)) / 2, rtol=1e-5, atol=1e-12
                )


def test_arrays_that_do_not_fit():
    with pytest.raises(InputError, match="do not fit"):
        actlab.fourier_features(jnp.ones(3), jnp.ones((2, 4)))
    with pytest.raises(InputError, match="do not broadcast"):
        actlab.funnel_relu(jnp.ones(3), jnp.ones(4))
    with pytest.raises(InputError, match="slopes but"):
        actlab.dynamic_relu(jnp.ones(3), jnp.ones(2), jnp.ones(3))


def test_fourier_features_keep_the_phase_of_large_products():
    x = jnp.asarray([12345.0, 7.0])
    b = jnp.asarray([[1.0, 0.25], [0.5, 0.125]])
    phase = 2 * np.pi * (np.asarray(x, np.float64) @ np.asarray(b, np.float64).T % 1.0)
    np.testing.assert_allclose(
        actlab.fourier_features(x, b), np.concatenate([np.cos(phase), np.sin(phase)]), atol=1e-6
    )
