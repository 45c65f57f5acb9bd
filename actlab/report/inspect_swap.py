"""What another activation changes in a trained language model, as charts and a table."""

from __future__ import annotations

import altair as alt
import numpy as np

from actlab.inspection.swap import Swap
from actlab.report.explain_page import Explanation
from actlab.report.view import View, specification


def explanation(swap: Swap) -> Explanation:
    """Return the page of a swap."""
    old = ", ".join(dict.fromkeys(swap.old))
    change = swap.swapped_loss - swap.loss
    worst = int(np.argmax(swap.block_loss))
    return Explanation(
        kind="swap",
        title=f"{swap.new} instead of {old}: {swap.model}",
        lead=f"Over {swap.tokens:,} tokens the loss is {swap.loss:.4f} nats a token as trained, "
        f"{swap.swapped_loss:.4f} with {swap.new} in all blocks ({change:+.4f}). In one block alone it costs most in "
        f"block {worst} ({swap.block_loss[worst] - swap.loss:+.4f}). Nothing was trained anew.",
        views=[
            _loss(swap),
            _sides(swap, "zeros", "Share of units with output 0", ".0%"),
            _sides(swap, "participation", "Participation of units: 1 where all outputs are of one size", ".3f"),
            _sides(swap, "attention", "Entropy of attention, nats, mean over heads", ".2f"),
        ],
        caption="In figures",
        heading=("block", "loss, this block alone", "change", "zeros", "swapped", "participation", "swapped",
                 "entropy", "swapped"),
        table=[
            [
                str(i), f"{swap.block_loss[i]:.4f}", f"{swap.block_loss[i] - swap.loss:+.4f}",
                *(f"{side[name][i]:.4f}" for name in ("zeros", "participation", "attention")
                  for side in (swap.before, swap.after)),
            ]
            for i in range(len(swap.block_loss))
        ],
    )  # fmt: skip


def _loss(swap: Swap) -> View:
    table = {
        "block": list(range(len(swap.block_loss))),
        "change": [round(float(x - swap.loss), 6) for x in swap.block_loss],
    }
    chart = (
        alt.Chart(alt.NamedData("loss"))
        .mark_bar()
        .encode(
            x=alt.X("block:O", axis=alt.Axis(title="block", labelOverlap=True)),
            y=alt.Y("change:Q", axis=alt.Axis(title="nats a token", tickCount=5)),
            tooltip=["block:O", alt.Tooltip("change:Q", format="+.4f")],
        )
        .properties(height=200)
    )
    return View(
        "Change of the loss, the other activation in one block alone",
        specification(chart),
        {"loss": table},
        f"With it in all blocks: {swap.swapped_loss - swap.loss:+.4f} nats.",
    )


def _sides(swap: Swap, name: str, title: str, form: str) -> View:
    depth = len(swap.block_loss)
    table = {
        "block": list(range(depth)) * 2,
        "model": ["as trained"] * depth + ["swapped"] * depth,
        "value": [round(float(x), 6) for side in (swap.before, swap.after) for x in side[name]],
    }
    chart = (
        alt.Chart(alt.NamedData(name))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("block:Q", axis=alt.Axis(title="block", tickMinStep=1, format="d")),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format=form, tickCount=5)),
            color=alt.Color("model:N", scale=alt.Scale(domain=["as trained", "swapped"]),
                            legend=alt.Legend(title=None, orient="top")),
            strokeDash=alt.StrokeDash("model:N", scale=alt.Scale(domain=["as trained", "swapped"]), legend=None),
            tooltip=["block:Q", "model:N", alt.Tooltip("value:Q", format=".4f")],
        )
        .properties(height=200)
    )  # fmt: skip
    return View(title, specification(chart), {name: table}, "With the other activation in all blocks.")
