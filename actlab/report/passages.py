"""What of a text units answer to: a page of passages with the token marked, and the strongest as a picture.

Shapes: U units, E examples, T tokens.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import vl_convert

from actlab.explain import Passages, Subject, Target
from actlab.explain.passages import LOWER
from actlab.explain.subject import visible
from actlab.files import write_file
from actlab.report.document import document, source
from actlab.report.neurons import text_line, title_of

LEVELS = 4  # of colour, each side of zero
BEFORE, AFTER = 64, 24  # characters of the picture's passages
WIDTH, LINE, GLYPH = 740, 18, 7.23  # of the picture, in pixels; a glyph of 12 px is 7.23 wide
COLOURS = ("#c4540a", "#1f6fb5")
SHADES = (0.14, 0.28, 0.45, 0.65)
SHOWN = 4  # passages of each unit in the picture
TOKENS = 6  # told of each unit


@dataclass(frozen=True, eq=False)
class Reading:
    """All there is to show of one target of a model of texts. Compares by identity.

    Args:
        subject: the model.
        target: its units.
        passages: what of ``data`` they answer to.
        data: (N, T) tokens.
        source: what the data are.
        command: the command that made this.

    """

    subject: Subject
    target: Target
    passages: Passages
    data: np.ndarray
    source: str
    command: str = ""

    @property
    def title(self) -> str:
        """What the units are, like ``blocks.1.mlp.act, before the activation``."""
        return title_of(self.target)

    def token(self, number: int) -> str:
        """Return a token as it is shown: its text, or its number where that is not known."""
        text = self.subject.token_text
        return text[number] if text else f"{number} "

    def level(self, unit: int, value: float) -> int:
        """Return how strongly to colour a value, from -4 to 4: shares of the unit's least or greatest."""
        low, high = self.passages.extremes[unit]
        bound = high if value > 0 else -low
        share = abs(value) / bound if bound > 0 else 0.0
        return int(np.sign(value)) * min(LEVELS, int(share * (LEVELS + 1)))


def write_readings(reading: Reading, path: Path) -> Path:
    """Write one page of every unit that needs no network and no script.

    Raises:
        InputError: ``path`` cannot be written.

    """
    return write_file(path, page(reading).encode())


def write_picture(reading: Reading, path: Path, *, scale: float = 2.0) -> Path:
    """Draw the strongest passages of every unit as a PNG file.

    Raises:
        InputError: ``path`` cannot be written.

    """
    return write_file(path, vl_convert.svg_to_png(picture(reading), scale=scale))


def write_numbers(reading: Reading, path: Path) -> Path:
    """Write places and scores as an npz file.

    Raises:
        InputError: ``path`` cannot be written.

    """
    p, buffer = reading.passages, io.BytesIO()
    np.savez(
        buffer,
        labels=np.array(reading.target.labels),
        bands=np.array(p.bands),
        text=p.index,
        position=p.position,
        scores=p.scores,
        values=p.values,
        quantiles=p.quantiles,
        extremes=p.extremes,
        mean_by_token=p.means,
    )
    return write_file(path, buffer.getvalue())


def page(r: Reading) -> str:
    """Return the page's text."""
    looked, there = r.passages.texts
    facts = {
        "model": r.subject.name,
        "units": f"{len(r.target.labels)}",
        "texts": f"{looked:,}" + (f" of {there:,}, evenly spread" if looked < there else ""),
        "tokens": f"{looked * r.data.shape[1]:,}",
    }
    whole = r.passages.position[0, 0] < 0
    where = (
        "The unit has one value for a whole text."
        if whole
        else "The token with the score is framed, pale is what comes after it in the same text; colours are the "
        "unit's values at every token, orange up to its greatest, blue down to its least."
    )
    return document(
        "passages.html",
        f"{r.subject.name}: {r.title}",
        style=source("passages.css"),
        heading=escape(r.title),
        model=escape(r.subject.name),
        facts="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items()),
        lead=escape(f"Passages of {r.source}, by how strongly each unit answers. {where}"),
        cards="".join(_card(r, u) for u in range(len(r.target.labels))),
        command=f'<div class="command"><pre>{escape(r.command)}</pre></div>' if r.command else "",
    )


def _card(r: Reading, u: int) -> str:
    p, label = r.passages, r.target.labels[u]
    facts = {"greatest": p.extremes[u, 1]}
    facts |= {f"{q * 100:g} %": v for q, v in zip(LOWER, p.quantiles[u], strict=True)}
    facts |= {"least": p.extremes[u, 0]}
    rows, before = [], ""
    for e, band in enumerate(p.bands):
        first = ' class="first"' if band != before else ""
        name = band if band != before else ""
        rows.append(
            f'<tr{first}><th scope="row">{escape(name)}</th><td class="score">{p.scores[u, e]:.3g}</td>'
            f'<td class="text">{_marked(r, u, e)}</td></tr>'
        )
        before = band
    told = "".join(f"<div><dt>{k}</dt><dd>{v:.3g}</dd></div>" for k, v in facts.items())
    return (
        f'<article class="card unit"><h3>{escape(label)}</h3><dl class="facts">{told}</dl>{_tokens(r, u)}'
        f'<table class="places"><tbody>{"".join(rows)}</tbody></table></article>'
    )


def _tokens(r: Reading, u: int) -> str:
    """Return which tokens have the greatest means, in a line."""
    top = strongest_tokens(r, u)
    if not top:
        return ""
    told = ", ".join(f"<b>{escape(name)}</b> {mean:.3g}" for name, mean in top)
    return f'<p class="legend">Greatest means by token: {told}</p>'


def strongest_tokens(r: Reading, u: int) -> list[tuple[str, float]]:
    """Return the tokens with the greatest means of a unit, and these."""
    means = r.passages.means[u]
    order = [int(i) for i in np.argsort(-np.nan_to_num(means, nan=-np.inf)) if np.isfinite(means[i])]
    return [(visible(r.token(i)), float(means[i])) for i in order[:TOKENS]]


def _marked(r: Reading, u: int, e: int) -> str:
    """Return a passage as HTML: neighbours of one colour together, the token in a frame."""
    p = r.passages
    tokens, at, values = r.data[p.index[u, e]], int(p.position[u, e]), p.values[u, e]
    parts: list[tuple[str, str]] = []
    for i, token in enumerate(tokens):
        level = r.level(u, float(values[i])) if len(values) > 1 else 0
        names = [f"{'t' if level > 0 else 'b'}{abs(level)}"] if level else []
        names += ["after"] if 0 <= at < i else []
        shown = escape(r.token(token)).replace("\n", "↵\n")
        if i == at:
            parts.append(("mark", f'<mark class="{" ".join(names)}">{shown.strip(chr(10)) or "↵"}</mark>'))
        elif parts and parts[-1][0] == " ".join(names):
            parts[-1] = (parts[-1][0], parts[-1][1] + shown)
        else:
            parts.append((" ".join(names), shown))
    return "".join(
        text if name == "mark" else f'<span class="{name}">{text}</span>' if name else text
        for name, text in parts
    )


def picture(r: Reading) -> str:
    """Return the strongest passages of every unit as SVG."""
    shown = min(SHOWN, r.passages.bands.count("strongest"))
    block = (shown + 1) * LINE + 26
    height = 60 + len(r.target.labels) * block
    looked, there = r.passages.texts
    told = "of" if looked == there else f"of {looked:,} of"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text_line(12, 22, f"{r.subject.name}: {r.title}", 15, "600"),
        text_line(
            12,
            40,
            f"strongest passages, {told} {r.source}; framed: the token with the score",
            11,
            colour=SOFT,
        ),
    ]
    for u, label in enumerate(r.target.labels):
        y = 72 + u * block
        named = "  ".join(f"{name} {mean:.2g}" for name, mean in strongest_tokens(r, u))
        parts.append(text_line(12, y, label, 12, "600"))
        if named:  # in the font of the passages, which has the signs
            parts.append(_mono(150, y, f"greatest means by token: {named}", 10, SOFT))
        for e in range(shown):
            below = y + (e + 1) * LINE
            parts.append(text_line(12, below, f"{r.passages.scores[u, e]:.3g}", 12, colour=SOFT))
            parts.append(_line(r, u, e, 72, below))
    return "".join([*parts, "</svg>"])


SOFT = "#56606c"


def _line(r: Reading, u: int, e: int, x: int, y: int) -> str:
    """Return one passage in a line, around its token."""
    p = r.passages
    tokens, at, values = r.data[p.index[u, e]], int(p.position[u, e]), p.values[u, e]
    shown = [visible(r.token(t)) if i == at else r.token(t).replace("\n", "↵") for i, t in enumerate(tokens)]
    ends = np.cumsum([len(s) for s in shown])
    middle = int(ends[max(at, 0)])
    start = max(0, middle - BEFORE)
    boxes, glyphs = [], []
    for i, word in enumerate(shown):
        first = int(ends[i]) - len(word) - start
        if first < 0 or first + len(word) > BEFORE + AFTER:
            continue
        left, width = x + first * GLYPH, len(word) * GLYPH
        level = r.level(u, float(values[i])) if len(values) > 1 else 0
        if level:
            boxes.append(
                f'<rect x="{left:.1f}" y="{y - 13}" width="{width:.1f}" height="16" '
                f'fill="{COLOURS[level < 0]}" fill-opacity="{SHADES[abs(level) - 1]}"/>'
            )
        if i == at:
            boxes.append(
                f'<rect x="{left:.1f}" y="{y - 13}" width="{width:.1f}" height="16" fill="none" stroke="#1b2129"/>'
            )
        glyphs.append(_mono(left, y, word, 12, "#1b2129", 0.55 if 0 <= at < i else 1.0))
    return "".join(boxes + glyphs)


def _mono(x: float, y: int, words: str, size: int, colour: str, opacity: float = 1.0) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-family="DejaVu Sans Mono, monospace" '
        f'xml:space="preserve" fill="{colour}" fill-opacity="{opacity}">{escape(words)}</text>'
    )
