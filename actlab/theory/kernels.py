r"""Kernels of infinitely wide networks: as Gaussian processes at their first step (NNGP), and in training (NTK).

.. math::
    \Sigma^0 = \sigma_w^2\, X X^T / d + \sigma_b^2, \qquad \Theta^0 = \Sigma^0, \\
    \Sigma^{l+1} = \sigma_w^2\, E f(x) f(y) + \sigma_b^2, \qquad
    \Theta^{l+1} = \Sigma^{l+1} + \sigma_w^2\, E f'(x) f'(y)\; \Theta^l,

with x, y normal of covariance :math:`\Sigma^l`. The NTK is in the parametrisation that divides by the square root of
the fan-in. Lee et al. 2018, arXiv:1711.00165; Jacot, Gabriel, Hongler 2018, arXiv:1806.07572.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.closed import closed
from actlab.theory.levels import levels, pair, wide
from actlab.theory.maps import check_sigmas

_MOST = 4_096  # pairs by quadrature: some 5 ms each


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What an activation makes of covariances; made by `kernel`, which checks.

    Attributes:
        act: elementwise.
        exact: whether there is a closed form; else every entry is a quadrature.
    """

    act: Act
    exact: bool

    def step(self, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return E f(x) f(y) and E f'(x) f'(y) for every pair of n numbers with this covariance, both (n, n).

        Raises:
            InputError: not a covariance; too many pairs for a function without closed form.
        """
        cov = np.asarray(covariance, float)
        variance = _variances(cov)
        if self.exact:
            return tuple(np.asarray(v) for v in closed(self.act)(variance[:, None], variance[None, :], cov))
        n = len(cov)
        if n * (n - 1) // 2 > _MOST:
            raise InputError(
                f"kernel: {n} inputs are {n * (n - 1) // 2} pairs, and {self.act.name} has no closed form: "
                f"at most {_MOST}"
            )
        sd = np.sqrt(variance)
        own = levels(self.act, sd)
        value, slope = np.diag(own.square), np.diag(own.slope_square)
        for i in range(n):
            for j in range(i):
                c = min(1.0, max(-1.0, cov[i, j] / (sd[i] * sd[j])))
                value[i, j], slope[i, j] = value[j, i], slope[j, i] = pair(self.act, c, (sd[i], sd[j]))
        return value, slope

    def network(
        self, x: np.ndarray, depth: int, sigma_w: float, sigma_b: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return NNGP and NTK between n inputs (n, d) after ``depth`` activations and the layer behind them: (n, n).

        Raises:
            InputError: inputs that are not (n, d), depth below 0, sigma_w not positive, sigma_b negative.
        """
        x = np.asarray(x, float)
        if x.ndim != 2 or not x.size or not np.isfinite(x).all():
            raise InputError(f"kernel: inputs must be finite numbers of shape (n, d), got shape {x.shape}")
        if not isinstance(depth, (int, np.integer)) or depth < 0:
            raise InputError(f"kernel: depth must be a whole number of activations from 0 up, got {depth!r}")
        check_sigmas(sigma_w, sigma_b)
        nngp = sigma_w**2 * (x @ x.T) / x.shape[1] + sigma_b**2
        ntk = nngp
        for _ in range(depth):
            value, slope = self.step(nngp)
            nngp = sigma_w**2 * value + sigma_b**2
            ntk = nngp + sigma_w**2 * slope * ntk
        return nngp, ntk


def kernel(f: Callable | Act | str) -> Kernel:
    """Return the kernel maps of an elementwise activation: in closed form where `closed` has one, else by quadrature.

    Raises:
        InputError: what `maps` refuses.

    >>> import numpy as np
    >>> nngp, ntk = kernel("relu").network(np.eye(2), depth=1, sigma_w=2**0.5)
    >>> print(f"{nngp[0, 1]:.6f} {ntk[0, 0]:.6f}")
    0.318310 2.000000
    """
    act = wide(f, "kernel")
    return Kernel(act, closed(act) is not None)


def _variances(cov: np.ndarray) -> np.ndarray:
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1] or not np.isfinite(cov).all():
        raise InputError(f"kernel: a covariance is a square matrix of finite numbers, got shape {cov.shape}")
    variance = np.diag(cov)
    if (variance <= 0).any():
        raise InputError(f"kernel: input {int(np.argmax(variance <= 0))} has variance 0 or less")
    bound = np.sqrt(np.multiply.outer(variance, variance)) * (1 + 1e-9)
    if not np.allclose(cov, cov.T, rtol=1e-9, atol=0.0) or (np.abs(cov) > bound).any():
        raise InputError("kernel: not a covariance: not symmetric, or larger than the variances allow")
    return variance
