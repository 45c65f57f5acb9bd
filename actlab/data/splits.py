"""From one table of samples to a training and a test split: shuffled once, the same way in every run."""

from __future__ import annotations

import numpy as np

from actlab.errors import InputError


def shuffled(
    x: np.ndarray, y: np.ndarray, *, test_share: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test) of a fixed shuffle; ``seed`` chooses another.

    Raises:
        InputError: a share that leaves one of the splits empty.

    >>> [part.tolist() for part in shuffled(np.arange(5), np.arange(5) * 10)]
    [[2, 4, 3, 0], [20, 40, 30, 0], [1], [10]]
    """
    split = int(len(x) * (1 - test_share) + 1e-9)
    if not 0 < split < len(x):
        raise InputError(f"test_share={test_share} of {len(x)} samples leaves a split empty")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(x))
    x, y = x[order], y[order]
    return x[:split], y[:split], x[split:], y[split:]


def standardised(x_train: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both splits with every feature less its mean, over its standard deviation, of the training split.

    A feature that is constant there becomes 0 there.
    """
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    std = np.where(std > 0, std, 1.0)
    return tuple(((x - mean) / std).astype(np.float32) for x in (x_train, x_test))
