"""What theory expects of a signal in a model before training: from its class, its arguments and its activation."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.models.mlp import MLP
from actlab.nn import variances
from actlab.theory import Maps, bands, maps
from actlab.theory.levels import levels

GROUPS = 8  # into which pairs of inputs are sorted by their correlation: the maps are curved


@dataclasses.dataclass(frozen=True)
class Wide:
    """A plain network as the maps have it.

    Attributes:
        net: its hidden layers' maps; with a norm, of what comes out of it, which is what sites see.
        first: variances of the first layer's weights, times its fan-in, and of its biases.
        width: units of a hidden layer.
        depth: hidden layers.
    """

    net: Maps
    first: tuple[float, float]
    width: int
    depth: int


@dataclasses.dataclass(frozen=True, eq=False)
class Expected:
    """What L sites of a wide network have before training, and how far one network of its width strays; (L,) each.

    Attributes:
        q: mean square of the pre-activations, mean over the inputs; ``q_sd`` of one input's.
        c: mean cosine of two inputs; ``c_sd`` of one pair's.
        gradient: root mean square of the gradient over that at the last site; ``gradient_sd`` is relative.
        layers: sites up to which the sds hold, see `actlab.theory.Bands`.
    """

    q: np.ndarray
    q_sd: np.ndarray
    c: np.ndarray
    c_sd: np.ndarray
    gradient: np.ndarray
    gradient_sd: np.ndarray
    layers: int


def wide(model: Callable[..., Any], arguments: Mapping[str, Any], act: Act, inputs: int) -> Wide:
    """Return a model, made with these arguments for so many ``inputs``, as the maps have it.

    Raises:
        InputError: theory has no prediction for it: the reason.

    >>> from actlab import make
    >>> wide(MLP, {"init": "he_normal"}, make("relu"), 64).net.sigma_w ** 2
    2.0000000000000004
    """
    if model is not MLP:
        raise InputError(f"theory is of plain networks of equal layers, as MLP; this is {_name(model)}")
    parameters = inspect.signature(model.__init__).parameters.values()
    values = {p.name: p.default for p in parameters if p.default is not p.empty} | dict(arguments)
    if values["norm"] == "batch":
        raise InputError("a batch norm mixes the samples, which the maps do not follow")
    if values["residual"]:
        raise InputError(
            "this model's skips go around activations, whose means add up: the maps do not have that"
        )
    if values["depth"] < 1:
        raise InputError("there is no hidden layer")
    width, init, gain = values["width"], values["init"], float(values["gain"])
    found = [
        variances(init, n, width, gain, act, first=first) for n, first in ((inputs, True), (width, False))
    ]
    if None in found:
        raise InputError(f"init={init} sets scales by what it measures")
    first, (weights, biases) = found
    norm = "layer" if values["norm"] == "layer" else None
    net = maps(act, math.sqrt(weights), math.sqrt(biases), norm=norm, dropout=float(values["dropout"]))
    return Wide(net, first, width, values["depth"])


def expected(wide: Wide, x: np.ndarray) -> Expected:
    """Return what is expected of inputs ``x`` (B, ...), B from 2 up, all dropping different units.

    Every input's q is followed; pairs in eight groups by their correlation, at the mean q.
    """
    flat = np.asarray(x, float).reshape(len(x), -1)
    gram = wide.first[0] * flat @ flat.T / flat.shape[1] + wide.first[1]
    net = wide.net
    pairs = np.triu_indices(len(flat), 1)
    q = np.diag(gram)
    cosine = np.sort((gram / np.sqrt(np.outer(q, q)))[pairs])
    if net.norm:
        return _normalised(wide, cosine)
    at = [q]
    for _ in range(wide.depth - 1):
        at.append(net.branch**2 * (net.sigma_w**2 / (1 - net.dropout) * levels(net.act, np.sqrt(at[-1])).square
                                   + net.sigma_b**2))  # fmt: skip
    middle = np.array([v.mean() for v in at])
    c = np.mean([_follow(net, middle, part.mean()) for part in np.array_split(cosine, GROUPS)], 0)
    chi = [
        net.sigma_w**2 / (1 - net.dropout) * levels(net.act, np.sqrt(v)).slope_square.mean() for v in at[:-1]
    ]
    return _with_bands(wide, middle, c, np.array(chi))


def start_from(wide: Wide, q: float, c: float) -> Expected:
    """Return what is expected of sites whose first has this variance and mean cosine, as of one pair of inputs."""
    net = _behind_norm(wide.net) if wide.net.norm else wide.net
    if wide.depth == 1:
        return _with_bands(dataclasses.replace(wide, net=net), np.array([q]), np.array([c]), np.zeros(0))
    if wide.net.norm:
        q = 1.0
    deep = net.depth(wide.depth - 1, q, c)
    found = _with_bands(dataclasses.replace(wide, net=net), deep.q, deep.c, deep.chi[:-1])
    return dataclasses.replace(found, q_sd=np.zeros(wide.depth)) if wide.net.norm else found


def gradient_at(wide: Wide, q: np.ndarray) -> np.ndarray:
    """Return the root mean square of the gradient over that at the last site, for networks that have ``q`` (S, L).

    What width does to q is then known, and only the weights on the way back are left to chance.
    """
    net = wide.net
    if net.norm:  # q in front of the norm is no number of the sites'
        chi = _behind_norm(net).chi(1.0)
        return np.broadcast_to(chi ** (0.5 * np.arange(wide.depth)[::-1]), q.shape)
    slope = levels(net.act, np.sqrt(np.clip(q[:, :-1], 1e-30, 1e30))).slope_square
    chi = net.sigma_w**2 / (1 - net.dropout) * slope
    back = np.cumprod(chi[:, ::-1], 1)[:, ::-1]
    return np.sqrt(np.concatenate([back, np.ones((len(q), 1))], 1))


def _follow(net: Maps, q: np.ndarray, c: float) -> np.ndarray:
    found = [c]
    for at in q[:-1]:
        found.append(net.c(min(max(found[-1], -1.0), 1.0), float(at)))
    return np.array(found)


def _normalised(wide: Wide, cosine: np.ndarray) -> Expected:
    """Behind a norm q is 1; the norm divides the gradient by the variance in front of it."""
    net, ones = _behind_norm(wide.net), np.ones(wide.depth)
    told = dataclasses.replace(wide, net=net)
    # A layer norm takes the units' mean away, which is 0 in a wide layer, and leaves the correlation.
    c = np.mean([_follow(net, ones, part.mean()) for part in np.array_split(cosine, GROUPS)], 0)
    chi = np.full(wide.depth - 1, net.chi(1.0))
    return dataclasses.replace(_with_bands(told, ones, c, chi), q_sd=np.zeros(wide.depth))


def _behind_norm(net: Maps) -> Maps:
    """Return the maps from what comes out of one norm to what comes out of the next: a plain network's with q = 1."""
    bare = dataclasses.replace(net, norm=None)
    size = math.sqrt(bare.q(1.0))
    return dataclasses.replace(bare, sigma_w=bare.sigma_w / size, sigma_b=bare.sigma_b / size)


def _with_bands(wide: Wide, q: np.ndarray, c: np.ndarray, chi: np.ndarray) -> Expected:
    depth = len(q) - 1
    gradient = np.sqrt(np.append(np.cumprod(chi[::-1])[::-1], 1.0))
    if not depth:
        zero = np.zeros(1)
        return Expected(
            q, q * math.sqrt(2 / wide.width), c, (1 - c**2) / math.sqrt(wide.width), gradient, zero, 1
        )
    found = bands(wide.net, wide.width, depth, float(q[0]), float(c[0]))
    return Expected(
        q=q,
        q_sd=found.q_sd,
        c=c,
        c_sd=found.c_sd,
        gradient=gradient,
        gradient_sd=0.5 * found.gradient_sd,  # of a root
        layers=found.layers + 1,
    )


def _name(model: Callable[..., Any]) -> str:
    return getattr(model, "__name__", str(model))
