r"""What width does: how far one network of finite width strays from the maps, to first order in depth / width.

The mean squares of two inputs' pre-activations, :math:`S` their mean, and their product's mean :math:`X`, taken over
the N units of a layer, make a random walk around the maps. Given a layer, its units' h are normal, of (S, X); what
their means of :math:`f(h)^2` and :math:`f(h) f(h')` have beyond that, and the next weights' own draw, is noise of
order 1 / N,

.. math::
    \Sigma_{l+1} = J \Sigma_l J^T + \tfrac1N \big( a^4 \sigma_w^4 (\operatorname{Cov}(p, p) -
    G \operatorname{Cov}(m, m)\, G^T) + \operatorname{Cov}_W \big), \quad
    G = \operatorname{Cov}(p, m) \operatorname{Cov}(m, m)^{-1},

p the products of f, m those of h, J the maps' slopes. The gradient's mean square gathers
:math:`3 E f'^4 / (E f'^2)^2 - 1` over N a layer, weights independent on the way back. Relu at its critical
weights: :math:`\operatorname{Var} q / q^2 = (5 l + 2) / N`. With skips, what one layer's units have of f beyond h
they partly keep in the next, which is left out: there the bands can be some 15 % too narrow. Hanin and Rolnick 2018,
arXiv:1803.01719; Roberts, Yaida, Hanin 2022, arXiv:2106.10165.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.gaussian import exactly, expect, expect_pair
from actlab.theory.levels import _REACH, padded
from actlab.theory.maps import Depths, Maps
from actlab.theory.mesh import mesh

RANGE = 0.25  # relative variance up to which the first order holds: relu's is then 12 % too small
APART = 1e-4  # of 1 - c: inputs nearer to one another are looked at as if so far apart, their distance being relative
MOST = 1e70  # of a variance: fourth powers are taken of its like
LOST = 1e-7  # of 1 - c: below it their distance's noise is lost beside the rounding of what it is a difference of


@dataclasses.dataclass(frozen=True, eq=False)
class Bands:
    """The maps' prediction with the standard deviation of one network of this width around it; all (depth + 1,).

    Attributes:
        mean: what `Maps.depth` says.
        q_sd: of the mean square over the units, for one input.
        c_sd: of the cosine of two inputs.
        gradient_sd: of the gradient's mean square over that at the last layer, relative to its prediction; what comes
            from q straying is left out.
        layers: up to which the first order holds: relative variances of q and gradient below 0.25.
    """

    mean: Depths
    q_sd: np.ndarray
    c_sd: np.ndarray
    gradient_sd: np.ndarray
    layers: int


def bands(net: Maps, width: int, depth: int, q: float = 1.0, c: float = 0.5) -> Bands:
    """Return what one network of this width makes of two inputs: `Maps.depth`, and how far it strays.

    First order in depth / width; ``layers`` says how deep that holds. Dropout's own noise is not in it.

    Args:
        net: made by `maps`.
        width: N, units of every layer, from 2 up.
        depth: layers.
        q: variance of the first pre-activations.
        c: their correlation.

    Raises:
        InputError: width below 2; what `Maps.depth` refuses.

    >>> from actlab.theory import maps
    >>> found = bands(maps("relu", 2**0.5), width=100, depth=10)
    >>> print(f"{found.q_sd[10] ** 2:.4f} {found.layers}")
    0.5200 4
    """
    if not isinstance(width, (int, np.integer)) or width < 2:
        raise InputError(f"bands: width must be a whole number from 2 up, got {width!r}")
    mean = net.depth(depth, q, c)
    apart = 1.0 - mean.c
    begin = max(apart[0], APART)
    sigma = _relative(_products(mean.q[0], (1.0 - begin) * mean.q[0]), begin)
    own = 2 * mean.q[0] ** 2  # of one input's mean square alone
    variance, cosine, back = [own], [_of_cosine(sigma, apart[0], mean.q[0])], []
    for at, gap, following, after in zip(mean.q, apart, mean.q[1:], apart[1:], strict=False):
        if not (0 < at < MOST and following < MOST and math.isfinite(gap)):
            sigma, own = np.full((2, 2), math.nan), math.nan
        else:
            behind = after if gap >= APART else 1.0 - net.depth(1, at, 1.0 - APART).c[1]
            sigma, own, noise = _step(net, float(at), max(float(gap), APART), float(behind), sigma, own)
            back.append(noise)
        variance.append(own)
        cosine.append(_of_cosine(sigma, after, following))
    back += [math.nan] * (depth - len(back))
    gradient = np.append(np.cumsum(back[::-1])[::-1], 0.0) / width
    variance, cosine = np.array(variance) / width, np.array(cosine) / width
    relative = (np.sqrt(variance) / mean.q) ** 2
    good = (relative < RANGE) & (gradient[0] - gradient < RANGE)
    layers = int(depth if good.all() else np.argmin(good) - 1)
    return Bands(mean, np.sqrt(variance), np.sqrt(cosine), np.sqrt(gradient), max(layers, 0))


def _of_cosine(sigma: np.ndarray, gap: float, q: float) -> float:
    along = np.array([1.0, -1.0]) * gap / q
    return max(float(along @ sigma @ along), 0.0)


def _relative(sigma: np.ndarray, gap: float) -> np.ndarray:
    """Return the covariance of (S, D / (1 - c)), D = S - X, from that of (S, X): of near inputs X loses D."""
    if gap < LOST:
        return np.diag([sigma[0, 0], 0.0])
    turn = np.array([[1.0, 0.0], [1.0 / gap, -1.0 / gap]])
    return turn @ sigma @ turn.T


def _absolute(sigma: np.ndarray, gap: float) -> np.ndarray:
    turn = np.array([[1.0, 0.0], [1.0, -gap]])
    return turn @ sigma @ turn.T


def _products(k: float, x: float) -> np.ndarray:
    """Return the covariance of (S, X) over N normal pairs of variance k and covariance x, times N."""
    return np.array([[k * k + x * x, 2 * k * x], [2 * k * x, k * k + x * x]])


def _step(
    net: Maps, q: float, gap: float, behind: float, sigma: np.ndarray, own: float
) -> tuple[np.ndarray, float, float]:
    """Return N times `_relative` and the variance of one S behind a layer, and the gradient's noise."""
    k = 1.0 if net.norm else q
    c, sigma = 1.0 - gap, _absolute(sigma, gap)
    found = _moments(net.act, k, c)
    square, slope, slope_fourth, fourth, by_square, by_value = found[:6]
    s, weight = net.shortcut, net.branch**2 * net.sigma_w**2
    bias = net.branch**2 * net.sigma_b**2
    b = weight * square + bias

    # One input: what f^2 has that h^2 does not tell. Normalising divides by what h^2 is.
    rise = (by_square - square * k) / (2 * k * k)
    rest = fourth - square**2 - 2 * k * k * rise**2
    if net.norm == "layer":  # nor what the mean of h tells
        rest -= by_value**2 / k
    turn = s**2 + (0.0 if net.norm else weight * rise)
    new = turn**2 * own + weight**2 * rest + 2 * b * b + 4 * s * s * q * b
    branch = weight * slope / (q if net.norm else 1.0)
    chi = s**2 + branch
    noise = (
        (branch**2 * (3 * slope_fourth / slope**2 - 1) + 4 * s * s * branch) / chi**2 if slope else math.nan
    )
    both, across, cross, p_s, p_x, x_s, x_x = found[6:]
    x = c * k
    m = _products(k, x)
    p = np.array(
        [
            [0.5 * (fourth + both) - square**2, cross - square * across],
            [cross - square * across, both - across**2],
        ]
    )
    pm = np.array(
        [
            [0.5 * (by_square + p_s) - square * k, p_x - square * x],
            [x_s - across * k, x_x - across * x],
        ]
    )
    g = pm @ np.linalg.pinv(m, 1e-14)  # of opposite inputs S tells X
    left = p - g @ m @ g.T
    if net.norm:  # only the correlation passes: d kappa / dc times (dX - c dS) / q
        turn = s**2 * np.eye(2) + weight * np.array([[0.0, 0.0], [-c * g[1, 1], g[1, 1]]]) / q
    else:
        turn = s**2 * np.eye(2) + weight * g
    y, z = weight * across + bias, c * q
    mixed = 2 * s * s * np.array([[q * b + z * y, q * y + z * b], [q * y + z * b, q * b + z * y]])
    after = turn @ sigma @ turn.T + weight**2 * left + _products(b, y) + mixed
    return _relative(after, behind), new, noise


def _moments(act: Act, k: float, c: float) -> np.ndarray:
    sd = math.sqrt(k)
    known = mesh(act, next((r for r in _REACH if r >= 12 * sd), _REACH[-1]))
    near = known.edges[np.abs(known.edges) <= 12 * sd]
    return exactly(_all, act, padded(near), np.array(known.kinks), sd, c)


@partial(jax.jit, static_argnums=0)
def _all(act: Act, edges: Array, kinks: Array, sd: Array, c: Array) -> Array:
    def one(x: Array) -> Array:
        y, slope = jax.jvp(act, (x,), (jnp.ones_like(x),))
        return jnp.stack([y**2, slope**2, slope**4, y**4, y**2 * x**2, y**2 * x])

    def first(x: Array) -> Array:
        y = act(x)
        return jnp.stack([y**2, y, y**3, y**2, y**2 * x, y * x**2, y * x])

    def second(x: Array) -> Array:
        y = act(x)
        return jnp.stack([y**2, y, y, x**2, x, y, y * x])

    pairs = expect_pair(first, second, c, (sd, sd), edges, kinks)
    return jnp.concatenate([expect(one, sd, 0.0, edges), pairs])
