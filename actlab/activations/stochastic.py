r"""Random functions: noise enters before or after the nonlinearity, and gradients pass around it.

Each takes a ``key`` of `jax.random`; without one it is the deterministic form that its docstring states, and
that is what its spec describes. The noise is reparametrised: drawn from a fixed distribution, shifted and scaled
by differentiable operations. Only ``x``, the key and the parameters are kept for the backward pass, where the
noise is drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.rectified import leaky_relu, relu
from actlab.activations.smooth import softplus
from actlab.activations.spec import NONNEGATIVE, REALS, Kink, activation
from actlab.gradients import as_real, keep_input, narrow, widen
from actlab.gradients.precision import align


def with_noise(draw: Callable[..., Array], formula: Callable[..., Array]) -> Callable[..., Array]:
    """Return ``f(key, x, *params)`` = ``formula(x, noise, *params)`` in float32 or float64, rounded once.

    ``draw(key, shape, dtype)`` gives the noise. What the backward pass keeps are the arguments of ``f``. A
    mask, ``where``, is handed to ``formula`` as the booleans it is.
    """

    def sample(key: Array, x: Array, where: Array | None, *params: Array) -> Array:
        wide, *params = widen(x, *params)
        mask = {} if where is None else {"where": where}
        return narrow(formula(wide, draw(key, wide.shape, wide.dtype), *params, **mask), x)

    kept = jax.jit(jax.checkpoint(sample, prevent_cse=False), inline=True)

    def f(key: Array, x: ArrayLike, *params: ArrayLike, where: Array | None = None) -> Array:
        x = as_real(x)
        return kept(key, x, where, *(align(p, x) for p in params))

    return f


@jax.custom_jvp
def straight_through(value: Array, surrogate: Array) -> Array:
    """Return ``value`` exactly, with the derivatives of ``surrogate``."""
    return value


@straight_through.defjvp
def _straight_through_jvp(primals, tangents):
    return straight_through(*primals), tangents[1]


def _rrelu_slope(p):
    return 0.5 * (p["lower"] + p["upper"])


@activation(
    family="stochastic",
    formula="where(x>=0,x,(lower+upper)/2*x)",
    parameters={
        "lower": (NONNEGATIVE, "least slope left of 0"),
        "upper": (NONNEGATIVE, "largest slope left of 0"),
    },
    range=lambda p: REALS if _rrelu_slope(p) > 0 else NONNEGATIVE,
    monotonic=True,
    smoothness=lambda p: "Cinf" if _rrelu_slope(p) == 1 else "C0",
    kinks=lambda p: () if _rrelu_slope(p) == 1 else (Kink(0.0, _rrelu_slope(p), 1.0, 1.0),),
    lipschitz=lambda p: max(1.0, _rrelu_slope(p)),
    limits=lambda p: (-math.inf if _rrelu_slope(p) > 0 else 0.0, math.inf),
    keeps="output",
    requires=lambda p: (
        ""
        if p["lower"] <= p["upper"]
        else f"lower must not be above upper, got {p['lower']!r} and {p['upper']!r}"
    ),
    reference="Xu, Wang, Chen, Li 2015, arXiv:1505.00853",
    stochastic=True,
    peers={"torch": "torch.nn.functional.rrelu"},
    differs="torch takes the left derivative at 0",
)
def rrelu(
    x: ArrayLike,
    *,
    lower: ArrayLike = 0.125,
    upper: ArrayLike = 0.3333333333333333,
    key: Array | None = None,
) -> Array:
    r"""Randomised leaky rectifier: the slope left of 0 is drawn for every entry.

    .. math:: f(x) = x \text{ if } x \ge 0 \text{ else } a\,x, \qquad a \sim U(\mathrm{lower}, \mathrm{upper})

    Without a key the slope is the mean, (lower + upper) / 2: range all reals, kink at 0 where the derivative
    is 1, 1-Lipschitz for slopes up to 1.

    Args:
        x: real array.
        lower: least slope, not negative.
        upper: largest slope, not below lower.
        key: of `jax.random`; None for the mean slope.

    Xu, Wang, Chen, Li 2015, arXiv:1505.00853.

    >>> print(f"{rrelu(-24.0):.1f}")
    -5.5
    """
    if key is not None:
        return _rrelu(key, x, lower, upper)
    if not isinstance(lower, (int, float)) or not isinstance(upper, (int, float)):
        x = as_real(x)
        lower, upper = widen(x, align(lower, x), align(upper, x))[1:]
    return leaky_relu(x, negative_slope=0.5 * (lower + upper))


def _rrelu_formula(x: Array, u: Array, lower: Array, upper: Array) -> Array:
    return leaky_relu(x, negative_slope=lower + (upper - lower) * u)


_rrelu = with_noise(jax.random.uniform, _rrelu_formula)


@activation(
    family="stochastic",
    formula="max(0,x)",
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(0.0, 0.0, 1.0, 0.0),),
    lipschitz=1.0,
    limits=(0.0, math.inf),
    keeps="output",
    reference="Nair, Hinton 2010, ICML",
    stochastic=True,
)
def noisy_relu(x: ArrayLike, *, key: Array | None = None) -> Array:
    r"""Noisy rectifier (NReLU): a rectifier of x with normal noise of variance sigmoid(x).

    .. math:: f(x) = \max(0, x + \sqrt{\sigma(x)}\,\varepsilon), \qquad \varepsilon \sim N(0, 1)

    One sample of it approximates the sum of infinitely many binary units with shifted biases. The noise fades for
    units that are off. Range [0, inf). Without a key: `relu`. Some libraries use the batch's standard deviation.

    Args:
        x: real array.
        key: of `jax.random`; None for relu.

    Nair, Hinton 2010, Rectified linear units improve restricted Boltzmann machines, ICML.

    >>> print(noisy_relu(2.0))
    2.0
    """
    return relu(x) if key is None else _noisy_relu(key, x)


def _noisy_relu_formula(x: Array, noise: Array) -> Array:
    # exp(-softplus(-x) / 2), unlike sqrt(sigmoid(x)), has a finite derivative where it is flushed to 0.
    return relu(x + jnp.exp(-0.5 * softplus(-x)) * noise)


_noisy_relu = with_noise(jax.random.normal, _noisy_relu_formula)


@activation(
    family="stochastic",
    formula="max(0,x)",
    parameters={"sigma": (NONNEGATIVE, "standard deviation of the noise")},
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(0.0, 0.0, 1.0, 0.0),),
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Shridhar et al. 2019, arXiv:1905.10761",
    stochastic=True,
)
def prob_act(x: ArrayLike, *, sigma: ArrayLike = 1.0, key: Array | None = None) -> Array:
    r"""ProbAct: a rectifier with normal noise added to its output.

    .. math:: f(x) = \max(0, x) + \sigma\,\varepsilon, \qquad \varepsilon \sim N(0, 1)

    With a key its values are all reals. Without one it is the mean, `relu`. sigma may be learnt.

    Args:
        x: real array.
        sigma: standard deviation of the noise, not negative.
        key: of `jax.random`; None for relu.

    Shridhar, Lee, Hayashi, Mehta, Iwana, Kang, Uchida, Ahmed, Dengel 2019, arXiv:1905.10761.

    >>> print(prob_act(2.0))
    2.0
    """
    return _prob_act_mean(x, sigma) if key is None else _prob_act(key, x, sigma)


def _relu_slope(x: Array, sigma: Array) -> Array:
    return jnp.where(x > 0, 1.0, jnp.where(x <= 0, 0.0, lax.stop_gradient(x)))


_prob_act_mean = keep_input(
    lambda x, sigma: jnp.maximum(x, 0.0), _relu_slope, lambda x, sigma: jnp.zeros_like(x)
)
_prob_act = with_noise(jax.random.normal, lambda x, noise, sigma: relu(x) + sigma * noise)
