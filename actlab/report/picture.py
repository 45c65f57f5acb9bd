"""A picture of the page's key charts, from the same definitions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from actlab.errors import InputError
from actlab.files import write_file
from actlab.report import words
from actlab.report.bundle import vegalite_version
from actlab.report.charts import line_view
from actlab.report.curves import curves
from actlab.report.depth import depth_views
from actlab.report.events import happenings, marks
from actlab.report.findings import headline
from actlab.report.heatmaps import heatmap_views
from actlab.report.histograms import histogram_ranges, histogram_views
from actlab.report.numbers import number, percent
from actlab.report.theme import LIGHT
from actlab.report.view import View, complete
from actlab.runs import Run, read_run
from actlab.stability import Finding, diagnose

WIDTH = 520.0


def write_png(folder: Path, path: Path, *, scale: float = 2.0, most_sites: int = 2) -> Path:
    """Draw the key charts in two columns as a PNG file: loss, accuracy, depth, heatmaps, first and last site.

    Raises InputError where the folder is not a run with records, or ``path`` cannot be written.
    """
    run = read_run(Path(folder))
    spec = picture(run, most_sites, diagnose(run).findings)
    data = vl_convert.vegalite_to_png(
        spec,
        vl_version=vegalite_version(),
        scale=scale,
        config=LIGHT | {"background": "white"},
        allowed_base_urls=[],
    )
    return write_file(path, data)


def picture(run: Run, most_sites: int = 2, found: Sequence[Finding] = ()) -> dict[str, Any]:
    """Return one Vega-Lite specification of the key charts in two columns, what was ``found`` in its title."""
    drawn, _ = curves(run, histogram_ranges(run))
    sites = histogram_views(run, drawn)
    if len(sites) > most_sites:
        step = (len(sites) - 1) / max(most_sites - 1, 1)
        sites = [sites[round(i * step)] for i in range(most_sites)]
    lines = [line_view(run, "loss", marks(happenings(run))), line_view(run, "accuracy")]
    profiles, _ = depth_views(run)
    views = [*lines, *profiles[:2], *heatmap_views(run), *sites]
    chosen = [view for view in views if view is not None]
    if not chosen:
        raise InputError(f"{run.folder} has no metrics yet: nothing to draw")
    subtitle = [_score(run)]
    if said := headline(found):
        subtitle.append(said)
    return {
        "title": {
            "text": words.title(run),
            "subtitle": subtitle,
            "fontSize": 20,
            "subtitleFontSize": 14,
            "offset": 16,
        },
        "padding": 24,
        "spacing": 32,
        "concat": [panel(view) for view in chosen],
        "columns": 2,
        "align": "each",
        "resolve": {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")},
    }


def _score(run: Run) -> str:
    """Return the test score in words: of classes the accuracy, else the loss; the run's state before there is one."""
    if (share := run.last("test", "accuracy")) is not None:
        return f"test accuracy {percent(share)}"
    loss = run.last("test", "loss")
    return words.state(run) if loss is None else f"test loss {number(loss)}"


def panel(view: View) -> dict[str, Any]:
    """Return a view as a panel of a larger picture, its data inside its own layers."""
    panel = complete(view, WIDTH)
    # A picture has no signals: what an expression names is written into it.
    for signal in panel.pop("params", []):
        panel = _written(panel, re.compile(rf"\b{signal['name']}\b"), json.dumps(signal["value"]))
    data = panel.pop("datasets")
    panel.pop("autosize", None)
    if "width" in panel:
        panel["width"] = WIDTH - 90
    panel["title"] = view.title
    return _with_data(panel, data)


def _written(node: Any, name: re.Pattern[str], value: str) -> Any:
    """Return ``node`` with a signal's value in place of its name in every filter."""
    if isinstance(node, dict):
        return {
            key: name.sub(value, inner)
            if key == "filter" and isinstance(inner, str)
            else _written(inner, name, value)
            for key, inner in node.items()
        }
    return [_written(inner, name, value) for inner in node] if isinstance(node, list) else node


def _with_data(node: Any, data: dict[str, list]) -> Any:
    """Return ``node`` with every named data set replaced by its rows."""
    if isinstance(node, dict):
        if set(node) == {"name"} and node["name"] in data:
            return {"values": data[node["name"]]}
        return {key: _with_data(value, data) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_data(item, data) for item in node]
    return node
