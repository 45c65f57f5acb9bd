"""From a composed config to values: the only place where names in a config become Python objects."""

from __future__ import annotations

import importlib
import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import jax.numpy as jnp
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from actlab.activations import Act, check, make
from actlab.activations.custom import one_line
from actlab.data import Dataset
from actlab.errors import InputError, suggest
from actlab.models.graph import transformed
from actlab.sinks import Guarded
from actlab.train import Run
from actlab.train.losses import Loss
from actlab.train.parallel import Parallel
from actlab.train.setup import Setup
from actlab.values import Bound

NODES = ("data", "model", "activation", "optimizer", "stats", "stability")


def build(cfg: DictConfig) -> Run:
    """Return the run a config describes, checked as far as can be without training.

    Raises:
        InputError: an unknown key or name, a wrong type, a value out of range, or parts that do not fit
            together; the message starts with the node it is about.

    """
    run = describe(plain(cfg))
    check_run(run)
    return run


def check_run(run: Run) -> None:
    """Check what only tracing the model shows, a second's work; runs of one compiled program need it once.

    Raises:
        InputError: parts that do not fit together.

    """
    with about("model"):
        run.program.check()
        _ = run.looks  # checks the quantities asked for


def describe(config: dict[str, Any]) -> Run:
    """Return the run that a config of plain values describes; nothing is traced, equal data are the same object.

    Raises:
        InputError: as ``build``, but for what ``check_run`` finds.

    """
    values = dict(config)
    goal = objective(values)
    loggers(values)
    parallel = placing(values)
    nodes = {name: values.pop(name, None) for name in NODES}
    for name, node in nodes.items():
        if not isinstance(node, dict):
            raise InputError(f"{name}={node!r}: must be a group of keys, as in configs/{name}")
    check_call(_top_level, values, "")
    parameters = inspect.signature(_top_level).parameters.values()
    if missing := {p.name for p in parameters if p.default is p.empty} - values.keys():
        raise InputError(f"{min(missing)} is missing: it must be set")

    shape = dict(nodes["activation"])
    transform = shape.pop("transform", None)
    act = activation(shape)
    model, optimizer, stats, stability, data = (
        target(nodes[n], n) for n in ("model", "optimizer", "stats", "stability", "data")
    )
    if transform is not None:
        with about("activation"):
            act = transformed(act, transform, model.function, dict(model.keywords)).act
    with about("optimizer"):
        optimizer = optimizer()
    with about("stats"):
        stats = stats()
    with about("stability"):
        stability = stability()
    with about("data"):
        try:
            hash(data)
        except TypeError:  # an argument of a user's own that cannot be compared
            data = data()
        else:
            data = _loaded(data)
    dtypes = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
    if values["dtype"] not in dtypes:
        raise InputError(f"dtype={values['dtype']!r} is unknown{suggest(values['dtype'], dtypes)}")
    setup = Setup(
        model=model,
        act=act,
        data=data,
        optimizer=optimizer,
        stats=stats,
        seed=values["seed"],
        steps=values["steps"],
        batch_size=values["batch_size"],
        order=values["order"],
        dtype=dtypes[values["dtype"]],
        stability=stability,
        loss=Loss(values["loss"], z=float(values.get("z_loss", 0.0))),
        label_noise=values["label_noise"],
        parallel=parallel,
    )
    if goal.split()[1] not in setup.scores:
        raise InputError(f"objective={goal!r}: {data.name} has no classes to get right, take 'test loss'")
    run = Run(setup, eval_every=values["eval_every"], checkpoint_every=values["checkpoint_every"])
    with about("optimizer"):
        optimizer.rate(setup.steps)
    return run


def placing(values: dict[str, Any]) -> Parallel:
    """Take the node ``parallel`` out of a config and return it, checked."""
    node = values.pop("parallel", None) or {}
    if not isinstance(node, dict):
        raise InputError(f"parallel={node!r}: must be keys, like parallel.data=2")
    check_call(Parallel, node, "parallel.")
    return Parallel(**node)


@lru_cache(maxsize=4)
def _loaded(data: Bound) -> Dataset:
    return data()


def sinks(cfg: DictConfig) -> tuple[Guarded, ...]:
    """Return the sinks a config asks for, in order; raise as ``sinks_of``."""
    return sinks_of(plain(cfg))


def sinks_of(config: dict[str, Any]) -> tuple[Guarded, ...]:
    """Return the sinks that a config of plain values asks for, in order.

    Raises:
        InputError: as ``build``; or a sink whose library is not installed.

    """
    values = dict(config)
    made = []
    for label, sink in loggers(values).items():
        with about(f"logger={label}"):
            made.append(Guarded(label, sink(), values))
    return tuple(made)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return a config as plain values, or raise InputError where one is missing or refers to nothing."""
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as e:
        raise InputError(" ".join(str(e).split())) from e


def loggers(values: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Take the node ``logger`` out of a config and return its sinks, checked but not made: a run does without."""
    node = values.pop("logger", None) or {}
    if not isinstance(node, dict) or not all(isinstance(keys, dict) for keys in node.values()):
        raise InputError(
            f"logger={node!r}: must be one of configs/logger, or a list of them like [wandb,mlflow]"
        )
    return {label: target(keys, f"logger.{label}") for label, keys in node.items()}


SCORES = ("test accuracy", "test loss", "train accuracy", "train loss")


def objective(values: dict[str, Any]) -> str:
    """Take ``objective`` out of a config: which score a sweeper goes by, no part of the run; checked."""
    name = values.pop("objective", SCORES[0])  # configs saved before there was one have none
    if name not in SCORES:
        raise InputError(f"objective={name!r} is unknown{suggest(str(name), SCORES)}")
    return name


def worth(scores: Mapping[str, float | None], config: Mapping[str, Any]) -> float:
    """Return what a run is worth to a sweeper: the score its config names; the worst there is if it is not finite."""
    name = objective(dict(config))
    score = scores.get(name)
    if score is not None and math.isfinite(score):
        return score
    return 0.0 if name.endswith("accuracy") else math.inf


def activation(node: dict[str, Any]) -> Act:
    """Return the checked ``Act`` of an activation node: ``name``, ``learn``, ``per``, ``lean`` and its parameters."""
    params = dict(node)
    name, learn, per = params.pop("name", None), params.pop("learn", []), params.pop("per", "tensor")
    lean = params.pop("lean", False)
    if not isinstance(name, str):
        raise InputError(f"activation.name={name!r}: must be the name of an activation, or module:function")
    if not isinstance(learn, list) or not all(isinstance(n, str) for n in learn):
        raise InputError(f"activation.learn={learn!r}: must be a list of parameter names, like [beta]")
    with about("activation"):
        act = make(name, learn=tuple(learn), per=per, lean=lean, **params)
        if act.spec is None:  # our own are tested
            check(act)
    return act


def target(node: dict[str, Any], name: str) -> Callable[..., Any]:
    """Return ``_target_`` with the node's other keys bound, after checking them against its signature."""
    keys = dict(node)
    path = keys.pop("_target_", None)
    if not isinstance(path, str) or "." not in path:
        raise InputError(f"{name}._target_={path!r}: must be the import path of a function or class")
    module, _, attribute = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as e:
        raise InputError(f"{name}._target_={path}: cannot be imported ({e})") from None
    check_call(function, keys, f"{name}.")
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    floats = {k: float(v) for k, v in keys.items() if hints.get(k) is float}
    return Bound.of(function, **keys | floats)


def check_call(function: Callable[..., Any], keys: dict[str, Any], prefix: str) -> None:
    """Check that ``keys`` are keyword-only parameters of ``function``, or fields, and have their types."""
    # A Flax module's own signature is that of its metaclass, which takes everything.
    made = inspect.isclass(function) and type(function).__call__ is not type.__call__
    try:
        parameters = dict(inspect.signature(function.__init__ if made else function).parameters)
        hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except (TypeError, ValueError, NameError) as e:
        raise InputError(f"{prefix}_target_: {function!r} cannot be called with a config ({e})") from None
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    given = {"self", *_GIVEN} if inspect.isclass(function) else set()
    known = [n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD and n not in given]
    for key, value in keys.items():
        if key not in known and not open_ended:
            raise InputError(f"unknown key {prefix}{key}{suggest(key, known)}{_whose(function, prefix, key)}")
        if key in hints and not fits(value, hints[key]):
            raise InputError(f"{prefix}{key}={value!r}: must be {words(hints[key])}")


def _whose(function: Callable[..., Any], prefix: str, key: str) -> str:
    """Return whose key it is not, where another word of the config decides that: an experiment's own model."""
    return (
        f"; {function.__name__} does not take it: leave it out with ~{prefix}{key}"
        if prefix == "model."
        else ""
    )


_GIVEN = {"act", "in_shape", "num_classes", "vocabulary", "dtype", "rngs"}  # what a run gives a model itself


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a plain config value fits a type hint; unknown kinds of hint fit anything."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, a) for a in arguments)
    if origin is Literal:
        return value in arguments
    if origin in (list, tuple, Sequence):
        return isinstance(value, list) and all(fits(v, arguments[0]) for v in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    return True


def words(hint: Any) -> str:
    """Return a type hint as a person would say it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(words(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (list, tuple, Sequence):
        return f"a list, each {words(arguments[0])}"
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a name", type(None): "null"}
    return names.get(hint, str(hint))


@contextmanager
def about(node: str) -> Iterator[None]:
    """Prefix an ``InputError`` with the config node it is about; whatever a user's own code raises becomes one."""
    try:
        yield
    except InputError as e:
        if str(e).partition(".")[0] in NODES:  # it names its node itself
            raise
        raise InputError(f"{node}: {e}") from e
    except Exception as e:
        raise InputError(f"{node}: {one_line(e)}") from e


def _top_level(
    *,
    seed: int,
    steps: int,
    batch_size: int,
    order: str,
    eval_every: int,
    checkpoint_every: int,
    dtype: str,
    loss: str,
    label_noise: float,
    z_loss: float = 0.0,  # configs saved before there was one have none
) -> None:
    """Hold the names and types of the keys of configs/train.yaml itself."""
