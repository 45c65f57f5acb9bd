import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_building import abstract, build, count

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import ResNet
from actlab.nn import sites

RELU = make("relu")


@pytest.mark.slow
def test_a_block_is_its_formula():
    model = build(ResNet, RELU, (6,), 3, stages=[1, 1], widths=[4, 8], norm="none")
    x = jax.random.normal(jax.random.key(0), (2, 6))

    def conv(layer, h, stride):
        """A cross-correlation written out, centred on its kernel."""
        kernel = np.asarray(layer.kernel[...])
        padded = np.pad(h, [(0, 0), (len(kernel) // 2,) * 2, (0, 0)])
        spots = range(0, h.shape[1], stride)
        out = np.stack([np.einsum("bkc,kco->bo", padded[:, i : i + len(kernel)], kernel) for i in spots], 1)
        return out if layer.bias is None else out + np.asarray(layer.bias[...])

    h = conv(model.stem, np.asarray(x)[..., None], 1)
    for block, stride in zip(model.blocks, (1, 2), strict=True):
        before = np.maximum(h, 0)
        skip = h if stride == 1 else conv(block.shortcut, before, 2)
        h = skip + conv(block.conv2, np.maximum(conv(block.conv1, before, stride), 0), 1)
    assert model.blocks[0].shortcut is None
    mean = np.maximum(h, 0).mean(1)
    expected = mean @ np.asarray(model.head.kernel[...]) + np.asarray(model.head.bias[...])
    np.testing.assert_allclose(model(x), expected, rtol=2e-5, atol=2e-5)


def test_the_first_stages_skip_is_the_identity_and_without_skips_there_is_none():
    with_skips = count(ResNet, RELU, (8, 8), 10)
    without = count(ResNet, RELU, (8, 8), 10, residual=False)
    assert with_skips - without == 16 * 32 + 32 * 64  # two 1-tap shortcuts, without biases
    blocks = abstract(ResNet, RELU, (8, 8, 3), 10, residual=False).blocks
    assert all(block.shortcut is None for block in blocks)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_sites_are_named_by_their_paths_and_learn_apart(norm):
    act = make("swish", learn=["beta"], per="channel")
    model = abstract(ResNet, act, (7, 5), 10, stages=[1, 1], widths=[4, 6], norm=norm, dropout=0.1)
    names = [f"blocks.{i}.{part}.act" for i in (0, 1) for part in ("first", "second")] + ["final.act"]
    assert list(sites(model)) == names
    paths = {m.site: ".".join(map(str, p)) for p, m in nnx.iter_modules(model) if hasattr(m, "site")}
    assert all(site == path for site, path in paths.items())
    assert [s.beta.shape for s in sites(model).values()] == [(4,), (4,), (4,), (6,), (6,)]
    out = nnx.eval_shape(lambda m, x: m(x, train=True, key=jax.random.key(0)), model, jnp.ones((3, 7, 5)))
    assert out.shape == (3, 10)


@pytest.mark.parametrize(
    ("shape", "wrong", "message"),
    [
        ((8,), {"stages": [1]}, "stages=[1], widths=[16, 32, 64]: give one width for each stage"),
        ((8,), {"stages": [1, 0, 1]}, "stages[1]=0: must be an integer >= 1"),
        ((8,), {"widths": [4, -1, 4]}, "widths[1]=-1: must be an integer >= 1"),
        ((8,), {"kernel_size": 4}, "kernel_size=4: must be odd"),
        ((8,), {"norm": "bach"}, "norm='bach' is unknown; did you mean 'batch'?"),
        ((2, 2, 2, 2), {}, "resnet needs samples of 1 to 3 axes"),
    ],
)
def test_what_cannot_be_is_told(shape, wrong, message):
    with pytest.raises(InputError) as e:
        abstract(ResNet, RELU, shape, 3, **wrong)
    assert message in str(e.value)
