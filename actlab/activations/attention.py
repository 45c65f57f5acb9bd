"""Weights for attention that need not sum to 1, or that know how many entries there are."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.normalizing import AXIS, WEIGHTS, along_logsumexp, shares, shifted
from actlab.activations.spec import POSITIVE, REALS, Interval, activation
from actlab.gradients import as_real, keep_input
from actlab.gradients.along import along_axis, checked_axis, checked_mask, masked


def _count(x: Array, axis: int, where: Array | None) -> Array:
    """Return how many entries of each row take part, at least 1."""
    if where is None:
        return jnp.full((1,) * x.ndim, x.shape[axis], x.dtype)
    n = jnp.sum(jnp.broadcast_to(where, x.shape), axis=axis, keepdims=True, dtype=x.dtype)
    return jnp.maximum(n, 1.0)


@activation(
    family="normalizing",
    formula="exp(x_i)/(1+sum_j(exp(x_j)))",
    parameters={"axis": AXIS},
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # in the Euclidean norm of the axis
    limits=(0.0, 1.0),
    reference="Miller 2023, Attention is off by one",
    aliases=("quiet_softmax",),
    kind="axiswise",
)
def softmax_one(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Softmax with a 1 in the denominator, so that a row may have no weight at all.

    .. math:: f(x)_i = \frac{e^{x_i}}{1 + \sum_j e^{x_j}}, \qquad
              \mathrm{d}f_i = f_i \left(\mathrm{d}x_i - \textstyle\sum_j f_j\, \mathrm{d}x_j \right)

    Range (0, 1), sums to less than 1 along the axis: to 0 where all entries tend to -inf. Smooth,
    1/2-Lipschitz in the Euclidean norm. It is `softmax_sink` with sink 0, the softmax with a further entry 0
    that is then dropped. The backward pass keeps y alone.

    Args:
        x: real array with at least one axis.
        axis: the axis along which entries compete.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Miller 2023, Attention is off by one, evanmiller.org.

    >>> import jax.numpy as jnp
    >>> softmax_one(jnp.array([-jnp.inf, 0.0]))
    Array([0. , 0.5], dtype=float32)
    """
    return _softmax_sink(x, 0.0, axis=axis, where=where, called="softmax_one")


quiet_softmax = softmax_one


@activation(
    family="normalizing",
    formula="exp(x_i)/(exp(sink)+sum_j(exp(x_j)))",
    parameters={
        "sink": (REALS, "logit of the entry that is dropped; one value, or one a row"),
        "axis": AXIS,
    },
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # in the Euclidean norm of the axis
    limits=(0.0, 1.0),
    reference="OpenAI 2025, gpt-oss, arXiv:2508.10925; Xiao et al. 2023, arXiv:2309.17453",
    kind="axiswise",
)
def softmax_sink(
    x: ArrayLike, *, sink: ArrayLike = 0.0, axis: int = -1, where: ArrayLike | None = None
) -> Array:
    r"""Softmax with a sink: a further entry takes its share of the weight and is dropped.

    .. math:: f(x)_i = \frac{e^{x_i}}{e^s + \sum_j e^{x_j}}, \qquad
              \frac{\partial f_i}{\partial s} = -f_i\, \frac{e^s}{e^s + \sum_j e^{x_j}}

    Range (0, 1), sums to less than 1 along the axis; smooth, 1/2-Lipschitz in the Euclidean norm. Tends to
    the softmax for s to -inf. The backward pass keeps y alone, for a learnt sink x instead.

    Args:
        x: real array with at least one axis.
        sink: the logit s, any real; an array broadcasts against the last axes of x and has size 1 along the
            axis: for weights of shape (heads, queries, keys) one a head is an array of shape (heads, 1, 1).
        axis: the axis along which entries compete.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``sink`` varies along the axis; and as `softmax`.

    OpenAI 2025, gpt-oss-120b & gpt-oss-20b model card, arXiv:2508.10925; attention sinks: Xiao, Tian, Chen,
    Han, Lewis 2023, arXiv:2309.17453.

    >>> import jax.numpy as jnp
    >>> print(f"{softmax_sink(jnp.array([1.0, 2.0]), sink=-1.0)[1]:.4f}")
    0.7054
    """
    return _softmax_sink(x, sink, axis=axis, where=where)


def _sink_value(x: Array, sink: Array, *, axis: int, where: Array | None) -> Array:
    x = masked(x, where, -jnp.inf)
    top = jnp.maximum(jnp.max(x, axis=axis, keepdims=True), sink)
    parts = jnp.exp(jnp.where(x == top, 0.0, x - top))
    rest = jnp.exp(jnp.where(sink == top, 0.0, sink - top))
    return masked(parts / (rest + jnp.sum(parts, axis=axis, keepdims=True)), where, 0.0)


def _weighted(y: Array, t: Array, axis: int, where: Array | None) -> Array:
    t = masked(t, where, 0.0)
    return y * (t - jnp.sum(y * t, axis=axis, keepdims=True))


def _sink_by_output(y, t, moved, sink, *, axis, where):
    return _weighted(y, t, axis, where)


def _sink_by_input(x, t, moved, sink, *, axis, where):
    y = _softmax_sink(x, sink, axis=axis, where=where)
    share = lax.logistic(sink - along_logsumexp(x, axis=axis, where=where))
    return _weighted(y, t, axis, where) - y * (share * moved[0])


_softmax_sink = along_axis("softmax_sink", _sink_value, by_output=_sink_by_output, by_input=_sink_by_input)


@activation(
    family="normalizing",
    formula="exp(scale*log(n)*x_i)/sum_j(exp(scale*log(n)*x_j))",
    parameters={"scale": (REALS, "factor before log(n); one value, or one a row"), "axis": AXIS},
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,  # |scale| log(n) / 2 in the Euclidean norm of an axis of length n
    limits=lambda p: (0.0, 1.0) if p["scale"] > 0 else (1.0, 0.0) if p["scale"] < 0 else (math.nan, math.nan),
    reference="Nakanishi 2025, arXiv:2501.19399",
    kind="axiswise",
)
def scalable_softmax(
    x: ArrayLike, *, scale: ArrayLike = 0.43, axis: int = -1, where: ArrayLike | None = None
) -> Array:
    r"""Scalable softmax (SSMax): a softmax to the base n, which does not fade over long rows.

    .. math:: f(x)_i = \frac{n^{s x_i}}{\sum_j n^{s x_j}} = \mathrm{softmax}(s \log(n)\, x)_i

    Here n is the number of entries that take part. Range (0, 1), sums to 1 along the axis; smooth,
    (s log(n) / 2)-Lipschitz in the Euclidean norm. The largest weight stays near 1 for any n where its entry
    exceeds the others by more than 1/s. A single entry has weight 1; s = 0 gives equal weights, but 0 to
    entries of -inf. The backward pass keeps y alone, for a learnt scale x instead.

    Args:
        x: real array with at least one axis.
        scale: the factor s, any real, learnt for each head in the paper; an array broadcasts against the
            last axes of x and has size 1 along the axis. The default is that of the paper's first figure.
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`; n counts them, row by row, so
            that under a causal mask it is the number of keys a query sees.

    Raises:
        InputError: ``scale`` varies along the axis; and as `softmax`.

    Nakanishi 2025, Scalable-Softmax is superior for attention, arXiv:2501.19399.

    >>> import jax.numpy as jnp
    >>> row = jnp.full(1000, -2.0).at[-1].set(3.0)
    >>> print(f"{scalable_softmax(row)[-1]:.4f} {jnp.exp(3) / (jnp.exp(3) + 999 * jnp.exp(-2)):.4f}")
    0.9996 0.1293
    """
    return _scalable_softmax(x, scale, axis=axis, where=where)


def _scalable_value(x: Array, scale: Array, *, axis: int, where: Array | None) -> Array:
    factor = scale * jnp.log(_count(x, axis, where))
    z = shifted(jnp.where(factor < 0, -x, x), axis, where)
    # The difference from the maximum is scaled: x itself might overflow. Entries of -inf stay so.
    return shares(jnp.exp(jnp.where(z == -jnp.inf, z, z * jnp.abs(factor))), axis)


def _scalable_by_output(y, t, moved, scale, *, axis, where):
    return _weighted(y, t * (scale * jnp.log(_count(y, axis, where))), axis, where)


def _scalable_by_input(x, t, moved, scale, *, axis, where):
    y = _scalable_softmax(x, scale, axis=axis, where=where)
    log_n = jnp.log(_count(x, axis, where))
    # From the entry of largest weight, so that little cancels; a constant along the axis changes nothing.
    finite = jnp.where(jnp.isfinite(x) & (y > 0), x, 0.0)
    largest = jnp.max(y, axis=axis, keepdims=True)
    base = jnp.max(jnp.where(y == largest, finite, -jnp.inf), axis=axis, keepdims=True)
    apart = jnp.where(y > 0, finite - lax.stop_gradient(jnp.where(jnp.isfinite(base), base, 0.0)), 0.0)
    return _weighted(y, t * (scale * log_n) + apart * (log_n * moved[0]), axis, where)


_scalable_softmax = along_axis(
    "scalable_softmax", _scalable_value, by_output=_scalable_by_output, by_input=_scalable_by_input
)


@activation(
    family="normalizing",
    formula="max(0,exp(x_i)-1)/(sum_j(abs(exp(x_j)-1))+eps)",
    parameters={"eps": (POSITIVE, "keeps a row of zeros from dividing by 0"), "axis": AXIS},
    range=Interval(0.0, 1.0, open_high=True),
    monotonic=False,
    smoothness="C0",
    lipschitz=math.inf,  # of the order of sqrt(n) / eps around a row of zeros
    limits=(0.0, 1.0),
    reference="Zuhri, Fuadi, Aji 2025, arXiv:2504.20966",
    kind="axiswise",
    differs="implementations add eps after dividing by exp(max(x)), and leave entries of -inf out of the sum",
)
def softpick(x: ArrayLike, *, eps: ArrayLike = 1e-6, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Softpick: a rectified softmax, where negative entries get nothing but still count.

    .. math:: f(x)_i = \frac{\max(0, e^{x_i} - 1)}{\sum_j |e^{x_j} - 1| + \varepsilon}, \qquad
              \mathrm{d}f_i = \frac{[x_i > 0]\, e^{x_i}\, \mathrm{d}x_i
              - f_i \sum_j \mathrm{sign}(x_j)\, e^{x_j}\, \mathrm{d}x_j}{\sum_j |e^{x_j} - 1| + \varepsilon}

    Range [0, 1), sums to less than 1 along the axis. Continuous; kinks where an entry is 0, whose own
    derivative is then 0, as torch has it. Steep around a row of zeros, where the slope is 1/eps. An entry of
    -inf adds 1 to the denominator, as the formula says: leave entries out by ``where``. The backward pass
    keeps x.

    Args:
        x: real array with at least one axis.
        eps: positive; added to the sum itself, before it is scaled to be computed.
        axis: the axis along which entries compete.
        where: booleans, True for the entries that take part; the others get weight and gradient 0.

    Raises:
        InputError: ``eps`` varies along the axis; and as `softmax`.

    Zuhri, Fuadi, Aji 2025, Softpick: no attention sink, no massive activations with rectified softmax,
    arXiv:2504.20966.

    >>> import jax.numpy as jnp
    >>> print(f"{softpick(jnp.log(jnp.array([4.0, 0.5, 1.5])))[0]:.4f}")
    0.7500
    """
    return _softpick(x, eps, axis=axis, where=where)


def _softpick_parts(x: Array, eps: Array, axis: int, where: Array | None):
    """Return exp(x) - 1, exp(x), 1, and the denominator, all divided by exp(max(x, 0))."""
    x = masked(x, where, 0.0)
    top = lax.stop_gradient(jnp.maximum(jnp.max(x, axis=axis, keepdims=True), 0.0))
    grown = jnp.exp(jnp.where((x == top) & jnp.isinf(top), 0.0, x - top))
    one = jnp.exp(-top)
    large = x > 1
    above = jnp.where(large, grown - one, jnp.expm1(jnp.where(large, 0.0, x)) * one)
    size = jnp.sum(jnp.sign(x) * above, axis=axis, keepdims=True) + eps * one
    return above, masked(grown, where, 0.0), one, size


def _softpick_value(x: Array, eps: Array, *, axis: int, where: Array | None) -> Array:
    above, _, _, size = _softpick_parts(x, eps, axis, where)
    return masked(jnp.where(x > 0, above, 0.0) / size, where, 0.0)


def _softpick_tangent(x, t, moved, eps, *, axis, where):
    _, grown, one, size = _softpick_parts(x, eps, axis, where)
    y = _softpick(x, eps, axis=axis, where=where)
    x, t = masked(x, where, 0.0), masked(t, where, 0.0)
    t = jnp.where(grown > 0, grown * t, 0.0)
    change = jnp.sum(jnp.sign(x) * t, axis=axis, keepdims=True)
    if moved[0] is not None:
        change = change + one * moved[0]
    return (jnp.where(x > 0, t, 0.0) - y * change) / size


_softpick = along_axis("softpick", _softpick_value, by_input=_softpick_tangent)


@activation(
    family="normalizing",
    formula="1/(1+exp(-(x_i-log(n))))",
    parameters={"axis": AXIS},
    range=WEIGHTS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=0.25,
    limits=(0.0, 1.0),
    reference="Ramapuram et al. 2024, arXiv:2409.04431",
    kind="axiswise",
)
def sigmoid_attention(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Sigmoid with bias -log(n): weights that do not compete, but start with the size of a softmax's.

    .. math:: f(x)_i = \sigma(x_i - \log n) = \frac{1}{1 + n e^{-x_i}}, \qquad f' = f (1 - f)

    Here n is the number of entries that take part, in the paper the length of the sequence. Range (0, 1); a
    row of zeros sums to n/(n + 1). Increasing, smooth, 1/4-Lipschitz. Each weight depends on its own entry
    alone; the axis only gives n. For another bias b use ``sigmoid(x + b)``. The backward pass keeps x.

    Args:
        x: real array with at least one axis.
        axis: the axis whose length is n.
        where: booleans, True for the entries that take part; the others get weight and gradient 0, and n
            counts those that do, row by row. For the paper's constant n mask the result instead.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Ramapuram et al. 2024, Theory, analysis, and best practices for sigmoid self-attention, arXiv:2409.04431.

    >>> import jax.numpy as jnp
    >>> sigmoid_attention(jnp.zeros(3))
    Array([0.25, 0.25, 0.25], dtype=float32)
    """
    x = as_real(x)
    axis = checked_axis("sigmoid_attention", x, axis)
    where = checked_mask("sigmoid_attention", x, where)
    # The count is exact in float32; the dtype of x may not hold it.
    n = _count(x if x.dtype == jnp.float64 else x.astype(jnp.float32), axis, where)
    return masked(_shifted_sigmoid(masked(x, where, 0.0), n), where, 0.0)


def _shifted_sigmoid_value(x: Array, n: Array) -> Array:
    # n multiplies the exponential: log(n) would cost its rounding error. In two halves, because exp(-|x|)
    # may be flushed where n times it is not.
    half = jnp.exp(-0.5 * jnp.abs(x))
    odds = jnp.where(x > 0, (n * half) * half, (half / n) * half)
    return jnp.where(x > 0, 1.0, odds) / (1.0 + odds)


def _shifted_sigmoid_slope(x: Array, n: Array) -> Array:
    half = jnp.exp(-0.5 * jnp.abs(x))
    odds = jnp.where(x > 0, (n * half) * half, (half / n) * half)
    return odds / (1.0 + odds) / (1.0 + odds)


def _shifted_sigmoid_bend(x: Array, n: Array) -> Array:
    half = jnp.exp(-0.5 * jnp.abs(x))
    odds = jnp.where(x > 0, (n * half) * half, (half / n) * half)
    return jnp.where(x > 0, odds - 1.0, 1.0 - odds) * (odds / (1.0 + odds)) / (1.0 + odds) / (1.0 + odds)


_shifted_sigmoid = keep_input(
    _shifted_sigmoid_value, keep_input(_shifted_sigmoid_slope, _shifted_sigmoid_bend)
)
