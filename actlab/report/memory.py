"""What a function keeps for its backward pass, read off its own gradient program; nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

_SHAPE = (64, 512)
_FEW = 64  # smaller arrays are parameters, or one number a row


@dataclass(frozen=True)
class Kept:
    """What one call keeps: bytes a value of its (first) operand, and whether that is told by what exists anyway.

    Attributes:
        bytes: a value in the dtype asked for; small arrays, such as parameters, do not count.
        what: ``"input"`` (or all operands), ``"output"``, ``"nothing"``, or ``"other"``: intermediate results.
    """

    bytes: float
    what: str


def kept(f: Callable[..., Array], operands: int = 1, dtype: str = "bfloat16") -> Kept:
    """Return what ``f`` keeps between the passes under scan or remat, where the compiler does not recompute.

    >>> import actlab, jax
    >>> kept(actlab.gelu), kept(actlab.relu)
    (Kept(bytes=2.0, what='input'), Kept(bytes=2.0, what='output'))
    >>> kept(jax.nn.mish).what
    'other'
    """

    def both(*given: Array) -> tuple[Array, list[Array]]:
        y, back = jax.vjp(f, *given)
        return y, jax.tree.leaves(back)

    given = [jax.ShapeDtypeStruct(_SHAPE, jnp.dtype(dtype))] * operands
    with jax.disable_jit():  # inner jits inlined: an operand handed through one is still that operand
        program = jax.make_jaxpr(both)(*given).jaxpr
    y, *residuals = program.outvars
    moving = set(
        program.invars
    )  # what depends on the operands; the rest are constants, made again at no cost
    for equation in program.eqns:
        if any(isinstance(v, type(y)) and v in moving for v in equation.invars):
            moving |= set(equation.outvars)
    arrays = {v for v in residuals if isinstance(v, type(y)) and v in moving and v.aval.size > _FEW}
    size = sum(v.aval.size * v.aval.dtype.itemsize for v in arrays) / (_SHAPE[0] * _SHAPE[1])
    if not arrays:
        return Kept(0.0, "nothing")
    if arrays == {y}:
        return Kept(size, "output")
    if arrays <= set(program.invars):
        return Kept(size, "input")
    return Kept(size, "other")
