r"""One activation's transforms for many networks at once: Newton's method from one solution, mapped over targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.networks import Network, Plain
from actlab.theory.rescaling import GOOD, rescale
from actlab.theory.transform import Transform, layer_target, transform


def transforms(
    f: Callable | Act | str,
    method: str,
    networks: Sequence[int | Network],
    *,
    zeta: float = 1.5,
    tau: float = 0.3,
    q_slope: float = 1.0,
) -> list[Transform]:
    """Return the transforms of an activation for many networks, one compiled call for all but the first.

    What `transform` finds for the first is where Newton's method sets out for each of the others, mapped over their
    layers' targets, in float64 to 1e-9. For functions that `transform` solves numerically.

    Args:
        f: as of `transform`; not relu, leaky relu or abs, whose solutions are closed or of one number.
        method: ``"tat"`` or ``"dks"``.
        networks: depths of plain networks, or as of `transform`.
        zeta: the networks' largest slope, of DKS.
        tau: their largest curvature, of TAT.
        q_slope: Q'(1), of DKS.

    Raises:
        InputError: what `transform` refuses; no networks; a target that Newton's method does not reach.

    >>> [round(t.output_scale, 4) for t in transforms("tanh", "dks", [20, 50])]
    [6.8292, 10.6044]
    """
    networks = list(networks)
    if not networks:
        raise InputError("transforms: no network is given")
    first = transform(f, method, networks[0], zeta=zeta, tau=tau, q_slope=q_slope)
    act = first.of
    if first.input_scale == 1.0 or "not chosen" in first.note:
        raise InputError(f"transforms: {act.name} has a solution of its own: transform each")
    nets = [Plain(n) if isinstance(n, int) else n for n in networks]
    targets = np.array([layer_target(n, method, zeta=zeta, tau=tau) for n in nets])
    start = [first.input_scale, first.input_shift, *([first.output_shift] if method == "tat" else [])]
    given = q_slope if method == "dks" else 1.0
    found, off, _ = rescale(act, method, np.array([start]), targets, given)
    made = []
    for network, target, numbers, error in zip(networks, targets, found, off, strict=True):
        if not error < GOOD:
            raise InputError(
                f"transforms: {act.name} for {network!r} is too far from {networks[0]!r} to be reached: transform it"
            )
        made.append(dataclasses.replace(first, **_fields(numbers), target=float(target)))
    return made


def _fields(numbers: np.ndarray) -> dict[str, float]:
    names = ("input_scale", "input_shift", "output_shift", "output_scale")
    return dict(zip(names, map(float, numbers), strict=True))
