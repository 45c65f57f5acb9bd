"""The sweeper of Optuna with the launcher of sweeps: populations in, scores out."""

import pytest
import yaml

from .conftest import tamed
from .test_sweep import finished

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra optuna is not installed")

SEARCH = ["hydra/sweeper=optuna", "hydra.sweeper.n_jobs=3", "hydra.sweeper.sampler.seed=1"]
RATE = "optimizer.learning_rate=tag(log, interval(1e-4,1e-1))"


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Its own warnings of what its next release changes are not ours."""


def high_where(rate):
    return finished(lambda config: 1 - abs(config["optimizer"]["learning_rate"] - rate))


@pytest.mark.slow
def test_populations_arrive_and_the_best_is_found(sweep, jobs, here, monkeypatch):
    packs = tamed(monkeypatch, high_where(0.05))
    code, out, _ = sweep(*SEARCH, "hydra.sweeper.n_trials=6", RATE)
    assert code == 0
    assert [len(pack) for pack, _ in packs] == [3, 3]
    best = yaml.safe_load((here / "s" / "optimization_results.yaml").read_text())
    scores = [j["scores"]["test accuracy"] for j in jobs().values()]
    assert best["best_value"] == max(scores) > min(scores)
    assert "6 jobs: 6 finished" in out


def test_losses_are_made_small(sweep, jobs, here, monkeypatch):
    tamed(monkeypatch, high_where(0.05))
    sweep(*SEARCH, "hydra.sweeper.n_trials=3", "objective=test loss", RATE)
    saved = yaml.safe_load((here / "s" / "0" / ".hydra" / "hydra.yaml").read_text())["hydra"]
    assert "hydra.sweeper.direction=minimize" in saved["overrides"]["hydra"]
    code, _, err = sweep(*SEARCH, "hydra.sweeper.direction=minimize", RATE)
    assert code == 2
    assert err == "actlab: hydra.sweeper.direction=minimize: objective=test accuracy is one to maximize\n"


@pytest.mark.slow
def test_a_study_kept_in_a_file_overwrites_nothing(sweep, jobs, here, monkeypatch):
    packs = tamed(monkeypatch, high_where(0.05))
    kept = ["hydra.sweeper.study_name=s", "hydra.sweeper.storage=sqlite:///study.db", RATE]
    assert sweep(*SEARCH, *kept, "hydra.sweeper.n_trials=3")[0] == 0
    first = jobs()
    assert sweep(*SEARCH, *kept, "hydra.sweeper.n_trials=4")[0] == 0
    assert {n: jobs()[n] for n in first} == first
    assert len({job.path for pack, _ in packs for job in pack}) == sum(len(pack) for pack, _ in packs)


@pytest.mark.slow
def test_failed_trials_end_it_unless_allowed(sweep, jobs, monkeypatch):
    tamed(monkeypatch, finished())
    trials = [*SEARCH, "hydra.sweeper.n_trials=6", "activation=choice(relu,nonsense)", RATE]
    code, out, _ = sweep(*trials)
    assert code == 1
    assert len(jobs()) == 3
    assert "there is no such activation" in out
    assert sweep(*trials, "hydra.sweeper.max_failure_rate=1.0", place="hydra.sweep.dir=t")[0] == 1
    assert len(jobs("t")) > 3
