"""Imports point one way, and only public parts of jax and flax are used."""

import ast
from pathlib import Path

import pytest

import actlab

PACKAGE = Path(actlab.__file__).parent
# A package may import from those before it; within a tuple, order is free.
ORDER = [
    ("errors", "files", "records", "runs", "values"),
    ("probes", "gradients"),
    ("activations",),
    ("theory",),
    ("nn",),
    ("models", "data", "stats"),
    ("train",),
    ("sinks", "stability", "sweeps", "search", "inspection", "explain"),
    ("compare",),
    ("report",),
    ("cli",),
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "actlab" and len(parts) > 1 and parts[1] in RANK and parts[1] != own:
            assert RANK[parts[1]] <= RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_private_api(path):
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in ("jax", "flax", "optax", "orbax", "hydra", "omegaconf"):
            assert not any(p.startswith("_") for p in parts[1:]), name


def test_every_package_has_a_rank():
    assert {p.parent.relative_to(PACKAGE).parts[0] for p in FILES if p.parent != PACKAGE} <= set(RANK)
