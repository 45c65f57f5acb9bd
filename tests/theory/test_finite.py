"""How far networks of finite width stray, against closed forms and against networks drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab import make
from actlab.errors import InputError
from actlab.theory import bands, maps


def test_relu_at_its_critical_weights():
    found = bands(maps("relu", 2**0.5), width=100, depth=8)
    at = np.arange(9)
    np.testing.assert_allclose(found.q_sd**2, (5 * at + 2) / 100, rtol=1e-10)
    np.testing.assert_allclose(found.gradient_sd**2, 5 * at[::-1] / 100, rtol=1e-10)
    assert found.layers == 4  # 5 * 5 + 2 is past a quarter of 100
    # exactly, Var q / q^2 = (1 + 2 / N) (1 + 5 / N)^l - 1: what the range is for
    exact = 1.02 * 1.05**found.layers - 1
    assert 1 < exact / found.q_sd[found.layers] ** 2 < 1.13


@pytest.mark.slow
def test_the_identity_keeps_what_two_inputs_share():
    """Products of Gaussian matrices: the cosine strays as (1 - c^2)^2 (l + 1) / N."""
    found = bands(maps("identity", 1.0), width=50, depth=4, c=0.3)
    np.testing.assert_allclose(found.c_sd**2, 0.91**2 * np.arange(1, 6) / 50, rtol=1e-9)


def drawn(act, n, depth, c, nets, skip, branch, sigma_w, sigma_b):
    """Mean square of the first input and cosine of two, (nets, depth + 1), in networks of width n."""

    def one(key):
        first, *keys = jax.random.split(key, 2 * depth + 1)
        z = jax.random.normal(first, (n, 2))
        h = jnp.stack([z[:, 0], c * z[:, 0] + (1 - c * c) ** 0.5 * z[:, 1]], 1)
        found = [h]
        for w, b in zip(keys[::2], keys[1::2], strict=True):
            new = jax.random.normal(w, (n, n)) * (sigma_w / n**0.5) @ act(h)
            h = skip * h + branch * (new + jax.random.normal(b, (n, 1)) * sigma_b)
            found.append(h)
        gram = jnp.stack([h.T @ h for h in found]) / n
        return gram[:, 0, 0], gram[:, 0, 1] / jnp.sqrt(gram[:, 0, 0] * gram[:, 1, 1])

    return jax.lax.map(one, jax.random.split(jax.random.key(0), nets))


@pytest.mark.slow
@pytest.mark.parametrize(("skip", "branch"), [(0.0, 1.0), (0.8, 0.6)])
def test_drawn_networks(skip, branch):
    q, c = drawn(make("tanh"), 64, 3, 0.5, 1500, skip, branch, 1.5, 0.3)
    found = bands(maps("tanh", 1.5, 0.3, residual=(skip, branch)), 64, 3)
    np.testing.assert_allclose(q.mean(0), found.mean.q, rtol=0.02)
    np.testing.assert_allclose(c.mean(0), found.mean.c, atol=0.012)
    np.testing.assert_allclose(q.std(0), found.q_sd, rtol=0.1)
    np.testing.assert_allclose(c.std(0), found.c_sd, rtol=0.1)


def test_two_inputs_that_are_one():
    found = bands(maps("tanh", 1.5), 64, 2, c=1.0)
    assert (found.c_sd < 1e-6).all()


def test_a_width_that_cannot_be():
    with pytest.raises(InputError, match="width must be a whole number from 2 up, got 1"):
        bands(maps("tanh", 1.5), 1, 2)


@pytest.mark.parametrize("name", ["tanh", "relu", "sigmoid", "gelu"])
def test_inputs_that_are_nearly_one_stray_by_a_share_of_what_parts_them(name):
    net = maps(name, 1.3)
    some, near, nearer = (bands(net, 64, 8, 1.0, 1 - gap) for gap in (1e-3, 1e-7, 1e-11))
    share = some.c_sd / (1 - some.mean.c)
    for found in (near, nearer):
        apart = 1 - found.mean.c
        told = apart > 1e-12  # where what parts them is more than a rounding
        assert told[0]
        np.testing.assert_allclose(found.c_sd[told] / apart[told], share[told], rtol=0.03)
        assert np.isfinite(found.c_sd).all() and np.isfinite(found.gradient_sd).all()


@pytest.mark.parametrize("name", ["tanh", "relu", "sigmoid"])
def test_inputs_that_are_one_or_opposite(name):
    one, opposite, nearly = (bands(maps(name, 1.3), 64, 8, 1.0, c) for c in (1.0, -1.0, -1 + 1e-9))
    assert not one.c_sd.any()
    np.testing.assert_array_equal(one.q_sd, opposite.q_sd)
    np.testing.assert_allclose(opposite.c_sd, nearly.c_sd, atol=1e-7)
    if name == "tanh":  # odd: they stay opposite
        np.testing.assert_allclose(opposite.c_sd, 0, atol=1e-7)
    else:
        assert opposite.c_sd[1] > 0.01


def test_a_signal_that_explodes_has_bands_as_long_as_it_is_a_number():
    found = bands(maps("xielu", 1.3, 0.1), 64, 12)  # its variance is squared a layer
    assert np.isfinite(found.q_sd[:6]).all() and np.isnan(found.q_sd[-1]) and np.isinf(found.mean.q[-1])
    assert found.layers == 0


@pytest.mark.parametrize("gap", [1e-4, 1e-6, 1e-8])
def test_what_a_jump_tells_apart_are_the_flips(gap):
    flips = np.arccos(1 - gap) / np.pi  # of 64 signs each
    found = bands(maps("sign", 1.0), 64, 1, 1.0, 1 - gap)
    np.testing.assert_allclose(found.c_sd[1], 2 * np.sqrt(flips / 64), rtol=0.02)


def test_a_layer_that_makes_inputs_alike_leaves_their_share():
    found = bands(maps("sigmoid", 0.1), 64, 5)  # 1 - c becomes a thousandth a layer
    share = found.c_sd[1:] / (1 - found.mean.c[1:])
    assert (np.diff(share) > 0).all() and share[0] > 0.3 and share[-1] < 0.5
    lost = bands(maps("sigmoid", 1e-4), 64, 2)
    assert lost.mean.c[2] < 1 and np.isnan(lost.c_sd[2]) and np.isfinite(lost.q_sd).all()


def test_with_dropout_the_weights_draw_is_of_what_is_left_made_larger():
    found = bands(maps("sign", 2.0, dropout=0.2), 64, 3)  # squares are 1 whatever the signs
    np.testing.assert_allclose(found.q_sd / found.mean.q, np.sqrt(2 / 64), rtol=1e-12)


@pytest.mark.parametrize("q", [1e-300, 1e-160, 1e-60, 1e60, 1e160])
def test_of_huge_and_tiny_variances_nothing_overflows(q):
    found, one = bands(maps("relu", 2**0.5), 64, 3, q), bands(maps("relu", 2**0.5), 64, 3)
    if 1e-70 < q < 1e70:
        np.testing.assert_allclose(found.q_sd / q, one.q_sd, rtol=1e-6)
        np.testing.assert_allclose(found.c_sd, one.c_sd, rtol=1e-6)
    else:
        assert np.isnan(found.q_sd[1:]).all()
