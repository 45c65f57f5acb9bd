"""The page of a run: one file that a browser shows without any network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from actlab.files import write_file
from actlab.report import events, sections, words
from actlab.report.bundle import javascript
from actlab.report.charts import line_view, parameter_views
from actlab.report.curves import curves
from actlab.report.depth import depth_views
from actlab.report.document import document, source
from actlab.report.findings import findings
from actlab.report.heatmaps import heatmap_views
from actlab.report.histograms import histogram_note, histogram_ranges, histogram_views
from actlab.report.learnt import curve_views
from actlab.report.ridgelines import ridge_views
from actlab.report.theme import DARK, LIGHT
from actlab.report.trends import attention_views, ratio_view, trend_views
from actlab.report.units import unit_views
from actlab.report.view import View
from actlab.runs import Run, read_run
from actlab.stability import Diagnosis, detect, diagnose


def write_report(folder: Path, *, cache: Path | None = None) -> Path:
    """Write ``report.html`` into a run folder, whole or not at all, and return its path.

    ``cache`` is where the charts' JavaScript is kept between calls, actlab's own cache folder if None. Raises
    InputError where the folder is not a run, has nothing recorded, holds damaged files or is read-only.
    """
    run = read_run(Path(folder))
    text = page(run, javascript(cache), diagnose(run), detect(run))
    return write_file(run.folder / "report.html", text)


def page(run: Run, bundle: str, diagnosis: Diagnosis, detected: Sequence[Any] = ()) -> str:
    """Return the page's text; ``bundle`` is the JavaScript that defines ``vegaEmbed``.

    ``diagnosis`` and the events ``detected`` in the run's records come from ``actlab.stability``.
    """
    drawn, sentence = curves(run, histogram_ranges(run))
    happened = events.happenings(run, detected)
    lines = [line_view(run, "loss", events.marks(happened)), line_view(run, "accuracy")]
    profiles, stops = depth_views(run)
    ridges, ridge_note = ridge_views(run)
    units, unit_note = unit_views(run)
    ratio = ratio_view(run)
    charts = {
        "training": [view for view in lines if view is not None],
        "depth": profiles,
        "heatmaps": heatmap_views(run),
        "histograms": histogram_views(run, drawn),
        "ridges": ridges,
        "parameters": parameter_views(run),
        "learnt": curve_views(run),
        "trends": [*([ratio] if ratio else []), *trend_views(run)],
        "attention": attention_views(run),
        "units": units,
    }
    views = [view for group in charts.values() for view in group]
    place = {id(view): i for i, view in enumerate(views)}
    cards = {name: [sections.card(view, place[id(view)]) for view in group] for name, group in charts.items()}
    title = words.title(run)
    return document(
        "page.html",
        title,
        bundle=bundle,
        code=source("chart.js", "page.js"),
        heading=escape(title[:1].upper() + title[1:] if title.startswith("a ") else title),
        folder=escape(str(run.folder)),
        state=words.state(run),
        state_words=escape(words.STATES.get(words.state(run), "state unknown")),
        facts=sections.facts(run),
        banner=sections.banner(run),
        findings=findings(diagnosis.findings, diagnosis.unjudged, diagnosis.judged),
        sites=sections.site_table(run),
        training=sections.training(cards["training"], events.listing(happened)),
        depth=sections.depth(cards["depth"], stops),
        heatmaps=sections.heatmaps("".join(cards["heatmaps"])),
        histograms=sections.histograms(cards["histograms"], sentence, histogram_note(run)),
        ridges=sections.ridges(cards["ridges"], ridge_note),
        parameters=sections.parameters(cards["parameters"], cards["learnt"]),
        trends=sections.trends(cards["trends"]),
        attention=sections.attention(cards["attention"]),
        units=sections.units(cards["units"], unit_note),
        details=sections.details(run),
        payload=payload(views),
    )


def payload(views: Sequence[View], light: dict[str, Any] = LIGHT, dark: dict[str, Any] = DARK) -> str:
    """Return specifications, each once, and the views' data as JSON that cannot end its script element."""
    specs: dict[str, int] = {}
    listed: list[dict[str, Any]] = []
    for view in views:
        spec = specs.setdefault(json.dumps(view.spec, sort_keys=True), len(specs))
        name = "".join(c if c.isalnum() else "_" for c in view.title)
        listed.append(
            {"spec": spec, "values": view.values, "tables": view.tables, "label": view.label, "name": name}
        )
    text = json.dumps(
        {
            "specs": [json.loads(spec) for spec in specs],
            "views": listed,
            "themes": {"light": light, "dark": dark},
        },
        separators=(",", ":"),
        allow_nan=False,
    )
    return text.replace("<", "\\u003c")
