"""The page's parts as HTML; every text that comes from a run is escaped here."""

from __future__ import annotations

from html import escape
from typing import Any

from actlab.report import numbers, words
from actlab.report.findings import findings as findings
from actlab.report.verdict import VERDICTS
from actlab.report.view import View
from actlab.runs import Run

COLUMNS = (
    ("pre.variance", "Pre variance", numbers.number),
    ("post.variance", "Post variance", numbers.number),
    ("dead_share", "Dead units", numbers.percent),
    ("saturated_share", "Saturated", numbers.percent),
    ("gradient_norm", "Gradient norm", numbers.number),
)

CLASSES = {"healthy": "ok", "no data": "warn", "not finite": "bad"}


def card(view: View, place: int) -> str:
    """Return a chart's frame: its title, the box it is drawn in, and how to read it."""
    caption = f"<figcaption>{escape(view.caption)}</figcaption>" if view.caption else ""
    return (
        f'<figure class="card"><h3>{escape(view.title)}</h3>'
        f'<div class="plot" data-view="{place}" role="group" aria-label="{escape(view.label)}"></div>'
        f"{caption}</figure>"
    )


def facts(run: Run) -> str:
    """Return the header's facts as a list of terms."""
    return "".join(
        f'<div class="{"long" if len(text) > 24 else "short"}"><dt>{escape(name)}</dt>'
        f"<dd>{escape(text)}</dd></div>"
        for name, text in words.facts(run)
    )


def banner(run: Run) -> str:
    """Return what a person must know first about a run that diverged: when and where; else nothing."""
    sentence, message = words.divergence(run)
    if not sentence:
        return ""
    more = f"<p>{escape(message)}</p>" if message else ""
    return f'<div class="banner" role="alert"><strong>{escape(sentence)}</strong>{more}</div>'


def site_table(run: Run) -> str:
    """Return the table that says site by site how the run ended."""
    table = words.site_rows(run)
    if not table:
        return ""
    ill = [row for row in table if row["verdict"] != "healthy"]
    count = f"{len(table)} site{'s' if len(table) != 1 else ''}"
    lead = (
        f"All {count} look healthy at the last record." if len(table) > 1 else "The one site looks healthy."
    )
    if ill:
        named = [f"{row['site']} ({row['verdict']})" for row in ill[:4]]
        more = f" and {len(ill) - 4} more" if len(ill) > 4 else ""
        lead = escape(
            f"{len(ill)} of {count} {'needs' if len(ill) == 1 else 'need'} a look: {', '.join(named)}{more}."
        )
    head = "".join(f'<th scope="col">{name}</th>' for _, name, _ in COLUMNS)
    body = "".join(_site_row(row) for row in table)
    used = dict.fromkeys(row["verdict"] for row in table)
    legend = "; ".join(f"<b>{word}</b>: {VERDICTS[word]}" for word in used)
    return (
        f'<section aria-labelledby="h-sites"><h2 id="h-sites">Site by site</h2><p class="lead">{lead} '
        "Sites stand in forward order; the gradient is that of the layer before the site.</p>"
        '<div class="scroll" role="region" aria-labelledby="h-sites" tabindex="0"><table class="sites">'
        f'<thead><tr><th scope="col">Site</th>{head}<th scope="col" class="word">In a word</th></tr></thead>'
        f'<tbody>{body}</tbody></table></div><p class="legend">{legend}.</p></section>'
    )


def _site_row(row: dict[str, Any]) -> str:
    cells = "".join(
        f'<td data-name="{name}">{escape(show(row.get(key)))}</td>' for key, name, show in COLUMNS
    )
    kind = CLASSES.get(row["verdict"], "warn")
    said = row["verdict"] + (", here first" if row["first"] else "")
    word = f'<td class="word" data-name="In a word"><span class="verdict {kind}">{said}</span></td>'
    return f'<tr><th scope="row">{escape(row["site"])}</th>{cells}{word}</tr>'


def _section(name: str, heading: str, lead: str, body: str) -> str:
    return (
        f'<section aria-labelledby="h-{name}"><h2 id="h-{name}">{heading}</h2>'
        f'<p class="lead">{lead}</p>{body}</section>'
    )


def _grid(cards: list[str], most: int | None = None, thing: str = "site") -> str:
    """Return cards side by side; those beyond the first ``most`` are folded away."""
    first = f'<div class="grid">{"".join(cards[:most])}</div>'
    rest = cards[most:] if most is not None else []
    if not rest:
        return first
    others = f"The other {len(rest)} {thing}{'s' if len(rest) > 1 else ''}"
    folded = f'<summary>{others}</summary><div class="grid">{"".join(rest)}</div>'
    return f'{first}<details class="more">{folded}</details>'


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


def training(cards: list[str], events: str) -> str:
    """Return what stands under the heading of training: loss and accuracy, and the list of events."""
    if not cards:
        return _note("No loss or accuracy was recorded.") + events
    return _grid(cards) + events


def depth(cards: list[str], steps: list[int]) -> str:
    """Return the section of profiles against depth, with the slider that chooses the step of all its charts."""
    if not cards:
        return ""
    lead = (
        "The network from its input (left) to its output (right) at one step. Move the slider, or press play, to see "
        "training pass. Faint: the other steps; dotted: the first."
    )
    slider = (
        '<div class="slider" role="group" aria-label="Step of the charts against depth">'
        '<label for="depth-step">Step</label>'
        f'<input type="range" id="depth-step" min="0" max="{len(steps) - 1}" value="{len(steps) - 1}" '
        f'data-steps="{",".join(map(str, steps))}" aria-valuetext="step {steps[-1]:,}">'
        f'<output for="depth-step">{steps[-1]:,}</output>'
        '<button type="button" id="depth-play" aria-pressed="false">Play</button></div>'
    )
    return _section("depth", "Against depth", lead, f"{slider if len(steps) > 1 else ''}{_grid(cards)}")


def heatmaps(cards: str) -> str:
    """Return the section of site by time."""
    if not cards:
        return ""
    lead = "One row a site or layer, the input at the top; time runs to the right; brighter is more."
    return _section("heatmaps", "Site by site over time", lead, f'<div class="grid">{cards}</div>')


def histograms(cards: list[str], sentence: str, note: str) -> str:
    """Return the section of histograms under the curve; sites beyond the first eight are folded away."""
    if not cards:
        return ""
    under = "" if sentence else ", under the activation f and its derivative f′"
    across = "" if sentence else ", on f's own scale, so a value can be followed up to the curve and across"
    slope = "" if sentence else " Inputs where f′ is near zero pass no gradient."
    lead = (
        f"Left: what goes in, at the first, middle and last record{under}. Right: what comes "
        f"out{across}.{slope} Heights are the root of the count, relative to the fullest bin, so that tails "
        "stay visible; one value in a thousand at each end is cut off."
    )
    heading = "Values in and out" if sentence else "Values under the curve"
    return _section("histograms", heading, lead, _note(sentence) + _note(note) + _grid(cards, 8))


def ridges(cards: list[str], note: str) -> str:
    """Return the section of distributions over time; sites beyond the first four are folded away."""
    if not cards:
        return ""
    lead = (
        "One ridge a record, the first at the top, the newest in front, all on one axis: how what goes in (left) and "
        "what comes out (right) moved and spread while the network learned. Heights are the root of the share, "
        "relative to the fullest place of each ridge."
    )
    return _section("ridges", "Values over time", lead, _note(note) + _grid(cards, 4))


def parameters(cards: list[str], learnt: list[str]) -> str:
    """Return the section of learnt parameters and of the curves they make."""
    if not cards and not learnt:
        return ""
    body = _grid(cards) if cards else ""
    if learnt:
        body += (
            '<p class="lead">The activation itself as learnt at each site, the mean over its units; '
            f"dashed: where it began.</p>{_grid(learnt, 8)}"
        )
    lead = "What training made of the activation's own parameters."
    return _section("parameters", "Learnt parameters", lead, body)


def trends(cards: list[str]) -> str:
    """Return the section of how far and over what ground steps go."""
    if not cards:
        return ""
    lead = "How large steps are, how steep the ground is that they go over, and how far they have come."
    return _section("trends", "Steps and curvature", lead, _grid(cards))


def attention(cards: list[str]) -> str:
    """Return the section of attention."""
    if not cards:
        return ""
    lead = "How widely attention heads look, and how large their scores are."
    return _section("attention", "Attention", lead, _grid(cards))


def units(cards: list[str], note: str) -> str:
    """Return the section of dead units; sites beyond the first six are folded away."""
    if not cards and not note:
        return ""
    lead = "A unit is dead while it lets no gradient through for any sample read."
    if cards:
        lead += " One row a unit; the bar begins where it died and deepens the longer it stays dead."
    said = f'<p class="lead">{escape(note)}</p>' if note else ""
    return _section("units", "Dead units, one by one", lead, (_grid(cards, 6) if cards else "") + said)


def details(run: Run) -> str:
    """Return how to make this run again: the command, the configuration and the versions."""
    command = run.info.get("command")
    made = ""
    if command:
        made = (
            f'<div class="command"><pre><code id="command">{escape(str(command))}</code></pre>'
            '<button type="button" data-copy="command" aria-label="Copy the command">Copy</button></div>'
        )
    versions = run.info.get("versions")
    versions = dict(versions) if isinstance(versions, dict) else {}
    for key, name in (("git_commit", "git commit"), ("device", "device"), ("started", "started")):
        if run.info.get(key):
            versions[name] = run.info[key]
    for key, name in (("compile_time_s", "compile time"),):
        if isinstance(run.info.get(key), int | float):
            versions[name] = numbers.duration(run.info[key])
    groups = {"run": {k: v for k, v in run.config.items() if not isinstance(v, dict)}}
    groups |= {k: v for k, v in run.config.items() if isinstance(v, dict)}
    changed = {text.lstrip("+~").partition("=")[0] for text in run.overrides}
    tables = "".join(
        _table(name, dict(_flat(group)), name, changed) for name, group in groups.items() if group
    )
    if versions:
        tables += _table("versions", {k: words.plain(v) for k, v in versions.items()}, "", set())
    lead = "The command that made this run and its configuration; what the command set is in bold."
    return _section("details", "Make it again", lead, f'{made}<div class="config-grid">{tables}</div>')


def _flat(node: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Return the leaves of a configuration with dotted names."""
    found: list[tuple[str, str]] = []
    for key, value in node.items():
        name = f"{prefix}{key}"
        found += (
            _flat(value, f"{name}.") if isinstance(value, dict) and value else [(name, words.plain(value))]
        )
    return found


def _table(name: str, leaves: dict[str, str], prefix: str, changed: set[str]) -> str:
    def is_set(key: str) -> bool:
        full = key if prefix in ("run", "") else f"{prefix}.{key}"
        return full in changed or (prefix in changed and key in ("name", "_target_"))

    lines = "".join(
        f'<tr class="{"set" if is_set(key) else "default"}"><th scope="row">{escape(key)}</th>'
        f"<td>{escape(text)}</td></tr>"
        for key, text in leaves.items()
    )
    return (
        f'<div class="card"><h3>{escape(name)}</h3><table class="config"><tbody>{lines}</tbody></table></div>'
    )
