"""A run as values: what it is, and what it carries from step to step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from actlab.activations import Act
from actlab.data import Dataset
from actlab.data.batches import Order
from actlab.errors import InputError
from actlab.nn.lsuv import SAMPLES, lsuv
from actlab.stats import StatsConfig
from actlab.train.losses import OF_CLASSES, Loss
from actlab.train.optimizer import Optimizer
from actlab.train.parallel import Parallel
from actlab.train.policies import Stability
from actlab.values import Bound


class TrainState(NamedTuple):
    """All that a run carries from step to step.

    ``params`` and ``rest`` (running averages) are nested dicts of arrays by module path; ``step`` counts
    batches done; ``diverged`` is -1, or the step whose loss or update was not finite, after which the
    state no longer changes. ``aside`` holds what policies and statistics need: ``shift``, batches left out by
    rewinding; ``rewinds``; ``skipped``, updates dropped, and ``skipped_in_row``; ``recent``, the last losses;
    ``dead_for``, by group of sites the steps each unit has been dead. ``numbers`` are the run's own, see
    ``actlab.train.numbers``, the seed among them; they never change.
    """

    params: dict[str, Any]
    rest: dict[str, Any]
    opt_state: optax.OptState
    step: jax.Array
    diverged: jax.Array
    aside: dict[str, Any]
    numbers: dict[str, jax.Array]


@dataclass(frozen=True)
class Setup:
    """What a run is: values only, from which everything else follows.

    Args:
        model: ``model(act, in_shape, outputs, dtype=..., rngs=...)`` gives an ``nnx.Module``; where samples are
            tokens it is given ``vocabulary=`` too.
        act: the activation.
        data: the data set.
        optimizer: rule, rate, decay.
        stats: statistics to take.
        seed: of initial values, batch order and dropout.
        steps: updates in the whole run.
        batch_size: samples in a batch.
        order: how batches are drawn, see ``actlab.data.batch_indices``.
        dtype: compute dtype of the model.
        stability: what to do about steps that go wrong.
        loss: what is minimised.
        label_noise: share of training labels replaced by classes drawn at random, once for the whole run.
        parallel: over how many devices batches are split.

    Raises:
        InputError: a share that cannot be, or what does not fit the data set's task.

    """

    model: Callable[..., nnx.Module]
    act: Act
    data: Dataset
    optimizer: Optimizer
    stats: StatsConfig
    seed: int
    steps: int
    batch_size: int
    order: Order
    dtype: jax.typing.DTypeLike
    stability: Stability = field(default_factory=Stability)
    loss: Loss = field(default_factory=Loss)
    label_noise: float = 0.0
    parallel: Parallel = field(default_factory=Parallel)

    def __post_init__(self):
        if not 0 <= self.label_noise <= 1:
            raise InputError(f"label_noise={self.label_noise}: must be in [0, 1]")
        if self.data.task == "regression":
            if self.loss.name in OF_CLASSES:
                raise InputError(
                    f"loss={self.loss.name} is of classes and {self.data.name} has real numbers to hit: set "
                    "loss=squared_error objective='test loss'"
                )
            if self.label_noise:
                raise InputError(
                    f"label_noise={self.label_noise} is of classes and {self.data.name} has real numbers to hit: "
                    "must be 0"
                )
        if self.label_noise and self.data.stream is not None and self.data.task == "tokens":
            raise InputError(
                f"label_noise={self.label_noise} wants labels in memory, and {self.data.name}'s tokens are streamed: "
                "data.loader=memory"
            )
        if self.batch_size % self.parallel.data:
            raise InputError(
                f"batch_size={self.batch_size} must be a multiple of parallel.data={self.parallel.data}"
            )

    @property
    def scores(self) -> tuple[str, ...]:
        """What is told of each split: the loss, and of classes and tokens the share that is right."""
        return ("loss",) if self.data.task == "regression" else ("loss", "accuracy")

    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """Return the model with initial values from ``rngs``; ``init=lsuv`` sees the first training samples."""
        data, tokens = self.data, {}
        if data.vocabulary is not None:
            function = self.model.function if isinstance(self.model, Bound) else self.model
            # Of a class itself, NNX shows the arguments of its own machinery.
            called = function.__init__ if inspect.isclass(function) else function
            parameters = inspect.signature(called).parameters
            anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
            if "vocabulary" not in parameters and not anything:
                raise InputError(
                    f"samples of {data.name} are tokens: it wants a model that takes them, such as transformer"
                )
            tokens["vocabulary"] = data.vocabulary
        model = self.model(self.act, data.in_shape, data.outputs, **tokens, dtype=self.dtype, rngs=rngs)
        if isinstance(self.model, Bound) and dict(self.model.keywords).get("init") == "lsuv":
            return lsuv(model, jnp.asarray(data.x_train[:SAMPLES]))
        return model


def run_once() -> dict[str, Any] | None:
    """Return compiler options for what runs seldom: on CPU, unoptimised code (compiles 2 to 6 times faster)."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
