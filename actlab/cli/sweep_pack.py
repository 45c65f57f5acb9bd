"""A pack of jobs: what one process trains together. Plain values go in and out, so the process may be another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.sweeps import Options, Told
    from actlab.train import Run
    from actlab.train.loop import Outcome


ENDED = ("finished", "diverged", "pruned")  # for good: such a job is not run again


@dataclass(frozen=True)
class Job:
    """A run to train.

    Args:
        config: its config, resolved.
        path: its folder, which holds what Hydra writes already; a run in it is gone on with.
        facts: what its run.json says of command, config, versions, device; of a run begun before nothing.

    """

    config: dict[str, Any]
    path: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a job ended: ``state`` is one of ENDED, interrupted, failed or "not run"; ``message`` says why."""

    state: str
    step: int | None = None
    scores: dict[str, float] = field(default_factory=dict)
    message: str = ""
    signal: int | None = None


Tell = Callable[["Told", Mapping[int, Ended]], None]


def options_of(plain: Mapping[str, Any]) -> Options:
    """Return the engine's options from plain values; raise InputError where one cannot be."""
    from actlab.cli.build import check_call
    from actlab.sweeps import Halving, Options

    values = dict(plain)
    if (halving := values.pop("halving", None)) is not None:
        check_call(Halving, halving, "halving.")
        if "rungs" not in halving:
            raise InputError(
                "halving.rungs is missing: steps at which the worst are dropped, like [500,1000]"
            )
        halving = Halving(**halving)
    return Options(**values, halving=halving)


def run_pack(jobs: Sequence[Job], options: Mapping[str, Any], tell: Tell | None = None) -> list[Ended]:
    """Train jobs in this process; return how each ended, in their order.

    What is wrong with one job is how that one ended. ``options`` are those of ``actlab.sweeps.Options``;
    ``tell``, in this process only, hears how far the jobs are and which have ended; all by place in ``jobs``.
    """
    from actlab.cli.runtime import cores_as_devices, prepare
    from actlab.sweeps import Lane, train_lanes

    cores_as_devices()
    prepare()
    ended: dict[int, Ended] = {}
    runs = _runs(jobs, ended)
    places = list(runs)

    def advance(told: Told) -> None:
        new = {i: _ended(o, jobs[i].path) for k, o in told.ended.items() if (i := places[k]) not in ended}
        ended.update(new)
        if tell is not None:
            best = told.best and (places[told.best[0]], told.best[1])
            tell(replace(told, best=best), dict(ended))

    lanes = [Lane(run, Path(jobs[i].path), jobs[i].facts) for i, run in runs.items()]
    outcomes = train_lanes(lanes, options_of(options), tell=advance) if lanes else []
    if len(outcomes) == len(lanes):
        ended |= {i: _ended(outcome, jobs[i].path) for i, outcome in zip(places, outcomes, strict=True)}
    for i, job in enumerate(jobs):
        if i in ended and i in runs:
            _send(job, ended[i])
    return [ended.get(i, Ended("not run")) for i in range(len(jobs))]


def _runs(jobs: Sequence[Job], failed: dict[int, Ended]) -> dict[int, Run]:
    """Return the runs by their place in ``jobs``; those that cannot be go into ``failed``.

    The model is traced once for all runs that will share a compiled program.
    """
    from actlab.cli.build import check_run, describe
    from actlab.train.numbers import candidates, structure

    runs: dict[int, Run] = {}
    seen: dict[Any, InputError | None] = {}
    for i, job in enumerate(jobs):
        try:
            run = describe(job.config)
            shape = structure(run.setup, candidates(run.setup))
            if shape not in seen:
                try:
                    check_run(run)
                    seen[shape] = None
                except InputError as e:
                    seen[shape] = e
            if (error := seen[shape]) is not None:
                raise error
        except (InputError, OSError) as e:
            failed[i] = Ended("failed", message=line(e))
        else:
            runs[i] = run
    return runs


def line(e: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(e, OSError) and e.strerror:
        return f"{e.strerror}: {e.filename}" if e.filename else e.strerror
    words = " ".join(str(e).split())
    return words if isinstance(e, InputError) else f"{type(e).__name__}: {words}"


def _ended(outcome: Outcome | Exception, path: str) -> Ended:
    from actlab.train.folder import RunFolder

    if isinstance(outcome, Exception):
        return Ended("failed", message=line(outcome))
    begun = (Path(path) / "run.json").exists()
    if outcome.state == "interrupted" and not outcome.step and not begun:
        return Ended("not run", signal=outcome.signal)
    message = outcome.divergence["message"] if outcome.divergence else ""
    if outcome.state == "pruned" and begun:
        message = str(RunFolder(Path(path)).read().get("pruned", ""))
    return Ended(outcome.state, outcome.step, dict(outcome.scores), message, outcome.signal)


def _send(job: Job, ended: Ended) -> None:
    """Send the records of a run that has ended to where ``logger`` says: all at once, from its folder."""
    if not job.config.get("logger") or ended.state not in ENDED:
        return
    from actlab.cli.build import sinks_of
    from actlab.runs import read_run
    from actlab.sinks import finish_all
    from actlab.train.folder import RunFolder

    path = Path(job.path)
    records = read_run(path)
    sinks = sinks_of(job.config)
    for sink in sinks:
        sink.start(path, resumed=False)
        sink.log(records.metrics.iter_rows(), records.histograms.iter_rows())
    told = finish_all(sinks, ended.state, ended.scores)
    with suppress(OSError):  # the disk may be full; the sinks have it all
        RunFolder(path).write(sinks=told)
