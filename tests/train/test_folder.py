import errno
import os

import polars as pl
import pytest

from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.train import folder as folder_module
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


@pytest.fixture
def disk(monkeypatch):
    """Return a disk: while ``disk["full"]``, writing a run folder's files raises what a full one does."""
    state = {"full": False, "error": errno.ENOSPC}

    def write(path, content):
        if state["full"]:
            raise OSError(state["error"], os.strerror(state["error"]), str(path))
        write_atomic(path, content)

    monkeypatch.setattr(folder_module, "write_atomic", write)
    return state


def rows(step):
    return [(step, "s", "q", step / 2)]


def test_records_wait_while_the_disk_is_full(tmp_path, disk, caplog):
    with RunFolder(tmp_path) as folder:
        folder.write(state="running")
        folder.write_rows(0, rows(0))
        folder.last()
        disk["full"] = True
        folder.write_rows(20, rows(20), histograms=[(20, "s", "pre", 0.0, 1.0, [1, 2], 0)])
        folder.write_rows(40, rows(40))
        folder.write(step=40)
        assert folder.waiting
        assert folder.metrics()["step"].to_list() == [0]
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        assert "No space left on device for the records of" in caplog.text
        disk["full"] = False
        folder.write_rows(60, rows(60))
        assert not folder.waiting
        folder.settle()
        assert folder.metrics().rows() == [row for step in (0, 20, 40, 60) for row in rows(step)]
        assert len(pl.read_parquet(tmp_path / "histograms" / "*.parquet")) == 1
        assert folder.read() == {"state": "running", "step": 40, "records_lost": 0}


def test_what_waits_is_bounded_and_the_loss_is_told(tmp_path, disk, caplog, monkeypatch):
    monkeypatch.setattr(folder_module, "KEEP_BYTES", 5000)  # some three parts
    with RunFolder(tmp_path) as folder:
        folder.write(state="running")
        folder.last()
        disk["full"] = True
        for step in range(10):
            folder.write_rows(step, rows(step))
        disk["full"] = False
        folder.settle()
        kept = folder.metrics()["step"].to_list()
        assert 1 <= len(kept) < 10
        assert kept == list(range(10))[-len(kept) :]
        assert folder.read()["records_lost"] == 10 - len(kept)
        assert f"{10 - len(kept)} rows of {tmp_path} were lost" in caplog.text


def test_a_disk_full_to_the_end_is_an_error(tmp_path, disk):
    with RunFolder(tmp_path) as folder:
        folder.write(state="running")
        folder.last()
        disk["full"] = True
        folder.write_rows(20, rows(20))
        with pytest.raises(OSError, match="No space left on device: '1 rows of .*; make room, then resume="):
            folder.settle()


def test_full_at_the_beginning_and_other_errors_end_it(tmp_path, disk):
    with RunFolder(tmp_path) as folder:
        disk["full"] = True
        with pytest.raises(OSError, match="No space left on device"):
            folder.write_rows(0, rows(0))
        folder.last()
        disk["error"] = errno.EROFS
        with pytest.raises(OSError, match="Read-only file system"):
            folder.write_rows(20, rows(20))
