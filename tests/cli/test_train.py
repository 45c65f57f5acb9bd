"""The command line from end to end, on small runs."""

import json
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import yaml

from actlab.cli import configs

from .conftest import SMALL


def info(path):
    return json.loads((path / "run.json").read_text())


def the_run(here):
    (path,) = (here / "runs").glob("*/*")
    return path


@pytest.mark.slow
def test_a_run_from_end_to_end(actlab, here):
    code, out, err = actlab("train", "steps=60", *SMALL)
    assert (code, err) == (0, "")
    path = the_run(here)
    assert sorted(p.name for p in path.iterdir() if p.name != "train.log") == [
        ".hydra",
        ".lock",
        "checkpoints",
        "histograms",
        "metrics",
        "report.html",
        "run.json",
    ]
    facts = info(path)
    assert facts["state"] == "finished"
    assert facts["command"] == "actlab train steps=60 " + " ".join(SMALL)
    assert {"jax", "flax", "actlab"} <= facts["versions"].keys()
    assert facts["device"].startswith("cpu: ")
    assert yaml.safe_load((path / ".hydra" / "config.yaml").read_text())["model"]["width"] == 8
    assert "blocks.0.act" in out
    assert "healthy" in out
    assert "finished at step 60" in out
    assert (path / "report.html").stat().st_size > 500_000


@pytest.mark.slow
def test_the_documented_overrides(actlab, here):
    (here / "my_package").mkdir()
    (here / "my_package" / "my_module.py").write_text(
        "import jax.numpy as jnp\ndef my_fn(x, *, steepness=1.0):\n    return jnp.tanh(steepness * x)\n"
    )
    leaky = ["activation=leaky_relu", "activation.negative_slope=0.2", "optimizer.learning_rate=3e-3"]
    learnt = ["activation=swish", "activation.learn=[beta]", "activation.per=channel"]
    own = ["activation.name=my_package.my_module:my_fn", "activation.steepness=2.0"]
    for i, overrides in enumerate([leaky, learnt, own]):
        code, _, err = actlab("train", "steps=20", *SMALL, *overrides, f"hydra.run.dir=run{i}")
        assert (code, err) == (0, "")
    config = yaml.safe_load((here / "run2" / ".hydra" / "config.yaml").read_text())
    assert config["activation"] == {
        "name": own[0].split("=")[1],
        "learn": [],
        "per": "tensor",
        "lean": False,
        "steepness": 2.0,
    }
    metrics = pl.read_parquet(here / "run1" / "metrics" / "*.parquet")
    beta = metrics.filter(site="blocks.1.act", quantity="param.beta.max")
    assert len(beta) == 1
    assert beta["value"].item() != 1.0


@pytest.mark.slow
def test_two_runs_of_one_second_do_not_meet(process, here):
    pair = [process("train", "steps=20", *SMALL) for _ in range(2)]
    for p in pair:
        _, err = p.communicate(timeout=300)
        assert p.returncode == 0, err
    assert len(list((here / "runs").glob("*/*/run.json"))) == 2


@pytest.mark.slow
def test_multirun_under_the_subcommand(actlab, here):
    code, _, err = actlab("train", "-m", "seed=0,1", "steps=20", *SMALL, "hydra.sweep.dir=sweep")
    assert (code, err) == (0, "")
    assert [info(here / "sweep" / str(i))["state"] for i in (0, 1)] == ["finished", "finished"]
    scores = [info(here / "sweep" / str(i))["scores"]["train loss"] for i in (0, 1)]
    assert scores[0] != scores[1]


@pytest.mark.slow
def test_divergence_is_a_result(actlab, here):
    code, out, err = actlab(
        "train", "steps=40", *SMALL, "optimizer=sgd", "optimizer.learning_rate=1e30", "hydra.run.dir=run"
    )
    assert (code, err) == (0, "")
    assert info(here / "run")["state"] == "diverged"
    assert "diverged at step" in " ".join(out.split())
    assert "diverged" in (here / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("--cfg job", "learning_rate: 0.001"),
        ("--cfg hydra", "job_logging"),
        ("--cfg job activation=elu activation.alpha=2", "alpha: 2"),
        ("--info searchpath", "Provider"),
        ("--info defaults-tree", "activation: relu"),
    ],
)
def test_hydras_flags(process, flags, shown):
    p = process("train", *flags.split())
    out, err = p.communicate(timeout=100)
    assert p.returncode == 0, err
    assert shown in out, out


@pytest.mark.slow
def test_config_dir(actlab, here):
    (here / "conf" / "activation").mkdir(parents=True)
    (here / "conf" / "activation" / "mine.yaml").write_text("name: tanh\nlearn: []\nper: tensor\n")
    code, out, err = actlab(
        "train", "--config-dir", "conf", "activation=mine", "steps=20", *SMALL, "hydra.run.dir=run"
    )
    assert (code, err) == (0, "")
    assert "tanh" in out


@pytest.mark.slow
def test_resume_refuses_another_config_and_a_finished_run(actlab, here):
    assert actlab("train", "steps=20", *SMALL, "hydra.run.dir=run")[0] == 0
    code, _, err = actlab("train", "resume=run", "model.depth=4")
    assert code == 2
    assert "that run has model.depth=2, not 4" in err
    code, _, err = actlab("train", "resume=run", "activation=tanh")
    assert code == 2
    assert "that run has activation=relu, not tanh" in err
    code, _, err = actlab("train", "resume=run", "model.depth=2", "activation=relu")
    assert code == 2
    assert "run has finished at step 20: there is nothing to resume" in err


@pytest.mark.slow
def test_resume_tells_of_another_version(process, here):
    p = process("train", "steps=100000", *SMALL, "hydra.run.dir=run")
    while not (here / "run" / "checkpoints").exists() and p.poll() is None:
        time.sleep(0.01)
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=60) == 143
    facts = info(here / "run")
    facts["versions"]["jax"] = "0.9.0"
    (here / "run" / "run.json").write_text(json.dumps(facts))
    p = process("train", "resume=run")
    for line in p.stderr:
        assert "was started with jax 0.9.0, now " in line
        break
    p.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_report_again(actlab, here):
    assert actlab("train", "steps=20", *SMALL, "hydra.run.dir=run")[0] == 0
    (here / "run" / "report.html").unlink()
    code, out, _ = actlab("report", "run", "--png", "page.png")
    assert code == 0
    assert out.split() == ["run/report.html", "page.png"]
    assert (here / "page.png").read_bytes().startswith(b"\x89PNG")


def test_list(actlab):
    code, out, _ = actlab("list")
    assert code == 0
    for name in (
        "leaky_relu",
        "negative_slope",
        "convnet",
        "mnist1d_mlp",
        "actlab train +experiment=mnist1d_mlp",
    ):
        assert name in out
    code, out, _ = actlab("list", "--family", "rectified")
    assert "leaky_relu" in out
    assert "gelu" not in out


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        *([c, "--help"] for c in ("train", "report", "query", "show", "gallery", "list")),
        ["--version"],
    ],
)
def test_help_never_imports_jax(argv):
    program = (
        "import sys; from actlab.cli import run\n"
        "try: run(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'numpy', 'hydra', 'flax'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_completion(tmp_path):
    """bash completes overrides under the subcommand."""
    launcher = tmp_path / "actlab"
    launcher.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from actlab.cli import main; main()' \"$@\"\n")
    launcher.chmod(0o755)
    script = f"""
PATH={tmp_path}:$PATH
eval "$(actlab completion bash)"
try() {{ COMP_LINE="$1"; COMP_POINT=${{#1}}; COMP_WORDS=($1); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
  COMPREPLY=(); _actlab_complete 2>/dev/null; echo "${{COMPREPLY[@]}}"; }}
try "actlab tr"
try "actlab train activation=leaky"
try "actlab train model.wid"
try "actlab diag"
try "actlab explain neu"
try "actlab diagnose --at-init model.wid"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines() == [
        "train",
        "activation=leaky_relu",
        "model.width=",
        "diagnose",
        "neuron",
        "model.width=",
    ], done


def test_configs_lie_where_they_are_looked_for():
    assert (configs.folder() / "train.yaml").is_file()
