"""Reading a torch checkpoint without torch: what is read, and that nothing else is ever called."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from made_checkpoints import FLOATS, Names, Raw, Reference, Sets, tensor, write

from actlab.errors import InputError
from actlab.models import torch_pickle
from actlab.models.torch_pickle import read_state_dict


def test_arrays_come_back_in_order_views_and_all(tmp_path):
    longs = np.array([7], np.int64)
    named = OrderedDict(
        b=tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1)),
        a=tensor("1", "FloatStorage", FLOATS, 1, (4, 2), (1, 4)),  # a transposed view of the same numbers
        n=tensor("0", "LongStorage", longs, 0, (), ()),
    )
    arrays = read_state_dict(write(tmp_path / "w.pth", named, {"1": FLOATS, "0": longs}))
    assert list(arrays) == ["b", "a", "n"]
    np.testing.assert_array_equal(arrays["b"], FLOATS.reshape(3, 4))
    np.testing.assert_array_equal(arrays["a"], FLOATS[1:].reshape(-1)[:8].reshape(2, 4).T)
    assert arrays["n"].shape == () and arrays["n"].dtype == np.int64 and arrays["n"] == 7


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.nn.Linear", "numpy.fromfile"])
@pytest.mark.parametrize("where", ["in the state dict", "instead of the magic number"])
def test_any_other_name_ends_the_reading_and_is_not_called(name, where, tmp_path):
    touched = tmp_path / "touched"
    bad = Names(name, f"touch {touched}")
    if where == "in the state dict":
        path = write(tmp_path / "w.pth", OrderedDict(w=bad), {})
    else:
        path = write(tmp_path / "w.pth", OrderedDict(), {}, magic=bad)
    with pytest.raises(InputError, match=f"w.pth: the file names {name}, .*nothing was executed"):
        read_state_dict(path)
    assert not touched.exists()


@pytest.mark.parametrize(("protocol", "told"), [(2, r"names (posix|nt)\.system"), (4, "instruction FRAME")])
def test_an_ordinary_pickle_that_runs_something_does_not(protocol, told, tmp_path):
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {touched}",)

    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(Evil(), protocol=protocol))
    with pytest.raises(InputError, match=f"{told}, .*nothing was executed"):
        read_state_dict(path)
    assert not touched.exists()


ONE = tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1))
REBUILD = "torch._utils._rebuild_tensor_v2"


@pytest.mark.parametrize(
    "target",
    [
        Reference(REBUILD),
        Reference("collections.OrderedDict"),
        Reference("torch.FloatStorage"),
        ONE,
        OrderedDict(),
    ],
    ids=["function", "class", "type", "array", "dict"],
)
@pytest.mark.parametrize("state", [{"__doc__": "changed"}, (None, {"__doc__": "changed", "shape": (1,)})])
def test_a_file_sets_no_attribute(target, state, tmp_path):
    before = {k: (v, v.__doc__) for k, v in vars(torch_pickle).items() if callable(v)}
    path = write(tmp_path / "w.pth", OrderedDict(w=ONE, x=Sets(target, state)), {"1": FLOATS})
    with pytest.raises(InputError, match=r"w\.pth: it sets attributes, .*nothing was executed"):
        read_state_dict(path)
    assert {k: (v, v.__doc__) for k, v in vars(torch_pickle).items() if callable(v)} == before


def test_versions_that_torch_sets_of_a_state_dict_are_left_out(tmp_path):
    named = Sets(OrderedDict(w=ONE), {"_metadata": OrderedDict({"": {"version": 1}})})
    assert list(read_state_dict(write(tmp_path / "w.pth", named, {"1": FLOATS}))) == ["w"]


@pytest.mark.parametrize(
    ("instructions", "name"),
    [
        (b"ccollections\nOrderedDict\n)\x81", "NEWOBJ"),
        (b"(icollections\nOrderedDict\n", "INST"),
        (b"(ccollections\nOrderedDict\no", "OBJ"),
        (b"\x82\x01", "EXT1"),
        (b"\x8c\x02os\x8c\x06system\x93", "SHORT_BINUNICODE"),
        (b"I1\n", "INT"),
    ],
)
def test_an_instruction_that_arrays_do_not_need_ends_the_reading(instructions, name, tmp_path):
    path = write(tmp_path / "w.pth", {"w": Raw(instructions)}, {})
    with pytest.raises(InputError, match=f"instruction {name}, .*nothing was executed"):
        read_state_dict(path)


def test_a_name_nested_deeper_than_the_stack_of_the_process_does_no_harm(tmp_path):
    path = write(tmp_path / "w.pth", Raw(b"})" + b"\x85" * 100_000 + b"Ns"), {})
    with pytest.raises(InputError, match="what is no string"):  # its hash would end the process
        read_state_dict(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cut": 5}, "cut short"),
        ({"magic": 3}, "not a torch checkpoint"),
        ({"little": False}, "big-endian"),
        ({"named": [1, 2]}, "not a state dict"),
        ({"named": {"w": 3}}, "not a state dict"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 2, (3, 4), (4, 1))}}, "past its storage"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 9, (3,), (-4,))}}, "negative"),
        ({"facts": [1]}, "byte order"),
        ({"facts": {"little_endian": 1}}, "byte order"),
        ({"named": {3: ONE}}, "names one by what is no string"),
        (
            {"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (13,), (0,))}},
            "more numbers than its storage",
        ),
        (
            {"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (2**40, 2**40), (0, 0))}},
            "more numbers than",
        ),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (0, 2**99), (1, 1))}}, "damaged"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (1,) * 65, (1,) * 65)}}, "more than 64"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (True,), (1,))}}, "not made of"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (-3,), (1,))}}, "negative"),
        ({"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (3,), (1,), length=-1)}}, "negative length"),
        (
            {"named": {"w": ONE, "x": tensor("1", "LongStorage", FLOATS, 0, (3,), (1,))}},
            "two types or lengths",
        ),
        ({"keys": ["1", "1"]}, "belong together"),
        ({"keys": {"1": 2}}, "none of strings"),
        ({"length": -1}, "a storage has -1 numbers"),
        ({"length": 2**62}, "numbers, its arrays name another"),
        ({"after": b"rest"}, "4 bytes follow what should be its end"),
        ({"named": {"w": tensor("9", "FloatStorage", FLOATS, 0, (3,), (1,))}}, "belong together"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(change, told, tmp_path):
    options = {"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1))}} | change
    path = write(tmp_path / "w.pth", options.pop("named"), {"1": FLOATS}, **options)
    with pytest.raises(InputError, match=told) as e:
        read_state_dict(path)
    assert str(path) in str(e.value) and "\n" not in str(e.value)


def test_arrays_that_share_their_numbers_are_no_larger_together_than_the_file(tmp_path):
    many = np.zeros(4096, np.float32)
    same = tensor("1", "FloatStorage", many, 0, (4096,), (1,))
    path = write(tmp_path / "w.pth", {"a": same, "b": same}, {"1": many})
    with pytest.raises(InputError, match=r"its arrays take 32,768 bytes, the file has 16,\d+"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "damaged"), (b"\xff\xd8\xff\xe0 a photo", "damaged"), (b"PK\x03\x04rest", "zip archive")],
)
def test_other_files(content, told, tmp_path):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.bin.*{told}"):
        read_state_dict(tmp_path / "x.bin")
