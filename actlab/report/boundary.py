"""The page of decision boundaries: films of networks that learn points of the plane, side by side, and a picture."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from actlab.explain.boundary import Film
from actlab.files import write_file
from actlab.report.bundle import vegalite_version
from actlab.report.document import document, source
from actlab.report.numbers import percent
from actlab.report.theme import LIGHT, OVERLAY
from actlab.report.view import brief

LEVELS = 32  # of sureness in the page: 7 classes, the most there are, times 32 go into a byte
SIDE = 190  # of a panel of the picture, in pixels


def write_boundary(
    folder: Path, films: Sequence[tuple[str, Film]], *, data: str, command: str
) -> tuple[Path, Path]:
    """Write ``boundary.html`` and ``boundary.png`` into ``folder``, which is made; return their paths.

    Args:
        folder: where to.
        films: by label.
        data: name of the data set.
        command: what made them.

    Raises:
        InputError: the folder cannot be written to.

    """
    page, picture = Path(folder) / "boundary.html", Path(folder) / "boundary.png"
    image = vl_convert.vegalite_to_png(
        drawing(films, data),
        vl_version=vegalite_version(),
        scale=1.5,
        config=LIGHT | {"background": "white"},
        allowed_base_urls=[],
    )
    return write_file(page, text(films, data, command)), write_file(picture, image)


def text(films: Sequence[tuple[str, Film]], data: str, command: str) -> str:
    """Return the page."""
    return document(
        "boundary.html",
        f"Decision boundaries on {data}",
        style=source("boundary.css"),
        code=source("boundary.js"),
        data=escape(data),
        command=escape(command),
        cards="".join(_card(label, one, i) for i, (label, one) in enumerate(films)),
        table=_table(films),
        payload=_payload(films),
    )


def _card(label: str, film: Film, i: int) -> str:
    panels = "".join(
        f'<figure><canvas data-layer="{k}" width="360" height="360" role="img" aria-label="{escape(name)}"></canvas>'
        f"<figcaption><b>{escape(_short(name))}</b> <span></span></figcaption></figure>"
        for k, name in enumerate(("the plane", *film.layers[1:]))
    )
    return (
        f'<section class="card film" data-film="{i}" aria-label="{escape(label)}"><h2>{escape(label)} '
        f'<small></small></h2><div class="panels">{panels}'
        '<figure class="course"><canvas data-course width="560" height="360" role="img" '
        'aria-label="probe accuracy over training"></canvas>'
        "<figcaption>accuracy of probes and network over training</figcaption></figure></div></section>"
    )


def _short(name: str) -> str:
    return name.removesuffix(".act")


def _table(films: Sequence[tuple[str, Film]]) -> str:
    """Return how well a line tells the classes apart after each layer, at the end, as a table."""
    most = max((film.layers for _, film in films), key=len)
    head = "".join(f"<th>{escape(_short(name))}</th>" for name in most)
    body = "".join(
        f"<tr><th>{escape(label)}</th>"
        + "".join(f"<td>{percent(v)}</td>" for v in film.probes[-1])
        + "<td></td>" * (len(most) - len(film.layers))
        + f"<td>{percent(film.accuracy[-1])}</td></tr>"
        for label, film in films
    )
    return f"<table><thead><tr><th></th>{head}<th>network</th></tr></thead><tbody>{body}</tbody></table>"


def _payload(films: Sequence[tuple[str, Film]]) -> str:
    value = {
        "films": [_encoded(label, film) for label, film in films],
        "colours": OVERLAY,
    }
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _encoded(label: str, film: Film) -> dict[str, Any]:
    low = 1 / film.num_classes
    level = np.round((film.sure - low) / (1 - low) * (LEVELS - 1)).clip(0, LEVELS - 1)
    points = np.round(film.points * 127).astype(np.int8)
    return {
        "label": label,
        "steps": film.steps.tolist(),
        "grid": film.classes.shape[1],
        "map": _base64((film.classes * LEVELS + level).astype(np.uint8)),
        "layers": film.layers,
        "points": _base64(points),
        "samples": len(film.labels),
        "labels": film.labels.tolist(),
        "shown": brief(film.shown, 3),
        "probes": [brief(row, 4) for row in film.probes],
        "accuracy": brief(film.accuracy, 4),
        "extent": brief(film.extent, 6),
        "inputs": [brief(row, 4) for row in film.inputs],
    }


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def drawing(films: Sequence[tuple[str, Film]], data: str) -> dict[str, Any]:
    """Return the last frames as one Vega-Lite specification: a row each, the decision map, then every layer."""
    rows = [alt.hconcat(_map(label, film), *_layers(film)) for label, film in films]
    title = alt.Title(
        f"{data}: decision and hidden layers after training",
        subtitle=[
            "layers in the plane of their two principal axes, with the accuracy of a linear probe on all of a layer"
        ],
        fontSize=18,
        subtitleFontSize=13,
        offset=14,
    )
    spec = alt.vconcat(*rows).properties(title=title, padding=20).to_dict(validate=False)
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return spec


def _colour(film: Film) -> alt.Color:
    count = film.num_classes
    scale = alt.Scale(domain=[str(k) for k in range(count)], range=OVERLAY["light"][:count])
    return alt.Color("class:N", scale=scale, legend=None)


def _map(label: str, film: Film) -> alt.Chart:
    x0, x1, y0, y1 = film.extent
    g = film.classes.shape[1]
    low = 1 / film.num_classes
    xs, ys = np.linspace(x0, x1, g + 1), np.linspace(y0, y1, g + 1)
    cells = [
        {
            "x": float(xs[j]),
            "x2": float(xs[j + 1]),
            "y": float(ys[i]),
            "y2": float(ys[i + 1]),
            "class": str(film.classes[-1, i, j]),
            "sure": round(float((film.sure[-1, i, j] - low) / (1 - low)), 3),
        }
        for i in range(g)
        for j in range(g)
    ]
    sides = {"axis": None}
    ground = (
        alt.Chart(alt.InlineData(cells))
        .mark_rect(clip=True)
        .encode(
            x=alt.X("x:Q", scale=alt.Scale(domain=[x0, x1], nice=False), **sides),
            x2="x2:Q",
            y=alt.Y("y:Q", scale=alt.Scale(domain=[y0, y1], nice=False), **sides),
            y2="y2:Q",
            color=_colour(film),
            opacity=alt.Opacity("sure:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.6]), legend=None),
        )
    )
    title = alt.Title(label, subtitle=f"network {percent(film.accuracy[-1])}")
    return ground.properties(width=SIDE, height=SIDE, title=title)


def _layers(film: Film) -> list[alt.Chart]:
    charts = []
    for k, name in enumerate(film.layers):
        points = [
            {"x": round(float(x), 4), "y": round(float(y), 4), "class": str(c)}
            for (x, y), c in zip(film.points[-1, k], film.labels, strict=True)
        ]
        axis = {"scale": alt.Scale(domain=[-1.05, 1.05], nice=False), "axis": None}
        chart = (
            alt.Chart(alt.InlineData(points))
            .mark_circle(size=16, opacity=0.8)
            .encode(x=alt.X("x:Q", **axis), y=alt.Y("y:Q", **axis), color=_colour(film))
        )
        title = alt.Title(_short(name), subtitle=f"probe {percent(film.probes[-1, k])}")
        charts.append(chart.properties(width=SIDE, height=SIDE, title=title))
    return charts
