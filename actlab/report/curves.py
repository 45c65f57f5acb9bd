"""The activation itself, evaluated where the histograms are: what the charts draw on top of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from actlab.report.histograms import Curve
from actlab.runs import Run

POINTS = 161
"""Evenly over the range, and as many again between -6 and 6, where activations bend."""


def curves(run: Run, ranges: Mapping[str, tuple[float, float]]) -> tuple[dict[str, Curve], str]:
    """Return the activation and its derivative over each site's range, or a sentence on why there is none.

    Learnt parameters have their last recorded mean. A page must be possible for every run, so whatever
    keeps the function from being evaluated (a user's module that is no longer there, a function of whole
    vectors) is told in the sentence instead of raised.
    """
    choice = run.config.get("activation")
    if not ranges:
        return {}, ""
    if not isinstance(choice, dict) or "name" not in choice:
        return {}, "The configuration names no activation, so no curve is drawn."
    params = {k: v for k, v in choice.items() if k not in {"name", "learn", "per"} and not k.startswith("_")}
    try:
        import jax
        import jax.numpy as jnp

        from actlab.activations import make

        act = make(
            choice["name"],
            learn=tuple(choice.get("learn") or ()),
            per=choice.get("per") or "tensor",
            **params,
        )
        if not act.elementwise:
            return {}, f"{choice['name']} acts on whole vectors, so there is no curve of one input to draw."
        drawn = {}
        for site, (low, high) in ranges.items():
            learnt = {name: run.last(site, f"param.{name}.mean") for name in act.learn}
            learnt = {
                name: value for name, value in learnt.items() if value is not None and np.isfinite(value)
            }
            bend = np.linspace(np.clip(-6.0, low, high), np.clip(6.0, low, high), POINTS)
            x = jnp.asarray(np.sort(np.concatenate([np.linspace(low, high, POINTS), bend])), jnp.float32)
            f, df = jax.jvp(lambda v, learnt=learnt: act(v, **learnt), (x,), (jnp.ones_like(x),))
            drawn[site] = (np.asarray(x, float), np.asarray(f, float), np.asarray(df, float))
        return drawn, ""
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return {}, f"The curve of {choice['name']} could not be drawn: {reason}"
