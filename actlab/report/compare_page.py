"""The page of a comparison: the answer on top, what it rests on below, one file without any network."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import vl_convert

from actlab.compare import Study, behaviour
from actlab.compare.factors import short
from actlab.errors import InputError
from actlab.files import write_file
from actlab.report import compare_charts as charts
from actlab.report import compare_tables as tables
from actlab.report.bundle import javascript, vegalite_version
from actlab.report.document import document, source
from actlab.report.page import payload
from actlab.report.sections import card
from actlab.report.view import View, complete


def write_comparison(study: Study, path: Path, *, cache: Path | None = None) -> Path:
    """Write the page of ``study`` to ``path``, whole or not at all, and return it.

    Raises:
        InputError: ``path`` cannot be written.

    """
    path = Path(path)
    return write_file(path, page(study, javascript(cache), path.parent))


def write_ranking_png(study: Study, path: Path, *, scale: float = 2.0) -> Path:
    """Draw the ranking as a PNG file.

    Raises:
        InputError: no run has a score, or ``path`` cannot be written.

    """
    view = charts.ranking_view(study)
    if view is None:
        raise InputError(f"no run has a {study.metric.name}: nothing to draw")
    spec = complete(view, 640.0) | {"title": view.title, "padding": 16}
    light = charts.THEMES[0] | {"background": "white"}
    data = vl_convert.vegalite_to_png(
        spec, vl_version=vegalite_version(), scale=scale, config=light, allowed_base_urls=[]
    )
    return write_file(path, data)


def page(study: Study, bundle: str, folder: Path) -> str:
    """Return the page's text, to lie in ``folder``; ``bundle`` is the JavaScript that defines ``vegaEmbed``."""
    views: list[View] = []

    def grid(*some: View | None) -> str:
        found = [view for view in some if view is not None]
        cards = "".join(card(view, len(views) + i) for i, view in enumerate(found))
        views.extend(found)
        return f'<div class="grid">{cards}</div>' if found else ""

    sections = [
        _section("ranking", "Ranking", _ranking_lead(study), grid(charts.ranking_view(study), charts.pair_view(study))
            + tables.ranking(study) + _folded(f"All {len(study.ranking.comparisons):,} pairs", tables.pairs(study),
                                              bool(study.ranking.comparisons))),
        _section("curves", "Tuning and training", "How much hangs on the right value, and how the best got there.",
            grid(*charts.sensitivity_views(study), charts.curve_view(study))),
        _section("behaviour", "Stability and cost", _cost_lead(study),
            grid(charts.pareto_view(study, tables.pareto(study))) + tables.behaviours(study)),
        _section("sites", "Site by site", "The same place in every network, side by side.",
            grid(*charts.site_views(study, behaviour.sites(study.at_best(), study.folders)))),
        _section("cells", "Every condition", "",
            _folded("The mean of each level at every condition", tables.cells(study), True)),
        _section("runs", "Runs", "A click on a heading sorts.", tables.runs(study, folder)),
    ]  # fmt: skip
    names = [short(key, study.design.by) for key in study.design.by]
    title = f"{len(study.ranking.levels)} levels of {' × '.join(names)} by {study.metric.name}"
    return document(
        "compare.html",
        title,
        style=source("compare.css"),
        bundle=bundle,
        code=source("chart.js", "page.js", "compare.js"),
        heading=escape(title),
        folder=escape(_root(study)),
        answer=escape(study.answer),
        facts=_facts(study),
        notes=_notes(study),
        sections="".join(sections),
        payload=payload(views, *charts.THEMES),
    )


def _section(name: str, heading: str, lead: str, body: str) -> str:
    if not body:
        return ""
    said = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f'<section aria-labelledby="h-{name}" id="{name}"><h2 id="h-{name}">{heading}</h2>{said}{body}</section>'


def _folded(summary: str, body: str, there: bool) -> str:
    return f'<details class="more"><summary>{escape(summary)}</summary>{body}</details>' if there else ""


def _ranking_lead(study: Study) -> str:
    tuned = [short(key, study.design.tuned).replace("_", " ") for key in study.design.tuned]
    fixed = [short(key, study.design.fixed).replace("_", " ") for key in study.design.fixed]
    lead = f"Each level at its own best {', '.join(tuned)}" if tuned else "Each level as it was run"
    return lead + (f", the mean over every {', '.join(fixed)}." if fixed else ".")


def _cost_lead(study: Study) -> str:
    shared = behaviour.cost(study.runs)["shared"].any()
    times = (
        "Runs shared a program, so a run's times are those of all that ran beside it: they do not compare levels."
        if shared
        else "Times are medians over finished runs, as they were when each ran: another load is another time."
    )
    lost = (
        " Lost to wrong rates: the mean test loss above the best over the rates tried (Wortsman et al. 2023)."
    )
    shared_at = study.shared_condition()
    at = f" The shared condition, {shared_at[0]}, suits all levels best on average." if shared_at else ""
    return times + (lost if tables.wortsman(study) else "") + at


def _facts(study: Study) -> str:
    count: dict[str, int] = dict(study.runs["state"].value_counts(sort=True).iter_rows())
    facts = [("Runs", f"{len(study.runs) + sum(f not in study.runs['folder'] for f in study.problems):,}")]
    facts += [(state.capitalize(), f"{n:,}") for state, n in count.items()]
    seeds: Any = study.runs.filter("used")["seed"].n_unique()
    facts += [("Levels", str(len(study.ranking.levels))), ("Seeds", str(seeds))]
    facts += [
        (
            short(k, [*study.design.tuned, *study.design.fixed]).replace("_", " "),
            f"{len(set(study.design.keys[k]))} values",
        )
        for k in (*study.design.tuned, *study.design.fixed)
    ]
    return "".join(f'<div class="short"><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>' for a, b in facts)


def _notes(study: Study) -> str:
    lines = "".join(f"<li>{escape(note)}</li>" for note in study.notes)
    return f'<section class="notes" aria-label="What to know"><ul>{lines}</ul></section>' if lines else ""


def _root(study: Study) -> str:
    paths = [str(folder) for folder in study.folders]
    return os.path.commonpath(paths) if len({os.path.isabs(p) for p in paths}) == 1 else os.getcwd()
