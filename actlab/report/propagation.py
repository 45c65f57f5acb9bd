"""The signal of networks by depth before training, variant beside variant, and what training made of them."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from actlab.explain.propagation import Propagation, disagreements
from actlab.report.explain_page import Explanation
from actlab.report.gallery import DASHES
from actlab.report.numbers import number, percent
from actlab.report.view import View, brief, specification

Told = Sequence[tuple[str, Propagation]]
BAND = (0.1, 0.9)  # quantiles over initialisations


def explanation(told: Told, model: str, data: str) -> Explanation:
    """Return the page of what became of a signal in several networks, by label; ``model`` and ``data`` name them."""
    seeds = len(told[0][1].q)
    some = f"median of {seeds} initialisations, band: 10 % to 90 % of them"
    if any(one.theory for _, one in told):
        some += (
            "; circles: what theory expects of wide networks, bars: two standard deviations of one input, or "
            "pair, in one network of this width"
        )
    quantities = [
        ("Variance", "mean square of the pre-activations", "q", True),
        ("Cosine", "mean cosine of two inputs: 1 where all inputs look alike", "c", False),
        ("Gradient", "rms of the loss's gradient, against the last site's", "g", True),
    ]
    views = [_lines(told, title, f"{words}; {some}.", name, log) for title, words, name, log in quantities]
    views += [_bars(told)] if any(len(one.scores) for _, one in told) else []
    return Explanation(
        kind="network",
        title=f"Signal through depth: {model} on {data}",
        lead="What the first step finds: a signal that dies or grows with depth, inputs that become alike, a "
        "gradient that does not arrive; beside it, what training then did. A chart says what to expect, not what "
        "must be: normalisation, skip connections and Adam's scaling repair much of it.",
        views=views,
        caption="In figures",
        heading=(
            "",
            "variance, last site",
            "cosine, last site",
            "gradient, first / last",
            "theory",
            f"test {told[0][1].quantity} after training",
        ),
        table=[_row(label, one) for label, one in told],
    )


def _row(label: str, one: Propagation) -> list[str]:
    q, c, g = (_quantiles(v, 0.5)[0] for v in (one.q, one.c, one.relative))
    cosine = f"{c[-1]:.3f}" if np.isfinite(c[-1]) else "nothing arrives"
    slope = number(float(g[0])) if np.isfinite(g[0]) else "none at the last"
    return [label, number(float(q[-1])), cosine, slope, agreement(one), trained(one)]


def agreement(one: Propagation) -> str:
    """Return in words whether the initialisations do what theory expects: where not, the place farthest off."""
    if one.theory is None:
        return f"none: {one.reason}"
    found = disagreements(one)
    if not found:
        return "agrees"
    worst = max(found, key=lambda d: d.errors)
    places = f", and {len(found) - 1} more places" if len(found) > 1 else ""
    return (
        f"differs: {worst.quantity} at {worst.site} {number(worst.measured)}, theory "
        f"{number(worst.expected)}{places}"
    )


def trained(one: Propagation) -> str:
    """Return what training reached, in words."""
    good = one.scores[np.isfinite(one.scores)]
    if not len(one.scores):
        return "not trained"
    lost = len(one.scores) - len(good)
    said = f"{lost} of {len(one.scores)} diverged" if lost else ""
    if not len(good):
        return said
    written = percent if one.quantity == "accuracy" else number
    middle = written(float(good.mean()))
    spread = f" ({written(float(good.min()))} to {written(float(good.max()))})" if len(good) > 1 else ""
    return f"{middle}{spread}" + (f", {said}" if said else "")


def _quantiles(values: np.ndarray, *at: float) -> list[np.ndarray]:
    """Return quantiles over seeds (L,), NaN where no seed has a value."""
    out = np.full((len(at), values.shape[1]), np.nan)
    some = np.isfinite(values).any(0)
    out[:, some] = np.nanquantile(np.where(np.isfinite(values), values, np.nan)[:, some], at, axis=0)
    return list(out)


def _drawn(values: np.ndarray) -> list[float | None]:
    return [brief([v])[0] if np.isfinite(v) else None for v in values]


def _lines(told: Told, title: str, caption: str, name: str, log: bool) -> View:
    table: dict[str, list] = {key: [] for key in ("variant", "depth", "site", "middle", "low", "high")}
    for label, one in told:
        values = one.relative if name == "g" else getattr(one, name)
        values = np.where(values > 0, values, np.nan) if log else values  # a signal that is gone
        low, middle, high = (_drawn(v) for v in _quantiles(values, BAND[0], 0.5, BAND[1]))
        count = len(one.sites)
        table["variant"] += [label] * count
        table["depth"] += range(1, count + 1)
        table["site"] += one.sites
        for key, column in (("low", low), ("middle", middle), ("high", high)):
            table[key] += column
    theory = _expected(told, name, log)
    names = [label for label, _ in told]
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    axis = alt.Axis(title=None, format="~g" if not log else ".0e", tickCount=5)
    y = alt.Y("middle:Q", scale=scale, axis=axis)
    x = alt.X(
        "depth:Q",
        scale=alt.Scale(nice=False),
        axis=alt.Axis(title="site", tickMinStep=1, format="d", grid=False),
    )
    legend = alt.Legend(
        title=None, orient="top", symbolType="stroke", symbolSize=300, columns=3, labelLimit=300
    )
    colour = alt.Color("variant:N", scale=alt.Scale(domain=names), legend=legend)
    dash = alt.StrokeDash("variant:N", scale=alt.Scale(domain=names, range=DASHES), legend=legend)
    base = alt.Chart(alt.NamedData("sites")).encode(x=x, color=colour)
    band = base.mark_area(fillOpacity=0.15, strokeOpacity=0).encode(
        y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2).encode(
        y=y,
        strokeDash=dash,
        tooltip=[
            alt.Tooltip("variant:N", title=" "),
            alt.Tooltip("site:N"),
            *(alt.Tooltip(f"{key}:Q", format=".3~g") for key in ("middle", "low", "high")),
        ],
    )
    layers, tables = [line, band], {"sites": table}
    if theory["variant"]:
        expected = alt.Chart(alt.NamedData("theory")).encode(x=x, color=colour)
        layers += [
            expected.mark_rule(strokeWidth=1, opacity=0.6).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
            expected.mark_point(size=28, filled=False, strokeWidth=1.2).encode(
                y=alt.Y("expected:Q", scale=scale),
                tooltip=["variant:N", "site:N", alt.Tooltip("expected:Q", format=".3~g", title="theory")],
            ),
        ]
        tables["theory"] = theory
    chart = alt.layer(*layers).properties(height=260)
    return View(f"{title} by depth", specification(chart), tables, caption, label=f"{title} by depth")


def _expected(told: Told, name: str, log: bool) -> dict[str, list]:
    """Return what theory expects of each variant by site, and two standard deviations of one network on each side."""
    table: dict[str, list] = {key: [] for key in ("variant", "depth", "site", "expected", "low", "high")}
    for label, one in told:
        if (t := one.theory) is None:
            continue
        value = {"q": t.q, "c": t.c, "g": t.gradient}[name]
        sd = {"q": t.q_sd, "c": t.c_sd, "g": t.gradient_sd * t.gradient}[name]
        low, high = value - 2 * sd, value + 2 * sd
        if log:  # what is below 0 is drawn down to a tenth
            low, value = np.maximum(low, 0.1 * value), np.where(value > 0, value, np.nan)
        else:
            low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
        table["variant"] += [label] * len(one.sites)
        table["depth"] += range(1, len(one.sites) + 1)
        table["site"] += one.sites
        for key, column in (("expected", value), ("low", low), ("high", high)):
            table[key] += _drawn(column)
    return table


def _bars(told: Told) -> View:
    table: dict[str, list] = {"variant": [], "score": []}
    for label, one in told:
        for value in one.scores:
            table["variant"].append(label)
            table["score"].append(None if not np.isfinite(value) else round(float(value), 4))
    names = [label for label, _ in told]
    first, share = told[0][1], told[0][1].quantity == "accuracy"
    base = alt.Chart(alt.NamedData("trained")).encode(
        y=alt.Y("variant:N", sort=names, axis=alt.Axis(title=None, domain=False, ticks=False, labelLimit=220))
    )
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=False)
    x = alt.X("score:Q", scale=scale, axis=alt.Axis(title=None, format=".0%" if share else "~g", tickCount=5))
    colour = alt.Color("variant:N", scale=alt.Scale(domain=names), legend=None)
    dots = base.mark_point(filled=True, size=70, opacity=0.9).encode(
        x=x, color=colour, tooltip=["variant:N", alt.Tooltip("score:Q", format=".1%" if share else ".4~g")]
    )
    rule = alt.Chart(alt.NamedData("chance")).mark_rule(strokeDash=[4, 4]).encode(x=alt.X("score:Q"))
    count = max(len(one.scores) for _, one in told)
    each = "A point for each initialisation trained" if count > 1 else "One initialisation trained"
    dashed = "; dashed: always saying the commonest class" if share else ""
    return View(
        f"Test {first.quantity} after training",
        specification(alt.layer(rule, dots).properties(height=max(120, 26 * len(names)))),
        {"trained": table, "chance": {"score": [first.chance] if share else []}},
        f"{each}{dashed}. No point: it diverged.",
        label=f"test {first.quantity} after training",
    )
