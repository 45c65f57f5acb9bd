"""Which statistics are taken, of what, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from actlab.errors import InputError, suggest

LEVELS = ("none", "basic", "full")


@dataclass(frozen=True)
class StatsConfig:
    """Which statistics to take, and how often.

    Args:
        level: ``none``; ``basic``: moments, zeros, saturation and dead units by site, norms by layer; ``full``:
            besides, skew, kurtosis, quantiles, sparsity, the same of gradients at every site, and at evaluations
            ranks, selectivity, gradient noise and curvature.
        every: steps in a window; one row of every quantity is written at its end.
        rows: one part in so many of a batch's samples is read, at least 32, another part each step; 1 reads all.
        layers_every: steps between two rows of the layers' norms, at the end of a window; reading every parameter,
            gradient and update costs as much as all sites.
        sites: names or patterns (``blocks.0.*``) of the sites to look at; all if empty.
        quantities: names or patterns (``post.*``) of the quantities to keep; all if empty. What is not kept is not
            computed.
        curvature_every: evaluations between two measurements of ranks and sharpness; 0 never takes them.

    Raises:
        InputError: unknown level, or a number that cannot be.

    """

    level: str = "basic"
    every: int = 20
    rows: int = 8
    layers_every: int = 10
    sites: Sequence[str] = ()
    quantities: Sequence[str] = ()
    curvature_every: int = 5

    def __post_init__(self):
        if self.level not in LEVELS:
            raise InputError(
                f"stats.level={self.level!r}: must be 'none', 'basic' or 'full'{suggest(self.level, LEVELS)}"
            )
        for name, least in (("every", 1), ("rows", 1), ("layers_every", 1), ("curvature_every", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"stats.{name}={value!r}: must be an integer >= {least}")
        for name in ("sites", "quantities"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def layers_due(self, step, every: int):
        """Return whether layers are read in the window of ``every`` steps that ends with ``step``."""
        return step % (-(-self.layers_every // every) * every) == 0

    def chosen_sites(self, known: Sequence[str]) -> list[str]:
        """Return those of the known sites that are looked at, in their order.

        Raises:
            InputError: a name or pattern that fits none; the message lists close ones.

        """
        return _chosen("sites", self.sites, known)

    def keeps(self, quantity: str) -> bool:
        """Return whether a quantity is asked for."""
        return not self.quantities or any(fnmatchcase(quantity, p) for p in self.quantities)

    def chosen_quantities(self, known: Sequence[str]) -> list[str]:
        """Return those of the known quantities that are kept, in their order.

        Raises:
            InputError: a name or pattern that fits none; the message lists close ones.

        """
        return _chosen("quantities", self.quantities, list(dict.fromkeys(known)))


def _chosen(what: str, patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise InputError(f"stats.{what}: there is no {pattern!r}{suggest(pattern, known)}")
    return [name for name in known if not patterns or any(fnmatchcase(name, p) for p in patterns)]
