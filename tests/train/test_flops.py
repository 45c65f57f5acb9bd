import jax
import jax.numpy as jnp
import pytest

from actlab import models
from actlab.train.flops import matmul_flops
from actlab.values import Bound

X = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)


def test_of_a_batched_product():
    a, b = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((5, 4, 3), (5, 3, 2)))
    assert matmul_flops(jnp.matmul)(a, b) == 2 * 5 * 4 * 3 * 2


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (3, 2)])
def test_of_a_convolution(groups, stride):
    kernel = jax.ShapeDtypeStruct((3, 3, 3 // groups, 6), jnp.float32)

    def conv(x, k):
        return jax.lax.conv_general_dilated(
            x,
            k,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    outputs = 2 * (8 // stride) ** 2 * 6
    assert matmul_flops(conv)(X, kernel) == 2 * outputs * 9 * 3 // groups


def test_inside_of_what_holds_programs():
    w = jnp.ones((4, 4))

    def fn(x):
        x, _ = jax.lax.scan(lambda h, _: (jax.checkpoint(lambda h: h @ w)(h), None), x, None, length=3)
        x = jax.lax.cond(x.sum() > 0, lambda h: h @ w @ w, lambda h: h @ w, x)
        return jax.jit(lambda h: h @ w)(x)

    assert matmul_flops(fn)(jnp.ones((1, 4))) == (3 + 2 + 1) * 2 * 16


def test_turns_of_a_while_loop_are_not_known():
    w = jnp.ones((4, 4))

    def loop(x, body):
        return jax.lax.while_loop(lambda h: h.sum() > 0, body, x)

    assert matmul_flops(lambda x: loop(x, lambda h: h @ w))(jnp.ones((1, 4))) is None
    assert matmul_flops(lambda x: loop(x, lambda h: h - 1) @ w)(jnp.ones((1, 4))) == 32


def test_of_a_run(small_run):
    run = small_run(model=Bound.of(models.MLP, depth=2, width=8))
    assert run.program.flops == 2 * (2 * 8 + 8 * 8 + 8 * 4)
