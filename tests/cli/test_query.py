"""``actlab query``: the rows a run recorded, and a million of them."""

import io
import json

import numpy as np
import polars as pl
import pytest

from actlab.records import METRICS
from actlab.runs import read_run

NAMES = [(f"blocks.{i}.act", f"{t}.{q}") for i in range(20) for t in ("pre", "post") for q in "abcde"]


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """Return a run folder of 200 series with 5000 rows each, in 100 parts."""
    path = tmp_path_factory.mktemp("million")
    (path / "metrics").mkdir()
    sites, quantities = (pl.Series(names) for names in zip(*NAMES, strict=True))
    for part, steps in enumerate(np.arange(5000).reshape(100, 50) * 20):
        pl.DataFrame(
            {
                "step": np.repeat(steps, len(NAMES)),
                "site": pl.concat([sites] * 50),
                "quantity": pl.concat([quantities] * 50),
                "value": np.repeat(steps, len(NAMES)) + np.tile(np.arange(len(NAMES)), 50) / 1000,
            },
            METRICS,
        ).write_parquet(path / "metrics" / f"part-{part:010d}.parquet")
    (path / "run.json").write_text("{}")
    return path


def lines(out):
    return [line.split() for line in out.splitlines()]


@pytest.mark.slow
def test_a_million_rows_become_one_line_for_each_series(actlab, million):
    code, out, err = actlab("query", million)
    assert (code, err) == (0, "")
    table = lines(out)
    assert table[0] == ["site", "quantity", "rows", "first", "last", "min", "max", "last", "step"]
    assert table[1] == ["blocks.0.act", "pre.a", "5000", "0", "99980", "0", "99980", "99980"]
    assert table[20] == ["blocks.1.act", "post.e", "5000", "0.019", "99980", "0.019", "99980", "99980"]
    assert len(table) == 1 + 100 + 2
    assert "1,000,000 rows in 200 series, the first 100 shown" in out


@pytest.mark.slow
def test_choosing_from_a_million(actlab, million):
    _, out, _ = actlab("query", million, "--site", "blocks.1?.act", "--quantity", "pre.a", "--last")
    assert len(lines(out)) == 1 + 10
    assert lines(out)[1] == ["99980", "blocks.10.act", "pre.a", "99980.1"]
    _, out, _ = actlab("query", million, "--site", "blocks.3.act", "--quantity", "p*.b", "--steps", "100:140")
    assert [(row[0], row[2]) for row in lines(out)[1:]] == [
        (s, q) for s in ("100", "120", "140") for q in ("pre.b", "post.b")
    ]
    _, out, _ = actlab("query", million, "--quantity", "pre.a", "--site", "blocks.0.act", "--every", "1000")
    assert [int(row[0]) for row in lines(out)[1:]] == [0, 20000, 40000, 60000, 80000, 99980]
    _, out, _ = actlab("query", million, "--sql", "SELECT count(*) AS n, max(value) AS m FROM metrics")
    assert lines(out) == [["n", "m"], ["1000000", "99980.2"]]


def test_formats_have_every_row(actlab, runs, here):
    run = runs("nans")
    expected = read_run(run).metrics
    assert actlab("query", run, "--out", "rows.parquet") == (0, "", "")
    assert pl.read_parquet(here / "rows.parquet").equals(expected)
    assert actlab("query", run, "--format", "csv", "--out", "rows")[0] == 0
    assert pl.read_csv(here / "rows", schema=METRICS).equals(expected)
    assert actlab("query", run, "--out", "rows.json")[0] == 0
    found = json.loads((here / "rows.json").read_text())
    assert len(found) == len(expected)
    assert found[0] == dict(zip(METRICS, expected.row(0), strict=True))
    assert {row["value"] for row in found} >= {None}  # JSON knows no NaN
    assert actlab("query", run, "--table", "histograms", "--out", "h.csv")[0] == 0
    counts = pl.read_csv(here / "h.csv")["counts"][0].split()
    assert [int(c) for c in counts] == read_run(run).histograms["counts"][0].to_list()


def test_to_the_terminal(actlab, runs):
    _, out, _ = actlab("query", runs("healthy"), "--format", "csv")
    assert pl.read_csv(io.StringIO(out), schema=METRICS).equals(read_run(runs("healthy")).metrics)


def test_the_overview_leaves_out_and_counts_what_is_not_finite(actlab, runs):
    run = runs("nans")
    _, out, _ = actlab("query", run, "--limit", "5")
    table = lines(out)
    assert table[0][:4] == ["site", "quantity", "rows", "not"]
    _, out, _ = actlab("query", run, "--quantity", "dead_share", "--limit", "1")
    site, quantity, rows, not_finite, *_ = lines(out)[1]
    values = read_run(run).series(site, quantity)[1]
    assert (int(rows), int(not_finite)) == (len(values), np.sum(~np.isfinite(values)))
    assert int(not_finite) > 0


def test_limit_of_rows_and_all_of_them(actlab, runs):
    run = runs("healthy")
    total = len(read_run(run).metrics)
    assert len(lines(actlab("query", run, "--limit", 0)[1])) == total + 1
    _, out, _ = actlab("query", run, "--every", 2, "--limit", 10)
    assert len(lines(out)) == 1 + 10 + 2
    assert "rows left out; --limit 0 prints all" in out


@pytest.mark.slow
def test_several_runs_and_other_tables(actlab, runs):
    one, two = runs("healthy"), runs("relu")
    _, out, _ = actlab("query", one, two, "--site", "test", "--quantity", "loss", "--last")
    assert [row[0] for row in lines(out)] == ["run", str(one), str(two)]
    _, out, _ = actlab("query", one, "--table", "histograms", "--quantity", "pre", "--last")
    assert lines(out)[0] == ["step", "site", "tensor", "low", "high", "counts", "nonfinite"]
    assert "… (64)" in out
    assert actlab("query", one, "--table", "events") == (0, "no rows\n", "")


def test_a_row_written_twice_is_read_once(actlab, here):
    for part, value in (("0000000100", 1.0), ("0000000200", 2.0)):
        (here / "run" / "metrics").mkdir(parents=True, exist_ok=True)
        table = pl.DataFrame([(100, "s", "q", value)], METRICS, orient="row")
        table.write_parquet(here / "run" / "metrics" / f"part-{part}.parquet")
    assert lines(actlab("query", "run")[1])[1:] == [["100", "s", "q", "2"]]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("RUN --site blocks.0.atc", "no site is called 'blocks.0.atc'; did you mean 'blocks.0.act'"),
        (
            "RUN --site blocks.0.act --quantity pre.maen",
            "no quantity is called 'pre.maen'; did you mean 'pre.mean'",
        ),
        ("RUN --steps 10:x", "--steps 10:x: must be like 100:2000"),
        ("RUN --steps 20:10", "--steps 20:10: begins after its end"),
        ("RUN --every 0", "--every 0: must be an integer >= 1"),
        ("RUN --limit -1", "--limit -1: must be an integer >= 0"),
        ("RUN --table units --quantity x", "--quantity: the table units has none"),
        ("RUN --format parquet", "--format parquet: say where to with --out FILE"),
        ("RUN --sql SELECT --last", "--sql says itself what to choose"),
        ("RUN --sql SELEC", "--sql: sql parser error"),
        ("nowhere", "nowhere is not a folder"),
        (".", "is not a run folder"),
    ],
)
def test_bad_input(actlab, runs, argv, message):
    code, out, err = actlab("query", *argv.replace("RUN", str(runs("healthy"))).split())
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


def test_a_damaged_part_is_named(actlab, new_run):
    folder = new_run(records=3)
    part = sorted((folder / "metrics").iterdir())[0]
    part.write_bytes(part.read_bytes()[:-40])
    code, _, err = actlab("query", folder)
    assert code == 2
    assert f"{part} is damaged and cannot be read" in err
