r"""Means over one normal number or two correlated ones, by Gauss-Legendre panels; traceable and differentiable.

One: :math:`E\,g(x),\ x \sim N(m, s^2)`. Panels over :math:`z = (x - m)/s` end at the integers and where x passes an
edge of g. Two: :math:`E\,f(x) g(y)` with :math:`x = s_1 u,\ y = s_2 (c u + \sqrt{1 - c^2}\, v)`; the inner integral
over v ends its panels where y passes an edge, which depends on u. As a function of u it has the kinks of g smoothed
over a width :math:`\sqrt{1 - c^2} / c`: the outer panels close in on them in steps of that width.

Computed in the dtype of the arguments: float64 under ``jax.enable_x64``, which `exactly` turns on for one call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.theory.evaluation import _cpu as cpu

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_ONE = np.arange(-12.0, 13.0, 1.0)
_CLOSE = np.array([-9.0, -6.5, -4.5, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0])


def expect(
    g: Callable[[Array], Array],
    sd: ArrayLike = 1.0,
    mean: ArrayLike = 0.0,
    edges: ArrayLike = (),
    order: int = 20,
) -> Array:
    r"""Return :math:`E\,g(x)` for :math:`x \sim N(\mathrm{mean}, \mathrm{sd}^2)`, a scalar.

    Between ``edges`` g should be smooth: `mesh` finds such for an activation. With kinks among them relu's moments
    are right to 1e-15. Differentiable in ``sd``, ``mean`` and whatever g depends on: a kink may move with a
    parameter, its edge need not. Not for ``sd = 0``.

    Args:
        g: elementwise, any leading axes in front of x's one: (n,) to (..., n).
        sd: positive.
        mean: any.
        edges: (m,), where g has kinks or bends sharply.
        order: nodes a panel; the difference from another order estimates the error.

    >>> with jax.enable_x64(True):
    ...     print(f"{expect(lambda x: jnp.maximum(x, 0) ** 2, sd=2.0):.12f}")
    2.000000000000
    """
    sd, mean, edges = (jnp.asarray(v, jnp.result_type(float)) for v in (sd, mean, edges))
    z, w = _panels(jnp.clip((edges - mean) / sd, -12.0, 12.0), _ONE, order)
    return _dot(g(mean + sd * z), w)


def expect_pair(
    f: Callable[[Array], Array],
    g: Callable[[Array], Array],
    c: ArrayLike,
    sds: tuple[ArrayLike, ArrayLike] = (1.0, 1.0),
    edges: ArrayLike = (),
    kinks: ArrayLike = (),
    order: int = 20,
    reach: float = 10.0,
) -> Array:
    r"""Return :math:`E\,f(x) g(y)` for jointly normal x, y with standard deviations ``sds`` and correlation c.

    Differentiable in c (inside -1 and 1), the ``sds`` and what f and g depend on.

    Args:
        f: elementwise, with leading axes if wanted.
        g: likewise, as many.
        c: correlation, in [-1, 1].
        sds: positive.
        edges: (m,), where f and g bend sharply, kinks included.
        kinks: (k,), where they or one of their first two derivatives jump.
        order: nodes a panel.
        reach: standard deviations that are integrated over; even.
    """
    kind = jnp.result_type(float)
    c, first, second, edges, kinks = (jnp.asarray(v, kind) for v in (c, *sds, edges, kinks))
    width = jnp.sqrt(jnp.maximum((1 - c) * (1 + c), 1e-30))
    slant = jnp.where(jnp.abs(c) < 1e-6, 1e-6, c)
    close = jnp.add.outer(kinks / second, width * jnp.asarray(_CLOSE, kind)).ravel() / slant
    cuts = jnp.concatenate([edges / first, close])
    grid = np.arange(-reach, reach + 1.0, 2.0)
    u, outer = _panels(jnp.clip(cuts, -reach, reach), grid, order)

    def inner(at: Array) -> Array:
        v, w = _panels(jnp.clip((edges / second - c * at) / width, -reach, reach), grid, order)
        return _dot(g(second * (c * at + width * v)), w)

    return _dot(f(first * u) * jnp.moveaxis(jax.vmap(inner)(u), 0, -1), outer)


def _dot(values: Array, weights: Array) -> Array:
    return jnp.matmul(values, weights, precision="highest")


def _panels(cuts: Array, grid: np.ndarray, order: int, xp: ModuleType = jnp) -> tuple[Array, Array]:
    """Return nodes, and weights times the bell, of the panels between a grid and further cuts."""
    nodes, weights = (_NODES, _WEIGHTS) if order == _NODES.size else np.polynomial.legendre.leggauss(order)
    ends = xp.sort(xp.concatenate([xp.asarray(grid, cuts.dtype), cuts]))
    half, middle = 0.5 * (ends[1:] - ends[:-1]), 0.5 * (ends[1:] + ends[:-1])
    z = middle[:, None] + xp.multiply.outer(half, xp.asarray(nodes, cuts.dtype))
    bell = xp.exp(-0.5 * z * z) * (2 * np.pi) ** -0.5
    return z.ravel(), (xp.multiply.outer(half, xp.asarray(weights, cuts.dtype)) * bell).ravel()


def nodes_of(edges: np.ndarray, sd: float, order: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers z and the weights by which `expect` sums at mean 0, as numpy arrays."""
    return _panels(np.clip(edges / sd, -12.0, 12.0), _ONE, order, np)


def exactly(compiled: Callable[..., Any], *args: Any) -> Any:
    """Return what a compiled function makes of its arguments in float64, on the CPU, as numpy arrays.

    The global ``jax_enable_x64`` stays as it is; inside a trace the numbers are computed, not traced.
    """
    with ExitStack() as stack:
        stack.enter_context(jax.ensure_compile_time_eval())
        stack.enter_context(jax.enable_x64(True))
        if (device := cpu()) is not None:
            stack.enter_context(jax.default_device(device))
        return jax.tree.map(np.asarray, compiled(*args))
