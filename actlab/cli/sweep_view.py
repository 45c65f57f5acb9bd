"""What a person sees of a sweep: one live view while it runs, then a table of the best, and what failed."""

from __future__ import annotations

import math
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from actlab.cli.sweep_pack import ENDED
from actlab.cli.sweep_table import Record
from actlab.cli.terminal import BAD, PLAIN_EVERY_S, SilentConsole

if TYPE_CHECKING:
    from actlab.sweeps import Told

SHOWN = 10  # rows of the table
TOLD_FAILURES = 20


class SweepDisplay:
    """Shows a sweep; plain lines where the output is not a terminal."""

    def __init__(self, folder: Path, objective: str, console: SilentConsole | None = None):
        self.console = console or SilentConsole(
            highlight=False, width=None if sys.stdout.isatty() else 120, soft_wrap=False
        )
        self.folder, self.objective = folder, objective
        self.live = Live(console=self.console, transient=True, refresh_per_second=4)
        self.last_line = 0.0
        self.on = False

    def __enter__(self) -> SweepDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def say(self, words: str, style: str = "") -> None:
        """Print a line as it is: no markup in it, not wrapped, so that it can be copied."""
        self.console.print(Text(words, style=style), soft_wrap=True)

    def start(self) -> None:
        """Begin to draw."""
        if self.console.is_terminal and not self.on:
            self.live.start()
            self.on = True

    def stop(self) -> None:
        """Draw no more."""
        if self.on:
            self.live.stop()
            self.on = False

    def advance(self, told: Told, records: Sequence[Record], best: tuple[Record, float] | None) -> None:
        """Show how far the jobs of one launch are: ``records``, of which ``best`` leads, with that score."""
        if self.on:
            lines = _lines(told, records, best, self.objective)
            total = max(len(records), 1)
            done = sum(r.state not in ("waiting", "running") for r in records)
            # Where a group is under way its steps count, or the bar would jump by whole groups.
            part = told.step / told.steps * told.group_lanes if told.step < told.steps else 0.0
            bar = ProgressBar(total=total, completed=min(done + part, total), width=40)
            head, *rest = (Text(words, no_wrap=True, overflow="ellipsis") for words in lines)
            first = Grid.grid(padding=(0, 1))
            first.add_row(bar, head)
            self.live.update(Group(first, *rest))
            return
        now = time.monotonic()
        if now - self.last_line > PLAIN_EVERY_S:
            self.last_line = now
            self.say("  ".join(_lines(told, records, best, self.objective)))

    def finish(self, records: Sequence[Record], code: int, ran: int, *, kept: bool = True) -> None:
        """Print how the jobs ended, the best of them, and what to do next; ``kept``: sweep.json says it, too."""
        self.stop()
        counts = _counts(records)
        if not ran and records and all(r.state in ENDED for r in records):
            self.say(
                f"all {len(records)} jobs of {self.folder} had ended before: {counts}; --fresh begins anew"
            )
        else:
            self.say(f"{counts} -> {self.folder}", style="bold")
        if rows := leaders(records, self.objective):
            self.say(_title(rows, self.objective))
            self.console.print(best_table(rows, self.objective))
        failures(self, records, TOLD_FAILURES if kept else len(records))
        if code >= 128:
            self.say("interrupted; the same command goes on")
        if any(r.state in ENDED for r in records):
            self.say(f"next: {shlex.join(['actlab', 'compare', str(self.folder)])}")


def failures(display: SweepDisplay, records: Sequence[Record], most: int) -> None:
    """Print a line for each of the jobs that failed, ``most`` of them: its number, its overrides, the reason."""
    failed = [r for r in records if r.state == "failed"]
    common = _common(records)
    for record in failed[:most]:
        own = " ".join(_own(record, common))
        display.say(f"job {record.number} failed ({own}): {record.message}", style=BAD)
    if len(failed) > most:
        display.say(f"and {len(failed) - most} more, in {display.folder / 'sweep.json'}", style=BAD)


def _counts(records: Sequence[Record]) -> str:
    states = ("finished", "diverged", "pruned", "failed", "interrupted", "running", "not run", "waiting")
    tally = {s: sum(r.state == s for r in records) for s in states}
    return f"{len(records)} jobs: " + (", ".join(f"{n} {s}" for s, n in tally.items() if n) or "none")


def _lines(
    told: Told, records: Sequence[Record], best: tuple[Record, float] | None, objective: str
) -> list[str]:
    tally = {s: sum(r.state == s for r in records) for s in (*ENDED, "failed")}
    head = f"{sum(tally.values())}/{len(records)} jobs" + "".join(
        f", {n} {s}" for s, n in tally.items() if n and s != "finished"
    )
    if told.steps_per_second:
        head += f"  {told.steps_per_second:,.0f} steps/s"
    if told.eta_s is not None:
        head += f"  {_time(told.eta_s)} left"
    if told.compile_time_s:
        head += f"  (compiled for {told.compile_time_s:.0f} s)"
    lanes = f"{told.group_lanes} lane" + "s" * (told.group_lanes != 1)
    lines = [
        head,
        f"group {told.group}/{told.groups}: {told.what}, {lanes}, step {told.step}/{told.steps}",
    ]
    if best is not None:
        record, score = best
        lines.append(f"best {_score(score, objective)}: {' '.join(_own(record, _common(records)))}")
    return lines


def _own(record: Record, common: set[str]) -> list[str]:
    """Return the overrides of a job that not all others have; all of them where there is none."""
    return [o for o in record.overrides if o not in common] or record.overrides or ["defaults"]


def _common(records: Sequence[Record]) -> set[str]:
    if len(records) < 2:
        return set()
    return set(records[0].overrides).intersection(*(r.overrides for r in records[1:]))


def leaders(records: Sequence[Record], objective: str) -> list[tuple[str, list[Record], float, float]]:
    """Return (overrides, jobs, mean, standard deviation) of the best jobs, seeds of equal overrides taken together.

    Of jobs alone the deviation is NaN. A group with a job that has no finite score comes last.
    """
    groups: dict[str, list[Record]] = {}
    ended = [r for r in records if r.state in ENDED]
    common = _common(records)
    for record in ended:
        named = [o for o in _own(record, common) if not o.startswith("seed=")]
        groups.setdefault(" ".join(named) or "all seeds", []).append(record)
    if all(len(jobs) == 1 for jobs in groups.values()):
        groups = {f"{i}": [r] for i, r in enumerate(ended)}
    rows = []
    for words, jobs in groups.items():
        if len(groups) == len(ended):
            words = " ".join(_own(jobs[0], common))
        values = [_value(r, objective) for r in jobs]
        spread = statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan
        rows.append((words, jobs, statistics.fmean(values), spread))
    sign = -1.0 if objective.endswith("accuracy") else 1.0
    rows.sort(key=lambda row: sign * row[2] if math.isfinite(row[2]) else math.inf)
    return rows


def _title(rows: Sequence[tuple[str, list[Record], float, float]], objective: str) -> str:
    over = ", mean ± sd over seeds" if any(len(jobs) > 1 for _, jobs, _, _ in rows) else ""
    return f"best by {objective}{over}" + (f" ({SHOWN} of {len(rows)})" if len(rows) > SHOWN else "")


def best_table(rows: Sequence[tuple[str, list[Record], float, float]], objective: str) -> Grid:
    """Return the table of the first rows of ``leaders``."""
    seeds = any(len(jobs) > 1 for _, jobs, _, _ in rows)
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    grid.add_column(objective, justify="right", no_wrap=True)
    grid.add_column("jobs" if seeds else "job", justify="right", no_wrap=True)
    early = [s for s in ENDED[1:] if any(r.state == s for _, jobs, _, _ in rows[:SHOWN] for r in jobs)]
    for state in early:
        grid.add_column(state, justify="right", no_wrap=True)
    grid.add_column("overrides", overflow="fold")
    for words, jobs, mean, spread in rows[:SHOWN]:
        score = _score(mean, objective) + ("" if math.isnan(spread) else f" ± {_score(spread, objective)}")
        count = str(len(jobs)) if seeds else str(jobs[0].number)
        tally = [sum(r.state == s for r in jobs) for s in early]
        marked = [Text(str(n), style=BAD if n else "") for n in tally]
        grid.add_row(Text(score), Text(count), *marked, Text(words))
    return grid


def _value(record: Record, objective: str) -> float:
    value = record.scores.get(objective)
    return math.nan if value is None else value


def _score(value: float | None, objective: str) -> str:
    if value is None or not math.isfinite(value):
        return "not finite"
    return f"{value:.1%}" if objective.endswith("accuracy") else f"{value:.3g}"


def _time(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"
