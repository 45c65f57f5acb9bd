"""Your own data as a `Dataset`: arrays, any iterable of samples (Hugging Face ``datasets``, TFDS).

All of it is read into memory, from where training puts it on the device; but for samples that are to be streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np

from actlab.data.dataset import Dataset
from actlab.data.rows import Rows
from actlab.data.splits import split_of, standardised
from actlab.data.stream import Stream
from actlab.errors import InputError, suggest

Goal = Literal["classes", "regression", "tokens"]
GOALS = ("classes", "regression", "tokens")
Sample = Mapping[str, Any] | tuple[Any, Any]


def from_arrays(
    name: str,
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    task: Goal = "classes",
    test_share: float = 0.2,
    split_seed: int = 0,
    standardise: bool = False,
    stream: Stream | None = None,
) -> Dataset:
    """Return a data set of arrays: samples ``x`` (N, ...) and labels ``y``.

    Args:
        name: what it is called where results are shown.
        x: samples, numbers; bytes (an array of uint8) are taken as shares of 255, in both splits or in none.
        y: ``classes``: (N,) whole numbers or strings, which are numbered in sorted order. ``regression``: (N,) or
            (N, ..., K) real numbers. ``tokens``: ``x`` and ``y`` (N, T) whole numbers from 0 on, a token for each
            position, of which there are as many as the greatest says.
        x_test, y_test: the test split; without it ``test_share`` of the samples is held out.
        task: what is to be learnt.
        test_share: share of the samples held out.
        split_seed: chooses which.
        standardise: every feature less its mean, over its standard deviation, both of the training split.
        stream: leave the training samples (and labels that are tokens) where they are, such as in a file that
            ``numpy.load(..., mmap_mode="r")`` opened, and read them as training goes. A run on them is, bit for bit,
            that on the same arrays in memory; that their numbers are finite is not looked at before.

    Raises:
        InputError: arrays that do not fit together, are empty or hold what is no finite number; one class alone;
            classes only the test split has; samples to be streamed and standardised.

    >>> data = from_arrays("pets", np.ones((10, 3)), ["cat", "dog"] * 5)
    >>> data.num_classes, data.x_train.shape, data.y_test.tolist()
    (2, (8, 3), [0, 1])
    """
    if task not in GOALS:
        raise InputError(f"data.task={task!r} is unknown{suggest(str(task), GOALS)}")
    if (x_test is None) != (y_test is None):
        raise InputError(f"{name}: the test split needs both x_test and y_test")
    if stream is not None and standardise:
        raise InputError(f"{name}: data.standardise=true wants all samples at once: save them standardised")
    x, y = _array(x, f"{name}: x"), _array(y, f"{name}: y")
    tokens, kept = task == "tokens", stream is not None
    samples, labels = (_tokens if tokens else _samples), LABELS[task]
    given = x.dtype
    if not kept:
        x = samples(x, f"{name}: x")
    if not (kept and tokens):
        y = labels(y, f"{name}: y")
    if len(x) != len(y):
        raise InputError(f"{name}: {len(x)} samples with {len(y)} labels")
    train, split = None, x_test is None
    if split:
        train, test = split_of(len(x), test_share=test_share, seed=split_seed)
        x_test, y_test = x[test], y[test]
    else:
        x_test, y_test = _array(x_test, f"{name}: x_test"), _array(y_test, f"{name}: y_test")
        if (given == np.uint8) != (x_test.dtype == np.uint8) and not tokens:
            raise InputError(  # or one split alone would be divided by 255
                f"{name}: x is {given.name}, x_test {x_test.dtype.name}: must both be uint8 (0 to 255), or neither"
            )
    if kept or not split:
        what = "" if split else "_test"
        x_test = samples(x_test, f"{name}: x{what}")
        y_test = y_test if split and not tokens else labels(y_test, f"{name}: y{what}")
    if x.shape[1:] != x_test.shape[1:]:
        raise InputError(
            f"{name}: a sample of x is {x.shape[1:]}, one of x_test {x_test.shape[1:]}: must be the same"
        )
    x = Rows(x, train, tokens) if kept else x if train is None else x[train]
    y = Rows(y, train, True) if kept and tokens else y if train is None else y[train]
    if standardise:
        x, x_test = standardised(x, x_test)
    if task == "regression":
        return Dataset(name, x, y, x_test, y_test, num_classes=None, stream=stream)
    if task == "tokens":
        count = 1 + max(int(part.max()) for part in (x, y, x_test, y_test))
        return Dataset(name, x, y, x_test, y_test, num_classes=count, stream=stream)
    _check_classes(y, y_test, name, split)
    classes = np.unique(y)
    y, y_test = (np.searchsorted(classes, part).astype(np.int32) for part in (y, y_test))
    return Dataset(name, x, y, x_test, y_test, num_classes=len(classes), stream=stream)


def from_iterable(
    name: str,
    train: Iterable[Sample],
    test: Iterable[Sample] | None = None,
    *,
    x: str | Sequence[str] = "image",
    y: str = "label",
    at_most: int | None = None,
    **options: Any,
) -> Dataset:
    """Return a data set of the samples that ``train``, and ``test`` if given, yield.

    A sample is a mapping, as a Hugging Face ``datasets.Dataset`` and ``tfds.as_numpy`` yield, or a pair (x, y), as
    TFDS with ``as_supervised``. Pictures may be PIL's.

    Args:
        name: what the data set is called.
        train: the samples of the training split.
        test: those of the test split; without it a share of ``train`` is held out.
        x: under which name a sample has what a model sees; several names of numbers become one vector.
        y: under which name it has the label.
        at_most: take no more samples of each split; needed where an iterable never ends.
        options: ``task``, ``test_share``, ``split_seed`` and ``standardise`` of `from_arrays`.

    Raises:
        InputError: no samples, one without ``x`` or ``y``, or of another shape than the first; and as `from_arrays`.

    >>> rows = [{"image": [[0, 255]], "label": i % 2} for i in range(10)]
    >>> from_iterable("dots", rows).in_shape
    (1, 2)
    """
    if at_most is not None and at_most < 1:
        raise InputError(f"at_most={at_most}: must be an integer >= 1")
    arrays = [*_gather(f"{name}: train", train, x, y, at_most)]
    if test is not None:
        arrays += _gather(f"{name}: test", test, x, y, at_most)
    return from_arrays(name, *arrays, **options)


def _gather(
    what: str, samples: Iterable[Sample], x: str | Sequence[str], y: str, at_most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for i, sample in enumerate(islice(samples, at_most)):
        if isinstance(sample, tuple) and len(sample) == 2:
            seen, label = sample
        elif isinstance(sample, Mapping):
            names = [x] if isinstance(x, str) else list(x)
            parts = [_entry(sample, n, f"{what} sample {i}") for n in names]
            seen, label = parts[0] if isinstance(x, str) else parts, _entry(sample, y, f"{what} sample {i}")
        else:
            raise InputError(
                f"{what} sample {i} is {type(sample).__name__}: must be a mapping or a pair (x, y)"
            )
        try:
            xs.append(np.asarray(seen))
            ys.append(np.asarray(label))
        except ValueError:  # lists of uneven lengths
            raise InputError(f"{what} sample {i} is no array: its rows differ in length") from None
        for mine, first, part in ((xs[-1], xs[0], "x"), (ys[-1], ys[0], "y")):
            if mine.shape != first.shape:
                raise InputError(f"{what} sample {i}: {part} has shape {mine.shape}, sample 0 {first.shape}")
    if not xs:
        raise InputError(f"{what} has no samples")
    return np.stack(xs), np.stack(ys)


def _entry(sample: Mapping[str, Any], key: str, what: str) -> Any:
    if key not in sample:
        raise InputError(f"{what} has no {key!r}{suggest(key, map(str, sample))}")
    return sample[key]


def _samples(values: Any, what: str) -> np.ndarray:
    """Return float32 samples (N, ...), bytes as shares of 255."""
    array = _array(values, what)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    return _real(array, what)


def _array(values: Any, what: str) -> np.ndarray:
    """Return an array (N, ...) in which there is something."""
    array = np.asarray(values)
    if array.ndim == 0:
        raise InputError(f"{what} is a single value: must be an array (N, ...) of N samples")
    if not array.size:
        why = (
            "no samples"
            if not len(array)
            else f"samples of shape {array.shape[1:]}, in which there is nothing"
        )
        raise InputError(f"{what} has {why}")
    return array


def _real(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype != bool and not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{what} is {array.dtype.name}: must be numbers")
    if np.iscomplexobj(array):
        raise InputError(f"{what} is {array.dtype.name}: must be real numbers")
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        array = array.astype(np.float32)
    if bad := int(np.sum(~np.isfinite(array))):
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(f"{what} has {bad} values that are no finite float32, the first at {at}")
    return array


def _tokens(array: np.ndarray, what: str) -> np.ndarray:
    """Return tokens (N, T) int32."""
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{what} is {array.dtype.name}: tokens must be whole numbers")
    if array.ndim != 2:
        raise InputError(f"{what} has shape {array.shape}: of tokens it must be (N, T)")
    if (low := array.min()) < 0 or array.max() > np.iinfo(np.int32).max:
        raise InputError(
            f"{what} has {low if low < 0 else array.max()}: tokens must be from 0 on and fit int32"
        )
    return array.astype(np.int32)


def _targets(y: np.ndarray, what: str) -> np.ndarray:
    array = _real(y, what)
    return array[:, None] if array.ndim == 1 else array


def _classes(y: np.ndarray, what: str) -> np.ndarray:
    """Return labels (N,) that are whole numbers or strings."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{what} has shape {y.shape}: of classes it must be (N,)")
    if y.dtype == object and all(isinstance(v, str) for v in y):
        return y.astype(str)
    if np.issubdtype(y.dtype, np.floating):
        if bad := int(np.sum(~np.isfinite(y))):
            raise InputError(f"{what} has {bad} labels that are NaN or infinite: must be classes")
        if not np.array_equal(y, np.round(y)) or np.abs(y).max() > 2**53:  # beyond it all floats are whole
            raise InputError(f"{what} is of real numbers: set data.task=regression, or give classes")
        return y.astype(np.int64)
    if y.dtype != bool and not np.issubdtype(y.dtype, np.integer) and y.dtype.kind != "U":
        raise InputError(f"{what} is {y.dtype.name}: classes must be whole numbers or strings")
    return y


LABELS = {"classes": _classes, "regression": _targets, "tokens": _tokens}


def _check_classes(y: np.ndarray, y_test: np.ndarray, name: str, split: bool) -> None:
    """Refuse one class, and classes that training lacks; ``split``: it is a shuffle that put them there."""
    if (y.dtype.kind == "U") != (y_test.dtype.kind == "U"):
        raise InputError(
            f"{name}: y is {y.dtype.name}, y_test {y_test.dtype.name}: must both name classes alike"
        )
    everything = np.unique(np.concatenate([y, y_test]))
    if len(everything) < 2:
        raise InputError(f"{name} has one class: there is nothing to tell apart")
    unknown = np.setdiff1d(y_test, y)
    if not len(unknown):
        return
    if not split:
        raise InputError(f"{name}: class {unknown[0]} is in the test split only")
    count = int(np.sum(y_test == unknown[0]))
    other = "more samples of it" if y.dtype.kind == "U" else "data.task=regression"
    raise InputError(
        f"{name}: class {unknown[0]} has {count} sample{'s' * (count > 1)}, all in the test split: another "
        f"data.split_seed, or {other}"
    )
