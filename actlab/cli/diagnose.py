"""``actlab diagnose``: what is wrong with a run, with evidence and what to try; before training or after."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from actlab.runs import Run
    from actlab.stability import Diagnosis, Event, Finding
    from actlab.stability.predicted import Beside

USAGE = """\
usage: actlab diagnose RUN [--json] [--strict]
       actlab diagnose --at-init [OVERRIDES] [--config-dir DIR] [--json] [--strict]

  actlab diagnose runs/2026-11-22/143000                  a run, finished or not
  actlab diagnose --at-init activation=tanh model.depth=8 the network before its first step: nothing is written

Tells what is wrong with a run, worst first: where and when, the numbers, what to try, and which paper says so.
confidence: 50 % just past a rule's limit, 100 % where no healthy run has been seen, less where evidence is thin

  --json     all of it as JSON
  --strict   exit code 1 if there is a warning or worse, for scripts
exit codes: 0 whatever was found, 1 with --strict, 2 bad input
"""
STYLES = {"serious": "bold red", "warning": "yellow", "note": "cyan"}
FLAGS = ("--json", "--strict", "--at-init")
MOST_EVENTS = 10  # shown; --json has all
WIDTH = 100  # where there is no terminal


def main(argv: list[str]) -> int:
    """Run ``actlab diagnose``; return its exit code."""
    if any(a in ("-h", "--help") for a in argv):
        print(USAGE, end="")
        return 0
    given = {flag for flag in FLAGS if flag in argv}
    rest = [a for a in argv if a not in FLAGS]
    run, beside = at_init(rest) if "--at-init" in given else (recorded(rest), None)

    from actlab.stability import diagnose
    from actlab.stability.predicted import rows, with_theory

    diagnosis = diagnose(run)
    if beside is not None:
        diagnosis = with_theory(diagnosis, beside)
    if "--json" in given:
        theory = {} if beside is None else {"theory": rows(beside), "no_theory": beside.reason}
        print(json.dumps(as_json(run, diagnosis) | theory, indent=1))
    else:
        from rich.console import Console

        terminal = sys.stdout.isatty()
        colours = "auto" if terminal and not os.environ.get("NO_COLOR") else None
        console = Console(highlight=False, width=None if terminal else WIDTH, color_system=colours)
        show(run, diagnosis, console)
        if beside is not None:
            show_theory(beside, console)
    return 1 if "--strict" in given and not diagnosis.healthy else 0


def recorded(argv: list[str]) -> Run:
    """Return the run of the one folder named."""
    if flags := [a for a in argv if a.startswith("-")]:
        raise InputError(f"unknown flag {flags[0]}; known: {', '.join(FLAGS)}")
    if (overrides := [a for a in argv if "=" in a]) and not Path(overrides[0]).exists():
        raise InputError(f"{overrides[0]}: overrides describe a run before training: add --at-init")
    if len(argv) != 1:
        raise InputError("name one run folder, like runs/2026-11-22/143000; or --at-init with overrides")
    from actlab.runs import read_run

    return read_run(Path(argv[0]))


def at_init(argv: list[str]) -> tuple[Run, Beside]:
    """Return the run that ``actlab train`` with these overrides would be before its first step, and theory beside it.

    ``stats=full`` unless the overrides say otherwise.

    Raises:
        InputError: overrides that cannot be, as ``actlab train`` raises them.

    """
    from actlab.cli import composing, configs
    from actlab.cli.train import build_run

    wrong = [a for a in argv if a.startswith("-") and a.split("=")[0] not in ("--config-dir", "-cd")]
    if wrong:
        raise InputError(f"unknown flag {wrong[0]}; known: {', '.join((*FLAGS, '--config-dir'))}")
    if folders := [a for a in argv if "=" not in a and Path(a, "run.json").exists()]:
        raise InputError(f"{folders[0]} is a run that has begun: leave --at-init out")
    sys.path.append(os.getcwd())  # a console script does not look there, and that is where users' modules are
    overrides = composing.open_activation(argv)
    if not any(a.lstrip("+").split("=")[0] in ("stats", "stats.level") for a in argv):
        overrides = ["stats=full", *overrides] if "full" in configs.groups()["stats"] else overrides
    cfg = composing.compose(overrides)
    run = build_run(cfg)

    from omegaconf import OmegaConf

    from actlab.stability.first import first_record
    from actlab.stability.predicted import beside

    config = OmegaConf.to_container(cfg, resolve=True)
    record = first_record(run, config, tuple(a for a in argv if "=" in a))
    return record, beside(run, record)


def as_json(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    told = [
        {
            key: None if isinstance(v, float) and not math.isfinite(v) else v
            for key, v in asdict(event).items()
        }
        for event in events(run)
    ]
    return {
        "run": _name(run),
        "state": run.info.get("state", "unknown"),
        **diagnosis.as_dict(),
        "events": told,
    }


def events(run: Run) -> list[Event]:
    """Return what was noted while training and what the detectors find in the records, by step."""
    from actlab.stability import Event, detect

    noted = [
        Event(
            kind,
            step,
            step,
            site,
            math.nan if v is None else v,
            math.nan if at is None else at,
            message or "",
        )
        for step, kind, site, v, at, message in run.events.iter_rows()
    ]
    return sorted([*noted, *detect(run)], key=lambda event: event.step)


def show(run: Run, diagnosis: Diagnosis, console: Console) -> None:
    """Print the findings worst first, then the run's events, then what could not be judged."""
    from rich.padding import Padding
    from rich.text import Text

    state, step = run.info.get("state", "unknown"), run.info.get("step")
    when = f"{state} at step {step:,}" if isinstance(step, int) else str(state)
    console.print(Text(f"{_name(run)}: {when}", style="bold"), soft_wrap=True)
    for finding in diagnosis.findings:
        console.print()
        _print(finding, console)
    if told := events(run):
        console.print(f"\nevents, {len(told)} in all")
        for event in told[:MOST_EVENTS]:
            line = f"step {event.step:,}  {event.kind}  {event.message}"
            console.print(Padding(Text(line, overflow="fold"), (0, 0, 0, 2), expand=False))
    if diagnosis.unjudged:
        console.print("\nnot judged")
        for rule in diagnosis.unjudged:
            line = Text(f"  {rule.title}: {rule.reason}").append(f"; {rule.override} does", style="dim")
            console.print(line, soft_wrap=True)
    if any(override for f in diagnosis.findings for _, override in f.advice):
        again = shlex.join(["actlab", "train", *run.overrides])
        console.print(Text(f"\nto try one: {again} OVERRIDE"), soft_wrap=True)


def show_theory(beside: Beside, console: Console) -> None:
    """Print variance, cosine and gradient of every site beside what theory says, or why it says nothing."""
    from rich.table import Table
    from rich.text import Text

    if not beside.places:
        console.print(Text(f"\nno theory beside it: {beside.reason}", style="dim"), soft_wrap=True)
        return
    console.print("\nmeasured, and in brackets theory ± one standard deviation of a network of this width")
    table = Table.grid(padding=(0, 3))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_row("  site", "variance", "cosine of two inputs", "gradient against the last")
    off = {(p.site, p.quantity) for p in beside.off}
    for site in dict.fromkeys(p.site for p in beside.places):
        cells = {p.quantity: p for p in beside.places if p.site == site}
        row = [Text(f"  {site}")]
        for quantity in ("q", "c", "gradient"):
            place = cells.get(quantity)
            text = "" if place is None else f"{place.measured:.3g} ({place.expected:.3g} ± {place.sd:.2g})"
            row.append(Text(text, style=STYLES["warning"] if (site, quantity) in off else ""))
        table.add_row(*row)
    console.print(table)


def _print(finding: Finding, console: Console) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    head = Text(finding.severity.upper() if finding.name != "healthy" else "OK", style=_style(finding))
    head.append(f"  {finding.title}", style="bold")
    first, last = finding.steps
    steps = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
    place = ", ".join(finding.where)
    if len(finding.where) > 2:
        place = f"{finding.where[0]} to {finding.where[-1]} ({len(finding.where)})"
    told = [f"confidence {finding.confidence:.0%}", place, steps]
    head.append("   " + ", ".join(t for t in told if t), style="not bold dim")
    console.print(head)
    console.print(Padding(Text(finding.sentence), (0, 0, 0, 2), expand=False))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_column(no_wrap=True)
    for k, (label, value, note) in enumerate(finding.evidence):
        number = Text(_number(value)).append(f"  {note}" if note else "", style="dim")
        table.add_row("evidence" if not k else "", label, number)
    for k, (text, override) in enumerate(finding.advice):
        table.add_row("try" if not k else "", text, Text(override, style="bold"))
    if finding.source:
        table.add_row("source", finding.source, "")
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _style(finding: Finding) -> str:
    return "bold green" if finding.name == "healthy" else STYLES[finding.severity]


def _number(value: float) -> str:
    if math.isfinite(value) and value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _name(run: Run) -> str:
    return (
        str(run.folder)
        if run.info.get("state") != "not started"
        else shlex.join(run.overrides) or "the default run"
    )
