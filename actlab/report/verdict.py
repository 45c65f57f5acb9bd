"""One plain word on what happened at a site, the same word in the terminal and on the page.

The thresholds say when a network no longer learns well through a site, not when it differs from a textbook. A
relu that is off for half of its inputs has ``saturated_share`` 0.5 by definition and is healthy, so only
saturation *beyond* exact zeros, or near-total saturation, counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

DEAD = 0.2
"""Share of units never active over the last window. Healthy rectifier networks stay well below a tenth."""

STUCK = 0.75
"""Share of values that are saturated and yet not zero: a tanh or sigmoid pressed against its ends."""

ALL_SATURATED = 0.97
"""Share of saturated values, zeros included, from which next to no gradient passes whatever the function."""

FLAT = 1e-4
"""Output variance relative to the squared output mean: below it the site says the same for every sample."""

FLAT_ABSOLUTE = 1e-10
"""Output variance that counts as constant where the mean is zero as well."""

EXPLODING_VARIANCE = 1e6
"""Output variance beyond which float32 loses the differences between samples."""

EXPLODING_GRADIENT = 1e4
"""Gradient norm of a layer beyond which no usual learning rate trains."""

VANISHING = 1e-3
"""Gradient norm relative to the largest layer's. Healthy networks stay within a factor of a hundred."""

VERDICTS: dict[str, str] = {
    "healthy": "signals and gradients pass",
    "not finite": "NaN or infinity appeared here",
    "dead units": "many units gave nothing for any sample over the last window",
    "constant": "the output hardly differs between samples",
    "saturated": "most inputs lie where the derivative is almost zero",
    "exploding": "values or gradients have grown beyond use",
    "vanishing": "its gradient is a thousandth, or less, of the largest layer's",
    "no data": "nothing was recorded here",
}
"""Every word that :func:`verdict` returns, with its meaning."""


def verdict(row: Mapping[str, float | None]) -> str:
    """Return the word for one site: the first cause that holds, causes before what they bring about.

    ``row`` maps quantities of one record (``post.variance``, ``post.mean``, ``post.zero_share``,
    ``dead_share``, ``saturated_share``, ``gradient_norm`` ...) to values; ``gradient_share`` is the layer's
    gradient norm divided by the largest layer's. Whatever is absent or None is not judged.

    >>> verdict({"post.variance": 0.8, "post.mean": 0.4, "saturated_share": 0.5, "post.zero_share": 0.5})
    'healthy'
    >>> verdict({"post.variance": 0.9, "post.mean": 0.0, "saturated_share": 0.9, "post.zero_share": 0.0})
    'saturated'
    """
    known = {name: float(value) for name, value in row.items() if value is not None}
    if not known:
        return "no data"
    # A variance overflows float32 before its values do: that is exploding, not NaN.
    if not all(
        math.isfinite(v) or (v == math.inf and name.endswith("variance")) for name, v in known.items()
    ):
        return "not finite"
    if known.get("dead_share", 0.0) >= DEAD:
        return "dead units"
    variance = known.get("post.variance")
    if variance is not None and variance <= max(FLAT_ABSOLUTE, FLAT * known.get("post.mean", 0.0) ** 2):
        return "constant"
    saturated = known.get("saturated_share", 0.0)
    if saturated >= ALL_SATURATED or saturated - known.get("post.zero_share", 0.0) >= STUCK:
        return "saturated"
    if (variance or 0.0) > EXPLODING_VARIANCE or known.get("gradient_norm", 0.0) > EXPLODING_GRADIENT:
        return "exploding"
    if known.get("gradient_share", 1.0) < VANISHING:
        return "vanishing"
    return "healthy"
