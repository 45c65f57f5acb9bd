"""Each of Hydra's launchers really runs jobs: a user's own function, one that fails, one that is killed, SIGTERM."""

import importlib.util
import json
import signal
import subprocess
import sys
import time

import pytest

SMALL = ["model.width=8", "model.depth=2", "batch_size=50"]
JOB = [*SMALL, "eval_every=20", "checkpoint_every=20", "steps=20", "stats.every=10"]
PLUGINS = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}
MINE = """
import os, signal
import jax.numpy as jnp

def bend(x):
    return jnp.tanh(x)

def die(x):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def installed(name):
    return importlib.util.find_spec(f"hydra_plugins.{PLUGINS[name]}") is not None


LAUNCHERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(not installed(name), reason=f"{plugin.replace('_', '-')} is not installed"),
    )
    for name, plugin in PLUGINS.items()
]


@pytest.fixture
def mine(here):
    (here / "mine.py").write_text(MINE)
    return here


def state(path):
    try:
        return json.loads((path / "run.json").read_text()).get("state")
    except (FileNotFoundError, ValueError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_jobs_run_one_fails_one_is_killed(mine, process, name):
    jobs = ["mine:bend", "mine:bend model.depth=-1", "mine:die", "mine:bend optimizer=adma"]
    (mine / "jobs").write_text("\n".join(f"activation.name={job}" for job in jobs))
    p = process(
        "train", "-m", *JOB, "hydra/sweeper=list", "hydra.sweeper.jobs=jobs",
        f"hydra/launcher={name}", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    out, err = p.communicate(timeout=240)
    found = {path.name: state(path) for path in (mine / "sweep").glob("[0-9]")}
    assert found.pop("0") == "finished", out + err
    assert set(found.values()) <= {None, "running"}
    assert (mine / "sweep/0/report.html").exists()
    command = json.loads((mine / "sweep/0/run.json").read_text())["command"]
    assert "model.depth=2" in command and "hydra" not in command
    # The first failed job's error is the sweep's: of job 1, bad input. The others are told, too.
    assert "job 2 failed" in err and "job 0 failed" not in err
    assert "job 3 failed" in err and "optimizer=adma: there is no such optimizer; did you mean 'adam'" in err
    assert err.strip().splitlines()[-1] == "actlab: model: depth=-1: must be an integer >= 0"
    assert p.returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_sigterm_saves_what_is_under_way(here, process, name):
    p = process(
        "train", "-m", "seed=0,1,2", *SMALL, "steps=2000000", "stats.every=10", "eval_every=1000",
        "checkpoint_every=1000000", f"hydra/launcher={name}", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    deadline = time.monotonic() + 120
    step = 0
    while not step and time.monotonic() < deadline:
        time.sleep(0.1)
        if state(here / "sweep/0") == "running":
            step = json.loads((here / "sweep/0/run.json").read_text()).get("step", 0)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=120)
    assert p.returncode == 143, out + err
    info = json.loads((here / "sweep/0/run.json").read_text())
    assert info["state"] == "interrupted"
    assert (here / f"sweep/0/checkpoints/{info['step']}.json").exists()


@pytest.mark.skipif(not installed("submitit_local"), reason="hydra-submitit-launcher is not installed")
def test_slurm_without_a_cluster_is_told(process):
    # In a process of its own: submitit's import closes what absl logs to, under pytest pytest's own file.
    p = process("train", "-m", "seed=0,1", "hydra/launcher=submitit_slurm", environment={"PATH": "/nowhere"})
    _, err = p.communicate(timeout=120)
    assert p.returncode == 1 and "srun" in err


@pytest.mark.skipif(not installed("ray"), reason="hydra-ray-launcher is not installed")
def test_a_setting_that_would_change_nothing_is_refused(actlab):
    code, _, err = actlab(
        "train", "-m", "seed=0,1", "hydra/launcher=ray", "+hydra.launcher.ray.remote.max_calls=1"
    )
    assert code == 2
    assert err == "actlab: hydra.launcher.ray.remote.max_calls: this launcher takes num_cpus, num_gpus\n"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_missing_plugin_is_one_line(actlab, monkeypatch, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "actlab.cli.launching.find_spec", lambda n: None if n.endswith("_launcher") else find(n)
    )
    code, _, err = actlab("train", "-m", "seed=0,1", f"hydra/launcher={name}")
    extra = "submitit" if name == "submitit_local" else name
    needs = PLUGINS[name].replace("_", "-")
    assert (code, err) == (2, f"actlab: hydra/launcher={name} needs {needs}: pip install '.[{extra}]'\n")


def test_defaults_stand_before_what_the_user_says(monkeypatch):
    from actlab.cli.launching import with_defaults

    monkeypatch.setattr("actlab.cli.launching.find_spec", lambda n: n)
    line = ["-m", "seed=0,1", "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5"]
    assert with_defaults(line) == ["-m", "hydra.launcher.array_parallelism=64", *line[1:]]
    assert with_defaults(["-m", "seed=0,1"]) == ["-m", "seed=0,1"]


def test_the_plugin_module_is_light():
    code = "import sys, hydra_plugins.actlab_engines; sys.exit(bool({'jax', 'actlab'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=vmap"]], ids=["basic", "vmap"])
def test_a_sweep_of_runs_on_several_devices_is_refused(actlab, here, launcher):
    code, _, err = actlab("train", "-m", "seed=0,1", "parallel.data=2", *launcher)
    assert code == 2 and "parallel.data is for one big run" in err
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("name", "key"), [("joblib", "pre_dispatch=4"), ("joblib", "timeout=3"), ("submitit_local", "mem_gb=2")]
)
def test_a_key_that_would_change_nothing_is_refused(here, capsys, name, key):
    if not installed(name):
        pytest.skip(f"{PLUGINS[name].replace('_', '-')} is not installed")
    from actlab.cli import run

    argv = ["train", "-m", *JOB, "seed=0,1", f"hydra/launcher={name}", f"hydra.launcher.{key}"]
    assert run(argv) == 2
    err = capsys.readouterr().err
    assert "would change nothing: this launcher takes" in err and key.split("=")[0] in err
    assert len(err.splitlines()) == 1
