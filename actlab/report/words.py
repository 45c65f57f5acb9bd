"""What a run was and how it ended, in words and as rows of text."""

from __future__ import annotations

import json
import math
from typing import Any

from actlab.report import numbers
from actlab.report.verdict import verdict
from actlab.runs import Run

NAMES = {
    "mlp": "an MLP",
    "convnet": "a convolutional network",
    "mnist1d": "MNIST-1D",
    "digits": "the 8×8 digits",
}

STATES = {
    "running": "still running",
    "finished": "finished",
    "diverged": "diverged",
    "interrupted": "interrupted",
    "pruned": "stopped early: others did better",
}

QUANTITIES = (
    *("pre.mean", "pre.variance", "post.mean", "post.variance", "post.zero_share"),
    *("dead_share", "saturated_share"),
)


def title(run: Run) -> str:
    """Return activation, model and data in words: "gelu in an MLP (depth 4, width 100) on MNIST-1D"."""
    words = activation(run) or "a run"
    model = run.config.get("model")
    if name := target(model):
        words += f" in {NAMES.get(name, name)}"
        sizes = [
            f"{key} {model[key]}" for key in ("depth", "width") if isinstance(model, dict) and key in model
        ]
        words += f" ({', '.join(sizes)})" if sizes else ""
    if name := target(run.config.get("data")):
        words += f" on {NAMES.get(name, name)}"
    return words


def activation(run: Run) -> str:
    """Return the activation's name with its parameters: "swish (beta 1, learnt per channel)"."""
    choice = run.config.get("activation")
    if not isinstance(choice, dict) or "name" not in choice:
        return str(choice) if isinstance(choice, str) else ""
    learn = choice.get("learn") or []
    learn = [learn] if isinstance(learn, str) else list(learn)
    per = choice.get("per", "tensor")
    parts = [
        f"{key} {plain(value)}" + (f", learnt per {per}" if key in learn else "")
        for key, value in choice.items()
        if key not in {"name", "learn", "per"} and not key.startswith("_") and (key, value) != ("lean", False)
    ]
    parts += [f"{key} learnt per {per}" for key in learn if key not in choice]
    name = str(choice["name"]).rpartition(":")[2]
    return f"{name} ({'; '.join(parts)})" if parts else name


def target(node: Any) -> str:
    """Return the one word that names a configured object: its name, or what its ``_target_`` builds."""
    if isinstance(node, str):
        return node
    if not isinstance(node, dict):
        return ""
    if node.get("name"):
        return str(node["name"])
    parts = str(node.get("_target_", "")).split(".")
    if parts[-1].lower() in {"load", "make", "create", "build", "model", "network"} and len(parts) > 1:
        parts.pop()
    return parts[-1].lower()


def plain(value: Any) -> str:
    """Return a configuration value as a person would write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    if value in ([], {}, ""):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def divergence(run: Run) -> tuple[str, str]:
    """Return where values first stopped being finite and the run's own sentence on it, "" if they did not."""
    found = run.info.get("divergence")
    if not isinstance(found, dict):
        found = {}
        if state(run) != "diverged":
            return "", ""
    step, site = found.get("step"), found.get("site")
    when = f"Diverged at step {step:,}" if isinstance(step, int) else "Diverged"
    what = {
        "pre": "the pre-activation of {site}",
        "post": "the post-activation of {site}",
        "gradient": "the gradient of {site}",
        "update": "the update of {site}",
        "loss": "the loss",
    }.get(str(found.get("value")), "{site}")
    if "{site}" in what and not site:
        sentence = f"{when}; where it began was not recorded."
    else:
        sentence = f"{when}: {what.format(site=site)} stopped being finite first."
    message = str(found.get("message") or "")
    if message.startswith("diverged at step"):
        message = message.partition(": ")[2]
    # The usual message says the same in other words; only what goes beyond is worth a line.
    message = "" if message.endswith("was the first non-finite value") else message
    return sentence, message[:1].upper() + message[1:]


def state(run: Run) -> str:
    """Return the run's state: one of STATES, or unknown."""
    found = str(run.info.get("state", "unknown"))
    return found if found in STATES else "unknown"


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the header's facts: name and text."""
    info = run.info
    step, steps = info.get("step"), info.get("steps") or run.config.get("steps")
    if step is None and len(run.metrics):
        step = run.metrics["step"].max()
    progress = f"{step:,}" if isinstance(step, int) else numbers.NOTHING
    found = [("Step", f"{progress} of {steps:,}" if isinstance(steps, int) else progress)]
    for name in ("test", "train"):
        value = run.last(name, "accuracy")
        if value is not None:
            found.append((f"{name.capitalize()} accuracy", numbers.percent(value)))
    loss = run.last("test", "loss")
    if loss is not None:
        found.append(("Test loss", numbers.number(loss)))
    for key, name, show in (
        ("wall_time_s", "Time", numbers.duration),
        ("steps_per_second", "Steps a second", lambda value: f"{value:,.0f}"),
        ("parameters", "Parameters", numbers.number),
        ("flops", "Forward, a sample", numbers.flops),
    ):
        value = info.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            found.append((name, show(value)))
    if info.get("device"):
        found.append(("Device", str(info["device"])))
    return found


def site_rows(run: Run) -> list[dict[str, Any]]:
    """Return for each site its last values, those of the layer that feeds it, and the verdict."""
    norms = {layer: run.last(layer, "gradient_norm") for layer in run.layers}
    largest = max((v for v in norms.values() if v is not None and math.isfinite(v)), default=0.0)
    found = run.info.get("divergence")
    first = found.get("site") if isinstance(found, dict) else None
    rows = []
    for site in run.sites:
        # Attention scores are no activation: they have a section of their own.
        if len(run.series(site, "entropy.mean")[0]) and not len(run.series(site, "post.variance")[0]):
            continue
        row: dict[str, Any] = {name: run.last(site, name) for name in QUANTITIES}
        row["gradient_norm"] = norms.get(run.layer_of(site) or "")
        if row["gradient_norm"] is not None and largest > 0:
            row["gradient_share"] = row["gradient_norm"] / largest
        rows.append(
            {
                "site": site,
                **row,
                "verdict": "not finite" if site == first else verdict(row),
                "first": site == first,
            }
        )
    return rows
