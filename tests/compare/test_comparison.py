import json

import numpy as np
import polars as pl
import pytest
from made_sweeps import SITES, config, write_run, write_sweep

from actlab.compare import Metric, behaviour, compare, overview
from actlab.compare.comparison import sensitivity_tables, wortsman
from actlab.errors import InputError
from actlab.stability import learning_rate_sensitivity

LEVELS = {"relu": 0.608, "gelu": 0.61, "tanh": 0.4}
RATES = {1e-3: -0.05, 1e-2: 0.0, 1e-1: -0.3}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("sweep"), LEVELS, rates=RATES, seeds=6)


@pytest.fixture(scope="module")
def study(sweep):
    return compare([sweep])


def test_the_ranking_is_that_of_the_scores_in_the_folders(sweep, study):
    rows = [(read["run"], read["score"]) for read in overview(sorted(sweep.iterdir())).iter_rows(named=True)]
    scores = dict(rows)
    mean = {}
    for row in study.runs.iter_rows(named=True):
        assert row["score"] == pytest.approx(scores[row["folder"]])
        mean.setdefault((row["level"], row["optimizer.learning_rate"]), []).append(row["score"])
    for one in study.ranking.levels:
        best = max((np.mean(v), rate) for (level, rate), v in mean.items() if level == one.name)
        assert one.interval.mean == pytest.approx(best[0])
        assert one.chosen == {"": f"learning_rate {best[1]:g}"}
        assert one.score == pytest.approx(one.interval.mean - one.optimism)
    assert study.ranking.levels[-1].name == "tanh"


def test_it_says_when_the_data_cannot_tell_and_how_many_seeds_could(study):
    assert study.answer.startswith("gelu has the best mean")
    assert "with 6 seeds these data cannot tell it from relu; about" in study.answer
    assert study.answer.endswith("It is better than tanh.")
    close = study.ranking.between("relu", "gelu")
    assert not close.told
    assert close.needed > 6
    assert study.ranking.between("tanh", "gelu").told
    assert [one.letters for one in study.ranking.levels] == ["a", "a", "b"]
    assert study.ranking.levels[0].ranks == (1, 2)


def test_it_says_which_is_best(tmp_path):
    found = compare([write_sweep(tmp_path, {"relu": 0.7, "gelu": 0.5, "tanh": 0.3}, seeds=4, noise=0.004)])
    assert found.answer.startswith("relu is best: 70.")
    assert "better than every other, p" in found.answer
    assert any("smallest p is 0.125, 0.375 after correction" in note for note in found.notes)
    assert any("would cover about 79 %" in note for note in found.notes)


def test_one_seed_can_tell_nothing(tmp_path):
    found = compare([write_sweep(tmp_path, {"relu": 0.7, "gelu": 0.5}, seeds=1)])
    assert "whether by more than luck these data cannot tell" in found.answer
    assert not any(c.told for c in found.ranking.comparisons)


def test_two_names_of_one_function_are_identical(tmp_path):
    for name, seed in ((n, s) for n in ("silu", "swish", "relu") for s in range(4)):
        score = 0.5 + 0.01 * seed - (0.2 + 0.003 * seed**2) * (name == "relu")
        write_run(tmp_path / f"{name}{seed}", config(name, seed), score)
    found = compare([tmp_path])
    assert "swish is identical to it seed by seed" in found.answer


def test_a_baseline_is_compared_alone(sweep):
    found = compare([sweep], baseline="relu")
    assert len(found.ranking.comparisons) == 2
    assert found.answer.startswith("By test accuracy, tanh is worse than relu; gelu cannot be told from relu")
    with pytest.raises(
        InputError, match="baseline 'rleu' is not among what is compared; did you mean 'relu'"
    ):
        compare([sweep], baseline="rleu")


def test_losses_are_better_low(sweep):
    found = compare([sweep], metric=Metric.of("test loss"))
    assert [one.name for one in found.ranking.levels][-1] == "tanh"
    assert found.ranking.levels[0].score < found.ranking.levels[-1].score
    with pytest.raises(InputError, match="no run recorded 'tset loss'; did you mean 'test loss'"):
        compare([sweep], metric=Metric.of("tset loss"))
    with pytest.raises(InputError, match="say --higher or --lower"):
        Metric.of("blocks.0.act dead_share")


def test_runs_without_classes_are_judged_by_their_loss(tmp_path, sweep):
    real = write_sweep(tmp_path, {"relu": 0.6, "tanh": 0.8}, seeds=3, noise=0.001, accuracy=False)
    found = compare([real])
    assert found.metric == Metric("test", "loss", False)
    assert found.answer.startswith("tanh is best: ") and "test loss against" in found.answer
    assert overview([real / "0"])["score"][0] == pytest.approx(2 * (1 - 0.6), abs=0.01)
    # Together with runs that have classes they have no score, and are told of.
    mixed = compare([real, sweep])
    assert mixed.metric == Metric()
    with pytest.raises(InputError, match="no run recorded 'test accuracy'; known: .*test loss"):
        compare([real], metric=Metric())


def test_without_tuning_a_level_is_its_mean_over_conditions(sweep):
    found = compare([sweep], tune=())
    for one in found.ranking.levels:
        own = found.runs.filter(pl.col("level") == one.name)["score"]
        assert one.score == pytest.approx(own.mean())
        assert (one.choices, one.optimism) == (1, 0.0)


def test_over_settings_every_one_is_tuned_and_the_mean_counts(tmp_path):
    for depth, best in ((2, 1e-3), (8, 1e-2)):
        for name, base in (("relu", 0.5), ("gelu", 0.6)):
            for rate in (1e-3, 1e-2):
                for seed in range(3):
                    score = base - 0.02 * depth + (0.2 if rate == best else 0) + 0.001 * seed
                    folder = tmp_path / f"{depth}{name}{rate}{seed}"
                    write_run(folder, config(name, seed, rate, model__depth=depth), score)
    found = compare([tmp_path])
    assert found.ranking.levels[0].chosen == {
        "depth 2": "learning_rate 0.001",
        "depth 8": "learning_rate 0.01",
    }
    assert found.ranking.levels[0].interval.mean == pytest.approx(0.6 - 0.1 + 0.2 + 0.001)
    assert len(found.at_best()) == 2 * 2 * 3


def test_a_diverged_run_counts_as_never_begun(tmp_path):
    sweep = write_sweep(tmp_path, {"relu": 0.7, "gelu": 0.5}, rates={1e-2: 0.0, 1e-1: 0.2}, seeds=3)
    for run in sweep.iterdir():
        told = json.loads((run / "run.json").read_text())
        if "0.1" in (run / ".hydra" / "config.yaml").read_text().split("learning_rate:")[1][:5]:
            (run / "run.json").write_text(json.dumps(told | {"state": "diverged"}))
    found = compare([sweep])
    assert set(found.ranking.levels[0].chosen.values()) == {"learning_rate 0.01"}
    assert set(found.runs.filter(pl.col("state") == "diverged")["score"].round(6)) == {0.1}
    assert "6 runs diverged; what was scored before the first step counts, as if never begun." in found.notes
    assert dict(behaviour.stability(found.runs).select("level", "diverged").iter_rows()) == {
        "relu": 0.5,
        "gelu": 0.5,
    }


def test_unfinished_pruned_and_damaged_runs_are_counted_and_named(tmp_path):
    sweep = write_sweep(tmp_path, {"relu": 0.7, "gelu": 0.5}, seeds=5)
    runs = sorted(sweep.iterdir())
    for run, state in zip(runs, ("running", "pruned", "pruned"), strict=False):
        told = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(told | {"state": state}))
    part = next((runs[3] / "metrics").iterdir())
    part.write_bytes(part.read_bytes()[:-30])
    (runs[4] / "run.json").write_text("{")
    write_run(tmp_path / "again", config("relu", 4), 0.9, started="2026-11-23T00:00:00+00:00")
    found = compare([tmp_path])
    notes = "\n".join(found.notes)
    assert set(found.problems) == {str(runs[3]), str(runs[4])}
    assert "2 runs are damaged and left out, the first" in notes
    assert "1 running; the first is" in notes
    assert "2 runs were stopped early for scoring badly" in notes
    assert "--at 200 judges all" in notes
    used = found.runs.filter("used")
    assert not set(used["folder"]) & {str(r) for r in runs[:5]}
    assert len(found.runs) == 10  # of 11: of the one without a readable run.json nothing is known
    at = compare([tmp_path], metric=Metric(at=100))
    assert str(runs[1]) in set(at.runs.filter("used")["folder"])
    assert at.ranking.levels[0].score == pytest.approx(at.ranking.levels[0].interval.mean)
    assert at.ranking.levels[0].score < 0.55  # half of the way from 10 % at step 100


def test_of_equal_configurations_the_last_counts(tmp_path):
    for place, (day, score) in enumerate((("23", 0.9), ("22", 0.5))):
        write_run(tmp_path / str(place), config("relu"), score, started=f"2026-11-{day}T00:00:00+00:00")
    write_run(tmp_path / "x", config("gelu"), 0.6)
    found = compare([tmp_path])
    assert {one.name: one.score for one in found.ranking.levels} == {"relu": 0.9, "gelu": 0.6}
    assert any("1 run repeats the configuration" in note for note in found.notes)


def test_the_best_over_time_is_told_to_be_too_good(tmp_path):
    for name in ("relu", "gelu"):
        for seed in range(3):
            more = [(100, "test", "accuracy", 0.95)] if name == "gelu" else []
            write_run(tmp_path / f"{name}{seed}", config(name, seed), 0.7, more=more)
    last, best = compare([tmp_path]), compare([tmp_path], metric=Metric(over="best"))
    assert last.ranking.levels[0].score == pytest.approx(0.7)
    assert (best.ranking.levels[0].name, best.ranking.levels[0].score) == ("gelu", pytest.approx(0.95))
    assert any("too good" in note for note in best.notes)


def test_lanes_and_uneven_tuning_are_told(tmp_path):
    write_sweep(tmp_path / "a", {"relu": 0.7}, rates={1e-3: 0.0, 1e-2: 0.0}, lanes={"strategy": "vmap"})
    write_sweep(tmp_path / "b", {"gelu": 0.7}, seeds=3, lanes={"strategy": "vmap"})
    found = compare([tmp_path])
    notes = "\n".join(found.notes)
    assert "Vmapped lanes differ from single runs in the last bits" in notes
    assert "Not tuned alike: relu at 2 conditions, gelu at 1" in notes
    assert "Seeds at the best condition differ: gelu has 3" in notes
    assert behaviour.cost(found.runs)["shared"].all()


def test_sensitivity_is_the_mean_at_each_rate_and_the_number_is_wortsmans(study):
    (key, table), *none = sensitivity_tables(study).items()
    assert (key, none) == ("optimizer.learning_rate", [])
    for row in table.iter_rows(named=True):
        cell = study.runs.filter((pl.col("level") == row["level"]) & (pl.col(key) == row["at"]))
        assert row["mean"] == pytest.approx(cell["score"].mean())
        assert row["low"] < row["mean"] < row["high"]
    own = study.runs.filter(pl.col("level") == "relu").sort("seed", key)
    losses = own["final_loss"].to_numpy().reshape(6, 3)
    expected = learning_rate_sensitivity(sorted(RATES), losses, initial=np.full(6, 2.3))
    assert wortsman(study)["relu"] == pytest.approx(expected.mean())


def test_shared_condition_and_sites(study):
    condition, scores = study.shared_condition()
    assert condition == "learning_rate 0.01"
    assert scores["tanh"] == pytest.approx(study.ranking.levels[-1].interval.mean, abs=1e-9)
    sites = behaviour.sites(study.at_best(), study.folders)
    own = sites.filter((pl.col("level") == "relu") & (pl.col("quantity") == "dead_share"))
    assert own["site"].to_list() == SITES
    assert own["mean"].to_list() == pytest.approx([0.0, 0.01, 0.02])


def test_spikes_are_counted_from_the_events(tmp_path):
    write_run(tmp_path / "0", config("relu", 0), 0.5, spikes=3)
    write_run(tmp_path / "1", config("relu", 1), 0.5)
    assert behaviour.stability(compare([tmp_path]).runs)["spike"].to_list() == [1.5]


def test_nobody_on_the_front_is_beaten():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 4, size=(40, 3)).astype(float)
    kept = behaviour.front(points)
    for i, point in enumerate(points):
        beaten = any((q <= point).all() and (q < point).any() for q in points)
        assert kept[i] == (not beaten)
    assert not behaviour.front(np.array([[np.nan, 0.0], [1.0, 1.0]]))[0]


def test_curves_are_means_with_the_spread(study):
    table = behaviour.curves(study.at_best(), study.rows)
    end = table.filter(pl.col("step") == 200, pl.col("level") == "gelu").row(0, named=True)
    scores = study.at_best().filter(pl.col("level") == "gelu")["score"]
    assert (end["mean"], end["low"], end["high"]) == pytest.approx(
        (scores.mean(), scores.min(), scores.max())
    )
    assert end["n"] == 6
