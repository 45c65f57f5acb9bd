"""``hydra.launcher.engine``: packs of jobs in other processes leave what this process would."""

import importlib.util
import json
from pathlib import Path

import pytest

from actlab.cli import run as actlab
from actlab.cli.sweep_engines import _packs
from actlab.cli.sweep_pack import Job

SWEEP = (
    "train -m steps=20 eval_every=20 checkpoint_every=20 stats.every=20 model.width=4 model.depth=1 "
    "activation=relu,tanh seed=0,1 hydra/launcher=vmap hydra.sweep.dir="
)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("joblib") is None, reason="needs joblib: pip install '.[joblib]'"
)
def test_two_processes_leave_the_same_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert actlab([*(SWEEP + "here").split()]) == 0
    assert (
        actlab([*(SWEEP + "there launcher.engine=joblib launcher.engine_options={processes:2}").split()]) == 0
    )
    for i in range(4):
        one, other = (json.loads(Path(d, str(i), "run.json").read_text()) for d in ("here", "there"))
        assert one["scores"] == other["scores"] and other["state"] == "finished"
    assert "4 finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("launcher.engine=jobli", "did you mean 'joblib'"),
        ("launcher.engine=joblib launcher.engine_options={proceses:2}", "did you mean 'processes'"),
        (
            "launcher.engine=joblib launcher.engine_options={processes:0}",
            "processes=0: must be an integer >= 1",
        ),
        ("launcher.engine_options={processes:2}", "the engine local has none"),
        ("launcher.engine=ray launcher.halving={rungs:[10]}", "halving ranks the jobs of one process"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert actlab([*(SWEEP + "x").split(), *words.split()]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1 and not Path("x").exists()


@pytest.mark.slow
def test_packs_keep_to_one_program_and_fill_the_processes():
    from omegaconf import OmegaConf

    from actlab.cli.composing import compose

    def job(*overrides):
        return Job(OmegaConf.to_container(compose(list(overrides)), resolve=True), "x")

    jobs = [job(f"activation={a}", f"seed={s}") for a in ("relu", "tanh") for s in range(4)]
    assert _packs(jobs, {}, 2) == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert _packs(jobs, {}, 3) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    failed = {}
    assert _packs([*jobs[:2], job("optimizer.learning_rate=-1")], failed, 1) == [(0, 1)]
    assert failed[2].state == "failed" and "learning_rate" in failed[2].message
