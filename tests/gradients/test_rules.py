"""The rules themselves, on functions that are nobody's activation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.gradients import keep_input, keep_output

wave = keep_input(
    lambda x, k: jnp.sin(k * x),
    lambda x, k: k * jnp.cos(k * x),
    lambda x, k: x * jnp.cos(k * x),
)
expo = keep_output(jnp.exp, lambda y, t: y * t)


def residuals(f, *args):
    leaves = jax.tree.leaves(jax.eval_shape(lambda *args: jax.vjp(f, *args)[1], *args))
    return sorted((leaf.shape, str(leaf.dtype)) for leaf in leaves)


@pytest.mark.slow
def test_keep_input_matches_autodiff():
    def plain(x, k):
        return jnp.sin(jnp.broadcast_to(k, x.shape) * x)

    x, k = jnp.linspace(-2.0, 2.0, 12).reshape(3, 4), jnp.asarray([0.5, 1.0, 1.5, 2.0])
    for argnums in (0, 1, (0, 1)):
        ours, theirs = (
            jax.jit(jax.grad(lambda x, k, f=f: jnp.sum(f(x, k) ** 2), argnums))(x, k) for f in (wave, plain)
        )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), ours, theirs)
    ours, theirs = (
        jax.jit(jax.hessian(lambda x, k, f=f: jnp.sum(f(x, k)), (0, 1)))(x[0], k) for f in (wave, plain)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), ours, theirs)


def test_policies_keep_what_they_say():
    x = jax.ShapeDtypeStruct((4, 8), "bfloat16")
    assert residuals(expo, x) == [((4, 8), "bfloat16")]
    assert residuals(lambda x: wave(x, 2.0), x) in (
        [((), "float32"), ((4, 8), "bfloat16")],
        [((4, 8), "bfloat16")],
    )
    k = jax.ShapeDtypeStruct((8,), "float32")
    assert residuals(wave, x, k) == [((1, 8), "float32"), ((4, 8), "bfloat16")]


def test_partials_of_constants_are_never_computed():
    def forbidden(x, k):
        raise AssertionError("computed")

    f = keep_input(lambda x, k: k * x, lambda x, k: k, forbidden)
    assert jax.grad(f)(1.0, 3.0) == 3.0
    assert jax.jit(jax.grad(lambda x: f(x, 3.0)))(1.0) == 3.0
    step = jax.jit(jax.grad(lambda x: jax.lax.scan(lambda c, _: (f(c, 3.0), None), x, None, length=2)[0]))
    assert step(1.0) == 9.0


def test_only_a_parameter_is_differentiated():
    def forbidden(x, k):
        raise AssertionError("computed")

    f = keep_input(lambda x, k: k * x, forbidden, lambda x, k: x)
    assert jax.grad(f, argnums=1)(5.0, 3.0) == 5.0


def test_parameter_gradients_are_summed_in_float32():
    """2000 bfloat16 ones sum to 256 in bfloat16."""
    f = keep_input(lambda x, k: k * x, lambda x, k: k, lambda x, k: x)
    x = jnp.ones((2000,), "bfloat16")
    g = jax.vjp(lambda k: f(x, k), jnp.float32(1.0))[1](jnp.ones_like(x))[0]
    assert g.dtype == jnp.float32
    assert g == 2000


def test_parameters_of_a_wider_dtype_do_not_widen_the_result():
    with jax.enable_x64(True):
        x = jnp.ones(3, "float32")
        assert wave(x, jnp.asarray(2.0, "float64")).dtype == jnp.float32
        assert wave(x.astype("float16"), np.float64(2.0)).dtype == jnp.float16
        assert wave(jnp.ones(3, "float64"), jnp.float32(2.0)).dtype == jnp.float64
        assert wave(x, 2).dtype == jnp.float32


@pytest.mark.slow
def test_vmap_over_parameters():
    x, k = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3), jnp.asarray([1.0, 2.0])
    lanes = jax.vmap(jax.grad(lambda x, k: jnp.sum(wave(x, k)), argnums=1))(x, k)
    each = [jax.grad(lambda k, i=i: jnp.sum(wave(x[i], k)))(k[i]) for i in range(2)]
    np.testing.assert_allclose(lanes, jnp.stack(each), rtol=1e-6)


def test_keep_output_refuses_parameter_derivatives():
    f = keep_output(lambda x, k: k * x, lambda y, t, k: k * t)
    assert jax.grad(f)(1.0, 3.0) == 3.0
    with pytest.raises(TypeError, match="keeps only the output"):
        jax.grad(f, argnums=1)(1.0, 3.0)


def test_higher_derivatives_of_keep_output():
    f = expo
    for _ in range(4):
        np.testing.assert_allclose(f(0.3), np.exp(0.3), rtol=1e-6)
        f = jax.grad(f)


def test_bad_parameter_shape():
    with pytest.raises(InputError, match=r"shape \(3,\) does not fit the last axes of x, \(2, 4\)"):
        wave(jnp.ones((2, 4)), jnp.ones(3))


@pytest.mark.parametrize("f", [expo, lambda x: wave(x, 2.0)])
def test_scalars_and_empty_arrays(f):
    assert f(1.0).shape == ()
    assert f(1.0).aval.weak_type
    assert f(jnp.zeros((0, 3))).shape == (0, 3)
    assert jax.grad(lambda x: jnp.sum(f(x)))(jnp.zeros((2, 0))).shape == (2, 0)
