"""The next token: logits filtered as asked, then drawn.

Shapes: V tokens there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.inspection.measures import first_largest


class Filters(NamedTuple):
    """The numbers of `Sampling` as a compiled program takes them: data, so that none compiles anything anew."""

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    seed: jax.Array


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. Filters act in the order temperature, top-k, top-p, min-p, each on what is left.

    Args:
        temperature: logits are divided by it; 0 is greedy: the likeliest token.
        top_k: only so many of the likeliest tokens; 0 all.
        top_p: only the fewest likeliest tokens whose probabilities sum to it (Holtzman et al. 2019,
            arXiv:1904.09751); 1 all.
        min_p: only tokens at least so many times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082);
            0 all.
        seed: of all drawing; the draw at a position depends on seed and position alone.

    Raises:
        InputError: a number that cannot be.

    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0

    def __post_init__(self):
        for name, low, high, whole in (
            ("temperature", 0.0, 100.0, False),
            ("top_k", 0, 2**31 - 1, True),
            ("top_p", 0.0, 1.0, False),
            ("min_p", 0.0, 1.0, False),
            ("seed", 0, 2**32 - 1, True),
        ):
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            number = number and math.isfinite(value)
            if not number or (whole and value != int(value)) or not low <= value <= high:
                kind = "an integer" if whole else "a number"
                raise InputError(f"{name}={value!r}: must be {kind} from {low} to {high}")
            object.__setattr__(self, name, int(value) if whole else float(value))
        if self.top_p == 0:
            raise InputError(
                "top_p=0: nothing would be left; must be above 0, or temperature=0 for the likeliest"
            )

    def filters(self) -> Filters:
        """Return the numbers as arrays."""
        f = jnp.float32
        return Filters(
            jnp.asarray(self.temperature, f), jnp.asarray(self.top_k, jnp.int32), jnp.asarray(self.top_p, f),
            jnp.asarray(self.min_p, f), jnp.asarray(self.seed, jnp.uint32),
        )  # fmt: skip


def filtered(logits: jax.Array, by: Filters) -> jax.Array:
    """Return ``logits`` (..., V) / temperature, minus infinity where a filter takes the token away; float32.

    Greedy leaves the likeliest alone, the first where several are. Tokens as likely as the last that top-k or top-p
    keeps are kept with it. Their thresholds are found by halving the order of the floats, 32 passes over V numbers
    that are not sorted; a filter that is off costs nothing. The largest is 0. No filter takes NaN
    away, and it is what is drawn.

    >>> logits = jnp.log(jnp.array([0.1, 0.5, 0.4]))
    >>> jnp.exp(filtered(logits, Sampling(temperature=1.0, top_p=0.6).filters()))
    Array([0. , 1. , 0.8], dtype=float32)
    """
    return jax.lax.cond(by.temperature == 0, _greedy, partial(_filtered, by=by), logits.astype(jnp.float32))


def _greedy(logits: jax.Array) -> jax.Array:
    alone = jnp.arange(logits.shape[-1]) == first_largest(logits)[..., None]
    return jnp.where(alone, 0.0, -jnp.inf)


def _filtered(logits: jax.Array, by: Filters) -> jax.Array:
    def likeliest(x):
        return _above(x, lambda kept: jnp.sum(kept, -1, keepdims=True) >= by.top_k)

    def nucleus(x):
        weight = jnp.exp(x)
        enough = by.top_p * jnp.sum(weight, -1, keepdims=True)
        return _above(x, lambda kept: jnp.sum(jnp.where(kept, weight, 0.0), -1, keepdims=True) >= enough)

    # differences first: of a tiny temperature they may be infinite, the largest stays 0
    high = jnp.max(logits, -1, keepdims=True, where=~jnp.isnan(logits), initial=-jnp.inf)
    x = (logits - high) / jnp.maximum(by.temperature, 1e-30)
    nothing = jnp.isnan(x)
    x = jax.lax.cond(by.top_k > 0, likeliest, lambda x: x, x)
    x = jax.lax.cond(by.top_p < 1, nucleus, lambda x: x, x)
    return jnp.where(nothing, jnp.nan, jnp.where(jnp.exp(x) >= by.min_p, x, -jnp.inf))


def _above(x: jax.Array, enough) -> jax.Array:
    """Return ``x`` where it is at least the largest t of which ``enough(x >= t)`` holds, elsewhere minus infinity."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    order = jnp.where(bits < 0, bits ^ jnp.int32(0x7FFFFFFF), bits)  # integers in the order of the floats

    def halve(_, bounds):
        low, high = bounds
        middle = (low >> 1) + (high >> 1) + (low & high & 1)  # their sum could overflow
        middle = jnp.where(
            middle == low, middle + 1, middle
        )  # upwards, so that the last step decides between two neighbours
        good = enough(order >= middle)
        return jnp.where(good, middle, low), jnp.where(good, high, middle - 1)

    bounds = jnp.min(order, -1, keepdims=True), jnp.max(order, -1, keepdims=True)
    low, _ = jax.lax.fori_loop(0, 32, halve, bounds)
    return jnp.where(order >= low, x, -jnp.inf)


def draw(logits: jax.Array, by: Filters, position: jax.Array) -> jax.Array:
    """Return a token, int32, of filtered ``logits`` (V,)."""

    def noisy(x: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(by.seed), position)
        return x + jax.random.gumbel(key, x.shape, jnp.float32)

    return first_largest(jax.lax.cond(by.temperature == 0, lambda x: x, noisy, logits))
