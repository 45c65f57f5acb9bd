"""Hydra's basic launcher for the jobs that can be composed; each of the others is told, and ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from actlab.cli import composing
from actlab.cli.sweep_compose import left_to_launcher
from actlab.errors import InputError

Tell = Callable[[int, Sequence[str], InputError], None]


_hearers: list[tuple[Tell, bool]] = []  # Hydra makes a launcher of what its config says alone


@contextmanager
def job_by_job(tell: Tell, *, raises: bool) -> Iterator[None]:
    """Let ``hydra/launcher=basic`` pass over jobs that cannot be composed, which ``tell`` hears of.

    Hydra looks a launcher's class up by the name in the config, which all files repeat: the name stays, and stands
    for another class meanwhile. With ``raises`` the error is that job's result, for a sweeper that wants an answer.
    """
    known = Plugins.instance().class_name_to_class
    shipped = JobByJob.shipped = known[composing.BASIC]
    known[composing.BASIC] = JobByJob
    _hearers.append((tell, raises))
    try:
        yield
    finally:
        _hearers.pop()
        known[composing.BASIC] = shipped


class JobByJob(Launcher):
    """Hydra's own launcher, ``shipped``, for the jobs of a batch that can be composed."""

    shipped: type[Launcher]

    def __init__(self) -> None:
        super().__init__()
        self.own = self.shipped()
        self.tell, self.raises = _hearers[-1]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has prepared, its loader too: the sweeper would stop at the first bad job."""
        context = left_to_launcher(hydra_context)
        self.loader, self.config = context.config_loader, config
        self.own.setup(hydra_context=context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run jobs, numbered from ``initial_job_idx``; return how each ended."""
        returns: list[JobReturn] = []
        good: list[Sequence[str]] = []  # one after another: they are launched at once

        def run() -> None:
            if good:
                returns.extend(self.own.launch(list(good), initial_job_idx + len(returns)))
                good.clear()

        errors = [self._error(overrides) for overrides in job_overrides]
        for i, (overrides, error) in enumerate(zip(job_overrides, errors, strict=True)):
            if error is None:
                good.append(overrides)
                continue
            run()
            self.tell(initial_job_idx + i, overrides, error)
            status, value = (JobStatus.FAILED, error) if self.raises else (JobStatus.COMPLETED, None)
            returns.append(JobReturn(overrides=overrides, status=status, _return_value=value))
        run()
        return returns

    def _error(self, overrides: Sequence[str]) -> InputError | None:
        """Return what is wrong with a job's overrides, None if nothing is."""
        try:
            with composing.one_line(overrides):
                self.loader.load_sweep_config(self.config, list(overrides))
        except InputError as e:
            return e
        return None
