"""Weights as a GGUF file has them: whole numbers of a few bits, by blocks with a scale and an offset each.

Shapes: N rows, D columns, B blocks of D / B columns each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Quantised(NamedTuple):
    """The weights ``scale * numbers + offset``, rounded once after each operation as float32.

    ``numbers`` is uint8 (N, D), ``scale`` and ``offset`` float32 (N, B): of each block of D / B columns.
    """

    numbers: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def by_rows(self, chosen: Callable[[np.ndarray], np.ndarray]) -> Quantised:
        """Return what ``chosen`` makes of the rows, the same for all three."""
        return Quantised(*map(chosen, self))


def quantised(rows: np.ndarray, kind: str) -> Quantised | None:
    """Return the rows of a tensor, (N, bytes) uint8, of a type of GGUF; None for a type not taken apart here.

    Taken apart are Q4_0, Q4_1, Q8_0, Q4_K and Q6_K, whose layouts are ggml's (``ggml-common.h``, ``ggml-quants.c``).

    >>> block = np.zeros((1, 18), np.uint8)
    >>> block[0, :2], block[0, 2] = np.array([0.5], "<f2").view(np.uint8), 0xA1
    >>> q = quantised(block, "Q4_0")
    >>> q.numbers[0, [0, 16]].tolist(), q.scale.item(), q.offset.item()
    ([1, 10], 0.5, -4.0)
    """
    if kind not in _BYTES:
        return None
    n = len(rows)
    blocks = np.asarray(rows).reshape(-1, _BYTES[kind])
    numbers, scale, offset = _APART[kind](blocks)
    return Quantised(numbers.reshape(n, -1), scale.reshape(n, -1), offset.reshape(n, -1))


def _half(two_bytes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(two_bytes).view("<f2").astype(np.float32)


def _nibbles(x: np.ndarray) -> np.ndarray:
    """Return (M, 2 K) of bytes (M, K): all lower halves, then all upper ones."""
    return np.concatenate([x & 0xF, x >> 4], -1)


def _q4_0(x: np.ndarray):
    scale = _half(x[:, :2])
    return _nibbles(x[:, 2:]), scale, np.float32(-8) * scale


def _q4_1(x: np.ndarray):
    return _nibbles(x[:, 4:]), _half(x[:, :2]), _half(x[:, 2:4])


def _q8_0(x: np.ndarray):
    scale = _half(x[:, :2])
    return x[:, 2:] ^ 0x80, scale, np.float32(-128) * scale  # signed to unsigned: 128 more


def _q4_k(x: np.ndarray):
    """256 numbers in 8 blocks; scales and offsets are themselves numbers of 6 bits, 16 of them in 12 bytes."""
    both = x[:, 4:16].reshape(-1, 3, 4)
    first, second, high = both[:, 0], both[:, 1], both[:, 2]
    scale = np.concatenate([first & 0x3F, (high & 0xF) | (first >> 2 & 0x30)], -1)
    offset = np.concatenate([second & 0x3F, (high >> 4) | (second >> 2 & 0x30)], -1)
    numbers = _nibbles(x[:, 16:].reshape(-1, 4, 32))
    return numbers, _half(x[:, :2]) * scale.astype(np.float32), -_half(x[:, 2:4]) * offset.astype(np.float32)


def _q6_k(x: np.ndarray):
    """256 numbers in 16 blocks of 16: four bits in one place, two in another."""
    low = _nibbles(x[:, :128].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    high = x[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    scale = _half(x[:, 208:210]) * x[:, 192:208].view(np.int8).astype(np.float32)
    return low | high << 4, scale, np.float32(-32) * scale


_BYTES = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34, "Q4_K": 144, "Q6_K": 210}
_APART = {"Q4_0": _q4_0, "Q4_1": _q4_1, "Q8_0": _q8_0, "Q4_K": _q4_k, "Q6_K": _q6_k}
