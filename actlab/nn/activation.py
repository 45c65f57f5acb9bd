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
from actlab.activations.spec import Spec
from actlab.errors import InputError
from actlab.nn.numbers import kept, number
from actlab.probes import probe

_UNFIT = {
    "gated": "takes two operands, gate and up",
    "conditioned": "takes more operands than one",
    "resizing": "changes the shape",
    "complex": "is for complex numbers",
}


def misfit(spec: Spec) -> str | None:
    """Return why the function cannot stand at a site, None if it can.

    >>> from actlab import swiglu
    >>> misfit(swiglu.spec)
    'swiglu takes two operands, gate and up: it cannot stand at a site of one operand, like gelu'
    """
    if spec.kind not in _UNFIT:
        return None
    return f"{spec.name} {_UNFIT[spec.kind]}: it cannot stand at a site of one operand, like gelu"


def varied(act: Act) -> dict[str, float]:
    """Return the parameters of ``act`` that a compiled program takes as inputs: real numbers, not at their default.

    A vector, what sizes depend on, what a lean rule is fitted to and the parameters of a user's own function are part
    of the program, and so are defaults: most functions are cheaper there.

    >>> from actlab import make
    >>> varied(make("leaky_relu", negative_slope=0.2)), varied(make("leaky_relu"))
    ({'negative_slope': 0.2}, {})
    """
    if act.spec is None or act.lean:
        return {}
    bound = dict(act.params)
    free = [p for p in act.spec.parameters if p.continuous and not p.vector]
    return {p.name: v for p in free if (v := bound[p.name]) != p.default and math.isfinite(v)}


class Activation(nnx.Module):
    """Apply an ``Act`` at a named site, holding its learnt parameters.

    A learnt parameter has one value for the whole tensor (``per="tensor"``), for each channel (shape ``(C,)``)
    or for each unit (the shape of one sample); of a vector of K coefficients each, K along the first axis. Where
    the parameter's domain is bounded, what is trained is an unconstrained number mapped into it:
    ``low + exp(raw)``, or a sigmoid between two bounds. `decay_mask` keeps all of them out of weight decay.

    Args:
        act: the activation with its parameters bound; every site gets parameters of its own.
        shape: the shape of one sample at this site, channels last.
        site: the site's name, e.g. ``"blocks.3.act"``.
        repeated: the site is inside a scan over the positions of a sequence: ``shape`` is that of one position, and
            a run's statistics are over all of them.

    Raises:
        InputError: the activation takes two operands or changes the shape, or a learnt parameter starts on the
            boundary of its domain.

    """

    def __init__(self, act: Act, shape: tuple[int, ...], *, site: str, repeated: bool = False):
        self.act = act
        self.repeated = repeated
        self.site = site
        if act.spec is not None and (why := misfit(act.spec)):
            raise InputError(why)
        bound = dict(act.params)
        self.varied = tuple(name for name in varied(act) if name not in act.learn)
        for name in self.varied:
            setattr(self, name, kept(f"activation.{name}", bound[name]))
        size = {"tensor": (), "channel": shape[-1:], "unit": shape}[act.per]
        for name in act.learn:
            domain, value = _Domain.of(act, name), bound[name]
            if isinstance(value, tuple):
                raw = jnp.asarray([domain.unconstrain(v, name) for v in value], jnp.float32)
                raw = jnp.broadcast_to(jnp.expand_dims(raw, range(1, 1 + len(size))), (len(value), *size))
            else:
                start = domain.unconstrain(float(value), name)
                if name in varied(act):
                    start = domain.raw(jnp.asarray(number(f"activation.{name}", value), jnp.float32))
                raw = jnp.full(size, start, jnp.float32)
            setattr(self, name, nnx.Param(raw))

    def learnt(self) -> dict[str, jax.Array]:
        """Return the current values of the learnt parameters, by name."""
        return {n: _Domain.of(self.act, n).constrain(getattr(self, n)[...]) for n in self.act.learn}

    def bound(self) -> dict[str, jax.Array]:
        """Return the current values of all parameters that are not fixed in the function, by name."""
        return {n: getattr(self, n)[...] for n in self.varied} | self.learnt()

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """Return the post-activation of ``x`` (B, ..., C), marking both for whoever watches.

        ``key`` is drawn from by a stochastic activation; without one it takes its deterministic form.
        """
        pre = probe(x, f"{self.site}.pre")
        drawn = {"key": key} if self.stochastic and key is not None else {}
        return probe(self.act(pre, **self.bound(), **drawn), f"{self.site}.post")

    @property
    def stochastic(self) -> bool:
        """Whether the activation draws random numbers when given a key."""
        return self.act.spec is not None and self.act.spec.stochastic

    def slope(self, x: jax.Array) -> jax.Array:
        """Return the elementwise derivative at ``x`` under the current parameters; shape of ``x``."""
        bound = self.bound()
        exact = dataclasses.replace(self.act, lean=False)
        return jax.jvp(lambda v: exact(v, **bound), (x,), (jnp.ones_like(x),))[1]


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

    def raw(self, value: jax.Array) -> jax.Array:
        """Return what `constrain` maps to a traced ``value``."""
        match math.isfinite(self.low), math.isfinite(self.high):
            case True, True:
                return jnp.log(value - self.low) - jnp.log(self.high - value)
            case True, False:
                return jnp.log(value - self.low)
            case False, True:
                return jnp.log(self.high - value)
        return value

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


def decay_mask(model: nnx.Module) -> nnx.State:
    """Return a mask of booleans over ``nnx.state(model, nnx.Param)`` that is False at learnt activation parameters.

    For ``optax.adamw(..., mask=decay_mask(model))`` and the like: decaying a slope or a gate's sharpness towards 0
    would change the function that is being learnt.

    >>> from actlab import make
    >>> site = Activation(make("swish", learn=["beta"]), (3,), site="act")
    >>> jax.tree.leaves(decay_mask(site))
    [False]
    """
    learnt = {
        (*path, name)
        for path, module in nnx.iter_modules(model)
        if isinstance(module, Activation)
        for name in module.act.learn
    }
    params = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return nnx.from_flat_state([(path, path not in learnt) for path, _ in params])


def sites(model: nnx.Module) -> dict[str, Activation]:
    """Return a model's activation sites by name, in forward order (order of construction)."""
    found = {m.site: m for _, m in nnx.iter_modules(model) if isinstance(m, Activation)}
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key under which ``blocks.10`` follows ``blocks.9``."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in name.split(".")]
