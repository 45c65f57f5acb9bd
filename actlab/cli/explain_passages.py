"""``actlab explain neuron`` on a model of texts: the passages that its units answer to."""

from __future__ import annotations

import argparse
import shlex
import time
from typing import TYPE_CHECKING

from actlab.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from actlab.explain import Subject, Target
    from actlab.report.passages import Reading

OF_OPTIMA = ("steps", "learning_rate", "size", "variants", "diversity", "maco", "still", "seed")


def check(a: argparse.Namespace, defaults: argparse.Namespace) -> None:
    """Raise ``InputError`` where an option was given that is for optima, which texts have none of."""
    for name in OF_OPTIMA:
        if getattr(a, name) != getattr(defaults, name):
            flag = name.replace("_", "-")
            raise InputError(
                f"--{flag} is for optima, and no text can be walked to: its own passages are shown"
            )
    if a.neurons is not None:
        raise InputError(
            "--neurons is for one position, and of a text every token is looked at: take --channels"
        )


def explain(
    a: argparse.Namespace, argv: list[str], subject: Subject, target: Target, data: np.ndarray, source: str
) -> int:
    """Find passages, print and write them; return the exit code."""
    from actlab.explain import passages
    from actlab.report.passages import Reading, write_numbers, write_picture, write_readings

    began = time.monotonic()
    found = passages(subject, target, data, a.examples)
    looked, there = found.texts
    print(
        f"{len(target.labels)} of {target.site} in {subject.name}: {looked:,} of {there:,} texts of "
        f"{data.shape[1]} tokens, {time.monotonic() - began:.1f} s"
    )
    reading = Reading(
        subject, target, found, data, source, shlex.join(["actlab", "explain", "neuron", *argv])
    )
    _print(reading)
    print(write_numbers(reading, a.out / "passages.npz"))
    print(write_picture(reading, a.out / "passages.png"))
    page = write_readings(reading, a.out / "index.html")
    print(page)
    if a.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def _print(r: Reading) -> None:
    """Print each unit's range, and its strongest passage up to the token."""
    from actlab.explain.subject import visible

    width = max(max(map(len, r.target.labels)), 4)
    print(
        f"{'unit':<{width}}  {'least':>8}  {'median':>8}  {'greatest':>8}  strongest passage, up to its token"
    )
    for u, label in enumerate(r.target.labels):
        p = r.passages
        tokens, at = r.data[p.index[u, 0]], p.position[u, 0]
        words = "".join(r.token(t) for t in (tokens[: at + 1] if at >= 0 else tokens)).replace("\n", "↵")[
            -48:
        ]
        numbers = (p.extremes[u, 0], p.quantiles[u, 3], p.extremes[u, 1])
        shown = visible(words) if words == " " else words
        print(f"{label:<{width}}" + "".join(f"  {n:>8.3g}" for n in numbers) + f"  {shown}")
