"""A tensor in a few dozen numbers that merge: moments, extremes, shares, and a histogram over powers of two.

Only finite values enter the moments; the others are counted. Sums are of deviations from a value near the mean,
first over rows, then over units: power sums about zero would lose the variance of whatever has a large mean.
Shapes: R rows (samples and positions), C units (the last axis).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError

BINS = 512
LOWEST = -32  # the exponent of the first bin; anything smaller counts with it
PARTS = 4  # bins to a power of two
QUANTILES = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}


def _edges() -> np.ndarray:
    """Return the BINS + 1 borders of the histogram, in order."""
    k = np.arange(BINS // 2 + 1, dtype=np.float32)
    positive = np.exp2(k // PARTS + LOWEST) * (1 + k % PARTS / PARTS)
    positive[0] = 0
    return np.concatenate([-positive[:0:-1], positive]).astype(np.float32)


EDGES = _edges()
_BLOCKS = (27, 19)  # of the BINS and the zeros: whose product is BINS + 1
_LEFT = np.insert(EDGES[:-1], BINS // 2, 0.0)
_SIZE = np.insert(np.diff(EDGES), BINS // 2, 0.0)


class Summary(NamedTuple):
    """What is known of a tensor's values; every leaf is float32 of the same shape, ``bins`` with one axis more.

    Where nothing finite was seen the figures are NaN and ``count`` is 0. Under ``scan``, leading axes run over
    its steps.

    ``sd`` is the standard deviation (divided by n), ``third`` and ``fourth`` the standardised central moments, 0
    where ``sd`` is; ``zeros``, ``negatives`` and ``nonfinite`` are counts; ``bins`` counts finite values by sign and
    exponent, quarter powers of two. Not variances: those of a vanishing gradient leave float32's range.
    """

    count: jax.Array
    mean: jax.Array
    sd: jax.Array
    third: jax.Array
    fourth: jax.Array
    low: jax.Array
    high: jax.Array
    zeros: jax.Array
    negatives: jax.Array
    nonfinite: jax.Array
    bins: jax.Array

    @property
    def variance(self) -> jax.Array:
        """Mean squared deviation from the mean."""
        return jnp.square(self.sd)

    @property
    def rms(self) -> jax.Array:
        """Root mean square."""
        return jnp.hypot(self.sd, self.mean)

    @property
    def skew(self) -> jax.Array:
        """Third standardised moment; NaN where all values are equal."""
        return jnp.where(self.sd > 0, self.third, jnp.nan)

    @property
    def kurtosis(self) -> jax.Array:
        """Fourth standardised moment minus 3, 0 for a Gaussian; NaN where all values are equal."""
        return jnp.where(self.sd > 0, self.fourth - 3.0, jnp.nan)

    @property
    def zero_share(self) -> jax.Array:
        """Share of finite values that are exactly 0."""
        return self.zeros / self.count

    @property
    def negative_share(self) -> jax.Array:
        """Share of finite values below 0."""
        return self.negatives / self.count

    @property
    def nonfinite_share(self) -> jax.Array:
        """Share of all values that are NaN or infinite."""
        return self.nonfinite / (self.count + self.nonfinite)

    def quantile(self, q: float) -> jax.Array:
        """Return the q-quantile, to within a bin: 19 to 25 % of its size, exact at 0 and at the ends.

        >>> print(f"{summarize(jnp.linspace(-1.0, 1.0, 1001)).quantile(0.75):.2f}")
        0.50
        """
        return quantiles(self.bins, self.zeros, self.low, self.high, [q])[..., 0]

    def figures(self) -> dict[str, jax.Array]:
        """Return every figure by its name in a run's records."""
        names = ("mean", "variance", "skew", "kurtosis", "rms")
        shares = ("zero_share", "negative_share", "nonfinite_share")
        row = {name: getattr(self, name) for name in names} | {"min": self.low, "max": self.high}
        row |= {name: getattr(self, name) for name in shares}
        found = quantiles(self.bins, self.zeros, self.low, self.high, list(QUANTILES.values()))
        return row | {name: found[..., i] for i, name in enumerate(QUANTILES)}


def summarize(x: jax.Array, *, kept: int = 0, scatter: bool = True) -> Summary:
    """Return the summary of ``x`` over all axes but the first ``kept``.

    Args:
        x: real array of any dtype and shape (..., R..., C); of float64 what is beyond float32's range counts as
            not finite.
        kept: leading axes that are summarised one by one.
        scatter: how values are counted into bins, see `histogram`.

    Raises:
        InputError: complex values.

    >>> s = summarize(jnp.array([[1.0, 2.0], [3.0, jnp.nan]]))
    >>> print(f"{s.mean:.1f} {s.variance:.4f} {s.nonfinite:.0f}")
    2.0 0.6667 1
    """
    v = _rows(x, kept)
    if not v.size:
        nothing = jnp.full(v.shape[:-2], jnp.nan)
        none = jnp.zeros(v.shape[:-2])
        return Summary(none, *[nothing] * 6, *[none] * 3, jnp.zeros((*v.shape[:-2], BINS)))
    finite = jnp.isfinite(v)
    # What is counted is read off the histogram: a pass over its bins where each count is one over the values.
    counts = histogram(v, finite, scatter=scatter)
    half = BINS // 2
    n, zeros, negatives = (
        c.sum(-1).astype(jnp.float32) for c in (counts, counts[..., BINS:], counts[..., :half])
    )
    low, high = _ends(v, finite)
    d, shift, scale = _deviations(v, finite, low, high)
    square = jnp.square(d)
    sums = [_total(p) for p in (d, square, square * d, jnp.square(square))]
    m1, m2, m3, m4 = (s / n for s in sums)
    m1sq = jnp.square(m1)
    variance = jnp.maximum(m2 - m1sq, 0.0)
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1 * m1sq
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1sq * m2 - 3.0 * jnp.square(m1sq)
    sd = jnp.sqrt(variance)
    some = variance > 0
    one = jnp.where(some, sd, 1.0)
    nothing = jnp.where(n > 0, 0.0, jnp.nan)
    return Summary(
        count=n,
        mean=shift + m1 / scale,
        sd=sd / scale,
        third=jnp.where(some, third / one**3, 0.0) + nothing,
        fourth=jnp.where(some, fourth / one**4, 0.0) + nothing,
        low=low + nothing,
        high=high + nothing,
        zeros=zeros,
        negatives=negatives,
        nonfinite=v.shape[-1] * v.shape[-2] - n,
        bins=jnp.where(
            np.arange(BINS) == half, counts[..., :BINS] + counts[..., BINS:], counts[..., :BINS]
        ).astype(jnp.float32),
    )


def basics(x: jax.Array, *, kept: int = 0) -> dict[str, jax.Array]:
    """Return mean, variance, min, max and zero share over all axes but the first ``kept``, finite values alone."""
    v = _rows(x, kept)
    finite = jnp.isfinite(v)
    n, zeros = (c.astype(jnp.float32).sum(-2).sum(-1) for c in (finite, v == 0))
    low, high = _ends(v, finite)
    d, shift, scale = _deviations(v, finite, low, high)
    m1, m2 = (jnp.sum(jnp.sum(p, axis=-2), axis=-1) / n for p in (d, jnp.square(d)))
    nothing = jnp.where(n > 0, 0.0, jnp.nan)
    return {
        "mean": shift + m1 / scale,
        "variance": jnp.square(jnp.sqrt(jnp.maximum(m2 - jnp.square(m1), 0.0)) / scale),
        "min": low + nothing,
        "max": high + nothing,
        "zero_share": zeros / n,
    }


def merge(a: Summary, b: Summary) -> Summary:
    """Return the summary of the values of both, as if they had been seen together.

    Chan, Golub, LeVeque 1979 for two moments; Pébay 2008, SAND2008-6212, for four.

    >>> halves = summarize(jnp.arange(6.0).reshape(2, 3), kept=1)
    >>> both = merge(*(jax.tree.map(lambda leaf: leaf[i], halves) for i in (0, 1)))
    >>> print(f"{both.variance:.4f}")
    2.9167
    """
    n = a.count + b.count
    one = jnp.where(n > 0, n, 1.0)
    # A summary of nothing holds NaN, or the zeros of a branch not taken: neither may enter.
    has_a, has_b = a.count > 0, b.count > 0
    share = b.count / one
    rest = 1.0 - share

    def of(x, has):
        return jnp.where(has, x, 0.0)

    delta = jnp.where(has_a & has_b, of(b.mean, has_b) - of(a.mean, has_a), 0.0)
    sa, sb = of(a.sd, has_a), of(b.sd, has_b)
    unit = jnp.maximum(jnp.maximum(sa, sb), jnp.abs(delta))
    unit = jnp.where(unit > 0, unit, 1.0)
    sa, sb, step = sa / unit, sb / unit, delta / unit  # none above 1, the largest 1
    va, vb, second = jnp.square(sa), jnp.square(sb), jnp.square(step)
    ta, tb = of(a.third, has_a) * sa * va, of(b.third, has_b) * sb * vb
    fa, fb = of(a.fourth, has_a) * va * va, of(b.fourth, has_b) * vb * vb
    both = share * rest
    mean = jnp.where(has_a, of(a.mean, has_a) + share * delta, of(b.mean, has_b))
    variance = rest * va + share * vb + both * second
    third = rest * ta + share * tb + both * (rest - share) * second * step
    third += 3.0 * both * step * (vb - va)
    fourth = rest * fa + share * fb + both * (1.0 - 3.0 * both) * jnp.square(second)
    fourth += 6.0 * both * second * (share * va + rest * vb) + 4.0 * both * step * (tb - ta)
    sd = jnp.sqrt(variance)
    some = variance > 0
    one = jnp.where(some, sd, 1.0)
    nothing = jnp.where(n > 0, 0.0, jnp.nan)
    return Summary(
        count=n,
        mean=mean + nothing,
        sd=sd * unit + nothing,
        third=jnp.where(some, third / one**3, 0.0) + nothing,
        fourth=jnp.where(some, fourth / one**4, 0.0) + nothing,
        low=jnp.minimum(jnp.where(has_a, a.low, jnp.inf), jnp.where(has_b, b.low, jnp.inf)) + nothing,
        high=jnp.maximum(jnp.where(has_a, a.high, -jnp.inf), jnp.where(has_b, b.high, -jnp.inf)) + nothing,
        zeros=a.zeros + b.zeros,
        negatives=a.negatives + b.negatives,
        nonfinite=a.nonfinite + b.nonfinite,
        bins=a.bins + b.bins,
    )


def merge_all(stacked: Summary) -> Summary:
    """Return the merger of the summaries along the leading axis, pairwise: rounding grows with its logarithm."""
    while (n := stacked.count.shape[0]) > 1:
        half = n // 2
        first, second, rest = (
            Summary(*(leaf[part] for leaf in stacked))
            for part in (slice(half), slice(half, 2 * half), slice(2 * half, None))
        )
        stacked = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), merge(first, second), rest)
    return jax.tree.map(lambda leaf: leaf[0], stacked)


def histogram(v: jax.Array, finite: jax.Array, *, scatter: bool = True) -> jax.Array:
    """Return counts (..., BINS + 1) int32 of the finite values of ``v`` (..., R, C); the last of exact zeros.

    The others are between the borders ``EDGES``, read off a float32's own bits: sign, exponent, and the first two
    bits of the mantissa. Whole numbers, which a processor adds to memory faster than floats.

    Args:
        v, finite: float32 and bool (..., R, C).
        scatter: add each value to its bin: what a processor does best. Otherwise compare each with all bins: what a
            TPU does in one operation that reads the values once, where it would scatter them one after the other.

    """
    bits = jax.lax.bitcast_convert_type(v, jnp.int32)
    half, width = BINS // 2, BINS + 1
    size = ((bits & jnp.int32(0x7FFFFFFF)) >> 21) - (127 + LOWEST) * PARTS
    size = jnp.clip(size, 0, half - 1)
    index = jnp.where(v < 0, half - 1 - size, half + size)
    index = jnp.where(v == 0, BINS, index)
    if not scatter:
        return ((index[..., None] == jnp.arange(width)) & finite[..., None]).astype(jnp.int32).sum((-3, -2))
    lead = v.shape[:-2]
    tensors = math.prod(lead)
    index = index.reshape(tensors, -1) + width * jnp.arange(tensors, dtype=jnp.int32)[:, None]
    index = jnp.where(finite.reshape(tensors, -1), index, tensors * width)  # past the end: dropped
    counts = jnp.zeros(tensors * width, jnp.int32).at[index.ravel()].add(1, mode="drop")
    return counts.reshape(*lead, width)


def quantiles(
    bins: jax.Array, zeros: jax.Array, low: jax.Array, high: jax.Array, qs: Sequence[float]
) -> jax.Array:
    """Return for every q the value of rank q (n - 1), interpolated within its bin, along a new last axis.

    Exact zeros are a bin of their own. The rank is looked for among blocks of bins, then inside one: sums upto
    every bin, one after the other, would cost more than all else.

    Args:
        bins: counts (..., BINS).
        zeros, low, high: (...): count of exact zeros, smallest and largest finite value.
        qs: in [0, 1].

    """
    half = BINS // 2
    middle = jnp.stack([zeros, bins[..., half] - zeros], -1)
    counts = jnp.concatenate([bins[..., :half], middle, bins[..., half + 1 :]], -1)
    counts = counts.reshape(*counts.shape[:-1], *_BLOCKS)
    blocks = counts.sum(-1)
    upto = _running(blocks)
    rank = (upto[..., -1:] - 1.0) * jnp.asarray(qs, jnp.float32)
    block = jnp.minimum((upto[..., None, :] <= rank[..., None]).sum(-1), _BLOCKS[0] - 1)
    before = jnp.take_along_axis(upto - blocks, block, -1)
    counts = jnp.take_along_axis(counts, block[..., None], -2)
    upto = _running(counts) + before[..., None]
    within = jnp.minimum((upto <= rank[..., None]).sum(-1), _BLOCKS[1] - 1)
    inside = jnp.take_along_axis(counts, within[..., None], -1)[..., 0]
    before = jnp.take_along_axis(upto, within[..., None], -1)[..., 0] - inside
    share = (rank - before + 0.5) / jnp.maximum(inside, 1.0)
    k = block * _BLOCKS[1] + within
    left, size = jnp.asarray(_LEFT)[k], jnp.asarray(_SIZE)[k]
    return jnp.clip(left + size * share, low[..., None], high[..., None])


def _running(counts: jax.Array) -> jax.Array:
    """Return the sums of counts upto each, along the last axis, as a product with a triangle."""
    n = counts.shape[-1]
    return jnp.matmul(counts, jnp.asarray(np.triu(np.ones((n, n), np.float32))), precision="highest")


def _rows(x: jax.Array, kept: int) -> jax.Array:
    """Return float32 (kept..., R, C)."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise InputError(
            f"a summary is of real values, not of {x.dtype}: probe abs(x), or real and imaginary part"
        )
    lead, rest = x.shape[:kept], x.shape[kept:]
    units = rest[-1] if rest else 1
    rows = math.prod(rest[:-1])
    return x.astype(jnp.float32).reshape(*lead, rows, units)


def _deviations(
    v: jax.Array, finite: jax.Array, low: jax.Array, high: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return deviations times scale (..., R, C), none above 2; what they are from (...), and the scale (...).

    They are from the mean over the first rows' finite values; the scale is a power of two.
    """
    first, good = v[..., 0, :], finite[..., 0, :]
    n = jnp.maximum(good.astype(jnp.float32).sum(-1, keepdims=True), 1.0)
    shift = jnp.sum(jnp.where(good, first / n, 0.0), -1)
    shift = jnp.clip(shift, low, high)  # rounding may carry it past them
    reach = jnp.maximum(high - shift, shift - low)
    ok = (reach > 0) & jnp.isfinite(reach)
    scale = jnp.exp2(-jnp.clip(jnp.floor(jnp.log2(jnp.where(ok, reach, 1.0))), -120.0, 120.0))
    shift = jnp.where(jnp.isfinite(shift), shift, 0.0)
    d = jnp.where(finite, (v - shift[..., None, None]) * scale[..., None, None], 0.0)
    return d, shift, scale


def _ends(v: jax.Array, finite: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the smallest and the largest finite value (...); inf and -inf where there is none."""
    low = jnp.min(jnp.where(finite, v, jnp.inf), axis=-2)
    return low.min(-1), jnp.max(jnp.where(finite, v, -jnp.inf), axis=-2).max(-1)


def _total(v: jax.Array) -> jax.Array:
    """Return the sum of ``v`` (..., R, C): along units as a product with ones, which takes half the time of a sum."""
    return jnp.matmul(v, jnp.ones(v.shape[-1], jnp.float32), precision="highest").sum(-1)
