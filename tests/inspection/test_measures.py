import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.inspection.measures import RUN, Vector, first_largest, heads, largest, vector


def numbers(kind, size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, size)).astype(np.float32)
    if kind == "ties":
        x = np.round(2 * x)
    if kind == "filtered":  # all but two of them taken away
        x = np.where(np.arange(size) % (size - 9) == 7, x, -np.inf)
    if kind == "no numbers":
        x[0, size // 2 :] = np.nan
        x[1, -5] = np.inf - np.inf if size % 2 else -np.nan
    return jnp.asarray(x)


@pytest.mark.parametrize("kind", ["plain", "ties", "filtered", "no numbers"])
@pytest.mark.parametrize("size", [5 * RUN, 40 * RUN, 40 * RUN + 17, 40 * RUN - 3])
def test_the_largest_are_those_of_top_k(kind, size):
    x = numbers(kind, size)
    values, at = jax.jit(largest, static_argnums=1)(x, 10)
    expected, where = jax.lax.top_k(jnp.where(jnp.isnan(x), jnp.nan, x), 10)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(at, where)
    assert at.dtype == jnp.int32


@pytest.mark.parametrize("kind", ["plain", "ties", "filtered", "no numbers"])
@pytest.mark.parametrize("size", [1000, 40 * RUN])
def test_the_first_of_the_largest_is_argmax(kind, size):
    x = numbers(kind, size)
    np.testing.assert_array_equal(jax.jit(first_largest)(x), jnp.argmax(x, -1))


@pytest.mark.parametrize("rows", [1, 64])
def test_nothing_of_a_vector_with_nan_is_a_number(rows):
    x = np.random.default_rng(0).normal(size=(rows, 576)).astype(np.float32)
    x[0, 300], x[-1, 5] = np.nan, np.inf if rows > 1 else np.nan
    found = jax.jit(vector)(x)
    for name in Vector._fields:
        assert np.isnan(getattr(found, name)[0]), name
        assert np.isfinite(getattr(found, name)[1:-1]).all(), name
    assert rows == 1 or np.isinf(found.largest[-1])


def test_nothing_of_attention_with_nan_is_a_number():
    scores = np.random.default_rng(0).normal(size=(9, 64, 256)).astype(np.float32)
    scores[4, 20, 3] = np.nan
    at = jnp.arange(192, 256)
    scores = jnp.where(jnp.arange(256) <= at[:, None], scores, -jnp.inf)
    found = jax.jit(heads)(scores, jax.nn.softmax(scores, -1), at)
    for name, x in found._asdict().items():
        here = np.isnan(np.asarray(x))
        assert here[4, 20] and here.sum() == 1, name
