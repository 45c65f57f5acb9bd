"""Numbers written for people: three digits, thin spaces, a dash where nothing was recorded."""

from __future__ import annotations

import math

NOTHING = "–"
NOT_FINITE = "not finite"
OVERFLOW = "beyond float32"


def number(value: float | None) -> str:
    """Return ``value`` with about three significant digits, a dash for None, words for NaN and infinity.

    >>> number(0.123456), number(15210), number(3.2e-8), number(None), number(float("nan"))
    ('0.123', '15,210', '3.2e-8', '–', 'not finite')
    """
    if value is None:
        return NOTHING
    if math.isnan(value):
        return NOT_FINITE
    if math.isinf(value):
        return OVERFLOW
    size = abs(value)
    if value == int(value) and size < 1e6:
        return f"{int(value):,}"
    if size < 1e-3 or size >= 1e6:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}e{int(exponent)}"
    return f"{value:.3g}" if size < 1000 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage; what is not exactly none or all is never rounded to it.

    >>> percent(0.0), percent(0.0004), percent(0.4567), percent(0.9999), percent(1.0)
    ('0 %', '<0.1 %', '45.7 %', '>99.9 %', '100 %')
    """
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return NOT_FINITE
    if value in (0.0, 1.0):
        return f"{value:.0%}".replace("%", " %")
    if 0 < value < 0.0005:
        return "<0.1 %"
    if 0.9995 <= value < 1:
        return ">99.9 %"
    return f"{100 * value:.1f} %"


def flops(value: float | None) -> str:
    """Return a number of floating-point operations in the unit a person would use.

    >>> flops(30200), flops(5.2e6), flops(120), flops(None)
    ('30.2 kFLOP', '5.2 MFLOP', '120 FLOP', '–')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}FLOP"
    return f"{value:.0f} FLOP"


def duration(seconds: float | None) -> str:
    """Return a time span in the two units a person would use.

    >>> duration(12.34), duration(200), duration(3900), duration(None)
    ('12.3 s', '3 min 20 s', '1 h 5 min', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"
