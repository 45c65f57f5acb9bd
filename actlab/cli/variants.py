"""Overrides with several values, as in ``activation=relu,gelu model.depth=2,4``, as the runs they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.train import Run


class Variant(NamedTuple):
    """One run of several: its overrides, and what tells it from the others, in words."""

    overrides: list[str]
    label: str


def built(overrides: Sequence[str], base: Sequence[str], *, most: int) -> list[tuple[str, Run]]:
    """Return the runs that overrides stand for, over ``base``, by label; raise as ``variants`` and ``compose`` do."""
    from actlab.cli.composing import compose
    from actlab.cli.train import build_run

    found = variants(overrides, most=most)
    runs = [(v.label, build_run(compose([*base, *v.overrides]))) for v in found]
    return [(label or run.setup.act.name, run) for label, run in runs]


def variants(overrides: Sequence[str], *, most: int) -> list[Variant]:
    """Return every combination of overrides, the last changing fastest, as Hydra's sweeper would make them.

    Raises:
        InputError: an override that cannot be read, the same combination twice, or more than ``most`` of them.

    """
    from actlab.cli.composing import open_activation

    lists = [_values(text) for text in open_activation(list(overrides))]
    combined = [list(c) for c in itertools.product(*lists)]
    if len(combined) > most:
        raise InputError(f"{len(combined)} combinations of these overrides: {most} at most")
    found = [Variant([o for o, _ in one], _label([o for o, swept in one if swept])) for one in combined]
    labels = [one.label for one in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputError(f"{twice!r} stands twice in these overrides")
    return found


def _values(text: str) -> list[tuple[str, bool]]:
    """Return the overrides that one stands for, and whether it stands for several."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(text)
        if not parsed.is_sweep_override():
            return [(text, False)]
        key = parsed.get_key_element()
        return [(f"{key}={value}", True) for value in parsed.sweep_string_iterator()]
    except HydraException:
        raise InputError(f"{text}: cannot be read; write values out, like activation=relu,gelu") from None


def _label(swept: list[str]) -> str:
    """Return ``relu, depth 4`` for ``activation=relu`` and ``model.depth=4``."""
    words = []
    for override in swept:
        key, _, value = override.lstrip("+").partition("=")
        value = value.lower() if value in ("True", "False") else value
        name = key.rpartition(".")[2].replace("_", " ")
        words.append(value if key == "activation" else f"{name} {value}")
    return ", ".join(words)


def names(some: Iterable[str]) -> str:
    """Return the different ones of some names, in order.

    >>> names(["moons", "rings", "moons"])
    'moons, rings'
    """
    return ", ".join(dict.fromkeys(some))
