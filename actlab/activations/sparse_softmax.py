"""Sparse softmaxes: projections on the simplex that give small entries no weight at all."""

from __future__ import annotations

import math
import numbers

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.normalizing import AXIS, along_softmax, shares, shifted
from actlab.activations.spec import Interval, activation
from actlab.gradients import by_precision
from actlab.gradients.along import along_axis, masked

SIMPLEX = Interval(0.0, 1.0)


def centred(w: Array, t: Array, axis: int) -> Array:
    r"""Return w_i (t_i - sum_j w_j t_j / sum_j w_j), the derivative of every entmax with its weights w.

    Written as differences from the entry of largest weight, whose own result is minus the sum of the others:
    exact where one weight exceeds the others by orders of magnitude, in forward and in reverse mode, because
    the map is its own transpose also as a sequence of steps.
    """
    index = lax.broadcasted_iota(jnp.int32, w.shape, w.ndim + axis)
    pivot = index == jnp.argmax(w, axis=axis, keepdims=True).astype(jnp.int32)
    u = jnp.where(pivot, 0.0, t - jnp.sum(jnp.where(pivot, t, 0.0), axis=axis, keepdims=True))
    rest = w * (u - jnp.sum(shares(w, axis) * u, axis=axis, keepdims=True))
    rest = jnp.where(pivot, 0.0, rest)
    return jnp.where(pivot, -jnp.sum(rest, axis=axis, keepdims=True), rest)


def _entmax_tangent(y: Array, t: Array, axis: int, where: Array | None, power) -> Array:
    """Return the tangent of an entmax whose weights on its support are y**power."""
    # Off the support y is 0 or NaN: standing for the weight, it hands a NaN on to the gradient.
    w = jnp.where(y > 0, power(jnp.where(y > 0, y, 1.0)), lax.stop_gradient(y))
    return masked(centred(w, masked(t, where, 0.0), axis), where, 0.0)


def _descending(z: Array, axis: int) -> tuple[Array, Array]:
    """Return a row sorted downwards and the numbers 1, 2, ... along it."""
    z = -jnp.sort(-z, axis=axis)
    return z, lax.broadcasted_iota(z.dtype, z.shape, z.ndim + axis) + 1.0


@activation(
    family="normalizing",
    formula="max(0,x_i-tau), tau such that sum_j(max(0,x_j-tau))=1",
    parameters={"axis": AXIS},
    range=SIMPLEX,
    monotonic=False,
    smoothness="C0",
    lipschitz=1.0,  # in the Euclidean norm: it is a projection
    limits=(0.0, 1.0),
    reference="Martins, Astudillo 2016, arXiv:1602.02068",
    kind="axiswise",
    peers={"keras": "keras.activations.sparsemax", "entmax": "entmax.sparsemax(x, dim=-1)"},
    differs="keras 3.15.1 takes a wrong threshold, its weights may sum to 0",
)
def sparsemax(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Sparsemax: the nearest point of the simplex.

    .. math:: f(x) = \arg\min_{p \in \Delta} \lVert p - x \rVert^2, \qquad f(x)_i = \max(0, x_i - \tau), \qquad
              \mathrm{d}f_i = s_i \left(\mathrm{d}x_i - \frac{\sum_j s_j\, \mathrm{d}x_j}{\sum_j s_j}\right),
              \quad s_i = [f_i > 0]

    Range [0, 1], sums to 1 along the axis; weights are exactly 0 from about 1 below the maximum. Piecewise
    linear: kinks where an entry enters the support; at the kink itself it is outside. 1-Lipschitz in the
    Euclidean norm. The threshold is found by sorting, exactly. Entries of -inf get weight 0; equal entries
    share, also where all are -inf or several +inf. The backward pass keeps y alone, which tells the support.

    Args:
        x: real array with at least one axis.
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Martins, Astudillo 2016, From softmax to sparsemax, arXiv:1602.02068.

    >>> import jax.numpy as jnp
    >>> sparsemax(jnp.array([1.0, 0.5, -1.0]))
    Array([0.75, 0.25, 0.  ], dtype=float32)
    """
    return _sparsemax(x, axis=axis, where=where)


def _sparsemax_value(x: Array, *, axis: int, where: Array | None) -> Array:
    z = shifted(x, axis, where)
    # At or below -1 an entry has no weight; cut there, the sums stay finite and accurate.
    z = masked(jnp.where(z < -1.0, -1.0, z), where, -1.0)
    down, k = _descending(z, axis)
    inside = 1.0 + k * down > jnp.cumsum(down, axis=axis + z.ndim)
    least = jnp.min(jnp.where(inside, down, 0.0), axis=axis, keepdims=True)
    # Summed anew over the support alone: a running sum over a long row has lost digits.
    size = jnp.sum(z >= least, axis=axis, keepdims=True, dtype=z.dtype)
    threshold = (jnp.sum(jnp.where(z >= least, z, 0.0), axis=axis, keepdims=True) - 1.0) / size
    return masked(jnp.maximum(z - threshold, 0.0), where, 0.0)


def _sparsemax_tangent(y, t, moved, *, axis, where):
    return _entmax_tangent(y, t, axis, where, jnp.ones_like)


_sparsemax = along_axis("sparsemax", _sparsemax_value, by_output=_sparsemax_tangent)


@activation(
    family="normalizing",
    formula="max(0,x_i/2-tau)**2, tau such that sum_j(max(0,x_j/2-tau)**2)=1",
    parameters={"axis": AXIS},
    range=SIMPLEX,
    monotonic=False,
    smoothness="C1",
    lipschitz=math.sqrt(0.5),  # in the Euclidean norm, for two equal entries
    limits=(0.0, 1.0),
    reference="Peters, Niculae, Martins 2019, arXiv:1905.05702",
    kind="axiswise",
    peers={"entmax": "entmax.entmax15(x, dim=-1)"},
)
def entmax15(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""1.5-entmax: half way between softmax and sparsemax, smooth and sparse.

    .. math:: f(x)_i = \max(0, x_i/2 - \tau)^2, \qquad
              \mathrm{d}f_i = s_i \left(\mathrm{d}x_i - \frac{\sum_j s_j\, \mathrm{d}x_j}{\sum_j s_j}\right),
              \quad s_i = \sqrt{f_i}

    Range [0, 1], sums to 1 along the axis; weights are exactly 0 from about 2 below the maximum.
    Continuously differentiable. sqrt(1/2)-Lipschitz in the Euclidean norm. The threshold is found by sorting
    and one Newton step, which takes it to full precision. Entries of -inf get weight 0; equal entries share,
    also where all are -inf or several +inf. The backward pass keeps y alone.

    Args:
        x: real array with at least one axis.
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Peters, Niculae, Martins 2019, Sparse sequence-to-sequence models, arXiv:1905.05702.

    >>> import jax.numpy as jnp
    >>> entmax15(jnp.array([0.0, -2.5]))
    Array([1., 0.], dtype=float32)
    """
    return _entmax15(x, axis=axis, where=where)


def _entmax15_value(x: Array, *, axis: int, where: Array | None) -> Array:
    z = 0.5 * shifted(x, axis, where)
    z = masked(jnp.where(z < -1.0, -1.0, z), where, -1.0)
    down, k = _descending(z, axis)
    mean = jnp.cumsum(down, axis=axis + z.ndim) / k
    square = jnp.cumsum(down * down, axis=axis + z.ndim) / k
    spread = jnp.maximum((1.0 - k * (square - mean * mean)) / k, 0.0)
    thresholds = mean - jnp.sqrt(spread)
    size = jnp.sum(thresholds <= down, axis=axis, keepdims=True, dtype=z.dtype)
    threshold = jnp.sum(jnp.where(k == size, thresholds, 0.0), axis=axis, keepdims=True)
    for _ in range(2):  # the running sums have lost digits on a long row
        u = masked(jnp.maximum(z - threshold, 0.0), where, 0.0)
        total = jnp.sum(u, axis=axis, keepdims=True)
        excess = jnp.sum(u * u, axis=axis, keepdims=True) - 1.0
        threshold = threshold + jnp.where(total > 0, excess / (2.0 * total), total)
    u = masked(jnp.maximum(z - threshold, 0.0), where, 0.0)
    return u * u


def _entmax15_tangent(y, t, moved, *, axis, where):
    return _entmax_tangent(y, t, axis, where, jnp.sqrt)


_entmax15 = along_axis("entmax15", _entmax15_value, by_output=_entmax15_tangent)


@activation(
    family="normalizing",
    formula="max(0,(alpha-1)*x_i-tau)**(1/(alpha-1)), tau such that the sum is 1",
    parameters={
        "alpha": (Interval(1.0), "1 is softmax, 2 sparsemax, inf the maximum alone; one value, or one a row"),
        "axis": AXIS,
    },
    range=SIMPLEX,
    monotonic=False,
    smoothness=lambda p: "Cinf" if p["alpha"] == 1 else f"C{max(0, math.ceil(1 / (p['alpha'] - 1)) - 1)}",
    lipschitz=lambda p: 2.0 ** (p["alpha"] - 2) if p["alpha"] <= 2 else math.inf,  # in the Euclidean norm
    limits=(0.0, 1.0),
    reference="Peters, Niculae, Martins 2019, arXiv:1905.05702",
    aliases=("entmax_alpha",),
    kind="axiswise",
    peers={"entmax": "entmax.entmax_bisect(x, alpha=1.5, dim=-1)"},
    differs="entmax.entmax_bisect is no softmax at alpha = 1 and loses its digits at large alpha; rows of -inf "
    "and rows with inf are NaN there.",
)
def entmax(x: ArrayLike, *, alpha: ArrayLike = 1.5, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Entmax: the family of softmax (alpha = 1), 1.5-entmax and sparsemax (alpha = 2).

    .. math:: f(x) = \arg\max_{p \in \Delta} p^\top x + H_\alpha(p), \qquad
              f(x)_i = \max(0, (\alpha - 1)\, x_i - \tau)^{1/(\alpha - 1)}

    with Tsallis' entropy :math:`H_\alpha`. With :math:`s_i = f_i^{2-\alpha}` on the support, else 0, and
    :math:`h = \alpha - 1`,

    .. math:: \mathrm{d}f_i = s_i \left(c_i - \frac{\sum_j s_j c_j}{\sum_j s_j}\right), \qquad
              c_i = \mathrm{d}x_i - \frac{1 + f_i^h (h \log f_i - 1)}{h^2}\, \mathrm{d}\alpha ,

    the last factor being :math:`(\log f_i)^2 / 2` at alpha = 1, where nothing is special here.

    Range [0, 1], sums to 1 along the axis. For alpha > 1 sparse: weights are exactly 0 from about
    1/(alpha - 1) below the maximum. Smoothness falls from Cinf at 1 over C1 at 1.5 to C0 from 2 on;
    :math:`2^{\alpha-2}`-Lipschitz in the Euclidean norm up to alpha = 2, above that the slope is infinite
    where an entry enters the support. The largest weight is found by Newton's method inside a bracket, to
    full precision; 1.5 and 2 as plain numbers are found by sorting. The backward pass keeps y alone, also
    for a learnt alpha.

    Args:
        x: real array with at least one axis.
        alpha: at least 1; an array broadcasts against the last axes of x and has size 1 along the axis.
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``alpha`` varies along the axis; and as `softmax`.

    Peters, Niculae, Martins 2019, arXiv:1905.05702; its gradient in alpha: Correia, Niculae, Martins 2019,
    arXiv:1909.00015.

    >>> import jax.numpy as jnp
    >>> entmax(jnp.array([0.0, 0.0, -3.0]), alpha=3.0)
    Array([0.5, 0.5, 0. ], dtype=float32)
    """
    if isinstance(alpha, numbers.Real) and alpha in (1, 1.5, 2):
        special = {1: along_softmax, 1.5: _entmax15, 2: _sparsemax}[alpha]
        return special(x, axis=axis, where=where, called="entmax")
    return _entmax(x, alpha, axis=axis, where=where)


entmax_alpha = entmax


def _entmax_value(x: Array, alpha: Array, *, axis: int, where: Array | None) -> Array:
    h = alpha - 1.0
    z = shifted(x, axis, where)
    out = z == -jnp.inf
    log_p, inside = _entmax_logs(jnp.where(out | jnp.isnan(z), 0.0, z), h, out, axis)
    y = shares(jnp.where(inside, jnp.exp(log_p), 0.0), axis)
    return masked(jnp.where(jnp.isnan(z), z, y), where, 0.0)


def _entmax_logs(z: Array, h: Array, out: Array, axis: int) -> tuple[Array, Array]:
    r"""Return the logarithms of the weights and whether they are in the support.

    With b the logarithm of one weight, the others are b + log1p(v) / h, v = h (difference from that entry)
    exp(-h b): equal entries come out equal for any alpha, and h = 0 is the softmax. Up to alpha = 2 that one
    is the largest, and its softmax weight bounds it from below. Beyond, weights are steep functions of the
    entries, and only the smallest of the support tells the others without cancellation.
    """

    def logs(b: Array) -> tuple[Array, Array]:
        w = jnp.where(apart == 0, 0.0, apart * jnp.exp(-h * b))
        v = h * w
        inside = (v > -1.0) & ~out
        huge = v > 1e20  # 1 + v is v, which itself may overflow
        v = jnp.where(inside & ~huge, v, -0.5)
        near = b + jnp.where(inside & ~huge, w, 0.0) * jnp.where(v == 0, 1.0, _log1p(v) / v)
        far = jnp.log(jnp.where(huge, apart * h, 1.0)) / jnp.where(huge, h, 1.0)
        return jnp.where(huge, far, near), inside

    def newton(b: Array) -> tuple[Array, Array]:
        """Return the sum of the weights, and b after one step of Newton's method on its logarithm."""
        log_p, inside = logs(b)
        s = jnp.sum(jnp.where(inside, jnp.exp(log_p), 0.0), axis=axis, keepdims=True)
        by_b = jnp.exp(h * b + (1.0 - h) * log_p)
        return s, b - s * jnp.log(s) / jnp.sum(jnp.where(inside, by_b, 0.0), axis=axis, keepdims=True)

    def step(state):
        b, low, high, count, _ = state
        s, new = newton(b)
        low, high = jnp.where(s <= 1.0, b, low), jnp.where(s >= 1.0, b, high)
        # Where Newton leaves the bracket, and every third time, the middle is taken.
        good = (new > low) & (new < high) & (count % 3 < 2)
        close = (jnp.abs(new - b) <= near / (1.0 + h)) & (jnp.abs(s - 1.0) <= 0.01)
        ended = close | (high - low <= eps * (1.0 - high)) | ~(s > 0)
        b = jnp.where(ended, b, jnp.where(good, new, 0.5 * (low + high)))
        return b, low, high, count + 1, jnp.all(ended)

    eps = float(jnp.finfo(z.dtype).eps)
    near = 0.03 * math.sqrt(eps)
    steep = h > 1.0
    bottom = lax.cond(
        jnp.any(steep),
        lambda: _smallest_inside(z, h, out, axis),
        lambda: jnp.zeros_like(jnp.sum(z * h, axis=axis, keepdims=True)),
    )
    apart = z - jnp.where(steep, bottom, 0.0)
    total = jnp.sum(jnp.where(out, 0.0, jnp.exp(z)), axis=axis, keepdims=True)
    low = -jnp.log(jnp.where(total > 0, total, 1.0))
    size = jnp.sum((z >= bottom) & ~out, axis=axis, keepdims=True, dtype=z.dtype)
    high = jnp.where(steep, -jnp.log(jnp.maximum(size, 1.0)), 0.0)
    low = jnp.where(steep, by_precision(z, -100.0, -740.0), low)
    state = (jnp.where(steep, high, low), low, jnp.broadcast_to(high, low.shape), 0, False)
    b, low, high, *_ = lax.while_loop(lambda state: (state[3] < 200) & ~state[4], step, state)
    for _ in range(2):
        s, new = newton(b)
        b = jnp.where((s > 0) & (new >= low) & (new <= high), new, b)
    return logs(b)


def _log1p(v: Array) -> Array:
    # XLA's float64 log1p loses two digits between -0.42 and -0.3.
    return jnp.where(v < -0.25, jnp.log(1.0 + v), jnp.log1p(v))


def _smallest_inside(z: Array, h: Array, out: Array, axis: int) -> Array:
    """Return the smallest entry of the support: weights told by it alone, itself at 0, must not fill the sum."""
    down = -jnp.sort(jnp.where(out, jnp.inf, -z), axis=axis)

    def entry(k: Array) -> Array:
        return jnp.take_along_axis(down, k, axis=axis)

    def halve(_, bounds):
        inside, outside = bounds
        k = (inside + outside) // 2
        over = z - entry(k)
        p = jnp.exp(jnp.log(jnp.where(over > 0, h * over, 1.0)) / h)
        holds = jnp.sum(jnp.where((over > 0) & ~out, p, 0.0), axis=axis, keepdims=True) < 1.0
        return jnp.where(holds, k, inside), jnp.where(holds, outside, k)

    first = jnp.zeros_like(jnp.sum(z * h, axis=axis, keepdims=True), jnp.int32)
    bounds = (first, first + z.shape[axis])
    inside, _ = lax.fori_loop(0, math.ceil(math.log2(z.shape[axis])), halve, bounds)
    return entry(inside)


def _entmax_general_tangent(y, t, moved, alpha, *, axis, where):
    h = alpha - 1.0
    log_y = jnp.log(jnp.where(y > 0, y, 1.0))
    if moved[0] is not None:
        t = t - log_y * log_y * _bend(h * log_y) * moved[0]
    most = by_precision(y, 40.0, 340.0)  # the second derivative has squares of the weights
    return _entmax_tangent(
        y, t, axis, where, lambda y: jnp.exp(jnp.clip((1.0 - h) * jnp.log(y), -most, most))
    )


def _bend(v: Array) -> Array:
    """Return (1 + exp(v) (v - 1)) / v**2 for v <= 0: 1/2 at 0."""
    near = v > -1.0
    u = jnp.where(near, v, 0.0)
    series = jnp.zeros_like(v)
    for k in reversed(range(19)):
        series = series * u + (k + 1) / math.factorial(k + 2)
    far = jnp.where(near, -1.0, v)
    return jnp.where(near, series, (1.0 + jnp.exp(far) * (far - 1.0)) / far / far)


_entmax = along_axis("entmax", _entmax_value, by_output=_entmax_general_tangent)
