"""Training batches read from disk: the same run, bit for bit, as on the same arrays in memory."""

import dataclasses
import threading

import jax
import numpy as np
import pytest
import small_runs

from actlab.data import Rows, Stream
from actlab.data.stream import Batches
from actlab.errors import InputError
from actlab.stats import StatsConfig
from actlab.train import train
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder
from actlab.train.look import feed_of
from actlab.train.policies import Stability

SAMPLE = 2 * 4 + 4  # bytes of a blob and its label
BUDGET = Stream(SAMPLE * 32 * 20 / 1e6)  # 20 steps of a batch: an evaluation every 40 takes two chunks


def streamed(data, stream=BUDGET):
    return dataclasses.replace(data, x_train=Rows(data.x_train), stream=stream)


def arrays(run, path, **options):
    """Train in a folder; return the last state's arrays by name, and the rows."""
    with RunFolder(path) as folder:
        outcome = train(run, folder, **options)
        like = jax.eval_shape(run.program.init, run.numbers)
        state = Checkpoints(folder.checkpoints).restore(like)
        return outcome, jax.tree.leaves(jax.device_get(state)), folder.metrics()


@pytest.mark.slow
def test_a_streamed_run_is_the_run_in_memory_stopped_and_resumed_too(small_run, tmp_path, blobs):
    fields = {"label_noise": 0.3, "steps": 75}
    expected = arrays(small_run(eval_every=40, **fields), tmp_path / "held")
    run = small_run(eval_every=40, data=streamed(blobs), **fields)
    assert [length for length, _ in run.pieces(0)] == [20, 20]

    def stop(progress):
        if progress.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "run") as folder:
        train(run, folder, tell=stop)
    # What a kill leaves: the checkpoint before it. The rest of the run begins in the second epoch of seven.
    outcome, state, rows = arrays(run, tmp_path / "run", resume=True)
    assert outcome.state == "finished"
    for one, other in zip(expected[1], state, strict=True):
        np.testing.assert_array_equal(one, other)
    assert rows.equals(expected[2])
    assert not [t for t in threading.enumerate() if "grain" in t.name.lower()]


@pytest.mark.slow
def test_where_a_streamed_run_diverges_and_where_it_goes_back_are_the_same(small_run, tmp_path, blobs):
    bad = np.array(blobs.x_train)
    bad[100] = np.nan
    data, ends = dataclasses.replace(blobs, x_train=bad), set()
    for policy in (Stability(), Stability(on_nonfinite="rewind", max_rewinds=9)):
        found = []
        for name, own in (("held", data), ("read", streamed(data, Stream(SAMPLE * 4 * 10 / 1e6)))):
            fields = {"batch_size": 4, "steps": 60, "stats": StatsConfig(level="none", every=10)}
            run = small_run(data=own, stability=policy, **fields)
            outcome, state, rows = arrays(run, tmp_path / f"{policy.on_nonfinite}-{name}")
            found.append((vars(outcome), [a.tolist() for a in state], rows.to_dicts()))
        np.testing.assert_equal(found[1], found[0])
        ends.add(outcome.state)
    assert ends == {"diverged", "finished"}


@pytest.mark.slow
def test_looks_are_given_the_samples_that_they_would_choose(small_run, blobs):
    held, read = small_run(), small_run(data=streamed(blobs))
    state = held.program.init(held.numbers)._replace(step=np.int32(7))
    batch = held.program.batch(state, *feed_of(held, state).next(state))
    feed = feed_of(read, state)
    for one, other in zip(batch[:2], read.program.batch(state, *feed.next(state))[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(feed.first[0], blobs.x_train[: held.looks.looked])
    feed.close()


def test_batches_go_on_from_any_step_and_read_no_further_than_the_end():
    seen = []

    def order(step):
        seen.append(step)
        return np.arange(3) + step

    batches = Batches(Rows(np.arange(40.0)[:, None]), np.arange(40), order, ahead=4)
    for start, length in ((5, 3), (8, 2), (2, 4), (6, 4)):
        x, y = batches.take(start, length, 10)
        np.testing.assert_array_equal(x[..., 0], np.arange(start, start + length)[:, None] + np.arange(3))
        np.testing.assert_array_equal(y, x[..., 0])
    batches.close()
    assert max(seen) == 9


def test_a_budget_that_holds_no_window_is_told(small_run, blobs):
    with pytest.raises(
        InputError, match="data.budget_mb=0.001: stats.every=10 steps take 0.00384 MB of samples"
    ):
        small_run(data=streamed(blobs, Stream(0.001)))
    with pytest.raises(InputError, match="a stream is of Rows"):
        dataclasses.replace(small_runs.blobs(), stream=BUDGET)
