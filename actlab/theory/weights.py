r"""Initial weights that theory asks for: of which variance in the first layer, and in those behind the activation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache

from actlab.activations import Act, make
from actlab.errors import InputError
from actlab.theory.edge import critical, edge
from actlab.theory.gains import gain
from actlab.theory.levels import wide
from actlab.theory.maps import Maps
from actlab.theory.transform import is_transformed

_STEADY = 1 + 1e-9
_LOOSE = 1.25  # Q'(1) of gelu is 1.07, of silu 1.10: deviations from q = 1 grow that much a layer


@dataclasses.dataclass(frozen=True)
class Weights:
    """Standard deviations, times the square root of the fan-in where they are of weights.

    Attributes:
        first: of a layer whose input, of second moment 1, has passed no activation.
        sigma_w: of the others.
        sigma_b: of all biases.
        q: the variance the pre-activations have then.
        note: where this is from, in words.
    """

    first: float
    sigma_w: float
    sigma_b: float
    q: float
    note: str


@lru_cache(maxsize=256)
def he_exact(f: Callable | Act | str) -> Weights:
    r"""Return weights of variance gain^2 / fan-in, the true gain of this activation: pre-activations of variance 1.

    He et al. 2015, arXiv:1502.01852, have it for relu: 2 / fan-in. Of gated functions too. The variance stays 1 if
    the network is wide and plain; whether it comes back to 1 is another matter (`Maps.q_slope`).

    Raises:
        InputError: what `gain` refuses.

    >>> print(f"{he_exact('gelu').sigma_w:.6f}")
    1.533530
    """
    return Weights(1.0, gain(f), 0.0, 1.0, "1 / rms of a unit normal through it")


@lru_cache(maxsize=256)
def critical_weights(f: Callable | Act | str) -> Weights:
    r"""Return the weights on the edge of chaos, where gradients keep their size.

    Without biases if `critical` has such weights at which the variance stays, or falls ever more slowly (relu:
    sqrt 2; tanh: 1). Else, of functions whose variance would grow away from 0, as gelu and silu, at q = 1 with the
    biases that `edge` has there. Of a transformed function 1, by which DKS and TAT are made.

    Raises:
        InputError: what `maps` refuses; there is no such network: with the reason.

    >>> print(critical_weights("tanh").sigma_w, f"{critical_weights('gelu').sigma_b:.4f}")
    1.0 0.2592
    """
    act = f if isinstance(f, Act) else make(f)
    if is_transformed(act):
        return Weights(1.0, 1.0, 0.0, 1.0, "the transform is made for weights of variance 1 / fan-in")
    act = wide(act, "critical")
    found = critical(act)
    if found.sigma_w is not None and found.q_slope <= _STEADY:
        if found.q > 0:
            first = 1.0 if found.q == 1.0 else math.sqrt(found.q)
            return Weights(first, found.sigma_w, 0.0, found.q, found.reason)
        if Maps(act, found.sigma_w, 0.0).q(1.0) <= _STEADY:
            return Weights(1.0, found.sigma_w, 0.0, 1.0, found.reason)
    sigma_w, square = edge(act, 1.0)
    if square >= 0 and Maps(act, sigma_w, math.sqrt(square)).q_slope(1.0) <= _LOOSE:
        room = max(0.0, 1.0 - square)
        return Weights(math.sqrt(room), sigma_w, math.sqrt(square), 1.0, "on the edge of chaos at q = 1")
    reason = found.reason if square < 0 else "what it has, the variance runs away from"
    raise InputError(f"{act.name} has no critical weights: {reason}; he_exact keeps the variance")
