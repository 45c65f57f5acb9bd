"""What to do about a step that goes wrong: stop, drop its update, or go back and leave its batches out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from actlab.errors import InputError, suggest
from actlab.stats.spikes import THRESHOLD, spike_score, spike_window

MOST_IN_ROW = 50  # dropped updates one after another: by then every batch is bad, so it is the parameters


@dataclass(frozen=True)
class Stability:
    """Policies, as configuration.

    Args:
        on_nonfinite: of a loss or update that is not finite. ``stop`` ends the run there. ``skip`` drops the update
            and goes on with the next batch (the run ends after 50 in a row). ``rewind`` goes back to the last
            evaluation and leaves out the batches from there to the bad one.
        on_spike: of a loss far above the recent ones. ``record`` writes it down. ``skip`` and ``rewind`` as above.
        spike_z: how many robust standard deviations above the median of the last losses is a spike.
        max_rewinds: rewinds in a run; after that ``rewind`` is ``stop``, and of spikes ``record``.

    Raises:
        InputError: unknown policy, or a number that cannot be.

    """

    on_nonfinite: Literal["stop", "skip", "rewind"] = "stop"
    on_spike: Literal["record", "skip", "rewind"] = "record"
    spike_z: float = THRESHOLD
    max_rewinds: int = 5

    def __post_init__(self):
        for name, known in (
            ("on_nonfinite", ("stop", "skip", "rewind")),
            ("on_spike", ("record", "skip", "rewind")),
        ):
            if (value := getattr(self, name)) not in known:
                raise InputError(f"stability.{name}={value!r} is unknown{suggest(str(value), known)}")
        if not self.spike_z > 0:
            raise InputError(f"stability.spike_z={self.spike_z}: must be a number > 0")
        if isinstance(self.max_rewinds, bool) or self.max_rewinds < 0:
            raise InputError(f"stability.max_rewinds={self.max_rewinds}: must be an integer >= 0")

    @property
    def drops(self) -> bool:
        """Whether updates may be dropped inside the compiled step."""
        return "skip" in (self.on_nonfinite, self.on_spike)

    @property
    def rewinds(self) -> bool:
        """Whether a run may go back."""
        return "rewind" in (self.on_nonfinite, self.on_spike)

    def carried(self) -> dict[str, Any]:
        """Return what a run carries besides counters: the last losses."""
        return {"recent": spike_window()}

    def judge(
        self, finite: jax.Array, loss: jax.Array, aside: dict[str, Any]
    ) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
        """Return whether to take the update, whether the run has diverged, and what is carried on.

        Args:
            finite: whether loss and update are.
            loss: of the step.
            aside: what the run carries.

        """
        if not self.drops:
            return finite, ~finite, aside
        good = finite
        if self.on_spike == "skip":
            recent, z = spike_score(aside["recent"], loss)
            good &= ~(z > self.spike_z)
            aside = aside | {"recent": recent}
        in_row = jnp.where(good, 0, aside["skipped_in_row"] + 1)
        diverged = in_row > MOST_IN_ROW if self.on_nonfinite == "skip" else ~finite
        dropped = (~good & ~diverged).astype(jnp.int32)
        return good, diverged, aside | {"skipped": aside["skipped"] + dropped, "skipped_in_row": in_row}

    def after(self, aside: dict[str, Any], losses: jax.Array) -> dict[str, Any]:
        """Return what is carried after a chunk with these losses (L,)."""
        if self.on_spike == "skip":  # kept step by step
            return aside
        ring, place = aside["recent"]
        last = jnp.concatenate([jnp.roll(ring, -place), losses])[-len(ring) :]
        last = jnp.where(jnp.isfinite(last), last, jnp.nan)
        return aside | {"recent": aside["recent"]._replace(losses=last, place=jnp.int32(0))}
