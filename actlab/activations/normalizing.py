"""Normalising functions: they act on a whole axis and turn numbers into weights, or into logarithms of them."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import POSITIVE, REALS, Interval, activation
from actlab.gradients import as_real
from actlab.gradients.along import along_axis, checked_axis, masked

WEIGHTS = Interval(0.0, 1.0, open_low=True, open_high=True)
AXIS = (REALS, "the axis along which entries depend on one another, an integer")


def shifted(x: Array, axis: int, where: Array | None) -> Array:
    """Return ``x`` minus its maximum along the axis: 0 at the maximum, also an infinite one; -inf if masked."""
    x = masked(x, where, -jnp.inf)
    top = jnp.max(x, axis=axis, keepdims=True)
    return masked(jnp.where(x == top, 0.0, x - top), where, -jnp.inf)


def shares(parts: Array, axis: int) -> Array:
    """Return ``parts`` divided by their sum along the axis; zeros where all are 0."""
    total = jnp.sum(parts, axis=axis, keepdims=True)
    return parts / jnp.where(total == 0, 1.0, total)


def _softmax_value(x: Array, *, axis: int, where: Array | None) -> Array:
    return shares(jnp.exp(shifted(x, axis, where)), axis)


def _softmax_tangent(y: Array, t: Array, moved: list, *, axis: int, where: Array | None) -> Array:
    t = masked(t, where, 0.0)
    return y * (t - jnp.sum(y * t, axis=axis, keepdims=True))


along_softmax = along_axis("softmax", _softmax_value, by_output=_softmax_tangent)


@activation(
    family="normalizing",
    formula="exp(x_i)/sum_j(exp(x_j))",
    parameters={"axis": AXIS},
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # in the Euclidean norm of the axis
    limits=(0.0, 1.0),
    reference="Boltzmann 1868; Bridle 1990",
    kind="axiswise",
    peers={
        "jax": "jax.nn.softmax",
        "torch": "torch.nn.functional.softmax(x, dim=-1)",
        "keras": "keras.activations.softmax",
    },
    differs="A row of -inf is shared equally here and an entry of inf takes all, NaN elsewhere; masked completely a "
    "row gives zeros, as in jax.nn.",
)
def softmax(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Softmax: the weights of a Boltzmann distribution along an axis.

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}, \qquad
              \mathrm{d}f_i = f_i \left(\mathrm{d}x_i - \textstyle\sum_j f_j\, \mathrm{d}x_j \right)

    Range (0, 1), sums to 1 along the axis; smooth. 1/2-Lipschitz in the Euclidean norm. Each weight grows
    with its own entry and falls with the others. Entries of -inf get weight 0; equal entries share, also
    where all are -inf or several +inf. The backward pass keeps y alone.

    Args:
        x: real array with at least one axis.
        axis: the axis that sums to 1.
        where: booleans that broadcast to x, True for the entries that take part. The others get weight and
            gradient 0, whatever they hold; so does a whole row that is masked.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Boltzmann 1868; Bridle 1990, doi:10.1007/978-3-642-76153-9_28.

    >>> import jax.numpy as jnp
    >>> softmax(jnp.array([0.0, 0.0, -jnp.inf]))
    Array([0.5, 0.5, 0. ], dtype=float32)
    >>> softmax(jnp.array([0.0, 0.0, 9.0]), where=jnp.array([True, True, False]))
    Array([0.5, 0.5, 0. ], dtype=float32)
    """
    return along_softmax(x, axis=axis, where=where)


@activation(
    family="normalizing",
    formula="exp(-x_i)/sum_j(exp(-x_j))",
    parameters={"axis": AXIS},
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # in the Euclidean norm of the axis
    limits=(1.0, 0.0),
    reference="PyTorch, nn.Softmin",
    kind="axiswise",
    peers={"torch": "torch.nn.functional.softmin(x, dim=-1)"},
    differs="An entry of -inf takes all here, NaN in torch.",
)
def softmin(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Softmin: the softmax of -x, which gives the smallest entry the largest weight.

    .. math:: f(x)_i = \frac{e^{-x_i}}{\sum_j e^{-x_j}}

    Range (0, 1), sums to 1 along the axis; smooth. 1/2-Lipschitz in the Euclidean norm. Entries of +inf get
    weight 0. The backward pass keeps y alone.

    Args:
        x: real array with at least one axis.
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    PyTorch, nn.Softmin.

    >>> import jax.numpy as jnp
    >>> softmin(jnp.array([0.0, 0.0, jnp.inf]))
    Array([0.5, 0.5, 0. ], dtype=float32)
    """
    return along_softmax(-as_real(x), axis=axis, where=where, called="softmin")


@activation(
    family="normalizing",
    formula="exp(x_i/temperature)/sum_j(exp(x_j/temperature))",
    parameters={
        "temperature": (POSITIVE, "the higher, the more equal the weights; one value, or one a row"),
        "axis": AXIS,
    },
    range=WEIGHTS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: 0.5 / p["temperature"],
    limits=(0.0, 1.0),
    reference="Hinton, Vinyals, Dean 2015, arXiv:1503.02531",
    kind="axiswise",
)
def softmax_temperature(
    x: ArrayLike, *, temperature: ArrayLike = 1.0, axis: int = -1, where: ArrayLike | None = None
) -> Array:
    r"""Softmax at a temperature: the hardest choice for T to 0, equal weights for T to inf.

    .. math:: f(x)_i = \frac{e^{x_i/T}}{\sum_j e^{x_j/T}}, \qquad
              \frac{\partial f_i}{\partial T} = -\tfrac{1}{T} f_i
              \left(\log f_i - \textstyle\sum_j f_j \log f_j\right)

    Range (0, 1), sums to 1 along the axis; smooth. 1/(2T)-Lipschitz in the Euclidean norm. The difference
    from the maximum is divided, so nothing overflows at small T. What is called beta-softmax, with factor
    beta, is T = 1/beta. The backward pass keeps y alone, also for a learnt temperature.

    Args:
        x: real array with at least one axis.
        temperature: positive; an array broadcasts against the last axes of x and has size 1 along the axis:
            for weights of shape (heads, queries, keys) one a head is an array of shape (heads, 1, 1).
        axis: the axis that sums to 1.
        where: booleans, True for the entries that take part, as in `softmax`.

    Raises:
        InputError: ``temperature`` varies along the axis; and as `softmax`.

    Hinton, Vinyals, Dean 2015, Distilling the knowledge in a neural network, arXiv:1503.02531.

    >>> import jax.numpy as jnp
    >>> print(f"{softmax_temperature(jnp.array([0.0, 1.0]), temperature=0.5)[1]:.4f}")
    0.8808
    """
    return _softmax_temperature(x, temperature, axis=axis, where=where)


def _temperature_value(x: Array, temperature: Array, *, axis: int, where: Array | None) -> Array:
    return shares(jnp.exp(shifted(x, axis, where) / temperature), axis)


def _temperature_tangent(y, t, moved, temperature, *, axis, where):
    if moved[0] is not None:
        # x / temperature is log(y) up to a constant, which the centring below removes.
        t = t - jnp.log(jnp.where(y > 0, y, 1.0)) * moved[0]
    return _softmax_tangent(y, t / temperature, [], axis=axis, where=where)


_softmax_temperature = along_axis("softmax_temperature", _temperature_value, by_output=_temperature_tangent)


def _log_sum(z: Array, axis: int) -> Array:
    """Return log(sum(exp(z))) of rows that `shifted` made: the zeros are counted, so nothing cancels near 0."""
    rest = jnp.sum(jnp.where(z == 0, 0.0, jnp.exp(z)), axis=axis, keepdims=True)
    ties = jnp.sum(z == 0, axis=axis, keepdims=True, dtype=z.dtype)
    return jnp.log1p(rest + (ties - 1.0))  # -inf for a row that is masked completely


@activation(
    family="normalizing",
    formula="x_i-log(sum_j(exp(x_j)))",
    parameters={"axis": AXIS},
    range=Interval(-math.inf, 0.0),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,  # sqrt(n) in the Euclidean norm of an axis of length n
    limits=(-math.inf, 0.0),
    reference="Bridle 1990",
    kind="axiswise",
    peers={
        "jax": "jax.nn.log_softmax",
        "torch": "torch.nn.functional.log_softmax(x, dim=-1)",
        "keras": "keras.activations.log_softmax",
    },
    differs="Rows of -inf and rows with inf are NaN elsewhere; jax.nn sums the float16 gradient of a long axis in "
    "float16, which overflows.",
)
def log_softmax(x: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Logarithm of the softmax, without its underflow.

    .. math:: f(x)_i = x_i - \log \textstyle\sum_j e^{x_j}, \qquad
              \mathrm{d}f_i = \mathrm{d}x_i - \textstyle\sum_j \mathrm{softmax}(x)_j\, \mathrm{d}x_j

    Range (-inf, 0]; smooth. sqrt(n)-Lipschitz in the Euclidean norm of an axis of length n, 2-Lipschitz in
    the maximum norm. Values near 0 keep their relative accuracy. Equal entries share, also where all are
    -inf or several +inf. The backward pass keeps x and sums in float32, so that a float16 gradient over
    100,000 entries stays finite.

    Args:
        x: real array with at least one axis.
        axis: the axis along which exp(f) sums to 1.
        where: booleans, True for the entries that take part; the others give -inf, the logarithm of their
            weight in `softmax`, and gradient 0.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Bridle 1990, doi:10.1007/978-3-642-76153-9_28.

    >>> import jax.numpy as jnp
    >>> log_softmax(jnp.array([0.0, 0.0, -jnp.inf]))
    Array([-0.6931472, -0.6931472,       -inf], dtype=float32)
    """
    return _log_softmax(x, axis=axis, where=where)


def _log_softmax_value(x: Array, *, axis: int, where: Array | None) -> Array:
    z = shifted(x, axis, where)
    return masked(z - _log_sum(z, axis), where, -jnp.inf)


def _log_softmax_tangent(x: Array, t: Array, moved: list, *, axis: int, where: Array | None) -> Array:
    t = masked(t, where, 0.0)
    weights = along_softmax(x, axis=axis, where=where)
    return masked(t - jnp.sum(weights * t, axis=axis, keepdims=True), where, 0.0)


_log_softmax = along_axis("log_softmax", _log_softmax_value, by_input=_log_softmax_tangent)


@activation(
    family="normalizing",
    formula="log(sum_j(exp(x_j)))",
    parameters={"axis": AXIS, "keepdims": (REALS, "whether the axis stays, with length 1")},
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(math.nan, math.inf),  # at -inf it tends to the value of the other entries
    reference="standard; Boyd, Vandenberghe 2004, Convex Optimization",
    kind="resizing",
    peers={"jax": "jax.nn.logsumexp(x, axis=-1)", "torch": "torch.logsumexp(x, dim=-1)"},
    differs="The gradient of a row of -inf is 0 here, NaN elsewhere; torch takes it from the rounded result.",
)
def logsumexp(
    x: ArrayLike, *, axis: int = -1, keepdims: bool = False, where: ArrayLike | None = None
) -> Array:
    r"""Logarithm of the sum of exponentials: the smooth maximum of an axis.

    .. math:: f(x) = \log \textstyle\sum_j e^{x_j}, \qquad
              \frac{\partial f}{\partial x_i} = \mathrm{softmax}(x)_i

    All reals; between max(x) and max(x) + log(n); convex, smooth, increasing in every entry. 1-Lipschitz in
    the Euclidean and in the maximum norm. A row of -inf, an empty row and one that is masked completely give
    -inf and gradient 0. The backward pass keeps x.

    Args:
        x: real array with at least one axis.
        axis: the axis that is reduced.
        keepdims: whether the axis stays, with length 1.
        where: booleans, True for the entries that take part; the others have gradient 0.

    Raises:
        InputError: ``x`` has no such axis, or ``where`` does not fit.

    Boyd, Vandenberghe 2004, Convex optimization, section 3.1.5.

    >>> import jax.numpy as jnp
    >>> print(f"{logsumexp(jnp.array([1000.0, 1000.0])):.2f}")
    1000.69
    """
    x = as_real(x)
    axis = checked_axis("logsumexp", x, axis)
    if x.shape[axis] == 0:
        length = (*x.shape[: axis + x.ndim], 1, *x.shape[axis + x.ndim + 1 :])
        y = jnp.full(length, -jnp.inf, x.dtype)
    elif x.size:
        y = along_logsumexp(x, axis=axis, where=where)
    else:
        y = jnp.max(x, axis=axis, keepdims=True)  # empty, with the right shape
    return y if keepdims else jnp.squeeze(y, axis)


def _logsumexp_value(x: Array, *, axis: int, where: Array | None) -> Array:
    top = jnp.max(masked(x, where, -jnp.inf), axis=axis, keepdims=True)
    return top + _log_sum(shifted(x, axis, where), axis)


def _logsumexp_tangent(x: Array, t: Array, moved: list, *, axis: int, where: Array | None) -> Array:
    top = jnp.max(masked(x, where, -jnp.inf), axis=axis, keepdims=True)
    weights = jnp.where(top == -jnp.inf, 0.0, along_softmax(x, axis=axis, where=where))
    return jnp.sum(weights * masked(t, where, 0.0), axis=axis, keepdims=True)


along_logsumexp = along_axis("logsumexp", _logsumexp_value, by_input=_logsumexp_tangent)
