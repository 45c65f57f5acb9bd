import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_building import abstract, build, count

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import ViT

GELU = make("gelu")
SMALL = {"patch": 2, "depth": 1, "width": 8, "heads": 2}


def test_the_class_token_is_one_more_position():
    with_token, without = (
        count(ViT, GELU, (8, 8), 3, **SMALL),
        count(ViT, GELU, (8, 8), 3, pool="mean", **SMALL),
    )
    assert with_token - without == 8 + 8  # itself and its place


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_patches_are_told_apart_by_their_positions_alone(pool):
    model = build(ViT, GELU, (4, 4), 3, pool=pool, **SMALL)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4))
    turned = jnp.concatenate([x[:, 2:], x[:, :2]], axis=1)  # two rows of patches change places
    before = model(x)
    assert not np.allclose(before, model(turned), atol=1e-3)
    table = model.positions.embedding
    table[...] = jnp.zeros_like(table[...])
    np.testing.assert_allclose(model(x), model(turned), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "wrong", "message"),
    [
        ((8, 8), {"patch": 3}, "patch=3: must be a divisor of the sample's (8, 8)"),
        ((8, 8), {"pool": "clas_token"}, "pool='clas_token' is unknown; did you mean 'class_token'?"),
        ((8, 8), {"heads": 3}, "heads=3: must be a divisor of width=64"),
        ((2, 2, 2, 2), {}, "vit needs samples of 1 to 3 axes"),
    ],
)
def test_what_cannot_be_is_told(shape, wrong, message):
    with pytest.raises(InputError) as e:
        abstract(ViT, GELU, shape, 3, **wrong)
    assert message in str(e.value)


def test_images_of_another_shape_are_refused():
    vit = ViT(make("gelu"), (8, 8), 10, patch=4, depth=1, width=8, heads=2, rngs=nnx.Rngs(0))
    for shape in ((2, 12, 12), (2, 4, 8), (2, 8, 8, 1)):
        with pytest.raises(InputError, match="made for \\(8, 8\\)"):
            vit(jnp.ones(shape))
