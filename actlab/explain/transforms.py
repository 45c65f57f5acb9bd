"""Small changes an optimum must survive: the input shifted, scaled and turned at random before each step.

Shapes: B batch, S... spatial axes, C what is left of a sample.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from actlab.errors import InputError


@dataclass(frozen=True)
class Transforms:
    """How far inputs are moved, uniformly at random, alike for all inputs of a step.

    One interpolation (linear between neighbours) does all three; what comes in from outside has the value ``fill``.
    A batch gets one draw, so that an input's course does not depend on which others are optimised with it.

    Args:
        jitter: shift along each axis, as a share of its length.
        scale: factor on lengths, from 1 - scale to 1 + scale.
        rotate: turn of images, degrees to either side.

    Raises:
        InputError: a number that cannot be.

    Source: lucid's ``standard_transforms``: jitter of 8 and 4 of 128 pixels, scales 0.9 to 1.1, +-10 degrees.

    """

    jitter: float = 1 / 16
    scale: float = 0.1
    rotate: float = 10.0

    def __post_init__(self):
        for name, high in {"jitter": 1, "scale": 1, "rotate": 180}.items():
            if not 0 <= getattr(self, name) < high:
                raise InputError(f"{name}={getattr(self, name)}: must be in [0, {high})")

    def __call__(self, key: jax.Array, x: jax.Array, space: int, fill: float) -> jax.Array:
        """Return (B, S..., C...) of the same shape, moved; ``space`` is the number of axes S, 0 moves nothing."""
        if not space or not (self.jitter or self.scale or self.rotate):
            return x
        turn, size, shift = jax.random.split(key, 3)
        angle = math.radians(self.rotate) * jax.random.uniform(turn, (), jnp.float32, -1, 1)
        factor = 1 + self.scale * jax.random.uniform(size, (), jnp.float32, -1, 1)
        lengths = jnp.asarray(x.shape[1 : 1 + space], jnp.float32)
        moved = self.jitter * lengths * jax.random.uniform(shift, (space,), jnp.float32, -1, 1)
        rows = jnp.eye(space) if space == 1 else _rotation(angle)
        return resample(x, rows / factor, moved, fill)


NONE = Transforms(0, 0, 0)


def resample(x: jax.Array, matrix: jax.Array, shift: jax.Array, fill: float) -> jax.Array:
    """Return the input whose position p has the value of ``x`` at m + matrix (p - m) + shift, m the middle.

    ``x`` is (B, S..., C...), ``matrix`` (D, D) and ``shift`` (D,) of the D axes S.

    >>> resample(jnp.arange(4.0)[None], jnp.eye(1), jnp.array([0.5]), 9.0)[0].tolist()
    [0.5, 1.5, 2.5, 6.0]
    """
    space = x.shape[1 : 1 + len(shift)]
    middle = (jnp.asarray(space, jnp.float32) - 1) / 2
    grid = jnp.stack(jnp.meshgrid(*(jnp.arange(n, dtype=jnp.float32) for n in space), indexing="ij"), -1)
    where = (grid.reshape(-1, len(space)) - middle) @ matrix.T + middle + shift
    corner = jnp.floor(where)
    rest = where - corner
    # Positions first, the batch with the channels: every position is then one row of neighbours in memory.
    rows = jnp.moveaxis(x.reshape(len(x), math.prod(space), -1), 0, 1)
    rows = rows.reshape(math.prod(space), -1) - fill
    out = jnp.zeros_like(rows)
    for step in itertools.product((0, 1), repeat=len(space)):
        at = corner.astype(jnp.int32) + jnp.asarray(step)
        weight = jnp.prod(jnp.where(jnp.asarray(step) == 1, rest, 1 - rest), -1)
        inside = jnp.all((at >= 0) & (at < jnp.asarray(space)), -1)
        index = jnp.zeros(len(at), jnp.int32)
        for axis, length in enumerate(space):
            index = index * length + jnp.clip(at[:, axis], 0, length - 1)
        out = out + rows[index] * jnp.where(inside, weight, 0)[:, None]
    out = jnp.moveaxis((out + fill).reshape(math.prod(space), len(x), -1), 0, 1)
    return out.reshape(x.shape)


def _rotation(angle: jax.Array) -> jax.Array:
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([c, -s]), jnp.stack([s, c])])
