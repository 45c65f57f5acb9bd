"""Which lanes share a compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence

from actlab.train import numbers
from actlab.train.loop import Run


@dataclasses.dataclass(frozen=True)
class Kind:
    """Runs of one structure: ``run`` is the first of them, whose program serves all; ``members`` their places."""

    run: Run
    members: tuple[int, ...]

    def __str__(self) -> str:
        setup = self.run.setup
        model = getattr(setup.model, "function", setup.model)
        return f"{setup.act.name} in {getattr(model, '__name__', model).lower()} on {setup.data.name}"


def kinds(runs: Mapping[int, Run]) -> list[Kind]:
    """Return runs grouped by what a program is made for, in the order of their first members.

    Nothing is traced: two runs of a kind may differ in a number that their model turns out not to ask for, see
    `split`.
    """
    found: dict[Hashable, list[int]] = {}
    for place, run in runs.items():
        own = numbers.candidates(run.setup)
        key = numbers.structure(run.setup, own), tuple(own), run.eval_every, run.checkpoint_every
        found.setdefault(key, []).append(place)
    return [Kind(runs[members[0]], tuple(members)) for members in found.values()]


def split(kind: Kind, runs: Mapping[int, Run]) -> list[Kind]:
    """Return ``kind`` divided into what one program really serves; the first part has ``kind``'s own program."""
    program = kind.run.program
    found: dict[Hashable, list[int]] = {}
    for place in kind.members:
        found.setdefault(program.key_of(runs[place].setup), []).append(place)
    return [Kind(runs[members[0]], tuple(members)) for members in found.values()]


def portions(members: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """Return ``members`` in as few portions of at most ``most`` as there can be, as equal as can be.

    >>> portions(range(7), 3)
    [(0, 1, 2), (3, 4), (5, 6)]
    """
    count = -(-len(members) // most)
    sizes = [len(members) // count + (i < len(members) % count) for i in range(count)]
    starts = [sum(sizes[:i]) for i in range(count)]
    return [tuple(members[a : a + n]) for a, n in zip(starts, sizes, strict=True)]
