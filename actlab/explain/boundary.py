"""A film of a network learning points of the plane: its decision map, its layers' values, probes of each layer.

Shapes: F frames, G grid, N samples, L layers (the input, then every site's post-activation), D units, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.errors import InputError
from actlab.explain.probing import linear_probes
from actlab.stats import VALUE, watch
from actlab.train import Run
from actlab.train.setup import TrainState

MARGIN = 0.12  # of the data's extent, around it
CLASSES = 7  # colours that are told apart


@dataclass(frozen=True, eq=False)
class Film:
    """What was seen at each of F moments of a training.

    Args:
        steps: (F,) updates done.
        classes: (F, G, G) int, the class the network says, first axis from low to high in the second coordinate.
        sure: (F, G, G) its probability, in [1/K, 1].
        extent: (x low, x high, y low, y high) of the grid.
        layers: L names: ``input``, then sites.
        points: (F, L, N, 2) samples in the plane of each layer's two first principal axes at the last frame, each
            axis scaled by the largest modulus at any frame, so in [-1, 1]; the input as it is, scaled alike.
        inputs: (N, 2) the same samples as they are.
        shown: (L,) share of the layer's variance at the last frame that the plane shows.
        probes: (F, L) accuracy of a linear probe on test samples.
        accuracy: (F,) of the network on test samples.
        labels: (N,) classes of the samples in ``points``.
        num_classes: classes there are.
    """

    steps: np.ndarray
    classes: np.ndarray
    sure: np.ndarray
    extent: tuple[float, float, float, float]
    layers: tuple[str, ...]
    points: np.ndarray
    inputs: np.ndarray
    shown: np.ndarray
    probes: np.ndarray
    accuracy: np.ndarray
    labels: np.ndarray
    num_classes: int


def film(run: Run, *, frames: int = 32, grid: int = 64, samples: int = 240) -> Film:
    """Train ``run`` in memory and return what its network does at ``frames`` moments, dense at first.

    Args:
        run: of a data set of points in the plane, and a model with at least one site.
        frames: at most; the first is before training, the last after it.
        grid: points along each side of the decision map.
        samples: of the test split, drawn from it, whose layers' values are kept.

    Raises:
        InputError: data that are not points of the plane in at most 7 classes, a model without a site, too few
            steps, a training that diverges.

    """
    data = run.setup.data
    data.check_held("explain boundary")
    if data.in_shape != (2,) or data.task != "classes":
        raise InputError(
            f"explain boundary needs points of the plane with classes, {data.name} has shape {data.in_shape}: "
            "take data=moons, spirals, rings or checkerboard"
        )
    if data.num_classes > CLASSES:
        raise InputError(
            f"explain boundary has colours for {CLASSES} classes, {data.name} has {data.num_classes}"
        )
    if not run.program.sites:
        raise InputError("explain boundary needs a model with an activation: model.depth=1, say")
    states = list(_moments(run, frames))
    low, high = data.x_train.min(0), data.x_train.max(0)
    margin = MARGIN * (high - low).max()
    xs, ys = (np.linspace(a - margin, b + margin, grid) for a, b in zip(low, high, strict=True))
    plane = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2).astype(np.float32)

    @jax.jit
    def look(state: TrainState):
        said = jax.nn.softmax(_outputs(run, state, plane)[0])
        (_, train), (seen, test) = (_outputs(run, state, x) for x in (data.x_train, data.x_test))
        right = jnp.mean(jnp.argmax(seen, -1) == data.y_test)
        return said.argmax(-1), said.max(-1), right, train, test

    looks = [jax.device_get(look(state)) for _, state in states]
    classes, sure = (np.stack([one[i] for one in looks]).reshape(-1, grid, grid) for i in (0, 1))
    train = [[data.x_train, *one[3]] for one in looks]
    test = [[data.x_test, *one[4]] for one in looks]
    layers = ("input", *run.program.sites)
    chosen = np.sort(np.random.Generator(np.random.PCG64(0)).permutation(len(data.y_test))[:samples])
    points, shown, probes = [], [], []
    for k in range(len(layers)):
        a, b = (np.stack([frame[k] for frame in side]) for side in (train, test))
        found = linear_probes(a, data.y_train, b, data.y_test, num_classes=data.num_classes)
        probes.append([probe.test for probe in found])
        flat, share = _flattened(b) if k else (b, 1.0)
        points.append((flat / np.abs(flat).max((0, 1)).clip(1e-12))[:, chosen])
        shown.append(share)
    return Film(
        steps=np.array([step for step, _ in states]),
        classes=classes,
        sure=sure,
        extent=(float(xs[0]), float(xs[-1]), float(ys[0]), float(ys[-1])),
        layers=layers,
        points=np.stack(points, 1),
        inputs=np.asarray(data.x_test[chosen]),
        shown=np.array(shown),
        probes=np.array(probes).T,
        accuracy=np.array([float(one[2]) for one in looks]),
        labels=np.asarray(data.y_test[chosen]),
        num_classes=data.num_classes,
    )


def _moments(run: Run, frames: int):
    """Yield (step, state) at moments whose distances grow, from the first state to the last."""
    setup, program = run.setup, run.program
    unit = max(1, setup.steps // 200)
    count = setup.steps // unit
    if frames < 2 or count < frames:
        raise InputError(
            f"frames={frames}: must be an integer from 2 to {max(count, 2)}, with steps={setup.steps}"
        )
    wanted = {
        *np.unique(np.round(np.geomspace(1, count, frames - 1)).astype(int) * unit).tolist(),
        setup.steps,
    }
    wanted -= {count * unit} - {setup.steps}  # one frame for the end
    state, step = program.init(run.numbers), 0
    yield 0, jax.tree.map(jnp.copy, state)
    while step < setup.steps:
        length = min(unit, setup.steps - step)
        state, _, _ = program.chunk(
            state, setup.data.x_train, setup.data.y_train, length=length, every=length
        )
        step += length
        if step in wanted:
            if int(state.diverged) >= 0:
                raise InputError(
                    f"training diverged at step {int(state.diverged) + 1}: take a smaller optimizer.learning_rate"
                )
            yield step, jax.tree.map(jnp.copy, state)


def _outputs(run: Run, state: TrainState, x) -> tuple[jax.Array, list[jax.Array]]:
    """Return logits (B, K) and every site's post-activation as (B, D), in forward order."""

    def apply(x):
        model = nnx.merge(run.program.graphdef, state.params, state.rest)
        return model(x, train=False).astype(jnp.float32)

    logits, seen = watch(apply, reading=VALUE)(jnp.asarray(x))
    posts = [seen[f"{site}.post"].astype(jnp.float32) for site in run.program.sites]
    return logits, [post.reshape(len(x), -1) for post in posts]


def _flattened(h: np.ndarray) -> tuple[np.ndarray, float]:
    """Return values (F, N, D) on their two first principal axes at the last frame, and the share these show."""
    last = h[-1].astype(np.float64)
    middle = last.mean(0)
    _, spread, axes = np.linalg.svd(last - middle, full_matrices=False)
    axes = np.vstack([axes, np.zeros((1, axes.shape[1]))])[:2]  # one unit alone has one axis
    # The sign of an axis is arbitrary; the larger part of its weights is made positive.
    axes = axes * np.where(axes.sum(1, keepdims=True) < 0, -1, 1)
    total = float(np.sum(spread**2))
    return (h - middle) @ axes.T, float(np.sum(spread[:2] ** 2) / total) if total else 1.0
