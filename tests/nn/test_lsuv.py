"""Scales that are measured: every layer's output has variance 1 on the samples."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from actlab import make
from actlab.errors import InputError
from actlab.models import MLP, ViT
from actlab.nn import lsuv

X = jax.random.normal(jax.random.key(1), (64, 8, 8)) * 3 + 1


def made(**more):
    return MLP(make("sigmoid"), (8, 8), 10, depth=3, width=16, init="lsuv", rngs=nnx.Rngs(0), **more)


@pytest.mark.slow
def test_outputs_have_variance_1_and_kernels_stay_orthogonal_but_for_scale():
    state = jax.jit(lambda x: nnx.state(lsuv(made(), x)))(X)  # as a run makes it: inside a compiled program
    model = made()
    nnx.update(model, state)
    h = X.reshape(64, -1)
    for block in model.blocks:
        y = block.linear(h)
        assert float(y.std()) == pytest.approx(1.0, rel=1e-4)
        h = block.act(y)
    assert float(model.head(h).std()) == pytest.approx(1.0, rel=1e-4)
    kernel = model.blocks[1].linear.kernel[...]
    gram = kernel.T @ kernel
    assert jnp.allclose(gram, jnp.eye(16) * gram[0, 0], atol=1e-4 * float(gram[0, 0]))
    assert not jnp.isclose(gram[0, 0], 1.0, rtol=0.1)


@pytest.mark.slow
def test_blocks_that_are_split_and_merged_are_measured_too():
    model = lsuv(ViT(make("gelu"), (8, 8), 10, depth=2, width=16, heads=2, init="lsuv", rngs=nnx.Rngs(0)), X)
    assert float(model(X).std()) == pytest.approx(1.0, rel=1e-4)


def test_a_scan_is_refused():
    model = ViT(
        make("gelu"), (8, 8), 10, depth=2, width=16, heads=2, scan_layers=True, init="lsuv", rngs=nnx.Rngs(0)
    )
    with pytest.raises(InputError, match=r"blocks.0.* runs inside a scan or remat: model.scan_layers=false"):
        lsuv(model, X)


def test_a_gain_is_refused():
    with pytest.raises(InputError, match="init=lsuv sets every layer's scale by itself"):
        made(gain=2.0)
