import math

import numpy as np
import pytest

from actlab.errors import InputError
from actlab.sinks.sink import batches, flat, require


def test_rows_become_steps_in_order_without_what_is_not_finite():
    rows = [(20, "train", "loss", 0.5), (10, "a", "pre.mean", math.nan), (10, "a", "pre.max", 3.0)]
    shapes = [
        (20, "a", "pre", -1.0, 1.0, [1, 2, 3, 4], 5),
        (20, "a", "post", math.nan, math.nan, [0, 0, 0, 0], 10),
        (20, "b", "pre", 2.0, 2.0, [7, 0], 0),
    ]
    found, left_out = batches([*rows, (20, "train", "accuracy", math.inf)], shapes)
    assert left_out == 3
    assert [b.step for b in found] == [10, 20]
    assert found[0].values == {"a/pre.max": 3.0}
    assert found[1].values == {"train/loss": 0.5}
    assert found[1].histograms.keys() == {"a/pre.histogram", "b/pre.histogram"}
    np.testing.assert_allclose(found[1].histograms["a/pre.histogram"].edges, [-1, -0.5, 0, 0.5, 1])
    assert np.all(np.diff(found[1].histograms["b/pre.histogram"].edges) > 0)
    assert len(found[1]) == 3


def test_a_missing_library_is_told_with_its_extra(tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match=r"^needs the library no_such_library: pip install 'actlab\[wandb\]'$"
    ):
        require("no_such_library", "wandb")
    (tmp_path / "folder_only").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="needs the library folder_only"):
        require("folder_only", "x")
    require("json", "x")


def test_flat():
    assert flat({"a": {"b": {"c": 1}, "d": [2]}, "e": {}}) == {"a.b.c": 1, "a.d": [2]}
