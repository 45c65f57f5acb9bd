import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.inspection.measures import RUN, first_largest, largest


def numbers(kind, size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, size)).astype(np.float32)
    if kind == "ties":
        x = np.round(2 * x)
    if kind == "filtered":  # all but two of them taken away
        x = np.where(np.arange(size) % (size - 9) == 7, x, -np.inf)
    if kind == "no numbers":
        x[0, size // 2 :] = np.nan
    return jnp.asarray(x)


@pytest.mark.parametrize("kind", ["plain", "ties", "filtered", "no numbers"])
@pytest.mark.parametrize("size", [5 * RUN, 40 * RUN, 40 * RUN + 17, 40 * RUN - 3])
def test_the_largest_are_those_of_top_k(kind, size):
    x = numbers(kind, size)
    values, at = jax.jit(largest, static_argnums=1)(x, 10)
    expected, where = jax.lax.top_k(x, 10)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(at, where)
    assert at.dtype == jnp.int32


@pytest.mark.parametrize("kind", ["plain", "ties", "filtered", "no numbers"])
def test_the_first_of_the_largest_is_argmax(kind):
    x = numbers(kind, 1000)
    np.testing.assert_array_equal(first_largest(x), jnp.argmax(x, -1))
