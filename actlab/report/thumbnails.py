"""Inputs drawn small, as fragments of SVG: images as they are, signals as lines, vectors as bars.

Shapes: H and W of an image, S of a signal, D of a vector.
"""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from actlab.explain import Subject
from actlab.report.png import png

OPTIMUM, DATA = "#c4540a", "#1f6fb5"


def thumbnail(
    subject: Subject, x: np.ndarray, side: int, *, found: bool = False, at: tuple[int, int] = (0, 0)
) -> str:
    """Return an SVG element of ``side`` x ``side`` that shows one input of ``subject``.

    Args:
        subject: whose input it is: its kind says how to draw it, its bounds are the picture's.
        x: the input.
        side: in pixels; images that are larger are averaged down by a whole factor.
        found: whether it is an optimum, which has a colour of its own, or of the data.
        at: where the element stands.

    """
    place = f'x="{at[0]}" y="{at[1]}" width="{side}" height="{side}"'
    if subject.kind == "image":
        data = base64.b64encode(png(pixels(subject, x, side))).decode()
        return f'<image {place} href="data:image/png;base64,{data}" image-rendering="pixelated"/>'
    colour = OPTIMUM if found else DATA
    low, high = subject.low, subject.high
    if (
        subject.kind == "signal"
    ):  # its bound is a ball, which reaches past the data's least and greatest value
        low, high = min(np.min(low), x.min()), max(np.max(high), x.max())
    heights = 2 + 96 * (1 - np.broadcast_to((x - low) / np.maximum(np.subtract(high, low), 1e-12), x.shape))
    if subject.kind == "signal":
        across = np.linspace(2, 98, len(x))
        points = " ".join(f"{u:.1f},{v:.1f}" for u, v in zip(across, heights, strict=True))
        drawn = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
    else:
        width = 96 / len(x)
        drawn = "".join(
            f'<rect x="{2 + i * width:.2f}" y="{v:.2f}" width="{0.8 * width:.2f}" height="{98 - v:.2f}" '
            f'fill="{colour}"/>'
            for i, v in enumerate(heights)
        )
    frame = '<rect x="0.5" y="0.5" width="99" height="99" fill="none" stroke="#8a949f" stroke-opacity="0.5"/>'
    return f'<svg {place} viewBox="0 0 100 100" preserveAspectRatio="none">{frame}{drawn}</svg>'


def framed(subject: Subject, x: np.ndarray, side: int, label: str, *, found: bool = False) -> str:
    """Return a thumbnail as an element of its own in a page, with words for those who do not see it."""
    inner = thumbnail(subject, x, side, found=found)
    return (
        f'<svg class="thumb" width="{side}" height="{side}" viewBox="0 0 {side} {side}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{inner}</svg>'
    )


def pixels(subject: Subject, x: np.ndarray, side: int) -> np.ndarray:
    """Return an image input (H, W), (H, W, 1) or (H, W, 3) as uint8 of about ``side`` pixels, whole factors only.

    Of other numbers of channels the mean is drawn.
    """
    share = np.clip((x - subject.low) / (np.asarray(subject.high) - subject.low), 0, 1)
    if share.ndim == 3 and share.shape[2] != 3:
        share = share.mean(2)
    height, width = share.shape[:2]
    down, up = max(max(height, width) // side, 1), max(side // max(height, width), 1)
    if down > 1:
        cut = share[: height // down * down, : width // down * down]
        share = cut.reshape(height // down, down, width // down, down, *share.shape[2:]).mean((1, 3))
    grown = np.repeat(np.repeat(share, up, 0), up, 1)
    return np.round(255 * grown).astype(np.uint8)
