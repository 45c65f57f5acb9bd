import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.nn import convolve


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "taps", "strides", "padding"),
    [
        ((3, 11, 2), (5,), (2,), [(1, 1)]),
        ((3, 8, 8, 2), (3, 3), (1, 1), [(1, 1), (1, 1)]),
        ((2, 9, 7, 1), (4, 2), (3, 2), [(0, 2), (1, 0)]),
    ],
)
def test_the_same_as_xlas(shape, taps, strides, padding):
    x = jax.random.normal(jax.random.key(0), shape)
    kernel = jax.random.normal(jax.random.key(1), (*taps, shape[-1], 6))
    numbers = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}[len(taps)]

    def theirs(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=numbers)

    def ours(x, kernel):
        return convolve(x, kernel, strides, padding, dimension_numbers=numbers)

    np.testing.assert_allclose(ours(x, kernel), theirs(x, kernel), rtol=1e-4, atol=1e-5)
    for arg in (0, 1):
        a, b = (jax.grad(lambda *v: jnp.sum(jnp.sin(f(*v))), arg)(x, kernel) for f in (ours, theirs))  # noqa: B023
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "taps", "strides", "padding"),
    [
        ((2, 9, 4), (3,), (1,), "SAME"),
        ((2, 8, 7, 3), (3, 3), (2, 2), "SAME"),
        ((1, 9, 6, 3), (5, 2), (1, 3), [(0, 3), (2, 0)]),
    ],
)
def test_depthwise_is_the_same_as_xlas(shape, taps, strides, padding):
    channels = shape[-1]
    x = jax.random.normal(jax.random.key(0), shape)
    kernel = jax.random.normal(jax.random.key(1), (*taps, 1, channels))
    options = {
        "dimension_numbers": {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}[len(taps)],
        "feature_group_count": channels,
    }

    def theirs(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)

    def ours(x, kernel):
        return convolve(x, kernel, strides, padding, **options)

    np.testing.assert_allclose(ours(x, kernel), theirs(x, kernel), rtol=1e-4, atol=1e-5)
    for arg in (0, 1):
        a, b = (jax.grad(lambda *v: jnp.sum(jnp.sin(f(*v))), arg)(x, kernel) for f in (ours, theirs))  # noqa: B023
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_off_the_cpu_it_is_xlas():
    x, kernel = jnp.ones((1, 5, 2)), jnp.ones((3, 2, 4))

    def f(x, kernel):
        return convolve(x, kernel, (1,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC"))

    traced = jax.jit(f).trace(x, kernel)
    assert "convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()


@pytest.mark.parametrize("option", [{"rhs_dilation": (2,)}, {"feature_group_count": 2}])
def test_what_is_not_served_is_told(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        convolve(jnp.ones((1, 5, 2)), jnp.ones((3, 2, 4)), (1,), [(1, 1)], **option)
