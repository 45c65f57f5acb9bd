"""Planar toys: points in the plane whose classes no straight line separates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlab.data.dataset import Dataset
from actlab.errors import InputError

Draw = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def moons(*, samples: int = 1500, noise: float = 0.1, seed: int = 0) -> Dataset:
    r"""Return two interleaved half circles: class 0 above, class 1 below.

    .. math::
        (\cos t, \sin t) - (0.5, 0.25) \quad\text{and}\quad (1 - \cos t, 0.5 - \sin t) - (0.5, 0.25),
        \qquad t \in [0, \pi]

    Args:
        samples: points (N, 2) in all; two thirds are for training.
        noise: standard deviation of the normal noise added to each coordinate.
        seed: of the points; the same for every run.

    Raises:
        InputError: too few samples, a noise below 0.

    >>> moons(samples=30).x_train.shape
    (20, 2)
    """

    def draw(rng, label, u):
        t = np.pi * u
        upper, lower = (np.cos(t), np.sin(t)), (1 - np.cos(t), 0.5 - np.sin(t))
        return np.where(label[:, None] == 0, np.stack(upper, 1), np.stack(lower, 1)) - (0.5, 0.25)

    return _planar("moons", draw, 2, samples, noise, seed)


def spirals(
    *, samples: int = 1500, noise: float = 0.04, turns: float = 1.25, arms: int = 2, seed: int = 0
) -> Dataset:
    r"""Return spiral arms, a class each (Lang & Witbrock 1988, for two of them).

    .. math:: r\,(\cos \varphi, \sin \varphi), \qquad r = 0.15 + 1.35\,u, \quad
        \varphi = 2\pi\,(\mathrm{turns} \cdot u + k / \mathrm{arms}), \quad u \in [0, 1]

    Args:
        samples: points (N, 2) in all; two thirds are for training.
        noise: standard deviation of the normal noise added to each coordinate.
        turns: revolutions of an arm, above 0 and below 100.
        arms: number of arms k, and classes.
        seed: of the points; the same for every run.

    Raises:
        InputError: too few samples, a noise below 0, turns out of range, fewer than 2 arms or more than 7.

    >>> spirals(arms=3).num_classes
    3
    """
    if not 0 < turns < 100:
        raise InputError(f"turns={turns}: must be a number above 0 and below 100")
    if not 2 <= arms <= 7:
        raise InputError(f"arms={arms}: must be an integer from 2 to 7")

    def draw(rng, label, u):
        angle = 2 * np.pi * (turns * u + label / arms)
        return (0.15 + 1.35 * u)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)

    return _planar("spirals", draw, arms, samples, noise, seed)


def rings(*, samples: int = 1500, noise: float = 0.08, count: int = 2, seed: int = 0) -> Dataset:
    r"""Return rings around one another, a class each, of radii (k + 1/2) 1.5 / count.

    Args:
        samples: points (N, 2) in all; two thirds are for training.
        noise: standard deviation of the normal noise added to each coordinate.
        count: number of rings, and classes.
        seed: of the points; the same for every run.

    Raises:
        InputError: too few samples, a noise below 0, fewer than 2 rings or more than 7.

    >>> rings().name
    'rings'
    """
    if not 2 <= count <= 7:
        raise InputError(f"count={count}: must be an integer from 2 to 7")

    def draw(rng, label, u):
        radius = (label + 0.5) * 1.5 / count
        return radius[:, None] * np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u)], 1)

    return _planar("rings", draw, count, samples, noise, seed)


def checkerboard(*, samples: int = 1500, noise: float = 0.0, squares: int = 4, seed: int = 0) -> Dataset:
    """Return points of the square [-1.5, 1.5]^2 by the colour of the board's square they lie in (before noise).

    Both colours have half of the points, and within a colour every square is as likely as another.

    Args:
        samples: points (N, 2) in all; two thirds are for training.
        noise: standard deviation of the normal noise added to each coordinate.
        squares: along each side of the board.
        seed: of the points; the same for every run.

    Raises:
        InputError: too few samples, a noise below 0, fewer than 2 squares or more than 16.

    >>> checkerboard(squares=2).in_shape
    (2,)
    """
    if not 2 <= squares <= 16:
        raise InputError(f"squares={squares}: must be an integer from 2 to 16")

    colour = np.indices((squares, squares)).sum(0) % 2
    of_colour = [np.argwhere(colour == k) for k in (0, 1)]  # on an odd board there is one more of 0

    def draw(rng, label, u):
        corner = np.empty((len(label), 2))
        for k, corners in enumerate(of_colour):
            corner[label == k] = corners[np.floor(u[label == k] * len(corners)).astype(int)]
        return (corner + rng.random((len(label), 2))) * (3 / squares) - 1.5

    return _planar("checkerboard", draw, 2, samples, noise, seed)


def _planar(name: str, draw: Draw, classes: int, samples: int, noise: float, seed: int) -> Dataset:
    if samples < 6 * classes:
        raise InputError(f"samples={samples}: must be an integer >= {6 * classes}")
    if not 0 <= noise < np.inf:
        raise InputError(f"noise={noise}: must be a number >= 0")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed={seed}: must be in [0, 2**32)")
    rng = np.random.Generator(np.random.PCG64(seed))
    label = rng.permutation(np.arange(samples) % classes)
    x = draw(rng, label, rng.random(samples))
    x = (x + noise * rng.standard_normal(x.shape)).astype(np.float32)
    y, split = label.astype(np.int32), samples * 2 // 3
    return Dataset(name, x[:split], y[:split], x[split:], y[split:], num_classes=classes)
