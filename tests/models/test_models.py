import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_building import build, count

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import MLP, ConvNet
from actlab.nn import sites
from actlab.stats import VALUE, watch

RELU = make("relu")


def test_the_papers_models_have_the_papers_sizes():
    assert count(MLP, RELU, (40,), 10, depth=2, width=100, residual=True) == 15_210
    assert count(ConvNet, RELU, (40,), 10, depth=3, width=25, kernel_size=[5, 3, 3]) == 5_210
    assert count(MLP, RELU, (40,), 10, depth=0) == 410


@pytest.mark.slow
def test_mlp_is_its_formula():
    model = build(MLP, RELU, (4,), 3, depth=2, width=5, residual=True)
    x = jax.random.normal(jax.random.key(1), (7, 4))
    h = np.asarray(x)
    for i, block in enumerate(model.blocks):
        z = np.maximum(h @ np.asarray(block.linear.kernel[...]) + np.asarray(block.linear.bias[...]), 0)
        h = h + z if i else z  # the first block changes the width: no skip
    expected = h @ np.asarray(model.head.kernel[...]) + np.asarray(model.head.bias[...])
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)


MODELS = {
    "mlp": (MLP, (40,), {}, jnp.float32),
    "mlp on images, batch norm": (MLP, (8, 8), {"norm": "batch"}, jnp.float32),
    "mlp, layer norm, bfloat16": (MLP, (8, 8), {"norm": "layer"}, jnp.bfloat16),
    "convnet 1-d, batch norm, bfloat16": (ConvNet, (40,), {"norm": "batch"}, jnp.bfloat16),
    "convnet 2-d, layer norm": (ConvNet, (8, 8), {"norm": "layer"}, jnp.float32),
    "convnet in colour, pooled": (ConvNet, (8, 8, 3), {"pool": "mean"}, jnp.float32),
    "convnet residual": (ConvNet, (8, 8), {"stride": 1, "residual": True}, jnp.float32),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_logits_sites_and_gradients(kind):
    cls, shape, extra, dtype = MODELS[kind]
    act = make("swish", learn=["beta"], per="channel")
    model = build(cls, act, shape, 10, depth=2, width=6, dropout=0.5, dtype=dtype, **extra)
    x = jax.random.normal(jax.random.key(0), (4, *shape))
    assert list(sites(model)) == ["blocks.0.act", "blocks.1.act"]
    paths = {m.site: ".".join(map(str, p)) for p, m in nnx.iter_modules(model) if hasattr(m, "site")}
    assert all(site == path for site, path in paths.items())

    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)

    def loss(params):
        out = nnx.merge(graphdef, params, rest)(x, train=True, key=jax.random.key(2))
        assert out.shape == (4, 10)
        assert out.dtype == dtype
        return jnp.square(out.astype(jnp.float32)).sum()

    with jax.numpy_dtype_promotion("standard"):  # flax's norms mix bfloat16 with float32
        value, grads = jax.jit(jax.value_and_grad(loss))(params)
    assert jnp.isfinite(value)
    for path, g in jax.tree.leaves_with_path(grads):
        assert jnp.isfinite(g).all(), path
        assert g.dtype == jnp.float32
    assert jnp.any(grads["blocks"][1]["act"]["beta"] != 0)


def test_pre_and_post_are_seen():
    model = build(MLP, RELU, (4,), 3, depth=2, width=5)
    x = jax.random.normal(jax.random.key(1), (7, 4))
    out, seen = watch(lambda x: model(x), reading=VALUE)(x)
    np.testing.assert_array_equal(out, model(x))
    assert list(seen) == [f"blocks.{i}.act.{t}" for i in (0, 1) for t in ("pre", "post")]
    np.testing.assert_array_equal(seen["blocks.1.act.post"], np.maximum(seen["blocks.1.act.pre"], 0))


@pytest.mark.slow
def test_dropout_is_off_in_evaluation_and_random_in_training():
    model = build(MLP, RELU, (4,), 3, dropout=0.5)
    x = jnp.ones((2, 4))
    np.testing.assert_array_equal(model(x), model(x))
    first, again, other = (model(x, train=True, key=jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("cls", "shape", "wrong", "message"),
    [
        (MLP, (4,), {"width": -3}, "width=-3: must be an integer >= 1"),
        (MLP, (4,), {"depth": 2.5}, "depth=2.5: must be an integer >= 0"),
        (MLP, (4,), {"norm": "bach"}, "norm='bach' is unknown; did you mean 'batch'?"),
        (MLP, (4,), {"dropout": 1.0}, "dropout=1.0: must be in [0, 1)"),
        (MLP, (4,), {"init": "he"}, "unknown initialiser 'he'"),
        (ConvNet, (4,), {"depth": 9}, "convolution 1 of depth=9 leaves no positions"),
        (ConvNet, (40,), {"kernel_size": [3, 3]}, "kernel_size=[3, 3]: give one number, or one for each"),
        (ConvNet, (40,), {"pool": "max"}, "pool='max': must be 'none' or 'mean'"),
        (ConvNet, (2, 2, 2, 2), {}, "convnet needs samples of 1 to 3 axes"),
    ],
)
def test_what_cannot_be_is_told(cls, shape, wrong, message):
    if "depth" in wrong and cls is ConvNet:
        wrong = {**wrong, "padding": 0}
    with pytest.raises(InputError) as e:
        cls(RELU, shape, 3, rngs=nnx.Rngs(0), **wrong)
    assert message in str(e.value)
