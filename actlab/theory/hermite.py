r"""An activation as a sum of Hermite polynomials, and what is dead before training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.evaluation import value_and_slope
from actlab.theory.levels import mesh_to, refuse_rough, wide

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_END = 20.0


def hermite(f: Callable | Act | str, n: int = 16, q: float = 1.0) -> np.ndarray:
    r"""Return the coefficients :math:`a_k = E f(\sqrt q z)\, he_k(z)`, k = 0, ..., n - 1, float64.

    With the normalised polynomials :math:`he_k = He_k / \sqrt{k!}`, so that :math:`E f(x) f(y) = \sum a_k^2 c^k`: the
    correlation map is this power series over its value at 1. About 1e-13; n up to 128.

    Raises:
        InputError: what `maps` refuses; n outside 1, ..., 128; q not positive.

    >>> import actlab
    >>> [round(abs(float(a)), 9) for a in hermite(actlab.square, 4)]
    [1.0, 0.0, 1.414213562, 0.0]
    """
    act = wide(f, "hermite")
    if not isinstance(n, (int, np.integer)) or not 1 <= n <= 128:
        raise InputError(f"hermite: n must be a whole number from 1 to 128, got {n!r}")
    if not (isinstance(q, (int, float, np.number)) and 0 < q < math.inf):
        raise InputError(f"hermite: q must be positive and finite, got {q!r}")
    sd = math.sqrt(q)
    refuse_rough(act, sd, "hermite")
    cuts = mesh_to(act, 12 * sd).edges / sd
    ends = np.union1d(np.arange(-_END, _END + 0.5), cuts[np.abs(cuts) < _END])
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    z = (middle[:, None] + half[:, None] * _NODES).ravel()
    y, _ = value_and_slope(act, sd * z)
    # The root of the bell with each factor: neither overflows.
    root = np.exp(-0.25 * z * z) * (2 * math.pi) ** -0.25
    weighed = y * root * (half[:, None] * _WEIGHTS).ravel()
    found, last, this = [], np.zeros_like(z), root
    for k in range(n):
        found.append(float(weighed @ this))
        last, this = this, (z * this - math.sqrt(k) * last) / math.sqrt(k + 1)
    return np.array(found)


def born_dead(f: Callable | Act | str, widths: Sequence[int]) -> float:
    r"""Return the probability that a network is dead at its first step: that some layer has every unit at rest.

    .. math:: 1 - \prod_l (1 - 2^{-N_l})

    for functions that are 0 on all of the left half-line, symmetric weights and no biases; exact for one input over
    all hidden layers, an upper bound for the inputs of a whole region. A network of one input dimension seen on both
    sides of 0 cannot die in its first hidden layer: leave that out. Any other function has no rest: 0.
    Lu, Shin, Su, Karniadakis 2020, arXiv:1903.06733; Rister and Rubin 2017, arXiv:1612.00387.

    Args:
        f: elementwise.
        widths: N of each hidden layer.

    Raises:
        InputError: what `maps` refuses; widths that are no whole numbers from 1 up.

    >>> import actlab
    >>> print(f"{born_dead(actlab.relu, [2, 2]):.4f}")
    0.4375
    """
    act = wide(f, "born_dead")
    widths = list(widths) if isinstance(widths, (Sequence, np.ndarray)) else [widths]
    if not widths or any(not isinstance(w, (int, np.integer)) or w < 1 for w in widths):
        raise InputError(
            f"born_dead: widths must be whole numbers from 1 up, one a hidden layer, got {widths!r}"
        )
    y, _ = value_and_slope(act, -np.geomspace(1e-12, 1e6, 256))
    if (y != 0).any():
        return 0.0
    return float(-np.expm1(np.sum(np.log1p(-(0.5 ** np.asarray(widths, float))))))
