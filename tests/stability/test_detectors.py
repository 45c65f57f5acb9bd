"""Made series with and without each disease; what must not alarm is as long as what must."""

import numpy as np
import pytest

from actlab.errors import InputError
from actlab.stability import (
    divergence,
    edge_of_stability,
    entropy_collapse,
    gradient_spikes,
    logit_drift,
    loss_spikes,
    plateaus,
)

N = 600
STEPS = np.arange(N) * 10


def healthy(seed, size=0.08):
    """A loss that falls as a power of time, with the skewed noise of a batch's mean."""
    rng = np.random.default_rng(seed)
    smooth = 0.2 + 2.1 * (1 + np.arange(N) / rng.uniform(5, 60)) ** -rng.uniform(0.3, 0.8)
    return smooth * rng.gamma(1 / size**2, size**2, N)


def norms(seed):
    return np.exp(np.random.default_rng(seed).normal(size=N) * 0.3)


@pytest.mark.parametrize("seed", range(25))
def test_a_healthy_noisy_falling_loss_raises_nothing(seed):
    loss = healthy(seed)
    found = [*loss_spikes(STEPS, loss), *divergence(STEPS, loss), *plateaus(STEPS, loss)]
    found += gradient_spikes(STEPS, norms(seed))
    assert found == []


@pytest.mark.parametrize("seed", range(5))
def test_loss_spikes(seed):
    loss = healthy(seed)
    loss[200] *= 3
    loss[[400, 402, 403]] *= 4  # one event: it rings
    found = loss_spikes(STEPS, loss)
    assert [(e.kind, e.step, e.end_step, e.site) for e in found] == [
        ("loss_spike", 2000, 2000, "train"),
        ("loss_spike", 4000, 4030, "train"),
    ]
    assert all(e.value > e.limit == 8 for e in found)
    assert f"loss {loss[200]:.4g} at step 2000" in found[0].message


def test_a_spike_of_inf_and_over_nothing_positive():
    loss = healthy(0)
    loss[200] = np.inf
    assert [e.value for e in loss_spikes(STEPS, loss)] == [np.inf]
    (event,) = loss_spikes(range(30), [*[0.0] * 29, 1.0])
    assert "above the median" in event.message


def test_gradient_spikes_are_factors():
    values = norms(0)
    values[300] = 30
    (event,) = gradient_spikes(STEPS, values)
    assert (event.kind, event.step) == ("gradient_spike", 3000)
    quiet = np.full(N, 1e-3)
    quiet[[100, 200, 300]] = [2.9e-3, 0.0, 3.1e-3]
    assert [e.step for e in gradient_spikes(STEPS, quiet)] == [3000]


@pytest.mark.parametrize("seed", range(5))
def test_divergence(seed):
    loss = healthy(seed)
    late = np.arange(N) > 400
    rising = loss + late * np.linspace(-4, 2, N)
    (event,) = divergence(STEPS, rising)
    assert event.kind == "divergence"
    assert 3000 < event.step <= 4200
    assert event.end_step == 5990
    assert event.value > event.limit
    assert divergence(STEPS, loss + late * 0.1) == []  # a small step up is none
    spiking = loss.copy()
    spiking[-100::7] *= 20
    assert divergence(STEPS, spiking) == []  # nor are spikes


def test_divergence_of_what_is_not_finite_or_never_fell():
    loss = healthy(0)
    loss[350:] = np.nan
    (event,) = divergence(STEPS, loss)
    assert (event.step, event.message) == (3500, "loss is nan at step 3500")
    flat = 2.3 + 0.05 * np.random.default_rng(0).normal(size=N)
    assert divergence(STEPS, flat) == []
    assert divergence(STEPS, flat + np.linspace(0, 1, N))
    assert divergence([], []) == []
    assert divergence([0, 1, 2], [1.0, 2.0, 9.0]) == []  # too few to tell


@pytest.mark.parametrize("seed", range(5))
def test_plateaus(seed):
    rng = np.random.default_rng(seed)
    fall = np.interp(np.arange(N), [0, 100, 350, 500, N], [2.3, 1.5, 1.5, 0.5, 0.1])
    (event,) = plateaus(STEPS, fall * (1 + 0.02 * rng.normal(size=N)))
    assert event.kind == "plateau"
    assert 800 <= event.step <= 1400
    assert 3100 <= event.end_step <= 3700
    assert abs(event.value) < event.limit == pytest.approx(0.03, rel=0.05)


def test_what_is_no_plateau():
    rng = np.random.default_rng(0)
    slow = np.linspace(2.3, 2.2, N)  # 1 % in a quarter, but visibly falling
    assert plateaus(STEPS, slow * (1 + 0.001 * rng.normal(size=N))) == []
    hidden = np.full(N, 2.3) * (1 + 0.3 * rng.normal(size=N))  # too noisy to prove anything
    assert plateaus(STEPS, hidden) == []
    assert plateaus(range(10), np.ones(10)) == []  # too few records
    never = np.full(N, 2.3) * (1 + 0.003 * rng.normal(size=N))
    (event,) = plateaus(STEPS, never)
    assert (event.step, event.end_step) == (0, 5990)


T = np.arange(80) * 100


def wobble(seed, size=0.05):
    return np.exp(size * np.random.default_rng(seed).normal(size=len(T)))


@pytest.mark.parametrize("seed", range(5))
def test_logit_drift(seed):
    drifting = 3 * np.exp(T / 2000) * wobble(seed)
    (event,) = logit_drift(T, drifting)
    assert (event.kind, event.site) == ("logit_drift", "head")
    assert event.value == pytest.approx(np.exp(2), rel=0.15)
    assert "logits.rms grew" in event.message
    for healthy_growth in (8 * np.log(2 + T), 2 * np.sqrt(1 + T), np.full(len(T), 50.0)):
        assert logit_drift(T, healthy_growth * wobble(seed)) == []
    assert logit_drift(T, drifting / 100) == []  # grows, but is small
    assert logit_drift(T[:4], drifting[:4]) == []
    assert logit_drift([], []) == []


@pytest.mark.parametrize("seed", range(5))
def test_entropy_collapse(seed):
    shares = np.where(T < 4000, 0.6, 0.01) * wobble(seed)
    (event,) = entropy_collapse(T, shares, site="blocks.0.attention")
    assert (event.kind, event.step, event.site) == ("entropy_collapse", 4000, "blocks.0.attention")
    assert event.value == pytest.approx(0.01, rel=0.1)
    assert entropy_collapse(T, np.full(len(T), 0.02) * wobble(seed), site="s") == []  # sharp from the start
    back = np.where((T > 4000) & (T < 6000), 0.01, 0.6)
    assert entropy_collapse(T, back * wobble(seed), site="s") == []  # came back
    assert entropy_collapse(T, np.linspace(0.6, 0.2, len(T)), site="s") == []


@pytest.mark.parametrize("seed", range(5))
def test_edge_of_stability(seed):
    sharpness = np.minimum(2 * np.exp(T / 1000), 20) * wobble(seed)
    sharpening, edge = edge_of_stability(T, sharpness, 20.0)
    assert (sharpening.kind, edge.kind) == ("progressive_sharpening", "edge_of_stability")
    assert sharpening.step <= 300
    assert sharpening.value > 5
    assert 2000 <= edge.step <= 2400
    assert edge.end_step == 7900
    assert edge.value == pytest.approx(1, abs=0.05)
    assert edge_of_stability(T, np.full(len(T), 3.0) * wobble(seed), 20.0) == []
    passing = edge_of_stability(T, 2 * np.exp(T / 1000), 20.0)
    assert [e.kind for e in passing] == ["progressive_sharpening"]


def test_the_edge_follows_a_changing_limit_and_leaves_gaps_out():
    limit = np.linspace(20, 100, len(T))
    sharpness = limit * wobble(0)
    sharpness[[10, 40]] = np.nan
    assert [e.kind for e in edge_of_stability(T, sharpness, limit)] == ["edge_of_stability"]
    with pytest.raises(InputError, match="one number or"):
        edge_of_stability(T, sharpness, limit[:3])


@pytest.mark.parametrize("detector", [loss_spikes, divergence, plateaus, gradient_spikes, logit_drift])
def test_series_that_do_not_fit(detector):
    with pytest.raises(InputError, match="as many steps as values"):
        detector([0, 1], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="steps that increase"):
        detector([0, 1, 1], [1.0, 2.0, 3.0])
