"""Curves in a terminal: dots of braille, eight to a character, or stars where there is no Unicode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

if TYPE_CHECKING:
    from actlab.report.sampling import Curves

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] in a braille character
STYLES = ("bold", "magenta")  # readable on dark and on light; off a terminal the dashes tell f' from f
_DASH = 6  # dots, half of them drawn


def plot(curves: Curves, width: int = 60, height: int = 16, *, unicode: bool = True) -> list[Text]:
    """Return lines of text: f solid, f' dashed, axes at 0, the window's corners named.

    Args:
        curves: what to draw, through its own window.
        width: characters across, labels not counted.
        height: lines.
        unicode: braille and box characters; else ASCII.
    """
    low, high = curves.window
    reach = curves.reach
    layers = [np.zeros((4 * height, 2 * width), bool) for _ in range(2)]

    # The characters of the axis have their line in the middle: there 0 must lie.
    scale = (4 * height - 1) / (high - low)
    shift = round((high * scale - 1.6) / 4) * 4 + 1.6 - high * scale

    def row(y: float) -> float:
        return (high - y) * scale + shift

    at = np.linspace(-reach, reach, 2 * width)
    for order in (k for k in (0, 1) if k in curves.drawn):
        for piece in curves.pieces():
            x, y = curves.x[piece], curves.values[order][piece]
            inside = np.flatnonzero((at >= x[0]) & (at <= x[-1]))
            _stroke(layers[order], inside, row(np.interp(at[inside], x, y)), dashed=order == 1)

    zero = round(row(0.0)) // 4 if low < 0 < high else None
    middle = width // 2
    bar, dash, cross = "│─┼" if unicode else "|-+"
    labels = {0: _short(high), height - 1: _short(low), **({} if zero is None else {zero: "0"})}
    margin = max(map(len, labels.values()))
    lines = []
    for i in range(height):
        line = Text(f"{labels.get(i, ''):>{margin}} ", style="dim")
        for j in range(width):
            bits = [_bits(layer[4 * i : 4 * i + 4, 2 * j : 2 * j + 2]) for layer in layers]
            if any(bits):
                order = 0 if bits[0] else 1
                mark = chr(0x2800 | bits[0] | bits[1]) if unicode else "*."[order]
                line.append(mark, style=STYLES[order])
            else:
                axis = {(True, True): cross, (True, False): dash, (False, True): bar}.get(
                    (i == zero, j == middle)
                )
                line.append(axis or " ", style="dim")
        line.rstrip()
        lines.append(line)
    left, right = _short(-reach), _short(reach)
    across = f"{left}{'0':^{max(1, width - 2 * len(left))}}{right:>{len(left)}}"
    lines.append(Text(" " * (margin + 1) + across, style="dim"))
    return lines


def _stroke(layer: np.ndarray, columns: np.ndarray, rows: np.ndarray, *, dashed: bool) -> None:
    """Set the dots of a curve, neighbouring columns joined."""
    most = len(layer) - 1
    for k, column in enumerate(columns):
        if dashed and column % _DASH >= _DASH // 2:
            continue
        near = [rows[k]] + [(rows[k] + rows[n]) / 2 for n in (k - 1, k + 1) if 0 <= n < len(columns)]
        top, bottom = round(float(min(near))), round(float(max(near)))
        if bottom >= 0 and top <= most:
            layer[max(top, 0) : min(bottom, most) + 1, column] = True


def _bits(dots: np.ndarray) -> int:
    return sum(_DOTS[i][j] for i, j in zip(*np.nonzero(dots), strict=True))


def _short(value: float) -> str:
    return f"{value:.2g}"


def legend(curves: Curves, unicode: bool, words: Callable[[str], str]) -> Text:
    """Return the line that says what is drawn how."""
    solid, dashed = ("⠤⠤⠤", "⠤ ⠤") if unicode else ("***", "...")
    told: Sequence[tuple[str, str]] = ((solid, "f"), (dashed, "f′"))
    line = Text()
    for order, (mark, name) in enumerate(told):
        if order in curves.drawn:
            line.append(f"{mark} ", style=STYLES[order]).append(f"{words(name)}   ")
    away = "" if 1 in curves.drawn else "f′ lies outside mostly"
    line.append(words(", ".join(t for t in (curves.words, away) if t)), style="dim")
    line.rstrip()
    return line
