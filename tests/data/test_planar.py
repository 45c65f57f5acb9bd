import numpy as np
import pytest

from actlab.data import checkerboard, moons, rings, spirals
from actlab.errors import InputError

KINDS = {"moons": moons, "spirals": spirals, "rings": rings, "checkerboard": checkerboard}


@pytest.mark.parametrize("name", KINDS)
def test_points_of_the_plane_in_equal_classes(name):
    data = KINDS[name](samples=600)
    assert (data.name, data.in_shape, len(data.x_train), len(data.x_test)) == (name, (2,), 400, 200)
    assert np.bincount(np.concatenate([data.y_train, data.y_test])).tolist() == [300, 300]
    assert 0.5 < np.abs(data.x_train).max() < 2.5
    again, other = KINDS[name](samples=600), KINDS[name](samples=600, seed=1)
    assert np.array_equal(data.x_train, again.x_train) and not np.array_equal(data.x_train, other.x_train)


def test_without_noise_points_lie_where_the_formula_says():
    x = spirals(noise=0, turns=2, arms=3, samples=300)
    r = np.hypot(*x.x_train.T)
    u = (r - 0.15) / 1.35
    angle = 2 * np.pi * (2 * u + x.y_train / 3)
    np.testing.assert_allclose(x.x_train, r[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)

    x = rings(noise=0, count=3)
    np.testing.assert_allclose(np.hypot(*x.x_train.T), (x.y_train + 0.5) / 2, atol=1e-5)

    x = moons(noise=0)
    centre = (
        np.where(x.y_train == 0, -0.5, 0.5)[:, None] * [1, 0] + [0, -0.25] + x.y_train[:, None] * [0, 0.5]
    )
    np.testing.assert_allclose(np.hypot(*(x.x_train - centre).T), 1, atol=1e-5)
    assert ((x.x_train[:, 1] - centre[:, 1] >= -1e-6) == (x.y_train == 0)).mean() > 0.99


@pytest.mark.parametrize("squares", [2, 3, 4, 5])
def test_a_boards_colours_alternate(squares):
    x = checkerboard(squares=squares)
    column, row = np.floor((x.x_train + 1.5) * squares / 3).astype(int).T
    assert set(column) == set(row) == set(range(squares))
    assert np.array_equal((column + row) % 2, x.y_train)


def test_every_square_of_a_colour_is_as_likely():
    """On a board of 3 by 3: five squares of class 0, four of class 1. Chi-square with 4 and 3 degrees of freedom."""
    data = checkerboard(squares=3, samples=9000)
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    column, row = np.floor(x + 1.5).astype(int).T
    for label, count, limit in ((0, 5, 18.5), (1, 4, 16.3)):  # exceeded once in a thousand
        found = np.bincount((3 * row + column)[y == label], minlength=9)
        found = found[found > 0]
        assert len(found) == count
        assert np.sum((found - 4500 / count) ** 2 / (4500 / count)) < limit


@pytest.mark.parametrize(
    ("make", "key", "value"),
    [
        (moons, "samples", 5),
        (moons, "noise", -1.0),
        (moons, "seed", -1),
        (spirals, "arms", 8),
        (spirals, "turns", 0.0),
        (spirals, "turns", 200.0),
        (rings, "count", 1),
        (checkerboard, "squares", 1),
    ],
)
def test_what_cannot_be(make, key, value):
    with pytest.raises(InputError, match=f"^{key}={value}: must be"):
        make(**{key: value})
