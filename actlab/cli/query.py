"""``actlab query``: what runs recorded, as rows: chosen, thinned, printed or written to a file."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from actlab.errors import InputError, suggest

if TYPE_CHECKING:
    import polars as pl

NAMED = {  # the columns that name a series in each table; the second is what --quantity chooses
    "metrics": ("site", "quantity"),
    "histograms": ("site", "tensor"),
    "units": ("site",),
    "curves": ("site",),
    "events": ("site", "kind"),
}
FORMATS = ("table", "csv", "json", "parquet")
DESCRIPTION = """\
Print what runs recorded. A table too long for the screen becomes one line for each site and quantity.

  actlab query RUN --site 'blocks.*' --quantity 'pre.*' --last
  actlab query RUN --steps 100:2000 --every 10 --format csv --out rows.csv
  actlab query RUN1 RUN2 --site test                     several runs: a column run
  actlab query SWEEP --site test --quantity accuracy --last        all runs of a sweep
  actlab query RUN --sql "SELECT site, max(value) FROM metrics WHERE quantity = 'dead_share' GROUP BY site"
  actlab query SWEEP --sql "SELECT * FROM runs ORDER BY score DESC LIMIT 5"    state, score, what differs
"""


def main(argv: list[str]) -> int:
    """Run ``actlab query``; return its exit code."""
    arguments = _parse(argv)
    import polars as pl

    from actlab.compare import find_runs
    from actlab.runs import damaged

    arguments.runs = [run for folder in dict.fromkeys(arguments.runs) for run in _below(folder, find_runs)]

    try:
        rows, total, is_overview = _sql(arguments) if arguments.sql else _rows(arguments)
    except (OSError, pl.exceptions.PolarsError) as e:
        for name in NAMED if arguments.sql else (arguments.table,):
            for folder in arguments.runs:
                if told := damaged(folder, name):
                    raise InputError(told) from e
        raise InputError(f"{'--sql' if arguments.sql else 'query'}: {' '.join(str(e).split())}") from e
    if arguments.format == "table":
        text = _table(rows, arguments.limit, total, is_overview)
        _write(text.encode(), arguments.out)
    else:
        _write(_encode(rows, arguments.format), arguments.out)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="actlab query",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders with runs below them")
    add("--table", default="metrics", choices=NAMED, help="which records (default: metrics)")
    add("--site", metavar="GLOB", action="append", help="only these sites, like 'blocks.*'; may be repeated")
    add("--quantity", metavar="GLOB", action="append", help="only these quantities (tensors, kinds of event)")
    add("--steps", metavar="FROM:TO", help="only these steps, both ends included; either may be left out")
    add("--every", type=int, metavar="N", help="every N-th row of each series, and its last")
    add("--last", action="store_true", help="the last row of each series")
    add("--sql", metavar="QUERY", help="a SELECT over the tables " + ", ".join((*NAMED, "runs")))
    add("--limit", type=int, default=100, metavar="N", help="most lines of a table (100); 0: all rows")
    add("--format", choices=FORMATS, help="default: by --out's ending, else table")
    add("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    arguments = parser.parse_args(argv)
    if arguments.sql and (
        arguments.site or arguments.quantity or arguments.steps or arguments.every or arguments.last
    ):
        raise InputError(
            "--sql says itself what to choose: leave out --site, --quantity, --steps, --every, --last"
        )
    if arguments.every is not None and arguments.every < 1:
        raise InputError(f"--every {arguments.every}: must be an integer >= 1")
    if arguments.limit < 0:
        raise InputError(f"--limit {arguments.limit}: must be an integer >= 0")
    if arguments.quantity and len(NAMED[arguments.table]) == 1:
        raise InputError(f"--quantity: the table {arguments.table} has none, only --site")
    if arguments.format is None:
        ending = arguments.out.suffix[1:] if arguments.out else ""
        arguments.format = ending if ending in FORMATS else "table"
    if arguments.format == "parquet" and arguments.out is None:
        raise InputError("--format parquet: say where to with --out FILE")
    return arguments


def _scan(folders: list[Path], table: str) -> pl.LazyFrame:
    """Return a table of one run, or of several with a column ``run``."""
    from actlab.runs import scan, scan_many

    return scan(folders[0], table) if len(folders) == 1 else scan_many(list(dict.fromkeys(folders)), table)


def _below(folder: Path, find: Callable[[list[Path]], list[Path]]) -> list[Path]:
    """Return the run a folder is, or the runs below it; what is neither is told by whoever reads it."""
    try:
        return find([folder])
    except InputError:
        return [folder]


def _rows(arguments: argparse.Namespace) -> tuple[pl.DataFrame, int, bool]:
    """Return what to show, how many rows it stands for, and whether it is an overview of them."""
    import polars as pl

    rows = _scan(arguments.runs, arguments.table)
    keys = [*(["run"] if len(set(arguments.runs)) > 1 else []), *NAMED[arguments.table]]
    chosen = zip(NAMED[arguments.table], (arguments.site, arguments.quantity), strict=False)
    for column, globs in chosen:
        if globs:
            rows = rows.filter(pl.col(column).is_in(_matching(rows, column, globs)))
    if arguments.steps:
        first, last = _steps(arguments.steps)
        rows = rows.filter(pl.col("step").is_between(first, last))
    if arguments.last:
        rows = rows.group_by(keys, maintain_order=True).last().select(rows.collect_schema().names())
    if arguments.every:
        place = pl.int_range(pl.len()).over(keys)
        rows = rows.filter((place % arguments.every == 0) | (place == pl.len().over(keys) - 1))
    found = rows.collect()
    asked = arguments.format != "table" or arguments.limit == 0 or arguments.last or arguments.every
    if asked or arguments.table != "metrics" or len(found) <= arguments.limit:
        return found, len(found), False
    return _overview(found, keys), len(found), True


def _overview(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return one line for each series: how many rows, first and last value, least and largest finite one."""
    import polars as pl

    value = pl.col("value")
    finite = value.filter(value.is_finite())
    return rows.group_by(keys, maintain_order=True).agg(
        pl.len().alias("rows"),
        (pl.len() - finite.len()).alias("not finite"),
        value.first().alias("first"),
        value.last().alias("last"),
        finite.min().alias("min"),
        finite.max().alias("max"),
        pl.col("step").last().alias("last step"),
    )


def _sql(arguments: argparse.Namespace) -> tuple[pl.DataFrame, int, bool]:
    import polars as pl

    from actlab.compare import overview

    context = pl.SQLContext(
        {name: _scan(arguments.runs, name) for name in NAMED if _names(name, arguments.sql)}
    )
    if _names("runs", arguments.sql):
        context.register("runs", overview(list(dict.fromkeys(arguments.runs))))
    found = context.execute(arguments.sql, eager=True)
    return found, len(found), False


def _names(table: str, sql: str) -> bool:
    """Tell whether a query speaks of a table: what it does not is not looked for on the disk."""
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None


def _matching(rows: pl.LazyFrame, column: str, globs: list[str]) -> list[str]:
    """Return the names in a column that match any of ``globs``; each has to match one."""
    names = rows.select(column).unique(maintain_order=True).collect()[column].drop_nulls().to_list()
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise InputError(f"no {column} is called {glob!r}{suggest(glob, names)}")
    return [name for name in names if any(fnmatchcase(name, glob) for glob in globs)]


def _steps(text: str) -> tuple[int, int]:
    """Return the first and the last step of ``100:2000``, ``100:``, ``:2000`` or ``100``."""
    first, colon, last = text.partition(":")
    try:
        low = int(first) if first else 0
        high = (int(last) if last else 2**62) if colon else low
    except ValueError:
        raise InputError(f"--steps {text}: must be like 100:2000, 100: or :2000") from None
    if low > high:
        raise InputError(f"--steps {text}: begins after its end")
    return low, high


def _table(rows: pl.DataFrame, limit: int, total: int, is_overview: bool) -> str:
    """Return rows as aligned text, ``limit`` at most, and what was left out."""
    shown = rows.head(limit) if limit else rows
    if is_overview and not rows["not finite"].sum():
        shown = shown.drop("not finite")
    columns = [[name, *map(_cell, shown[name].to_list())] for name in shown.columns]
    right = [dtype.is_numeric() for dtype in shown.dtypes]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in zip(*columns, strict=True)
    ]
    hidden = len(rows) - len(shown)
    if is_overview:
        more = f", the first {len(shown)} shown" if hidden else ""
        lines.append(
            f"\n{total:,} rows in {len(rows):,} series{more}; choose by --site, --quantity, --steps, --last or "
            "--every; --limit 0 prints all rows"
        )
    elif hidden:
        lines.append(f"\n{hidden:,} of {total:,} rows left out; --limit 0 prints all")
    elif not len(rows):
        lines = ["no rows"]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        few = " ".join(map(_cell, value[:4]))
        return f"{few} … ({len(value)})" if len(value) > 4 else few
    return str(value)


def _encode(rows: pl.DataFrame, form: str) -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    if form == "parquet":
        rows.write_parquet(buffer)
    elif form == "json":
        rows.write_json(buffer)
        buffer.write(b"\n")
    else:  # a CSV has no lists
        lists = [name for name, dtype in rows.schema.items() if dtype.base_type() is pl.List]
        rows.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(" ")).write_csv(buffer)
    return buffer.getvalue()


def _write(content: bytes, out: Path | None) -> None:
    if out is not None:
        from actlab.files import write_atomic

        write_atomic(out, content)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
