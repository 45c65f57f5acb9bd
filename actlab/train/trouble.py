"""What went wrong in a chunk of steps, and going back before it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from actlab.stats.spikes import spike_scores
from actlab.train.policies import Stability
from actlab.train.setup import TrainState

Event = tuple[int, str, str, float, float, str]  # as in actlab.records.EVENTS
MOST = 50  # events written of one kind and chunk


class Trouble(NamedTuple):
    """Events of a chunk, and how many batches to leave out when going back to where it started, None to go on."""

    events: list[Event]
    leave_out: int | None


def trouble(
    policy: Stability, start: TrainState, step: int, earlier: np.ndarray, trace: dict[str, Any], bad: int
) -> Trouble:
    """Return what happened in the steps from ``step`` on, whose losses ``trace`` has.

    Args:
        policy: what to do about it.
        start: the state to go back to.
        step: the step before the first of the trace.
        earlier: the losses before it.
        trace: ``loss`` of every step (L,), and ``dropped`` where updates may be.
        bad: the step the run diverged at, -1 if it did not.

    """
    losses = np.asarray(trace["loss"])
    z = spike_scores(np.concatenate([earlier, losses]), start=len(earlier))
    if bad >= 0:
        z, losses = z[: bad - step + 1], losses[: bad - step + 1]
    spikes = np.flatnonzero((z > policy.spike_z) & np.isfinite(losses))
    dropped = trace.get("dropped")
    begin = int(start.step)
    again = policy.rewinds and int(start.aside["rewinds"]) < policy.max_rewinds
    events: list[Event] = []
    kind = "skip" if policy.on_spike == "skip" else "spike"
    told = spikes if kind == "skip" else [k for k in spikes if k - 1 not in spikes]  # one for a run of spikes
    for k in told[:MOST]:
        text = f"loss {losses[k]:.3g}, {z[k]:.3g} robust standard deviations above the last 64"
        events.append((step + int(k) + 1, kind, "train", float(losses[k]), policy.spike_z, text))
    if dropped is not None:
        dropped = dropped[: len(losses)]
        for k in np.flatnonzero(dropped & ~np.isin(np.arange(len(losses)), spikes))[:MOST]:
            text = "loss or update not finite: the update was dropped"
            events.append((step + int(k) + 1, "skip", "train", float(losses[k]), float("nan"), text))
    back = None
    if again and bad >= 0 and policy.on_nonfinite == "rewind":
        back = bad + 1
    if again and len(spikes) and policy.on_spike == "rewind":
        back = min(step + int(spikes[0]) + 1, back or 2**31)
    if back is None:
        return Trouble(events, None)
    what = "a value that is not finite" if back == bad + 1 else "a loss spike"
    text = f"{what} at step {back}: back to step {begin}, leaving out {back - begin} batches"
    events = [e for e in events if e[0] <= back]
    events.append((back, "rewind", "train", float(losses[back - step - 1]), float("nan"), text))
    return Trouble(events, back - begin)


def recent(state: TrainState) -> np.ndarray:
    """Return the last losses before a state, oldest first, NaN where there is none."""
    ring, place = state.aside["recent"]
    return np.roll(np.asarray(ring), -int(place))


def rewound(start: TrainState, left_out: int) -> TrainState:
    """Return the state to go on from: that of ``start``, its next ``left_out`` batches left out."""
    aside = start.aside | {
        "shift": start.aside["shift"] + jnp.int32(left_out),
        "rewinds": start.aside["rewinds"] + jnp.int32(1),
    }
    return start._replace(aside=aside)
