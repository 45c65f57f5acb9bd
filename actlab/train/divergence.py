"""Say where a run broke: at which step, at which site, forward or backward; and how it came to that."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.stats.layers import layer_leaves
from actlab.train.feed import Feed
from actlab.train.folder import Row
from actlab.train.looking import Looks
from actlab.train.setup import TrainState
from actlab.train.step import Program

WORDS = {"pre": "pre-activation", "post": "post-activation", "scores": "attention scores"}


def find(looks: Looks, state: TrainState, x: jax.Array, y: jax.Array) -> dict[str, Any]:
    """Return ``step, site, value, message`` of the first value that was not finite.

    A diverged state is the one before the bad update, so that step is run again and looked at: probes in
    forward order, then the loss, then gradients in backward order, then the update. ``value`` is the probe's tensor
    (``pre``, ``post``), ``loss``, ``pre_gradient``, ``post_gradient``, ``gradient`` or ``update``; ``step`` counts
    from 1.
    """
    step = int(state.step) + 1
    seen = jax.device_get(looks.locate(state, x, y))
    site, value, text = _first(looks, state, seen)
    return {"step": step, "site": site, "value": value, "message": f"diverged at step {step}: {text}"}


def _first(looks: Looks, state: TrainState, seen: dict[str, Any]) -> tuple[str, str, str]:
    """Return (site, kind of value, sentence) of what is computed first and is not finite."""
    for name in looks.program.probes:
        if not np.all(seen["values"][name]):
            site, _, value = name.rpartition(".")
            return site, value, f"the {WORDS.get(value, value)} at {site} was the first non-finite value"
    layers = looks.program.layers
    if not np.isfinite(seen["loss"]):
        return "head", "loss", "every site was finite; the logits or the loss were not"
    fine = {layer: True for layer in layers}
    for (layer, _), finite in zip(layer_leaves(state.params), seen["gradients"], strict=True):
        fine[layer] &= bool(finite)
    for name in reversed(looks.program.probes):
        if not np.all(seen["value_gradients"].get(name, True)):
            site, _, value = name.rpartition(".")
            # The head comes after the last site and before the first probe on the way back.
            if not fine[layers[-1]] and name == looks.program.probes[-1]:
                break
            text = f"the gradient of the {WORDS.get(value, value)} at {site} was the first that was not"
            return site, f"{value}_gradient", f"the loss was finite; going backward, {text}"
    for layer in reversed(layers):
        if not fine[layer]:
            text = f"the loss was finite; going backward, the gradient of {layer} was the first that was not"
            return layer, "gradient", text
    text = "loss and gradients were finite; the update overflowed the parameters, or running averages did"
    return layers[-1] if layers else "head", "update", text


def history(
    program: Program,
    start: TrainState,
    rows: list[Row],
    found: dict[str, Any],
    length: int,
    feed: Feed,
) -> list[Row]:
    """Run again from ``start`` and return what led to a divergence, step by step.

    Rows of the site it began at and of the loss at every step since ``start``, and of all sites at the bad step
    itself, but for those in ``rows``. Units' deaths are left out: over one step they say little.

    Args:
        program: of the run.
        start: the state at the last evaluation.
        rows: written already.
        found: what `find` returned.
        length: steps of the chunk that diverged, a number the compiled program is made for.
        feed: where the run's samples come from.

    """
    state, tables = jax.tree.map(jnp.copy, start), []
    for part in feed.parts(length, 1):
        state, table, _ = program.chunk(state, *feed.chunk(state, part), length=part, every=1)
        tables.append(jax.device_get(table))
    begin, written = int(start.step), {row[:3] for row in rows}
    return [
        row
        for row in program.rows(np.concatenate(tables), begin, 1, stop=found["step"])
        if row[1] in (found["site"], "train") or row[0] == found["step"]
        if not row[2].startswith("dead_") and row[:3] not in written
    ]
