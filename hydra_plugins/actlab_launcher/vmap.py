"""``hydra/launcher=vmap``: a multirun of ``actlab train`` as a few compiled programs, see ``actlab.cli.sweep``."""

# No annotations as strings here: Hydra runs a plugin before it is in sys.modules, where a dataclass looks them up.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class VmapConf:
    """The keys of ``hydra.launcher``; ``actlab.cli.sweep.Settings`` says what they mean and checks them."""

    _target_: str = "hydra_plugins.actlab_launcher.vmap.VmapLauncher"
    lanes: Any = None
    strategy: Any = "auto"
    report: Any = False
    halving: Any = None
    save_every_s: Any = 60
    engine: Any = "local"
    engine_options: Any = None


ConfigStore.instance().store(group="hydra/launcher", name="vmap", node=VmapConf, provider="actlab")


class VmapLauncher(Launcher):
    """Hands the jobs of a sweeper to the sweep that ``actlab train`` has begun."""

    def __init__(self, **settings: Any):
        super().__init__()
        self.settings = settings  # which the sweep has read from the config itself

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has prepared; a job that cannot be composed is left to ``launch``."""
        from actlab.cli.sweep_compose import Composer, left_to_launcher

        self.hydra_context, self.config, self.task_function = (
            left_to_launcher(hydra_context),
            config,
            task_function,
        )
        self.composer = Composer(self.hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs, numbered from ``initial_job_idx``; return how each ended.

        Raises:
            InputError: no sweep has begun, since it is not ``actlab train`` that runs.

        """
        from actlab.cli.sweep import current

        return current().launch(self, job_overrides, initial_job_idx)
