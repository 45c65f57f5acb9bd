"""How many directions a site's values use, and what its units tell of the classes. Shapes: B samples, C units."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def ranks(x: jax.Array) -> dict[str, jax.Array]:
    """Return effective rank, stable rank and mean pairwise cosine of the samples of ``x`` (B, ..., C).

    Positions are flattened into units. With singular values s of the (B, D) matrix and p = s / sum s:

    .. math:: r_{eff} = \\exp(-\\sum p \\ln p), \\qquad r_{stable} = \\frac{\\sum s^2}{\\max s^2}

    Both lie in [1, min(B, D)]; NaN where all values are zero. Values that are not finite count as zero. The cosine is
    over pairs of different samples, samples that are zero everywhere left out.
    Roy & Vetterli 2007, "The effective rank"; Rudelson & Vershynin 2007, arXiv:math/0503442.

    >>> row = ranks(jnp.eye(4))
    >>> float(row["effective_rank"].round(3)), float(row["stable_rank"].round(3)), float(row["cosine"])
    (4.0, 4.0, 0.0)
    """
    a = x.astype(jnp.float32).reshape(x.shape[0], -1)
    a = jnp.where(jnp.isfinite(a), a, 0.0)
    top = jnp.max(jnp.abs(a))
    fine = top > 0
    a = jnp.where(fine, a / jnp.where(fine, top, 1.0), 0.0)
    # Not from the eigenvalues of a a^T: small singular values would drown in rounding where ranks are low.
    s = jnp.linalg.svd(a, compute_uv=False)
    squares = jnp.square(s)
    p = s / jnp.where(fine, s.sum(), 1.0)
    effective = jnp.exp(-jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1.0)), 0.0)))
    stable = squares.sum() / jnp.where(fine, squares.max(), 1.0)
    nothing = jnp.where(fine, 0.0, jnp.nan)
    return {
        "effective_rank": effective + nothing,
        "stable_rank": stable + nothing,
        "cosine": _cosine(a) + nothing,
    }


def _cosine(a: jax.Array) -> jax.Array:
    """Return the mean cosine over pairs: from the sum of the unit vectors, without the pairs themselves."""
    norm = jnp.sqrt(jnp.sum(jnp.square(a), axis=-1, keepdims=True))
    unit = jnp.where(norm > 0, a / jnp.where(norm > 0, norm, 1.0), 0.0)
    n = jnp.sum(norm > 0).astype(jnp.float32)
    return (jnp.sum(jnp.square(unit.sum(0))) - n) / (n * (n - 1.0))


def selectivity(x: jax.Array, labels: jax.Array, classes: int) -> jax.Array:
    """Return the share of each unit's variance that lies between classes (C,): 0 blind, 1 a perfect class detector.

    .. math:: \\eta^2 = \\frac{\\sum_k n_k (\\mu_k - \\mu)^2}{\\sum_i (a_i - \\mu)^2}

    The correlation ratio, for values of any sign; NaN for a unit that never changes. Positions are averaged.

    Args:
        x: (B, ..., C).
        labels: (B,) in [0, classes).
        classes: how many.

    Pearson 1905; class selectivity of units: Morcos et al. 2018, arXiv:1803.06959.

    >>> selectivity(jnp.array([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]), jnp.array([0, 0, 1, 1]), 2)
    Array([1., 0.], dtype=float32)
    """
    a = x.astype(jnp.float32)
    a = a.mean(axis=tuple(range(1, a.ndim - 1))) if a.ndim > 2 else a
    a = a - a.mean(0)
    member = jax.nn.one_hot(labels, classes, dtype=jnp.float32)
    n = member.sum(0)
    sums = jnp.matmul(member.T, a, precision="highest")
    between = jnp.sum(jnp.square(sums) / jnp.maximum(n, 1.0)[:, None], axis=0)
    total = jnp.sum(jnp.square(a), axis=0)
    return jnp.where(total > 0, between / jnp.where(total > 0, total, 1.0), jnp.nan)
