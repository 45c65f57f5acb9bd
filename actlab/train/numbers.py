"""What two runs may differ in and still be one compiled program: the numbers that it takes as inputs.

This is the one place that says which they are. Everything else of a setup is its structure, part of the program. A
number that is switched off (no weight decay, no dropout, no warm-up) is structure too: so it costs nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from actlab.nn.activation import varied
from actlab.nn.initializers import numbers_of
from actlab.stats.sites import SATURATION, steepest
from actlab.train.optimizer import Optimizer
from actlab.values import Bound

if TYPE_CHECKING:
    from actlab.train.setup import Setup

Numbers = Mapping[str, Any]  # by the config's name: float32 scalars, and the seed uint32

OPTIMIZER = ("learning_rate", "warmup_steps", "weight_decay", "clip_norm")
RULE = {
    "momentum": "decay",
    "b1": "b1",
    "b2": "b2",
    "eps": "eps",
}  # as configs and as optax's rules call them
PLAIN = ("label_noise",)


def candidates(setup: Setup) -> dict[str, np.generic]:
    """Return the numbers of a setup by name, those its model may not ask for included.

    ``seed``; ``optimizer.*`` as in OPTIMIZER and RULE; ``label_noise``; the model's float arguments, like
    ``model.dropout``;
    ``activation.<parameter>``, see `actlab.nn.activation.varied`, and with it the ``threshold`` of its slope and what
    an initialiser has from it, ``init.*``.
    """
    rule = dict(setup.optimizer.rule.keywords)
    values: dict[str, Any] = {f"optimizer.{n}": getattr(setup.optimizer, n) for n in OPTIMIZER}
    values |= {f"optimizer.{n}": rule[key] for n, key in RULE.items() if key in rule}
    values |= {n: getattr(setup, n) for n in PLAIN}
    if isinstance(setup.model, Bound):
        values |= {f"model.{n}": v for n, v in setup.model.keywords if isinstance(v, float)}
    found = {n: np.float32(v) for n, v in values.items() if _on(v)}
    if parameters := varied(setup.act):
        found |= {f"activation.{n}": np.float32(v) for n, v in parameters.items()}
        if setup.act.elementwise:
            found["threshold"] = np.float32(SATURATION * steepest(setup.act))
        if init := initial(setup.model):
            found |= {n: np.float32(v) for n, v in numbers_of(init, setup.act).items()}
    return {"seed": np.uint32(setup.seed)} | dict(sorted(found.items()))


def initial(model: Any) -> str:
    """Return the name of a model's initialiser, ``""`` if its arguments tell none."""
    return str(dict(model.keywords).get("init", "")) if isinstance(model, Bound) else ""


def structure(setup: Setup, numbers: Numbers) -> Setup:
    """Return ``setup`` with the numbers named in ``numbers`` blanked: equal for setups that share a program."""
    rule = dict(setup.optimizer.rule.keywords)
    own = {n: 1 for n in OPTIMIZER if f"optimizer.{n}" in numbers}
    blank = {key: 0 for n, key in RULE.items() if f"optimizer.{n}" in numbers}
    optimizer = dataclasses.replace(
        setup.optimizer, rule=Bound.of(setup.optimizer.rule.function, **rule | blank), **own
    )
    model = setup.model
    if isinstance(model, Bound):
        model = Bound(
            model.function, tuple((n, 1 if f"model.{n}" in numbers else v) for n, v in model.keywords)
        )
    params = tuple((n, None if f"activation.{n}" in numbers else v) for n, v in setup.act.params)
    return dataclasses.replace(
        setup,
        seed=0,
        optimizer=optimizer,
        model=model,
        act=dataclasses.replace(setup.act, params=params),
        **{n: 0.5 for n in PLAIN if n in numbers},
    )


def traced(optimizer: Optimizer, numbers: Numbers) -> Optimizer:
    """Return ``optimizer`` with the numbers of a program in the place of its own."""
    rule = dict(optimizer.rule.keywords)
    rule |= {key: numbers[f"optimizer.{n}"] for n, key in RULE.items() if f"optimizer.{n}" in numbers}
    return dataclasses.replace(
        optimizer,
        rule=Bound.of(optimizer.rule.function, **rule),
        **{n: numbers[f"optimizer.{n}"] for n in OPTIMIZER if f"optimizer.{n}" in numbers},
    )


def on_device(numbers: Numbers) -> dict[str, jax.Array]:
    """Return the numbers as arrays."""
    return {name: jax.numpy.asarray(value) for name, value in numbers.items()}


def _on(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and value != 0 and math.isfinite(value)
