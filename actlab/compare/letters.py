"""Groups of what cannot be told apart, as letters."""

from __future__ import annotations

from collections.abc import Set
from string import ascii_lowercase

import numpy as np


def letters(apart: np.ndarray) -> list[str]:
    """Return letters such that two share one exactly where they cannot be told apart.

    Args:
        apart: (K, K) symmetric, whether two are told apart; what stands first gets the first letters.

    Source: Piepho 2004 (J. Comput. Graph. Stat. 13), insert and absorb.

    >>> letters(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], bool))
    ['a', 'ab', 'b']
    """
    k = len(apart)
    groups: list[frozenset[int]] = [frozenset(range(k))] if k else []
    for i in range(k):
        for j in range(i + 1, k):
            if not apart[i, j]:
                continue
            split = [g - {drop} for g in groups if {i, j} <= g for drop in (j, i)]
            groups = _maximal([g for g in groups if not {i, j} <= g] + split)
    groups.sort(key=sorted)
    return ["".join(_letter(place) for place, g in enumerate(groups) if i in g) for i in range(k)]


def _maximal(groups: list[frozenset[int]]) -> list[frozenset[int]]:
    """Return the groups that no other one holds."""
    distinct: list[Set[int]] = sorted(set(groups), key=len, reverse=True)
    kept: list[frozenset[int]] = []
    for g in distinct:
        if not any(g <= other for other in kept):
            kept.append(frozenset(g))
    return kept


def _letter(place: int) -> str:
    """Return a, b, ... z, then A, ... Z, then 1' 2' ..."""
    both = ascii_lowercase + ascii_lowercase.upper()
    return both[place] if place < len(both) else f"{place - len(both) + 1}'"
