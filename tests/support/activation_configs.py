"""The YAML file of every activation that fits a site, as its function has it.

python tests/support/activation_configs.py      # (re)writes configs/activation/
"""

from __future__ import annotations

from pathlib import Path

from actlab.activations import Spec, names, registry

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "activation"


def fits_a_site(spec: Spec) -> bool:
    """Tell whether a model can hold this activation: one real operand, shape kept."""
    return spec.kind in ("elementwise", "axiswise") and spec.family != "complex"


def text(spec: Spec) -> str:
    """Return the file's text; its first line is a command that sets a parameter, where there is one."""
    shown = ""
    for parameter in spec.parameters:
        if isinstance(parameter.default, float) and parameter.continuous:
            for value in (2.0, 0.5, 0.2, 1.5, 3.0):
                together = spec.defaults | {parameter.name: value}
                alone = value != parameter.default and value in parameter.domain
                if alone and not (spec.requires and spec.requires(together)):
                    shown = f" activation.{parameter.name}={value}"
                    break
        if shown:
            break
    lines = [f"# actlab train activation={spec.name}{shown}", f"name: {spec.name}"]
    for name, value in spec.defaults.items():
        if isinstance(value, tuple):
            value = "[" + ", ".join(map(repr, value)) + "]"
        elif isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, float):
            # YAML 1.1 wants a dot in what is to be a float: 1e-06 would be read as a name.
            value = (
                repr(value)
                if "e" not in repr(value) or "." in repr(value)
                else repr(value).replace("e", ".0e")
            )
        lines.append(f"{name}: {value}")
    return "\n".join([*lines, "learn: []", "per: tensor", "lean: false"]) + "\n"


def expected() -> dict[str, str]:
    """Return all files' texts by activation."""
    return {name: text(registry()[name].spec) for name in names() if fits_a_site(registry()[name].spec)}


if __name__ == "__main__":
    for stale in FOLDER.glob("*.yaml"):
        stale.unlink()
    for name, content in expected().items():
        (FOLDER / f"{name}.yaml").write_text(content)
