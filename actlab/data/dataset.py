"""The value every loader returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actlab.errors import InputError


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled data set: float32 samples ``x`` (N, *shape) and int32 classes ``y`` (N,), two splits.

    Compares by identity. Raises InputError where samples and labels do not fit together.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.x_train.shape[1:]

    def __post_init__(self):
        for split in ("train", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if len(x) != len(y) or not len(x):
                raise InputError(f"{self.name}: {len(x)} {split} samples with {len(y)} labels")
            if y.min() < 0 or y.max() >= self.num_classes:
                raise InputError(f"{self.name}: {split} labels must be in [0, {self.num_classes})")
