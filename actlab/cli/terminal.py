"""What a person sees while a run trains and when it ends: one live line, then one table."""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from actlab.train import Run
    from actlab.train.loop import Outcome
    from actlab.train.loop import Progress as Told

BAD = "bold red"
PLAIN_EVERY_S = 5.0


class Display:
    """Shows one run; plain lines where the output is not a terminal."""

    def __init__(self, run: Run, folder: Path, console: Console | None = None):
        # Off a terminal there is no width to keep to: a log or a pipe gets the whole table.
        self.console = console or SilentConsole(highlight=False, width=None if sys.stdout.isatty() else 120)
        self.run = run
        self.folder = folder
        self.live = self.console.is_terminal
        self.last_line = 0.0
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self.console,
            transient=True,
            disable=not self.live,
        )

    def __enter__(self) -> Display:
        s = self.run.setup
        model = getattr(s.model, "function", s.model).__name__.lower()
        self._say(f"{s.act!r} in {model} on {s.data.name}, {s.steps} steps -> {self.folder}", style="bold")
        self.progress.start()
        self.task = self.progress.add_task("compiling", total=s.steps, told="")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def advance(self, told: Told) -> None:
        """Show how far the run is."""
        words = _scores(told.scores)
        if told.steps_per_second:
            words += f"  {told.steps_per_second:,.0f} steps/s"
        self.progress.update(self.task, description="training", completed=told.step, told=words)
        now = time.monotonic()
        if not self.live and (now - self.last_line > PLAIN_EVERY_S or told.step == told.steps):
            self.last_line = now
            self._say(f"step {told.step}/{told.steps}  {words}")

    def finish(self, outcome: Outcome, page: Path) -> None:
        """Print the table of sites, how the run ended, and where its page is."""
        from actlab.report.words import site_rows
        from actlab.runs import read_run  # the charts' libraries: not before the first step

        self.progress.stop()
        rows = site_rows(read_run(self.folder))
        from actlab.report import numbers

        program = self.run.program
        arithmetic = f", {numbers.flops(program.flops)} forward for a sample" if program.flops else ""
        self._say(f"{program.parameters:,} parameters{arithmetic}")
        if rows:
            narrow = self.live and self.console.width < 84
            self.console.print(site_table(rows, narrow=narrow))
        if outcome.state == "diverged":
            self._say(outcome.divergence["message"], style=BAD)
        if outcome.state == "interrupted":
            again = shlex.join(["actlab", "train", f"resume={self.folder}"])
            self._say(f"interrupted at step {outcome.step}; to go on: {again}")
        else:
            self._say(f"{outcome.state} at step {outcome.step}  {_scores(outcome.scores)}")
        self._say(f"page: {page}")

    def _say(self, words: str, style: str = "") -> None:
        """Print a line as it is: no markup in it, not wrapped, so that it can be copied."""
        self.console.print(Text(words, style=style), soft_wrap=True)


class SilentConsole(Console):
    """Falls silent when whoever read the output has gone; the run goes on."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def site_table(rows: list[dict[str, Any]], *, narrow: bool = False) -> Table:
    """Return the table of what happened at each site; what is unhealthy stands in colour and in words.

    Where it is ``narrow`` the words come first and the distributions stay on the page.
    """
    from actlab.report.numbers import number, percent

    title = "what happened at each site" + ("" if narrow else " (pre and post: mean ± sd)")
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    table.add_column("site", no_wrap=True)
    for heading in (*(() if narrow else ("pre", "post")), "dead", "saturated", "gradient"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)

    def spread(row: dict[str, Any], tensor: str) -> str:
        mean, variance = row.get(f"{tensor}.mean"), row.get(f"{tensor}.variance")
        if mean is None or variance is None:
            return number(None)
        return "not finite" if math.isnan(mean + variance) else f"{mean:.2g} ± {math.sqrt(variance):.2g}"

    for row in rows:
        table.add_row(
            Text(row["site"]),
            *(() if narrow else (spread(row, "pre"), spread(row, "post"))),
            percent(row.get("dead_share")),
            percent(row.get("saturated_share")),
            number(row.get("gradient_norm")),
            Text(row["verdict"], style="green" if row["verdict"] == "healthy" else BAD),
        )
    return table


def _scores(scores: dict[str, float]) -> str:
    words = []
    for split in ("train", "test"):
        if f"{split} loss" in scores:
            right = scores.get(f"{split} accuracy")  # where there are classes
            share = "" if right is None else f" acc {right:.1%}"
            words.append(f"{split} loss {scores[f'{split} loss']:.3g}{share}")
    return "  ".join(words)
