"""``actlab train resume=FOLDER``: go on with a run under the config it was started with."""

from __future__ import annotations

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from actlab.errors import InputError


def resume(path: Path, overrides: list[str]) -> int:
    """Go on with the run in ``path``; overrides may be repeated, not changed.

    Raises:
        InputError: not a run folder, a run that has ended, an override that says otherwise than its config.

    """
    cfg, choices, argv = _read(path)
    for override in overrides:
        _same(path, override, cfg, choices)
    from actlab.cli.train import _build, execute
    from actlab.train.folder import RunFolder

    info = RunFolder(path).read()
    if info.get("state") in ("finished", "diverged"):
        raise InputError(f"{path} has {info['state']} at step {info.get('step')}: there is nothing to resume")
    return execute(_build(cfg), path, argv, resume=True)


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
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as e:
        raise InputError(" ".join(str(e).split())) from None
    key, value = parsed.key_or_group, parsed.value()
    saved = choices[key] if key in choices else OmegaConf.select(cfg, key, default="(not set)")
    if isinstance(saved, (DictConfig,)) or OmegaConf.is_list(saved):
        saved = OmegaConf.to_container(saved)
    if saved != value:
        raise InputError(
            f"resume={path}: that run has {key}={saved}, not {value}; drop the override, or start a new run"
        )
