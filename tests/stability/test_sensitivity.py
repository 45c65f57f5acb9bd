import numpy as np
import pytest

from actlab.errors import InputError
from actlab.stability import learning_rate_sensitivity

RATES = np.geomspace(1e-4, 0.3, 8)


def test_the_mean_over_the_logarithm_of_the_rate():
    # A parabola in log lr: its mean excess over [-1, 1] in units of the half width is 1/3.
    rates = np.geomspace(1e-3, 1e-1, 2001)
    losses = 0.5 + (np.log(rates / 1e-2) / np.log(10)) ** 2
    assert learning_rate_sensitivity(rates, losses, initial=9.0) == pytest.approx(1 / 3, rel=1e-5)
    uneven = np.sort(np.random.default_rng(0).uniform(-1, 1, 4000))
    uneven = np.concatenate([[-1], uneven, [1]])
    got = learning_rate_sensitivity(10**uneven, 0.5 + uneven**2, initial=9.0)
    assert got == pytest.approx(1 / 3, rel=1e-4)


def test_by_hand():
    losses = np.array([2.0, 1.0, 0.4, 0.2, 0.1, 0.3, 5.0, np.nan])
    excess = np.array([2.0, 1.0, 0.4, 0.2, 0.1, 0.3, 2.3, 2.3]) - 0.1
    by_hand = (excess[1:-1].sum() + (excess[0] + excess[-1]) / 2) / 7
    assert learning_rate_sensitivity(RATES, losses, initial=2.3) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e9, 2.3])
def test_a_run_that_diverged_counts_as_one_that_never_began(lost):
    losses = np.full(8, 0.5)
    losses[-1] = lost
    assert learning_rate_sensitivity(RATES, losses, initial=2.3) == pytest.approx(1.8 / 14)


def test_all_diverged_or_all_equal_is_none():
    assert learning_rate_sensitivity(RATES, np.full(8, np.nan), initial=2.3) == 0
    assert learning_rate_sensitivity(RATES, np.full(8, 0.5), initial=2.3) == 0


def test_seeds_each_have_their_own_best_and_start():
    losses = np.random.default_rng(0).uniform(0, 2, (3, 8))
    initial = np.array([2.3, 2.2, 1.0])
    got = learning_rate_sensitivity(RATES, losses, initial=initial)
    each = [learning_rate_sensitivity(RATES, row, initial=i) for row, i in zip(losses, initial, strict=True)]
    np.testing.assert_allclose(got, each)


@pytest.mark.parametrize(
    ("rates", "losses", "initial", "message"),
    [
        ([0.1], [1.0], 2.0, "at least two"),
        ([0.0, 0.1], [1.0, 1.0], 2.0, "numbers > 0"),
        ([0.1, 0.1], [1.0, 1.0], 2.0, "must increase"),
        ([0.1, 0.2], [1.0, 1.0, 1.0], 2.0, r"shape \(3,\) need 2 rates"),
        ([0.1, 0.2], [1.0, 1.0], np.nan, "initial must be finite"),
        ([0.1, 0.2], [1.0, 1.0], [1.0, 2.0], "initial must be finite, one number"),
    ],
)
def test_what_cannot_be(rates, losses, initial, message):
    with pytest.raises(InputError, match=message):
        learning_rate_sensitivity(rates, losses, initial=initial)
