"""Packs of a sweep's jobs in other processes: each pack shares a compiled program, and is one process's work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actlab.cli.sweep_pack import Ended, Job, Tell, line, run_pack
from actlab.errors import InputError

NAMES = ("joblib", "submitit", "ray")


def engine_of(name: str, options: Mapping[str, Any]) -> Any:
    """Return the engine called ``name`` with these options.

    Raises:
        InputError: an option that the engine does not have, or a value that cannot be.

    """
    from actlab.cli.build import check_call
    from actlab.sweeps import outward

    kind = {"joblib": outward.Joblib, "submitit": outward.Submitit, "ray": outward.Ray}[name]
    values = {k: Path(v) if k == "folder" else v for k, v in options.items()}
    check_call(kind, values, "hydra.launcher.engine_options.")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def run_outward(engine: Any, jobs: Sequence[Job], options: Mapping[str, Any], tell: Tell) -> list[Ended]:
    """Train jobs in other processes; return how each ended, in their order.

    Jobs that share a program go together, in as many packs as the engine has processes for if there are fewer
    programs than that. A process that dies takes its own pack alone: the same command goes on with it.
    """
    from actlab.sweeps.outward import dispatch

    ended: dict[int, Ended] = {}
    packs = _packs(jobs, ended, _parallel(engine))
    work = [([jobs[i] for i in pack], dict(options)) for pack in packs]
    began = _Telling(tell, len(jobs), len(packs), ended)
    began.tell()
    for place, result in dispatch(_work, work, engine):
        if isinstance(result, Exception):
            result = [_lost(jobs[i], result) for i in packs[place]]
        ended.update(zip(packs[place], result, strict=True))
        began.tell()
    return [ended.get(i, Ended("not run")) for i in range(len(jobs))]


def _work(pack: tuple[list[Job], dict[str, Any]]) -> list[Ended]:
    return run_pack(*pack)


def _lost(job: Job, error: Exception) -> Ended:
    """Return how a job of a pack that died ended: some of them may have before."""
    from actlab.sweeps.keeper import ended_before

    try:
        outcome = ended_before(Path(job.path))
    except InputError:
        outcome = None
    if outcome is not None:
        return Ended(outcome.state, outcome.step, dict(outcome.scores))
    return Ended("failed", message=line(error))


def _packs(jobs: Sequence[Job], failed: dict[int, Ended], parallel: int) -> list[tuple[int, ...]]:
    from actlab.cli.build import describe
    from actlab.sweeps.grouping import kinds, portions

    runs = {}
    for i, job in enumerate(jobs):
        try:
            runs[i] = describe(job.config)
        except (InputError, OSError) as e:
            failed[i] = Ended("failed", message=line(e))
    groups = [kind.members for kind in kinds(runs)]
    parts = max(1, -(-parallel // max(len(groups), 1)))
    return [pack for g in groups for pack in portions(g, -(-len(g) // min(parts, len(g))))]


def _parallel(engine: Any) -> int:
    """Return how many packs the engine works on at a time, where that is known; 1 where it is not."""
    from actlab.sweeps.outward.engines import cores

    for name in ("processes", "max_concurrent", "array_parallelism"):
        if getattr(engine, name, None):
            return getattr(engine, name)
    return 1 if getattr(engine, "executor", "") == "slurm" else len(cores())


@dataclasses.dataclass
class _Telling:
    """Tells of a sweep in other processes: of what has ended, since no step of theirs is heard of here."""

    to: Tell
    jobs: int
    packs: int
    ended: dict[int, Ended]

    def tell(self) -> None:
        from actlab.sweeps import Told
        from actlab.sweeps.lanes import leader

        metric, best = leader({i: e.scores for i, e in self.ended.items()})
        told = Told(
            lanes=self.jobs,
            group=1,
            groups=self.packs,
            group_lanes=self.jobs,
            what="in other processes",
            step=len(self.ended),
            steps=self.jobs,
            done=len(self.ended),
            diverged=sum(e.state == "diverged" for e in self.ended.values()),
            steps_per_second=0.0,
            eta_s=None,
            compile_time_s=0.0,
            best=best,
            ended={},
            metric=metric,
        )
        self.to(told, dict(self.ended))
