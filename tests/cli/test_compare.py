"""``actlab compare`` and ``actlab query`` over sweeps, through the command line."""

import io
import json

import polars as pl
import pytest
from made_sweeps import write_sweep

from actlab.cli.compare import table
from actlab.compare import compare
from actlab.records import METRICS


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    levels = {"relu": 0.6, "gelu": 0.605, "tanh": 0.4, "leaky_relu": 0.59}
    return write_sweep(tmp_path_factory.mktemp("sweep"), levels, rates={1e-3: 0.0, 1e-2: -0.1})


@pytest.mark.slow
def test_the_table_the_page_and_the_picture(actlab, sweep, here):
    code, out, err = actlab("compare", sweep, "--out", "page.html", "--png", "ranking.png")
    assert (code, err) == (0, "")
    study = compare([sweep])
    assert " ".join(out.split()).startswith(study.answer)
    lines = [line.split() for line in out.splitlines()]
    rows = [
        line
        for line in lines
        if line and line[0].isdecimal() and len(line) > 6 and line[1] in study.design.levels
    ]
    assert [row[1] for row in rows] == [one.name for one in study.ranking.levels]
    assert rows[0][2] == f"{100 * study.ranking.levels[0].score:.1f}"
    assert out.splitlines()[-2:] == ["ranking.png", "page: page.html"]
    assert (here / "ranking.png").read_bytes()[:4] == b"\x89PNG"
    assert "Ranking by test accuracy" in (here / "page.html").read_text()


def test_eighty_columns_hold_the_narrow_table(sweep):
    from rich.console import Console

    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(table(compare([sweep]), console.width))
    out = captured.get()
    assert max(map(len, out.splitlines())) <= 80
    assert "leaky_relu" in out
    assert "…" not in out
    assert "bootstrap" not in out


@pytest.mark.slow
def test_the_page_lies_in_the_folder_unless_told_otherwise(actlab, sweep):
    assert actlab("compare", sweep)[0] == 0
    assert (sweep / "compare.html").exists()
    (sweep / "compare.html").unlink()
    code, out, err = actlab("compare", sweep, "--json")
    assert (code, err) == (0, "")
    assert not (sweep / "compare.html").exists()
    told = json.loads(out)
    assert told["answer"] == compare([sweep]).answer
    assert len(told["runs"]) == 4 * 2 * 4
    assert [one["name"] for one in told["levels"]] == [one.name for one in compare([sweep]).ranking.levels]
    assert {c["told"] for c in told["comparisons"]} == {True, False}


def test_other_keys_metrics_and_baselines(actlab, sweep):
    _, out, _ = actlab("compare", sweep, "--by", "optimizer.learning_rate", "--json")
    told = json.loads(out)
    assert [one["name"] for one in told["levels"]] == ["learning_rate 0.001", "learning_rate 0.01"]
    assert told["settings"] == ["activation"]
    _, out, _ = actlab(
        "compare", sweep, "--metric", "test loss", "--baseline", "relu", "--tune", "none", "--json"
    )
    told = json.loads(out)
    assert told["baseline"] == "relu"
    assert len(told["comparisons"]) == 3
    assert told["tuned"] == []
    assert told["metric"]["higher"] is False
    _, out, _ = actlab(
        "compare", sweep, "--metric", "blocks.1.act dead_share", "--lower", "--at", "100", "--json"
    )
    assert json.loads(out)["levels"][0]["score"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("nowhere", "nowhere is not a folder"),
        (".", "no run in .: no folder there has a run.json"),
        ("SWEEP --by optimizer.lr", "no run has a key 'optimizer.lr'; did you mean"),
        ("SWEEP --metric accuracy", "metric 'accuracy': must be a site and a quantity"),
        ("SWEEP --metric=test_loss", "must be a site and a quantity"),
        ("SWEEP --baseline gleu", "baseline 'gleu' is not among what is compared; did you mean 'gelu'"),
        ("SWEEP --alpha 1.5", "--alpha 1.5: must be in (0, 1)"),
        ("SWEEP --at -1", "--at -1: must be an integer >= 0"),
    ],
)
def test_bad_input(actlab, sweep, argv, message):
    code, out, err = actlab("compare", *argv.replace("SWEEP", str(sweep)).split())
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_query_takes_a_sweep(actlab, sweep):
    code, out, err = actlab(
        "query", sweep, "--site", "test", "--quantity", "accuracy", "--last", "--format", "csv"
    )
    assert (code, err) == (0, "")
    rows = pl.read_csv(out.encode(), schema={"run": pl.String, **METRICS})
    runs = compare([sweep]).runs
    assert rows["run"].to_list() == runs["folder"].to_list()
    assert rows["value"].to_list() == pytest.approx(runs["score"].to_list())


def test_query_has_a_table_of_runs(actlab, sweep):
    sql = (
        'SELECT r."activation.name" AS name, max(m.value) AS best FROM metrics m JOIN runs r ON m.run = r.run '
        "WHERE m.site = 'test' AND m.quantity = 'accuracy' AND r.\"optimizer.learning_rate\" < 0.005 "
        'GROUP BY r."activation.name" ORDER BY best DESC'
    )
    _, out, _ = actlab("query", sweep, "--sql", sql, "--format", "csv")
    found = pl.read_csv(out.encode())
    runs = compare([sweep]).runs.filter(pl.col("optimizer.learning_rate") < 0.005)
    best = dict(runs.group_by("level").agg(pl.col("score").max()).iter_rows())
    assert dict(found.iter_rows()) == pytest.approx(best)
    _, out, _ = actlab("query", sweep, "--sql", "SELECT * FROM runs", "--format", "csv")
    columns = pl.read_csv(out.encode()).columns
    assert columns == ["run", "state", "score", "activation.name", "optimizer.learning_rate", "seed"]


def test_query_over_runs_reads_a_row_written_twice_once(actlab, here):
    for run in ("a", "b"):
        (here / "sweep" / run / "metrics").mkdir(parents=True)
        for part, value in ((100, 1.0), (200, 2.0)):
            rows = pl.DataFrame([(100, "s", "q", value)], METRICS, orient="row")
            rows.write_parquet(here / "sweep" / run / "metrics" / f"part-{part:010d}.parquet")
    _, out, _ = actlab("query", "sweep", "--format", "csv")
    assert out.splitlines()[1:] == ["sweep/a,100,s,q,2.0", "sweep/b,100,s,q,2.0"]
