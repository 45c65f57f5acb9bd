"""A data set out of one's own file: NumPy's .npz, a folder of .npy, or a Parquet table; in memory or streamed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from actlab.data.adapters import Goal, from_arrays
from actlab.data.dataset import Dataset
from actlab.data.rows import mapped
from actlab.data.stream import Stream
from actlab.errors import InputError, suggest

KINDS = (".npz", ".parquet")
LOADERS = ("memory", "grain")


def from_file(
    path: str,
    *,
    test_path: str | None = None,
    x: str = "x",
    y: str = "y",
    features: Sequence[str] = (),
    task: Goal = "classes",
    test_share: float = 0.2,
    split_seed: int = 0,
    standardise: bool = False,
    loader: Literal["memory", "grain"] = "memory",
    budget_mb: float = 256.0,
) -> Dataset:
    """Return the data set in a file.

    ``.npz``: arrays called ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``, ``y_test``; or a folder with
    these as ``.npy`` files. ``.parquet``: labels
    in a column ``y``; samples are the columns ``features``, by default all others, of numbers, or one of lists. An
    array of bytes (uint8) in an ``.npz`` is taken as shares of 255; a table's numbers are taken as they are.

    Args:
        path: the file or folder, relative to where the command runs.
        test_path: another like it with the test split; without it ``test_share`` of the samples is held out.
        x: what the array of samples is called (.npz).
        y: what the array or the column of labels is called.
        features: columns that samples are made of (.parquet), in this order.
        task: ``classes``, ``regression`` or ``tokens``, see `from_arrays`.
        test_share: share of the samples held out.
        split_seed: chooses which.
        standardise: every feature less its mean, over its standard deviation, both of the training split.
        loader: ``memory``: all samples are on the device. ``grain``: training samples stay in the file, an
            uncompressed ``.npz`` or a folder, and are read by Grain as training goes; labels and the test split are
            in memory. A run is the same either way, bit for bit.
        budget_mb: of ``grain``, see `Stream`.

    Raises:
        InputError: no such file, not of these kinds, an array or a column that is missing, holds no numbers or lacks
            some, the labels among the features; and as `from_arrays`.

    """
    if loader not in LOADERS:
        raise InputError(f"data.loader={loader!r} is unknown{suggest(str(loader), LOADERS)}")
    stream = Stream(budget_mb) if loader == "grain" else None
    read = {".npz": _npz if stream is None else _mapped, "": _mapped, ".parquet": _parquet}
    parts: dict[str, np.ndarray] = {}
    for which, given in (("train", path), ("test", test_path)):
        if given is None:
            continue
        file = _existing(given, "data.path" if which == "train" else "data.test_path")
        kind = "" if file.is_dir() else file.suffix
        if kind not in read or (kind == "" and not file.is_dir()):
            raise InputError(f"{given}: must be a file {' or '.join(KINDS)}")
        if stream is not None and kind == ".parquet":
            raise InputError(
                f"{given}: a Parquet table is read whole; data.loader=grain takes an .npz file or a folder of .npy"
            )
        found = read[kind](file, x, y, list(features))
        if which == "test" and "x_test" in found:
            raise InputError(f"{given} has both splits itself: leave data.test_path out")
        if which == "test" and "x_test" in parts:
            raise InputError(f"{path} has a test split itself: leave data.test_path out")
        parts |= {k.replace("train", which) if which == "test" else k: v for k, v in found.items()}
    options: dict[str, Any] = {"task": task, "standardise": standardise}
    arrays = [parts.get(k) for k in ("x_train", "y_train", "x_test", "y_test")]
    return from_arrays(
        Path(path).stem, *arrays, test_share=test_share, split_seed=split_seed, stream=stream, **options
    )


def _existing(given: str, key: str) -> Path:
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if not any(path.glob("*.npy")):
            raise InputError(
                f"{key}={given} is a folder without .npy files: must be one with, or a file {' or '.join(KINDS)}"
            )
        return path
    if not path.parent.is_dir():
        raise InputError(f"{given} does not exist, nor does the folder {path.parent}")
    there = [p.name for p in path.parent.iterdir() if p.suffix in KINDS]
    raise InputError(f"{given} does not exist{suggest(path.name, there)}")


def _npz(path: Path, x: str, y: str, features: list[str]) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):  # which numpy takes for a pickle
        raise InputError(f"{path} is no whole .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _named(path, archive, x, y, features)
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        if "allow_pickle" in str(e):
            raise InputError(
                f"{path} holds Python objects, which are not read: save arrays of numbers"
            ) from None
        raise InputError(f"{path} is no whole .npz file ({e})") from None


def _mapped(path: Path, x: str, y: str, features: list[str]) -> dict[str, np.ndarray]:
    if path.is_file() and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is no whole .npz file")
    return _named(path, mapped(path), x, y, features)


def _named(
    path: Path, arrays: Mapping[str, np.ndarray], x: str, y: str, features: list[str]
) -> dict[str, np.ndarray]:
    """Return samples and labels out of all the arrays there are, of both splits if they are there."""
    if features:
        raise InputError(f"data.features={features}: are the columns of a table, and {path.name} has none")
    whole = all(f"{part}_{split}" in arrays for part in (x, y) for split in ("train", "test"))
    names = {f"{k}_{s}": f"{n}_{s}" for k, n in (("x", x), ("y", y)) for s in ("train", "test")}
    if not whole:
        names = {"x_train": x, "y_train": y}
    for name in names.values():
        if name not in arrays:
            raise InputError(f"{path} has no array {name!r}{suggest(name, list(arrays))}")
    return {part: arrays[name] for part, name in names.items()}


def _parquet(path: Path, x: str, y: str, features: list[str]) -> dict[str, np.ndarray]:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as e:
        raise InputError(f"{path} is no whole Parquet file ({str(e).splitlines()[0]})") from None
    if not len(table):
        raise InputError(f"{path} has no rows")
    if y in features:
        raise InputError(f"data.features={features} has the labels, data.y={y}, in it: leave {y!r} out")
    features = features or [name for name in table.columns if name != y]
    for name in (y, *features):
        if name not in table.columns:
            raise InputError(f"{path} has no column {name!r}{suggest(name, table.columns)}")
    if not features:
        raise InputError(f"{path} has no column besides {y!r}")
    for name in (y, *features):
        if missing := table[name].null_count():
            raise InputError(f"{path}: column {name!r} lacks {missing} of {len(table)} values")
    lists = [name for name in features if isinstance(table.schema[name], (pl.List, pl.Array))]
    if lists and len(features) > 1:
        raise InputError(
            f"{path}: column {lists[0]!r} holds lists, and there are {len(features)} columns: choose it alone with "
            f"data.features=[{lists[0]}], or columns of numbers"
        )
    columns = [_column(table[name], path) for name in features]
    samples = columns[0] if lists else np.stack([c.astype(np.float64) for c in columns], axis=-1)
    return {"x_train": samples, "y_train": _column(table[y], path, label=True)}


def _column(column: Any, path: Path, *, label: bool = False) -> np.ndarray:
    import polars as pl

    kind = inner = column.dtype
    while isinstance(inner, (pl.List, pl.Array)):
        inner = inner.inner
    if inner is not kind and (inner.is_numeric() or inner == pl.Boolean):
        rows = column.to_list()
        if lacking := sum(map(_lacks, rows)):
            raise InputError(
                f"{path}: {lacking} of the {len(rows)} lists in column {column.name!r} lack values (null)"
            )
        try:
            array = np.stack([np.asarray(row) for row in rows])
        except ValueError:
            raise InputError(f"{path}: the lists in column {column.name!r} differ in length") from None
        if not array.size:
            raise InputError(f"{path}: the lists in column {column.name!r} are empty")
        return array
    if label and kind in (pl.String, pl.Categorical, pl.Enum):
        return np.asarray(column.cast(pl.String).to_list())
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise InputError(
            f"{path}: column {column.name!r} holds {kind}, no numbers: choose others with data.features=[...]"
        )
    return column.to_numpy()


def _lacks(row: list) -> bool:
    """Tell whether there is a null in a list of numbers or of lists."""
    return None in row or any(isinstance(part, list) and _lacks(part) for part in row)
