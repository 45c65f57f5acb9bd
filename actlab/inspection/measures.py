"""What is said of a vector, of a distribution and of a row of attention: numbers of one token each.

Shapes: ... any, D the numbers of a vector, V tokens there are, H heads, T positions read now, S positions kept.
All is float32; NaN and infinities go through.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

RUN = 256  # numbers that are looked at together
NEAR_ZERO = 1e-3  # a value is near zero up to this part of its vector's root mean square


class Vector(NamedTuple):
    """Measures of a vector (..., D), each (...,); `share` of D where it says so.

    ``skew`` and ``kurtosis`` are of the D numbers about their mean, kurtosis 0 for a Gaussian; both NaN where all
    are equal.
    ``participation`` is (sum x^2)^2 / (D sum x^4): 1 where all are of one size, 1/D where one is all; NaN for a
    vector of zeros. ``negative`` and ``near_zero`` are shares, the latter of |x| <= 1e-3 rms.
    """

    l2: jax.Array
    rms: jax.Array
    mean: jax.Array
    variance: jax.Array
    skew: jax.Array
    kurtosis: jax.Array
    negative: jax.Array
    near_zero: jax.Array
    participation: jax.Array
    largest: jax.Array


def total(x: jax.Array) -> jax.Array:
    """Return the sums over the last axis, as a product with ones.

    XLA's CPU backend adds numbers one after the other, but multiplies several at a time.
    """
    return jnp.dot(x, jnp.ones(x.shape[-1], x.dtype), precision="highest")


def top(sizes: jax.Array) -> jax.Array:
    """Return the largest of ``sizes`` (..., D), none of them negative; NaN where one is NaN.

    XLA's CPU backend (jax 0.10 to 0.12) passes NaN over in a maximum of many numbers, not in their sum.
    """
    return jnp.where(jnp.isnan(total(sizes)), jnp.nan, jnp.max(sizes, -1))


def vector(x: jax.Array) -> Vector:
    """Return the measures of ``x`` (..., D).

    Squares are taken of x / max |x|, so that float32 cannot overflow before the vector itself does.

    >>> m = vector(jnp.array([3.0, -4.0, 0.0, 0.0]))
    >>> float(m.l2), float(m.mean), float(m.negative), round(float(m.participation), 4)
    (5.0, -0.25, 0.25, 0.4636)
    """
    x = x.astype(jnp.float32)

    def average(values: jax.Array) -> jax.Array:
        return total(values.astype(jnp.float32)) / x.shape[-1]

    largest = top(jnp.abs(x))
    scale = jnp.where(largest > 0, largest, 1.0)
    y = x / scale[..., None]
    square = average(y * y)
    mean = average(y)
    centred = y - mean[..., None]
    second = centred * centred
    variance = average(second)
    finite = jnp.isfinite(largest)
    rms = jnp.sqrt(square)
    return Vector(
        l2=rms * scale * x.shape[-1] ** 0.5,
        rms=rms * scale,
        mean=mean * scale,
        variance=variance * scale * scale,
        skew=average(second * centred) / variance**1.5,
        kurtosis=average(second * second) / variance**2 - 3.0,
        negative=jnp.where(finite, average(x < 0), jnp.nan),
        near_zero=jnp.where(finite, average(jnp.abs(y) <= NEAR_ZERO * rms[..., None]), jnp.nan),
        participation=square**2 / average((y * y) ** 2),
        largest=largest,
    )


class Heads(NamedTuple):
    """Measures of rows of attention, each (..., H, T).

    ``entropy`` is in nats, ``normalized`` it by ln n of the n positions that can be seen (0 where n is 1),
    ``effective``
    its exponential: of how many tokens is read. ``first`` is the weight on the first token, ``entropy_rest`` the
    entropy of the other weights made to sum to 1 (NaN where there is no other), ``distance`` how many
    positions back is looked on average.
    """

    entropy: jax.Array
    normalized: jax.Array
    effective: jax.Array
    largest: jax.Array
    first: jax.Array
    entropy_rest: jax.Array
    distance: jax.Array


def heads(scores: jax.Array, weights: jax.Array, at_T: jax.Array) -> Heads:
    r"""Return the measures of attention from scores (..., H, T, S) and their softmax, for queries at positions (T,).

    A query at position t sees the keys 0..t; what lies beyond may be anything. With :math:`p` the first token's
    weight and :math:`H_r` the entropy of the others made to sum to 1,

    .. math:: H = -p \ln p - (1 - p) \ln(1 - p) + (1 - p) H_r, \quad
        H_r = \log \sum_t e^{s_t} - \sum_t p_t s_t

    so that exponentials are taken once, and the logarithm of no weight.
    """
    key_S = jnp.arange(scores.shape[-1])
    back_TxS = at_T[:, None] - key_S
    others_TxS = (back_TxS >= 0) & (key_S > 0)
    high = jnp.max(scores, -1, where=others_TxS, initial=-jnp.inf)
    s = jnp.where(others_TxS, scores - high[..., None], 0.0)
    e = jnp.where(others_TxS, jnp.exp(s), 0.0)
    whole = total(e)
    rest = jnp.log(whole) - total(e * s) / whole
    ahead = scores[..., 0] - (high + jnp.log(whole))  # ln p / (1 - p)
    first, others = jax.nn.sigmoid(ahead), jax.nn.sigmoid(-ahead)
    entropy = first * jax.nn.softplus(-ahead) + others * (jax.nn.softplus(ahead) + rest)
    entropy = jnp.where(at_T > 0, entropy, 0.0 * scores[..., 0])  # 0 where there is no other, NaN stays
    n = (at_T + 1).astype(jnp.float32)
    return Heads(
        entropy=entropy,
        normalized=jnp.where(jnp.isnan(entropy) | (n > 1), entropy / jnp.log(jnp.maximum(n, 2.0)), 0.0),
        effective=jnp.exp(entropy),
        largest=top(weights),
        first=weights[..., 0],
        entropy_rest=rest,
        distance=total(weights * jnp.maximum(back_TxS, 0).astype(jnp.float32)),
    )


class Distribution(NamedTuple):
    """What is said of logits (..., V): the k likeliest tokens, their log-probabilities, entropy in nats."""

    entropy: jax.Array
    candidates: jax.Array
    log_probabilities: jax.Array


def distribution(logits: jax.Array, k: int) -> Distribution:
    """Return the entropy and the ``k`` likeliest tokens of ``logits`` (..., V), -inf where a token cannot be.

    >>> d = distribution(jnp.log(jnp.array([0.5, 0.0, 0.25, 0.25])), 2)
    >>> round(float(d.entropy), 4), d.candidates.tolist(), jnp.exp(d.log_probabilities).round(4).tolist()
    (1.0397, [0, 2], [0.5, 0.25])
    """
    s = logits - jnp.max(logits, -1, keepdims=True)
    e = jnp.exp(s)
    whole = jnp.sum(e, -1)
    entropy = jnp.log(whole) - jnp.sum(jnp.where(e > 0, e * s, e), -1) / whole
    values, candidates = largest(s, k)
    return Distribution(entropy, candidates, values - jnp.log(whole)[..., None])


def largest(x: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """Return the ``k`` largest of ``x`` (..., V) and where they are, int32, NaN first, the first of equal ones first.

    As `jax.lax.top_k`, which on a CPU takes far longer of many: here first of runs' largest, then of what is in the k
    best runs: in no other run can one of the k be.

    >>> largest(jnp.array([1.0, 3.0, 2.0, 3.0]), 2)
    (Array([3., 3.], dtype=float32), Array([1, 3], dtype=int32))
    """
    x = jnp.where(jnp.isnan(x), jnp.nan, x)  # the negative NaN of inf - inf would come last
    size = x.shape[-1]
    runs = -(-size // RUN)
    if runs <= 2 * k:
        values, index = jax.lax.top_k(x, k)
        return values, index.astype(jnp.int32)
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, runs * RUN - size)], constant_values=-jnp.inf)
    apart = padded.reshape(*x.shape[:-1], runs, RUN)
    # see `top`; NaN counts as more than infinity here
    found = jnp.where(jnp.isnan(apart), jnp.inf, jnp.minimum(apart, jnp.finfo(apart.dtype).max))
    _, best = jax.lax.top_k(jnp.max(found, -1), k)
    best = jnp.sort(best, -1)  # so that of equal numbers the first stays first
    values, at = jax.lax.top_k(
        jnp.take_along_axis(apart, best[..., None], -2).reshape(*x.shape[:-1], k * RUN), k
    )
    return values, (jnp.take_along_axis(best, at // RUN, -1) * RUN + at % RUN).astype(jnp.int32)


def first_largest(x: jax.Array) -> jax.Array:
    """Return where the largest of ``x`` (..., V) is, int32, the first of equal ones or NaN, as `jnp.argmax`.

    That carries numbers along with their places, which on a CPU takes far longer than two passes.

    >>> int(first_largest(jnp.array([1.0, 3.0, 2.0, 3.0])))
    1
    """
    nothing = jnp.isnan(x)
    here = jnp.where(nothing.any(-1, keepdims=True), nothing, x == jnp.max(x, -1, keepdims=True))
    places = jnp.arange(x.shape[-1], dtype=jnp.int32)
    return jnp.min(jnp.where(here, places, x.shape[-1]), -1)
