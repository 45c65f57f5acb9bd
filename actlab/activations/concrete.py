"""Discrete choices made differentiable: concrete and Gumbel-softmax relaxations, and straight-through coins.

Noise, keys and what is kept for the backward pass: as in `actlab.activations.stochastic`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.normalizing import softmax
from actlab.activations.saturating import sigmoid, sigmoid_slope
from actlab.activations.spec import POSITIVE, REALS, Inexact, Interval, Jump, Kink, activation
from actlab.activations.stochastic import straight_through, with_noise
from actlab.gradients import as_real, by_precision, keep_input
from actlab.gradients.along import check_row, checked_axis, checked_mask, masked
from actlab.gradients.precision import align


def _moderate(x: Array) -> Array:
    # Far beyond saturation, and far enough below overflow that x / parameter^2 stays finite.
    return jnp.clip(x, -1e12, 1e12)


def _stretch_end(p, y):
    """Return where the stretched sigmoid reaches y."""
    share = (y - p["gamma"]) / (p["zeta"] - p["gamma"])
    return math.log(share / (1.0 - share))


def _hard_concrete_kinks(p):
    def slope(y):
        share = (y - p["gamma"]) / (p["zeta"] - p["gamma"])
        return (p["zeta"] - p["gamma"]) * share * (1.0 - share)

    low, high = _stretch_end(p, 0.0), _stretch_end(p, 1.0)
    return (Kink(low, 0.0, slope(0.0), 0.0), Kink(high, slope(1.0), 0.0, 0.0))


def _hard_concrete_steepest(p):
    low, high = _stretch_end(p, 0.0), _stretch_end(p, 1.0)
    at = min(max(0.0, low), high)
    s = 1.0 / (1.0 + math.exp(-at))
    return (p["zeta"] - p["gamma"]) * s * (1.0 - s)


@activation(
    family="stochastic",
    formula="clip(sigmoid(x)*(zeta-gamma)+gamma,0,1)",
    parameters={
        "beta": (POSITIVE, "temperature of the noisy form"),
        "gamma": (Interval(-math.inf, 0.0, open_high=True), "lower end of the stretched interval"),
        "zeta": (Interval(1.0, math.inf, open_low=True), "upper end of the stretched interval"),
    },
    range=Interval(0.0, 1.0),
    monotonic=True,
    smoothness="C0",
    kinks=_hard_concrete_kinks,
    lipschitz=_hard_concrete_steepest,
    limits=(0.0, 1.0),
    reference="Louizos, Welling, Kingma 2017, arXiv:1712.01312",
    stochastic=True,
    inexact=tuple(
        Inexact(dtype, 2, units, "f'' just above the smallest normal number is flushed to 0")
        for dtype, units in (("bfloat16", 128.0), ("float32", 8.4e6))
    ),
)
def hard_concrete(
    x: ArrayLike,
    *,
    beta: ArrayLike = 0.6666666666666666,
    gamma: ArrayLike = -0.1,
    zeta: ArrayLike = 1.1,
    key: Array | None = None,
) -> Array:
    r"""Hard concrete gate: a stretched and clipped `binary_concrete`, exactly 0 or 1 with positive probability.

    .. math:: f(x) = \min(1, \max(0, \bar s)), \quad \bar s = \gamma + (\zeta - \gamma)\, s, \quad
              s = \sigma\big((x + \log u - \log(1 - u)) / \beta\big), \quad u \sim U(0, 1)

    x is the log odds of the gate, log alpha in the paper. Without a key it is the paper's estimator at test time,
    s = sigmoid(x), free of beta. Range [0, 1]; kinks where the clipping begins, with derivative 0 there.

    Args:
        x: real array, log odds.
        beta: temperature of the noisy form, positive.
        gamma: lower end of the stretched interval, below 0.
        zeta: upper end of the stretched interval, above 1.
        key: of `jax.random`; None for the estimator without noise.

    Louizos, Welling, Kingma 2017, arXiv:1712.01312.

    >>> import jax.numpy as jnp
    >>> hard_concrete(jnp.array([-3.0, 0.0, 3.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    if key is None:
        return _hard_concrete_mean(x, beta, gamma, zeta)
    return _hard_concrete(key, x, beta, gamma, zeta)


def _stretched(x: Array, gamma: Array, zeta: Array) -> Array:
    return gamma + (zeta - gamma) * lax.logistic(x)


def _stretch_value(x: Array, beta: Array, gamma: Array, zeta: Array) -> Array:
    return jnp.clip(_stretched(x, gamma, zeta), 0.0, 1.0)


def _stretch_slope(x: Array, beta: Array, gamma: Array, zeta: Array) -> Array:
    y = _stretched(x, gamma, zeta)
    return jnp.where((y <= 0.0) | (y >= 1.0), 0.0, sigmoid_slope(x) * (zeta - gamma))


def _stretch_by_ends(share: Callable[[Array], Array]) -> Callable[..., Array]:
    def partial(x: Array, beta: Array, gamma: Array, zeta: Array) -> Array:
        y = _stretched(x, gamma, zeta)
        return jnp.where((y <= 0.0) | (y >= 1.0), 0.0, share(x))

    return partial


_hard_concrete_mean = keep_input(
    _stretch_value,
    _stretch_slope,
    lambda x, beta, gamma, zeta: jnp.zeros_like(x),
    _stretch_by_ends(lambda x: lax.logistic(-x)),
    _stretch_by_ends(lax.logistic),
)


def _hard_concrete_formula(x: Array, noise: Array, beta: Array, gamma: Array, zeta: Array) -> Array:
    return _hard_concrete_mean(_moderate(x + noise) / beta, beta, gamma, zeta)


_hard_concrete = with_noise(jax.random.logistic, _hard_concrete_formula)


@activation(
    family="stochastic",
    formula="1/(1+exp(-x/temperature))",
    parameters={"temperature": (POSITIVE, "the smaller, the closer to 0 and 1")},
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=lambda p: 0.25 / p["temperature"],
    limits=(0.0, 1.0),
    reference="Maddison, Mnih, Teh 2016, arXiv:1611.00712",
    stochastic=True,
)
def binary_concrete(
    x: ArrayLike, *, temperature: ArrayLike = 0.6666666666666666, key: Array | None = None
) -> Array:
    r"""Binary concrete: a relaxed coin that shows 1 with log odds x, differentiable for every throw.

    .. math:: f(x) = \sigma\big((x + \log u - \log(1 - u)) / \tau\big), \qquad u \sim U(0, 1)

    f > 1/2 with probability sigmoid(x), whatever the temperature; as it falls to 0, f becomes the coin. Without a
    key the noise is at its median, 0: sigmoid(x / temperature), range (0, 1), smooth.

    Args:
        x: real array, log odds.
        temperature: the smaller, the closer to 0 and 1; positive.
        key: of `jax.random`; None for the median.

    Maddison, Mnih, Teh 2016, arXiv:1611.00712; Jang, Gu, Poole 2016, arXiv:1611.01144.

    >>> print(f"{binary_concrete(1.0, temperature=0.5):.4f}")
    0.8808
    """
    if key is None:
        return _cooled(x, temperature)
    return _binary_concrete(key, x, temperature)


def _cooled_parts(x: Array, temperature: Array) -> tuple[Array, Array, Array]:
    """Return x / temperature clipped where the sigmoid is flat, exp(-abs(z) / 2) and 1 + exp(-abs(z))."""
    end = by_precision(x, 400.0, 3000.0)
    z = jnp.clip(x / temperature, -end, end)
    half = jnp.exp(-0.5 * jnp.abs(z))
    return z, half, 1.0 + half * half


def _cooled_slope_value(x: Array, temperature: Array) -> Array:
    _, half, below = _cooled_parts(x, temperature)
    return (half / temperature) * (half / (below * below))


def _cooled_curvature(x: Array, temperature: Array) -> Array:
    z, half, below = _cooled_parts(x, temperature)
    scaled = half / temperature
    return -jnp.tanh(0.5 * z) * scaled * scaled / (below * below)


def _cooled_by_temperature(x: Array, temperature: Array) -> Array:
    z, half, below = _cooled_parts(x, temperature)
    return -(z * half / temperature) * (half / (below * below))


_cooled = keep_input(
    lambda x, temperature: lax.logistic(x / temperature),
    keep_input(_cooled_slope_value, _cooled_curvature),
    _cooled_by_temperature,
)
_binary_concrete = with_noise(
    jax.random.logistic, lambda x, noise, temperature: _cooled(x + noise, temperature)
)


@activation(
    family="stochastic",
    formula="1 if x>0 else 0",
    parameters={"backward": (("identity", "sigmoid"), "whose derivative stands for the coin's")},
    range=Interval(0.0, 1.0),
    monotonic=True,
    smoothness="jumps",
    jumps=(Jump(at=0.0, left=0.0, right=1.0, value=0.0),),
    lipschitz=math.inf,
    limits=(0.0, 1.0),
    reference="Bengio, Léonard, Courville 2013, arXiv:1308.3432",
    surrogate="1 if backward=='identity' else sigmoid(x)*sigmoid(-x)",
    stochastic=True,
)
def bernoulli_st(x: ArrayLike, *, backward: str = "identity", key: Array | None = None) -> Array:
    r"""Stochastic binary unit, straight through: 1 with probability sigmoid(x), else 0.

    .. math:: f(x) = 1 \text{ if } u < \sigma(x) \text{ else } 0, \qquad u \sim U(0, 1), \qquad
              f'(x) := 1 \text{ or } \sigma'(x)

    Range {0, 1}. The derivative is a surrogate: 1, as if the unit were the identity, which the paper found
    better, or that of the mean. Without a key: 1 for x > 0, else 0, under the same derivative.

    Args:
        x: real array, log odds.
        backward: ``"identity"`` or ``"sigmoid"``: whose derivative autodiff returns.
        key: of `jax.random`; None for the more probable value.

    Bengio, Léonard, Courville 2013, arXiv:1308.3432.

    >>> print(bernoulli_st(2.0), jax.grad(bernoulli_st)(2.0))
    1.0 1.0
    """
    rules = _coins[backward]
    return rules[0](x) if key is None else rules[1](key, x)


def _likely(x: Array) -> Array:
    return jnp.where(x > 0, 1.0, jnp.where(x <= 0, 0.0, x))


def _coin(surrogate: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    def formula(x: Array, u: Array) -> Array:
        shown = jnp.where(u < lax.logistic(x), 1.0, jnp.where(jnp.isnan(x), x, 0.0))
        return straight_through(shown, surrogate(x))

    return formula


_coins = {
    "identity": (
        keep_input(_likely, lambda x: jnp.where(jnp.isnan(x), x, 1.0)),
        with_noise(jax.random.uniform, _coin(lambda x: x)),
    ),
    "sigmoid": (
        keep_input(_likely, sigmoid_slope),
        with_noise(jax.random.uniform, _coin(sigmoid)),
    ),
}


@activation(
    family="stochastic",
    formula="exp(x_i/temperature)/sum_j(exp(x_j/temperature))",
    parameters={
        "axis": (REALS, "the axis of the categories"),
        "temperature": (POSITIVE, "the smaller, the closer to one-hot"),
        "hard": (REALS, "whether the value is one-hot, with the derivative of the relaxed one"),
    },
    range=Interval(0.0, 1.0),
    monotonic=False,
    smoothness=lambda p: "jumps" if p["hard"] else "Cinf",
    lipschitz=lambda p: math.inf if p["hard"] else 0.5 / p["temperature"],
    limits=(0.0, 1.0),
    turning=None,
    reference="Jang, Gu, Poole 2016, arXiv:1611.01144; Maddison, Mnih, Teh 2016, arXiv:1611.00712",
    kind="axiswise",
    stochastic=True,
    peers={"torch": "torch.nn.functional.gumbel_softmax"},
    differs="torch always draws noise; its hard value is one-hot up to rounding, ours exactly",
)
def gumbel_softmax(
    x: ArrayLike,
    *,
    axis: int = -1,
    temperature: ArrayLike = 1.0,
    hard: bool = False,
    where: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    r"""Gumbel-softmax: a relaxed draw of one category from the distribution softmax(x).

    .. math:: f(x) = \mathrm{softmax}\big((x + g) / \tau\big), \qquad g_i = -\log(-\log u_i), \quad
              u_i \sim U(0, 1)

    Range [0, 1], sums to 1 along the axis. The largest entry is the i-th with probability softmax(x)_i,
    whatever the temperature; as it falls to 0, f becomes one-hot. ``hard``: the value is exactly one-hot at the
    largest entry (the first of equal ones), the derivative still that of the relaxed draw (straight through).
    Without a key there is no noise: softmax(x / temperature). Entries of -inf get weight 0.

    Args:
        x: real array with at least one axis, log weights.
        axis: the axis of the categories.
        temperature: the smaller, the closer to one-hot; positive, one value for a whole row.
        hard: whether the value is one-hot.
        where: booleans that broadcast to x, True for the categories to draw from. The others get weight and
            gradient 0, whatever they hold; so does a whole row that is masked, also if ``hard``.
        key: of `jax.random`; None for no noise.

    Raises:
        InputError: ``x`` has no such axis, ``temperature`` varies along it, or ``where`` does not fit.

    Jang, Gu, Poole 2016, arXiv:1611.01144; Maddison, Mnih, Teh 2016, arXiv:1611.00712.

    >>> gumbel_softmax(jnp.array([0.0, 2.0, 1.0]), hard=True)
    Array([0., 1., 0.], dtype=float32)
    """
    x = as_real(x)
    axis = checked_axis("gumbel_softmax", x, axis)
    temperature = align(temperature, x)
    check_row("gumbel_softmax", x, temperature, axis)
    where = checked_mask("gumbel_softmax", x, where)
    if not x.size:
        return x
    return _relaxed_draw(axis, bool(hard), key is not None)(key, x, temperature, where=where)


@functools.cache
def _relaxed_draw(axis: int, hard: bool, noisy: bool) -> Callable[..., Array]:
    def formula(x: Array, noise: Array | float, temperature: Array, where: Array | None = None) -> Array:
        x = masked(x + noise, where, -jnp.inf)
        # Only differences count: the largest entry, a constant here, is taken off before the division.
        top = lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True))
        below = jnp.where(jnp.isinf(x) & (x == top), 0.0, jnp.maximum(x - top, -1e12))
        y = softmax(below / temperature, axis=axis, where=where)
        if not hard:
            return y
        best = jnp.argmax(y, axis=axis, keepdims=True)
        shown = jnp.where(lax.broadcasted_iota(best.dtype, y.shape, y.ndim + axis) == best, 1.0, 0.0)
        # A row that is masked completely has its "largest" entry among the masked ones.
        return straight_through(masked(jnp.where(jnp.isnan(y), y, shown), where, 0.0), y)

    if noisy:
        return with_noise(jax.random.gumbel, formula)
    return with_noise(lambda key, shape, dtype: 0.0, formula)
