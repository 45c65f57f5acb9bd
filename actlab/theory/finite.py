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
MOST = 1e70  # of a variance, and one over it the least: fourth powers are taken of its like


@dataclasses.dataclass(frozen=True, eq=False)
class Bands:
    """The maps' prediction with the standard deviation of one network of this width around it; all (depth + 1,).

    Attributes:
        mean: what `Maps.depth` says.
        q_sd: of the mean square over the units, for one input.
        c_sd: of the cosine of two inputs; too narrow of a function that jumps, for inputs nearer than some 1e-8, and
            NaN where a layer makes them alike by more than seven digits.
        gradient_sd: of the gradient's mean square over that at the last layer, relative to its prediction; what comes
            from q straying is left out.
        layers: up to which the first order holds: relative variances of q and gradient below 0.25; that of 1 - c is
            not looked at.
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
    first = float(mean.q[0]) if 1 / MOST < mean.q[0] < MOST else math.nan
    sigma = _products(first, apart[0])
    own = 2 * first**2  # of one input's mean square alone
    variance, cosine, back = [own], [_of_cosine(sigma, apart[0], mean.q[0])], []
    for at, gap, following, after in zip(mean.q, apart, mean.q[1:], apart[1:], strict=False):
        if not (1 / MOST < at < MOST and 1 / MOST < following < MOST and math.isfinite(gap)):
            sigma, own = np.full((2, 2), math.nan), math.nan
        else:
            sigma, own, noise = _step(net, float(at), *_above_rounding(net, at, gap, after), sigma, own)
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
    return float(np.maximum(along @ sigma @ along, 0.0)) if gap else 0.0


def _products(k: float, gap: float) -> np.ndarray:
    """Return the covariance of (S, D / gap) over N normal pairs of variance k and correlation 1 - gap, times N.

    D = S - X is half the mean square of what parts two inputs. It is carried relative to what it should be, since of
    inputs that grow alike it is lost beside S.
    """
    x = k * (1.0 - gap)
    return np.array([[k * k + x * x, k * k * gap], [k * k * gap, 2 * k * k]])


def _above_rounding(net: Maps, q: float, gap: float, after: float) -> tuple[float, float]:
    """Return ``gap``, 1 - c, and what a layer makes of it, ``after``; the next larger if rounding hides that.

    ``after`` is NaN where it is hidden of any.
    """
    while gap < 0.5 and (after < 1e-6 or gap * after < 1e-13):
        gap = min(max(10 * gap, 1e-8), 0.5)
        after = 1.0 - float(net.depth(1, q, 1.0 - gap).c[1])
    return gap, after if after > 1e-7 else math.nan


def _step(
    net: Maps, q: float, gap: float, after: float, sigma: np.ndarray, own: float
) -> tuple[np.ndarray, float, float]:
    """Return N times the covariance of (S, D / after) and one S's variance behind a layer, and the gradient's noise.

    Inputs are ``gap`` apart, and ``after`` behind it; ``sigma`` is of (S, D / gap).
    """
    k = 1.0 if net.norm else q
    found = _moments(net.act, k, 1.0 - gap)
    square, slope, slope_fourth, fourth, by_square, by_value = found[:6]
    keep = 1.0 - net.dropout
    s, weight = net.shortcut, net.branch**2 * net.sigma_w**2
    bias = net.branch**2 * net.sigma_b**2
    b = weight * square / keep + bias

    # One input: what f^2 has that h^2 does not tell. Normalising divides by what h^2 is.
    rise = (by_square - square * k) / (2 * k * k)
    rest = fourth - square**2 - 2 * k * k * rise**2
    if net.norm == "layer":  # nor what the mean of h tells
        rest -= by_value**2 / k
    turn = s**2 + (0.0 if net.norm else weight * rise / keep)
    new = turn**2 * own + (weight / keep) ** 2 * rest + 2 * b * b + 4 * s * s * q * b
    branch = weight * slope / keep / (q if net.norm else 1.0)
    chi = s**2 + branch
    noise = (
        (branch**2 * (3 * slope_fourth / slope**2 - 1) + 4 * s * s * branch) / chi**2 if slope else math.nan
    )

    # Two: u = (f^2 + f'^2) / 2 and e = (f - f')^2 / 2, of which differences are taken while they are large enough.
    both, across, cross, u_s, u_x, v_s, v_x = found[6:]
    x = k * (1.0 - gap)
    m = _products(k, gap)
    u_u, u_v, v_v = 0.5 * (fourth + both) - square**2, cross - square * across, both - across**2
    p = np.array([[u_u, u_u - u_v], [u_u - u_v, u_u - 2 * u_v + v_v]])
    u_s, u_x = 0.5 * (by_square + u_s) - square * k, u_x - square * x
    v_s, v_x = v_s - across * k, v_x - across * x
    pm = np.array([[u_s, (u_s - u_x) / gap], [u_s - v_s, (u_s - u_x - v_s + v_x) / gap]])
    dropped = np.array([[1 / keep, 0.0], [1 / keep - 1.0, 1.0]])  # of two inputs each has masks of its own
    p, pm = dropped @ p @ dropped.T, dropped @ pm
    g = pm @ np.linalg.pinv(m, 1e-14)  # of opposite inputs S tells D
    left = p - g @ m @ g.T
    if net.norm:  # only the correlation passes: d kappa / dc times (dX - c dS) / q
        g = np.array([[0.0, 0.0], [-g[1, 1], g[1, 1]]]) / q
    turn = s**2 * np.diag([1.0, gap]) + weight * g
    y, z, parted = weight * across + bias, (1.0 - gap) * q, weight * (square / keep - across)
    drawn = np.array([[b * b + y * y, parted**2], [parted**2, 2 * parted**2]])
    mixed = np.array([[q * b + z * y, q * gap * parted], [q * gap * parted, 2 * q * gap * parted]])
    absolute = turn @ sigma @ turn.T + weight**2 * left + drawn + 2 * s * s * mixed
    relative = np.diag([1.0, 1.0 / after])
    return relative @ absolute @ relative, new, noise


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
