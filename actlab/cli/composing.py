"""Everything that talks to Hydra, and turns its errors into one line with the closest names."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from actlab.cli import configs
from actlab.errors import InputError, suggest

VERSION = "1.3"
ACTIVATION_KEYS = ("name", "learn", "per", "lean")
VMAP = "hydra_plugins.actlab_launcher.vmap.VmapLauncher"
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
SWEEPERS = (  # of fixed jobs, which want no answer
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.actlab_launcher.list.ListSweeper",
)
DEFAULT_DIR = "runs/${now:%Y-%m-%d}/${now:%H%M%S}"  # of configs/train.yaml


def open_activation(argv: list[str]) -> list[str]:
    """Let ``activation.<parameter>=`` name parameters the YAML does not list: ``make`` checks them."""

    def opened(argument: str) -> str:
        match = re.match(r"activation\.([A-Za-z_]\w*)=", argument)
        return f"++{argument}" if match and match[1] not in ACTIVATION_KEYS else argument

    return [opened(a) for a in argv]


def open_launcher(argv: list[str]) -> list[str]:
    """Let ``launcher.<key>=`` stand for ``hydra.launcher.<key>=``."""
    return [f"hydra.{a}" if a.startswith("launcher.") else a for a in argv]


def compose(argv: list[str]) -> DictConfig:
    """Return the config that Hydra would compose from this command line; raise as ``compose_all`` does."""
    return without_hydra(compose_all(argv))


def compose_all(argv: list[str]) -> DictConfig:
    """Return the config that Hydra would compose from this command line, its own node ``hydra`` included.

    Raises:
        InputError: an override that cannot be, with close names.

    """
    config_name, overrides = _composed(argv)
    with one_line(overrides):
        try:
            return _compose(overrides, config_name=config_name)
        except ValueError as e:  # Hydra's own, for an override like "=3"
            raise InputError(f"{' '.join(overrides)}: {' '.join(str(e).split())}") from e


def compose_multirun(argv: list[str]) -> DictConfig:
    """Return the config of a multirun as a whole, its own node ``hydra`` included: what is swept is left as it was.

    Raises:
        InputError: an override that cannot be for any of its jobs, with close names.

    """
    config_name, overrides = _composed(argv)
    with one_line(overrides), _initialized():
        loader = GlobalHydra.instance().config_loader()
        try:
            return loader.load_configuration(config_name, overrides, RunMode.MULTIRUN)
        except ValueError as e:
            raise InputError(f"{' '.join(overrides)}: {' '.join(str(e).split())}") from e


def target_of(node: DictConfig) -> str:
    """Return the class that a launcher or sweeper is."""
    return str(node.get("_target_"))


def _composed(argv: list[str]) -> tuple[str, list[str]]:
    """Return the name of the config to compose and the overrides, ``--config-dir`` among them."""
    flags, overrides = _flags(argv)
    if flags.config_dir:
        extra = Path(flags.config_dir).absolute()
        if not extra.is_dir():
            raise InputError(f"--config-dir {flags.config_dir}: there is no such folder")
        overrides = [*overrides, f"hydra.searchpath=[file://{extra}]"]
    return flags.config_name, overrides


def _initialized() -> AbstractContextManager[Any]:
    if GlobalHydra.instance().is_initialized():  # in the midst of a multirun, with the same configs
        return nullcontext()
    return hydra.initialize_config_dir(str(configs.folder()), version_base=VERSION)


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return a copy of a composed config without its node ``hydra``."""
    copy = cfg.copy()
    with open_dict(copy):
        copy.pop("hydra", None)
    return copy


def _compose(overrides: list[str], config_name: str = "train") -> DictConfig:
    with _initialized():
        return hydra.compose(config_name, overrides=overrides, return_hydra_config=True)


KNOWN_FLAGS = {
    "--fresh",
    "--run",
    "-r",
    "--multirun",
    "-m",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--resolve",
    "--package",
    "-p",
    "--config-dir",
    "-cd",
    "--config-name",
    "-cn",
    "--config-path",
    "-cp",
    "--hydra-help",
    "--version",
    "--shell-completion",
    "-sc",
    "--experimental-rerun",
}


def check_flags(argv: list[str]) -> None:
    """Raise InputError for a flag that Hydra does not have."""
    for argument in argv:
        if argument.startswith("-") and argument.split("=")[0] not in KNOWN_FLAGS:
            raise InputError(
                f"unknown flag {argument}: keys are written key=value, like steps=100; see --help"
            )


def _flags(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--config-name", "-cn", default="train")
    try:
        flags, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as e:
        raise InputError(str(e)) from None
    return flags, [a for a in rest if not a.startswith("-")]


def hydra_main(argv: list[str], task: Callable[[DictConfig], Any]) -> int:
    """Call ``task`` as ``@hydra.main`` would, on this command line."""
    old = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["actlab", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting
    overrides = [a for a in argv if not a.startswith("-")]
    try:
        with one_line(overrides):
            hydra.main(version_base=VERSION, config_path=str(configs.folder()), config_name="train")(task)()
    finally:
        sys.argv = old[0]
        if old[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = old[1]
    return 0


def output_dir() -> Path:
    """Return the folder Hydra made for the current job."""
    return Path(HydraConfig.get().runtime.output_dir)


def job_overrides() -> list[str]:
    """Return the overrides of the current job of a multirun."""
    return list(HydraConfig.get().overrides.task)


def job_number() -> int:
    """Return the number of the current job of a multirun."""
    return HydraConfig.get().job.num


def fresh_run_dir(cfg: DictConfig) -> Path:
    """Return the folder this run will have: the one its config asks for, else a new one named by the time.

    Raises:
        InputError: the folder asked for already holds a run.
        OSError: the folder cannot be made.

    """
    written = OmegaConf.to_container(cfg.hydra.run, resolve=False)["dir"]
    if written != DEFAULT_DIR:
        path = Path(cfg.hydra.run.dir)
        if (path / "run.json").exists():
            raise InputError(f"{path} already holds a run: resume={path} goes on with it")
        return path
    return fresh_dir("", "hydra.run.dir=")


def fresh_dir(suffix: str, key: str) -> Path:
    """Make and return a new folder below ``runs``, named by the time and ``suffix``; ``key`` would name another."""
    now = datetime.now()
    day = Path("runs") / now.strftime("%Y-%m-%d")
    day.mkdir(parents=True, exist_ok=True)
    for n in range(1000):
        path = day / (now.strftime("%H%M%S") + suffix + (f"-{n}" if n else ""))
        try:
            path.mkdir()  # taken by whoever makes it: two runs of the same second do not meet
        except FileExistsError:
            continue
        return path
    raise InputError(f"{day} has a thousand runs of this second; name one with {key}")


def command_line(argv: Iterable[Any]) -> str:
    """Return the command that repeats this run."""
    return shlex.join(["actlab", "train", *map(str, argv)])


def quote(path: Path) -> str:
    """Return a path as the value of a Hydra override."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def one_line(overrides: Sequence[str]) -> Iterator[None]:
    """Turn Hydra's errors about ``overrides`` into an ``InputError``."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as e:
        raise InputError(_explain(str(e), list(overrides))) from e


def _explain(message: str, overrides: list[str]) -> str:
    if match := re.search(r"Could not find '([\w/]+)/([^'/]+)'", message):
        group, choice = match.groups()
        listed = message.partition("Available options in")[2].splitlines()[1:]
        known = configs.groups().get(group) or [name.strip() for name in listed if name.startswith("\t")]
        hint = suggest(choice, known)
        if group == "activation":
            if why := _not_a_choice(choice):
                return f"activation={choice}: {why}"
            hint += " (your own function: activation.name=module:function)"
        return f"{group}={choice}: there is no such {group}{hint}"
    if match := re.search(
        r"Could not (?:override|append to|delete from) config.*'([^']+)'", message
    ) or re.search(r"Could not override '([^']+)'", message):
        return f"unknown key {match[1]}{_near(match[1], overrides)}"
    return " ".join(message.split())


def _not_a_choice(name: str) -> str | None:
    """Return why an activation that exists has no file of its own to choose, None if there is none."""
    from actlab.activations import registry  # JAX, which only this error needs
    from actlab.nn.activation import misfit

    if name not in registry():
        return None
    spec = registry()[name].spec
    return misfit(spec) or (f"this alias is written activation={spec.name}" if spec.name != name else None)


def _near(key: str, overrides: list[str]) -> str:
    """Return close keys of the config as it would be without what failed."""
    of_hydra = key.startswith("hydra.")
    groups = [*configs.groups(), "hydra/launcher", "hydra/sweeper"]
    chosen = [o for o in overrides if "." not in o.split("=")[0] and o.split("=")[0].lstrip("+~") in groups]
    try:
        cfg = _compose(chosen)
    except (HydraException, OmegaConfBaseException):
        cfg = _compose([])
    cfg = cfg if of_hydra else without_hydra(cfg)
    parent, _, leaf = key.rpartition(".")
    if parent == "hydra.launcher" and not any(o.startswith("hydra/launcher=") for o in overrides):
        return "; the launcher that has lanes is hydra/launcher=vmap"
    node = OmegaConf.select(cfg, parent) if parent else cfg
    known = [str(k) for k in node if k != "_target_"] if isinstance(node, DictConfig) else []
    if close := difflib.get_close_matches(leaf, known, n=2, cutoff=0.6):
        return f"; did you mean {' or '.join(close)}?"
    leaves = {k.split(".")[-1]: k for k in _keys(cfg)}
    if close := difflib.get_close_matches(leaf, leaves, n=2, cutoff=0.7):
        return f"; did you mean {' or '.join(leaves[c] for c in close)}?"
    return f"; {parent or 'the config'} has {', '.join(known)}" if known else "; see actlab train --cfg job"


def _keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for key in cfg:
        value = cfg._get_node(key)
        found += _keys(value, f"{prefix}{key}.") if isinstance(value, DictConfig) else [f"{prefix}{key}"]
    return [k for k in found if not k.endswith("_target_")]
