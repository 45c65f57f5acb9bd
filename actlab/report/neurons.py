"""What units look for: an atlas as a picture, and a page with the data that they answer to most beside it.

Shapes: U units, V variants, S... a sample, N examples.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import vl_convert

from actlab.explain import Canvas, Examples, Optimum, Recipe, Subject, Target
from actlab.files import write_file
from actlab.report.document import document, source
from actlab.report.thumbnails import framed, thumbnail

SIDE, SMALL, GAP = 128, 40, 4  # of the atlas, in pixels
COLUMNS = 8


@dataclass(frozen=True, eq=False)
class Sheet:
    """All there is to show of one target. Compares by identity.

    Args:
        subject: the model.
        target: its units.
        canvas: what optima were drawn with.
        recipe: how they were found.
        optimum: what was found.
        examples: what of ``data`` the units answer to most.
        data: (N, *S) inputs.
        source: what the data are.
        command: the command that made this.
        seconds: how long the search took, compilation included.

    """

    subject: Subject
    target: Target
    canvas: Canvas
    recipe: Recipe
    optimum: Optimum
    examples: Examples
    data: np.ndarray
    source: str
    command: str = ""
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """What the units are, like ``head.act, before the activation``."""
        return title_of(self.target)


def title_of(target: Target) -> str:
    """Return what a target's units are, in words."""
    if target.site == "logits":
        return "logits"
    return f"{target.site}, {'before' if target.side == 'pre' else 'after'} the activation"


def write_atlas(sheet: Sheet, path: Path, *, scale: float = 2.0) -> Path:
    """Draw the best optimum of every unit, its strongest examples below, as a PNG file.

    Raises:
        InputError: ``path`` cannot be written.

    """
    return write_file(path, vl_convert.svg_to_png(atlas(sheet), scale=scale))


def write_page(sheet: Sheet, path: Path) -> Path:
    """Write one page of every unit that needs no network and no script.

    Raises:
        InputError: ``path`` cannot be written.

    """
    return write_file(path, page(sheet).encode())


def write_arrays(sheet: Sheet, path: Path) -> Path:
    """Write optima and scores as an npz file: inputs (U, V, *S) as the model takes them, scores, labels, examples.

    Raises:
        InputError: ``path`` cannot be written.

    """
    o, e, buffer = sheet.optimum, sheet.examples, io.BytesIO()
    np.savez(
        buffer,
        labels=np.array(sheet.target.labels),
        inputs=o.inputs,
        scores=o.scores,
        start=o.start,
        course=o.course,
        example_index=e.index,
        example_scores=e.scores,
        data_mean=e.mean,
        data_deviation=e.deviation,
    )
    return write_file(path, buffer.getvalue())


def atlas(sheet: Sheet) -> str:
    """Return the atlas as SVG."""
    s, units = sheet, len(sheet.target.labels)
    columns = min(COLUMNS, units)
    shown = min(3, s.examples.index.shape[1])
    tile_w, tile_h = SIDE + 12, SIDE + SMALL + GAP + 44
    width, height = max(columns * tile_w + 12, 420), -(-units // columns) * tile_h + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text_line(12, 22, f"{s.subject.name}: {s.title}", 15, "600"),
        text_line(
            12,
            40,
            f"large: found in {s.recipe.steps} steps; small: strongest of {s.source}",
            11,
            colour="#56606c",
        ),
    ]
    for u, label in enumerate(s.target.labels):
        x, y = 12 + u % columns * tile_w, 56 + u // columns * tile_h
        best, top = s.optimum.scores[u].argmax(), s.examples.scores[u, 0]
        parts += [
            text_line(x, y + 10, _cut(label, 22), 12, "600"),
            text_line(x, y + 24, f"{s.optimum.scores[u, best]:.3g}, data ≤ {top:.3g}", 11, colour="#56606c"),
            thumbnail(s.subject, s.optimum.inputs[u, best], SIDE, found=True, at=(x, y + 30)),
        ]
        for k in range(shown):
            place = (x + k * (SMALL + GAP), y + 30 + SIDE + GAP)
            parts.append(thumbnail(s.subject, s.data[s.examples.index[u, k]], SMALL, at=place))
    return "".join([*parts, "</svg>"])


def page(sheet: Sheet) -> str:
    """Return the page's text."""
    s = sheet
    facts = {
        "model": s.subject.name,
        "units": f"{len(s.target.labels)}",
        "steps": f"{s.recipe.steps}",
        "size": " × ".join(map(str, s.canvas.shape)),
        "drawn as": "random phases on a fixed spectrum"
        if s.canvas.magnitude is not None
        else _drawn(s.canvas),
        "moved by": _moved(s),
        "took": f"{s.seconds:.0f} s",
    }
    above = int(np.sum(s.optimum.scores.max(1) > s.examples.scores[:, 0]))
    return document(
        "neurons.html",
        f"{s.subject.name}: {s.title}",
        style=source("neurons.css"),
        heading=escape(s.title),
        model=escape(s.subject.name),
        facts="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items()),
        lead=escape(
            f"Each input on the left was found by gradient ascent on {_what(s)}; beside it, what of {s.source} "
            f"the unit answers to most. {above} of {len(s.target.labels)} optima score above all of them; scores are "
            "those of the input as it is shown."
        ),
        cards="".join(_card(s, u) for u in range(len(s.target.labels))),
        command=f'<div class="command"><pre>{escape(s.command)}</pre></div>' if s.command else "",
    )


def _card(s: Sheet, u: int) -> str:
    label, o, e = s.target.labels[u], s.optimum, s.examples
    order = np.argsort(-o.scores[u], kind="stable")
    large = SIDE * 3 // 2 if len(order) == 1 else SIDE
    best = [framed(s.subject, o.inputs[u, v], large, f"optimum of {label}", found=True) for v in order]
    seen = [
        f"<figure>{framed(s.subject, s.data[i], 48, f'example of {label}')}"
        f"<figcaption>{score:.3g}</figcaption></figure>"
        for i, score in zip(e.index[u], e.scores[u], strict=True)
    ]
    top, score = e.scores[u, 0], o.scores[u, order[0]]
    gap = (score - top) / e.deviation[u] if e.deviation[u] > 0 else float("inf")
    words = f"{abs(gap):.1f} standard deviations {'above' if gap >= 0 else 'below'} the strongest example"
    flat = '<p class="note">No gradient arrived: the unit is flat where the search began.</p>'
    still = flat if o.still[u].any() else ""
    middle = framed(s.subject, s.data[e.middle[u]], 48, f"a middling example for {label}")
    return (
        f'<article class="card unit"><h3>{escape(label)}</h3><div class="found">{"".join(best)}</div>'
        f'<dl class="facts"><div><dt>optimum</dt><dd>{score:.3g}</dd></div><div><dt>at the start</dt>'
        f"<dd>{o.start[u, order[0]]:.3g}</dd></div><div><dt>data, mean ± sd</dt><dd>{e.mean[u]:.3g} ± "
        f'{e.deviation[u]:.2g}</dd></div></dl><p class="legend">{words}</p>{still}<div class="seen">{"".join(seen)}'
        f'<figure class="middle">{middle}<figcaption>median</figcaption></figure></div></article>'
    )


def _what(s: Sheet) -> str:
    if s.target.site == "logits":
        return "the logit"
    spread = len(s.subject.sites[s.target.site]) > 1
    value = (
        "the value at one position" if s.target.at else "the mean over positions" if spread else "the value"
    )
    return f"{value} {'before' if s.target.side == 'pre' else 'after'} the activation of {s.target.site}"


def _drawn(canvas: Canvas) -> str:
    if not canvas.space:
        return "numbers within their range"
    bound = ", within a ball" if canvas.radius is not None else ""
    return "Fourier coefficients" + (", colours decorrelated" if canvas.colours is not None else bound)


def _moved(s: Sheet) -> str:
    t = s.recipe.transforms
    if not s.canvas.space or not (t.jitter or t.scale or t.rotate):
        return "nothing"
    turn = f", ±{t.rotate:g}°" if s.canvas.space == 2 else ""
    return f"shifts of ±{t.jitter:.1%}, scales of ±{t.scale:.0%}{turn}"


def text_line(x: int, y: int, words: str, size: int, weight: str = "400", colour: str = "#1b2129") -> str:
    """Return a line of text as SVG."""
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">{escape(words)}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
