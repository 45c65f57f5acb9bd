"""Hydra's launchers ``joblib``, ``submitit_local`` and ``ray``, on actlab's own way to these engines.

As shipped (1.2), joblib's sweep ends with the first process that is killed, Ray's with the first error while others
still run, and submitit starts all jobs at once. Here one job's death is that job's alone, so many run at a time, each
on its own cores, and SIGTERM or Ctrl-C lets those under way save their state. Names, keys and installation are the
plugins' own. Hydra finds plugins by importing what lies in ``hydra_plugins``: no JAX here.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

    from actlab.sweeps.outward import Engine


def _launch(
    launcher: Launcher, engine: Engine, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Run every job as a pack of its own; return what became of them, in their order."""
    from actlab.sweeps.outward import NotStarted, Stopped, dispatch

    setup_globals()
    Path(str(launcher.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    given = launcher.hydra_context, launcher.config, launcher.task_function, Singleton.get_state()
    # Hydra's objects hold functions that only cloudpickle carries.
    jobs = [_cloudpickle().dumps((first + i, list(o), *given)) for i, o in enumerate(job_overrides)]
    ended = dict(dispatch(run, jobs, engine))
    for error in ended.values():
        if isinstance(error, (NotStarted, Stopped)):
            raise SystemExit(130 if "SIGINT" in str(error) else 143)
    failed = [i for i, result in ended.items() if isinstance(result, Exception)]
    for i in sorted(failed)[1:]:  # the first one's error Hydra raises, once all are done
        words = " ".join(str(ended[i]).split())
        print(f"actlab: job {first + i} failed ({' '.join(job_overrides[i])}): {words}", file=sys.stderr)
    return [
        JobReturn(overrides=o, status=JobStatus.FAILED, _return_value=ended[i])
        if isinstance(ended[i], Exception)
        else JobReturn(overrides=o, status=JobStatus.COMPLETED, **ended[i])
        for i, o in enumerate(job_overrides)
    ]


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:  # joblib has a copy
        from joblib.externals import cloudpickle
    return cloudpickle


def run(content: bytes) -> dict[str, Any]:
    """Run one job in the process that has it, as Hydra would in its own; return what makes its ``JobReturn``.

    Without its config: that is in the job's folder, and does not travel.
    """
    number, overrides, context, config, task, state = pickle.loads(content)
    setup_globals()
    Singleton.set_state(state)
    from actlab.cli.composing import one_line

    with one_line(overrides):
        config = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(config):
        config.hydra.job.id, config.hydra.job.num = f"{config.hydra.job.name}_{number}", number
    HydraConfig.instance().set_config(config)
    done = run_job(
        hydra_context=context,
        config=config,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    value = done.return_value  # raises what the job raised
    return {"_return_value": value, "working_dir": done.working_dir, "task_name": done.task_name}


def _setup(launcher: Launcher, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
    """Give a launcher what Hydra has prepared; a job that cannot be composed fails where it is run, alone."""
    from actlab.cli.sweep_compose import left_to_launcher

    launcher.hydra_context, launcher.task_function, launcher.config = left_to_launcher(context), task, config


def _only(given: Any, *known: str, of: str) -> dict[str, Any]:
    """Return the keys of a launcher's config that have a value; refuse those that would change nothing here."""
    values = OmegaConf.to_container(OmegaConf.create(given), resolve=True)
    if unknown := sorted(values.keys() - set(known)):
        from actlab.errors import InputError

        raise InputError(f"{of}.{unknown[0]}: this launcher takes {', '.join(known)}")
    return {k: v for k, v in values.items() if v is not None}


def _as_shipped(given: Any, conf: Any, *known: str, of: str) -> None:
    """Refuse keys of a launcher's config, other than ``known``, that do not stand at the plugin's defaults."""
    for field in fields(conf):
        default = field.default if field.default is not MISSING else field.default_factory()
        value = given.get(field.name, default)
        value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        if field.name not in ("_target_", *known) and value != default:
            from actlab.errors import InputError

            raise InputError(
                f"{of}.{field.name}={value!r} would change nothing: this launcher takes {', '.join(known)}"
            )


with suppress(ImportError):
    from hydra_plugins.hydra_joblib_launcher import config as joblib_config
    from hydra_plugins.hydra_joblib_launcher import joblib_launcher

    class JoblibLauncher(joblib_launcher.JoblibLauncher):
        """Jobs in processes here, ``n_jobs`` at a time, -1 for one on every core."""

        def setup(
            self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
        ) -> None:
            """Take what Hydra has prepared."""
            _setup(self, hydra_context, task_function, config)

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Launch every job."""
            from actlab.sweeps.outward import Joblib

            _as_shipped(self.joblib, joblib_config.JobLibLauncherConf, "n_jobs", of="hydra.launcher")
            n_jobs = int(self.joblib.get("n_jobs", -1))
            return _launch(self, Joblib(None if n_jobs == -1 else n_jobs), job_overrides, initial_job_idx)


with suppress(ImportError):
    from hydra_plugins.hydra_submitit_launcher import config as submitit_config
    from hydra_plugins.hydra_submitit_launcher import submitit_launcher

    class SubmititLocalLauncher(submitit_launcher.LocalLauncher):
        """Jobs in processes here, as many at a time as there are ``cpus_per_task`` cores for."""

        def setup(
            self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
        ) -> None:
            """Take what Hydra has prepared."""
            _setup(self, hydra_context, task_function, config)

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Launch every job."""
            from actlab.sweeps.outward import Submitit

            p = self.params
            known = ("timeout_min", "cpus_per_task", "gpus_per_node", "submitit_folder", "name")
            _as_shipped(p, submitit_config.LocalQueueConf, *known, of="hydra.launcher")
            engine = Submitit(
                executor="local",
                timeout_min=p["timeout_min"],
                cpus_per_task=p["cpus_per_task"] or 1,
                gpus_per_node=p["gpus_per_node"] or 0,
                folder=Path(p["submitit_folder"].replace("%j", "").rstrip("/")),
                name=p["name"],
            )
            return _launch(self, engine, job_overrides, initial_job_idx)


with suppress(ImportError):
    from hydra_plugins.hydra_ray_launcher import ray_launcher

    class RayLauncher(ray_launcher.RayLauncher):
        """Jobs as Ray's tasks, with ``ray.remote.num_cpus`` and ``num_gpus`` of the cluster ``ray.init.address``."""

        def setup(
            self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
        ) -> None:
            """Take what Hydra has prepared."""
            _setup(self, hydra_context, task_function, config)

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
            """Launch every job."""
            from actlab.sweeps.outward import Ray

            init = _only(self.ray_cfg.init, "address", of="hydra.launcher.ray.init")
            remote = _only(self.ray_cfg.remote, "num_cpus", "num_gpus", of="hydra.launcher.ray.remote")
            engine = Ray(
                address=init.get("address"),
                cpus_per_pack=remote.get("num_cpus", 1),
                gpus_per_pack=remote.get("num_gpus", 0),
            )
            return _launch(self, engine, job_overrides, initial_job_idx)
