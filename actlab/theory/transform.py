r"""Deep Kernel Shaping and Tailored Activation Transformation: an activation rescaled so that a deep net trains.

.. math:: \hat f(x) = \gamma\, (f(\alpha x + \beta) + \delta)

chosen so that, of a unit normal input, the variance is kept, Q(1) = 1, stays near 1, Q'(1) = 1, and

- DKS: C(0) = 0 and C'(1) such that no part of the network has a slope above zeta;
- TAT, smooth f: C'(1) = 1 and C''(1) such that no part of the network has a curvature above tau;
- TAT, two half-lines (relu and its kin): leaky relu whose slope brings C(0) of the network to eta, and
  gamma = sqrt(2 / (1 + slope^2)).

Martens et al. 2021, arXiv:2110.01765; Zhang, Botev, Martens 2022, arXiv:2203.08120.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations import Act, make
from actlab.errors import InputError, suggest
from actlab.theory.closed import closed
from actlab.theory.evaluation import value_and_slope
from actlab.theory.levels import wide
from actlab.theory.maps import bisect
from actlab.theory.mesh import mesh
from actlab.theory.networks import Network, Plain
from actlab.theory.rescaling import GOOD, REACH, rescale

_SHIFTS, _SCALES = (0.0, 1.0, -1.0), (1.0, 0.1)  # where dks starts, which decides between solutions
_TRIES = 50
_PROBES = (1e-3, 0.07, 1.0, 2.5, 6.1, 40.0, 1e3)
_RELU_DKS = math.pi / (math.pi - 1)  # C'(1) of relu with its mean taken away


@dataclasses.dataclass(frozen=True)
class Transform:
    """An activation's transform; call it, or hand `act` to a model.

    Attributes:
        of: what is transformed; of relu's kin under TAT the leaky relu that was chosen.
        method: ``"tat"`` or ``"dks"``.
        input_scale: alpha.
        input_shift: beta.
        output_shift: delta.
        output_scale: gamma.
        target: what one layer has to reach: C'(1) of DKS, C''(1) of TAT, C(0) of the network of TAT with half-lines.
        note: ``""``, or where the target was out of reach what was done instead.
    """

    of: Act
    method: str
    input_scale: float
    input_shift: float
    output_shift: float
    output_scale: float
    target: float
    note: str = ""

    def __call__(self, x: ArrayLike) -> Array:
        """Return the transformed function at x."""
        return self.act(x)

    @property
    def act(self) -> Act:
        """The transformed function as an `Act`."""
        names = ("input_scale", "input_shift", "output_shift", "output_scale")
        params = (("of", self.of), *((name, getattr(self, name)) for name in names))
        return Act(_transformed, f"{self.method}:{self.of.name}", params)


def is_transformed(act: Act) -> bool:
    """Tell whether an `Act` is one that `transform` made."""
    return act.fn is _transformed


def _transformed(x, *, of, input_scale, input_shift, output_shift, output_scale):
    return (of(x * input_scale + input_shift) + output_shift) * output_scale


def transform(
    f: Callable | Act | str,
    method: str = "tat",
    network: int | Network = 50,
    *,
    zeta: float = 1.5,
    tau: float = 0.3,
    eta: float = 0.9,
    q_slope: float = 1.0,
) -> Transform:
    """Return the transform of an activation for a network: DKS or TAT.

    Of several solutions it is the one to which Newton's method leads from the first of dks' starts. Input scales
    are positive; of an odd f, of which -t(-x) is as good as t(x), input shifts are, too.

    Args:
        f: elementwise; TAT takes smooth functions and two half-lines that meet in 0, as relu, leaky relu, abs.
        method: ``"tat"`` or ``"dks"``.
        network: the depth of a plain network, `Plain`, `Residual`, or your own function of (x, r).
        zeta: DKS: the network's largest slope C'(1), above 1.
        tau: TAT, smooth: the network's largest curvature C''(1), positive.
        eta: TAT, half-lines: the network's C(0), in (0, 1).
        q_slope: DKS: Q'(1).

    Raises:
        InputError: what `maps` refuses; a function whose kink makes C''(1) infinite under TAT; no solution found.

    >>> import actlab
    >>> t = transform(actlab.relu, "tat", network=50)
    >>> print(f"{dict(t.of.params)['negative_slope']:.3f} {t.output_scale:.4f}")
    0.431 1.2989
    """
    act = wide(f, "transform")
    if method not in ("tat", "dks"):
        raise InputError(f"transform: method={method!r}{suggest(str(method), ['tat', 'dks'])}")
    net = Plain(network) if isinstance(network, (int, np.integer)) else network
    if not callable(net):
        raise InputError(
            f"transform: network is a depth, Plain, Residual or a function of (x, r), got {network!r}"
        )
    for name, value, low, high in (
        ("zeta", zeta, 1.0, math.inf),
        ("tau", tau, 0.0, math.inf),
        ("eta", eta, 0.0, 1.0),
        ("q_slope", q_slope, 0.0, math.inf),
    ):
        if not (isinstance(value, (int, float, np.number)) and low < value < high):
            raise InputError(f"transform: {name} must lie between {low:g} and {high:g}, got {value!r}")
    lines = half_lines(act)
    if lines and lines[0] == lines[1]:
        raise InputError(f"transform: {act.name} is linear: no scale and shift bend it")
    if method == "tat":
        return _tat_half_lines(net, eta) if lines else _tat(act, layer_target(net, method, tau=tau))
    slope = layer_target(net, method, zeta=zeta)
    if not lines:
        return _dks(act, slope, q_slope)
    if lines[0] == 0:
        return _dks(make("relu"), slope, None)
    if q_slope != 1:
        raise InputError(
            f"transform: DKS of {act.name}, two half-lines, solves for their slopes and has Q'(1) = 1: leave "
            "q_slope out"
        )
    return _dks_leaky(slope)


def half_lines(act: Act) -> tuple[float, float] | None:
    """Return the slopes left and right of 0 of a function that is linear on both sides, 0 at 0, and rises at last."""
    x = np.array([0.0, *_PROBES, *(-v for v in _PROBES)])
    y, _ = value_and_slope(act, x)
    right, left = (y[1:] / x[1:]).reshape(2, -1)
    if y[0] != 0 or right[0] <= 0 or any(np.ptp(v) > 1e-13 * np.max(np.abs(v)) for v in (left, right)):
        return None
    return float(left[0]), float(right[0])


def layer_target(net: Network, method: str, *, zeta: float = 1.5, tau: float = 0.3) -> float:
    """Return what each layer of a network may have: C'(1) of DKS, C''(1) of TAT with a smooth function."""
    if method == "dks":
        return _layer(lambda s: net(1.0, lambda y: (1 + s) * y) - 1, zeta - 1) + 1
    return _layer(lambda s: net(0.0, lambda y: s + y), tau)


def _layer(whole: Callable[[float], float], target: float) -> float:
    """Return what one layer may have so that an increasing function of it, 0 at 0, comes to the target."""
    high = target
    while whole(high) < target:  # a weak shortcut can weigh a layer less than 1
        high *= 2
        if high > 1e6 * max(1.0, target):
            raise InputError("transform: the network passes on nothing of what its layers do")
    return bisect(lambda s: whole(s) - target, 0.0, high)


def _tat_half_lines(net: Network, eta: float) -> Transform:
    def c0(slope: float) -> float:
        kernel = closed(make("leaky_relu", negative_slope=slope))
        size = 0.5 * (1 + slope**2)
        return net(0.0, lambda c: float(kernel(1.0, 1.0, c)[0]) / size)

    most, note = c0(0.0), ""
    if most <= eta:
        slope = 0.0
        if most < eta:
            note = f"C(0) of this network is {most:.4g} with relu itself, below eta={eta:g}: relu it is"
    else:
        slope = bisect(lambda s: c0(s) - eta, 0.0, 1.0)
    act = make("leaky_relu", negative_slope=slope)
    return Transform(act, "tat", 1.0, 0.0, 0.0, math.sqrt(2 / (1 + slope**2)), c0(slope), note)


def _dks_leaky(target: float) -> Transform:
    # With beta = 0, Q'(1) = Q(1); C'(1) = E f'^2 / Var f = target is k (1 + a^2) = (1 - a)^2 for the slope a.
    k = math.pi * (target - 1) / target
    note = ""
    if k > 2:
        most = math.pi / (math.pi - 2)
        note = f"C'(1) = {target:.4g} of a layer is more than two half-lines have, {most:.4g}: |x| it is"
        k = 2.0
    slope = (1 - k) / (1 + math.sqrt(1 - (1 - k) ** 2))
    mean, square = (1 - slope) / math.sqrt(2 * math.pi), 0.5 * (1 + slope**2)
    gamma = (square - mean**2) ** -0.5
    return Transform(make("leaky_relu", negative_slope=slope), "dks", 1.0, 0.0, -mean, gamma, target, note)


def _dks(act: Act, target: float, q_slope: float | None) -> Transform:
    if q_slope is not None:
        return _solved(act, "dks", target, q_slope, [_SCALES, _SHIFTS], ([0.0, -3.0], [2.0, 3.0]))
    # relu: (alpha, beta) and any multiple are one function, so that Q'(1) cannot be chosen
    beta = 1.0 if target < _RELU_DKS else -1.0
    found = _solved(act, "scale", target, beta, [_SCALES], ([0.0], [2.0]))
    note = "Q'(1) is not chosen: relu has one number less to choose"
    return dataclasses.replace(found, method="dks", note=note)


def _tat(act: Act, target: float) -> Transform:
    if kinks := mesh(act, REACH).kinks:
        raise InputError(
            f"transform: the slope of {act.name} jumps at {kinks[0]:g}, which makes C''(1) infinite: "
            "TAT is for smooth functions and for two half-lines, as relu; method='dks' may have a solution"
        )
    bounds = ([0.0, -3.0, -3.0], [2.0, 3.0, 3.0])
    return _solved(act, "tat", target, 1.0, [_SCALES, _SHIFTS, _SHIFTS], bounds)


def _solved(act: Act, method: str, target: float, given: float, starts: list, bounds: tuple) -> Transform:
    """Return the first solution that fits, from the starts dks has, then from random ones."""
    random = np.random.default_rng(0)
    tries = list(itertools.product(*starts))
    tries += [tuple(random.uniform(*bounds)) for _ in range(_TRIES - len(tries))]
    found = rescale(act, method, np.array(tries), np.array([target]), given)
    if not found.off[0] < GOOD:
        if found.steep[0]:
            raise InputError(
                f"transform: what reaches the target with {act.name} has alpha gamma of 2 or more, of which the "
                "variance runs away from 1; method='dks' may have a solution"
            )
        raise InputError(
            f"transform: no scale and shift of {act.name} reach the target from {_TRIES} starts: "
            "none is known for this function, network and target"
        )
    alpha, beta, delta, gamma = map(float, found.numbers[0])
    if beta < 0 and _odd(act):  # a start at shift 0 leads to either, as rounding will have it
        beta, delta = -beta, -delta
    return Transform(act, method, alpha, beta, delta, gamma, target)


def _odd(act: Act) -> bool:
    x = np.array(_PROBES)
    y, _ = value_and_slope(act, np.stack([x, -x]))
    return bool(np.all(y[0] == -y[1]))
