"""Digits: 1,797 hand-written digits as 8x8 images, from scikit-learn."""

from __future__ import annotations

import numpy as np

from actlab.data.dataset import Dataset
from actlab.data.splits import shuffled
from actlab.data.tabular import sklearn_datasets


def digits() -> Dataset:
    """Return the digits: 1,437 training and 360 test images (8, 8), 10 classes, standardised by training pixels.

    The split is a fixed shuffle, the same in every run.

    Raises:
        InputError: scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, UCI "Optical Recognition of Handwritten Digits" (its test part).
    """
    x, y = sklearn_datasets("digits").load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.float32)
    x_train, y_train, x_test, y_test = shuffled(x, y.astype(np.int32))
    mean, std = x_train.mean(), x_train.std()
    return Dataset("digits", (x_train - mean) / std, y_train, (x_test - mean) / std, y_test, num_classes=10)
