"""From gradients to the next state, and what policies make of a bad step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from actlab.train.numbers import traced
from actlab.train.setup import Setup, TrainState


def updated(setup: Setup, state: TrainState, loss, rest, grads) -> tuple[TrainState, dict[str, jax.Array]]:
    """Return the state after the step, or what policies make of a bad one, and whether the update was dropped."""
    optimizer = traced(setup.optimizer, state.numbers).transformation(setup.steps)
    with jax.numpy_dtype_promotion("standard"):  # optax counts steps in int32 and mixes them with floats
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    new = state._replace(
        params=optax.apply_updates(state.params, updates),
        rest=rest,
        opt_state=opt_state,
        step=state.step + 1,
    )
    # A gradient that is not finite leaves no finite parameters behind: loss and parameters tell.
    finite = jnp.isfinite(loss)
    for leaf in jax.tree.leaves((new.params, new.rest)):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            finite &= jnp.isfinite(leaf).all()
    good, diverged, aside = setup.stability.judge(finite, loss, state.aside)
    going = state.diverged < 0
    take = good & going
    kept = jax.tree.map(
        lambda n, o: jnp.where(take, n, o),
        (new.params, new.rest, new.opt_state),
        (state.params, state.rest, state.opt_state),
    )
    on = going & ~diverged
    return TrainState(
        *kept,
        step=jnp.where(on, new.step, state.step),
        diverged=jnp.where(going & diverged, state.step, state.diverged),
        aside=jax.tree.map(lambda n, o: jnp.where(on, n, o), aside, state.aside),
        numbers=state.numbers,
    ), {"dropped": on & ~good} if setup.stability.drops else {}
