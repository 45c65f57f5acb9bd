"""Torch checkpoints of the older kind, written without torch, honest ones and others."""

import pickle
import struct
from collections import OrderedDict

import numpy as np

from actlab.models.torch_pickle import MAGIC, PROTOCOL


class Names:
    """Pickles as a reference to a name that need not exist here, called with arguments."""

    def __init__(self, name, *arguments, calls=True):
        self.name, self.arguments, self.calls = name, arguments, calls


class Sets:
    """Pickles as an object whose attributes are then set: pickle's instruction BUILD."""

    def __init__(self, target, state):
        self.target, self.state = target, state


class Raw:
    """Pickles as instructions given in bytes."""

    def __init__(self, instructions):
        self.instructions = instructions


class Storage:
    def __init__(self, kind, key, length):
        self.pid = ("storage", Reference(kind), key, "cpu", length, None)


class Reference:
    def __init__(self, name):
        self.name = name


class Writer(pickle._Pickler):  # the Python one: its save can be told how to write a name
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Reference):
            module, _, name = obj.name.rpartition(".")
            return self.write(f"c{module}\n{name}\n".encode())
        if isinstance(obj, Names):
            self.save(Reference(obj.name))
            self.save(obj.arguments)
            return self.write(b"R")
        if isinstance(obj, Sets):
            self.save(obj.target)
            self.save(obj.state)
            return self.write(b"b")
        if isinstance(obj, Raw):
            return self.write(obj.instructions)
        return super().save(obj, save_persistent_id)


def write(
    path, named, storages, *, magic=MAGIC, little=True, facts=None, keys=None, length=None, cut=0, after=b""
):
    facts = {"little_endian": little} if facts is None else facts
    with path.open("wb") as f:
        for value in (magic, PROTOCOL, facts, named, sorted(storages) if keys is None else keys):
            Writer(f, 2).dump(value)
        for key in sorted(storages):
            said = storages[key].size if length is None else length
            f.write(struct.pack("<q", said) + storages[key].tobytes())
        f.write(after)
        f.truncate(f.tell() - cut)
    return path


def tensor(key, kind, storage, offset, shape, strides, *, length=None):
    return Names(
        "torch._utils._rebuild_tensor_v2",
        Storage(f"torch.{kind}", key, storage.size if length is None else length),
        offset,
        shape,
        strides,
        False,
        OrderedDict(),
    )


FLOATS = np.arange(12, dtype=np.float32)
