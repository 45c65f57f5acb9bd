"""What README shows is what there is."""

import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from flax import nnx

import actlab
from actlab.activations.lean import table
from actlab.cli import composing
from actlab.cli.build import build

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("  ")[0].strip() for line in README.splitlines() if line.startswith("actlab train ")]


def test_the_two_commands_are_what_ci_looks_for():
    for command in ("pip install . && actlab train", "pip install '.[test]' && pytest"):
        assert re.search(rf"^{re.escape(command)} ", README, re.MULTILINE)


def test_the_example_runs_and_says_what_its_comments_say():
    example = EXAMPLES[0]
    names = {}
    exec(example, names)  # our own README
    assert [f"{v:.2g}" for v in names["actlab"].gelu(names["jnp"].array([-13.0, 1.0])).tolist()] == [
        "-8e-38",
        "0.84",
    ]
    jax, jnp = names["jax"], names["jnp"]
    assert float(jax.nn.gelu(-13.0)) == 0.0
    assert float(jax.grad(jax.grad(actlab.silu))(-jnp.inf)) == 0.0
    assert jnp.isnan(jax.grad(jax.grad(jax.nn.silu))(-jnp.inf))
    assert repr(actlab.relu.spec.kinks) in example


def test_the_lines_about_activations_run(capsys):
    x, mask = jnp.linspace(-2.0, 2.0, 8).reshape(2, 4), jnp.asarray([[True] * 4, [False] * 4])
    names = {"actlab": actlab, "jax": jax, "x": x, "h": x, "scores": x, "mask": mask}
    exec(EXAMPLES[1], names)
    assert "@" in capsys.readouterr().out
    np.testing.assert_array_equal(actlab.softmax(x, where=mask)[1], 0.0)
    assert f"{len(actlab.names())} exact activations" in README.replace("\n", " ")
    assert f"{len(table())} functions" in README.replace("\n", " ")


@pytest.mark.slow
def test_the_lines_about_what_goes_on_inside_run():
    model = nnx.Sequential(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(4, 2, rngs=nnx.Rngs(1)))
    x = jnp.ones((5, 3))
    names = {"actlab": actlab, "jnp": jnp, "params": {"w": jnp.ones((3, 2))}, "x": x, "nnx_model": model}
    lines, _ = EXAMPLES[2:]  # the last is run with SmolLM2's other tests
    exec(lines, names)
    assert names["seen"].gradients["hidden.pre"].count == 10
    assert np.isfinite(names["stats"][next(iter(names["stats"]))].mean)
    np.testing.assert_allclose(names["y"], model(x), rtol=1e-6)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_build(command, tmp_path, monkeypatch):
    words = [w for w in shlex.split(command)[2:] if w != "-m"]
    if any("resume=" in w or "my_package" in w for w in words):
        pytest.skip("needs a run, or the user's own module: tests/cli/test_train.py has both")
    words = [w.split(",")[0] if w.startswith(("seed", "activation=relu,")) else w for w in words]
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"size": range(200), "kind": ["a", "b"] * 100}).write_parquet("mine.parquet")
    (tmp_path / "big").mkdir()
    for name, array in (("x", np.ones((200, 3))), ("y", np.arange(200) % 2)):
        np.save(tmp_path / "big" / name, array)
    build(composing.compose(composing.open_activation(words)))


def test_the_pictures_and_links_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
