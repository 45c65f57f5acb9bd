r"""Which initial weights an activation needs: signal and gradient followed through the layers of a wide network.

With weights of variance :math:`\sigma^2 / n` and biases of variance :math:`\sigma_b^2` a pre-activation's second
moment follows

.. math:: q_{l+1} = \sigma^2\, E f(\sqrt{q_l} z)^2 + \sigma_b^2,

and the gradient's, going back, is multiplied by :math:`\chi(q) = \sigma^2\, E f'(\sqrt{q} z)^2`. Poole et al. 2016,
arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlab.activations import Act
from actlab.nn.initializers import KERNELS, variances
from actlab.theory.evaluation import value_and_slope

# Weight variance times fan-in, between layers of equal width, of each initialiser that knows no activation.
VARIANCES = {name: told[0] for name in KERNELS if (told := variances(name, 1, 1, 1.0)) is not None}
_PREFERRED = ("he_normal", "lecun_normal", "orthogonal", "torch_default")  # of equal variances the usual one
_Q = np.geomspace(1e-12, 1e12, 97)
_Z = np.arange(-8.9875, 9.0, 0.025)  # midpoints: 0, where most functions have their kink, is an edge
_BELL = np.exp(-0.5 * _Z**2) / np.sqrt(2 * np.pi) * (_Z[1] - _Z[0])


@dataclass(frozen=True)
class Maps:
    """Second moments of f and of f' under a normal of variance q, on a grid of q from 1e-12 to 1e12."""

    value: np.ndarray
    slope: np.ndarray

    def at(self, q: float) -> tuple[float, float]:
        r"""Return :math:`E f(\sqrt q z)^2` and :math:`E f'(\sqrt q z)^2`, to about 1 %."""
        q = np.log(np.clip(q, _Q[0], _Q[-1]))
        return tuple(
            float(np.exp(np.interp(q, np.log(_Q), np.log(np.maximum(m, 1e-300)))))
            for m in (self.value, self.slope)
        )


def maps(act: Act) -> Maps:
    """Return the maps of an elementwise activation. Where it overflows they are inf, as its signal would be."""
    x = np.sqrt(_Q)[:, None] * _Z
    with np.errstate(over="ignore", invalid="ignore"):
        y, slope = value_and_slope(act, x)
        square, rise = (np.minimum(np.nan_to_num(v**2, nan=0.0, posinf=1e300), 1e300) for v in (y, slope))
        return Maps(square @ _BELL, rise @ _BELL)


def follow(found: Maps, init: str, q: float, depth: int, width: int = 0) -> tuple[float, float]:
    """Return by which factor signal and gradient (variances) change over ``depth`` layers, starting at ``q``.

    ``init`` is an initialiser of `VARIANCES`; ``width`` tells the variance of its biases, 0 where they are 0.
    """
    variance, bias = variances(init, width, width, 1.0) if width else (VARIANCES[init], 0.0)
    start, back = q, 1.0
    for _ in range(depth - 1):
        value, slope = found.at(q)
        back = min(back * variance * slope, 1e300)
        q = min(variance * value + bias, 1e30)
    return q / start, back


def fitting(act: Act, depth: int, q: float = 1.0, used: str | None = None, width: int = 0) -> str:
    """Return the initialiser of which signal and gradient of ``act`` stay nearest to constant over ``depth`` layers.

    Nearest by the sum of the absolute logarithms of both. ``q`` is the second moment of the first
    pre-activation under the initialiser ``used``; it scales with the weights of the first layer.

    >>> from actlab import make
    >>> fitting(make("relu"), 10), fitting(make("selu"), 10)
    ('he_normal', 'lecun_normal')
    """
    found = maps(act)

    def cost(name: str) -> float:
        scale = VARIANCES[name] / VARIANCES.get(used or "", 1.0)
        ends = follow(found, name, q * scale, max(depth, 2), width)
        return float(np.sum(np.abs(np.log(np.clip(ends, 1e-300, 1e300)))))

    return min(_PREFERRED, key=cost)
