"""Colours of the charts, light and dark: every scale is told apart without red and green."""

from __future__ import annotations

from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

VIRIDIS = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"]


OVERLAY = {
    "light": ["#1f6fb5", "#c4540a", "#008264", "#b0468f", "#1b2129", "#a67a00", "#5b4bb5"],
    "dark": ["#6db3f0", "#ff9d52", "#4fd1a5", "#f08fd0", "#eceff3", "#f5c46b", "#a99cff"],
}
"""Lines of several functions: after Okabe and Ito, told apart by every kind of eye; then dashes begin."""


def _theme(
    ink: str, soft: str, line: str, card: str, sets: list[str], records: list[str], slope: str, band: str
) -> dict[str, Any]:
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": soft,
            "titleColor": soft,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "labelLimit": 130,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": soft,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "symbolStrokeWidth": 2,
            "offset": 8,
        },
        "title": {"color": ink, "subtitleColor": soft, "anchor": "start", "fontSize": 13, "fontWeight": 600},
        "range": {"category": sets, "ordinal": records, "heatmap": VIRIDIS, "ramp": records},
        "style": {
            "curve": {"color": ink, "strokeWidth": 2},
            "derivative": {"color": slope, "strokeWidth": 1.8, "strokeDash": [5, 3]},
            "curvature": {"color": sets[0]},
            "zero": {"color": line},
            "ridge": {"stroke": card, "strokeWidth": 1},
            "limit": {"color": ink, "strokeWidth": 1.4, "strokeDash": [4, 4]},
            "limit_name": {"color": ink, "fontSize": 11},
            "band": {"color": band, "opacity": 1},
            "event": {"color": soft, "strokeWidth": 1, "opacity": 0.5},
        },
    }


LIGHT = _theme(
    "#1b2129",
    "#56606c",
    "#dfe3e8",
    "#ffffff",
    ["#1f6fb5", "#c4540a"],
    ["#a9b4bf", "#56a3dc", "#0b4f91"],
    "#c4540a",
    "#e9f2ea",
)
DARK = _theme(
    "#eceff3",
    "#a7b0bb",
    "#343b44",
    "#1c2127",
    ["#6db3f0", "#ff9d52"],
    ["#6b7784", "#4795d6", "#bfe0ff"],
    "#ff9d52",
    "#22302a",
)
