"""A data set out of one's own file: NumPy's .npz or a Parquet table."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actlab.data.adapters import Goal, from_arrays
from actlab.data.dataset import Dataset
from actlab.errors import InputError, suggest

KINDS = (".npz", ".parquet")


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
) -> Dataset:
    """Return the data set in a file.

    ``.npz``: arrays called ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``, ``y_test``. ``.parquet``: labels
    in a column ``y``; samples are the columns ``features``, by default all others, of numbers, or one of lists. An
    array of bytes (uint8) in an ``.npz`` is taken as shares of 255; a table's numbers are taken as they are.

    Args:
        path: the file, relative to where the command runs.
        test_path: another like it with the test split; without it ``test_share`` of the samples is held out.
        x: what the array of samples is called (.npz).
        y: what the array or the column of labels is called.
        features: columns that samples are made of (.parquet), in this order.
        task: ``classes`` or ``regression``.
        test_share: share of the samples held out.
        split_seed: chooses which.
        standardise: every feature less its mean, over its standard deviation, both of the training split.

    Raises:
        InputError: no such file, not of these kinds, an array or a column that is missing, holds no numbers or lacks
            some, the labels among the features; and as `from_arrays`.

    """
    read = {".npz": _npz, ".parquet": _parquet}
    parts: dict[str, np.ndarray] = {}
    for which, given in (("train", path), ("test", test_path)):
        if given is None:
            continue
        file = _existing(given, "data.path" if which == "train" else "data.test_path")
        if file.suffix not in read:
            raise InputError(f"{given}: must be a file {' or '.join(KINDS)}")
        found = read[file.suffix](file, x, y, list(features))
        if which == "test" and "x_test" in found:
            raise InputError(f"{given} has both splits itself: leave data.test_path out")
        if which == "test" and "x_test" in parts:
            raise InputError(f"{path} has a test split itself: leave data.test_path out")
        parts |= {k.replace("train", which) if which == "test" else k: v for k, v in found.items()}
    options: dict[str, Any] = {"task": task, "standardise": standardise}
    arrays = [parts.get(k) for k in ("x_train", "y_train", "x_test", "y_test")]
    return from_arrays(Path(path).stem, *arrays, test_share=test_share, split_seed=split_seed, **options)


def _existing(given: str, key: str) -> Path:
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(f"{key}={given} is a folder: must be a file {' or '.join(KINDS)}")
    if not path.parent.is_dir():
        raise InputError(f"{given} does not exist, nor does the folder {path.parent}")
    there = [p.name for p in path.parent.iterdir() if p.suffix in KINDS]
    raise InputError(f"{given} does not exist{suggest(path.name, there)}")


def _npz(path: Path, x: str, y: str, features: list[str]) -> dict[str, np.ndarray]:
    if features:
        raise InputError(f"data.features={features}: are the columns of a table, and {path.name} has none")
    if not zipfile.is_zipfile(path):  # which numpy takes for a pickle
        raise InputError(f"{path} is no whole .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            whole = all(f"{part}_{split}" in archive for part in (x, y) for split in ("train", "test"))
            names = {f"{k}_{s}": f"{n}_{s}" for k, n in (("x", x), ("y", y)) for s in ("train", "test")}
            if not whole:
                names = {"x_train": x, "y_train": y}
            for name in names.values():
                if name not in archive:
                    raise InputError(f"{path} has no array {name!r}{suggest(name, archive.files)}")
            return {part: archive[name] for part, name in names.items()}
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        if "allow_pickle" in str(e):
            raise InputError(
                f"{path} holds Python objects, which are not read: save arrays of numbers"
            ) from None
        raise InputError(f"{path} is no whole .npz file ({e})") from None


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
