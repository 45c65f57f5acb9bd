"""The evidence on which activation to choose, at each learning rate and at the best one, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from actlab.compare import Condition, Study, everywhere, sentence
from actlab.compare.answer import listed, show
from actlab.compare.factors import short
from actlab.report import compare_charts as charts
from actlab.report.explain_page import Explanation


def explanation(study: Study, found: Sequence[Condition], key: str, what: str) -> Explanation:
    """Return the page: ``study`` has every level at its own best value of ``key``, ``found`` all at each value."""
    name = short(key, [key]).replace("_", " ")
    views = [charts.ranking_view(study), *charts.sensitivity_views(study), charts.pair_view(study)]
    said = [
        f"Each at its own best {name}: {study.answer}",
        everywhere(found, name),
        *(sentence(one, name) for one in found),
    ]
    written = show(study.metric)
    rows = [
        [
            f"{one.value:g}" if isinstance(one.value, float) else str(one.value),
            one.best or "–",
            written(one.study.ranking.levels[0].score) if one.best else "–",
            listed(one.tied, most=8) or "–",
            listed(one.worse, most=8) or "–",
        ]
        for one in found
    ]
    return Explanation(
        kind="choose",
        title=f"Which activation: {what}",
        lead=" ".join(said),
        views=[view for view in views if view is not None],
        caption=f"At each {name} (family-wise error 5 % over all of them)",
        heading=(name, "best mean", study.metric.name, "not told apart from it", "told to be worse"),
        table=rows,
    )
