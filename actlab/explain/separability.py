"""How well a line tells classes apart after each layer of a trained network: linear probes by depth.

Shapes: N samples, P... positions (none in an MLP), C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.errors import InputError
from actlab.explain.probing import Probe, linear_probe
from actlab.stats import VALUE, watch
from actlab.train import Run
from actlab.train.setup import TrainState

SAMPLES = 2000  # of either split, at most
FEATURES = 1024  # more are averaged over positions
BATCH = 256


class Depth(NamedTuple):
    """Probes of a network's places in forward order.

    ``names`` are ``input``, every site's ``.pre`` and ``.post``, ``logits``; ``features`` what each probe is
    fitted to; ``averaged`` whether these are means over positions; ``network`` the network's own accuracy on the same
    test samples.
    """

    names: tuple[str, ...]
    features: tuple[int, ...]
    averaged: tuple[bool, ...]
    probes: tuple[Probe, ...]
    network: float


def separability(run: Run, state: TrainState, *, samples: int = SAMPLES) -> Depth:
    """Fit a linear probe to the input, to every site and to the logits of a trained network.

    Of either split the first ``samples``; a place of more than 1,024 features is averaged over its positions first.

    Raises:
        InputError: too few samples, data whose samples have no class each, or a place that is not finite.

    """
    data = run.setup.data
    if samples < 2:
        raise InputError(f"samples={samples}: must be an integer >= 2")
    if data.task != "classes":
        raise InputError(f"a linear probe tells classes apart, {data.name} has no class for each sample")
    if not np.issubdtype(data.x_train.dtype, np.floating):
        raise InputError(f"a linear probe starts from inputs that are numbers, {data.name} has tokens")

    def apply(x):
        model = nnx.merge(run.program.graphdef, state.params, state.rest)
        return model(x, train=False).astype(jnp.float32)

    @jax.jit
    def places(x):
        logits, seen = watch(apply, reading=VALUE)(x)
        found = {"input": x}
        for site in run.program.sites:
            found |= {f"{site}.{side}": seen[f"{site}.{side}"] for side in ("pre", "post")}
        return {name: _features(h) for name, h in (found | {"logits": logits}).items()}

    train, y_train = data.x_train[:samples], data.y_train[:samples]
    test, y_test = data.x_test[:samples], data.y_test[:samples]
    a, b = (_gathered(places, x) for x in (train, test))
    shapes = jax.eval_shape(
        watch(apply, reading=VALUE), jax.ShapeDtypeStruct((1, *data.in_shape), jnp.float32)
    )[1]
    names = ["input", *(f"{s}.{side}" for s in run.program.sites for side in ("pre", "post")), "logits"]
    for name in names:
        if not (np.isfinite(a[name]).all() and np.isfinite(b[name]).all()):
            raise InputError(f"{name} is not finite for these samples: no line can tell classes apart there")
    probes = [linear_probe(a[n], y_train, b[n], y_test, num_classes=data.num_classes) for n in names]
    return Depth(
        names=tuple(names),
        features=tuple(a[name].shape[1] for name in names),
        averaged=tuple(name in shapes and a[name].shape[1] < shapes[name].size for name in names),
        probes=tuple(probes),
        network=float(np.mean(b["logits"].argmax(-1) == y_test)),
    )


def _features(h: jax.Array) -> jax.Array:
    """Return values (N, P..., C) as features (N, D)."""
    h = h.astype(jnp.float32)
    if h.ndim > 2 and h[0].size > FEATURES:
        return h.mean(axis=range(1, h.ndim - 1))
    return h.reshape(len(h), -1)


def _gathered(places, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what ``places`` gives of all of ``x``, batch by batch, the last one filled up."""

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            filled = np.concatenate([part, np.repeat(part[:1], min(BATCH, len(x)) - len(part), 0)])
            yield {name: np.asarray(h)[: len(part)] for name, h in places(filled).items()}

    parts = list(batches())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
