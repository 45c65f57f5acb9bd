"""``actlab train resume=FOLDER``: go on with a run under the config it was started with."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from actlab.errors import InputError

log = logging.getLogger(__name__)


def resume(path: Path, overrides: list[str]) -> int:
    """Go on with the run in ``path``; overrides may be repeated, not changed, but for ``logger``.

    Raises:
        InputError: not a run folder, a run that has ended, an override that says otherwise than its config.

    """
    cfg, choices, argv = _read(path)
    told = [o for o in overrides if _is_logger(o)]  # where a run is told of is no part of what it is
    placed = [o for o in overrides if _key(o) == "parallel"]  # nor are the processes that compute it
    for override in overrides:
        if override not in told + placed:
            _same(path, override, cfg, choices)
    if told:
        cfg = _with_loggers(cfg, argv, told)
    cfg = _with_parallel(cfg, placed)
    from actlab.cli.runtime import config_digest
    from actlab.cli.train import accompany, build_run, build_sinks, execute, is_writer
    from actlab.train.folder import RunFolder

    info = RunFolder(path).read()
    if info.get("config_sha256") not in (None, config_digest(path)):
        raise InputError(f"resume={path}: its .hydra/config.yaml has changed since the run was started")
    if info.get("state") in ("finished", "diverged"):
        raise InputError(f"{path} has {info['state']} at step {info.get('step')}: there is nothing to resume")
    run = build_run(cfg)
    if not is_writer(run):
        return accompany(run, resume=True)
    _tell_differences(path, info)
    return execute(run, path, argv, resume=True, sinks=build_sinks(cfg))


def _is_logger(override: str) -> bool:
    return _key(override) == "logger"


def _key(override: str) -> str:
    return override.split("=")[0].lstrip("+~").split(".")[0]


def _with_parallel(cfg: DictConfig, placed: list[str]) -> DictConfig:
    """Return ``cfg`` in the processes that ``placed`` names; what is not named is one process again."""
    from actlab.cli import composing

    copy = cfg.copy()
    data = OmegaConf.select(cfg, "parallel.data", default=1)
    with open_dict(copy):
        copy.parallel = composing.compose([f"parallel.data={data}", *placed]).parallel
    return copy


def _with_loggers(cfg: DictConfig, argv: list[str], told: list[str]) -> DictConfig:
    """Return ``cfg`` with the loggers that ``told`` chooses, or with those it has, changed in some key."""
    from actlab.cli import composing

    chosen = any(o.startswith("logger=") for o in told)
    before = [] if chosen else [o for o in argv if _is_logger(o)]
    copy = cfg.copy()
    with open_dict(copy):
        copy.logger = composing.compose([*before, *told]).get("logger", {})
    return copy


def _tell_differences(path: Path, info: dict[str, Any]) -> None:
    """Warn where the run goes on under other versions or on another device: its last bits may differ."""
    from actlab.cli.runtime import facts, warnings_told

    now = facts(path)
    before = {**(info.get("versions") or {}), "device": info.get("device")}
    other = [
        f"{name} {before[name]}, now {value}"
        for name, value in {**now["versions"], "device": now["device"]}.items()
        if before.get(name) not in (None, value)
    ]
    if other:
        with warnings_told():
            log.warning("resume=%s was started with %s: the last bits may differ", path, "; ".join(other))


def _read(path: Path) -> tuple[DictConfig, DictConfig, list[str]]:
    """Return a run's config, its group choices and its overrides, as Hydra saved them."""
    if not (path / "run.json").is_file() or not (path / ".hydra" / "config.yaml").is_file():
        what = (
            "is not a run folder (no run.json and .hydra/config.yaml)" if path.is_dir() else "does not exist"
        )
        raise InputError(f"resume={path}: {what}")
    try:
        cfg = OmegaConf.load(path / ".hydra" / "config.yaml")
        hydra = OmegaConf.load(path / ".hydra" / "hydra.yaml")
        argv = OmegaConf.load(path / ".hydra" / "overrides.yaml")
    except Exception as e:  # YAML's, OmegaConf's and the file system's errors have no common parent
        raise InputError(
            f"resume={path}: its saved config cannot be read ({' '.join(str(e).split())})"
        ) from e
    return cfg, OmegaConf.select(hydra, "hydra.runtime.choices") or OmegaConf.create(), list(argv)


def _same(path: Path, override: str, cfg: DictConfig, choices: DictConfig) -> None:
    """Check that an override says what the run's config says."""
    if override.startswith("-"):
        raise InputError(f"resume={path} takes no flags, got {override}")
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as e:
        raise InputError(" ".join(str(e).split())) from None
    if parsed.is_sweep_override() or parsed.is_delete():
        raise InputError(f"resume={path} goes on with one run as it is, {override} cannot be")
    key, value = parsed.key_or_group, parsed.value()
    saved = choices[key] if key in choices else OmegaConf.select(cfg, key, default="(not set)")
    if OmegaConf.is_config(saved):
        saved = OmegaConf.to_container(saved)
    if saved != value:
        raise InputError(
            f"resume={path}: that run has {key}={saved}, not {value}; drop the override, or start a new run"
        )
