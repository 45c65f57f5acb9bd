"""Where activations stand in a model, as theory needs it to choose a transform: from its class and arguments."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.models.convnet import ConvNet
from actlab.models.mlp import MLP
from actlab.models.resnet import ResNet
from actlab.theory import Network, Plain, Transform, transform

METHODS = ("tat", "dks")
_log = logging.getLogger(__name__)
TARGETS = ("zeta", "tau", "eta", "q_slope")


@dataclasses.dataclass(frozen=True)
class PreActivation:
    """Blocks w skip + sqrt(1 - w^2) branch of two activation layers, and one behind them all; as `theory.Residual`.

    Attributes:
        projected: of each block whether its skip passes an activation layer.
        weight: w.
    """

    projected: tuple[bool, ...]
    weight: float

    def __call__(self, x: float, r: Callable[[float], float]) -> float:
        """Return the larger of the whole network's value and of a branch's alone."""
        alone = r(r(x))
        for projected in self.projected:
            x = self.weight**2 * (r(x) if projected else x) + (1 - self.weight**2) * r(r(x))
        return max(r(x), alone)


def transformed(act: Act, wanted: str | Mapping[str, Any], model: Callable, arguments: Mapping) -> Transform:
    """Return an activation's transform for a model made with these arguments: its `Transform.act` is what trains.

    Args:
        act: with nothing to be learnt: the transform holds for the parameters it was solved for.
        wanted: ``"tat"`` or ``"dks"``; or a mapping of ``method`` and targets of `actlab.theory.transform`.
        model: a class.
        arguments: of the model.

    Raises:
        InputError: an unknown method or target, a learnt or lean activation, what `network` and
            `actlab.theory.transform` refuse.

    >>> from actlab import make
    >>> transformed(make("relu"), "tat", MLP, {"depth": 50}).act.name
    'tat:leaky_relu'
    """
    targets = dict(wanted) if isinstance(wanted, Mapping) else {"method": wanted}
    method = targets.pop("method", None)
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"transform={method!r}{suggest(str(method), METHODS)}")
    for name in targets:
        if name not in TARGETS:
            raise InputError(f"transform has no target {name!r}{suggest(str(name), TARGETS)}")
    if act.learn or act.lean:
        what = f"learn={list(act.learn)}" if act.learn else "lean=true"
        raise InputError(f"transform is of a function that stays as it is, and {what}: take one or the other")
    return _solved(act, method, network(model, arguments), tuple(sorted(targets.items())))


@lru_cache(maxsize=256)
def _solved(act: Act, method: str, net: Network, targets: tuple[tuple[str, float], ...]) -> Transform:
    found = transform(act, method, net, **dict(targets))
    if found.note:
        _log.warning("activation.transform=%s: %s", method, found.note)
    return found


def network(model: Callable[..., Any], arguments: Mapping[str, Any]) -> Network:
    """Return the activation layers of a model made with these arguments, the defaults for the others.

    Raises:
        InputError: a model whose graph is not known here, one with a normalisation, or with skips that do not keep
            the variance.

    >>> network(MLP, {"depth": 50})
    Plain(depth=50)
    """
    known = {MLP: _mlp, ConvNet: _convnet, ResNet: _resnet}
    if model not in known:
        names = ", ".join(f.__name__ for f in known)
        raise InputError(
            f"transform needs to know the network: it knows {names}, not {getattr(model, '__name__', model)}"
        )
    parameters = inspect.signature(model.__init__).parameters.values()
    values = {p.name: p.default for p in parameters if p.default is not p.empty} | dict(arguments)
    if values["norm"] != "none":
        raise InputError(
            f"transform is instead of a normalisation, and model.norm={values['norm']}: model.norm=none"
        )
    return known[model](values)


def _mlp(values: Mapping[str, Any]) -> Network:
    if values["residual"]:  # the branch ends in an activation, whose mean meets the skip's
        raise InputError(
            "transform needs skips that keep the variance, which mlp's do not: model.residual=false"
        )
    if values["depth"] < 1:
        raise InputError(f"transform needs a hidden layer: depth={values['depth']!r}")
    return Plain(values["depth"])


def _convnet(values: Mapping[str, Any]) -> Network:
    if values["residual"]:
        raise InputError(
            "transform needs skips that keep the variance, which convnet's do not: model.residual=false"
        )
    return Plain(values["depth"])


def _resnet(values: Mapping[str, Any]) -> Network:
    stages, widths, weight = values["stages"], values["widths"], values["skip_weight"]
    if not values["residual"]:
        return Plain(2 * sum(stages) + 1)
    if weight is None:
        raise InputError("transform needs skips that keep the variance: model.skip_weight=0.6, say")
    before = (widths[0], *widths)
    projected = [
        i == 0 and (stage > 0 or before[stage] != widths[stage])
        for stage, count in enumerate(stages)
        for i in range(count)
    ]
    return PreActivation(tuple(projected), weight)
