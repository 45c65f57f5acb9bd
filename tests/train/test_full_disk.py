"""A disk that fills while training: it goes on, and nothing is missing once there is room."""

import errno
import os

import jax
import numpy as np
import pytest

from actlab.files import write_atomic
from actlab.train import checkpoint, train
from actlab.train import folder as folder_module
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder


@pytest.fixture
def disk(monkeypatch):
    """Return a disk: while ``disk["full"]``, neither a run folder's files nor a checkpoint can be written."""
    state = {"full": False}
    room = checkpoint._make_sure_of_room

    def full():
        if state["full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder_module, "write_atomic", lambda *a: (full(), write_atomic(*a)))
    monkeypatch.setattr(checkpoint, "_make_sure_of_room", lambda *a: (full(), room(*a)))
    return state


def go(run, path, disk, full=(), resume=False):
    """Train; the disk is full between the two steps of ``full``."""
    first, last = full or (10**9, 10**9)

    def tell(progress):
        disk["full"] = first <= progress.step < last

    path.mkdir(exist_ok=True)
    with RunFolder(path) as folder:
        if not resume:
            folder.write(state="running")
        return train(run, folder, resume=resume, tell=tell), folder


def final(run, folder):
    checkpoints = Checkpoints(folder.checkpoints)
    state = checkpoints.restore(jax.eval_shape(run.program.init, run.numbers))
    return checkpoints.steps(), state


@pytest.mark.slow
def test_training_goes_on_and_nothing_is_missing(small_run, tmp_path, disk, caplog):
    run = small_run()
    _, undisturbed = go(run, tmp_path / "undisturbed", disk)
    outcome, folder = go(run, tmp_path / "filled", disk, full=(20, 60))
    assert outcome.state == "finished"
    assert folder.metrics().equals(undisturbed.metrics())
    steps, state = final(run, folder)
    assert steps == [80]  # that of step 40 met a full disk
    jax.tree.map(np.testing.assert_array_equal, state, final(run, undisturbed)[1])
    assert folder.read()["records_lost"] == 0
    assert [r.getMessage().split(":")[0] for r in caplog.records] == [
        f"No space left on device for the state of {tmp_path / 'filled'}"
    ]


def test_full_to_the_end_is_an_error_and_resume_repairs_it(small_run, tmp_path, disk):
    run = small_run()
    _, undisturbed = go(run, tmp_path / "undisturbed", disk)
    with pytest.raises(OSError, match="make room, then resume="):
        go(run, tmp_path / "filled", disk, full=(60, 10**9))
    disk["full"] = False
    outcome, folder = go(run, tmp_path / "filled", disk, resume=True)
    assert outcome.state == "finished"
    assert folder.metrics().equals(undisturbed.metrics())


def test_no_checkpoint_while_records_wait(small_run, tmp_path, disk, monkeypatch):
    """Else a run killed now would resume after rows that were never written."""
    monkeypatch.setattr(checkpoint, "_make_sure_of_room", lambda *a: None)  # small enough to fit still
    run = small_run()
    _, folder = go(run, tmp_path / "run", disk, full=(20, 60))
    assert final(run, folder)[0] == [80]


def test_a_save_that_fails_under_way_says_what_the_system_said(small_run, tmp_path):
    saved = {"a": np.ones(3, np.float32)}
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(10, saved)
    checkpoints.finish()
    checkpoints.save(20, saved)
    checkpoints._checkpointer.wait_until_finished()
    healthy = checkpoints._checkpointer

    class Failing:
        def wait_until_finished(self):
            raise ValueError(
                "RESOURCE_EXHAUSTED: d/1: No space left on device [spec='x'] [os_error_code='28']"
            )

    checkpoints._checkpointer = Failing()
    with pytest.raises(OSError, match="No space left on device: 'checkpoint 20 in") as told:
        checkpoints.finish()
    healthy.close()
    assert told.value.errno == errno.ENOSPC
    assert checkpoints.steps() == [10]
    assert not (tmp_path / "checkpoints" / "20").exists()
    checkpoints.save(30, saved)
    checkpoints.close()
    assert checkpoints.steps() == [10, 30]
