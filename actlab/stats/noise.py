r"""How much of a gradient is signal: noise scale and signal-to-noise from the microbatches of one batch.

With g_k the gradient of microbatch k of K, b samples each, and :math:`\bar g` their mean,

.. math::
    S = \tfrac{1}{K-1} \sum_k |g_k - \bar g|^2, \qquad
    \widehat{|G|^2} = |\bar g|^2 - S / K, \qquad
    \widehat{\operatorname{tr} \Sigma} = b S

are unbiased for the variance of a microbatch's gradient, the squared length of the true gradient and the trace of
one sample's gradient covariance: the two-batch-size estimates of McCandlish et al. 2018 (arXiv:1812.06162) with
sizes b and K b. Here S is summed about the running mean, so a small noise on a large gradient is not lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from actlab.errors import InputError
from actlab.stats.layers import layer_leaves


class GradientNoise(NamedTuple):
    r"""Signal and noise of one batch's gradient, float32.

    ``noise_scale``: tr Sigma / |G|^2, in samples: the batch size at which both are equal. inf where the
    estimate of |G|^2 is not above 0: the gradient is lost in the noise of this batch, the scale is
    beyond what K microbatches can see. NaN where gradient and noise are both 0.
    ``gradient_snr``: |G|^2 / tr Cov of the whole batch's mean gradient. The estimate of |G|^2 is not cut off
    at 0, so it may be negative where there is no signal: cutting would turn pure noise into a positive mean. inf
    without noise.
    ``layers``: the same ratio by layer, each from its own parameters.
    ``signal``, ``noise``: |G|^2 and tr Sigma themselves, to be averaged over steps before they are divided.
    """

    noise_scale: Array
    gradient_snr: Array
    layers: dict[str, Array]
    signal: Array
    noise: Array


def gradient_noise(
    loss: Callable[[Any, Any], Array], params: Any, microbatches: Any, *, samples: int
) -> GradientNoise:
    """Return signal and noise of the gradient from K microbatches of one batch.

    One scan: at any time there is one microbatch's gradient and the mean so far.

    Args:
        loss: ``loss(params, microbatch)``, a mean over the microbatch's samples.
        params: a tree of float arrays.
        microbatches: a tree of arrays with K >= 2 along the first axis: independent draws.
        samples: samples in each microbatch, b.

    Raises:
        InputError: fewer than two microbatches, or arrays that do not agree on K.

    Source: McCandlish, Kaplan, Amodei 2018, arXiv:1812.06162.

    >>> def loss(w, x): return (w * x).mean()
    >>> found = gradient_noise(loss, jnp.float32(1), jnp.array([[1.0, 3.0], [2.0, 6.0]]), samples=2)
    >>> print(found.signal, found.noise)  # means 2 and 4: S = 2
    8.0 4.0
    """
    counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in jax.tree.leaves(microbatches)}
    if len(counts) != 1 or min(counts) < 2:
        raise InputError(
            f"gradient_noise: microbatches have first axes {sorted(counts)}: must be one number K >= 2"
        )
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise InputError(f"gradient_noise: samples={samples!r}: must be an integer >= 1")
    (count,) = counts

    def add(carry, microbatch):
        k, mean, spread = carry
        g = jax.tree.map(lambda x: x.astype(jnp.float32), jax.grad(loss)(params, microbatch))
        off = jax.tree.map(jnp.subtract, g, mean)
        mean = jax.tree.map(lambda m, d: m + d / (k + 1), mean, off)
        products = jax.tree.map(lambda d, x, m: jnp.sum(d * (x - m)), off, g, mean)
        return (k + 1, mean, jax.tree.map(jnp.add, spread, _by_layer(products))), None

    zero = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params)
    none = dict.fromkeys(_layers(params), jnp.float32(0))
    (_, mean, spread), _ = jax.lax.scan(add, (jnp.float32(0), zero, none), microbatches)
    squares = _by_layer(jax.tree.map(lambda m: jnp.sum(jnp.square(m)), mean))
    variance = {layer: s / (count - 1) for layer, s in spread.items()}  # S
    of_mean = {layer: s / count for layer, s in variance.items()}
    signal = {layer: squares[layer] - of_mean[layer] for layer in squares}
    total, noise = sum(signal.values()), samples * sum(variance.values())
    scale = jnp.where(total > 0, noise / total, jnp.where(noise > 0, jnp.inf, jnp.nan))
    scale = jnp.where(jnp.isfinite(total) & jnp.isfinite(noise), scale, jnp.nan)
    return GradientNoise(
        scale,
        total / sum(of_mean.values()),
        {layer: signal[layer] / of_mean[layer] for layer in signal},
        total,
        noise,
    )


def _layers(params: Any) -> list[str]:
    return list(dict.fromkeys(layer for layer, _ in layer_leaves(params)))


def _by_layer(scalars: Any) -> dict[str, Array]:
    """Return the sum of a tree of scalars over each layer."""
    sums: dict[str, Array] = {}
    for layer, value in layer_leaves(scalars):
        sums[layer] = sums[layer] + value if layer in sums else value
    return sums
