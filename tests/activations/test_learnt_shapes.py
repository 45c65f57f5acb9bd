"""Functions with vectors of coefficients, and the oscillatory ones: what the battery cannot ask of all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError

X = jnp.linspace(-6.0, 6.0, 97)


def test_snake_at_zero_frequency_is_the_identity_and_learns():
    np.testing.assert_array_equal(actlab.snake(X, a=0.0), X)
    by_a = jax.jacfwd(lambda a: actlab.snake(X, a=a))(jnp.float32(0.0))
    np.testing.assert_allclose(by_a, X * X, rtol=1e-6)


def test_sine_of_a_large_product():
    with jax.enable_x64(True):
        x = np.float32(123456.789)
        exact = np.sin(30.0 * np.float64(x))
    assert float(actlab.siren_sine(jnp.float32(x))) == pytest.approx(exact, rel=1e-6)


@pytest.mark.slow
def test_a_quotient_whose_leading_coefficients_are_zero():
    far = jnp.asarray([1e30, -1e20, 3.0, jnp.inf, -jnp.inf])
    for f in (actlab.pade_a, actlab.pade_b):
        y = f(far, numerator=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0), denominator=(0.0,) * 4)
        np.testing.assert_array_equal(y, far)
    # The coefficients that are 0 learn.
    moved = jax.jacrev(lambda a: actlab.pade_a(jnp.float32(3.0), numerator=a, denominator=(0.0,)))(
        jnp.zeros(3)
    )
    np.testing.assert_allclose(moved, [1.0, 3.0, 9.0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pade_a", "pade_b", "kan_rational", "rational_free"])
def test_derivatives_by_coefficients(name):
    f = getattr(actlab, name)
    p = {key: np.asarray(value) for key, value in f.spec.defaults.items()}
    with jax.enable_x64(True):
        x = jnp.linspace(-7.0, 7.0, 29) + 0.01
        for key, value in p.items():

            def at(v, key=key):
                return f(x, **{**p, key: v})

            found = jax.jacrev(at)(jnp.asarray(value))
            for j in range(len(value)):
                if value[j] == 0:  # a kink of form B
                    continue
                h = 1e-6 * np.eye(len(value))[j]
                change = (at(jnp.asarray(value + h)) - at(jnp.asarray(value - h))) / 2e-6
                np.testing.assert_allclose(found[:, j], change, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_coefficients_for_every_channel_and_for_groups():
    x = jnp.linspace(-2.0, 2.0, 12).reshape(3, 4)
    numerator = jnp.asarray([[0.0, 0.1], [1.0, 2.0]])
    channels = jnp.repeat(numerator, 2, axis=1)
    grouped = actlab.kan_rational(x, numerator=numerator)
    np.testing.assert_array_equal(grouped, actlab.kan_rational(x, numerator=channels))
    one = actlab.kan_rational(x[:, 3], numerator=channels[:, 3])
    np.testing.assert_array_equal(grouped[:, 3], one)


def test_spline_sums_to_one_inside_and_to_zero_far_outside():
    y = actlab.kan_bspline(X, coefficients=(1.0,) * 8, base_weight=0.0)
    inside, outside = jnp.abs(X) <= 1, jnp.abs(X) > 1 + 3 * 0.4
    np.testing.assert_allclose(y[inside], 1.0, rtol=1e-6)
    np.testing.assert_array_equal(y[outside], 0.0)


def test_apl_far_left_with_opposite_hinges():
    ends = actlab.apl(jnp.asarray([-jnp.inf, jnp.inf]), weights=(1.0, -1.0), hinges=(1.0, 3.0))
    np.testing.assert_array_equal(ends, [-2.0, jnp.inf])


@pytest.mark.parametrize("base", ["tanh", "sigmoid", "relu", "elu", "silu", "softplus", "identity"])
def test_taaf_transforms_its_base_and_its_facts(base):
    p = {"alpha": -1.5, "beta": 0.5, "gamma": 0.25, "delta": 2.0}
    g = getattr(actlab, base)
    np.testing.assert_allclose(
        actlab.taaf(X, base=base, **p), -1.5 * g(0.5 * X + 0.25) + 2.0, rtol=1e-6, atol=1e-6
    )
    facts = actlab.taaf.spec.at(base=base, **p)
    ends = actlab.taaf(jnp.asarray([-jnp.inf, jnp.inf]), base=base, **p)
    np.testing.assert_allclose(ends, facts.limits)


def test_wrong_lengths():
    with pytest.raises(InputError, match="five weights"):
        actlab.abu(X, weights=(1.0,))
    with pytest.raises(InputError, match="as many"):
        actlab.apl(X, weights=(1.0,), hinges=(1.0, 2.0))
    with pytest.raises(InputError, match="two values"):
        actlab.pwlu(X, values=(1.0,))
    with pytest.raises(InputError, match="none of"):
        actlab.taaf(X, base="cosine")
