"""What runs recorded, read together: whole series, and what stands in their last parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from actlab.errors import InputError, suggest
from actlab.records import EVENTS, METRICS

Over = Literal["last", "best"]
_KEY = ["run", "step", "site", "quantity"]


@dataclass(frozen=True)
class Metric:
    """What runs are judged by: (site, quantity), whether more is better, when it is taken.

    ``over`` is ``last`` (the run's last record) or ``best`` (over time: a choice by what is measured, so too good).
    With ``at`` every run is judged by its last record up to that step, and those that did not come so far are not.
    ``or_loss``: runs without classes have no accuracy; where none has one it is the loss that they are judged by.
    """

    site: str = "test"
    quantity: str = "accuracy"
    higher: bool = True
    over: Over = "last"
    at: int | None = None
    or_loss: bool = False

    @property
    def name(self) -> str:
        """The metric in words: "test accuracy"."""
        when = ", best over time" if self.over == "best" else ""
        return f"{self.site} {self.quantity}{when}" + (f" at step {self.at:,}" if self.at is not None else "")

    @property
    def is_share(self) -> bool:
        """Whether it is a share of 1, told in per cent."""
        return self.quantity == "accuracy" or self.quantity.endswith("_share")

    @staticmethod
    def of(name: str, *, higher: bool | None = None, over: Over = "last", at: int | None = None) -> Metric:
        """Return the metric called ``"test loss"``: site and quantity, a space between.

        Raises:
            InputError: not two words, or a quantity of which only a person knows whether more is better.

        """
        words = name.split()
        if len(words) != 2:
            raise InputError(f"metric {name!r}: must be a site and a quantity, like 'test accuracy'")
        if higher is None:
            known = {"accuracy": True, "loss": False, "loss_max": False}
            if words[1] not in known:
                raise InputError(f"metric {name!r}: say --higher or --lower, whichever is better")
            higher = known[words[1]]
        return Metric(words[0], words[1], higher, over, at)

    @staticmethod
    def usual(*, over: Over = "last", at: int | None = None) -> Metric:
        """Return the test accuracy, or the test loss where no run has one."""
        return Metric(over=over, at=at, or_loss=True)

    def settled(self, infos: Iterable[Mapping[str, Any]]) -> Metric:
        """Return what runs are judged by, from the scores in their run.json.

        >>> Metric.usual().settled([{"scores": {"test loss": 0.1}}]).name
        'test loss'
        """
        if not self.or_loss:
            return self
        known = {name for info in infos for name in info.get("scores") or ()}
        wanted = (f"{self.site} {self.quantity}", f"{self.site} loss")
        loss = wanted[0] not in known and wanted[1] in known
        return Metric(self.site, "loss", False, self.over, self.at) if loss else replace(self, or_loss=False)


def parts(folder: Path, table: str = "metrics") -> list[Path]:
    """Return the parts of a run's table, oldest first."""
    return sorted((folder / table).glob("part-*.parquet"))


def read_rows(
    files: Sequence[Sequence[Path]],
    chosen: pl.Expr,
    schema: dict[str, type[pl.DataType]] = METRICS,
    key: Sequence[str] = _KEY,
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the ``chosen`` rows of many runs with a column ``run``, and by run what could not be read.

    Args:
        files: the parts of each run.
        chosen: which rows; of those written twice the later part wins.
        schema: the table's columns.
        key: the columns that name a row.

    """
    try:
        return _read(files, range(len(files)), chosen, schema, key), {}
    except (OSError, pl.exceptions.PolarsError):
        pass
    frames, damaged = [pl.DataFrame(schema={"run": pl.UInt32, **schema})], {}
    for i, own in enumerate(files):
        try:
            frames.append(_read([own], [i], chosen, schema, key))
        except (OSError, pl.exceptions.PolarsError):
            damaged[i] = _which(own, schema)
    return pl.concat(frames), damaged


def _read(
    files: Sequence[Sequence[Path]],
    names: Iterable[int],
    chosen: pl.Expr,
    schema: dict[str, type[pl.DataType]],
    key: Sequence[str],
) -> pl.DataFrame:
    order = {str(path): i for i, own in zip(names, files, strict=True) for path in own}
    if not order:
        return pl.DataFrame(schema={"run": pl.UInt32, **schema})
    of = pl.DataFrame(
        {"file": list(order), "run": list(order.values())}, {"file": pl.String, "run": pl.UInt32}
    )
    rows = pl.scan_parquet(list(order), glob=False, include_file_paths="file")
    rows = rows.select("file", *(pl.col(c).cast(t) for c, t in schema.items())).filter(chosen)
    rows = rows.join(of.lazy(), on="file", how="left", maintain_order="left").select("run", *schema)
    return (
        rows.collect()
        .unique(list(key), keep="last", maintain_order=True)
        .sort("run", "step", maintain_order=True)
    )


def _which(files: Sequence[Path], schema: dict[str, type[pl.DataType]]) -> str:
    for path in files:
        try:
            pl.read_parquet(path, glob=False).select(pl.col(c).cast(t) for c, t in schema.items())
        except (OSError, pl.exceptions.PolarsError) as error:
            return f"{path} is damaged: {' '.join(str(error).split())[:120]}"
    return "its records cannot be read together"


def series(folders: Sequence[Path], wanted: Iterable[tuple[str, str]]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return all records of the (site, quantity) pairs ``wanted`` of many runs, and what could not be read."""
    return read_rows([parts(f) for f in folders], _any_of(wanted))


def _any_of(wanted: Iterable[tuple[str, str]]) -> pl.Expr:
    return pl.any_horizontal((pl.col("site") == s) & (pl.col("quantity") == q) for s, q in wanted)


def at_end(folders: Sequence[Path], chosen: pl.Expr) -> pl.DataFrame:
    """Return the last record of each ``chosen`` series, from the runs' last parts; damaged ones are left out."""
    rows, _ = read_rows([parts(f)[-1:] for f in folders], chosen)
    return rows.group_by("run", "site", "quantity", maintain_order=True).last()


def events(folders: Sequence[Path]) -> pl.DataFrame:
    """Return how often what happened: run, kind, count; damaged tables are left out."""
    rows, _ = read_rows(
        [parts(f, "events") for f in folders], pl.lit(True), EVENTS, ["run", "step", "kind", "site"]
    )
    return rows.group_by("run", "kind", maintain_order=True).len("count")


def check(metric: Metric, rows: pl.DataFrame, folders: Sequence[Path]) -> None:
    """Raise InputError, with what would be right, where no run recorded ``metric``."""
    if len(rows):
        return
    names: set[str] = set()
    for folder in folders:
        if own := parts(folder):
            try:
                table = pl.read_parquet(own[-1], glob=False).select("site", "quantity").unique()
            except (OSError, pl.exceptions.PolarsError):
                continue
            names = {" ".join(row) for row in table.iter_rows()}
            break
    asked = f"{metric.site} {metric.quantity}"
    raise InputError(f"no run recorded {asked!r}{suggest(asked, names)}")


def score_of(metric: Metric) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the function from rows of the metric to run, ``initial`` (at step 0), ``score`` and ``reached``."""
    value = pl.col("value")
    finite = value.filter(value.is_finite())
    taken = value.last() if metric.over == "last" else (finite.max() if metric.higher else finite.min())

    def scores(rows: pl.DataFrame) -> pl.DataFrame:
        initial = rows.filter(pl.col("step") == 0).group_by("run").agg(value.last().alias("initial"))
        reached = rows.group_by("run").agg(pl.col("step").max().alias("reached"))
        if metric.at is not None:
            rows = rows.filter(pl.col("step") <= metric.at)
        found = rows.group_by("run").agg(taken.alias("score"))
        return reached.join(found, on="run", how="left").join(initial, on="run", how="left").sort("run")

    return scores
