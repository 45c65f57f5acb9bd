"""actlab: activation functions, and the evidence of what they do to a network.

This namespace is `actlab.activations`: pure functions of one array, what is known about each (``gelu.spec``),
and `make`, which turns a name from a config into an `Act`. It loads nothing but jax and numpy, and these
when a name is first asked for, so that the command line can answer before.

>>> import actlab, jax
>>> jax.grad(actlab.gelu)(0.0)
Array(0.5, dtype=float32, weak_type=True)
>>> actlab.make("leaky_relu", negative_slope=0.2)
leaky_relu(negative_slope=0.2)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from actlab.activations import *  # noqa: F403  the names are those of the registry
    from actlab.probes import probe as probe
    from actlab.report.table import table as table

# Public here, at home elsewhere; `table` loads polars.
_ELSEWHERE = {"probe": "actlab.probes", "table": "actlab.report.table"}
_PACKAGES = (
    "activations",
    "gradients",
    "nn",
    "stats",
    "theory",
)  # as actlab.gradients.nth; nn and stats load flax


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"actlab.{name}")
    if not name.startswith("_"):
        module = import_module(_ELSEWHERE.get(name, "actlab.activations"))
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module 'actlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*import_module("actlab.activations").__all__, *_ELSEWHERE, *_PACKAGES, "__version__"])
