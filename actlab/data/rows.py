"""Samples that stay in a file: read a batch at a time, for what does not fit into memory.

Shapes: N samples, M rows of the file, S... a sample.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actlab.errors import InputError

BLOCK = 2**24  # bytes that are looked at together where all of a file is


@dataclass(frozen=True, eq=False)
class Rows:
    """An array on disk, as training takes it: ``rows[index]`` reads those samples, float32 or int32.

    Bytes (uint8) become shares of 255, other real numbers float32, whole numbers that are tokens int32: the same
    numbers as those of an array read whole. Compares by identity.

    Args:
        source: (M, *S), such as ``numpy.load(path, mmap_mode="r")``.
        chosen: (N,) which rows, in this order; None is all.
        tokens: whether whole numbers are tokens; else they are numbers.

    Raises:
        InputError: what it holds are no numbers.

    >>> rows = Rows(np.arange(8, dtype=np.uint8).reshape(4, 2) * 51, np.array([3, 0]))
    >>> rows.shape, rows[np.array([1])]
    ((2, 2), array([[0. , 0.2]], dtype=float32))
    """

    source: np.ndarray
    chosen: np.ndarray | None = None
    tokens: bool = False

    def __post_init__(self):
        kind = self.source.dtype
        if kind.kind not in "buif":
            raise InputError(f"samples are {kind.name}: must be real numbers")
        if self.tokens and not np.issubdtype(kind, np.integer):
            raise InputError(f"tokens are {kind.name}: must be whole numbers")

    def __len__(self) -> int:
        return len(self.source) if self.chosen is None else len(self.chosen)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *S)."""
        return (len(self), *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.source.ndim

    @property
    def dtype(self) -> np.dtype:
        """What is read: float32, or int32 of tokens."""
        return np.dtype(np.int32 if self.tokens else np.float32)

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        """Read samples (K, *S)."""
        at = index if self.chosen is None else self.chosen[index]
        read = self.source[at]
        if read.dtype == np.uint8 and not self.tokens:
            return read.astype(np.float32) / np.float32(255)
        with np.errstate(over="ignore"):  # infinite then, and where training meets it, it says so
            return np.asarray(read.astype(self.dtype))

    def blocks(self) -> Iterator[np.ndarray]:
        """Read everything, some samples at a time."""
        size = self.source.dtype.itemsize * int(np.prod(self.source.shape[1:]))
        step = max(1, BLOCK // max(size, 1))
        return (self[i : i + step] for i in range(0, len(self), step))

    def min(self) -> float | int:
        """Return the least number there is; reads everything."""
        return min(block.min() for block in self.blocks())

    def max(self) -> float | int:
        """Return the greatest; reads everything."""
        return max(block.max() for block in self.blocks())


def mapped(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an uncompressed .npz, or of a folder's .npy files, by name, none of them read.

    Raises:
        InputError: no such file, one that is damaged, compressed, or holds Python objects.

    """
    try:
        if path.is_dir():
            return {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in sorted(path.glob("*.npy"))}
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return {
                info.filename.removesuffix(".npy"): _member(path, file, info) for info in archive.infolist()
            }
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        what = "a folder of whole .npy files of numbers" if path.is_dir() else "a whole .npz file of numbers"
        raise InputError(f"{path} is not {what} ({e})") from None


def _member(path: Path, file, info: zipfile.ZipInfo) -> np.ndarray:
    """Return one array of an archive, where it lies in the file."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise InputError(
            f"{path} is compressed: what is read as training goes must be saved by numpy.savez, not savez_compressed"
        )
    file.seek(
        info.header_offset + 26
    )  # of the local header: lengths of name and extra field (PKZIP APPNOTE 4.3.7)
    name, extra = np.frombuffer(file.read(4), "<u2").tolist()
    file.seek(info.header_offset + 30 + name + extra)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise InputError(f"{path} holds Python objects, which are not read: save arrays of numbers")
    if not int(np.prod(shape)):
        return np.zeros(shape, dtype)
    order = "F" if fortran else "C"
    return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape, order=order)
