"""The gallery: one page of all activations, to search, to filter and to lay over one another; it needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from actlab.activations import Act, make, names
from actlab.errors import InputError
from actlab.files import write_file
from actlab.report import gallery_cards
from actlab.report.bundle import javascript
from actlab.report.document import document, source
from actlab.report.gallery_cards import Entry
from actlab.report.sampling import Curves, curves
from actlab.report.theme import DARK, LIGHT, OVERLAY
from actlab.report.view import brief, specification


def write_gallery(
    folder: Path,
    chosen: Sequence[str] = (),
    *,
    cache: Path | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``index.html`` into ``folder``, which is made, and return its path.

    Args:
        folder: where to.
        chosen: names of activations; all that are listed if there are none.
        cache: where the charts' JavaScript is kept between calls, actlab's own cache folder if None.
        told: called with how many activations are done, and of how many.

    Raises:
        InputError: there is no such listed activation, or the folder cannot be written to.
    """
    acts = sorted({make(name) for name in (chosen or names())}, key=lambda act: act.name)
    for act in acts:
        if act.spec is None:
            raise InputError(f"the gallery shows listed activations; actlab show {act.name} shows your own")
    entries = []
    for i, act in enumerate(acts):
        entries.append(entry(act))
        if told is not None:
            told(i + 1, len(acts))
    return write_file(Path(folder) / "index.html", page(entries, javascript(cache)))


def entry(act: Act) -> Entry:
    """Return an activation with its curves; the page must be possible whatever one of them does."""
    try:
        return Entry(act, curves(act))
    except InputError as error:
        return Entry(act, None, str(error))


def page(entries: list[Entry], bundle: str) -> str:
    """Return the page's text; ``bundle`` is the JavaScript that defines ``vegaEmbed``."""
    return document(
        "gallery.html",
        "Activation functions",
        style=source("gallery.css"),
        bundle=bundle,
        code=source("chart.js", "gallery.js"),
        count=len(entries),
        filters=gallery_cards.filters(entries),
        sorts=gallery_cards.sorts(),
        legend=gallery_cards.legend(),
        cards="".join(gallery_cards.card(e, i) for i, e in enumerate(entries)),
        measured=gallery_cards.how_measured(),
        payload=_payload(entries),
    )


def _payload(entries: list[Entry]) -> str:
    """Return the charts and their data as JSON that cannot end its script element."""
    text = json.dumps(
        {
            "card": card_chart(),
            "overlay": overlay_chart(),
            "themes": {"light": LIGHT, "dark": DARK},
            "colours": OVERLAY,
            "functions": [_data(e) for e in entries],
        },
        separators=(",", ":"),
        allow_nan=False,
    )
    return text.replace("<", "\\u003c")


def _data(e: Entry) -> dict[str, Any]:
    found = {"name": e.act.name, "sort": gallery_cards.sort_keys(e)}
    if e.curves is not None:
        c = e.curves
        found |= {
            "x": brief(c.x, 6),
            "y": [brief(np.clip(v, -1e6, 1e6), 4) for v in c.values],
            "starts": list(c.starts),
            "reach": c.reach,
            "window": brief(c.window, 3),
            "drawn": list(c.drawn),
            "marks": [[k, at, v] for k, at, v in marks(e.act, c)],
        }
    return found


def marks(act: Act, c: Curves) -> Iterator[tuple[int, float, float]]:
    """Return the values taken at jumps and the derivatives chosen at kinks: order, where, value."""
    if act.spec is None or not act.elementwise:
        return
    spec = act.spec.at(**dict(act.params))
    inside = [*((0, j.at, j.value) for j in spec.jumps), *((1, k.at, k.chosen) for k in spec.kinks)]
    for order, at, value in inside:
        if c.x[0] <= at <= c.x[-1] and math.isfinite(value):
            yield order, at, value


DASHES = [dash for dash in ([1, 0], [6, 3], [2, 2]) for _ in OVERLAY["light"]]


def card_chart() -> dict[str, Any]:
    """Return the chart of one activation: f, f' and f'', with open x, y, colours and tables."""
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=alt.ExprRef("x"), nice=False),
        axis=alt.Axis(title=None, tickCount=5, grid=False, labelFlush=False),
    )
    y = alt.Y(
        "v:Q",
        scale=alt.Scale(domain=alt.ExprRef("y"), nice=False),
        axis=alt.Axis(title=None, tickCount=5, grid=False),
    )
    orders = ["f", "f′", "f″"]
    colour = alt.Color("o:N", scale=alt.Scale(domain=orders, range="category"), legend=None)
    dash = alt.StrokeDash("o:N", scale=alt.Scale(domain=orders, range=[[1, 0], [6, 3], [2, 2]]), legend=None)
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_line(clip=True, strokeWidth=2, point="transparent")
        .encode(
            x=x,
            y=y,
            color=colour,
            strokeDash=dash,
            detail="p:N",
            tooltip=[
                alt.Tooltip("o:N", title=" "),
                alt.Tooltip("x:Q", format=".4~g"),
                alt.Tooltip("v:Q", title="value", format=".4~g"),
            ],
        )
    )
    dots = (
        alt.Chart(alt.NamedData("marks"))
        .mark_point(clip=True, filled=True, size=32, opacity=1)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("o:N", title="taken"),
                alt.Tooltip("x:Q", format=".4~g"),
                alt.Tooltip("v:Q", title="value", format=".4~g"),
            ],
        )
    )
    return specification(alt.layer(*_axes(), lines, dots).properties(height=184))


def overlay_chart() -> dict[str, Any]:
    """Return the chart of several activations, one order of derivative: names, colours and dashes open."""
    axis = alt.Axis(title=None, tickCount=8, gridOpacity=0.6)
    x = alt.X("x:Q", scale=alt.Scale(domain=alt.ExprRef("x"), nice=False), axis=axis)
    y = alt.Y("v:Q", scale=alt.Scale(domain=alt.ExprRef("y"), nice=False), axis=axis)
    domain = alt.ExprRef("names")
    legend = alt.Legend(
        title=None, orient="top", symbolType="stroke", symbolSize=300, columns=alt.ExprRef("columns")
    )
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_line(clip=True, strokeWidth=2, point="transparent")
        .encode(
            x=x,
            y=y,
            color=alt.Color("n:N", scale=alt.Scale(domain=domain, range="category"), legend=legend),
            strokeDash=alt.StrokeDash("n:N", scale=alt.Scale(domain=domain, range=DASHES), legend=legend),
            detail="p:N",
            tooltip=[
                alt.Tooltip("n:N", title=" "),
                alt.Tooltip("x:Q", format=".4~g"),
                alt.Tooltip("v:Q", title="value", format=".4~g"),
            ],
        )
    )
    return specification(alt.layer(*_axes(), lines)) | {"height": {"expr": "height"}}


def _axes() -> list[alt.Chart]:
    """Return thin lines at x = 0 and at y = 0."""
    style = {"strokeWidth": 1, "clip": True, "tooltip": None, "style": "zero"}
    zero = alt.Chart(alt.NamedData("zero"))
    return [
        zero.mark_rule(**style).encode(
            x=alt.X("zero:Q", scale=alt.Scale(domain=alt.ExprRef("x"), nice=False))
        ),
        zero.mark_rule(**style).encode(
            y=alt.Y("zero:Q", scale=alt.Scale(domain=alt.ExprRef("y"), nice=False))
        ),
    ]
