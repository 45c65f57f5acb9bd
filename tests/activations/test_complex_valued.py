"""Complex numbers: values against numpy in complex128, derivatives against steps in the plane."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError

CASES = [
    actlab.make("wire_gabor", omega=3.0, scale=0.7),
    actlab.make("wire_gabor"),
    actlab.make("mod_relu", bias=-0.8),
    actlab.make("mod_relu"),
    actlab.make("mod_relu", bias=0.5),
    actlab.make("complex_crelu"),
]
each = pytest.mark.parametrize("act", CASES, ids=repr)
RNG = np.random.default_rng(0)
Z = (RNG.normal(size=(5, 8)) + 1j * RNG.normal(size=(5, 8))) * 1.5


def with_dtype(dtype):
    wide = dtype in ("float64", "complex128")
    return jax.enable_x64(True) if wide else contextlib.nullcontext()


def by_numpy(act, z):
    p = dict(act.params)
    match act.name:
        case "wire_gabor":
            return np.exp(1j * p["omega"] * z - np.abs(p["scale"] * z) ** 2)
        case "mod_relu":
            r = np.abs(z)
            return np.maximum(0, r + p["bias"]) * z / np.where(r == 0, 1, r)
        case "complex_crelu":
            return (
                np.maximum(z.real, 0) + 1j * np.maximum(z.imag, 0) if np.iscomplexobj(z) else np.maximum(z, 0)
            )


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float16", "bfloat16", "float32", "float64"])
@each
def test_values(act, dtype):
    with with_dtype(dtype):
        z = jnp.asarray(Z if "complex" in dtype else Z.real, dtype)
        y = act(z)
        wide = dtype in ("float64", "complex128")
        complex_out = "complex" in dtype or act.name == "wire_gabor"
        assert y.dtype == (("complex128" if wide else "complex64") if complex_out else dtype)
        exact = np.asarray(z, np.complex128 if "complex" in dtype else np.float64)
        eps = float(jnp.finfo(y.dtype).eps)
        expected = by_numpy(act, exact)
        np.testing.assert_allclose(
            np.asarray(y, expected.dtype), expected, rtol=30 * eps, atol=100 * eps**1.2
        )


@pytest.mark.slow
@each
def test_derivatives_along_any_direction(act):
    with jax.enable_x64(True):
        z, t = jnp.asarray(Z), jnp.asarray(Z[::-1] * 1j)
        h = 1e-7
        step = (by_numpy(act, Z + h * np.asarray(t)) - by_numpy(act, Z - h * np.asarray(t))) / (2 * h)
        along = jax.jvp(act, (z,), (t,))[1]
        np.testing.assert_allclose(along, step, rtol=1e-6, atol=1e-7)

        def loss(z):
            y = act(z)
            return jnp.sum(y.real * 0.3 + y.imag * 0.7)

        # jax's convention: grad gives dL/dx - i dL/dy, so that Re(grad * t) is the change along t.
        slope = jax.grad(loss)(z)
        np.testing.assert_allclose(
            jnp.sum((slope * t).real), jnp.sum(along.real * 0.3 + along.imag * 0.7), rtol=1e-10
        )
        again = jax.jvp(jax.grad(loss), (z,), (t,))[1]
        np.testing.assert_allclose(
            again, (jax.grad(loss)(z + 1e-6 * t) - jax.grad(loss)(z - 1e-6 * t)) / 2e-6, rtol=1e-5, atol=1e-6
        )
        for name, value in act.params:

            def at(p, n=name):
                y = act(z, **{n: p})
                return jnp.sum(y.real * 0.3 + y.imag * 0.7)

            got = jax.grad(at)(value)
            h = 1e-6
            np.testing.assert_allclose(got, (at(value + h) - at(value - h)) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float16", "bfloat16", "float32"])
@each
def test_no_nan_at_extremes(act, dtype):
    with with_dtype(dtype):
        info = jnp.finfo(dtype)
        top, tiny = float(info.max), float(info.tiny)
        ends = np.array([0.0, -0.0, tiny, -tiny, 1e-4, 1.0, -1.0, 300.0, -300.0, top, -top])
        z = ends if "complex" not in dtype else (ends[:, None] + 1j * ends).ravel()
        z = jnp.asarray(z, dtype)

        def loss(z):
            y = act(z)
            return jnp.sum(y.real.astype("float32") + y.imag.astype("float32"))

        y, slope = jax.jit(lambda z: (act(z), jax.grad(loss)(z)))(z)
        assert not jnp.isnan(y).any()
        assert not jnp.isnan(slope).any()
        if not dict(act.params).get("bias", 0.0) > 0:  # where it jumps, f'' has no bound
            bend = jax.jit(jax.grad(lambda z: jnp.sum(jax.grad(loss)(z).real)))(z)
            assert not jnp.isnan(bend).any()
        assert jnp.isnan(act(jnp.asarray(jnp.nan, dtype)))


@pytest.mark.slow
def test_mod_relu_at_zero_and_on_the_rim():
    f = actlab.mod_relu
    for bias, slope in ((-0.5, 0.0), (0.0, 1.0), (0.5, 1.0)):
        assert f(0j, bias=bias) == 0
        assert f(0.0, bias=bias) == 0
        assert jax.grad(lambda x, b=bias: f(x, bias=b))(0.0) == slope
        assert jax.jvp(lambda z, b=bias: f(z, bias=b), (0j,), (1j,))[1] == slope * 1j
    assert jax.grad(lambda x: f(x, bias=-0.5))(0.5) == 0
    assert f(jnp.asarray(3e38 + 3e38j), bias=-1.0) == jnp.asarray(3e38 + 3e38j)
    np.testing.assert_allclose(f(jnp.asarray(1e-30 + 1e-30j), bias=1.0), (1 + 1j) / np.sqrt(2), rtol=1e-6)


@pytest.mark.slow
def test_wire_is_bounded():
    x = jnp.linspace(-2, 2, 4001)
    assert jnp.abs(actlab.wire_gabor(x)).max() <= 1
    y = actlab.wire_gabor(jax.lax.complex(jnp.zeros_like(x), x), omega=6.0, scale=2.0)
    high = actlab.wire_gabor.spec.at(omega=6.0, scale=2.0).range.high
    assert float(jnp.abs(y).max()) == pytest.approx(high, rel=1e-4)
    for omega, scale in ((10.0, 10.0), (20.0, 5.0)):
        act = actlab.make("wire_gabor", omega=omega, scale=scale)
        steepest = float(jnp.abs(jax.jvp(act, (x,), (jnp.ones_like(x),))[1]).max())
        assert steepest == pytest.approx(act.spec.at(**dict(act.params)).lipschitz, rel=1e-4)


@pytest.mark.slow
@each
def test_transforms_and_what_is_kept(act):
    z = jnp.asarray(Z, "complex64")

    def loss(z, f=act):
        return jnp.sum(jnp.abs(f(z) - 1.0) ** 2)

    def scanned(z):
        f = jax.checkpoint(act)
        return jax.lax.scan(lambda c, _: (c, loss(c, f)), z, None, length=1)[1].sum()

    plain = jax.grad(loss)(z)
    for other in (jax.jit(jax.grad(scanned)), jax.vmap(jax.grad(loss))):
        np.testing.assert_allclose(other(z), plain, rtol=1e-4, atol=1e-5)
    kept = jax.tree.leaves(jax.eval_shape(lambda z: jax.vjp(act, z)[1], z))
    assert sum(leaf.size for leaf in kept if leaf.size > 1) <= z.size


@pytest.mark.slow
def test_parameters_broadcast():
    z = jnp.asarray(Z, "complex64")
    slope = jax.grad(lambda b: jnp.sum(jnp.abs(actlab.mod_relu(z, bias=b))))(-jnp.ones(8))
    assert slope.shape == (8,)
    with pytest.raises(InputError, match="does not fit"):
        actlab.mod_relu(z, bias=jnp.ones(5))
    assert actlab.mod_relu(2, bias=-1.0) == 1
