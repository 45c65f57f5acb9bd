"""Whether intervals cover what they say and tests err as rarely as they say, by simulation with fixed seeds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from actlab.compare.intervals import COVERAGE, ENOUGH, covers, interval
from actlab.compare.letters import letters
from actlab.compare.paired import Paired, adjusted, p_values, paired, power, seeds_needed
from actlab.compare.ranking import rank
from actlab.compare.tuned import choose


def within(found, expected, trials, sigmas=4.0):
    return abs(found - expected) <= sigmas * np.sqrt(max(expected * (1 - expected), 1e-4) / trials)


def test_student_intervals_cover_95_percent():
    rng, trials = np.random.default_rng(0), 1500
    hits = 0
    for x in rng.normal(3.0, 2.0, size=(trials, 4)):
        found = interval(x, bootstrap=False)
        hits += found.low <= 3.0 <= found.high
    assert within(hits / trials, 0.95, trials)


@pytest.mark.parametrize("n", [4, 8])
def test_the_bootstrap_is_worth_what_is_said_of_it(n):
    rng, trials = np.random.default_rng(1), 400
    hits = sum(
        found.boot_low <= 0 <= found.boot_high for found in map(interval, rng.normal(size=(trials, n)))
    )
    assert within(hits / trials, COVERAGE[n], trials, 3.0)
    assert not within(hits / trials, 0.95, trials, 3.0)


def test_what_is_said_of_the_bootstrap():
    assert (covers(2), covers(4), covers(7), covers(ENOUGH)) == (None, COVERAGE[4], COVERAGE[6], None)
    assert interval(np.arange(ENOUGH, dtype=float)).method == "bootstrap"
    assert interval(np.arange(ENOUGH - 1, dtype=float)).method == "t"


def test_intervals_of_few_or_equal_values():
    one = interval(np.array([0.5, np.nan]))
    assert (one.n, one.mean) == (1, 0.5)
    assert np.isnan([one.low, one.high, one.sd]).all()
    same = interval(np.full(4, 0.5))
    assert (same.low, same.high, same.boot_low, same.boot_high) == (0.5,) * 4
    assert interval(np.array([])).n == 0


def test_the_worse_end_moves_out_for_what_was_chosen():
    x = np.array([1.0, 2.0, 3.0, 4.5])
    plain, best, least = interval(x), interval(x, choices=5), interval(x, choices=5, higher=False)
    assert best.t_low < plain.t_low
    assert best.t_high == plain.t_high
    assert least.t_low == plain.t_low
    assert least.t_high > plain.t_high
    t = stats.t.isf(0.025 / 5, 3) * x.std(ddof=1) / 2
    assert best.t_low == pytest.approx(x.mean() - t)


def test_paired_tests_against_all_signs_by_hand():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 7)) + np.array([[0.8], [0.0]])
    found = paired(a, b)
    d = a - b
    means = np.array([np.mean(d * s) for s in itertools.product([-1, 1], repeat=7)])
    assert found.p_sign == pytest.approx(np.mean(np.abs(means) >= abs(d.mean()) - 1e-12))
    assert found.p_t == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.p_least == 2**-6
    assert found.low < d.mean() < found.high
    assert (
        paired(np.arange(5.0) + 1, np.arange(5.0) ** 1.1).p_sign == 2**-4
    )  # all one way: the least there is


def test_pairs_without_spread_or_seeds():
    x = np.array([0.3, 0.5, 0.7])
    same = paired(x, x)
    assert same.identical
    assert (same.p_t, same.p_sign) == (1.0, 1.0)
    shifted = paired(x + 0.25, x)  # a t-test of no spread would be sure
    assert shifted.p_t == shifted.p_sign == 0.25
    assert np.isnan(paired(x[:1], x[:1] + 1).p_t)
    assert paired(np.array([np.nan, 1.0]), np.array([1.0, np.nan])).n == 0


def test_the_test_is_chosen_by_the_number_of_seeds_alone():
    def of(n, shift):
        return paired(np.linspace(0, 1, n) + shift, np.linspace(0, 1, n) ** 2)

    for shift in (0.0, 5.0):
        assert p_values([of(6, shift)], "auto", 0.05)[1] == "sign-flip"
        assert p_values([of(6, shift)] * 2, "auto", 0.05)[1] == "t"
        assert p_values([of(5, shift)], "auto", 0.05)[1] == "t"
    found = of(5, 0.1)
    assert p_values([found], "sign-flip", 0.05)[0] == [found.p_sign]
    assert p_values([found], "t", 0.05)[0] == [found.p_t]


def test_corrections():
    p = [0.01, 0.04, 0.03, float("nan"), 0.005]
    assert adjusted(p, "holm") == pytest.approx([0.03, 0.06, 0.06, np.nan, 0.02], nan_ok=True)
    assert adjusted(p, "bh") == pytest.approx([0.02, 0.04, 0.04, np.nan, 0.02], nan_ok=True)
    assert adjusted(p, "none") == pytest.approx(p, nan_ok=True)
    assert adjusted([0.9, 0.8], "holm") == [1.0, 1.0]


def test_power_by_simulation_and_the_seeds_it_asks_for():
    rng, trials = np.random.default_rng(3), 4000
    p = stats.ttest_1samp(rng.normal(0.9, 1.0, size=(trials, 10)), 0.0, axis=1).pvalue
    assert within(np.mean(p <= 0.01), power(10, 0.9, 0.01), trials)
    assert power(10, 1e-9, 0.05) == pytest.approx(0.05, abs=1e-6)
    found = Paired(4, 0.5, 1.0, 0, 0, 0.1, 0.1, 0.1)
    n = seeds_needed(found, 0.01)
    assert power(n - 1, 0.5, 0.01) < 0.8 <= power(n, 0.5, 0.01)
    assert seeds_needed(Paired(4, 1e-5, 1.0, 0, 0, 0.1, 0.1, 0.1), 0.01) is None
    assert seeds_needed(Paired(4, 0.0, 0.0, 0, 0, 1.0, 1.0, 0.1), 0.01) is None


def test_letters_are_shared_exactly_by_those_not_told_apart():
    rng = np.random.default_rng(4)
    for k in range(1, 9):
        apart = np.triu(rng.random((k, k)) < 0.5, 1)
        apart |= apart.T
        found = letters(apart)
        for i, j in itertools.combinations(range(k), 2):
            assert bool(set(found[i]) & set(found[j])) == (not apart[i, j])
        assert all(found)


def test_the_best_of_equal_conditions_is_too_good_and_most_of_that_is_known():
    rng, trials = np.random.default_rng(5), 300
    found = [choose(rng.normal(size=(5, 6))) for _ in range(trials)]
    luck = np.mean([t.scores.mean() for t in found])  # the truth is 0
    taken = np.mean([t.optimism for t in found])
    assert luck > 0.35
    assert 0.5 * luck < taken < luck


def test_a_condition_far_below_did_not_compete():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(3, 8)) * 0.1 + np.array([[1.0], [0.99], [0.0]])
    found = choose(values)
    assert found.best in (0, 1)
    assert found.choices == 2
    assert choose(-values, higher=False).best == found.best
    assert choose(values[2:]).optimism == 0.0
    lost = values.copy()
    lost[2, 1:], lost[2, 0] = np.nan, 9.0  # one lucky seed of a condition that lost the others
    assert choose(lost).best == found.best


NORMAL = "normal"
OUTLIERS = "outliers"


def _null(rng, kind, means, seeds):
    noise = rng.normal(size=(*means.shape, seeds))
    if kind == OUTLIERS:  # one run in ten collapses
        noise -= 5 * (rng.random(noise.shape) < 0.1)
    return means[..., None] + noise + rng.normal(size=(1, 1, seeds))


TIED = np.zeros((3, 4))
# One level is equally good at every rate, the others at one alone: the first has more luck to choose from.
UNEVEN = np.array([[0, 0, 0, 0], [0, -9, -9, -9], [0, -9, -9, -9]], float)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "means", "seeds"),
    [
        (NORMAL, TIED[:, :1], 8),
        (NORMAL, TIED, 3),
        (NORMAL, UNEVEN, 3),
        (NORMAL, UNEVEN, 8),
        (OUTLIERS, TIED, 8),
        (OUTLIERS, UNEVEN, 3),
    ],
)
def test_where_nothing_differs_hardly_ever_anything_is_told(kind, means, seeds):
    rng, trials, names = np.random.default_rng(seeds), 120, "abc"
    conditions = [str(c) for c in range(means.shape[1])]
    wrong = 0
    for _ in range(trials):
        found = rank(_null(rng, kind, means, seeds)[:, None], names, [""], conditions)
        at = {one.name: means[names.index(one.name), int(one.chosen[""])] for one in found.levels}
        wrong += any(c.told and at[c.better] <= at[c.worse] for c in found.comparisons)
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


@pytest.mark.slow
def test_without_paying_for_the_choice_it_would_be_told_too_often():
    """The simulation above can fail: the same, told by the uncorrected p of the chosen conditions."""
    rng, trials = np.random.default_rng(0), 150
    wrong = 0
    means = np.array([[0.0] * 12, [0.0] + [-9.0] * 11])
    for _ in range(trials):
        y = means[..., None] + rng.normal(size=(2, 12, 8))
        wrong += paired(choose(y[0]).scores, choose(y[1]).scores).p_t <= 0.05
    assert wrong / trials > 0.1


def test_the_interval_of_the_chosen_covers_its_mean():
    rng, trials = np.random.default_rng(7), 300
    hits = 0
    for _ in range(trials):
        tuned = choose(rng.normal(size=(5, 4)))
        found = interval(tuned.scores, bootstrap=False, choices=tuned.choices)
        hits += found.low <= 0 <= found.high
    assert hits / trials >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / trials)


def test_differences_that_are_there_are_found():
    rng = np.random.default_rng(8)
    y = rng.normal(size=(3, 1, 3, 6)) * 0.01 + np.array([0.5, 0.6, 0.7])[:, None, None, None]
    found = rank(y, ["low", "middle", "high"], [""], ["x", "y", "z"])
    assert [one.name for one in found.levels] == ["high", "middle", "low"]
    assert [one.letters for one in found.levels] == ["a", "b", "c"]
    assert all(c.told for c in found.comparisons)
    lower = rank(y, ["low", "middle", "high"], [""], ["x", "y", "z"], higher=False)
    assert [one.name for one in lower.levels] == ["low", "middle", "high"]
    assert all(c.told for c in lower.comparisons)
