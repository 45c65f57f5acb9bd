"""What is known about one activation, in words: the rows that the terminal card and the gallery show."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from actlab.activations import Act, Interval, Spec
from actlab.activations.equivalences import Same, equivalences
from actlab.activations.lean import check as check_lean
from actlab.activations.lean import table as lean_table
from actlab.activations.spec import Parameter
from actlab.activations.trial import check
from actlab.errors import InputError
from actlab.report.memory import Kept, kept
from actlab.report.sampling import Curves
from actlab.theory import facts, known

MEASURED = Path(__file__).with_name(
    "measured.json"
)  # written by experiments/benchmarks/activation_accuracy.py
PROMISE = "f within 4 units, f′ within 8 in float32 and float64; 1 and 1 in bfloat16 and float16"
ORDERS = ("f", "f′", "f″")
_SMOOTHNESS = {
    "jumps": "f itself jumps",
    "C0": "continuous, f′ jumps",
    "C1": "f′ is continuous, f″ jumps",
    "Cinf": "smooth, all derivatives are continuous",
}
_MOST = 4  # kinks, jumps or turning points named


@dataclass(frozen=True)
class Row:
    """A fact: what it is called, and what there is to say, a line each."""

    name: str
    lines: tuple[str, ...]


def number(value: float, digits: int = 6) -> str:
    """Return a number as short as it can be said.

    >>> number(1.0), number(-1.2784645427), number(float("inf")), number(-0.0)
    ('1', '-1.27846', '∞', '0')
    """
    if math.isnan(value):
        return "none"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value + 0.0:.{digits}g}"


def interval(value: Interval) -> str:
    """Return an interval as a reader writes it.

    >>> interval(Interval(-0.1699712342, float("inf")))
    '[-0.169971, ∞)'
    """
    left = "(" if value.open_low or math.isinf(value.low) else "["
    right = ")" if value.open_high or math.isinf(value.high) else "]"
    return f"{left}{number(value.low)}, {number(value.high)}{right}"


def rows(act: Act, curves: Curves | None = None) -> list[Row]:
    """Return what is known about an activation at its parameters; what is not known has no row.

    Facts come from its spec, from `actlab.theory` and from files; about a function without spec is told what a
    trial and its ``curves`` show.
    """
    if act.spec is None:
        return _own(act, curves)
    spec = act.spec.at(**dict(act.params))
    found: list[tuple[str, Any]] = [
        ("also called", ", ".join(spec.aliases)),
        ("family", spec.family if spec.elementwise else f"{spec.family}; {kind_words(spec)}"),
        ("formula", spec.formula),
        ("autodiff's f′", spec.surrogate and f"{spec.surrogate}   (a surrogate)"),
        ("random", "with a key; without one as drawn and told here" if spec.stochastic else ""),
        ("parameters", tuple(_parameter(p, dict(act.params)[p.name]) for p in spec.parameters)),
        ("range", interval(spec.range)),
        (
            "smoothness",
            _SMOOTHNESS.get(spec.smoothness, f"derivatives are continuous up to {spec.smoothness[1:]}"),
        ),
    ]
    if spec.elementwise:
        found += [
            ("monotonic", _monotonic(spec)),
            ("kinks", _some([_kink(k) for k in sorted(spec.kinks, key=_near)])),
            ("jumps", _some([_jump(j) for j in sorted(spec.jumps, key=_near)])),
            ("limits", f"{number(spec.limits[0])} at -∞, {number(spec.limits[1])} at ∞"),
        ]
    found.append(("Lipschitz", "unbounded slope" if math.isinf(spec.lipschitz) else number(spec.lipschitz)))
    found += computed(act)
    found += [
        ("backward keeps", keeps_words(act)),
        ("lean", lean(act)[1]),
        ("accuracy", _accuracy(act)),
        ("elsewhere", tuple(call for _, call in spec.peers)),
        ("differs", spec.differs),
        ("identities", _some(list(identities(act)), 8)),
        ("reference", spec.reference),
    ]
    return [
        Row(name, lines if isinstance(lines, tuple) else (lines,))
        for name, lines in found
        if lines and any(lines)
    ]


def computed(act: Act) -> list[tuple[str, Any]]:
    """Return what follows from the formula of an elementwise function: values at 0, moments, fixed points."""
    try:
        listed = act.spec is not None and dict(act.params) == act.spec.defaults and not act.learn
        told = known(act.name) if listed else facts(act)
    except InputError:  # not elementwise, or NaN somewhere
        told = None
    if told is None:
        return []
    points = [number(p) for p in told.fixed_points] + [interval(i) for i in told.fixed_intervals]
    gain = f", gain {number(told.gain)}" if math.isfinite(told.gain) else ""
    return [
        ("at 0", f"f(0) = {number(told.at_zero)}, f′(0) = {number(told.slope_at_zero)}"),
        ("unit normal in", f"mean {number(told.mean)}, second moment {number(told.second_moment)}{gain}"),
        ("fixed points", f"{', '.join(points[:6])}{', ...' if len(points) > 6 else ''}"),
    ]


def kind_words(spec: Spec) -> str:
    """Return what an activation takes and gives."""
    return {
        "elementwise": "elementwise",
        "axiswise": "entries along an axis depend on one another",
        "gated": "two operands, f(gate, up)",
        "conditioned": "shaped by further arrays of the call",
        "resizing": "the output has another shape",
        "complex": "complex numbers in or out",
    }[spec.kind]


@cache
def keeps(f: Callable) -> Kept | None:
    """Return what a function keeps between the passes, measured; None where it cannot be called as `kept` does."""
    spec = f.spec if isinstance(f, Act) else None
    try:
        return kept(f, 2 if spec is not None and spec.kind == "gated" else 1)
    except Exception:  # further operands, no bfloat16, or a user's function that cannot be traced
        return None


def keeps_words(act: Act) -> str:
    """Return what is kept between the passes, in words, with bytes a value in bfloat16."""
    found = keeps(act)
    if found is None:
        return ""
    if found.what == "nothing":
        return "nothing"
    if found.what == "output":
        return "its output, which the next layer keeps anyway: nothing more"
    what = {"input": "its input", "other": "intermediate results"}[found.what]
    if act.spec is not None and act.spec.kind == "gated":
        what = "its two operands"
    return f"{what}: {number(found.bytes, 3)} bytes a value in bfloat16"


def lean(act: Act) -> tuple[str, str]:
    """Return whether `actlab.lean` can have it (``"yes"``, ``"no"``, ``"untried"``, ``"needless"``), and in words."""
    spec, found = act.spec.at(**dict(act.params)), keeps(act)
    if found is not None and found.what in ("output", "nothing"):
        return "needless", ""
    at_defaults = dict(act.params) == act.spec.defaults
    if at_defaults and act.name in lean_table():
        bit = lean_table()[act.name].turning is not None
        return "yes", f"possible: keeps {'the output and one bit a value' if bit else 'the output alone'}"
    try:
        check_lean(act)
    except InputError as error:
        return "no", f"not possible: {str(error).partition(': ')[2]}"
    if spec.turning is None or len(spec.turning) > 1:
        return "no", "not possible: f turns more than once, y and one bit do not tell f′"
    if spec.smoothness == "jumps" or at_defaults:
        return "no", "not possible: y and one bit do not tell f′ closely enough"
    return "untried", "not tabled: actlab.lean tries to fit it"


def identities(act: Act) -> tuple[str, ...]:
    """Return the equations between an activation, at any parameters, and other listed ones.

    >>> from actlab import make
    >>> identities(make("derf"))
    ('derf(x) = erf(0.5 x)', 'derf(x, alpha=1) = erf(x)')
    """
    return tuple(_equation(same) for same in equivalences if act.name in (same.left, same.right))


def _equation(same: Same) -> str:
    def scaled(factor: float, inner: str, shift: float) -> str:
        times = {1.0: "", -1.0: "-"}.get(factor, f"{number(factor)} ")
        plus = "" if shift == 0 else f" {'+' if shift > 0 else '-'} {number(abs(shift))}"
        return f"{times}{inner}{plus}"

    def call(name: str, params: Mapping[str, Any], inner: str) -> str:
        told = [f"{k}={_value(v)}" for k, v in params.items()]
        return f"{name}({', '.join([inner, *told])})"

    right = call(same.right, same.right_params, scaled(same.input_scale, "x", same.input_shift))
    note = f"   ({same.note.rstrip('.')})" if same.note else ""
    left = call(same.left, same.left_params, "x")
    return f"{left} = {scaled(same.output_scale, right, same.output_shift)}{note}"


@cache
def measured() -> dict[str, Any]:
    """Return the measured errors: how, and by function, dtype and whose it is the worst units of f and f'."""
    if not MEASURED.exists():
        return {"functions": {}}
    return json.loads(MEASURED.read_text(encoding="utf-8"))


def _own(act: Act, curves: Curves | None) -> list[Row]:
    """Return what a trial shows of a function that has no spec."""
    try:
        check(act)
        trial = "passed: keeps shape and dtype, has finite derivatives that agree forward and backward"
    except InputError as error:
        trial = str(error)
    found: list[tuple[str, Any]] = [
        ("parameters", tuple(f"{name} = {value}" for name, value in act.params)),
        ("trial", trial),
        ("backward keeps", keeps_words(act)),
    ]
    if curves is not None:
        x, (y, slope, _) = curves.x, curves.values
        where = f"in [{number(x[0], 3)}, {number(x[-1], 3)}]"
        never = "never decreasing" if (slope >= 0).all() and (y[1:] >= y[:-1]).all() else "not monotonic"
        kinks = [b for b in curves.breaks if b.order < 2]
        told = [
            f"{ORDERS[b.order]} at {number(b.at)}: {number(b.left)} on the left, {number(b.right)} on the right"
            for b in kinks
        ]
        found += [
            ("seen", f"{where}: values from {number(y.min())} to {number(y.max())}, {never}"),
            ("steepest seen", f"|f′| = {number(abs(slope).max())}"),
            ("jumps seen", _some(told)),
        ]
    try:
        found.append(("elementwise", "yes" if act.elementwise else "no"))
        found += computed(act)
    except Exception:  # whatever the user's function raises; the trial tells it
        pass
    return [Row(name, v if isinstance(v, tuple) else (v,)) for name, v in found if v and any(v)]


def _parameter(parameter: Parameter, value: Any) -> str:
    if isinstance(parameter.domain, tuple):
        domain = f"one of {', '.join(parameter.domain)}"
    else:
        domain = "" if isinstance(parameter.default, bool) else f"in {interval(parameter.domain)}"
    told = [
        f"{parameter.name} = {_value(value)}",
        f"(default {_value(parameter.default)})" if value != parameter.default else "",
        domain,
        "learnable" if parameter.continuous else "",
    ]
    return f"{', '.join(t for t in told if t).replace(', (default', ' (default')}: {parameter.doc}"


def _value(value: Any) -> str:
    if isinstance(value, tuple) and len(value) > 8:
        return f"({', '.join(map(_value, value[:3]))}, ..., {_value(value[-1])}; {len(value)} numbers)"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))}{',' if len(value) == 1 else ''})"
    return number(value, 8) if isinstance(value, float) else str(value)


def _monotonic(spec: Spec) -> str:
    if spec.monotonic:
        return "never decreasing"
    if spec.turning is None:
        return "no, turns without end" if math.isnan(sum(spec.limits)) else "no"
    points = [number(t) for t in spec.turning]
    more = f" and {len(points) - _MOST} more" if len(points) > _MOST else ""
    return f"no, turns at {', '.join(points[:_MOST])}{more}" if points else "no, never increasing"


def _near(edge: Any) -> tuple[float, float]:
    return abs(edge.at), edge.at


def _kink(k: Any) -> str:
    sides = f"f′ is {number(k.left)} on the left, {number(k.right)} on the right"
    return f"at {number(k.at)}: {sides}; taken {number(k.chosen)}"


def _jump(j: Any) -> str:
    return f"at {number(j.at)}: from {number(j.left)} to {number(j.right)}; value {number(j.value)}"


def _some(lines: list[str], most: int = _MOST) -> tuple[str, ...]:
    more = (f"and {len(lines) - most} more",) if len(lines) > most else ()
    return (*lines[:most], *more)


def _accuracy(act: Act) -> tuple[str, ...]:
    """Return what the spec states beyond the promise, and what was measured."""
    spec = act.spec
    if not spec.elementwise:
        return ()
    stated = [
        f"except {e.dtype} {ORDERS[e.order]}: {number(e.units, 3)} units, {e.why}" for e in spec.inexact
    ]
    lines = [f"promised: {PROMISE}", *stated]
    if dict(act.params) == spec.defaults:
        for dtype, whose in measured()["functions"].get(spec.name, {}).items():
            told = "; ".join(f"{who} {' and '.join(map(units, found[:2]))}" for who, found in whose.items())
            lines.append(f"measured in {dtype}, f{'' if spec.surrogate else ' and f′'}: {told}")
    return tuple(lines)


def units(value: float | None) -> str:
    """Return an error in units; None stands for NaN or infinity where a number was due.

    >>> units(0.4996), units(31.2), units(5.1e6), units(None)
    ('0.50', '31', '5e6', 'NaN')
    """
    if value is None:
        return "NaN"
    if value < 10:
        return f"{value:.2f}" if value < 1 else f"{value:.1f}"
    if value < 1e4:
        return f"{value:,.0f}"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}"
