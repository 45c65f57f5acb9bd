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
FEATURES = 1024  # more are averaged over positions, where a place has them
MOST = 4096  # features that a probe is fitted to
BATCH = 256


class Depth(NamedTuple):
    """Probes of a network's places in forward order.

    ``names`` are ``input``, every site's ``.pre`` and ``.post``, ``logits``; ``features`` what each probe is
    fitted to; ``averaged`` whether these are means over positions; ``network`` the network's own accuracy on the same
    test samples; ``drawn`` samples of each split were looked at, of ``there``. ``left_out`` have more than 4,096
    features.
    """

    names: tuple[str, ...]
    features: tuple[int, ...]
    averaged: tuple[bool, ...]
    probes: tuple[Probe, ...]
    network: float
    drawn: tuple[int, int]
    there: tuple[int, int]
    left_out: tuple[str, ...]


def separability(run: Run, state: TrainState, *, samples: int = SAMPLES) -> Depth:
    """Fit a linear probe to the input, to every site and to the logits of a trained network.

    Of either split at most ``samples`` are drawn, the same in every call. A site of more than 1,024 features is
    averaged over its positions first; the input is taken as it is.

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
        found = {"input": x.reshape(len(x), -1)}
        for site in run.program.sites:
            found |= {f"{site}.{side}": seen[f"{site}.{side}"] for side in ("pre", "post")}
        return {name: _features(h) for name, h in (found | {"logits": logits}).items()}

    rng = np.random.Generator(np.random.PCG64(0))
    chosen = [np.sort(rng.permutation(len(y))[:samples]) for y in (data.y_train, data.y_test)]
    train, y_train = data.x_train[chosen[0]], data.y_train[chosen[0]]
    test, y_test = data.x_test[chosen[1]], data.y_test[chosen[1]]
    a, b = (_gathered(places, x) for x in (train, test))
    one = jax.ShapeDtypeStruct((1, *data.in_shape), jnp.float32)
    shapes = jax.eval_shape(watch(apply, reading=VALUE), one)[1]
    names = ["input", *(f"{s}.{side}" for s in run.program.sites for side in ("pre", "post")), "logits"]
    kept = [name for name in names if a[name].shape[1] <= MOST]
    for name in kept:
        if not (np.isfinite(a[name]).all() and np.isfinite(b[name]).all()):
            raise InputError(f"{name} is not finite for these samples: no line can tell classes apart there")
    probes = [linear_probe(a[n], y_train, b[n], y_test, num_classes=data.num_classes) for n in kept]
    return Depth(
        names=tuple(kept),
        features=tuple(a[name].shape[1] for name in kept),
        averaged=tuple(name in shapes and a[name].shape[1] < shapes[name].size for name in kept),
        probes=tuple(probes),
        network=float(np.mean(b["logits"].argmax(-1) == y_test)),
        drawn=(len(y_train), len(y_test)),
        there=(len(data.y_train), len(data.y_test)),
        left_out=tuple(name for name in names if name not in kept),
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
