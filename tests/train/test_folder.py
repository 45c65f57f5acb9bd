import os

import polars as pl
import pytest

from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.train.folder import RunFolder


def test_rows_come_back_in_order_and_are_dropped_by_step(tmp_path):
    with RunFolder(tmp_path) as folder:
        for step in (0, 100, 200):
            folder.write_rows(
                step, [(step, "s", "q", step / 2)], histograms=[(step, "s", "pre", 0.0, 1.0, [1, 2], 0)]
            )
        assert folder.metrics()["step"].to_list() == [0, 100, 200]
        (tmp_path / "metrics" / ".part-0000000300.parquet.x").write_bytes(b"killed while writing")
        folder.drop_after(100)
        assert folder.metrics().rows() == [(0, "s", "q", 0.0), (100, "s", "q", 50.0)]
        assert len(list((tmp_path / "metrics").iterdir())) == 2
        assert len(pl.read_parquet(tmp_path / "histograms" / "*.parquet")) == 2


def test_one_writer_at_a_time(tmp_path):
    with (
        RunFolder(tmp_path),
        pytest.raises(InputError, match="is being written by another process"),
        RunFolder(tmp_path),
    ):
        pass
    with RunFolder(tmp_path):
        pass


def test_run_json(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.write(state="running", a=1)
        folder.write(state="finished")
        assert folder.read() == {"state": "finished", "a": 1}
        (tmp_path / "run.json").write_text("{")
        with pytest.raises(InputError, match="run.json is damaged"):
            folder.read()


def test_not_a_run(tmp_path):
    with pytest.raises(InputError, match="is not a run folder"):
        RunFolder(tmp_path).read()


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
