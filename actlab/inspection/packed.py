"""Weights that stay narrow in memory while tokens are written.

Each token reads every weight once, so on a CPU it takes as long as their bytes do. XLA's CPU backend widens narrow
numbers in memory before it multiplies, which takes longer than wide ones do; what is here takes 32-bit words apart in
registers.

Shapes: N rows (outputs), D columns (inputs), B blocks of columns with a scale and an offset each, T tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.inspection.measures import total
from actlab.inspection.quantised import Quantised

TERMS = 16  # products that are added before the scale is taken: with twice as many, registers run out


class PackedRows(nnx.Module):
    """Quantised rows: ``x`` (T, D) to their products (T, N), float32.

    The numbers of a word are taken where they stand, as multiples of powers of two that ``x`` is divided by: both are
    exact. The weights are those that the file stands for; sums are taken in another order than those of wide rows.
    Numbers of ``x`` below 1e-30 count as 0, those above 1e30 may come out as NaN, infinite ones do.
    """

    def __init__(self, q: Quantised):
        bits = 4 if q.numbers.max(initial=0) < 16 else 8
        several = 32 // bits
        n, wide = q.numbers.shape
        parts = q.numbers.reshape(n, wide // several, several).astype(np.uint32)
        words = functools.reduce(
            np.bitwise_or, (parts[..., k] << np.uint32(bits * k) for k in range(several))
        )
        block = wide // q.scale.shape[1]
        together = TERMS // several  # words that one copy of their scale serves
        copies = block // TERMS
        self.words = nnx.Param(jnp.asarray(np.ascontiguousarray(words.T).reshape(-1, together, n)))
        self.scale = nnx.Param(jnp.asarray(np.repeat(q.scale.T, copies, 0)))
        self.offset = nnx.Param(jnp.asarray(np.ascontiguousarray(q.offset.T)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (T, N) of ``x`` (T, D)."""

        def one(x_D: jax.Array) -> jax.Array:
            # tied to x: else all words would be taken apart once, before a loop over tokens
            words, x_D = jax.lax.optimization_barrier((self.words[...], x_D))
            return _product(words, self.scale[...], self.offset[...], x_D)

        return one(x[0])[None] if len(x) == 1 else jax.lax.map(one, x)

    def alike(self, other: PackedRows) -> bool:
        """Return whether these and others can be `joined`."""
        mine, own = ([x[...].shape[:-1] for x in (rows.words, rows.offset)] for rows in (self, other))
        return mine == own

    @staticmethod
    def joined(parts: Sequence[PackedRows]) -> PackedRows:
        """Return the rows of all one after the other."""
        new = nnx.clone(parts[0])
        for name in ("words", "scale", "offset"):
            setattr(new, name, nnx.Param(jnp.concatenate([getattr(p, name)[...] for p in parts], -1)))
        return new


def packed_weights(quantised: Mapping[str, Quantised], tied: bool) -> dict[str, PackedRows]:
    """Return a checkpoint's quantised maps and head, packed; the head is the table of tokens where they are ``tied``.

    The table itself stays wide: of it a token is one row.
    """
    packed = {name: PackedRows(q) for name, q in quantised.items() if name != "tokens"}
    if tied and "tokens" in quantised:
        packed["head"] = PackedRows(quantised["tokens"])
    return packed


@jax.jit  # traced once for all maps of a size
def _product(
    words_RxGxN: jax.Array, scale_RxN: jax.Array, offset_BxN: jax.Array, x_D: jax.Array
) -> jax.Array:
    rows, together, _ = words_RxGxN.shape
    several = x_D.size // (rows * together)
    bits = 32 // several
    x_RxGxS = x_D.reshape(rows, together, several)
    weighted = 0.0
    for g in range(together):
        for k in range(several):
            own, power = words_RxGxN[:, g], bits * k
            if k == several - 1:
                own, power = own >> power, 0
            else:
                own = own & np.uint32((1 << bits) - 1 << power)
            weighted += own.astype(jnp.int32).astype(jnp.float32) * (x_RxGxS[:, g, k, None] * 2.0**-power)
    shift_RxN = jnp.repeat(offset_BxN, rows // len(offset_BxN), 0)
    x_R = jax.lax.optimization_barrier(total(x_D.reshape(rows, -1)))  # once, not anew for every output
    terms_RxN = weighted * scale_RxN + shift_RxN * x_R[:, None]
    # summed as a product: XLA's CPU backend takes many words apart at a time where it writes what comes of them, but
    # one by one within a sum
    return jnp.dot(jnp.ones(rows, terms_RxN.dtype), terms_RxN, precision="highest")
