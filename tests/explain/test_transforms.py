import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import affine_transform

from actlab.explain.transforms import NONE, Transforms, resample


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(20,), (9, 12)])
def test_resampling_is_scipys(shape, rng):
    x = rng.normal(size=(2, *shape, 3)).astype(np.float32)
    dimensions = len(shape)
    matrix = np.eye(dimensions) * 1.1 + 0.2 * rng.normal(size=(dimensions, dimensions))
    shift = rng.normal(size=dimensions)
    got = resample(jnp.asarray(x), jnp.asarray(matrix, jnp.float32), jnp.asarray(shift, jnp.float32), 0.0)
    middle = (np.array(shape) - 1) / 2
    offset = middle + shift - matrix @ middle
    for b in range(2):
        for c in range(3):
            theirs = affine_transform(x[b, ..., c], matrix, offset, order=1, mode="grid-constant", cval=0.0)
            np.testing.assert_allclose(got[b, ..., c], theirs, atol=1e-5)


@pytest.mark.slow
def test_one_draw_moves_the_whole_batch_alike_and_keys_differ():
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (8, 8)), (3, 8, 8))
    move = Transforms(0.2, 0.2, 20)
    a, b = move(jax.random.key(1), x, 2, 0.0), move(jax.random.key(2), x, 2, 0.0)
    np.testing.assert_array_equal(a[0], a[2])
    assert abs(a - b).max() > 0.1


def test_nothing_is_moved_where_nothing_is_asked_and_a_vector_never_is():
    x = jax.random.normal(jax.random.key(0), (3, 8, 8))
    assert NONE(jax.random.key(1), x, 2, 0.0) is x
    assert Transforms()(jax.random.key(1), x, 0, 0.0) is x
