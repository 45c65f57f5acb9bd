"""Hydra's launchers besides its own: which library each needs, and where our defaults differ from theirs."""

from __future__ import annotations

from importlib.util import find_spec

from actlab.errors import InputError

LAUNCHERS: dict[str, tuple[str, str, list[str]]] = {  # name: extra, plugin, overrides
    "joblib": (
        "joblib",
        "hydra_joblib_launcher",
        ["hydra.launcher._target_=hydra_plugins.actlab_engines.JoblibLauncher"],
    ),
    "submitit_local": (
        "submitit",
        "hydra_submitit_launcher",
        [
            "hydra.launcher._target_=hydra_plugins.actlab_engines.SubmititLocalLauncher",
            "hydra.launcher.timeout_min=1440",
        ],
    ),
    "submitit_slurm": (
        "submitit",
        "hydra_submitit_launcher",
        ["hydra.launcher.timeout_min=1440", "hydra.launcher.array_parallelism=64"],
    ),
    "ray": (
        "ray",
        "hydra_ray_launcher",
        ["hydra.launcher._target_=hydra_plugins.actlab_engines.RayLauncher"],
    ),
}


def with_defaults(argv: list[str]) -> list[str]:
    """Return a command line with our defaults for the launcher it names, before its own overrides, which win.

    They are part of no run's config: Hydra keeps what begins with ``hydra.`` apart.

    Raises:
        InputError: the launcher's plugin is not installed.

    """
    named = [a.split("=", 1)[1] for a in argv if a.startswith("hydra/launcher=")]
    if not named or named[-1] not in LAUNCHERS:
        return argv
    extra, plugin, overrides = LAUNCHERS[named[-1]]
    if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.{plugin}") is None:
        raise InputError(
            f"hydra/launcher={named[-1]} needs {plugin.replace('_', '-')}: pip install '.[{extra}]'"
        )
    given = {a.split("=", 1)[0].lstrip("+~") for a in argv}
    own = [o for o in overrides if o.split("=", 1)[0].lstrip("+") not in given]
    first = next(i for i, a in enumerate(argv) if "=" in a and not a.startswith("-"))
    return [*argv[:first], *own, *argv[first:]]
