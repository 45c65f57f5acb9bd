"""Steps that go wrong on purpose, and what each policy makes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.stats import StatsConfig
from actlab.train import Stability, sgd, train
from actlab.train.folder import RunFolder


def poisoned(blobs, value, rows=(150,)):
    """The blobs with one sample that no network takes well."""
    import dataclasses

    x = blobs.x_train.copy()
    x[list(rows)] = value
    return dataclasses.replace(blobs, x_train=x)


def go(run, path, **kwargs):
    path.mkdir(exist_ok=True)
    with RunFolder(path) as folder:
        if not kwargs.get("resume"):
            folder.write(state="running")
        outcome = train(run, folder, **kwargs)
    events = sorted((path / "events").glob("part-*.parquet"))
    table = pl.concat([pl.read_parquet(p) for p in events]) if events else None
    return outcome, folder, table


FIELDS = {"optimizer": sgd(learning_rate=0.05), "stats": StatsConfig(every=10)}


@pytest.mark.slow
def test_stop_says_where_and_shows_what_led_to_it(small_run, blobs, tmp_path):
    outcome, folder, events = go(small_run(data=poisoned(blobs, np.nan), **FIELDS), tmp_path / "run")
    assert outcome.state == "diverged"
    assert outcome.divergence["site"] == "blocks.0.act"
    assert outcome.divergence["value"] == "pre"
    assert events["kind"].to_list() == ["nonfinite"]
    step = outcome.divergence["step"]
    assert events["step"].to_list() == [step]
    history = folder.metrics().filter(site="blocks.0.act", quantity="pre.max")["step"].to_list()
    assert history[-(step % 20) :] == list(range(step - step % 20 + 1, step + 1))


@pytest.mark.slow
def test_skip_drops_the_update_and_goes_on(small_run, blobs, tmp_path):
    run = small_run(data=poisoned(blobs, np.nan), stability=Stability(on_nonfinite="skip"), **FIELDS)
    outcome, folder, events = go(run, tmp_path / "run")
    assert outcome.state == "finished"
    assert outcome.scores["test accuracy"] > 0.6
    epochs = 80 * 32 // 192  # each meets the sample once, unless it is among those left out of an epoch
    skipped = folder.metrics().filter(site="train", quantity="skipped")["value"].to_list()
    assert epochs // 2 <= skipped[-1] <= epochs + 1
    assert (events["kind"] == "skip").all()
    assert len(events) == skipped[-1]
    # The run without that sample's batches is the same run: nothing of them was kept.
    assert np.isfinite(folder.metrics().filter(site="test")["value"].to_numpy()).all()


@pytest.mark.slow
def test_skip_ends_where_nothing_is_finite(small_run, tmp_path):
    act = make(lambda x: x * jnp.nan)
    run = small_run(act=act, stability=Stability(on_nonfinite="skip"), steps=120, **FIELDS)
    outcome, _, _ = go(run, tmp_path / "run")
    assert outcome.state == "diverged"
    assert outcome.divergence["step"] == 51


@pytest.mark.slow
def test_rewind_goes_back_and_leaves_the_batches_out(small_run, blobs, tmp_path):
    run = small_run(
        data=poisoned(blobs, np.nan), order="sequential", stability=Stability(on_nonfinite="rewind"), **FIELDS
    )
    outcome, folder, events = go(run, tmp_path / "run")
    # Sequential batches of 32 of 200: sample 150 is in the fifth of every six, so rewinding cannot last for ever.
    assert outcome.state == "diverged"
    assert (events["kind"] == "rewind").sum() == 5
    assert events["kind"].to_list()[-1] == "nonfinite"
    assert "back to step 0, leaving out 5 batches" in events["message"][0]
    table = folder.metrics()
    assert not table.select("step", "site", "quantity").is_duplicated().any()


@pytest.mark.slow
def test_rewind_past_one_bad_batch_is_enough(small_run, blobs, tmp_path):
    data = poisoned(blobs, np.nan, rows=[37])
    fields = FIELDS | {"steps": 20, "batch_size": 8}
    run = small_run(data=data, order="sequential", stability=Stability(on_nonfinite="rewind"), **fields)
    outcome, _, events = go(run, tmp_path / "run")
    assert outcome.state == "finished"
    assert events.select("step", "kind").rows() == [(5, "rewind")]
    # The same as a run on the data from the sixth batch on.
    later = small_run(data=poisoned_free(blobs, 40), order="sequential", **fields)
    plain, _, _ = go(later, tmp_path / "later")
    assert outcome.scores["train loss"] == pytest.approx(plain.scores["train loss"], rel=1e-5)


def poisoned_free(blobs, start):
    import dataclasses

    return dataclasses.replace(blobs, x_train=blobs.x_train[start:], y_train=blobs.y_train[start:])


def spiking(blobs):
    return poisoned(blobs, 300.0, rows=[77])


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["record", "skip", "rewind"])
def test_spikes(small_run, blobs, tmp_path, policy):
    fields = FIELDS | {"steps": 60, "act": "relu", "batch_size": 4, "eval_every": 20, "order": "sequential"}
    run = small_run(data=spiking(blobs), stability=Stability(on_spike=policy), **fields)
    outcome, folder, events = go(run, tmp_path / "run")
    assert outcome.state == "finished"
    kinds = events["kind"].to_list()
    at = 77 // 4 + 1
    assert events["step"][0] == at
    assert kinds[0] == {"record": "spike", "skip": "skip", "rewind": "spike"}[policy]
    if policy == "rewind":
        assert kinds[1] == "rewind"
    if policy == "skip":
        assert folder.metrics().filter(site="train", quantity="skipped")["value"].max() >= 1
    again, _, events_again = go(run, tmp_path / "again")
    assert events.equals(events_again)
    assert again.scores == outcome.scores


@pytest.mark.slow
def test_a_killed_run_with_policies_resumes_to_the_same(small_run, blobs, tmp_path, monkeypatch):
    run = small_run(
        data=poisoned(blobs, np.nan),
        stability=Stability(on_nonfinite="rewind", on_spike="skip", max_rewinds=50),
        checkpoint_every=20,
        batch_size=4,
        **FIELDS,
    )
    whole, folder, events = go(run, tmp_path / "whole")
    write, seen = RunFolder.write_rows, []

    def killed(self, step, *a, **k):
        seen.append(step)
        if step == 60:
            raise KeyboardInterrupt
        write(self, step, *a, **k)

    monkeypatch.setattr(RunFolder, "write_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        go(run, tmp_path / "killed")
    monkeypatch.undo()
    again, other, events_again = go(run, tmp_path / "killed", resume=True)
    assert again.scores == whole.scores
    assert other.metrics().equals(folder.metrics())
    assert events_again.equals(events)


def test_bad_policies():
    with pytest.raises(InputError, match="stability.on_spike='skipp' is unknown; did you mean 'skip'"):
        Stability(on_spike="skipp")
    with pytest.raises(InputError, match="stability.max_rewinds=-1"):
        Stability(max_rewinds=-1)
    with pytest.raises(InputError, match="stability.spike_z=0"):
        Stability(spike_z=0)


@pytest.mark.slow
def test_the_window_of_losses_is_the_same_kept_by_step_or_by_chunk(small_run, tmp_path):
    states = {}
    for policy in ("record", "skip"):
        run = small_run(stability=Stability(on_spike=policy), **FIELDS)
        program = run.program
        data = run.setup.data
        state = program.init(program.own_numbers)
        for _ in range(2):
            state, _, _ = program.chunk(state, data.x_train, data.y_train, length=50, every=10)
        ring, place = jax.device_get(state.aside["recent"])
        states[policy] = np.roll(ring, -int(place))
    np.testing.assert_allclose(states["record"], states["skip"], rtol=1e-5)
