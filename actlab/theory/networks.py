r"""Networks as `transform` needs them: how much of a quantity their most nonlinear part collects.

A network is a function of (x, r): r is what one activation layer does to x, and the network returns the largest
value any part of it reaches. With r a correlation map that is a correlation; with r a product by a slope it is a
slope, with r a sum a curvature. Martens et al. 2021, arXiv:2110.01765; Zhang, Botev, Martens 2022, arXiv:2203.08120.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from actlab.errors import InputError

Network = Callable[[float, Callable[[float], float]], float]


@dataclasses.dataclass(frozen=True)
class Plain:
    """A chain of activation layers without skip connections.

    >>> Plain(3)(1.0, lambda x: 2 * x)
    8.0
    """

    depth: int

    def __post_init__(self) -> None:
        _count(self.depth, "a plain network's depth")

    def __call__(self, x: float, r: Callable[[float], float]) -> float:
        """Return r of r ... of r of x."""
        for _ in range(self.depth):
            x = r(x)
        return x


@dataclasses.dataclass(frozen=True)
class Residual:
    """Groups of residual blocks, each w x shortcut + sqrt(1 - w^2) x branch, and one activation layer behind them.

    Attributes:
        blocks: blocks of each group; (3, 4, 23, 3) is ResNet-101.
        layers: activation layers on a branch.
        shortcut: w, in [0, 1).
        projected: whether the shortcut of a group's first block passes an activation layer.
    """

    blocks: tuple[int, ...] = (3, 4, 23, 3)
    layers: int = 3
    shortcut: float = 0.6
    projected: bool = True

    def __post_init__(self) -> None:
        if not self.blocks:
            raise InputError("a residual network needs at least one group of blocks")
        for count in self.blocks:
            _count(count, "blocks of a group")
        _count(self.layers, "layers of a branch")
        if not 0 <= self.shortcut < 1:
            raise InputError(f"the shortcut's weight must be in [0, 1), got {self.shortcut!r}")

    def __call__(self, x: float, r: Callable[[float], float]) -> float:
        """Return the larger of the whole network's value and of a branch's alone."""
        branch = Plain(self.layers)
        alone = branch(x, r)
        for count in self.blocks:
            for block in range(count):
                past = r(x) if self.projected and block == 0 else x
                x = self.shortcut**2 * past + (1 - self.shortcut**2) * branch(x, r)
        return max(r(x), alone)


def _count(value: int, what: str) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise InputError(f"{what} must be a whole number from 1 up, got {value!r}")
