"""MLflow: a local SQLite file or a tracking server."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actlab.sinks.sink import Histogram, flat, require, run_name

LONGEST = 500  # characters of a parameter, which every server takes
AT_ONCE = 100  # parameters or metrics in one call; a server takes no more parameters


@dataclass(kw_only=True)
class MLflow:
    """An MLflow run with the config as its parameters; MLflow has no histograms, so none are sent.

    Args:
        project: the experiment's name.
        name: the run's name; None: the end of its path.
        tracking_uri: a server's address or a database; None: what MLFLOW_TRACKING_URI says, else
            ``sqlite:///mlflow.db`` in the current directory, where ``mlflow ui`` looks too.

    Raises:
        InputError: mlflow is not installed.

    """

    project: str = "actlab"
    name: str | None = None
    tracking_uri: str | None = None
    _client: Any = field(init=False, repr=False, default=None)
    _run: str | None = field(init=False, repr=False, default=None)

    def __post_init__(self):
        require("mlflow", "mlflow")

    def start(self, config: dict[str, Any], run_folder: Path, identity: str | None) -> str | None:
        """Open the run, or go on with it."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        logging.getLogger("mlflow.store.db.utils").setLevel(
            logging.WARNING
        )  # it tells of each table it makes
        self._client = MlflowClient(tracking_uri=uri)
        if identity is not None:
            self._client.update_run(identity, status="RUNNING")
            self._run = identity
            return identity
        found = self._client.get_experiment_by_name(self.project)
        experiment = found.experiment_id if found else self._client.create_experiment(self.project)
        if self._run is None:  # else a start that failed got as far as this
            self._run = self._client.create_run(
                experiment, run_name=self.name or run_name(run_folder)
            ).info.run_id
        params = [Param(_name(k), str(v)[:LONGEST]) for k, v in flat(config).items()]
        for some in _pieces(params):
            self._client.log_batch(self._run, params=some)
        return self._run

    def log(self, step: int, values: dict[str, float], histograms: dict[str, Histogram]) -> None:
        """Write one step's values."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for some in _pieces([Metric(_name(name), value, now, step) for name, value in values.items()]):
            self._client.log_batch(self._run, metrics=some)

    def finish(self, state: str, scores: dict[str, float]) -> None:
        """Close the run: one that diverged has not failed, its tag says so."""
        self._client.set_tag(self._run, "state", state)
        self._client.set_terminated(self._run, "KILLED" if state == "interrupted" else "FINISHED")


def _name(name: str) -> str:
    """Return ``name`` with what MLflow refuses replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _pieces(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
