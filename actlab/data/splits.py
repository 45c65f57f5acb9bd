"""From one table of samples to a training and a test split: shuffled once, the same way in every run."""

from __future__ import annotations

import numpy as np

from actlab.errors import InputError


def shuffled(
    x: np.ndarray, y: np.ndarray, *, test_share: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test) of a fixed shuffle; ``seed`` chooses another.

    Raises:
        InputError: a share that is none or leaves one of the splits empty; a seed below 0.

    >>> [part.tolist() for part in shuffled(np.arange(5), np.arange(5) * 10)]
    [[2, 4, 3, 0], [20, 40, 30, 0], [1], [10]]
    """
    train, test = split_of(len(x), test_share=test_share, seed=seed)
    return x[train], y[train], x[test], y[test]


def split_of(count: int, *, test_share: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return which of ``count`` samples are for training and which for test, each in its shuffled order.

    Raises:
        InputError: as `shuffled`.

    """
    if not 0 < test_share < 1:  # NaN neither
        raise InputError(f"data.test_share={test_share}: must be a number above 0 and below 1")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"data.split_seed={seed}: must be an integer >= 0")
    split = int(count * (1 - test_share) + 1e-9)
    if not 0 < split < count:
        raise InputError(f"data.test_share={test_share} of {count} samples leaves a split empty")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    return order[:split], order[split:]


def standardised(x_train: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both splits with every feature less its mean, over its standard deviation, of the training split.

    float32, computed in float64. A feature that is constant there, its deviation at most a millionth of its mean
    (about what float32 resolves), becomes 0 in both.

    >>> [part.tolist() for part in standardised(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[4.0, 6.0]]))]
    [[[-1.0, 0.0], [1.0, 0.0]], [[2.0, 0.0]]]
    """
    train = x_train.astype(np.float64)
    mean, std = train.mean(axis=0), train.std(axis=0)
    varies = std > 1e-6 * np.abs(mean)
    std = np.where(varies, std, 1.0)
    return tuple(np.where(varies, (x - mean) / std, 0.0).astype(np.float32) for x in (train, x_test))
