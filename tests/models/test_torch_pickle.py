"""Reading a torch checkpoint without torch: what is read, and that nothing else is ever called."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from made_checkpoints import FLOATS, Names, tensor, write

from actlab.errors import InputError
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


def test_an_ordinary_pickle_that_runs_something_does_not(tmp_path):
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {touched}",)

    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match=r"names (posix|nt)\.system"):
        read_state_dict(path)
    assert not touched.exists()


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
        ({"named": {"w": tensor("9", "FloatStorage", FLOATS, 0, (3,), (1,))}}, "belong together"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(change, told, tmp_path):
    options = {"named": {"w": tensor("1", "FloatStorage", FLOATS, 0, (3, 4), (4, 1))}} | change
    path = write(tmp_path / "w.pth", options.pop("named"), {"1": FLOATS}, **options)
    with pytest.raises(InputError, match=told) as e:
        read_state_dict(path)
    assert str(path) in str(e.value) and "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "damaged"), (b"\xff\xd8\xff\xe0 a photo", "damaged"), (b"PK\x03\x04rest", "zip archive")],
)
def test_other_files(content, told, tmp_path):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.bin.*{told}"):
        read_state_dict(tmp_path / "x.bin")
