"""The value every loader returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import jax
import numpy as np

from actlab.data.rows import Rows
from actlab.data.stream import Stream
from actlab.data.tokens import Spelling
from actlab.errors import InputError

Task = Literal["classes", "tokens", "regression"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and what is to be said of each, in two splits. What a model is to learn follows from the arrays.

    ======================  ======================  ===============  ============================================
    ``x``                   ``y``                   `task`           what is learnt
    ======================  ======================  ===============  ============================================
    float32 (N, ...)        int32 (N,)              ``classes``      the class of a sample
    int32 (N, T)            int32 (N,)              ``classes``      the class of a text; needs ``vocabulary``
    int32 (N, T)            int32 (N, T)            ``tokens``       a token for every position
    float32 (N, ...)        float32 (N, ..., K)     ``regression``   K real numbers
    ======================  ======================  ===============  ============================================

    Other widths of the same kind are converted. A sample that is NaN or infinite stays so: a run diverges on it, and
    says where. Loaders of files refuse it. Compares by identity.

    Args:
        name: what it is called where results are shown.
        x_train, y_train, x_test, y_test: the two splits.
        num_classes: classes, or tokens there are, an integer >= 1; None for regression.
        vocabulary: tokens that ``x`` is made of, by default ``num_classes`` where the task is ``tokens``; None where
            samples are no tokens.
        spelling: how tokens are written, None where nobody has said.
        stream: how training reads `Rows`, which ``x_train``, and ``y_train`` of tokens, are then; None where arrays
            are in memory, from where training puts them on the device.

    Raises:
        InputError: samples and labels do not fit together; arrays are of another kind, empty, or hold numbers too
            large for float32 or int32; rows of a file without a stream, or a stream without.

    >>> line = np.linspace(0, 1, 6).reshape(6, 1)
    >>> data = Dataset("line", line[:4], 2 * line[:4], line[4:], 2 * line[4:])
    >>> data.task, data.outputs, data.x_train.dtype.name
    ('regression', 1, 'float32')
    """

    name: str
    x_train: np.ndarray | Rows
    y_train: np.ndarray | Rows
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int | None = None
    vocabulary: int | None = None
    spelling: Spelling | None = None
    stream: Stream | None = None

    @property
    def token_text(self) -> tuple[str, ...]:
        """What each token of the vocabulary stands for, () where that is not known."""
        return () if self.spelling is None else self.spelling.pieces

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.x_train.shape[1:]

    @property
    def task(self) -> Task:
        """What is to be learnt: ``classes``, ``tokens`` or ``regression``."""
        if self.y_train.dtype == np.float32:
            return "regression"
        return "classes" if self.y_train.ndim == 1 else "tokens"

    @property
    def outputs(self) -> int:
        """How many numbers a model gives, for a sample or for each position: one a class, or K."""
        return self.y_train.shape[-1] if self.num_classes is None else self.num_classes

    @property
    def positions(self) -> int:
        """How many labels a sample has: T of ``tokens``, else 1."""
        return math.prod(self.y_train.shape[1:]) if self.task == "tokens" else 1

    def abstract(self, batch: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Return the shapes and dtypes of ``batch`` samples and their labels."""
        x, y = self.x_train, self.y_train
        return tuple(jax.ShapeDtypeStruct((batch, *a.shape[1:]), a.dtype) for a in (x, y))

    def first(self, count: int) -> Dataset:
        """Return a data set in memory: the first ``count`` training samples, and the test split."""
        x, y = (np.asarray(a[:count]) for a in (self.x_train, self.y_train))
        return replace(self, x_train=x, y_train=y, stream=None)

    def check_held(self, who: str) -> None:
        """Raise ``InputError`` where training samples are streamed and ``who`` needs them in memory."""
        if self.stream is not None:
            raise InputError(
                f"{who} trains on samples in memory, {self.name} is streamed: data.loader=memory"
            )

    def __post_init__(self):
        if isinstance(self.x_train, Rows) != (self.stream is not None):
            raise InputError(f"{self.name}: a stream is of Rows, and Rows need a stream")
        for name in ("num_classes", "vocabulary"):
            count = getattr(self, name)
            whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
            if count is not None and not (whole and count >= 1):
                raise InputError(f"{self.name}: {name}={count!r}: must be an integer >= 1")
        for split in ("train", "test"):
            for which in ("x", "y"):
                array = _of_known_kind(getattr(self, f"{which}_{split}"), f"{self.name}: {which}_{split}")
                object.__setattr__(self, f"{which}_{split}", array)
        for split in ("train", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if len(x) != len(y) or not len(x):
                raise InputError(f"{self.name}: {len(x)} {split} samples with {len(y)} labels")
        for which in ("x", "y"):
            one, two = getattr(self, f"{which}_train"), getattr(self, f"{which}_test")
            if (one.shape[1:], one.dtype) != (two.shape[1:], two.dtype):
                raise InputError(
                    f"{self.name}: {which}_train holds {one.dtype.name} {one.shape[1:]}, {which}_test "
                    f"{two.dtype.name} {two.shape[1:]}: must be the same"
                )
        self._check_labels()
        self._check_tokens()

    def _check_labels(self) -> None:
        if self.task == "regression":
            if self.num_classes is not None:
                raise InputError(
                    f"{self.name}: labels are real numbers, so num_classes={self.num_classes} must be None"
                )
            if self.y_train.ndim < 2:
                raise InputError(f"{self.name}: targets must be (N, ..., K), not {self.y_train.shape}")
            return
        if self.num_classes is None:
            raise InputError(f"{self.name}: labels are whole numbers: num_classes is missing")
        if self.task == "tokens" and self.y_train.shape[1:] != self.x_train.shape[1:]:
            raise InputError(
                f"{self.name}: x {self.x_train.shape[1:]} and y {self.y_train.shape[1:]} of a sample must have one "
                "token for every position each"
            )
        for split in ("train", "test"):
            y = getattr(self, f"y_{split}")
            if y.min() < 0 or y.max() >= self.num_classes:
                raise InputError(f"{self.name}: {split} labels must be in [0, {self.num_classes})")

    def _check_tokens(self) -> None:
        whole = self.x_train.dtype == np.int32
        if whole and self.vocabulary is None and self.task == "tokens":
            object.__setattr__(self, "vocabulary", self.num_classes)
        if whole != (self.vocabulary is not None):
            raise InputError(
                f"{self.name}: samples are whole numbers: make them float32, or give the vocabulary that they are "
                "tokens of"
                if whole
                else f"{self.name}: samples are real numbers, so vocabulary={self.vocabulary} must be None"
            )
        if self.spelling is not None and self.spelling.size != self.vocabulary:
            raise InputError(
                f"{self.name}: {self.spelling.size} texts for {self.vocabulary} tokens: one for each, or none"
            )
        if whole:
            low = min(self.x_train.min(), self.x_test.min())
            high = max(self.x_train.max(), self.x_test.max())
            if low < 0 or high >= self.vocabulary:
                raise InputError(f"{self.name}: tokens must be in [0, {self.vocabulary})")


def _of_known_kind(array: np.ndarray | Rows, what: str) -> np.ndarray | Rows:
    """Return an array as float32 or int32, itself if it is one; rows of a file are."""
    array = array if isinstance(array, Rows) else np.asarray(array)
    if array.ndim == 0 or not math.prod(array.shape[1:]):
        raise InputError(f"{what} has shape {array.shape}: must be (N, ...) with something in each")
    if isinstance(array, Rows):
        return array
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # told below
            narrow = array.astype(np.float32, copy=False)
        if bad := int(np.sum(np.isfinite(array) & ~np.isfinite(narrow))):
            raise InputError(f"{what} has {bad} values that are too large for float32")
        return narrow
    if np.issubdtype(array.dtype, np.integer):
        limits = np.iinfo(np.int32)
        if array.size and not np.can_cast(array.dtype, np.int32):
            for extreme in (int(array.min()), int(array.max())):
                if not limits.min <= extreme <= limits.max:
                    raise InputError(f"{what} has {extreme}: whole numbers must fit int32")
        return array.astype(np.int32, copy=False)
    raise InputError(f"{what} is {array.dtype.name}: must be real or whole numbers")
