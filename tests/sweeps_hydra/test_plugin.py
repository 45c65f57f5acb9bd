"""Hydra finds the plugins, and to look for them loads nothing heavy."""

import subprocess
import sys
import tomllib
from pathlib import Path

import actlab

ROOT = Path(actlab.__file__).parent.parent

SCAN = """
import sys
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
found = sorted(n for n in Plugins.instance().class_name_to_class if n.startswith("hydra_plugins.actlab_launcher"))
store = ConfigStore.instance()
print(found, sorted(set(store.list("hydra/launcher")) & {"vmap.yaml"}), "list.yaml" in store.list("hydra/sweeper"))
print(sorted({"jax", "flax", "actlab", "polars"} & sys.modules.keys()))
"""


def test_found_and_light():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCAN], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines() == [
        "['hydra_plugins.actlab_launcher.list.ListSweeper', 'hydra_plugins.actlab_launcher.vmap.VmapLauncher'] "
        "['vmap.yaml'] True",
        "[]",
    ], done.stderr


def test_other_plugins_are_found_beside_ours():
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()


def test_wheel_and_source_hold_the_plugin():
    if not (ROOT / "pyproject.toml").exists():
        return
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert "hydra_plugins" in build["wheel"]["packages"]
    assert "hydra_plugins" in build["sdist"]["include"]


def test_the_launcher_is_of_actlab_train(tmp_path):
    program = (
        "import hydra\n"
        "@hydra.main(version_base='1.3', config_path=None)\n"
        "def main(cfg): print('ran')\n"
        "main()\n"
    )
    (tmp_path / "main.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "main.py", "-m", "hydra/launcher=vmap", "+a=1,2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "hydra/launcher=vmap runs the jobs of: actlab train -m" in done.stderr
