"""The score against its definition in float64; the compiled step and the recorded series bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.stats.spikes import ABSOLUTE, RELATIVE, THRESHOLD, spike_score, spike_scores, spike_window


def in_a_loop(losses, size):
    run = jax.jit(lambda xs: jax.lax.scan(spike_score, spike_window(size), xs)[1])
    return np.asarray(run(jnp.asarray(losses, jnp.float32)))


def by_definition(losses, size):
    losses, scores = np.asarray(losses, np.float64), []
    for t, x in enumerate(losses):
        w = losses[max(0, t - size) : t]
        w = w[np.isfinite(w)]
        if len(w) * 4 < size:
            scores.append(np.nan)
            continue
        m = np.median(w)
        spread = max(1.4826 * np.median(np.abs(w - m)), RELATIVE * abs(m), ABSOLUTE)
        scores.append((x - m) / spread)
    return np.array(scores)


def series(kind):
    rng = np.random.default_rng(0)
    t = np.arange(400)
    noisy = 0.3 + 2 * np.exp(-t / 80) + 0.05 * rng.normal(size=t.size)
    match kind:
        case "flat":
            noisy = np.full(t.size, 2.302585)
        case "zero":
            noisy = np.zeros(t.size)
        case "nonfinite":
            noisy[[3, 50, 51, 90]] = [np.nan, np.inf, -np.inf, np.nan]
        case "mostly nan":
            noisy[60:350] = np.nan
        case "huge":
            noisy = noisy * 7e37
        case "tiny":
            noisy = noisy * 1e-30
        case "negative":
            noisy = noisy - 5
        case "heavy":
            noisy = noisy * np.exp(rng.normal(size=t.size) * 2)
    return noisy.astype(np.float32)


KINDS = ["noisy", "flat", "zero", "nonfinite", "mostly nan", "huge", "tiny", "negative", "heavy"]


@pytest.mark.parametrize("size", [64, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_and_recorded_are_the_same_bits_and_the_definition(kind, size):
    losses = series(kind)
    host = spike_scores(losses, window=size)
    np.testing.assert_array_equal(host, in_a_loop(losses, size))
    with np.errstate(invalid="ignore"):
        expected = by_definition(losses, size)
    np.testing.assert_allclose(host, expected, rtol=1e-4, atol=1e-4)


def test_blocks_join(monkeypatch):
    losses = series("noisy")
    whole = spike_scores(losses)
    monkeypatch.setattr("actlab.stats.spikes._BLOCK", 33)
    np.testing.assert_array_equal(spike_scores(losses), whole)
    for start in (0, 1, 64, len(losses) - 1, len(losses)):
        np.testing.assert_array_equal(spike_scores(losses, start=start), whole[start:])


def test_a_spike_is_found_one_sided_and_does_not_hide_the_next():
    losses = series("noisy")
    losses[[200, 203]] += 2.0
    losses[300] -= 2.0
    assert np.flatnonzero(spike_scores(losses) > THRESHOLD).tolist() == [200, 203]
    assert spike_scores(losses)[300] < -THRESHOLD


def test_a_lasting_rise_is_the_new_level_after_half_a_window():
    losses = series("noisy")
    losses[200:] += 3.0
    found = np.flatnonzero(spike_scores(losses) > THRESHOLD)
    assert found[0] == 200
    assert 200 + 28 <= found[-1] <= 200 + 32


def test_a_flat_loss_does_not_alarm_on_rounding_or_a_few_per_cent():
    losses = np.full(200, 2.302585, np.float32)
    losses[150] *= 1.07
    losses[170] = np.nextafter(np.float32(2.302585), np.float32(3))
    assert (spike_scores(losses)[16:] < THRESHOLD).all()
    losses[180] *= 1.09
    assert np.flatnonzero(spike_scores(losses) > THRESHOLD).tolist() == [180]


def test_no_verdict_before_a_quarter_of_the_window():
    scores = spike_scores(np.arange(40))
    assert np.isnan(scores[:16]).all()
    assert np.isfinite(scores[16:]).all()


def test_what_is_not_finite():
    losses = series("noisy")
    losses[[100, 101, 102]] = [np.nan, np.inf, 50.0]
    scores = spike_scores(losses)
    assert np.isnan(scores[100])
    assert scores[101] == np.inf
    assert THRESHOLD < scores[102] < np.inf


@pytest.mark.parametrize("size", [3, True, 8.0])
def test_what_cannot_be(size):
    with pytest.raises(InputError, match=f"window={size}"):
        spike_window(size)
    with pytest.raises(InputError, match="shape"):
        spike_scores(np.ones((3, 2)))


def test_an_empty_series():
    assert spike_scores([]).shape == (0,)
