"""Where ``actlab inspect`` takes texts from: files, folders, tables; one text after another, none kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from actlab.errors import InputError, suggest

LONGEST = 1 << 16  # characters of a paragraph: what has no blank lines is cut


def texts_of(sources: list[str]) -> Iterator[str]:
    """Yield the paragraphs of files and folders, the cells of a table's column, the verses of ``asv``.

    Args:
        sources: each a UTF-8 text file, a folder of .txt and .md files, ``FILE.parquet:COLUMN``, or ``asv``: the
            American Standard Version, of the extra ``text``.

    Raises:
        InputError: what is not there or cannot be read, when its turn comes.

    """
    for source in sources:
        if source == "asv":
            from actlab.data.corpora import corpus

            yield from _paragraphs(iter(corpus().splitlines()), gap=False)
        elif ".parquet" in source:
            yield from _cells(source)
        else:
            yield from _files(Path(source))


def _files(path: Path) -> Iterator[str]:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".md") and p.is_file())
        if not files:
            raise InputError(f"{path} holds no .txt or .md file")
    elif path.is_file():
        files = [path]
    else:
        raise InputError(f"{path} is neither a file nor a folder, nor asv")
    for file in files:
        try:
            with file.open(encoding="utf-8-sig") as opened:
                lines = iter(partial(opened.readline, LONGEST), "")  # a line may be the whole file
                yield from _paragraphs(lines, gap=True)
        except UnicodeDecodeError as e:
            raise InputError(f"{file} is not UTF-8: {e.reason}; convert it, e.g. with iconv -t UTF-8") from e
        except OSError as e:
            raise InputError(f"{file} cannot be read: {e.strerror or e}") from e


def _paragraphs(lines: Iterator[str], *, gap: bool) -> Iterator[str]:
    """Yield what stands between blank lines, or every line where there is no gap to wait for."""
    waiting: list[str] = []
    size = 0
    for line in lines:
        if line.strip():
            waiting.append(line if line.endswith("\n") else line + "\n")
            size += len(line)
        if waiting and (not gap or not line.strip() or size >= LONGEST):
            yield "".join(waiting).rstrip("\n")
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).rstrip("\n")


def _cells(source: str) -> Iterator[str]:
    import polars as pl

    name, _, column = source.rpartition(":")
    if not name.endswith(".parquet") or not Path(name).is_file():
        raise InputError(f"{source}: a table is named FILE.parquet:COLUMN, of a file that is there")
    try:
        table = pl.scan_parquet(name)
        schema = table.collect_schema()
    except pl.exceptions.PolarsError as e:
        raise InputError(f"{name} is no Parquet file: {str(e).splitlines()[0]:.100}") from e
    if column not in schema or schema[column] != pl.String:
        texts = [k for k, kind in schema.items() if kind == pl.String]
        raise InputError(f"{name} has no column of texts {column!r}{suggest(column, texts)}")
    rows, at = 1000, 0
    while len(part := table.select(column).slice(at, rows).collect()):
        yield from (text for text in part[column] if text)
        at += rows
