"""A run before its first step, as a table of records that the rules can judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from actlab import train
from actlab.records import METRICS, TABLES
from actlab.runs import Run


def first_record(run: train.Run, config: dict[str, Any], overrides: tuple[str, ...] = ()) -> Run:
    """Return the rows of step 0 of a run as a `actlab.runs.Run` of state ``not started``; nothing is written.

    ``config`` is the run's config as plain values, which rules read; ``overrides`` what it was made from.
    """
    tables = {name: pl.DataFrame(schema=schema) for name, schema in TABLES.items()}
    tables["metrics"] = pl.DataFrame(train.first_look(run), schema=METRICS, orient="row")
    program = run.program
    info = {
        "state": "not started",
        "step": 0,
        "steps": run.setup.steps,
        "sites": program.sites,
        "layers": program.layers,
        "parameters": program.parameters,
        "flops": program.flops,
    }
    sites, layers = tuple(program.sites), tuple(program.layers)
    return Run(Path(), config, overrides, info, **tables, sites=sites, layers=layers)
