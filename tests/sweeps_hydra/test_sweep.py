"""A sweep from the command line: every job told of, none in the way of the others, none run twice."""

import json
import math
import os
import shutil
import signal
import sys
import time

import pytest
import yaml

from actlab.cli import sweep_jobs
from actlab.cli.sweep_pack import Ended
from actlab.train.folder import RunFolder

from .conftest import SMALL, tamed


def finished(accuracy=lambda config: 0.5):
    """Return an engine's answer: every job finishes, and its folder says so."""

    def answer(jobs, tell):
        ended = []
        for job in jobs:
            with RunFolder(_path(job)) as folder:
                scores = {"test accuracy": accuracy(job.config), "test loss": 1.0}
                folder.write(**job.facts, state="finished", step=20, scores=scores)
            ended.append(Ended("finished", 20, scores))
        return ended

    return answer


def _path(job):
    from pathlib import Path

    return Path(job.path)


@pytest.mark.slow
def test_bad_jobs_among_good_ones(sweep, jobs, here):
    code, out, err = sweep("seed=0,1", "activation=relu,nonsense", "optimizer.learning_rate=1e-3,-1")
    assert (code, err) == (1, "")
    states = [j["state"] for _, j in sorted(jobs().items())]
    assert states == ["finished", *["failed"] * 3] * 2
    lines = [line for line in out.splitlines() if line.startswith("job ")]
    assert len(lines) == 6
    assert lines[0].startswith(
        "job 1 failed (seed=0 activation=relu optimizer.learning_rate=-1): optimizer: "
    )
    assert "there is no such activation; did you mean" in lines[1]
    assert "next: actlab compare s" in out
    assert sorted(p.name for p in (here / "s").iterdir() if p.is_dir()) == ["0", "4"]
    info = json.loads((here / "s" / "4" / "run.json").read_text())
    assert info["command"].startswith("actlab train steps=20 ")
    assert info["command"].endswith(" seed=1 activation=relu optimizer.learning_rate=0.001")
    assert {"versions", "device", "git_commit", "started", "config_sha256"} <= info.keys()
    assert jobs()[4]["scores"]["test accuracy"] == info["scores"]["test accuracy"]


@pytest.mark.slow
def test_the_run_is_the_one_alone(sweep, here, capsys):
    from actlab.cli import run

    sweep("seed=3", "launcher.strategy=map", "launcher.report=true")
    assert run(["train", *SMALL, "seed=3", "hydra.run.dir=alone"]) == 0
    scores = [json.loads((here / f / "run.json").read_text())["scores"] for f in ("s/0", "alone")]
    assert scores[0] == scores[1]
    configs = [(here / f / ".hydra" / "config.yaml").read_text() for f in ("s/0", "alone")]
    assert configs[0] == configs[1]
    assert (here / "s" / "0" / "report.html").stat().st_size > 500_000


@pytest.mark.slow
def test_nothing_is_repeated(sweep, jobs, monkeypatch):
    packs = tamed(monkeypatch, finished())
    sweep("seed=0,1", "activation=relu,gelu")
    before = jobs()
    code, out, _ = sweep("seed=0,1", "activation=relu,gelu")
    assert code == 0
    assert len(packs) == 1
    assert "all 4 jobs of s had ended before" in out
    assert jobs() == before


@pytest.mark.slow
def test_an_extended_sweep_runs_only_what_is_new(sweep, jobs, here, monkeypatch):
    packs = tamed(monkeypatch, finished())
    sweep("activation=relu,gelu", "seed=0,1")
    sweep("activation=relu,gelu", "seed=0,1,2")
    assert [len(pack) for pack, _ in packs] == [4, 2]
    assert sorted(jobs()) == [0, 1, 2, 3, 5, 6]
    for number, job in jobs().items():
        assert job["folder"] == str(number)
        saved = yaml.safe_load((here / "s" / str(number) / ".hydra" / "hydra.yaml").read_text())["hydra"]
        assert saved["job"]["num"] == number
        config = yaml.safe_load((here / "s" / str(number) / ".hydra" / "config.yaml").read_text())
        assert f"seed={config['seed']}" in job["overrides"]


def test_a_changed_config_is_a_new_job(sweep, jobs, here, monkeypatch):
    packs = tamed(monkeypatch, finished())
    sweep("seed=0,1")
    sweep("seed=0,1", "optimizer.learning_rate=0.5")
    assert [len(pack) for pack, _ in packs] == [2, 2]
    assert sorted(jobs()) == [0, 1, 2, 3]
    config = yaml.safe_load((here / "s" / "0" / ".hydra" / "config.yaml").read_text())
    assert config["optimizer"]["learning_rate"] != 0.5


def test_a_folder_named_alike_is_not_shared(sweep, jobs, monkeypatch):
    tamed(monkeypatch, finished())
    sweep("seed=0,1", "hydra.sweep.subdir=${activation.name}")
    assert [j["folder"] for j in jobs().values()] == ["relu", "relu-2"]


def test_a_run_of_another_origin_is_not_overwritten(sweep, jobs, here, monkeypatch):
    (here / "s" / "0").mkdir(parents=True)
    (here / "s" / "0" / "run.json").write_text("{}")
    tamed(monkeypatch, finished())
    sweep("seed=0,1")
    assert sorted(jobs()) == [1, 2]
    assert (here / "s" / "0" / "run.json").read_text() == "{}"


def test_equal_jobs_are_run_once(sweep, jobs, monkeypatch):
    packs = tamed(monkeypatch, finished())
    assert sweep("seed=0,0")[0] == 0
    assert len(packs[0][0]) == len(jobs()) == 1


@pytest.mark.slow
def test_the_default_place(sweep, here, monkeypatch):
    packs = tamed(monkeypatch, finished())
    for fresh in ([], [], ["--fresh"], []):
        assert sweep("seed=0,1", *fresh, place=None)[0] == 0
    assert sweep("seed=0,2", place=None)[0] == 0
    assert [len(pack) for pack, _ in packs] == [2, 2, 2]
    assert len(list((here / "runs").glob("*/*-sweep*"))) == 3
    assert sweep("seed=0,2", "launcher.lanes=1", place=None)[0] == 0
    assert len(packs) == 3


def test_fresh_in_a_folder_asked_for(sweep, monkeypatch):
    tamed(monkeypatch, finished())
    assert sweep("seed=0", "--fresh")[0] == 0
    code, _, err = sweep("seed=0", "--fresh")
    assert code == 2
    assert err == "actlab: --fresh: s is not empty; delete it, or name another folder with hydra.sweep.dir=\n"


def test_batches(sweep, jobs, monkeypatch):
    packs = tamed(monkeypatch, finished())
    code, out, _ = sweep("seed=range(5)", "hydra.sweeper.max_batch_size=2")
    assert code == 0
    assert [len(pack) for pack, _ in packs] == [2, 2, 1]
    assert "5 jobs: 5 finished" in out
    assert sorted(jobs()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_the_command_goes_on(sweep, jobs, monkeypatch, number):
    def stopped(pack, tell):
        return [Ended("finished", 20, {"test accuracy": 0.5}), Ended("interrupted", 3, {}, "", number)]

    tamed(monkeypatch, stopped)
    code, out, _ = sweep("seed=range(6)", "hydra.sweeper.max_batch_size=3")
    assert code == 128 + number
    assert [j["state"] for j in jobs().values()] == ["finished", "interrupted", "not run"]
    assert "interrupted; the same command goes on" in out


@pytest.mark.parametrize(("error", "wanted"), [(KeyboardInterrupt, 130), (SystemExit(143), 143)])
def test_interrupted_outside_training(sweep, jobs, monkeypatch, error, wanted):
    def stop(pack, tell):
        raise error

    tamed(monkeypatch, stop)
    assert sweep("seed=0,1")[0] == wanted
    assert [j["state"] for j in jobs().values()] == ["interrupted", "interrupted"]


def test_what_a_run_says_goes_before_what_the_table_says(sweep, jobs, here, monkeypatch):
    """As after a kill between the two, and after somebody deleted a run."""
    packs = tamed(monkeypatch, finished())
    sweep("seed=range(3)")
    table = here / "s" / "sweep.json"
    content = json.loads(table.read_text())
    content["jobs"][0].update(state="running", scores={})
    table.write_text(json.dumps(content))
    shutil.rmtree(here / "s" / "1")
    sweep("seed=range(3)")
    assert [[job.path for job in pack] for pack, _ in packs[1:]] == [["s/1"]]
    assert jobs()[0]["scores"]["test accuracy"] == 0.5


@pytest.mark.slow
def test_halving(sweep, jobs):
    code, out, _ = sweep("seed=range(4)", "steps=40", "launcher.halving={rungs:[20],keep:0.5}")
    assert code == 0
    assert "4 jobs: 2 finished, 2 pruned" in out
    pruned = [j for j in jobs().values() if j["state"] == "pruned"]
    assert all(j["step"] == 20 and "by test accuracy at step 20" in j["message"] for j in pruned)
    assert "all 4 jobs of s had ended before" in sweep("seed=range(4)", "steps=40")[1]


def test_two_processes_do_not_meet(sweep, here):
    from actlab.cli.sweep_table import Table

    with Table(here / "s"):
        code, out, err = sweep("seed=0,1")
    assert (code, out) == (2, "")
    assert err == "actlab: s is a sweep that another process is running; wait for it or stop it\n"


@pytest.mark.slow
def test_bad_input_leaves_nothing_behind(sweep, here):
    for argument, words in {
        "launcher.lanes=abc": "hydra.launcher.lanes='abc': must be an integer >= 1, or null",
        "launcher.lanes=0": "hydra.launcher.lanes=0: must be an integer >= 1, or null",
        "launcher.lnes=3": "unknown key hydra.launcher.lnes; did you mean lanes?",
        "launcher.strategy=vmpa": "hydra.launcher.strategy='vmpa' is unknown; did you mean 'vmap' or 'map'?",
        "launcher.halving=3": "hydra.launcher.halving=3: must be null, or like {rungs:[500,1000],keep:0.5}",
        "launcher.halving={rung:[5]}": "unknown key hydra.launcher.halving.rung; did you mean 'rungs'?",
        "launcher.halving={keep:0.5}": "hydra.launcher.halving.rungs is missing",
        "launcher.halving={rungs:[5],keep:2}": "hydra.launcher.halving.keep=2: must be a share",
        "launcher.report=3": "hydra.launcher.report=3: must be true or false",
        "launcher.engine=loacl": "hydra.launcher.engine='loacl' is unknown; did you mean 'local'?",
        "optimizer.bogus=1": "unknown key optimizer.bogus; optimizer has",
        "hydra.job.chdir=true": "hydra.job.chdir=true: the jobs of hydra/launcher=vmap share a process",
        "seed=interval(0,1)": "BasicSweeper does not support sweep type",
        "hydra/launcher=vmpa": "hydra/launcher=vmpa: there is no such hydra/launcher; did you mean 'vmap'?",
    }.items():
        code, _, err = sweep(argument)
        assert code == 2
        assert err.startswith(f"actlab: {words}"), err
        assert err.count("\n") == 1
    assert not (here / "s").exists()


def test_callbacks_hear_of_jobs_as_they_end(sweep, here, monkeypatch):
    (here / "my_callbacks.py").write_text(
        "from hydra.experimental.callback import Callback\n"
        "heard = []\n"
        "class Hears(Callback):\n"
        "    def on_job_start(self, config, *, task_function, **_):\n"
        "        heard.append(('start', config.seed, callable(task_function)))\n"
        "    def on_job_end(self, config, job_return, **_):\n"
        "        heard.append(('end', config.seed, job_return.return_value, job_return.cfg.seed))\n"
    )
    tamed(monkeypatch, finished(lambda config: config["seed"] / 10))
    code, _, err = sweep("seed=1,2", "+hydra.callbacks.mine._target_=my_callbacks.Hears")
    assert (code, err) == (0, "")
    heard = sys.modules.pop("my_callbacks").heard
    assert heard == [("start", 1, True), ("start", 2, True), ("end", 1, 0.1, 1), ("end", 2, 0.2, 2)]


@pytest.mark.slow
def test_a_full_disk_for_the_table_ends_nothing(sweep, here, monkeypatch):
    tamed(monkeypatch, lambda jobs, tell: [Ended("failed", message="no room")] * len(jobs))
    write = sweep_jobs.Table.write
    calls = []

    def full(self, **facts):
        calls.append(facts)
        if len(calls) > 3:  # at the start, with the jobs, before they run
            raise OSError(28, "No space left on device", str(self.path))
        write(self, **facts)

    monkeypatch.setattr(sweep_jobs.Table, "write", full)
    code, out, err = sweep("seed=range(25)")
    assert code == 1
    assert "25 jobs: 25 failed" in out
    assert err.count("No space left on device") == 1
    assert len([line for line in out.splitlines() if line.endswith(": no room")]) == 25  # told nowhere else


@pytest.mark.slow
def test_a_list_of_jobs(sweep, jobs, here, monkeypatch):
    packs = tamed(monkeypatch, finished())
    (here / "jobs.txt").write_text("# two\nactivation=gelu seed=1\n\n'activation=relu' seed=2\n")
    assert sweep("hydra/sweeper=list", "hydra.sweeper.jobs=jobs.txt", "seed=7")[0] == 0
    assert sweep("hydra/sweeper=list", "hydra.sweeper.jobs=[['activation=gelu','seed=1'],'seed=9']")[0] == 0
    assert [[job.config["seed"] for job in pack] for pack, _ in packs] == [[1, 2], [9]]
    for bad, words in {
        "hydra.sweeper.jobs=null": "hydra.sweeper.jobs=None: must be a list of jobs",
        "hydra.sweeper.jobs=[3]": "hydra.sweeper.jobs: 3: a job is its overrides",
        "hydra.sweeper.jobs=nofile": "No such file or directory: nofile",
    }.items():
        code, _, err = sweep("hydra/sweeper=list", bad)
        assert code == 2
        assert err.startswith(f"actlab: {words}")
    code, _, err = sweep("hydra/sweeper=list", "hydra.sweeper.jobs=['seed=1']", "seed=1,2")
    assert (code, err.split(":")[1]) == (2, " seed=1,2")


@pytest.mark.slow
def test_kill_nine(process, jobs, here):
    argv = [
        "train",
        "-m",
        "hydra/launcher=vmap",
        "launcher.lanes=1",
        *SMALL,
        "seed=range(3)",
        "steps=1000",
        "eval_every=500",
        "checkpoint_every=500",
        "hydra.sweep.dir=s",
    ]
    first = process(*argv)
    deadline = time.monotonic() + 100
    record = here / "s" / "0" / "run.json"  # of the lane that ends first; the last ones are still under way
    while not (record.exists() and json.loads(record.read_text())["state"] == "finished"):
        assert time.monotonic() < deadline and first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.kill()
    first.wait()
    done = (here / "s" / "0" / "run.json").read_bytes()
    assert json.loads(done)["state"] == "finished"
    second = process(*argv)
    out, err = second.communicate(timeout=100)
    assert second.returncode == 0, err
    assert "3 jobs: 3 finished" in out
    assert (here / "s" / "0" / "run.json").read_bytes() == done
    assert all(math.isfinite(j["scores"]["test accuracy"]) for j in jobs().values())


@pytest.mark.slow
def test_bad_jobs_with_the_basic_launcher(here, capsys):
    from actlab.cli import run

    swept = ["activation=rleu,relu", "optimizer.learning_rate=-1,1e-3"]
    code = run(["train", "-m", *SMALL, *swept, "hydra.sweep.dir=s"])
    err = capsys.readouterr().err
    assert code == 1
    lines = err.splitlines()
    assert [line.split(" (")[0] for line in lines] == [f"actlab: job {n} failed" for n in (0, 1, 2)]
    assert all("activation=rleu: there is no such activation; did you mean 'relu'" in s for s in lines[:2])
    assert "optimizer.learning_rate=-1): optimizer: learning_rate=-1" in lines[2]
    assert json.loads((here / "s" / "3" / "run.json").read_text())["state"] == "finished"
    assert not list((here / "s").glob("[01]"))
    assert run(["train", "-m", *SMALL, "seed=0,1", "--fresh"]) == 2
    assert "--fresh is for hydra/launcher=vmap" in capsys.readouterr().err


@pytest.mark.slow
def test_lanes_are_spread_over_the_cores(process, here):
    """In a process of its own, where nobody has said how many devices there are."""
    done = process("train", "-m", "hydra/launcher=vmap", *SMALL, "seed=0,1", "hydra.sweep.dir=s")
    _, err = done.communicate(timeout=100)
    assert done.returncode == 0, err
    lanes = json.loads((here / "s" / "0" / "run.json").read_text())["lanes"]
    assert lanes == {"strategy": "map", "together": 2, "devices": min(2, len(os.sched_getaffinity(0)))}
