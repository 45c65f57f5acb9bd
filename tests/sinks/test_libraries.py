"""Each library is really written to, through the guard, resumed once, and read back with its own reader."""

import json
import sqlite3
from importlib.util import find_spec

import numpy as np
import pytest

from actlab.sinks import Guarded, MLflow, TensorBoard, Trackio, WandB, finish_all
from actlab.sinks.sink import run_name

CONFIG = {"seed": 3, "model": {"_target_": "actlab.models.mlp", "depth": 2, "kernel": [5, 3]}}
COUNTS = [1, 0, 5, 2]
STEPS = [0, 20, 40, 60]


def needs(*libraries):
    missing = [name for name in libraries if find_spec(name) is None]
    return pytest.mark.skipif(
        bool(missing), reason=f"{', '.join(missing)} not installed: pip install '.[sinks]'"
    )


def rows(*steps):
    return [
        row
        for s in steps
        for row in [
            (s, "train", "loss", 2.0 - s / 40),
            (s, "blocks.0.act", "pre.mean", s + 0.25),
            (s, "blocks.0.act", "pre.max", float("nan") if s == 20 else 1.0),
            (s, "layer[0]", "weight_norm", 1.5),  # names that not every library takes
        ]
    ]


def shapes(*steps):
    return [(s, "blocks.0.act", "pre", -1.0, 1.0, COUNTS, 0) for s in steps]


@pytest.fixture
def send(tmp_path):
    """Return a function that writes a run killed after step 40 and resumed from 20."""

    def run(maker):
        folder = tmp_path / "2026-11-22" / "143000"
        folder.mkdir(parents=True)
        first = Guarded("it", maker(), CONFIG)
        first.start(folder, resumed=False)
        first.log(rows(0), shapes(0))
        first.log(rows(20, 40), shapes(40))
        assert finish_all([first], "interrupted", {})["it"]["error"] is None
        second = Guarded("it", maker(), CONFIG)
        second.start(folder, resumed=True)
        second.log(rows(40, 60), shapes(40, 60))
        told = finish_all([second], "finished", {"test loss": 0.5})["it"]
        assert told == {"sent": 18, "lost": 0, "not_finite": 1, "repeated": 5, "error": None}
        return folder

    return run


@needs("tensorboardX", "tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_tensorboard(send):
    folder = send(TensorBoard)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"histograms": 0, "scalars": 0})
    events.Reload()
    loss = events.Scalars("train/loss")
    assert [(e.step, e.value) for e in loss] == [(s, 2.0 - s / 40) for s in STEPS]
    assert [e.step for e in events.Scalars("blocks.0.act/pre.max")] == [0, 40, 60]
    histograms = events.Histograms("blocks.0.act/pre.histogram")
    assert [e.step for e in histograms] == [0, 40, 60]
    value = histograms[-1].histogram_value
    assert value.num == sum(COUNTS)
    assert (value.min, value.max) == (-1.0, 1.0)
    kept = dict(zip(value.bucket_limit, value.bucket, strict=True))
    assert {k: v for k, v in kept.items() if v} == {-0.5: 1.0, 0.5: 5.0, 1.0: 2.0}
    assert b"actlab.models.mlp" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def leveldb_records(content):
    """Yield the records of a .wandb file: LevelDB's log format after a header of 7 bytes."""
    assert content.startswith(b":W&B")
    at, parts = 7, []
    while at < len(content):
        left = 2**15 - at % 2**15
        if left < 7:  # too short for a header: the next block
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts.append(content[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or last of several
            yield b"".join(parts)
            parts = []


@needs("wandb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb")
def test_wandb_offline(send, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = send(lambda: WandB(project="test"))
    from wandb.proto import wandb_internal_pb2 as proto

    history, ids, config, summary = [], set(), {}, {}
    files = sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda p: p.stat().st_mtime_ns)
    assert len(files) == 2
    for file in files:
        for data in leveldb_records(file.read_bytes()):
            record = proto.Record.FromString(data)
            if record.HasField("run"):
                ids.add((record.run.project, record.run.run_id, record.run.display_name))
                config |= {i.key: json.loads(i.value_json) for i in record.run.config.update}
            if record.HasField("history"):
                items = record.history.item
                history.append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
            if record.HasField("summary"):
                summary |= {i.key or ".".join(i.nested_key): i.value_json for i in record.summary.update}
    ((project, _, name),) = ids
    assert (project, name) == ("test", "2026-11-22/143000")
    assert config["seed"] == 3
    assert [h["_step"] for h in history] == STEPS
    assert [h["train/loss"] for h in history] == [2.0 - s / 40 for s in STEPS]
    assert "blocks.0.act/pre.max" not in history[1]
    assert history[-1]["blocks.0.act/pre.histogram.values"] == COUNTS
    np.testing.assert_allclose(history[-1]["blocks.0.act/pre.histogram.bins"], np.linspace(-1, 1, 5))
    assert summary["state"] == '"finished"'


@needs("wandb")
def test_wandb_online_without_a_login_asks_nothing(tmp_path, monkeypatch, caplog):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sink = Guarded("wandb", WandB(mode="online"), CONFIG)
    sink.start(tmp_path, resumed=False)
    sink.log(rows(0))
    told = finish_all([sink], "finished", {})["wandb"]
    assert (told["sent"], told["lost"]) == (0, 4)
    assert "nobody is logged in: run wandb login" in told["error"]


@needs("mlflow", "sqlalchemy", "alembic")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::ResourceWarning"
)
def test_mlflow_sqlite(send, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    send(lambda: MLflow(project="test", tracking_uri=uri))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("test").experiment_id])
    assert run.info.run_name == "2026-11-22/143000"
    assert run.info.status == "FINISHED"
    assert run.data.tags["state"] == "finished"
    assert run.data.params["model.depth"] == "2"
    loss = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in loss) == [(s, 2.0 - s / 40) for s in STEPS]
    largest = client.get_metric_history(run.info.run_id, "blocks.0.act/pre.max")
    assert sorted(m.step for m in largest) == [0, 40, 60]
    assert run.data.metrics["layer_0_/weight_norm"] == 1.5


@needs("trackio")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_trackio(send, tmp_path, monkeypatch):
    import trackio.sqlite_storage
    import trackio.utils

    for module in (trackio, trackio.utils, trackio.sqlite_storage):  # TRACKIO_DIR was read at its import
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    folder = send(lambda: Trackio(project="test"))
    (database,) = (tmp_path / "trackio").glob("test*.db")
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
    connection.close()
    from trackio.utils import deserialize_values

    assert {name for name, _, _ in found} == {run_name(folder)}
    assert [step for _, step, _ in found] == STEPS
    values = [deserialize_values(json.loads(metrics)) for _, _, metrics in found]
    assert [v["train/loss"] for v in values] == [2.0 - s / 40 for s in STEPS]
    assert "blocks.0.act/pre.max" not in values[1]
    assert values[-1]["blocks.0.act/pre.histogram"]["values"] == COUNTS
