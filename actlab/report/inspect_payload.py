"""What the page of a language model's activations is given: traces as JSON, their arrays in base64."""

from __future__ import annotations

import base64
import functools
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from actlab.activations import make
from actlab.errors import InputError
from actlab.inspection.trace import Trace

MOST = 96 << 20  # bytes of arrays in a page: what a browser opens within seconds
CURVE = np.sinh(np.linspace(-9.9, 9.9, 793)).astype(np.float32)  # to +-1e4, 0.025 apart about 0
_KINDS = {np.dtype(np.float32): "f4", np.dtype(np.int32): "i4", np.dtype(np.float16): "f2"}


def head_of(about: Mapping[str, Any], label: str = "") -> dict[str, Any]:
    """Return what the page knows of a run before its first token: model, settings, the activations' curves."""
    acts = [json.dumps(a, sort_keys=True) for a in about["activations"]]
    distinct = list(dict.fromkeys(acts))
    return {
        "label": label,
        "about": {k: v for k, v in about.items() if k != "activations"},
        "acts": [distinct.index(a) for a in acts],
        "curves": [_curve(a) for a in distinct],
    }


def part_of(trace: Trace) -> dict[str, Any]:
    """Return a trace, or a part of one, as the page appends it; kept vectors (``value.*``) stay out.

    Arrays are ``[shape, kind, base64]`` of little-endian numbers: ``f4`` and ``i4`` as recorded; rows of attention,
    which are in [0, 1], are ``f2``: rounded to 11 bits, steps of 6e-8 near zero.

    Raises:
        InputError: more than `MOST` bytes.

    """
    arrays = {}
    for name, x in trace.arrays.items():
        if not name.startswith("value."):
            arrays[name] = x.astype(np.float16) if name.startswith("rows.") else x
    if (size := sum(x.nbytes for x in arrays.values())) > MOST:
        raise InputError(
            f"{len(trace):,} tokens are {size / 2**20:,.0f} MiB of records, a page holds {MOST >> 20}: "
            "record fewer tokens, sites or rows"
        )
    return {
        "n": len(trace),
        "given": trace.prompt,
        "tokens": array_of(trace.tokens.astype(np.int32)),
        "pieces": list(trace.pieces),
        "labels": {str(i): text for i, text in trace.labels.items()},
        "arrays": {name: array_of(x) for name, x in arrays.items()},
    }


def run_of(trace: Trace, label: str) -> dict[str, Any]:
    """Return a whole trace as the page shows it."""
    return head_of(trace.about, label) | {"parts": [part_of(trace)]}


def embedded(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def exported(trace: Trace) -> str:
    """Return a trace as JSON: numbers as recorded; those that JSON has not as "NaN", "Infinity", "-Infinity"."""
    value = {
        "format": 1,
        "text": trace.text,
        "prompt": trace.prompt,
        "tokens": trace.tokens.tolist(),
        "pieces": list(trace.pieces),
        "labels": {str(i): text for i, text in trace.labels.items()},
        "about": dict(trace.about),
        "arrays": {name: {"shape": list(x.shape), "data": _plain(x)} for name, x in trace.arrays.items()},
    }
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _plain(x: np.ndarray) -> list[Any]:
    flat = x.reshape(-1).tolist()
    if x.dtype.kind != "f" or np.isfinite(x).all():
        return flat
    words = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return [v if math.isfinite(v) else words.get(v, "NaN") for v in flat]


def array_of(x: np.ndarray) -> list[Any]:
    """Return an array as the page decodes it: shape, kind, base64 of little-endian numbers."""
    if x.dtype not in _KINDS:
        x = x.astype(np.int32 if x.dtype.kind in "iub" else np.float32)
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
    return [list(x.shape), _KINDS[x.dtype], base64.b64encode(little.tobytes()).decode()]


@functools.cache
def _curve(told: str) -> dict[str, Any]:
    """Return an activation with its own values on `CURVE`; ``y`` None where no function of that name is to be had."""
    act = json.loads(told)
    given = ", ".join(f"{k} {v}" for k, v in act["params"].items())
    module, colon, _ = act["name"].partition(":")
    try:
        if colon and module not in sys.modules:  # a file that was loaded does not choose what is imported
            raise InputError(f"{module} is not loaded")
        made = make(act["name"], **act["params"])
        # of a function of several units, softmax say, there is no curve of one
        alone = made.spec is None or made.spec.elementwise
        y = np.asarray(made(jnp.asarray(CURVE)), np.float32) if alone else None
    except InputError:
        y = None
    title = act["name"] + (f" ({given})" if given else "")
    return {"act": act, "name": title, "x": array_of(CURVE), "y": None if y is None else array_of(y)}
