"""Which of a language model's values are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from actlab.errors import InputError, suggest
from actlab.inspection.architecture import Architecture


@dataclass(frozen=True)
class Capture:
    """What is recorded of every token; part of the compiled program: what is not asked for is not computed.

    A pattern names a site in all blocks (``resid_post``, ``mlp.*``) or in one (``blocks.3.mlp.act.post``).

    Args:
        sites: patterns of the sites whose measures (`actlab.inspection.measures.Vector`) are taken.
        heads: whether the measures of every head's row of attention are taken.
        units: so many units of the activation with the largest post-activations, with their values; 0 none.
        candidates: so many of the likeliest next tokens, of the raw and of the filtered distribution.
        values: patterns of the sites whose vectors are kept whole: of a token, 4 bytes times its width each.
        rows: blocks whose rows of attention are kept whole: of a token, 4 bytes times heads times context each.
        lens: blocks after which the model's norm and head are applied (nostalgebraist 2020, the logit lens): each
            costs as much as the model's own head.

    Raises:
        InputError: a number that cannot be.

    """

    sites: tuple[str, ...] = ("*",)
    heads: bool = True
    units: int = 8
    candidates: int = 10
    values: tuple[str, ...] = ("mlp.act.*",)
    rows: tuple[int, ...] = ()
    lens: tuple[int, ...] = ()

    def __post_init__(self):
        for name, least in (("units", 0), ("candidates", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise InputError(f"{name}={value!r}: must be an integer >= {least}")
            object.__setattr__(self, name, int(value))
        for name in ("sites", "values", "rows", "lens"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise InputError(f"{name}={value!r}: must be several, like [{value!r}]")
            plain = (int(v) if isinstance(v, np.integer) else v for v in value)
            object.__setattr__(self, name, tuple(plain))

    def checked(self, a: Architecture) -> Capture:
        """Return this for a model; raise InputError for a site or block it does not have, or more than it has."""
        for name in ("sites", "values"):
            for pattern in getattr(self, name):
                if not any(_fits(pattern, i, site) for site in a.sites for i in range(a.depth)):
                    known = [*a.sites, f"blocks.{a.depth - 1}.resid_post"]
                    raise InputError(f"{name}: no site fits {pattern!r}{suggest(pattern, known)}")
        for name in ("rows", "lens"):
            for i in getattr(self, name):
                if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < a.depth:
                    raise InputError(f"{name}: {i!r} is no block, they are 0 to {a.depth - 1}")
        for name, most in (("units", a.hidden), ("candidates", a.vocabulary)):
            if getattr(self, name) > most:
                raise InputError(f"{name}={getattr(self, name)}: there are {most}")
        return self

    def measured(self, a: Architecture) -> dict[str, tuple[int, ...]]:
        """Return the blocks in which each site is measured, of those that are."""
        return _chosen(self.sites, a)

    def kept(self, a: Architecture) -> dict[str, tuple[int, ...]]:
        """Return the blocks in which each site's vectors are kept, of those that are."""
        return _chosen(self.values, a)


PLAIN = Capture(sites=(), heads=False, units=0, values=())


def _fits(pattern: str, block: int, site: str) -> bool:
    return fnmatchcase(site, pattern) or fnmatchcase(f"blocks.{block}.{site}", pattern)


def _chosen(patterns: tuple[str, ...], a: Architecture) -> dict[str, tuple[int, ...]]:
    chosen = {s: tuple(i for i in range(a.depth) if any(_fits(p, i, s) for p in patterns)) for s in a.sites}
    return {site: blocks for site, blocks in chosen.items() if blocks}
