"""Linear probes by depth as charts and a table."""

from __future__ import annotations

import altair as alt

from actlab.explain.separability import FEATURES, MOST, Depth
from actlab.report.explain_page import Explanation
from actlab.report.numbers import percent
from actlab.report.view import View, specification


def explanation(depth: Depth, name: str) -> Explanation:
    """Return the page of how well a line tells classes apart after each layer of the run ``name``."""
    averaged = [n for n, mean in zip(depth.names, depth.averaged, strict=True) if mean]
    (a, b), (all_a, all_b) = depth.drawn, depth.there
    notes = [f"On {a:,} of {all_a:,} training samples and {b:,} of {all_b:,} test samples."]
    if averaged:
        notes.append(
            f"Averaged over positions, having more than {FEATURES:,} features: {', '.join(averaged)}."
        )
    if depth.left_out:
        notes.append(f"Left out, having more than {MOST:,} features: {', '.join(depth.left_out)}.")
    return Explanation(
        kind="probe",
        title=f"Linear probes by depth: {name}",
        lead="Logistic regression fitted to what each place holds of training samples, and judged on test samples: "
        "how far the network has come there in making the classes linear. A step between pre and post is the "
        "activation's own doing. " + " ".join(notes),
        views=[_chart(depth)],
        caption="In figures",
        heading=("", "features", "training accuracy", "test accuracy"),
        table=[
            [place, f"{d:,}" + (" (mean over positions)" if mean else ""), percent(p.train), percent(p.test)]
            for place, d, mean, p in zip(
                depth.names, depth.features, depth.averaged, depth.probes, strict=True
            )
        ]
        + [["network itself", "", "", percent(depth.network)]],
    )


def _chart(depth: Depth) -> View:
    count = len(depth.names)
    table = {
        "place": list(depth.names) * 2,
        "order": list(range(count)) * 2,
        "split": ["test"] * count + ["training"] * count,
        "accuracy": [round(p.test, 4) for p in depth.probes] + [round(p.train, 4) for p in depth.probes],
    }
    x = alt.X("place:N", sort=list(depth.names), axis=alt.Axis(title=None, labelAngle=-40))
    y = alt.Y("accuracy:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format=".0%", tickCount=5))
    splits = alt.Scale(domain=["test", "training"])
    legend = alt.Legend(title=None, orient="top")
    line = (
        alt.Chart(alt.NamedData("probes"))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=alt.Color("split:N", scale=splits, legend=legend),
            tooltip=["place:N", "split:N", alt.Tooltip("accuracy:Q", format=".1%")],
        )
    )
    rule = alt.Chart(alt.NamedData("network")).mark_rule(strokeDash=[4, 4]).encode(y=alt.Y("accuracy:Q"))
    spec = specification(alt.layer(rule, line).properties(height=300))
    return View(
        "Accuracy of a linear probe",
        spec,
        {"probes": table, "network": {"accuracy": [round(depth.network, 4)]}},
        "Dashed: the network itself on the test samples.",
        label="accuracy of a linear probe by depth",
    )
