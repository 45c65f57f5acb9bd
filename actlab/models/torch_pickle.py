"""Arrays out of a torch checkpoint of the older kind, without torch and without running anything that it names.

``torch.save`` before 1.6: pickles of a magic number, a protocol number, facts of the system, the state dict and the
list of storages, then each storage as an int64 length and its raw numbers. A pickle may name any function for whoever
loads it to call; here four names mean something, and any other ends the reading.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from actlab.errors import InputError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch/serialization.py


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict by name, float32 or int64, in the file's order.

    Raises:
        InputError: the file is not one of this kind, is cut short, or names anything but arrays; nothing of it has
            been executed.
        OSError: there is no such file.

    """
    with Path(path).open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InputError(
                f"{path} is a zip archive (torch 1.6 and later); this reads the older kind of file"
            )
        file.seek(0)
        try:
            if (_Allowed(file, {}).load(), _Allowed(file, {}).load()) != (MAGIC, PROTOCOL):
                raise InputError(f"{path} is not a torch checkpoint: it does not begin as one")
            if _Allowed(file, {}).load().get("little_endian") is not True:
                raise InputError(f"{path} was written on a big-endian machine")
            storages: dict[str, _Storage] = {}
            named = _Allowed(file, storages).load()
            if not isinstance(named, dict) or not all(isinstance(t, _Tensor) for t in named.values()):
                raise InputError(f"{path} is not a state dict: it holds other things than named arrays")
            keys = _Allowed(file, {}).load()
            if set(keys) != set(storages):
                raise InputError("its arrays and its lists of numbers do not belong together")
            for key in keys:
                storages[key].read(file)
            return {str(name): tensor.array() for name, tensor in named.items()}
        except InputError as e:
            raise InputError(str(e) if str(path) in str(e) else f"{path}: {e}") from None
        except Exception as e:  # a damaged pickle raises errors of any class
            reason = " ".join(str(e).split()) or type(e).__name__
            raise InputError(f"{path} is not a torch checkpoint, or damaged: {reason:.120}") from e


@dataclass
class _Storage:
    """Numbers in a row, read after what refers to them."""

    dtype: np.dtype
    length: int
    values: np.ndarray | None = None

    def read(self, file: BinaryIO) -> None:
        length = int.from_bytes(file.read(8), "little", signed=True)
        if length != self.length:
            raise InputError(f"a storage of {self.length} numbers is said to have {length}")
        content = file.read(length * self.dtype.itemsize)
        if len(content) != length * self.dtype.itemsize:
            raise InputError("the file is cut short")
        self.values = np.frombuffer(content, self.dtype)


@dataclass
class _Tensor:
    """A view of a storage, as ``torch._utils._rebuild_tensor_v2`` describes it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        values = self.storage.values
        if values is None or len(self.shape) != len(self.strides):
            raise InputError("an array has more axes than strides, or fewer")
        least = min((self.offset, *self.shape, *self.strides))
        if least < 0:
            raise InputError("an array has a negative size, stride or offset")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) and last >= len(values):
            raise InputError("an array reaches past its storage")
        steps = [s * values.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps, writeable=False)
        return np.array(view, order="C")


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Allowed(pickle.Unpickler):
    """Unpickles numbers, strings, containers and the names above."""

    def __init__(self, file: BinaryIO, storages: dict[str, _Storage]):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise InputError(
                f"the file names {module}.{name}, and only arrays are read: nothing was executed"
            )
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, length, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise InputError(f"the file has a {kind!r} of an unknown kind")
        return self.storages.setdefault(key, _Storage(dtype, int(length)))
