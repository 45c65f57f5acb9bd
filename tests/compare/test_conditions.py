import numpy as np
import pytest
from made_sweeps import config, write_run

from actlab.compare import conditions, everywhere, sentence
from actlab.errors import InputError
from actlab.report.choose import explanation

RATE = "optimizer.learning_rate"


def sweep(folder, scores, noise=0.004, seeds=6):
    """Write runs with scores by rate and activation, give or take some noise."""
    k, rng = 0, np.random.default_rng(0)
    for rate, levels in scores.items():
        for name, score in levels.items():
            for seed in range(seeds):
                write_run(folder / str(k), config(name, seed, rate), score + noise * rng.normal())
                k += 1
    return folder


def test_a_ranking_that_turns_round_is_said_to(tmp_path):
    found = conditions(
        [
            sweep(
                tmp_path,
                {
                    1e-3: {"tanh": 0.7, "relu": 0.6, "gelu": 0.65},
                    1e-2: {"tanh": 0.6, "relu": 0.7, "gelu": 0.7},
                },
            )
        ],
        RATE,
    )
    assert [one.value for one in found] == [1e-3, 1e-2]
    assert found[0].best == "tanh" and set(found[0].worse) == {"relu", "gelu"} and not found[0].tied
    assert found[1].best in ("relu", "gelu") and "tanh" in found[1].worse
    assert sentence(found[0], "learning rate").endswith("better than every other.")
    said = everywhere(found, "learning rate")
    assert "turns round with learning rate" in said and "tanh is told to be better than" in said


def test_each_value_has_its_share_of_alpha(tmp_path):
    found = conditions(
        [sweep(tmp_path, {1e-3: {"tanh": 0.7, "relu": 0.6}, 1e-2: {"tanh": 0.7, "relu": 0.6}})], RATE
    )
    assert [one.study.ranking.alpha for one in found] == [0.025, 0.025]
    assert (
        "never told to be worse than the best, at any learning rate: tanh"
        in everywhere(found, "learning rate").lower()
    )


def test_weak_evidence_is_said_to_be(tmp_path):
    found = conditions([sweep(tmp_path, {1e-3: {"tanh": 0.7, "relu": 0.699}}, noise=0.05, seeds=3)], RATE)
    assert "the evidence is too weak" in sentence(found[0], "rate") and "too weak" in everywhere(
        found, "rate"
    )


def test_one_level_alone_is_compared_with_nothing(tmp_path):
    found = conditions([sweep(tmp_path, {1e-3: {"tanh": 0.7}, 1e-2: {"tanh": 0.6}})], RATE)
    assert sentence(found[0], "rate").endswith("no other has a score to compare it with.")
    assert everywhere(found, "rate") == "Nothing to compare: no value has scores of two."


def test_one_seed_tells_nothing(tmp_path):
    found = conditions([sweep(tmp_path, {1e-3: {"tanh": 0.7, "relu": 0.5}}, seeds=1)], RATE)
    assert "of one seed" in sentence(found[0], "rate")


def test_the_page_says_the_same(tmp_path):
    from actlab.compare import compare

    folder = sweep(tmp_path, {1e-3: {"tanh": 0.7, "relu": 0.6}, 1e-2: {"tanh": 0.6, "relu": 0.7}})
    found = conditions([folder], RATE)
    page = explanation(compare([folder]), found, RATE, "MLP on mnist1d")
    assert everywhere(found, "learning rate") in page.lead
    assert [row[:2] for row in page.table] == [["0.001", "tanh"], ["0.01", "relu"]]


def test_a_key_that_no_run_has(tmp_path):
    with pytest.raises(InputError, match=r"no run has a key 'optimizer.learning_rat'; did you mean"):
        conditions([sweep(tmp_path, {1e-3: {"tanh": 0.7}})], "optimizer.learning_rat")
