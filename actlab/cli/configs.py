"""Where the YAML files are, and what choices they offer; knows nothing of Hydra."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder() -> Path:
    """Return the absolute path of ``configs``: inside an installed package, or beside it in a checkout."""
    for path in (PACKAGE / "configs", PACKAGE.parent / "configs"):
        if (path / "train.yaml").is_file():
            return path
    raise FileNotFoundError(f"actlab's configs are missing beside {PACKAGE}: the installation is damaged")


def groups() -> dict[str, list[str]]:
    """Return the choices of every config group, by name."""
    found = {}
    for sub in sorted(p for p in folder().iterdir() if p.is_dir()):
        found[sub.name] = sorted(p.stem for p in sub.glob("*.yaml"))
    return found


def command(group: str, choice: str) -> str:
    """Return the command that a YAML file opens with (below ``# @package``, which Hydra wants first)."""
    lines = (folder() / group / f"{choice}.yaml").read_text().splitlines()
    return next(line for line in lines if not line.startswith("# @")).removeprefix("#").strip()
