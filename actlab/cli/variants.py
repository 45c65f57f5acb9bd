"""Overrides with several values, as in ``activation=relu,gelu model.depth=2,4``, as the runs they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from actlab.errors import InputError


class Variant(NamedTuple):
    """One run of several: its overrides, and what tells it from the others, in words."""

    overrides: list[str]
    label: str


def variants(overrides: Sequence[str], *, most: int) -> list[Variant]:
    """Return every combination of overrides, the last changing fastest, as Hydra's sweeper would make them.

    Raises:
        InputError: an override that cannot be read, or more than ``most`` combinations.

    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from actlab.cli.composing import open_activation

    lists: list[list[tuple[str, bool]]] = []
    for text in open_activation(list(overrides)):
        try:
            parsed = OverridesParser.create().parse_override(text)
        except HydraException as e:
            raise InputError(" ".join(str(e).split())) from None
        if parsed.is_sweep_override():
            key = parsed.get_key_element()
            lists.append([(f"{key}={value}", True) for value in parsed.sweep_string_iterator()])
        else:
            lists.append([(text, False)])
    combined = [list(c) for c in itertools.product(*lists)]
    if len(combined) > most:
        raise InputError(f"{len(combined)} combinations of these overrides: {most} at most")
    return [Variant([o for o, _ in one], _label([o for o, swept in one if swept])) for one in combined]


def _label(swept: list[str]) -> str:
    """Return ``relu, depth 4`` for ``activation=relu`` and ``model.depth=4``."""
    words = []
    for override in swept:
        key, _, value = override.lstrip("+").partition("=")
        value = value.lower() if value in ("True", "False") else value
        name = key.rpartition(".")[2].replace("_", " ")
        words.append(value if key == "activation" else f"{name} {value}")
    return ", ".join(words)
