"""``hydra/sweeper=list``: jobs written out one by one instead of a product of choices.

``hydra.sweeper.jobs`` is a list of jobs, each the overrides of one in a line as on the command line
(``'activation=gelu seed=1'``) or a list of them; or the path of a file with a job on each line, where blank lines and
lines that start with ``#`` are passed over. What the command line itself sets holds for all jobs, before their own.
"""

# No annotations as strings here: Hydra runs a plugin before it is in sys.modules, where a dataclass looks them up.
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf


@dataclass
class ListConf:
    """The keys of ``hydra.sweeper``."""

    _target_: str = "hydra_plugins.actlab_launcher.list.ListSweeper"
    jobs: Any = None


ConfigStore.instance().store(group="hydra/sweeper", name="list", node=ListConf, provider="actlab")


class ListSweeper(Sweeper):
    """Launches the jobs it is given."""

    def __init__(self, jobs: Any):
        super().__init__()
        self.jobs = jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has prepared, and make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[Sequence[JobReturn]]:
        """Launch all jobs at once; return how they ended.

        Raises:
            HydraException: no jobs, jobs of another form, a sweep among ``arguments``, a job that cannot be composed
                where the launcher does not look at each itself.
            OSError: the file cannot be read.

        """
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        for override in parser.parse_overrides(arguments):
            if override.is_sweep_override():
                raise HydraException(
                    f"{override.input_line}: with hydra/sweeper=list each job says its own value, "
                    "in hydra.sweeper.jobs"
                )
        jobs = [[*arguments, *job] for job in read(self.jobs)]
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.validate_batch_is_legal(jobs)
        returns = self.launcher.launch(jobs, initial_job_idx=0)
        for job in returns:
            _ = job.return_value  # raises what the job did
        return [returns]


def read(jobs: Any) -> list[list[str]]:
    """Return the overrides of each job that ``hydra.sweeper.jobs`` names."""
    if isinstance(jobs, str) and jobs:
        lines = [line.strip() for line in Path(jobs).read_text(encoding="utf-8").splitlines()]
        jobs = [line for line in lines if line and not line.startswith("#")]
    if not isinstance(jobs, (list, ListConfig)) or not len(jobs):
        raise HydraException(
            f"hydra.sweeper.jobs={jobs}: must be a list of jobs, each its overrides in quotes, like "
            "['activation=gelu seed=1','activation=relu'], or a file with a job on each line"
        )
    from actlab.cli.composing import (
        open_activation,
    )  # which loads Hydra's main, and Hydra loads plugins first

    return [open_activation(_overrides(job)) for job in jobs]


def _overrides(job: Any) -> list[str]:
    try:
        if isinstance(job, str):
            return shlex.split(job)
        if isinstance(job, (list, ListConfig)) and all(isinstance(o, str) for o in job):
            return list(job)
    except ValueError as e:
        raise HydraException(f"hydra.sweeper.jobs: {job!r}: {e}") from None
    raise HydraException(
        f"hydra.sweeper.jobs: {job!r}: a job is its overrides, like 'activation=gelu seed=1'"
    )
