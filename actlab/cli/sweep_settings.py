"""The keys of ``hydra.launcher`` of a sweep, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from actlab.cli.sweep_engines import NAMES, engine_of, run_outward
from actlab.cli.sweep_pack import Ended, Job, Tell, options_of, run_pack
from actlab.errors import InputError, suggest

ENGINES = ("local", *NAMES)  # where packs of jobs are run; local is this process


@dataclass(frozen=True)
class Settings:
    """The keys of ``hydra.launcher``.

    Args:
        lanes: most jobs in one compiled program; None chooses by the memory it takes.
        strategy: auto, map or vmap, see ``actlab.sweeps.Options``.
        report: whether each run's page is written as well.
        halving: dropping the worst jobs at rungs, the arguments of ``actlab.sweeps.Halving``; None for not at all.
        save_every_s: seconds after which jobs under way are saved at their next checkpoint.
        engine: which processes run the jobs: local (this one), joblib, submitit, ray.
        engine_options: of the engine, see ``actlab.sweeps.outward``; None for its defaults.

    Raises:
        InputError: a value that cannot be.

    """

    lanes: int | None = None
    strategy: str = "auto"
    report: bool = False
    halving: dict[str, Any] | None = None
    save_every_s: float = 60.0
    engine: str = "local"
    engine_options: dict[str, Any] | None = None

    def __post_init__(self):
        where = "hydra.launcher."
        if self.lanes is not None and (not isinstance(self.lanes, int) or isinstance(self.lanes, bool)):
            raise InputError(f"{where}lanes={self.lanes!r}: must be an integer >= 1, or null")
        if not isinstance(self.strategy, str):
            raise InputError(f"{where}strategy={self.strategy!r}: must be auto, map or vmap")
        if self.halving is not None and not isinstance(self.halving, dict):
            raise InputError(
                f"{where}halving={self.halving!r}: must be null, or like {{rungs:[500,1000],keep:0.5}}"
            )
        if not isinstance(self.report, bool):
            raise InputError(f"{where}report={self.report!r}: must be true or false")
        if self.engine not in ENGINES:
            raise InputError(f"{where}engine={self.engine!r} is unknown{suggest(str(self.engine), ENGINES)}")
        if self.engine_options is not None and not isinstance(self.engine_options, dict):
            raise InputError(
                f"{where}engine_options={self.engine_options!r}: must be null, or like {{processes:2}}"
            )
        if self.engine == "local" and self.engine_options:
            raise InputError(f"{where}engine_options: the engine local has none")
        if self.engine != "local" and self.halving is not None:
            raise InputError(f"{where}halving ranks the jobs of one process: it needs {where}engine=local")
        if self.engine != "local":
            engine_of(self.engine, self.engine_options or {})
        try:
            options_of(self.options)
        except InputError as e:
            words = str(e).replace("unknown key ", f"unknown key {where}")
            raise InputError(words if words != str(e) else f"{where}{e}") from e

    @staticmethod
    def of(node: DictConfig) -> Settings:
        """Return the settings that ``hydra.launcher`` holds."""
        keys = OmegaConf.to_container(node, resolve=True)
        return Settings(**{k: v for k, v in keys.items() if k != "_target_"})

    def run(self, jobs: Sequence[Job], tell: Tell) -> list[Ended]:
        """Run jobs where ``engine`` says; return how each ended, in their order."""
        if self.engine == "local":
            return run_pack(jobs, self.options, tell)
        return run_outward(engine_of(self.engine, self.engine_options or {}), jobs, self.options, tell)

    @property
    def options(self) -> dict[str, Any]:
        """What the engine is told, see ``run_pack``."""
        return {
            "strategy": self.strategy,
            "lanes": self.lanes,
            "halving": self.halving,
            "save_every_s": self.save_every_s,
        }
