"""Digits: 1,797 hand-written digits as 8x8 images, from scikit-learn."""

from __future__ import annotations

import numpy as np

from actlab.data.dataset import Dataset
from actlab.errors import InputError


def digits() -> Dataset:
    """Return the digits: 1,437 training and 360 test images (8, 8), 10 classes, standardised by training pixels.

    The split is a fixed shuffle, the same in every run.

    Raises:
        InputError: scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, UCI "Optical Recognition of Handwritten Digits" (its test part).
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError("data=digits needs scikit-learn: pip install 'actlab[data]'") from None
    x, y = load_digits(return_X_y=True)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(x))
    x = x[order].reshape(-1, 8, 8).astype(np.float32)
    y = y[order].astype(np.int32)
    split = len(x) * 4 // 5
    mean, std = x[:split].mean(), x[:split].std()
    x = (x - mean) / std
    return Dataset("digits", x[:split], y[:split], x[split:], y[split:], num_classes=10)
