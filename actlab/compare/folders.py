"""Run folders found below others, and what each says of itself: configuration, state, times."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from actlab.errors import InputError

Scalar = str | int | float | bool | None
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Found:
    """A run folder without its records: ``config`` with dotted keys, ``info`` as in run.json.

    ``problem`` is the one line that says why it cannot be read, None where it can.
    """

    folder: Path
    config: dict[str, Scalar] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def state(self) -> str:
        """What run.json says, or ``damaged``, or ``not begun`` where a job left nothing but its configuration."""
        if self.problem:
            return "damaged"
        return str(self.info.get("state", "unknown")) if self.info else "not begun"


def find_runs(paths: Sequence[Path | str]) -> list[Path]:
    """Return the run folders among and below ``paths``, each once, numbers in the order of their size.

    A run folder has a run.json or metrics; a folder that has nothing but ``.hydra`` is a job that did not begin, and
    is listed too.

    Raises:
        InputError: a path is no folder, or no run is to be found.

    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise InputError(f"{path} is not a folder")
        below = sorted(_walk(path), key=_in_order)
        if not below:
            raise InputError(f"no run in {path}: no folder there has a run.json")
        found |= dict.fromkeys(below)
    return list(found)


def _walk(path: Path) -> Iterator[Path]:
    for at, below, files in os.walk(path):
        if "run.json" in files or "metrics" in below or ".hydra" in below:
            yield Path(at)
            below.clear()
        below[:] = [name for name in below if not name.startswith(".")]


def _in_order(path: Path) -> list[tuple[int, int, str]]:
    """Return a key in which 2 comes before 10."""
    pieces = re.split(r"(\d+)", str(path))
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in pieces]


def read(folder: Path) -> Found:
    """Return what a run folder says of itself; what is damaged is told in ``problem``."""
    try:
        info = _info(folder / "run.json")
        if not info and (folder / "metrics").is_dir():
            info = {"state": "unknown"}
        return Found(folder, dict(_flat(_config(folder / ".hydra" / "config.yaml"))), info)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return Found(folder, problem=" ".join(str(error).split()))


def _info(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        info = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(info, dict):
        raise ValueError(f"{path} cannot be read: it holds no object")
    return info


def _config(path: Path) -> dict[str, Any]:
    """Return a configuration. The runs of a sweep share most of its blocks, so each is parsed once."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    config: dict[str, Any] = {}
    try:
        for block in re.split(r"^(?=[\w\"'])", text, flags=re.MULTILINE):
            config |= _block(block)
    except (TypeError, yaml.YAMLError):  # not as Hydra writes it
        whole = yaml.load(text, _LOADER)
        if not isinstance(whole, dict):
            raise ValueError(f"{path} cannot be read: it holds no mapping") from None
        return whole
    return config


@functools.lru_cache(maxsize=4096)
def _block(text: str) -> dict[str, Any]:
    return yaml.load(text, _LOADER) or {}


def _flat(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (list, dict)):
            yield name, json.dumps(value, default=str)
        elif value is None or isinstance(value, (str, int, float, bool)):
            yield name, value
        else:
            yield name, str(value)
