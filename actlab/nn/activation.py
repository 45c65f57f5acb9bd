"""A site: the place in a model where an activation is applied, named and watched.

Shapes: B batch, ... positions (none in an MLP), C channels (the last axis).
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.probes import probe


class Activation(nnx.Module):
    """Apply an ``Act`` at a named site, holding its learnt parameters.

    A learnt parameter has one value for the whole tensor (``per="tensor"``), for each channel (shape ``(C,)``)
    or for each unit (the shape of one sample). Where the parameter's domain is bounded, what is trained is
    an unconstrained number mapped into it: ``low + exp(raw)``, or a sigmoid between two bounds.

    Args:
        act: the activation with its parameters bound; every site gets parameters of its own.
        shape: the shape of one sample at this site, channels last.
        site: the site's name, e.g. ``"blocks.3.act"``.

    """

    def __init__(self, act: Act, shape: tuple[int, ...], *, site: str):
        self.act = act
        self.site = site
        bound = dict(act.params)
        size = {"tensor": (), "channel": shape[-1:], "unit": shape}[act.per]
        for name in act.learn:
            raw = _Domain.of(act, name).unconstrain(float(bound[name]), name)
            setattr(self, name, nnx.Param(jnp.full(size, raw, jnp.float32)))

    def learnt(self) -> dict[str, jax.Array]:
        """Return the current values of the learnt parameters, by name."""
        return {n: _Domain.of(self.act, n).constrain(getattr(self, n)[...]) for n in self.act.learn}

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the post-activation of ``x`` (B, ..., C), marking both for whoever watches."""
        pre = probe(x, f"{self.site}.pre")
        return probe(self.act(pre, **self.learnt()), f"{self.site}.post")

    def slope(self, x: jax.Array) -> jax.Array:
        """Return the elementwise derivative at ``x`` under the current parameters; shape of ``x``."""
        learnt = self.learnt()
        exact = dataclasses.replace(self.act, lean=False)
        return jax.jvp(lambda v: exact(v, **learnt), (x,), (jnp.ones_like(x),))[1]


class _Domain:
    """The map between the open interval a parameter may take and all real numbers."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    @staticmethod
    def of(act: Act, name: str) -> _Domain:
        if act.spec is None:  # a user's own function says nothing of its parameters
            return _Domain(-math.inf, math.inf)
        domain = {p.name: p.domain for p in act.spec.parameters}[name]
        return _Domain(domain.low, domain.high)

    def constrain(self, raw: jax.Array) -> jax.Array:
        match math.isfinite(self.low), math.isfinite(self.high):
            case True, True:
                return self.low + (self.high - self.low) * jax.nn.sigmoid(raw)
            case True, False:
                return self.low + jnp.exp(raw)
            case False, True:
                return self.high - jnp.exp(raw)
        return raw

    def unconstrain(self, value: float, name: str) -> float:
        if not self.low < value < self.high:
            raise InputError(f"{name}={value} cannot be learnt: start inside ({self.low}, {self.high})")
        match math.isfinite(self.low), math.isfinite(self.high):
            case True, True:
                share = (value - self.low) / (self.high - self.low)
                return math.log(share / (1 - share))
            case True, False:
                return math.log(value - self.low)
            case False, True:
                return math.log(self.high - value)
        return value


def sites(model: nnx.Module) -> dict[str, Activation]:
    """Return a model's activation sites by name, in forward order (order of construction)."""
    found = {m.site: m for _, m in nnx.iter_modules(model) if isinstance(m, Activation)}
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key under which ``blocks.10`` follows ``blocks.9``."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in name.split(".")]
