"""Optimisers and schedules from optax, with the checks that turn a bad number into one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from actlab.errors import InputError, suggest
from actlab.values import Bound

SCHEDULES = ("constant", "cosine")
FLOAT32_MAX = 3.4e38


@dataclass(frozen=True)
class Optimizer:
    """An optax rule with its learning-rate schedule, warm-up, clipping and weight decay.

    Within a compiled program its numbers, the rule's too, may be traced; they were checked when they were known.

    Args:
        rule: makes the optax transformation of gradients into a step, before the learning rate.
        learning_rate: its peak.
        schedule: ``constant``, or ``cosine``: half a period, which would reach 0 one step after the last.
        warmup_steps: steps of linear rise, learning_rate / warmup_steps in the first.
        weight_decay: coefficient, applied to kernels only (not to biases, norms, activation parameters).
        decoupled: decay beside the rule's step (adamw) instead of through the gradient (L2).
        clip_norm: gradients are scaled down to this global norm; None does not clip.

    Raises:
        InputError: a value that cannot be, named.

    """

    rule: Bound
    learning_rate: float
    schedule: str = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    decoupled: bool = False
    clip_norm: float | None = None

    def __post_init__(self):
        _positive(learning_rate=self.learning_rate)
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule={self.schedule!r} is unknown{suggest(self.schedule, SCHEDULES)}")
        _not_negative(warmup_steps=self.warmup_steps, weight_decay=self.weight_decay)
        if self.clip_norm is not None:
            _positive(clip_norm=self.clip_norm)

    def rate(self, steps: int) -> Callable[[jax.typing.ArrayLike], jax.Array]:
        """Return the learning rate as a function of the step, for a run of ``steps``."""
        peak, warmup = self.learning_rate, self.warmup_steps
        if _is_known(warmup) and warmup >= steps and warmup:
            raise InputError(f"warmup_steps={warmup}: must be fewer than steps={steps}")

        def rate(step: jax.typing.ArrayLike) -> jax.Array:  # not optax's: warm-up's length may be traced
            step = jnp.asarray(step, jnp.float32)
            after = jnp.asarray(peak, jnp.float32)
            if self.schedule == "cosine":
                share = (step - warmup) / (steps - warmup)
                after = after * 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip(share, 0.0, 1.0)))
            if not _is_on(warmup):
                return after
            return jnp.where(step < warmup, peak * jnp.minimum((step + 1.0) / warmup, 1.0), after)

        return rate

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """Return the optax chain for a run of ``steps``."""
        chain = [] if self.clip_norm is None else [optax.clip_by_global_norm(self.clip_norm)]
        decay = (
            [optax.add_decayed_weights(self.weight_decay, mask=_kernels)] if _is_on(self.weight_decay) else []
        )
        rule = self.rule()
        chain += [rule, *decay] if self.decoupled else [*decay, rule]
        return optax.chain(*chain, optax.scale_by_learning_rate(self.rate(steps)))


def sgd(
    *,
    learning_rate: float = 0.1,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    schedule: Literal["constant", "cosine"] = "constant",
    warmup_steps: int = 0,
    clip_norm: float | None = None,
) -> Optimizer:
    """Stochastic gradient descent, with momentum (Polyak 1964; Nesterov 1983) and L2 weight decay."""
    _share(momentum=momentum)
    rule = Bound.of(optax.trace, decay=momentum, nesterov=nesterov) if momentum else Bound.of(optax.identity)
    return Optimizer(
        rule, learning_rate, schedule, warmup_steps, weight_decay, decoupled=False, clip_norm=clip_norm
    )


def adam(
    *,
    learning_rate: float = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    schedule: Literal["constant", "cosine"] = "constant",
    warmup_steps: int = 0,
    clip_norm: float | None = None,
) -> Optimizer:
    """Adam (Kingma & Ba 2014, arXiv:1412.6980); weight decay enters the gradient (L2), as in PyTorch's Adam."""
    _share(b1=b1, b2=b2)
    _positive(eps=eps)
    rule = Bound.of(optax.scale_by_adam, b1=b1, b2=b2, eps=eps)
    return Optimizer(
        rule, learning_rate, schedule, warmup_steps, weight_decay, decoupled=False, clip_norm=clip_norm
    )


def adamw(
    *,
    learning_rate: float = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    schedule: Literal["constant", "cosine"] = "constant",
    warmup_steps: int = 0,
    clip_norm: float | None = None,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101)."""
    _share(b1=b1, b2=b2)
    _positive(eps=eps)
    rule = Bound.of(optax.scale_by_adam, b1=b1, b2=b2, eps=eps)
    return Optimizer(
        rule, learning_rate, schedule, warmup_steps, weight_decay, decoupled=True, clip_norm=clip_norm
    )


def _kernels(params: Any) -> Any:
    """Return the mask of what weight decay touches: kernels, and nothing else."""

    def is_kernel(path, _):
        return jax.tree_util.keystr(path[-1:], simple=True) == "kernel"

    return jax.tree_util.tree_map_with_path(is_kernel, params)


def _is_known(value: Any) -> bool:
    return isinstance(value, (int, float))


def _is_on(value: Any) -> bool:
    return not _is_known(value) or value != 0


def _positive(**values: float) -> None:
    for name, value in values.items():
        if _is_known(value) and not 0 < value < FLOAT32_MAX:
            raise InputError(f"{name}={value}: must be a number > 0, finite in float32")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if _is_known(value) and not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{name}={value}: must be a number >= 0")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise InputError(f"{name}={value}: must be in [0, 1)")
