"""What units of a language model answer to: one page without a script, figures and examples of each.

Shapes: L blocks, F units, k examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from actlab.files import write_file
from actlab.inspection.neurons import Neurons
from actlab.report.document import document, source

QUANTILES = ("min", "q01", "q10", "q50", "q90", "q99", "max")


def write_units(found: Neurons, units: Sequence[tuple[int, int]], path: Path, *, command: str = "") -> Path:
    """Write the page of ``units`` (block, unit).

    Raises:
        InputError: a unit that does not exist, or the file cannot be written.

    """
    return write_file(path, page(found, units, command))


def most_selective(found: Neurons, count: int) -> list[tuple[int, int]]:
    """Return the units with the largest kurtosis, as many of each block as there is room for, by block.

    A unit that answers to few tokens and strongly has a heavy tail.
    """
    kurtosis = np.nan_to_num(found.figures["kurtosis"], nan=-np.inf)
    depth = len(kurtosis)
    per = -(-count // depth)
    chosen = [(b, int(u)) for b in range(depth) for u in np.argsort(-kurtosis[b], kind="stable")[:per]]
    strongest = sorted(chosen, key=lambda at: -kurtosis[at])[:count]
    return sorted(strongest)


def page(found: Neurons, units: Sequence[tuple[int, int]], command: str = "") -> str:
    """Return the page's text."""
    dead = found.dead
    facts = {
        "model": found.model,
        "tokens read": f"{found.tokens:,}",
        "units": f"{dead.size:,}",
        "never active": f"{int(dead.sum()):,}",
        "shown": f"{len(units)}",
    }
    return document(
        "inspect_units.html",
        f"Units of {found.model}",
        style=source("inspect_units.css"),
        model=escape(found.model),
        facts="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items()),
        blocks=_blocks(found),
        cards="".join(_card(found, b, u) for b, u in units),
        command=f"<pre>{escape(command)}</pre>" if command else "",
    )


def _blocks(found: Neurons) -> str:
    figures = found.figures
    rows = []
    for b in range(len(found.dead)):
        active = figures["active_share"][b]
        cells = [
            f"{int(found.dead[b].sum()):,}",
            f"{100 * active.mean():.1f} %",
            f"{np.nanmedian(figures['sd'][b]):.3g}",
            f"{np.nanmedian(figures['kurtosis'][b]):.1f}",
            f"{np.abs(figures['max'][b]).max():.3g}",
        ]
        rows.append(f"<tr><th>{b}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    return "".join(rows)


def _card(found: Neurons, block: int, unit: int) -> str:
    bands = found.bands(block, unit)  # checks that there is such a unit
    figures = {name: float(x[block, unit]) for name, x in found.figures.items()}
    bound = max(abs(figures["min"]), abs(figures["max"])) or 1.0
    told = {
        "mean": f"{figures['mean']:.3g}",
        "sd": f"{figures['sd']:.3g}",
        "kurtosis": f"{figures['kurtosis']:.1f}",
        "active": f"{100 * figures['active_share']:.1f} %",
        "zero": f"{100 * figures['zero_share']:.1f} %",
    }
    groups = [("largest", _kept(found.high[block, unit], found.high_context[block, unit]))]
    groups += [(name, examples) for name, examples in bands.items()]
    groups += [("smallest", _kept(found.low[block, unit], found.low_context[block, unit])[:3])]
    listed = "".join(
        f"<h4>{escape(name)}</h4><ol>{''.join(_example(found, v, ids, bound) for v, ids in examples)}</ol>"
        for name, examples in groups
        if examples
    )
    facts = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in told.items())
    return (
        f'<article class="card unit"><h3>blocks.{block}.mlp unit {unit}</h3><dl class="facts">{facts}</dl>'
        f"{_spread(figures)}{listed}</article>"
    )


def _kept(values: np.ndarray, contexts: np.ndarray) -> list[tuple[float, np.ndarray]]:
    return [(float(v), ids) for v, ids in zip(values, contexts, strict=True) if np.isfinite(v)]


def _example(found: Neurons, value: float, ids: np.ndarray, bound: float) -> str:
    before, token, after = (escape(_visible(part)) for part in found.context(ids))
    side = "up" if value >= 0 else "down"
    level = min(4, 1 + int(4 * abs(value) / bound))
    return f'<li><b>{value:.3g}</b> <q>{before}<mark class="{side} l{level}">{token}</mark>{after}</q></li>'


def _visible(text: str) -> str:
    return text.replace("\n", "⏎").replace("\t", "⇥")


def _spread(figures: dict[str, float]) -> str:
    """Return quantiles as a line on a scale of the cube root, where tails and middle can both be seen."""
    at = np.cbrt([figures[name] for name in QUANTILES])
    low, high = min(at[0], 0.0), max(at[-1], 0.0)
    x = 4 + 292 * (at - low) / ((high - low) or 1.0)
    zero = 4 + 292 * (0 - low) / ((high - low) or 1.0)
    words = ", ".join(f"{name} {figures[name]:.3g}" for name in QUANTILES)
    return (
        f'<svg class="spread" viewBox="0 0 300 22" role="img" aria-label="{words}"><title>{words}</title>'
        f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="2" y2="20"/>'
        f'<line class="range" x1="{x[0]:.1f}" x2="{x[6]:.1f}" y1="11" y2="11"/>'
        f'<rect class="most" x="{x[1]:.1f}" width="{max(x[5] - x[1], 1):.1f}" y="8" height="6"/>'
        f'<rect class="middle" x="{x[2]:.1f}" width="{max(x[4] - x[2], 1):.1f}" y="6" height="10"/>'
        f'<line class="median" x1="{x[3]:.1f}" x2="{x[3]:.1f}" y1="4" y2="18"/></svg>'
    )
