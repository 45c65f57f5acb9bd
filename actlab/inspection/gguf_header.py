"""What a GGUF file says of itself: metadata, and where its tensors lie. Every count is checked before it is believed.

The ``gguf`` package reads such files as well, trusting them, and makes arrays of every string: seconds for a
vocabulary. Format: github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actlab.errors import InputError

SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
STRING, ARRAY = 8, 9
KEYS, TENSORS, STRINGS = 1 << 16, 1 << 17, 1 << 21  # ten times what the largest known model has, and more
NAME, AXES = 256, 4


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as it lies in the file: ggml's number of its type, rows first, first byte, bytes."""

    kind: int
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata by key (numbers, truth values, strings, numpy arrays, tuples of strings), tensors by name."""

    metadata: dict[str, Any]
    tensors: dict[str, Stored]


def read_header(path: Path, sizes: dict[int, tuple[int, int]]) -> Header:
    """Return what a GGUF file holds; its tensors are not read.

    Args:
        path: the file.
        sizes: of each known type of tensor, by ggml's number: how many numbers a block has and how many bytes.

    Raises:
        InputError: it is not such a file, is cut short, damaged or of another version, or says of itself what cannot
            be. Without the path.
        OSError: it cannot be read.

    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError("not a GGUF file: it does not begin with 'GGUF'")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _header(_Cursor(content), sizes)


class _Cursor:
    """A place in the file that moves on as it is read."""

    def __init__(self, content: mmap.mmap):
        self.content, self.end, self.at = content, len(content), 4

    def take(self, count: int) -> bytes:
        if count > self.end - self.at:
            raise InputError(
                f"cut short or damaged: {count:,} bytes are to follow byte {self.at:,}, there are {self.end:,}"
            )
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self, limit: int, what: str) -> int:
        found = self.number("<Q")
        if found > limit:
            raise InputError(f"damaged: it speaks of {found:,} {what}, {limit:,} at most can be")
        return found

    def string(self, limit: int | None = None) -> str:
        length = self.number("<Q")
        if limit is not None and length > limit:
            raise InputError(f"damaged: a name of {length:,} bytes before byte {self.at:,}")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise InputError(f"damaged: a string before byte {self.at:,} is not UTF-8") from None

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner = self.number("<I")
            if inner == STRING:
                return tuple(self.string() for _ in range(self.count(STRINGS, "strings")))
            if inner not in SCALARS:
                raise InputError(f"damaged: an array of values of type {inner} before byte {self.at:,}")
            dtype = np.dtype(SCALARS[inner])
            return np.frombuffer(self.take(self.number("<Q") * dtype.itemsize), dtype)
        if kind not in SCALARS:
            raise InputError(f"damaged: a value of type {kind} before byte {self.at:,}")
        dtype = np.dtype(SCALARS[kind])
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()


def _header(cursor: _Cursor, sizes: dict[int, tuple[int, int]]) -> Header:
    version = cursor.number("<I")
    if version & 0xFFFF == 0:
        raise InputError("written on a big-endian machine")
    if version not in (2, 3):
        raise InputError(f"GGUF of version {version}: versions 2 and 3 can be read")
    tensors, keys = cursor.count(TENSORS, "tensors"), cursor.count(KEYS, "keys")
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = cursor.string(limit=NAME)
        if key in metadata:
            raise InputError(f"damaged: key {key!r} is there twice")
        metadata[key] = cursor.value(cursor.number("<I"))
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
        raise InputError(f"general.alignment={alignment!s:.40}: must be a power of two")
    described = {}
    for _ in range(tensors):
        name, stored = _described(cursor, sizes)
        if name in described:
            raise InputError(f"damaged: tensor {name!r} is there twice")
        described[name] = stored
    start = -(-cursor.at // alignment) * alignment
    placed = {}
    for name, t in described.items():
        at = start + t.offset
        if t.offset % alignment or at + t.size > cursor.end:
            raise InputError(
                f"cut short or damaged: tensor {name!r} is to end at byte {at + t.size:,} of {cursor.end:,}"
            )
        placed[name] = Stored(t.kind, t.shape, at, t.size)
    if sum(t.size for t in placed.values()) > cursor.end - start:
        raise InputError("damaged: its tensors lie over one another")
    return Header(metadata, placed)


def _described(cursor: _Cursor, sizes: dict[int, tuple[int, int]]) -> tuple[str, Stored]:
    name = cursor.string(limit=NAME)
    axes = cursor.number("<I")
    if not 1 <= axes <= AXES:
        raise InputError(f"damaged: tensor {name!r} has {axes} axes")
    shape = tuple(cursor.number("<Q") for _ in range(axes))  # the fastest first
    kind, offset = cursor.number("<I"), cursor.number("<Q")
    if kind not in sizes:
        raise InputError(f"tensor {name!r} has type {kind}, which is not known")
    numbers, size = sizes[kind]
    if not all(shape) or shape[0] % numbers:
        raise InputError(f"damaged: tensor {name!r} has shape {shape}, its rows are blocks of {numbers}")
    return name, Stored(kind, shape[::-1], offset, math.prod(shape) // numbers * size)
