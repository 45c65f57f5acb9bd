"""Fit f' as a function of y for every activation where that is possible, and write the table that the package ships.

    python experiments/fits/lean.py [NAMES ...]      # writes actlab/activations/lean.json; about two minutes

Prints each fit's errors, and of the others the reason.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import actlab
from actlab.activations.lean import check
from actlab.errors import InputError
from actlab.gradients import fit_lean

PATH = Path(actlab.__file__).parent / "activations" / "lean.json"


def rounded(value):
    """Return floats to ten digits: more than float32 sees, and short to read."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        # where the function turns, and y there, are exact
        return {k: v if k in ("turning", "start", "limit") else rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def main() -> None:
    """Write the table."""
    found = json.loads(PATH.read_text()) if sys.argv[1:] and PATH.exists() else {}
    for name in sys.argv[1:] or actlab.names():
        act = actlab.make(name)
        try:
            check(act)
            if act.spec.at(**dict(act.params)).keeps != "input":
                continue
            fit = fit_lean(act)
        except InputError as error:
            print(f"{name:22} {error}", flush=True)
            continue
        told = ", ".join(f"{dtype} {error:.3g}" for dtype, error in fit.errors)
        print(f"{name:22} lean: {told}", flush=True)
        found[name] = rounded(dataclasses.asdict(fit))
    lines = [f"{json.dumps(name)}: {json.dumps(fit)}" for name, fit in sorted(found.items())]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
