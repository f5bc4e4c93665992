"""The export to MLflow, read back with MLflow's own client."""

from __future__ import annotations

import math
import sys

import pytest

from quantlab.core import InputError, MissingLibraryError, StoreError
from quantlab.study._log import TrialLog
from quantlab.study._run import Run

# MLflow warns about its own parts when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder for MLflow; nothing leaves this machine."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    pytest.importorskip("mlflow")
    return tmp_path / "mlruns"


@pytest.fixture
def log(tmp_path, clock) -> TrialLog:
    log = TrialLog(tmp_path / "studies", clock=clock)
    batch = log.begin("momentum", kind="sweep", strategy="mine", code_hash="c0de", settings={"fill": "next_open"})
    log.record(
        batch,
        [
            Run(
                key="k0", params={"top": 0.1, "pair": (1, 2)}, metrics={"sharpe": 1 / 3, "nan": math.nan}, duration=2.0
            ),
            Run(key="k1", params={"top": None, "a/b": "x"}, metrics={"sharpe": -1.0, "hit rate (%)": 50}),
            Run(key="k2", status="failed", reason="ValueError: no"),
            Run(key="k3", status="abandoned"),
            Run(key="k4", status="running"),
        ],
    )
    log.tag(1, stage="paper")
    return log


def found(store, experiment="momentum"):
    """The runs in MLflow by key."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=str(store))
    place = client.get_experiment_by_name(experiment)
    runs = client.search_runs([place.experiment_id])
    keys = [run.data.tags["quantlab.key"] for run in runs]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, runs, strict=True))


def test_runs_are_exported_once(log, store):
    assert log.to_mlflow("momentum", tracking_uri=store) == 4
    runs = found(store)
    assert {key: run.info.status for key, run in runs.items()} == {
        "k0": "FINISHED",
        "k1": "FINISHED",
        "k2": "FAILED",
        "k3": "KILLED",
    }
    data = runs["k0"].data
    assert data.params == {"top": "0.1", "pair": "(1, 2)"}
    assert data.metrics == {"sharpe": 1 / 3}
    wanted = {
        "stage": "paper",
        "quantlab.batch": "1",
        "quantlab.kind": "sweep",
        "quantlab.strategy": "mine",
        "quantlab.code_hash": "c0de",
        "quantlab.settings": '{"fill": "next_open"}',
    }
    assert {name: data.tags.get(name) for name in wanted} == wanted
    assert runs["k2"].data.tags["quantlab.reason"] == "ValueError: no"
    created = log.runs()["created"][0]
    assert runs["k0"].info.start_time == int(created.timestamp() * 1000)

    assert log.to_mlflow("momentum", tracking_uri=str(store)) == 0
    assert {key: run.to_dictionary() for key, run in found(store).items()} == {
        key: run.to_dictionary() for key, run in runs.items()
    }
    # What has ended since comes along with the next export.
    log.end(1)
    assert log.to_mlflow("momentum", tracking_uri=store) == 1
    assert found(store).keys() == {"k0", "k1", "k2", "k3", "k4"}


def test_names_that_mlflow_does_not_take_are_other_names(log, store):
    log.to_mlflow("momentum", tracking_uri=store)
    data = found(store)["k1"].data
    assert data.params.pop("top") == "None"
    ((name, value),) = data.params.items()
    assert (name[:4], value) == ("a_b_", "x")
    assert sorted(name[:13] for name in data.metrics) == ["hit rate ____", "sharpe"]


def test_an_export_that_broke_off_is_finished(log, store, monkeypatch):
    from mlflow.tracking import MlflowClient

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, "log_batch", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log.to_mlflow("momentum", tracking_uri=store)
    assert found(store)["k0"].data.metrics == {}
    assert log.to_mlflow("momentum", tracking_uri=store) == 4
    runs = found(store)
    assert len(runs) == 4
    assert runs["k0"].data.metrics == {"sharpe": 1 / 3}
    assert log.to_mlflow("momentum", tracking_uri=store) == 0


def test_two_logs_share_an_experiment(log, store, tmp_path, clock):
    other = TrialLog(tmp_path / "other", clock=clock)
    other.record(other.begin("value", kind="sweep"), [Run(key="v0", metrics={"sharpe": 2.0})])
    assert log.to_mlflow("momentum", tracking_uri=store, experiment="both") == 4
    assert other.to_mlflow("value", tracking_uri=store, experiment="both") == 1
    assert found(store, "both").keys() == {"k0", "k1", "k2", "k3", "v0"}


def test_what_cannot_be_exported(log, store, monkeypatch):
    with pytest.raises(InputError, match="There is no study 'value'; there are momentum"):
        log.to_mlflow("value", tracking_uri=store)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "false")
    with pytest.raises(StoreError, match="MLflow refuses the export: The filesystem tracking backend"):
        log.to_mlflow("momentum", tracking_uri=store)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StoreError, match=r"MLflow refuses the export: .*Connection refused"):
        log.to_mlflow("momentum", tracking_uri="http://127.0.0.1:1")


def test_without_the_library(log, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "alembic", None)
    monkeypatch.setitem(sys.modules, "mlflow.store.tracking.sqlalchemy_store", None)
    with pytest.raises(MissingLibraryError, match="for a tracking store of this kind"):
        log.to_mlflow("momentum", tracking_uri=f"sqlite:///{store}.db")
    for name in ("mlflow", "mlflow.exceptions", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibraryError, match=r'needs mlflow.*`pip install "quantlab\[mlflow\]"`'):
        log.to_mlflow("momentum", tracking_uri=store)
