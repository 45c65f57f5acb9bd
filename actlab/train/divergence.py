"""Say where a run broke: at which step, at which site, forward or backward."""

from __future__ import annotations

from typing import Any

import jax

from actlab.stats.basic import layer_leaves
from actlab.train.step import Program, TrainState


def find(program: Program, state: TrainState, x: jax.Array, y: jax.Array, seed: jax.Array) -> dict[str, Any]:
    """Return ``step, site, value, message`` and ``rows`` for the first value that was not finite.

    A diverged state is the one before the bad update, so that step is run again and looked at: sites in
    forward order, ``pre`` before ``post``, then the loss, then the gradients in backward order, then the
    update. ``value`` is one of ``pre, post, loss, gradient, update``; ``step`` counts from 1; ``rows`` are the
    site statistics of that step.
    """
    step = int(state.diverged) + 1
    seen = jax.device_get(program.locate(state, x, y, seed))
    site, value, text = _first(program, state, seen)
    message = f"diverged at step {step}: {text}"
    return {"step": step, "site": site, "value": value, "message": message, "rows": seen["rows"]}


def _first(program: Program, state: TrainState, seen: dict[str, Any]) -> tuple[str, str, str]:
    """Return (site, kind of value, sentence) of what is computed first and is not finite."""
    for name, finite in zip(program.probes, seen["values"], strict=True):
        if not finite:
            site, value = name.rsplit(".", 1)
            what = "pre-activation" if value == "pre" else "post-activation"
            return site, value, f"the {what} at {site} was the first non-finite value"
    if not jax.numpy.isfinite(seen["loss"]):
        return "head", "loss", "every site was finite; the logits or the loss were not"
    broken = {
        layer
        for (layer, _), fine in zip(layer_leaves(state.params), seen["gradients"], strict=True)
        if not fine
    }
    for layer in reversed(program.layers):
        if layer in broken:
            text = f"the loss was finite; going backward, the gradient of {layer} was the first that was not"
            return layer, "gradient", text
    return (
        program.layers[-1],
        "update",
        "loss and gradients were finite; the update overflowed the parameters",
    )
