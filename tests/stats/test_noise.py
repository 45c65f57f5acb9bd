"""Noise scale and signal-to-noise against NumPy in float64 and against draws whose truth is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.stats.noise import gradient_noise

RNG = np.random.default_rng(1)
K, B = 6, 4
X = RNG.normal(size=(K, B, 3))
Y = RNG.normal(size=(K, B)) + X.sum(-1)
PARAMS = {
    "a": {"kernel": jnp.array([0.3, -0.2, 0.1]), "bias": jnp.array(0.2)},
    "b": {"scale": jnp.array(1.5)},
}
BATCHES = (jnp.float32(X), jnp.float32(Y))


def loss(p, batch):
    x, y = batch
    return jnp.square(p["b"]["scale"] * (x @ p["a"]["kernel"] + p["a"]["bias"]) - y).mean()


def gradients():
    """Gradient of every microbatch in float64, by layer: (K, parameters)."""
    w, b, s = (np.asarray(v, np.float64) for v in (*PARAMS["a"].values(), PARAMS["b"]["scale"]))
    h = X @ w + b
    slope = 2 * (s * h - Y)  # dL/d output of each sample
    a = np.concatenate([(s * slope[..., None] * X).mean(1), (s * slope).mean(1)[:, None]], axis=1)
    return {"a": a, "b": (slope * h).mean(1)[:, None]}


def two_sizes(g):
    """McCandlish's estimates from the two batch sizes, as printed: |G|^2 and tr Sigma."""
    big, small = np.square(g.mean(0)).sum(), np.square(g).sum(1).mean()
    n_big, n_small = K * B, B
    return (n_big * big - n_small * small) / (n_big - n_small), (small - big) / (1 / n_small - 1 / n_big)


def test_against_numpy():
    got = jax.jit(lambda p, m: gradient_noise(loss, p, m, samples=B))(PARAMS, BATCHES)
    by_layer = gradients()
    signal, noise = two_sizes(np.concatenate(list(by_layer.values()), axis=1))
    assert float(got.signal) == pytest.approx(signal, rel=1e-5)
    assert float(got.noise) == pytest.approx(noise, rel=1e-5)
    assert float(got.noise_scale) == pytest.approx(noise / signal, rel=1e-5)
    assert float(got.gradient_snr) == pytest.approx(signal / (noise / (K * B)), rel=1e-5)
    assert set(got.layers) == {"a", "b"}
    for layer, g in by_layer.items():
        signal, noise = two_sizes(g)
        assert float(got.layers[layer]) == pytest.approx(signal / (noise / (K * B)), rel=1e-5)


def linear(w, x):
    """A loss whose gradient is the mean of the samples themselves."""
    return (w * x.mean(0)).sum()


@pytest.mark.slow
def test_unbiased_over_many_batches_of_known_truth():
    mean, spread = jnp.array([0.1, -0.2, 0.05, 0.0]), jnp.array([1.0, 0.5, 2.0, 1.0])
    x = mean + spread * jax.random.normal(jax.random.key(0), (20_000, 4, 8, 4))
    found = jax.jit(jax.vmap(lambda m: gradient_noise(linear, jnp.zeros(4), m, samples=8)))(x)
    for got, truth in ((found.signal, float((mean**2).sum())), (found.noise, float((spread**2).sum()))):
        error = float(got.std() / np.sqrt(len(got)))
        assert abs(float(got.mean()) - truth) < 4 * error
        assert error < 0.1 * truth
    # Far too few samples to see the signal: some batches must say so, openly.
    lost = np.asarray(found.signal <= 0)
    assert 0.05 < lost.mean() < 0.95
    assert np.isinf(np.asarray(found.noise_scale)[lost]).all()
    assert np.isfinite(np.asarray(found.noise_scale)[~lost]).all()
    assert (np.asarray(found.gradient_snr)[lost] <= 0).all()


def test_a_small_noise_on_a_large_gradient_is_not_lost():
    x = 1000 + 1e-2 * RNG.normal(size=(8, 1, 5))
    x = x.astype(np.float32)
    got = gradient_noise(linear, jnp.zeros(5), jnp.asarray(x), samples=1)
    true = np.asarray(x, np.float64)[:, 0].var(axis=0, ddof=1).sum()
    assert float(got.noise) == pytest.approx(true, rel=2e-2)  # what is left of float32 at 1000: 6e-5 in 1e-2


def test_neither_signal_nor_noise():
    got = gradient_noise(linear, jnp.zeros(2), jnp.ones((3, 2, 2)), samples=2)
    assert (float(got.noise_scale), float(got.gradient_snr)) == (0, np.inf)
    got = gradient_noise(linear, jnp.zeros(2), jnp.zeros((3, 2, 2)), samples=2)
    assert np.isnan(float(got.noise_scale))
    assert np.isnan(float(got.gradient_snr))


def test_nan_stays_in_its_layer():
    def two(p, x):
        return (p["a"]["w"] * x.mean(0)).sum() + (p["b"]["w"] * x.mean(0)).sum() * jnp.nan

    params = {"a": {"w": jnp.ones(2)}, "b": {"w": jnp.ones(2)}}
    got = gradient_noise(two, params, jnp.float32(RNG.normal(size=(4, 3, 2))), samples=3)
    assert np.isfinite(float(got.layers["a"]))
    assert np.isnan([float(got.layers["b"]), float(got.noise_scale), float(got.gradient_snr)]).all()


@pytest.mark.parametrize(
    ("batches", "samples", "message"),
    [
        (jnp.ones((1, 2)), 2, r"first axes \[1\]"),
        ((jnp.ones((3, 2)), jnp.ones((4, 2))), 2, r"first axes \[3, 4\]"),
        (jnp.ones((3, 2)), 0, "samples=0"),
    ],
)
def test_what_cannot_be(batches, samples, message):
    with pytest.raises(InputError, match=message):
        gradient_noise(linear, jnp.ones(2), batches, samples=samples)
