"""Composes the jobs of a sweep: what Hydra would compose, and the same files, not each from the start.

A job's overrides that only set values (``a.b=value``, ``+a.b=value``, ``++a.b=value``) are applied to a copy of
the config that the others (choices of groups, ``hydra.*``) give, which is composed once for all jobs that share it.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobRuntime
from hydra.plugins.config_source import ConfigSource
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException


class Composer:
    """Composes jobs from the config ``master`` of their sweep."""

    def __init__(self, loader: ConfigLoader, master: DictConfig):
        self.loader, self.master = loader, master
        self._parser = OverridesParser.create()
        self._always = list(OmegaConf.to_container(master.hydra.overrides.hydra))
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._groups: dict[str, bool] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of the job with these overrides, as ``load_sweep_config`` of Hydra's own loader.

        Raises:
            HydraException, OmegaConfBaseException: it cannot be composed.

        """
        parsed = self._parser.parse_overrides(list(overrides))
        values = [o for o in parsed if self._sets_value(o)]
        rest = tuple(o.input_line for o in parsed if not self._sets_value(o))
        if any(o.is_delete() for o in parsed):  # what it deletes may have been set by one before it
            return self._full(overrides)
        if rest not in self._bases:
            self._bases[rest] = self._full(rest)
        cfg = copy.deepcopy(self._bases[rest])
        try:
            for o in values:
                if o.is_add() and OmegaConf.select(cfg, o.key_or_group, throw_on_missing=False) is not None:
                    return self._full(overrides)  # an error unless it merges: Hydra knows
                force = o.is_add() or o.is_force_add()
                OmegaConf.update(cfg, o.key_or_group, o.value(), merge=True, force_add=force)
        except OmegaConfBaseException:
            return self._full(overrides)  # the same error in Hydra's words
        told = [o for o in parsed if not o.is_hydra_override()]
        cfg.hydra.overrides.task = [o.input_line for o in told]
        cfg.hydra.job.override_dirname = _dirname(told, cfg.hydra.job.config.override_dirname)
        OmegaConf.copy_cache(from_config=self.master, to_config=cfg)
        return cfg

    def _full(self, overrides: Sequence[str]) -> DictConfig:
        return self.loader.load_sweep_config(self.master, list(overrides))

    def _sets_value(self, o: Override) -> bool:
        if o.is_hydra_override() or o.package is not None or o.is_sweep_override():
            return False
        return "." in o.key_or_group or not self._is_group(o.key_or_group)

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            options = self.loader.get_group_options(
                key, None, config_name=self.master.hydra.job.config_name, overrides=self._always
            )
            self._groups[key] = bool(options)
        return self._groups[key]


def _dirname(overrides: Sequence[Override], how: DictConfig) -> str:
    """Return ``hydra.job.override_dirname``."""
    lines = sorted(o.input_line for o in overrides if o.key_or_group not in how.exclude_keys)
    return re.sub("=", how.kv_sep, how.item_sep.join(lines))


def left_to_launcher(context: HydraContext) -> HydraContext:
    """Return what Hydra has prepared, for a launcher; ``context``, the sweeper's, composes nothing from now on."""
    own = HydraContext(config_loader=context.config_loader, callbacks=context.callbacks)
    context.config_loader = Unchecked(context.config_loader)
    return own


class Unchecked(ConfigLoader):
    """A loader whose ``load_sweep_config`` composes nothing, for sweepers that compose a whole batch to check it.

    One job that cannot be composed would end them all; the launcher composes them one by one and tells which.
    """

    def __init__(self, loader: ConfigLoader):
        self._loader = loader

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return ``master_config``."""
        return master_config

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Compose a config."""
        return self._loader.load_configuration(
            config_name, overrides, run_mode, from_shell, validate_sweep_overrides
        )

    def get_search_path(self) -> ConfigSearchPath:
        """Return where configs are looked for."""
        return self._loader.get_search_path()

    def get_sources(self) -> list[ConfigSource]:
        """Return what configs are read from."""
        return self._loader.get_sources()

    def list_groups(self, parent_name: str) -> list[str]:
        """Return the config groups in a group."""
        return self._loader.list_groups(parent_name)

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """Return the choices of a config group."""
        return self._loader.get_group_options(group_name, results_filter, config_name, overrides)

    def compute_defaults_list(self, config_name: str | None, overrides: list[str], run_mode: RunMode) -> Any:
        """Return the defaults list of a config."""
        return self._loader.compute_defaults_list(config_name, overrides, run_mode)


class Composed:
    """A job's config in its place: numbered, with a folder.

    Args:
        config: what ``Composer.compose`` gave; it is changed.
        number: ``hydra.job.num``.

    """

    def __init__(self, config: DictConfig, number: int):
        self.config = config
        self.task = _without(config, "hydra")
        self.renumber(number)

    def renumber(self, number: int) -> None:
        """Give the job this number, and the folder that goes with it."""
        self.number = number
        with read_write(self.config.hydra), open_dict(self.config.hydra):
            self.config.hydra.job.id = self.config.hydra.job.num = number
        self.enter()
        sweep = self.config.hydra.sweep
        self.move(Path(str(sweep.dir)) / str(sweep.subdir))

    def enter(self) -> None:
        """Make this the job that ``${hydra:...}`` tells of."""
        HydraConfig.instance().set_config(self.config)

    def move(self, path: Path) -> None:
        """Make ``path`` the job's folder."""
        self.path = path
        with read_write(self.config.hydra), open_dict(self.config.hydra):
            self.config.hydra.runtime.output_dir = os.path.abspath(path)

    @cached_property
    def text(self) -> str:
        """The job's own config as YAML, as ``.hydra/config.yaml`` holds it."""
        return OmegaConf.to_yaml(self.task)

    def write(self) -> None:
        """Make the folder and write what Hydra keeps in it, unless a run was begun there with it.

        Raises:
            OSError: it cannot be.

        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.config.hydra.output_subdir is None:
            return
        kept = self.path / self.config.hydra.output_subdir
        if (self.path / "run.json").exists() and (kept / "config.yaml").exists():
            return
        kept.mkdir(exist_ok=True)
        hydra = OmegaConf.masked_copy(self.config, "hydra")
        for name, content in {
            "config.yaml": self.text,
            "hydra.yaml": OmegaConf.to_yaml(hydra),
            "overrides.yaml": OmegaConf.to_yaml(self.config.hydra.overrides.task),
        }.items():
            (kept / name).write_text(content, encoding="utf-8")

    def job_return(self) -> JobReturn:
        """Return what a launcher returns for this job, not ended yet."""
        made = JobReturn(
            overrides=list(self.config.hydra.overrides.task),
            cfg=self.task,
            hydra_cfg=OmegaConf.masked_copy(self.config, "hydra"),
            working_dir=os.getcwd(),
        )
        made.task_name = JobRuntime.instance().get("name")
        return made


def _without(config: DictConfig, key: str) -> DictConfig:
    """Return a copy of ``config`` without ``key``, which is not copied either."""
    left = OmegaConf.masked_copy(config, [k for k in config if k != key])
    with flag_override(left, "readonly", None):
        OmegaConf.copy_cache(from_config=config, to_config=left)
    return left
