import json

import numpy as np
import polars as pl
import pytest

from actlab.errors import InputError
from actlab.runs import read_run


def test_reads_all_parts_in_order(runs):
    run = read_run(runs("healthy"))
    steps, values = run.series("test", "loss")
    assert len(steps) == 40
    assert (np.diff(steps) > 0).all()
    assert np.isfinite(values).all()
    assert run.sites == tuple(f"blocks.{i}.act" for i in range(4))
    assert run.layer_of("blocks.2.act") == "blocks.2.linear"
    assert run.config["activation"]["name"] == "gelu"


def test_grid_tells_missing_from_not_finite(new_run):
    folder = new_run(records=3, sites=2)
    extra = pl.DataFrame(
        [(9000, "blocks.0.act", "dead_share", float("nan"))],
        {"step": pl.Int64, "site": pl.String, "quantity": pl.String, "value": pl.Float64},
        orient="row",
    )
    extra.write_parquet(folder / "metrics" / "part-9000000000.parquet")
    run = read_run(folder)
    steps, sites, values = run.grid(run.sites, "dead_share")
    assert steps[-1] == 9000
    assert sites == run.sites
    assert np.isinf(values[0, -1])
    assert np.isnan(values[1, -1])


def test_rows_written_twice_count_once_and_the_later_wins(new_run):
    folder = new_run(records=2)
    first = read_run(folder)
    row = first.metrics.filter(pl.col("quantity") == "accuracy").head(1)
    row.with_columns(value=pl.lit(0.123)).write_parquet(folder / "metrics" / "part-9000000000.parquet")
    again = read_run(folder)
    assert len(again.metrics) == len(first.metrics)
    assert 0.123 in again.metrics["value"]


def test_sites_come_from_the_metrics_where_run_json_has_none(new_run):
    folder = new_run(sites=3)
    (folder / "run.json").write_text("{}")
    run = read_run(folder)
    assert set(run.sites) == {"blocks.0.act", "blocks.1.act", "blocks.2.act"}
    assert "head" in run.layers


def test_bad_folders_are_told_in_one_line(tmp_path, new_run):
    with pytest.raises(InputError, match="is not a folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a run folder"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"state": "running"}))
    with pytest.raises(InputError, match="no metrics yet"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"state": "run')
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        read_run(tmp_path)


def test_a_damaged_part_is_named(new_run):
    folder = new_run(records=2)
    part = sorted((folder / "metrics").iterdir())[1]
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match=part.name) as error:
        read_run(folder)
    assert "\n" not in str(error.value)


def test_a_part_without_its_columns_is_named(new_run):
    folder = new_run(records=2)
    part = sorted((folder / "metrics").iterdir())[0]
    pl.read_parquet(part).drop("value").write_parquet(part)
    with pytest.raises(InputError, match=part.name):
        read_run(folder)


def test_the_global_gradient_norm_makes_no_layer(new_run):
    folder = new_run(records=2)
    layers = read_run(folder).layers
    row = pl.DataFrame(
        [(9000, "train", "gradient_norm", 1.0), (9000, "extra", "gradient_norm", 1.0)],
        {"step": pl.Int64, "site": pl.String, "quantity": pl.String, "value": pl.Float64},
        orient="row",
    )
    row.write_parquet(folder / "metrics" / "part-9000000000.parquet")
    assert read_run(folder).layers == (*layers, "extra")
