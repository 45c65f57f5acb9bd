"""The jobs of a sweep: composed, placed in folders, trained by an engine, recorded, given back to the sweeper."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus

from actlab.cli import composing
from actlab.cli.sweep_compose import Composed
from actlab.cli.sweep_pack import ENDED, Ended, Job, line
from actlab.cli.sweep_settings import Settings
from actlab.cli.sweep_table import Record, Table, identity
from actlab.cli.sweep_view import SweepDisplay
from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.sweeps import Told

log = logging.getLogger(__name__)


class JobFailed(InputError):
    """A job failed under a sweeper that is to hear of it, and that has had enough."""


@dataclass
class _Task:
    """A job of one launch; ``composed`` is None where it cannot be composed or another of the launch is the same."""

    record: Record
    composed: Composed | None = None
    config: dict[str, Any] = field(default_factory=dict)
    returned: JobReturn = field(default_factory=lambda: _Returned())

    @property
    def runs(self) -> bool:
        return self.composed is not None and self.record.state not in (*ENDED, "failed")


class _Returned(JobReturn):
    """A ``JobReturn`` whose error is raised without a line on stderr besides: the sweep tells it."""

    @property
    def return_value(self) -> Any:
        if self.status is JobStatus.FAILED:
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


class Sweep:
    """Jobs as a sweeper launches them, one batch after another.

    Args:
        table: where they are recorded.
        settings: how they are run.
        display: who is told.
        facts: what is the same for all of them in run.json.
        raises: whether a failed job's result raises, for the sweeper to hear; else the others go on.

    """

    def __init__(
        self,
        table: Table,
        settings: Settings,
        display: SweepDisplay,
        facts: Mapping[str, Any],
        *,
        raises: bool,
    ):
        self.table, self.settings, self.display = table, settings, display
        self.facts, self.raises = facts, raises
        self.records: list[Record] = []  # of this command, among those of the table
        self.ran = 0
        self.kept = True  # sweep.json says how the jobs ended
        self._told = False

    def launch(self, launcher: Any, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run one batch, numbered from ``first``; return how each job ended, in their order.

        ``launcher`` has Hydra's ``config``, ``hydra_context`` and ``task_function``, and a ``composer``.

        Raises:
            SystemExit: a signal ended it; the exit code says which.

        """
        before = HydraConfig.instance().cfg
        try:
            tasks = self._prepare(launcher.composer, overrides, first)
            stopped = self._run(launcher, [t for t in tasks if t.runs])
        finally:
            HydraConfig.instance().cfg = before
        self._reports(tasks)
        if stopped is not None:
            raise SystemExit(128 + stopped)
        return [self._returned(t) for t in tasks]

    def leave(self, state: str, *, stopped: bool) -> None:
        """Record that the sweep is over, or where it was stopped."""
        if stopped:
            for record in self.records:
                if record.state == "waiting":
                    record.state = "not run"
                elif record.state == "running":
                    record.state = "interrupted"
        self._keep(state=state)

    def _keep(self, **facts: Any) -> None:
        """Write sweep.json; what a full disk does not take, the jobs' own folders tell the next time."""
        try:
            self.table.write(**facts)
            self.kept = True
        except OSError as e:
            self.kept = False
            if not self._told:
                self._told = True
                log.warning("%s: how jobs end is in their own folders only", line(e))

    def _prepare(self, composer: Any, overrides: Sequence[Sequence[str]], first: int) -> list[_Task]:
        """Compose and check jobs; find those known, give the others numbers and folders; write what Hydra writes."""
        if not self.records:
            n = len(overrides)
            self.display.say(f"composing {n} job{'s' * (n != 1)} -> {self.table.path}")
        tasks = [self._task(composer, list(o), first + i) for i, o in enumerate(overrides)]
        known = {id(r) for r in self.table.records}
        fresh = [t for t in tasks if t.composed is not None and id(t.record) not in known]
        used = {r.number for r in self.table.records}
        reserved = {t.record.number for t in fresh}
        taken = {r.folder for r in self.table.records}
        placed: dict[str, Record] = {}
        for task in tasks:
            if task.composed is None:
                self._add(task.record, known)
                continue
            if task.record.identity in placed:
                task.record, task.composed = placed[task.record.identity], None  # the same job once more
                continue
            placed[task.record.identity] = task.record
            if id(task.record) in known:  # from an earlier command or batch, under the number it had then
                task.composed.renumber(task.record.number)
                task.composed.move(self.table.path / task.record.folder)
            else:
                self._place(task, used, reserved, taken)
            self._add(task.record, known)
        self.table.write()
        for task in tasks:
            if task.runs:
                try:
                    task.composed.write()
                except OSError as e:
                    task.record.state, task.record.message = "failed", line(e)
        return tasks

    def _add(self, record: Record, known: set[int]) -> None:
        if id(record) not in known:
            self.table.records.append(record)
            known.add(id(record))
        if not any(r is record for r in self.records):
            self.records.append(record)

    def _task(self, composer: Any, overrides: list[str], number: int) -> _Task:
        """Return one job composed and checked; what is wrong with it is its record's."""
        from actlab.cli.build import describe, plain, sinks_of

        record = Record(number, overrides)
        try:
            with composing.one_line(overrides):
                composed = Composed(composer.compose(overrides), number)
            record.overrides = list(composed.config.hydra.overrides.task)
            config = plain(composed.task)
            describe(config)
            if config.get("logger"):
                sinks_of(config)  # its library may be missing
        except (InputError, OSError, ValueError) as e:
            record.state, record.message = "failed", line(e)
            return _Task(record)
        record.identity = identity(config)
        if (same := self.table.find(record.identity)) is not None:
            same.overrides = record.overrides
            if same.state not in ENDED:
                same.state, same.message = "waiting", ""
            record = same
        return _Task(record, composed, config)

    def _place(self, task: _Task, used: set[int], reserved: set[int], taken: set[str | None]) -> None:
        """Give a new job a number and a folder that no other job has: a run is never overwritten."""
        composed = task.composed

        def name() -> str:
            return os.path.relpath(composed.path, self.table.path)

        def free() -> bool:
            return name() not in taken and not (composed.path / "run.json").exists()

        if composed.number in used or not free():
            number = max(used | reserved) + 1
            composed.renumber(number)
            while not free() and number - max(used | reserved) < 10_000 and str(number) in name():
                number += 1
                composed.renumber(number)
            stem, n = composed.path, 2
            while not free():
                composed.move(stem.with_name(f"{stem.name}-{n}"))
                n += 1
        task.record.number, task.record.folder = composed.number, name()
        used.add(composed.number)
        taken.add(task.record.folder)

    def _run(self, launcher: Any, tasks: list[_Task]) -> int | None:
        """Train jobs; return the signal that stopped them, None if none did."""
        if not tasks:
            return None
        callbacks = launcher.hydra_context.callbacks
        jobs = [self._job(t) for t in tasks]
        for task in tasks:
            task.record.state = "running"
            task.returned = _fill(task.composed.job_return())
            if callbacks.callbacks:  # entering a job copies its whole config: not for nobody
                task.composed.enter()
                callbacks.on_job_start(config=task.composed.config, task_function=launcher.task_function)
        self.table.write()
        done: set[int] = set()

        def take(ended: Mapping[int, Ended]) -> None:
            new = [i for i in ended if i not in done]
            for i in new:
                done.add(i)
                self._take(tasks[i], ended[i])
                if callbacks.callbacks:
                    tasks[i].composed.enter()
                    callbacks.on_job_end(config=tasks[i].composed.config, job_return=tasks[i].returned)
            if new:
                self._keep()

        def tell(told: Told, ended: Mapping[int, Ended]) -> None:
            take(ended)
            leads = self._best()
            if told.best is not None and self.display.objective == told.metric:
                place, score = told.best  # lanes of a group lead before they end
                leads = max(
                    leads or (tasks[place].record, score), (tasks[place].record, score), key=self._merit
                )
            self.display.advance(told, self.records, leads)

        self.display.start()
        try:
            results = self.settings.run(jobs, tell)
        finally:
            self.display.stop()
        stopped = next((r.signal for r in results if r.signal is not None), None)
        take({i: r for i, r in enumerate(results) if r.state != "not run"})
        for i, task in enumerate(tasks):
            if i not in done:
                task.record.state = "not run"
        self.ran += len(done)
        return stopped

    def _job(self, task: _Task) -> Job:
        from actlab.cli.runtime import now

        path = task.composed.path
        if (path / "run.json").exists():
            return Job(task.config, str(path))
        facts = {
            "command": composing.command_line(task.record.overrides),
            "config_sha256": hashlib.sha256(task.composed.text.encode()).hexdigest(),
            "started": now(),
            **self.facts,
        }
        return Job(task.config, str(path), facts)

    def _take(self, task: _Task, ended: Ended) -> None:
        record = task.record
        record.state, record.message = ended.state, ended.message
        record.step, record.scores = ended.step, dict(ended.scores)
        self._returned(task)

    def _returned(self, task: _Task) -> JobReturn:
        """Return what the sweeper gets, filled from the record."""
        from actlab.cli.build import worth

        made, record = task.returned, task.record
        made.overrides = made.overrides or record.overrides
        failed = record.state not in ENDED
        if failed and self.raises:
            made.status = JobStatus.FAILED
            made.return_value = JobFailed(f"job {record.number}: {record.message or record.state}")
        else:
            made.status = JobStatus.COMPLETED
            made.return_value = None if failed else worth(record.scores, task.config)
        return made

    def _merit(self, pair: tuple[Record, float]) -> float:
        merit = pair[1] if self.display.objective.endswith("accuracy") else -pair[1]
        return merit if math.isfinite(merit) else -math.inf

    def _best(self) -> tuple[Record, float] | None:
        name = self.display.objective
        scored = [
            (r, r.scores[name]) for r in self.records if r.state in ENDED and r.scores.get(name) is not None
        ]
        return max(scored, key=self._merit, default=None)

    def _reports(self, tasks: Sequence[_Task]) -> None:
        """Write the pages asked for that are not there yet."""
        if not self.settings.report:
            return
        from actlab.report import write_report

        for record in {id(t.record): t.record for t in tasks if t.record.state in ENDED}.values():
            path = self.table.path / record.folder
            if not (path / "report.html").exists():
                try:
                    write_report(path)
                except (InputError, OSError) as e:
                    record.message = record.message or f"no page: {line(e)}"


def _fill(made: JobReturn) -> JobReturn:
    quiet = _Returned(made.overrides, made.cfg, made.hydra_cfg, made.working_dir)
    quiet.task_name = made.task_name
    return quiet
