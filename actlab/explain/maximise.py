"""Activation maximisation: inputs that make units fire, found by gradient ascent in one compiled program.

Shapes: U units, V variants of each, T steps, S... a sample, P... positions, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from actlab.errors import InputError
from actlab.explain.canvas import Canvas
from actlab.explain.subject import Subject
from actlab.explain.target import Target
from actlab.explain.transforms import Transforms


@dataclass(frozen=True)
class Recipe:
    """How the ascent goes.

    Args:
        steps: of Adam.
        learning_rate: its rate.
        transforms: what the input is put through before each step.
        variants: inputs for each unit, from different starts.
        diversity: how much of a unit's score its variants give up to differ, at most: the share that is lost if
            the site sees the same in all of them.

    Raises:
        InputError: a number that cannot be.

    """

    steps: int = 256
    learning_rate: float = 0.05
    transforms: Transforms = field(default_factory=Transforms)
    variants: int = 1
    diversity: float = 0.5

    def __post_init__(self):
        for name in ("steps", "variants"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be an integer >= 1")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate={self.learning_rate}: must be a number > 0")
        if not 0 <= self.diversity < float("inf"):
            raise InputError(f"diversity={self.diversity}: must be a number >= 0")


@dataclass(frozen=True, eq=False)
class Optimum:
    """What was found. Compares by identity.

    Args:
        inputs: (U, V, *S) float32, as the model takes them.
        scores: (U, V) on these inputs as they are, without transforms.
        start: (U, V) scores of the first inputs, likewise.
        course: (T, U, V) scores while they were moved about.
        still: (U, V) whether no gradient ever arrived: the unit was flat from the start.

    """

    inputs: np.ndarray
    scores: np.ndarray
    start: np.ndarray
    course: np.ndarray
    still: np.ndarray


def maximise(
    subject: Subject,
    target: Target,
    canvas: Canvas,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    batch: int = 16,
) -> Optimum:
    """Return inputs that maximise each unit of ``target``, ``batch`` units at a time in one scan over steps.

    Units are spread over the devices where their number is a multiple of the devices'; nothing crosses between units,
    and a unit's start and transforms depend on ``seed`` and its place alone. More units than ``batch`` take as many
    rounds of the same compiled program, so that memory does not grow with their number.

    Raises:
        InputError: ``batch`` below 1, or a score that is not finite where the ascent led.

    Source: Erhan et al. 2009, "Visualizing higher-layer features"; Olah et al. 2017, doi:10.23915/distill.00007.

    """
    if batch < 1:
        raise InputError(f"batch={batch}: must be an integer >= 1")
    recipe = Recipe() if recipe is None else recipe
    variants = recipe.variants
    values_at = subject.read(target.site, target.side)
    adam = optax.adam(recipe.learning_rate)

    def scores(weights, x, directions):
        values = values_at(weights, x)
        return target.score(target.vector(values), jnp.repeat(directions, variants, 0)), values

    def loss(numbers, weights, directions, key):
        x = recipe.transforms(key, canvas.draw(numbers), canvas.space, canvas.middle)
        score, values = scores(weights, x, directions)
        total = jnp.sum(score)
        if variants > 1 and recipe.diversity:
            alike = likeness(values.reshape(-1, variants, *values.shape[1:]))
            worth = lax.stop_gradient(jnp.abs(score).reshape(-1, variants).mean(1))
            total = total - recipe.diversity * variants * jnp.sum(worth * alike)
        return -total, score

    def begin(starts):
        numbers = jax.vmap(lambda key: canvas.start(key, variants))(starts)
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), numbers)

    def ascend(weights, directions, numbers, key):
        def step(carry, at):
            numbers, state, still = carry
            gradient, score = jax.grad(loss, has_aux=True)(
                numbers, weights, directions, jax.random.fold_in(key, at)
            )
            flat = [jnp.all(g == 0, axis=tuple(range(1, g.ndim))) for g in jax.tree.leaves(gradient)]
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its int32 count of steps with floats
                update, state = adam.update(gradient, state)
            return (optax.apply_updates(numbers, update), state, still & jnp.stack(flat).all(0)), score

        begun = (numbers, adam.init(numbers), jnp.ones(len(directions) * variants, bool))
        (numbers, _, still), course = lax.scan(step, begun, jnp.arange(recipe.steps))
        return numbers, course, still

    def shown(weights, directions, numbers):
        x = canvas.draw(numbers)
        return x, scores(weights, x, directions)[0]

    units = len(target.directions)
    size = min(batch, units)
    keys = jax.random.split(jax.random.key(seed))
    start, show = jax.jit(begin), _spread(shown, size, "wss", "ss")
    climb = _spread(ascend, size, "wssw", "sts")
    rounds = []
    for low in range(0, units, size):
        places = jnp.minimum(jnp.arange(low, low + size), units - 1)  # a last round repeats the last unit
        rows = jnp.asarray(target.directions)[places]
        first = start(jax.vmap(partial(jax.random.fold_in, keys[0]))(places))
        numbers, course, still = climb(subject.weights, rows, first, keys[1])
        x, best = show(subject.weights, rows, numbers)
        found = (x, best, show(subject.weights, rows, first)[1], jnp.moveaxis(course, 0, 1), still)
        rounds.append([np.asarray(a).reshape(size, variants, *a.shape[1:]) for a in jax.device_get(found)])
    x, best, first, course, still = (np.concatenate(parts)[:units] for parts in zip(*rounds, strict=True))
    if not (np.isfinite(best).all() and np.isfinite(x).all()):
        unit = target.labels[int(np.argmin(np.isfinite(best).all(1)))]
        raise InputError(
            f"{unit} of {target.site} is not finite where the ascent led: a smaller learning rate?"
        )
    return Optimum(x, best, first, np.moveaxis(course, -1, 0), still)


def _spread(function: Callable[..., Any], units: int, given: str, gives: str) -> Callable[..., Any]:
    """Return ``function`` compiled, its units split over all devices if their number allows.

    ``given`` and ``gives`` say of each argument and result what its leading axis is: ``s`` units, ``t`` steps before
    units, ``w`` whole on every device.
    """
    devices = jax.devices()
    if len(devices) == 1 or units % len(devices):
        return jax.jit(function)
    specs = {"w": PartitionSpec(), "s": PartitionSpec("units"), "t": PartitionSpec(None, "units")}
    return jax.jit(
        jax.shard_map(
            function,
            mesh=Mesh(np.array(devices), ("units",)),
            in_specs=tuple(specs[c] for c in given),
            out_specs=tuple(specs[c] for c in gives),
            check_vma=False,  # what every unit does is its own: nothing is summed over devices
        )
    )


def likeness(values_UxVxPxC: jax.Array) -> jax.Array:
    r"""Return (U,): the mean cosine of the Gram matrices of channels between any two variants, 1 where V = 1.

    .. math:: \cos(G_i, G_j) = \frac{\|F_i F_j^\top\|^2}{\|F_i F_i^\top\|\,\|F_j F_j^\top\|}

    with F the values (P, C): whichever of the two forms, over positions or over channels, has the smaller matrices.

    Source: Olah et al. 2017, doi:10.23915/distill.00007, its term for diversity.
    """
    units, variants, *_, count = values_UxVxPxC.shape
    f = values_UxVxPxC.reshape(units, variants, -1, count)
    if f.shape[2] < count:
        products = jnp.einsum("uipc,ujqc->uijpq", f, f)
        dots = jnp.sum(products**2, (-2, -1))
    else:
        grams = jnp.einsum("uipc,uipd->uicd", f, f)
        dots = jnp.einsum("uicd,ujcd->uij", grams, grams)
    norms = jnp.sqrt(jnp.maximum(jnp.einsum("uii->ui", dots), 1e-12))
    cosines = dots / (norms[:, :, None] * norms[:, None, :])
    if variants == 1:
        return jnp.ones(units)
    return (jnp.sum(cosines, (1, 2)) - variants) / (variants * (variants - 1))
