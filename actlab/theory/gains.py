r"""The true gain of an activation: by what its weights are to be multiplied so that the variance stays."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act, make
from actlab.errors import InputError
from actlab.theory.gaussian import exactly
from actlab.theory.levels import wide
from actlab.theory.moments import moments
from actlab.theory.quadrature import integrate

_REACH = 20.0  # standard deviations: what is left of a bell there is 1e-87
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_BLOCK = 1024  # gates at a time


def gain(f: Callable | Act | str) -> float:
    r"""Return the gain of an activation: 1 over the root mean square of its output for unit normal inputs.

    .. math:: (E f(z)^2)^{-1/2}, \qquad \text{of gated ones } (E f(z, z')^2)^{-1/2} \text{ with independent } z, z'

    Weights of variance gain^2 / fan-in behind it give pre-activations of variance 1 again. A learnt parameter counts
    at its start. A block that makes ``f(gate) * up`` itself, up of variance 1, has the gain of f. relu: sqrt 2, of He
    et al. 2015, arXiv:1502.01852; tanh: 1.5925, where the usual 5/3 is a round number. To about 1e-13.

    Raises:
        InputError: f is random, neither elementwise nor gated, not real, NaN somewhere; its second moment is infinite
            (it outgrows what a Gaussian decays, or is not integrable at a pole) or 0.

    >>> print(f"{gain('relu'):.9f} {gain('tanh'):.9f} {gain('swiglu'):.9f}")
    1.414213562 1.592537420 1.676532470
    """
    act = f if isinstance(f, Act) else make(f)
    if act.spec is None or act.spec.kind != "gated":
        return moments(wide(act, "gain", slopes=False)).gain
    return _gated(act)


@lru_cache(maxsize=64)
def _gated(act: Act) -> float:
    # Clamps are at parameters.
    cuts = {s * float(v) for _, v in act.params if isinstance(v, (int, float)) for s in (-1, 1)}
    cuts = {c for c in cuts if abs(c) < _REACH}
    ends = np.array(sorted({*np.arange(-_REACH, _REACH + 1), *cuts}))
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    up = (middle[:, None] + half[:, None] * _NODES).ravel()
    weight = (half[:, None] * _WEIGHTS).ravel() * np.exp(-0.5 * up * up) / math.sqrt(2 * math.pi)

    def square(gate: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, gate.size, _BLOCK):
            block = gate[start : start + _BLOCK]
            whole = np.resize(block, _BLOCK)  # one shape, so one compilation
            parts.append(exactly(_square, act, whole, up, weight)[: block.size])
        values = np.concatenate(parts)
        if np.isnan(values).any():
            raise InputError(f"gain: {act.name} is NaN at a gate of {float(gate[np.isnan(values)][0]):.6g}")
        return (values * np.exp(-0.5 * gate * gate) / math.sqrt(2 * math.pi))[None]

    second = float(integrate(square, ends).value[0])
    if not math.isfinite(second):
        raise InputError(f"gain: E f(z, z')^2 of {act.name} is infinite: it outgrows what a Gaussian decays")
    if second == 0:
        raise InputError(f"gain: {act.name} is 0 almost everywhere: no signal passes")
    return second**-0.5


def _mean_square(act: Act, gate: Array, up: Array, weight: Array) -> Array:
    return jnp.matmul(jnp.square(act(gate[:, None], up[None, :])), weight, precision="highest")


_square = jax.jit(_mean_square, static_argnums=0)
