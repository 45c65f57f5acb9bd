import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.gradients import as_real, by_precision, narrow, widen


def test_as_real():
    assert as_real(3).aval.weak_type
    assert as_real(3).dtype == jnp.float32
    assert as_real(np.arange(3)).dtype == jnp.float32
    assert as_real([1.0, 2.0]).dtype == jnp.float32
    x = jnp.ones(2, "bfloat16")
    assert as_real(x) is x
    with pytest.raises(InputError, match="complex64"):
        as_real(jnp.ones(2, "complex64"))
    with jax.enable_x64(True):
        assert as_real(np.arange(3)).dtype == jnp.float64


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float16", "float32"), ("bfloat16", "float32"), ("float8_e4m3fn", "float32")]
)
def test_widen_and_narrow(dtype, expected):
    x = jnp.ones((2, 3), dtype)
    wide, other = widen(x, jnp.ones(3, "float16"))
    assert wide.dtype == other.dtype == expected
    back = narrow(jnp.float32(2.0), x)
    assert back.dtype == x.dtype
    assert back.shape == x.shape


def test_by_precision():
    assert by_precision(jnp.ones(1, "bfloat16"), 1.0, 2.0) == 1.0
    with jax.enable_x64(True):
        assert by_precision(jnp.ones(1, "float64"), 1.0, 2.0) == 2.0
