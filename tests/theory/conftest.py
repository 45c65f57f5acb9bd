import jax
import pytest


@pytest.fixture(autouse=True)
def strict_promotion():
    """No formula may lean on implicit dtype or rank promotion."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
