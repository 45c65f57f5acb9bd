"""The rule for two operands, on functions that are nobody's activation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.gradients import keep_inputs

bend = keep_inputs(
    lambda a, b, k: jnp.sin(k * a) * b,
    lambda a, b, k: k * jnp.cos(k * a) * b,
    lambda a, b, k: jnp.sin(k * a),
)


def plain(a, b, k):
    return jnp.sin(jnp.broadcast_to(k, a.shape) * a) * jnp.broadcast_to(b, a.shape)


@pytest.mark.slow
def test_matches_autodiff_also_where_an_operand_broadcasts():
    a, b, k = jnp.linspace(-2.0, 2.0, 12).reshape(3, 4), jnp.arange(4.0), jnp.asarray(0.7)
    for argnums in ((0,), (1,), (2,), (0, 1, 2)):
        ours, theirs = (
            jax.jit(jax.grad(lambda *args, f=f: jnp.sum(f(*args) ** 2), argnums))(a, b, k)
            for f in (bend, plain)
        )
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6), ours, theirs)
    ours, theirs = (
        jax.jit(jax.hessian(lambda *args, f=f: jnp.sum(f(*args)), (0, 1, 2)))(a[0], b, k)
        for f in (bend, plain)
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-5), ours, theirs)


def test_keeps_the_operands_in_the_callers_dtype():
    x = jax.ShapeDtypeStruct((4, 8), "bfloat16")
    kept = jax.tree.leaves(jax.eval_shape(lambda a, b: jax.vjp(lambda a, b: bend(a, b, 2.0), a, b)[1], x, x))
    assert [(leaf.shape, leaf.dtype) for leaf in kept if leaf.size > 1] == [((4, 8), "bfloat16")] * 2


def test_partials_of_constants_are_never_computed():
    def forbidden(*args):
        raise AssertionError("computed")

    f = keep_inputs(lambda a, b, k: k * a * b, lambda a, b, k: k * b, forbidden, forbidden)
    assert jax.grad(f)(1.0, 2.0, 3.0) == 6.0


@pytest.mark.slow
def test_gradients_of_a_broadcast_operand_are_summed_in_float32():
    a, b = jnp.ones((2000,), "bfloat16"), jnp.ones((1,), "bfloat16")
    product = keep_inputs(lambda a, b: a * b)
    assert jax.grad(lambda b: jnp.sum(product(a, b).astype("float32")))(b) == 2000


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"\(3,\) and \(2, 4\) do not broadcast"):
        bend(jnp.ones(3), jnp.ones((2, 4)), 1.0)
    with pytest.raises(InputError, match="does not fit"):
        bend(jnp.ones(3), jnp.ones((2, 3)), jnp.ones(4))
