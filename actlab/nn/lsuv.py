"""Layer-sequential unit-variance initialisation: scales that are measured instead of computed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.errors import InputError

SAMPLES = 256  # that the variance is taken over, at most


class _Scaled(nnx.Module):
    """A linear layer whose output is brought to variance 1, telling of the factor that took."""

    def __init__(self, layer: nnx.Linear | nnx.Conv, path: tuple[Any, ...], told: dict[tuple[Any, ...], Any]):
        self.layer = layer
        self.path = path
        self.told = nnx.static(_Told(told))

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.layer(x)
        spread = jnp.std(y.astype(jnp.float32))
        factor = jnp.where(spread > 0, 1 / jnp.where(spread > 0, spread, 1.0), 1.0)
        if self.path in self.told.factors:
            raise InputError(f"lsuv: {_name(self.path)} is used twice, which one scale cannot serve")
        self.told.factors[self.path] = factor
        return y * factor.astype(y.dtype)


class _Told:
    """A dict that two modules may share without being part of either's structure."""

    def __init__(self, factors: dict[tuple[Any, ...], Any]):
        self.factors = factors


def lsuv(model: nnx.Module, x: jax.Array) -> nnx.Module:
    """Return ``model`` with every linear layer's kernel scaled so that its output on ``x`` has variance 1.

    One pass: each ``nnx.Linear`` and ``nnx.Conv`` is measured on what the layers before it, scaled already, make of
    ``x``; its output is linear in its kernel, so one division does what the paper iterates for. The mean is taken
    away in the variance, as there. A layer whose output is constant stays as it is. Kernels should be orthogonal and
    biases 0 before: ``init=lsuv`` sees to it.

    Args:
        model: changed in place; called as ``model(x, train=False)``.
        x: a batch of training inputs, at most the first 256 of them are used.

    Raises:
        InputError: a layer is used twice, or inside a scan or remat, out of which nothing measured comes.

    Mishkin & Matas 2016, All you need is a good init, arXiv:1511.06422.
    """
    factors: dict[tuple[Any, ...], Any] = {}
    found = [(path, m) for path, m in nnx.iter_modules(model) if isinstance(m, (nnx.Linear, nnx.Conv))]
    for path, layer in found:
        _put(model, path, _Scaled(layer, path, factors))
    try:
        model(x[:SAMPLES], train=False)
    finally:
        for path, layer in found:
            _put(model, path, layer)
    for path, layer in found:
        if path not in factors:
            continue  # not called: nothing to measure
        try:
            layer.kernel[...] = layer.kernel[...] * factors[path].astype(layer.kernel[...].dtype)
        except jax.errors.UnexpectedTracerError:
            raise InputError(
                f"init=lsuv measures layer by layer, and {_name(path)} runs inside a scan or remat: "
                "model.scan_layers=false model.remat=false, or another init"
            ) from None
    return model


def _put(model: nnx.Module, path: tuple[Any, ...], module: nnx.Module) -> None:
    *parents, last = path
    at = model
    for part in parents:
        at = at[part] if isinstance(part, int) else getattr(at, part)
    if isinstance(last, int):
        at[last] = module
    else:
        setattr(at, last, module)


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))
