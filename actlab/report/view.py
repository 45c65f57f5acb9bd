"""A chart with its data: one definition that the page draws in a browser and vl-convert draws as a picture.

Specifications hold ``{"expr": name}`` where a width, a domain or a list of ticks belongs; :func:`filled`
puts the values in, as ``page.js`` does in the browser. So many sites share one specification, and widths
follow the window.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np

Table = dict[str, Any]

CONCAT_MARGIN = 128
"""Pixels that axes and gaps take in a chart of two panels; kept equal to the one in page.js."""

HALVES_MARGIN = 100
"""The same in a chart of two equal panels, of which only the left has an axis at its side."""


@dataclass(frozen=True)
class View:
    """A Vega-Lite specification, the values it leaves open, its tables, and the words around it."""

    title: str
    spec: dict[str, Any]
    tables: dict[str, Table]
    caption: str
    values: dict[str, Any] = field(default_factory=dict)
    label: str = ""


def specification(
    chart: alt.TopLevelMixin, shares: tuple[str, str] = ("left", "right"), **signals: Any
) -> dict[str, Any]:
    """Return a chart as a dictionary without configuration or schema address, its widths left open.

    ``signals`` become parameters of the chart, which expressions name and the page can set; a value may be
    left open as ``{"expr": name}``. Of two panels, ``shares`` names the widths (see :func:`widths`).
    """
    # The definitions are fixed and every one is drawn in the tests, so validating each is time without use.
    spec = chart.to_dict(validate=False)
    for key in ("config", "$schema"):
        spec.pop(key, None)
    if "hconcat" in spec:
        for panel, share in zip(spec["hconcat"], shares, strict=True):
            panel["width"] = {"expr": share}
    else:
        spec["width"] = {"expr": "width"}
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    if signals:
        spec["params"] = [{"name": name, "value": value} for name, value in signals.items()]
    return spec


def widths(total: float) -> dict[str, float]:
    """Return the widths of a chart and of its panels, where it has two, for ``total`` pixels."""
    inner = total - CONCAT_MARGIN
    return {
        "width": total,
        "left": math.floor(inner * 0.7),
        "right": math.floor(inner * 0.3),
        "half": math.floor((total - HALVES_MARGIN) / 2),
    }


def filled(spec: Any, values: Mapping[str, Any]) -> Any:
    """Return ``spec`` with every ``{"expr": name}`` that ``values`` knows replaced."""
    if isinstance(spec, dict):
        if len(spec) == 1 and spec.get("expr") in values:
            return copy.deepcopy(values[spec["expr"]])
        return {key: filled(value, values) for key, value in spec.items()}
    if isinstance(spec, list):
        return [filled(value, values) for value in spec]
    return spec


def complete(view: View, total: float) -> dict[str, Any]:
    """Return the specification of ``view`` with all values and rows in it, ``total`` pixels wide."""
    spec = filled(view.spec, {**view.values, **widths(total)})
    spec["datasets"] = {name: rows(table) for name, table in view.tables.items()}
    return spec


def rows(table: Table) -> list[dict[str, Any]]:
    """Return a table's rows, as ``page.js`` does.

    Of a grid one a cell; of histograms two corners a bin; of lines one a point, with what ``keys`` says of
    its line and ``marks`` of its place; of columns one a row.
    """
    if "lines" in table:
        return [
            {
                "x": table["x"][i],
                "value": None if cell == "!" else cell,
                "bad": cell == "!",
                **{name: values[row] for name, values in table["keys"].items()},
                **{name: values[i] for name, values in table["marks"].items()},
            }
            for row, line in enumerate(table["lines"])
            for i, cell in enumerate(line)
            if cell is not None
        ]
    if "cells" in table:
        steps, edges = table["steps"], table["edges"]
        return [
            {
                "site": site,
                "step": steps[i],
                "from": edges[i],
                "to": edges[i + 1] + table["overlap"],
                "value": None if cell == "!" else cell,
                "bad": cell == "!",
            }
            for site, line in zip(table["sites"], table["cells"], strict=True)
            for i, cell in enumerate(line)
            if cell is not None
        ]
    if "heights" in table:
        return [
            {"record": record, "height": height, "at": low + width * (i + corner)}
            for record, low, width, heights in zip(
                table["records"], table["low"], table["width"], table["heights"], strict=True
            )
            for i, height in enumerate(heights)
            for corner in (0.02, 0.98)
        ]
    names = list(table)
    return [dict(zip(names, row, strict=True)) for row in zip(*table.values(), strict=True)]


def brief(values: Sequence[float] | np.ndarray, digits: int = 4) -> list[float]:
    """Return floats rounded to significant digits, whole numbers as int, to keep the page small."""
    short = (float(f"{value:.{digits}g}") for value in np.asarray(values, dtype=float))
    return [int(value) if value == int(value) and abs(value) < 1e9 else value for value in short]


def cells(line: np.ndarray, digits: int = 4) -> list:
    """Return a row for the page: numbers, None where nothing was recorded, "!" where it was not finite."""
    found: list = [None] * len(line)
    for i in np.flatnonzero(np.isinf(line)):
        found[i] = "!"
    good = np.flatnonzero(np.isfinite(line))
    for i, value in zip(good, brief(line[good], digits), strict=True):
        found[i] = value
    return found


def spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the indices 0..count-1, evenly spread, the first and the last among them.

    >>> spread(5, 3), spread(2, 3)
    ([0, 2, 4], [0, 1])
    """
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def some_of(drawn: int, count: int, thing: str = "site") -> str:
    """Return the sentence on what is left out where not all are drawn, else "".

    >>> some_of(24, 60), some_of(3, 3)
    ('24 of 60 sites are drawn, evenly spread over the depth.', '')
    """
    return f"{drawn} of {count:,} {thing}s are drawn, evenly spread over the depth." if drawn < count else ""


def groups(count: int, most: int) -> list[np.ndarray]:
    """Return indices 0..count-1 in at most ``most`` neighbouring groups of nearly equal size."""
    return np.array_split(np.arange(count), min(count, most)) if count else []
