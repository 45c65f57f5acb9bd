import functools

import jax
import numpy as np
import pytest

import actlab


def pytest_collection_modifyitems(items):
    """Keep the tests of an activation on one worker, where `derivatives` has compiled it already."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        name = params.get("name", getattr(params.get("act"), "name", None))
        if isinstance(name, str) and name in actlab.registry():
            item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(autouse=True)
def strict_promotion():
    """No formula may lean on implicit dtype or rank promotion."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def derivatives():
    """A function that gives f, f', f'' at any number of points, compiled once per activation and dtype."""

    @functools.cache
    def compiled(act):
        return jax.jit(jax.vmap(lambda x: (act(x), *jax.value_and_grad(jax.grad(act))(x))))

    def evaluate(act, x):
        size = 256 if x.size <= 256 else -(-x.size // 4096) * 4096
        block = np.zeros(size, x.dtype)
        block[: x.size] = x
        return [values[: x.size] for values in map(np.asarray, compiled(act)(block))]

    return evaluate
