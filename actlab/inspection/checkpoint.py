"""Trained weights read from somewhere, under the names and in the shapes of `Architecture.shapes`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from actlab.errors import InputError
from actlab.inspection.architecture import Architecture
from actlab.inspection.quantised import Quantised
from actlab.inspection.tokenizer import Tokenizer

Found = tuple[str, np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained decoder: what it is made of, its numbers, its tokens. Compares by identity.

    Args:
        architecture: its sizes and options.
        weights: float32 by name, as `Architecture.shapes` yields them; rows of queries and keys are in the order for
            pairs half a head apart, whatever the file has.
        tokenizer: from text to tokens and back; None where the source has none.
        name: what to call the model where results are shown; of a name from a file, what can be printed of it.
        source: where it came from: a path, or what was asked for.
        quantised: the same weights as the file has them, of those it has so and that can be kept so.

    Raises:
        InputError: a weight is missing, is not foreseen, or has another shape.

    """

    architecture: Architecture
    weights: dict[str, np.ndarray] = field(repr=False)
    tokenizer: Tokenizer | None = field(repr=False)
    name: str
    source: str
    quantised: dict[str, Quantised] = field(repr=False, default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "name", "".join(filter(str.isprintable, self.name))[:100])
        left = set(self.weights)
        for name, shape in self.architecture.shapes():
            if name not in left:
                raise InputError(f"weight {name!r} is missing")
            left.remove(name)
            array = self.weights[name]
            if array.shape != shape or array.dtype != np.float32:
                raise InputError(f"weight {name!r} is {array.dtype} {array.shape}, not float32 {shape}")
        if left:
            raise InputError(f"weight {min(left)!r} belongs to no part of the model")
        count = self.architecture.vocabulary
        if self.tokenizer is not None and self.tokenizer.size > count:
            raise InputError(f"{self.tokenizer.size:,} tokens for a table of {count:,} rows")

    @property
    def parameters(self) -> int:
        """How many numbers there are, biases that are all zero for want of any included."""
        return sum(w.size for w in self.weights.values())


def assemble(architecture: Architecture, find: Callable[[str], Found]) -> dict[str, np.ndarray]:
    """Return every weight of an architecture, float32, from what ``find`` has for its name.

    ``find`` returns what the file calls it and the array, None if it has none: zeros where that is the bias of a map.

    Raises:
        InputError: a tensor is missing or has another shape, by the file's name of it; or all together are more than
            the machine's memory.

    """
    size, most = sum(4 * math.prod(shape) for _, shape in architecture.shapes()), memory()
    if size > most:
        raise InputError(f"as float32 it takes {size / 2**30:,.0f} GiB, this machine has {most / 2**30:,.0f}")
    weights = {}
    for name, shape in architecture.shapes():
        called, array = find(name)
        if array is None and name.endswith(".bias") and name.removesuffix("bias") + "kernel" in weights:
            array = np.zeros(shape, np.float32)
        if array is None:
            raise InputError(f"tensor {called!r} is missing")
        if array.shape != shape:
            raise InputError(f"tensor {called!r} has shape {array.shape}, the model's sizes make it {shape}")
        weights[name] = np.ascontiguousarray(array, np.float32)
    return weights


def memory() -> float:
    """Return the bytes this machine has, infinity where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows; an unknown name
        return math.inf


def row(name: str) -> tuple[int | None, str, str]:
    """Return block, part and kind of a weight's name.

    >>> row("blocks.3.query.kernel"), row("norm.scale"), row("tokens")
    ((3, 'query', 'kernel'), (None, 'norm', 'scale'), (None, 'tokens', ''))
    """
    parts = name.split(".")
    block = int(parts[1]) if parts[0] == "blocks" else None
    rest = parts[2:] if parts[0] == "blocks" else parts
    return block, rest[0], rest[1] if len(rest) > 1 else ""


def split(array: np.ndarray | None, index: int, count: int, called: str) -> np.ndarray | None:
    """Return one of ``count`` equal parts of the rows of an array, None of None.

    Raises:
        InputError: rows that cannot be parted so.

    """
    if array is None:
        return None
    if len(array) % count:
        raise InputError(f"tensor {called!r} has {len(array)} rows, which are no {count} equal parts")
    size = len(array) // count
    return array[index * size : (index + 1) * size]
