"""The parts of a text as a compiled program leaves them, and how they become one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from actlab.inspection.trace import trimmed


class Piece(NamedTuple):
    """A part of a text as it comes: its tokens, how many were given, and records with N first, see `named`."""

    tokens: np.ndarray
    given: int
    seen: Mapping[str, np.ndarray]


def whole(parts: Sequence[Piece]) -> Piece:
    """Return the parts of a text as one, all records in one piece of memory: many take longer to come by."""
    tokens = np.concatenate([p.tokens for p in parts])
    several = [trimmed(p.seen, len(tokens)) for p in parts]
    first = several[0]
    shapes = {name: (len(tokens), *x.shape[1:]) for name, x in first.items()}
    sizes = {name: math.prod(shapes[name]) * x.itemsize for name, x in first.items()}
    memory, at = np.empty(sum(-(-size // 64) * 64 for size in sizes.values()), np.uint8), 0
    seen = {}
    for name, x in first.items():
        own = memory[at : at + sizes[name]].view(x.dtype).reshape(shapes[name])
        seen[name] = np.concatenate([part[name] for part in several], out=own)
        at += -(-sizes[name] // 64) * 64
    return Piece(tokens, sum(p.given for p in parts), seen)
