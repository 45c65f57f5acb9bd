"""A sweep: the jobs of one ``actlab train -m ... hydra/launcher=vmap``, composed, trained together, told by job."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from actlab.cli import composing
from actlab.cli.sweep_compose import Composed
from actlab.cli.sweep_pack import Ended, Job, Tell, line, run_pack
from actlab.cli.sweep_table import ENDED, Record, Table, digest, identity, newest
from actlab.cli.sweep_view import SweepDisplay
from actlab.errors import InputError, suggest

if TYPE_CHECKING:
    from actlab.sweeps import Told

__all__ = ["ENGINES", "Settings", "Sweep", "current", "run", "run_pack"]

DEFAULT_DIR = "runs/${now:%Y-%m-%d}/${now:%H%M%S}-sweep"  # of configs/train.yaml
Engine = Callable[[Sequence[Job], Mapping[str, Any], Tell], list[Ended]]
ENGINES: dict[str, Engine] = {"local": run_pack}  # where packs of jobs are run; local is this process


class JobFailed(InputError):
    """A job failed under a sweeper that is to hear of it, and that has had enough."""


@dataclass(frozen=True)
class Settings:
    """The keys of ``hydra.launcher``.

    Args:
        lanes: most jobs in one compiled program; None chooses by the memory it takes.
        strategy: auto, map or vmap, see ``actlab.sweeps.Options``.
        report: whether each run's page is written as well.
        halving: dropping the worst lanes at rungs; None for not at all.
        engine: which processes run the jobs.

    Raises:
        InputError: a value that cannot be.

    """

    lanes: int | None = None
    strategy: str = "auto"
    report: bool = False
    halving: Any = None
    engine: str = "local"

    def __post_init__(self):
        where = "hydra.launcher."
        if self.lanes is not None and (not isinstance(self.lanes, int) or isinstance(self.lanes, bool)):
            raise InputError(f"{where}lanes={self.lanes!r}: must be an integer >= 1, or null")
        if not isinstance(self.strategy, str):
            raise InputError(f"{where}strategy={self.strategy!r}: must be auto, map or vmap")
        if not isinstance(self.report, bool):
            raise InputError(f"{where}report={self.report!r}: must be true or false")
        if self.halving is not None:
            raise InputError(f"{where}halving={self.halving!r}: must be null")
        if self.engine not in ENGINES:
            raise InputError(f"{where}engine={self.engine!r} is unknown{suggest(str(self.engine), ENGINES)}")
        from actlab.sweeps import Options

        try:
            Options(**self.options)
        except InputError as e:
            raise InputError(f"{where}{e}") from e

    @staticmethod
    def of(node: DictConfig) -> Settings:
        """Return the settings that ``hydra.launcher`` holds."""
        keys = OmegaConf.to_container(node, resolve=True)
        return Settings(**{k: v for k, v in keys.items() if k != "_target_"})

    @property
    def options(self) -> dict[str, Any]:
        """What the engine is told, see ``run_pack``."""
        return {"strategy": self.strategy, "lanes": self.lanes}


_running: list[Sweep] = []


def current() -> Sweep:
    """Return the sweep under way, for Hydra's launcher, which has no other way to it.

    Raises:
        InputError: there is none.

    """
    if not _running:
        raise InputError("hydra/launcher=vmap runs the jobs of: actlab train -m")
    return _running[-1]


def run(argv: list[str], master: DictConfig, task: Callable[[DictConfig], Any], *, fresh: bool) -> int:
    """Run the sweep that a command line asks for, or go on with it; return the exit code.

    Args:
        argv: the command line, without ``--fresh``.
        master: its config, see ``composing.compose_multirun``.
        task: what Hydra is told that a job is; it is not called.
        fresh: begin anew even where the same sweep was begun before.

    Raises:
        InputError: what cannot be for any job, or a sweep that another process runs.

    """
    settings = Settings.of(master.hydra.launcher)
    _refuse(master)
    path = folder(argv, master, fresh)
    place = [] if _dir(master) == str(path) else [f"hydra.sweep.dir={composing.quote(path)}"]
    from actlab.cli.runtime import circumstances, logging_to, now, warnings_told

    with Table(path) as table, ExitStack() as stack:
        display = stack.enter_context(SweepDisplay(path, str(master.get("objective", "test accuracy"))))
        stack.enter_context(warnings_told())
        stack.enter_context(logging_to(path / "sweep.log"))
        soft = composing.target_of(master.hydra.sweeper) in composing.SWEEPERS
        wanted = digest(argv)
        if (
            not soft
            and table.facts.get("command_sha256") == wanted
            and table.facts.get("state") == "finished"
        ):
            display.finish(table.records, 0, ran=0)  # a search proposes other jobs each time: it is over
            return 0
        sweep = Sweep(table, settings, display, circumstances(), raises=not soft)
        table.facts = {"started": now()} | table.facts
        table.write(command=composing.command_line(argv), command_sha256=wanted, state="running")
        _running.append(sweep)
        stack.callback(_running.remove, sweep)
        stack.enter_context(_terminating())
        code = 1
        try:
            composing.hydra_main([*argv, *place], task)
            code = int(any(r.state == "failed" for r in sweep.records))
        except KeyboardInterrupt:
            code = 130
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except JobFailed:
            pass  # told below, by job
        except BaseException:
            sweep.leave("interrupted", stopped=True)
            raise
        state = {0: "finished", 1: "failed"}.get(code, "interrupted")
        sweep.leave(state, stopped=code >= 128)
        display.finish(sweep.records, code, sweep.ran)
    return code


def folder(argv: Sequence[str], master: DictConfig, fresh: bool) -> Path:
    """Return the folder of a sweep: the one asked for, the one that the same command began, or a new one.

    Raises:
        InputError: ``fresh`` in a folder asked for that is not empty.

    """
    if _dir(master) != DEFAULT_DIR:
        with composing.one_line(argv):
            path = Path(str(master.hydra.sweep.dir))
        if fresh and path.is_dir() and any(path.iterdir()):
            raise InputError(
                f"--fresh: {path} is not empty; delete it, or name another folder with hydra.sweep.dir="
            )
        return path
    begun = None if fresh else newest(Path("runs"), digest(argv))
    return begun or composing.fresh_dir("-sweep", "hydra.sweep.dir=")


def _dir(master: DictConfig) -> str:
    """Return ``hydra.sweep.dir`` as it is written."""
    return str(OmegaConf.to_container(master.hydra.sweep, resolve=False)["dir"])


def _refuse(master: DictConfig) -> None:
    """Refuse what jobs that share a process cannot have each for itself."""
    if master.hydra.job.chdir:
        raise InputError(
            "hydra.job.chdir=true: the jobs of hydra/launcher=vmap share a process, and its folder"
        )
    if master.hydra.job.env_set or master.hydra.job.env_copy:
        raise InputError(
            "hydra.job.env_set: the jobs of hydra/launcher=vmap share a process: export it before"
        )


@contextmanager
def _terminating() -> Iterator[None]:
    """End by SIGTERM as by an exception, where the engine does not take it up itself."""

    def handle(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


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
        self.table.write(state=state)

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
            if task.runs and not (task.composed.path / "run.json").exists():
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
            task.composed.enter()
            callbacks.on_job_start(config=task.composed.config, task_function=launcher.task_function)
        self.table.write()
        done: set[int] = set()

        def take(ended: Mapping[int, Ended]) -> None:
            new = [i for i in ended if i not in done]
            for i in new:
                done.add(i)
                self._take(tasks[i], ended[i])
                tasks[i].composed.enter()
                callbacks.on_job_end(config=tasks[i].composed.config, job_return=tasks[i].returned)
            if new:
                self.table.write()

        def tell(told: Told, ended: Mapping[int, Ended]) -> None:
            take(ended)
            self.display.advance(told, self.records, self._best())

        self.display.start()
        try:
            results = ENGINES[self.settings.engine](jobs, self.settings.options, tell)
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

    def _best(self) -> Record | None:
        name = self.display.objective
        sign = 1 if name.endswith("accuracy") else -1
        scored = [r for r in self.records if r.state in ENDED and r.scores.get(name) is not None]
        return max(scored, key=lambda r: sign * r.scores[name], default=None)

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
