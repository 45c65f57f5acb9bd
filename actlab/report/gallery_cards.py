"""The gallery's cards and filters as HTML; every text is escaped here."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from actlab.activations import Act, Spec
from actlab.activations.references import cite
from actlab.errors import InputError
from actlab.report import datasheet
from actlab.report.datasheet import number, units
from actlab.report.rivals import jax_rival
from actlab.report.sampling import Curves
from actlab.theory import Facts, known

ABOVE = (
    "parameters",
    "autodiff's f′",
    "range",
    "monotonic",
    "smoothness",
    "kinks",
    "jumps",
    "limits",
    "Lipschitz",
    "at 0",
    "unit normal in",
    "backward keeps",
    "lean",
)
BELOW = ("random", "fixed points", "elsewhere", "differs", "identities")

FLAGS = {
    "monotonic": "never decreasing",
    "bounded": "bounded",
    "nonnegative": "never negative",
    "zero": "f(0) = 0",
    "centred": "mean 0 for a unit normal",
    "contracting": "Lipschitz constant 1 or less",
    "learnable": "learnable parameters",
    "lean": "lean possible",
    "output": "keeps its output alone",
    "random": "random",
    "surrogate": "surrogate derivative",
    "jax": "also in jax",
    "torch": "also in PyTorch",
}
SMOOTHNESS = {"jumps": "jumping", "C0": "kinked (C0)", "C1": "C1", "C2": "C2", "Cinf": "smooth (all orders)"}
SORTS = {
    "name": "name",
    "family": "family",
    "year": "year",
    "lipschitz": "Lipschitz constant",
    "gain": "gain",
    "error": "float32 error of f′",
}
_LINK = re.compile(r"(arXiv:)(\d{4}\.\d{4,5})|(doi:)(10\.[^\s;,]+)")


@dataclass(frozen=True)
class Entry:
    """An activation of the gallery: its curves, or why there are none."""

    act: Act
    curves: Curves | None
    why: str = ""

    @cached_property
    def spec(self) -> Spec:
        """The facts at the parameters."""
        return self.act.spec.at(**dict(self.act.params))

    @cached_property
    def facts(self) -> Facts | None:
        """What follows from the formula; None where nothing does."""
        try:
            return known(self.act.name)
        except InputError:
            return None

    @cached_property
    def flags(self) -> frozenset[str]:
        """Which of `FLAGS` hold."""
        spec, told, keeps = self.spec, self.facts, datasheet.keeps(self.act)
        holds = {
            "monotonic": spec.elementwise and spec.monotonic,
            "bounded": math.isfinite(spec.range.low) and math.isfinite(spec.range.high),
            "nonnegative": spec.range.low >= 0,
            "zero": told is not None and told.at_zero == 0,
            "centred": told is not None and abs(told.mean) < 1e-12,
            "contracting": spec.lipschitz <= 1,
            "learnable": any(p.continuous for p in spec.parameters),
            "lean": datasheet.lean(self.act)[0] == "yes",
            "output": keeps is not None and keeps.what in ("output", "nothing"),
            "random": spec.stochastic,
            "surrogate": bool(spec.surrogate),
            "jax": "jax" in dict(spec.peers),
            "torch": "torch" in dict(spec.peers),
        }
        return frozenset(name for name, yes in holds.items() if yes)


def sort_keys(e: Entry) -> dict[str, Any]:
    """Return what the page sorts by; None goes last."""
    error = datasheet.measured()["functions"].get(e.act.name, {}).get("float32", {}).get("actlab", [])
    year = re.search(r"\b(1[89]\d\d|20\d\d)\b(?!\.)", e.spec.reference)
    keys = {
        "name": e.act.name,
        "family": e.spec.family,
        "year": int(year[1]) if year else None,
        "lipschitz": e.spec.lipschitz,
        "gain": e.facts.gain if e.facts else None,
        "error": error[1] if len(error) > 1 else None,
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in keys.items()}


def card(e: Entry, place: int) -> str:
    """Return an activation's card."""
    spec, name = e.spec, e.act.name
    told = {row.name: row.lines for row in datasheet.rows(e.act, e.curves)}
    also = f" also {escape(', '.join(spec.aliases))}" if spec.aliases else ""
    kind = "" if spec.elementwise else f" · {escape(datasheet.kind_words(spec))}"
    flags = " ".join(sorted(e.flags))
    search = " ".join(
        [
            name,
            *spec.aliases,
            spec.family,
            spec.kind,
            spec.formula,
            spec.reference,
            *(v for _, v in spec.peers),
        ]
        + [p.name for p in spec.parameters]
    ).lower()
    below = _terms(told, BELOW)
    return (
        (
            f'<article class="card fn" id="{name}" data-place="{place}" data-family="{escape(spec.family)}" '
            f'data-kind="{spec.kind}" data-smooth="{spec.smoothness}" data-flags="{flags}" '
            f'data-search="{escape(search)}" aria-labelledby="h-{name}">'
            f'<header><h3 id="h-{name}"><a href="#{name}">{name}</a></h3>{_pick(e)}</header>'
            f'<p class="sub"><span class="tag">{escape(spec.family)}</span>{also}{kind}</p>'
            f"{_plot(e, place)}"
            f'<p class="formula"><code>{escape(spec.formula)}</code></p>'
            f'<dl class="props">{_terms(told, ABOVE)}</dl>'
            f"<details><summary>Accuracy, memory{', elsewhere' if below else ''}, BibTeX</summary>"
            f"{_numbers(e)}<dl class='props'>{below}</dl><pre>{escape(cite(e.act))}</pre></details>"
            f'<p class="reference">{_linked(spec.reference)}</p></article>'
        )
        .replace("<dl class='props'></dl>", "")
        .replace("<dl class='props'>", '<dl class="props">')
    )


def _pick(e: Entry) -> str:
    if e.curves is None:
        return ""
    return (
        f'<button type="button" class="pick" data-name="{e.act.name}" aria-pressed="false" '
        f'aria-label="Overlay {e.act.name}">Overlay</button>'
    )


def _plot(e: Entry, place: int) -> str:
    if e.curves is None:
        return f'<p class="note">{escape(e.why)}</p>'
    c = e.curves
    away = [datasheet.ORDERS[k] for k in range(3) if k not in c.drawn]
    words = [w for w in (c.words, f"{' and '.join(away)} lie outside" if away else "") if w]
    caption = escape("; ".join(words))
    label = f"{e.act.name}, its first and its second derivative from {-c.reach:g} to {c.reach:g}"
    return (
        f'<div class="plot" data-place="{place}" role="img" aria-label="{escape(label)}"></div>'
        f'<p class="drawn">{caption}</p>'
    )


def _terms(told: dict[str, tuple[str, ...]], chosen: tuple[str, ...]) -> str:
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{'<br>'.join(map(escape, told[name]))}</dd></div>"
        for name in chosen
        if name in told
    )


def _numbers(e: Entry) -> str:
    """Return the table of measured errors and of bytes kept, jax's function beside ours."""
    spec, by_dtype = e.spec, datasheet.measured()["functions"].get(e.act.name, {})
    rival = jax_rival(spec)
    memory = {"actlab": datasheet.keeps(e.act)}
    if rival:
        memory[rival[0]] = datasheet.keeps(rival[1])
    body = ""
    for who, found in memory.items():
        cells = ""
        for dtype in ("float32", "bfloat16"):
            errors = by_dtype.get(dtype, {}).get(who, [])
            cells += "".join(f"<td>{units(errors[k]) if k < len(errors) else '–'}</td>" for k in (0, 1))
        size = (
            "–" if found is None else "0" if found.what in ("output", "nothing") else number(found.bytes, 3)
        )
        body += f'<tr><th scope="row">{escape(who)}</th>{cells}<td>{size}</td></tr>'
    heads = "".join(f'<th scope="col">{order}</th>' for order in ("f", "f′"))
    stated = "".join(
        f"<li>Stated exception: {escape(x.dtype)} {datasheet.ORDERS[x.order]}, {number(x.units, 3)} units: "
        f"{escape(x.why)}</li>"
        for x in spec.inexact
    )
    return (
        '<div class="wide"><table class="numbers"><thead><tr><th rowspan="2" scope="col">error in units</th>'
        '<th colspan="2" scope="colgroup">float32</th><th colspan="2" scope="colgroup">bfloat16</th>'
        '<th rowspan="2" scope="col">kept</th></tr><tr>'
        f"{heads}{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        + (f'<ul class="stated">{stated}</ul>' if stated else "")
    )


def _linked(reference: str) -> str:
    """Return a reference with its arXiv numbers and DOIs as links."""

    def link(found: re.Match) -> str:
        kind, number = (found[1], found[2]) if found[1] else (found[3], found[4])
        site = "https://arxiv.org/abs/" if found[1] else "https://doi.org/"
        return f'<a rel="noreferrer" href="{site}{number}">{kind}{number}</a>'

    return _LINK.sub(link, escape(reference))


def filters(entries: list[Entry]) -> str:
    """Return the drop-down lists and the check boxes, with how many activations each would leave."""
    families = Counter(e.spec.family for e in entries)
    kinds = Counter(e.spec.kind for e in entries)
    smooth = Counter(e.spec.smoothness for e in entries)
    order = sorted(smooth, key=lambda s: (s != "jumps", s))
    flags = Counter(flag for e in entries for flag in e.flags)
    boxes = "".join(
        f'<label class="flag"><input type="checkbox" name="flag" value="{flag}"> {words} '
        f'<span class="many">{flags[flag]}</span></label>'
        for flag, words in FLAGS.items()
        if flags[flag]
    )
    return (
        _choice("family", "Family", {f: f"{f} ({families[f]})" for f in sorted(families)})
        + _choice("kind", "Kind", {k: f"{k} ({kinds[k]})" for k in sorted(kinds)})
        + _choice("smooth", "Smoothness", {s: f"{SMOOTHNESS.get(s, s)} ({smooth[s]})" for s in order})
        + '<button type="button" id="reset">Reset</button>'
        + f'<fieldset class="flags"><legend>Has all of</legend>{boxes}</fieldset>'
    )


def sorts() -> str:
    """Return what the cards can be sorted by, as options."""
    return "".join(f'<option value="{key}">{words}</option>' for key, words in SORTS.items())


def _choice(name: str, label: str, options: dict[str, str]) -> str:
    listed = "".join(f'<option value="{escape(v)}">{escape(words)}</option>' for v, words in options.items())
    return f'<label>{label} <select id="{name}"><option value="">any</option>{listed}</select></label>'


def legend() -> str:
    """Return the key of the cards' lines."""
    lines = (("f", "1 0"), ("f′", "6 3"), ("f″", "2 2"))
    return "".join(
        f'<span class="key k{i}"><svg width="30" height="10" aria-hidden="true"><line x1="0" x2="30" y1="5" y2="5" '
        f'stroke="currentColor" stroke-width="2" stroke-dasharray="{dash}"/></svg> {name}</span>'
        for i, (name, dash) in enumerate(lines)
    )


def how_measured() -> str:
    """Return how the errors were measured."""
    told = datasheet.measured()
    if "command" not in told:
        return "Errors have not been measured yet."
    return (
        f"Errors: the worst of {told['points']:,} inputs a dtype, jax {escape(told['jax'])} on "
        f"{escape(told['device'])}, <code>{escape(told['command'])}</code>."
    )
