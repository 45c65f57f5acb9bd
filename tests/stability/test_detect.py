"""All detectors over a run's records, read from the quantities a run leaves."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from actlab.records import METRICS
from actlab.runs import read_run
from actlab.stability import detect


@pytest.fixture(scope="module")
def healthy(made_run_folder):
    return read_run(made_run_folder)


@pytest.fixture(scope="module")
def made_run_folder(tmp_path_factory):
    from made_runs import make_run

    return make_run(tmp_path_factory.mktemp("runs") / "healthy", records=100)


def with_series(run, **series):
    """The run with these series at site.quantity (double underscores for dots), steps apart by 40."""
    rows = []
    for name, values in series.items():
        site, quantity = name.split("__", 1)
        site, quantity = site.replace("_", "."), quantity.replace("__", ".")
        rows += [(40 * (i + 1), site, quantity, float(v)) for i, v in enumerate(values)]
    replaced = {(site, quantity) for _, site, quantity, _ in rows}
    kept = [r for r in run.metrics.iter_rows() if (r[1], r[2]) not in replaced]
    table = pl.DataFrame(kept + rows, schema=METRICS, orient="row")
    return dataclasses.replace(run, metrics=table)


def test_a_healthy_run_has_no_event(healthy):
    assert detect(healthy) == []


def test_every_disease_is_found_under_its_name(healthy):
    rng = np.random.default_rng(0)
    t = np.arange(100)
    noise = np.exp(0.05 * rng.normal(size=100))
    falling = (0.3 + 2 * np.exp(-t / 30)) * noise
    largest = 1.2 * falling
    largest[60] = 9
    norms = np.exp(0.2 * rng.normal(size=100))
    norms[70] = 50
    sick = with_series(
        healthy,
        train__loss=np.where(t > 80, falling + (t - 80) * 0.2, falling),
        train__loss_max=largest,
        train__gradient_norm=norms,
        head__logits__rms=np.exp(t / 25) * noise,
        attention__entropy_share__mean=np.where(t < 50, 0.7, 0.01) * noise,
        run__sharpness=20 * np.minimum(0.1 * np.exp(t / 15), 1) * noise,
        run__sharpness_limit=np.full(100, 20.0),
    )
    events = detect(sick)
    assert [e.step for e in events] == sorted(e.step for e in events)
    found = {e.kind: e for e in events}
    assert set(found) == {
        "loss_spike",
        "gradient_spike",
        "divergence",
        "logit_drift",
        "entropy_collapse",
        "progressive_sharpening",
        "edge_of_stability",
    }
    assert found["loss_spike"].step == 61 * 40
    assert found["gradient_spike"].step == 71 * 40
    assert found["entropy_collapse"].site == "attention"


def test_adam_is_judged_by_its_preconditioned_sharpness_at_the_steps_both_were_recorded(healthy):
    t = np.arange(30)
    run = with_series(
        healthy,
        run__sharpness=np.full(30, 1e4),
        run__sharpness_preconditioned=38_000 * np.exp(0.02 * np.sin(t)),
        run__sharpness_preconditioned_limit=np.full(20, 38_000.0),
    )
    (event,) = detect(run)
    assert (event.kind, event.end_step) == ("edge_of_stability", 20 * 40)
