"""Transforms for many networks at once are those for each."""

import numpy as np
import pytest

from actlab.errors import InputError
from actlab.theory import transform, transforms


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), [("tanh", "dks"), ("gelu", "tat")])
def test_they_are_what_transform_finds(name, method):
    many = transforms(name, method, [20, 50, 100])
    for depth, ours in zip((20, 50, 100), many, strict=True):
        one = transform(name, method, depth)
        assert ours.target == pytest.approx(one.target, rel=1e-12)
        for field in ("input_scale", "input_shift", "output_shift", "output_scale"):
            assert getattr(ours, field) == pytest.approx(getattr(one, field), rel=1e-7)
    assert np.all(np.diff([t.input_scale for t in many]) < 0)  # the deeper, the nearer to a line


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("tanh", "dks", []), "no network is given"),
        (("relu", "tat", [50]), "a solution of its own"),
        (("relu", "dks", [50]), "a solution of its own"),
        (("tanh", "dks", [50, 0]), "depth must be a whole number from 1 up"),
    ],
)
def test_what_cannot_be(args, told):
    with pytest.raises(InputError, match=told):
        transforms(*args)
