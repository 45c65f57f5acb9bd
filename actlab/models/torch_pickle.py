"""Arrays out of a torch checkpoint of the older kind, without torch and without pickle's machine.

``torch.save`` before 1.6: pickles of a magic number, a protocol number, facts of the system, the state dict and the
list of storages, then each storage as an int64 length and its raw numbers. The pickles are followed by
``actlab.models.unpickling``; four names mean something, and any other ends the reading.
"""

from __future__ import annotations

import enum
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from actlab.errors import InputError
from actlab.models.unpickling import NOTHING, follow

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch/serialization.py
AXES = 64  # as many as torch and numpy have at most


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict by name, float32 or int64, in the file's order.

    All arrays together take no more bytes than the file: those that share their numbers count each.

    Raises:
        InputError: the file is not one of this kind, is cut short or too long, or has anything but arrays; nothing of
            it has been executed.
        OSError: there is no such file.

    """
    with Path(path).open("rb") as file:
        content = file.read(4)
        if content.startswith(b"\x80"):  # as every pickle of protocol 2: of anything else no more is read
            content += file.read()
    try:
        return _arrays(content)
    except InputError as e:
        raise InputError(f"{path}: {e}") from None
    except Exception as e:  # a damaged pickle raises errors of any class
        reason = " ".join(str(e).split()) or type(e).__name__
        raise InputError(f"{path} is not a torch checkpoint, or damaged: {reason:.120}") from e


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    if content.startswith(b"PK\x03\x04"):
        raise InputError("a zip archive (torch 1.6 and later); this reads the older kind of file")
    file = io.BytesIO(content)
    for number in (MAGIC, PROTOCOL):
        found = _load(file, {})
        if type(found) is not int or found != number:
            raise InputError("not a torch checkpoint: it does not begin as one")
    facts = _load(file, {})
    if not isinstance(facts, dict) or type(facts.get("little_endian")) is not bool:
        raise InputError("not a torch checkpoint: it does not say of what byte order it is")
    if not facts["little_endian"]:
        raise InputError("written on a big-endian machine")
    storages: dict[str, _Storage] = {}
    named = _load(file, storages)
    if not isinstance(named, dict) or not all(isinstance(t, _Tensor) for t in named.values()):
        raise InputError("not a state dict: it holds other things than named arrays")
    keys = _load(file, {})
    if not isinstance(keys, list) or not all(type(k) is str for k in keys):
        raise InputError("its list of storages is none of strings")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise InputError("its arrays and its lists of numbers do not belong together")
    values = {key: storages[key].read(file) for key in keys}
    if rest := len(content) - file.tell():
        raise InputError(f"{rest:,} bytes follow what should be its end")
    size = sum(tensor.size * tensor.storage.dtype.itemsize for tensor in named.values())
    if size > len(content):
        raise InputError(f"its arrays take {size:,} bytes, the file has {len(content):,}")
    return {name: tensor.array(values[tensor.storage.key]) for name, tensor in named.items()}


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers in a row, which come after what refers to them."""

    key: str
    dtype: np.dtype
    length: int

    def read(self, file: BinaryIO) -> np.ndarray:
        length = int.from_bytes(file.read(8), "little", signed=True)
        if length != self.length:
            raise InputError(f"a storage has {length:,} numbers, its arrays name another number")
        content = file.read(length * self.dtype.itemsize)
        if len(content) != length * self.dtype.itemsize:
            raise InputError("the file is cut short")
        return np.frombuffer(content, self.dtype)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage, as ``torch._utils._rebuild_tensor_v2`` describes it, checked."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self):
        if not isinstance(self.storage, _Storage) or not all(map(_is_integers, (self.shape, self.strides))):
            raise InputError("an array is not made of a storage, an offset, a shape and strides")
        if len(self.shape) != len(self.strides) or len(self.shape) > AXES:
            raise InputError(f"an array has more axes than strides, or fewer, or more than {AXES}")
        if not _is_integers((self.offset,)) or min((self.offset, *self.shape, *self.strides)) < 0:
            raise InputError("an array has a negative size, stride or offset")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if self.size and last >= self.storage.length:
            raise InputError("an array reaches past its storage")
        if self.size > self.storage.length:  # strides of 0 would make any amount of one number
            raise InputError("an array has more numbers than its storage")

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def array(self, values: np.ndarray) -> np.ndarray:
        if not self.size:
            return np.zeros(self.shape, values.dtype)
        steps = [s * values.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps, writeable=False)
        return np.array(view, order="C")


class _Name(enum.Enum):
    """What a file may name, its module before it."""

    ORDERED_DICT = "collections OrderedDict"
    TENSOR = "torch._utils _rebuild_tensor_v2"
    FLOATS = "torch FloatStorage"
    LONGS = "torch LongStorage"


_NAMES = {name.value: name for name in _Name}
_DTYPES = {_Name.FLOATS: np.dtype("<f4"), _Name.LONGS: np.dtype("<i8")}


def _load(file: BinaryIO, storages: dict[str, _Storage]) -> Any:
    """Return what the next pickle of a file describes; the storages it refers to go into ``storages``.

    Of a state dict torch sets ``_metadata``, the versions of its modules: they change nothing here.
    """
    return follow(
        file, _NAMES, call=_made, refer=lambda pid: _referred(pid, storages), left_out=("_metadata",)
    )


def _referred(pid: Any, storages: dict[str, _Storage]) -> _Storage:
    """Return the storage that a persistent id stands for: ``("storage", type, key, device, length, None)``."""
    if not isinstance(pid, tuple) or len(pid) != 6 or pid[0] != "storage" or pid[5] is not None:
        raise InputError("it refers to something that is no storage")
    _, kind, key, _, length, _ = pid
    if type(kind) is not _Name or kind not in _DTYPES or type(key) is not str or not _is_integers((length,)):
        raise InputError("a storage is not made of a type, a name and a length")
    if length < 0:
        raise InputError("a storage has a negative length")
    new = _Storage(key, _DTYPES[kind], length)
    if storages.setdefault(key, new) != new:
        raise InputError("a storage is said to have two types or lengths")
    return new


def _made(name: Any, arguments: Any) -> dict | _Tensor:
    if name is _Name.ORDERED_DICT and arguments == ():
        return {}
    if name is _Name.TENSOR and isinstance(arguments, tuple) and len(arguments) >= 4:
        return _Tensor(*arguments[:4])  # then: whether it has a gradient, and hooks that are to be called
    raise InputError(f"it calls something with arguments that are not for it, {NOTHING}")


def _is_integers(numbers: Any) -> bool:
    return isinstance(numbers, tuple) and all(type(n) is int for n in numbers)
