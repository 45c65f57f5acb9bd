"""How much arithmetic a function is: of its matrix products and convolutions, counted in its program."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr
from jax.extend.core.primitives import cond_p, scan_p, while_p

from actlab.stats.walk import programs


def matmul_flops(fn: Callable[..., Any]) -> Callable[..., int | None]:
    r"""Return a function giving the floating-point operations in the products of ``fn(*args)``; args may be abstract.

    A multiplication and an addition are two: :math:`2 m k n` of a product (m, k) by (k, n), and of a convolution two
    for every output, tap and channel that goes in, padding counted. All else, activations too, is left out: it is not
    what takes the arithmetic, and how many operations a function is depends on the machine. A scan counts its
    length, of branches the largest one. None where a product sits in a while loop, whose turns are not known.

    >>> import jax.numpy as jnp
    >>> matmul_flops(lambda x, w: jnp.tanh(x @ w))(jnp.ones((4, 3)), jnp.ones((3, 5)))
    120
    """

    def count(*args: Any) -> int | None:
        return _flops(jax.make_jaxpr(fn)(*args).jaxpr)

    return count


def _flops(jaxpr: Jaxpr) -> int | None:
    total = 0
    for eqn in jaxpr.eqns:
        found = _of(eqn)
        if found is None:
            return None
        total += found
    return total


def _of(eqn: Any) -> int | None:
    shapes = [v.aval.shape for v in eqn.invars[:2]]
    if eqn.primitive is jax.lax.dot_general_p:
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return 2 * math.prod(eqn.outvars[0].aval.shape) * math.prod(shapes[0][i] for i in contracted)
    if eqn.primitive is jax.lax.conv_general_dilated_p:
        features = shapes[1][eqn.params["dimension_numbers"].rhs_spec[0]]
        taps = math.prod(shapes[1]) // features  # the kernel's inputs are those of one group already
        return 2 * math.prod(eqn.outvars[0].aval.shape) * taps // eqn.params["batch_group_count"]
    inner = [_flops(program) for program in programs(eqn)]
    if any(found is None for found in inner):
        return None
    if eqn.primitive is cond_p:
        return max(inner)
    if eqn.primitive is while_p:
        return None if any(inner) else 0
    return sum(inner) * (eqn.params["length"] if eqn.primitive is scan_p else 1)
