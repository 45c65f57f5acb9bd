"""A page of a few charts and one table, and the same charts as a picture: what several explanations share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import vl_convert

from actlab.files import write_file
from actlab.report.bundle import javascript, vegalite_version
from actlab.report.compare_charts import THEMES
from actlab.report.document import document, source
from actlab.report.page import payload
from actlab.report.picture import panel
from actlab.report.sections import card
from actlab.report.view import View


class Explanation(NamedTuple):
    """What a page says: ``kind`` names it and its files, ``table`` is a heading and rows of text."""

    kind: str
    title: str
    lead: str
    views: Sequence[View]
    caption: str
    heading: Sequence[str]
    table: Sequence[Sequence[str]]


def write_explanation(
    folder: Path, told: Explanation, *, command: str, cache: Path | None = None
) -> tuple[Path, Path]:
    """Write ``<kind>.html`` and ``<kind>.png`` into ``folder``, which is made; return their paths.

    Raises:
        InputError: the folder cannot be written to.

    """
    page, image = (Path(folder) / f"{told.kind}.{end}" for end in ("html", "png"))
    data = vl_convert.vegalite_to_png(
        drawing(told),
        vl_version=vegalite_version(),
        scale=2.0,
        config=THEMES[0] | {"background": "white"},
        allowed_base_urls=[],
    )
    return write_file(page, text(told, command, javascript(cache))), write_file(image, data)


def text(told: Explanation, command: str, bundle: str) -> str:
    """Return the page; ``bundle`` is the JavaScript that defines ``vegaEmbed``."""
    head = "".join(f"<th>{escape(name)}</th>" for name in told.heading)
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in told.table
    )
    return document(
        "explain.html",
        told.title,
        bundle=bundle,
        code=source("chart.js", "page.js"),
        kind=escape(told.kind),
        heading=escape(told.title),
        lead=escape(told.lead),
        cards="".join(card(view, i) for i, view in enumerate(told.views)),
        caption=escape(told.caption),
        table=f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        command=escape(command),
        payload=payload(told.views, *THEMES),
    )


def drawing(told: Explanation) -> dict[str, Any]:
    """Return the charts in two columns as one Vega-Lite specification."""
    return {
        "title": {"text": told.title, "fontSize": 20, "offset": 16},
        "padding": 24,
        "spacing": 32,
        "concat": [panel(view) for view in told.views],
        "columns": 2,
        "resolve": {"scale": dict.fromkeys(("color", "fill", "strokeDash"), "independent")},
    }
