"""The way out to MLflow, which is imported here and nowhere else.

A run of the log becomes a run of MLflow, its study the experiment. The tag ``quantlab.run`` tells which run of which
log it is, so that an export can be repeated: what is there already and complete is left alone, and what an export that
broke off has left incomplete is finished. ``quantlab.key`` is the key of the configuration.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from quantlab.core import MissingLibraryError, StoreError

_STATUS = {"done": "FINISHED", "failed": "FAILED", "abandoned": "KILLED"}
# Names in MLflow: these characters, and no more than 250 of them.
_FOREIGN = re.compile(r"[^\w\-. ]", re.ASCII)
_LONGEST = 200
_PAGE = 1000
# At most so many in one request.
_PARAMS, _METRICS = 100, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run to export; moments in microseconds, values of parameters and tags as text."""

    name: str
    title: str
    key: str
    status: str
    started: int
    finished: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def export(runs: list[Finished], *, experiment: str, tracking_uri: str) -> int:
    """Add to an experiment what it does not have yet, and return how many runs that were."""
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "An export to MLflow needs mlflow, which is not installed.", hint='`pip install "quantlab[mlflow]"`.'
        ) from error
    with _told(MlflowException, tracking_uri):
        client = MlflowClient(tracking_uri=tracking_uri)
        place = _experiment(client, experiment)
        there = _known(client, place)
        added = 0
        for run in runs:
            number, complete = there.get(run.name, (None, False))
            if not complete:
                _send(client, place, number, run)
                added += 1
    return added


def _send(client: Any, experiment: str, number: str | None, run: Finished) -> None:
    from mlflow.entities import Metric, Param, RunTag

    began, ended = run.started // 1000, run.finished // 1000
    if number is None:
        own = {"quantlab.run": run.name, "quantlab.key": run.key}
        made = client.create_run(experiment, start_time=began, tags=own, run_name=run.title)
        number = made.info.run_id
    params = [Param(_name(name), value) for name, value in run.params.items()]
    metrics = [Metric(_name(name), value, ended, 0) for name, value in run.metrics.items()]
    tags = [RunTag(_name(name), value) for name, value in run.tags.items()]
    for items, size, word in ((params, _PARAMS, "params"), (metrics, _METRICS, "metrics"), (tags, _PARAMS, "tags")):
        for start in range(0, len(items), size):
            client.log_batch(number, **{word: items[start : start + size]})
    # Last: a run that has not ended is one that another export completes.
    client.set_terminated(number, _STATUS[run.status], ended)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _known(client: Any, experiment: str) -> dict[str, tuple[str, bool]]:
    """The runs that an export has made before: their number in MLflow, and whether they are complete."""
    found, page = {}, None
    while True:
        answer = client.search_runs([experiment], max_results=_PAGE, page_token=page)
        for run in answer:
            if "quantlab.run" in run.data.tags:
                found[run.data.tags["quantlab.run"]] = run.info.run_id, run.info.status != "RUNNING"
        page = answer.token
        if not page:
            return found


def _name(name: str) -> str:
    """A name that MLflow accepts, another one for each name."""
    plain = _FOREIGN.sub("_", name)[:_LONGEST]
    return name if plain == name and plain.strip(".") else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@contextmanager
def _told(refusal: type[Exception], uri: str) -> Iterator[None]:
    try:
        yield
    except refusal as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"MLflow refuses the export: {reason}") from error
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"MLflow needs {error.name} for a tracking store of this kind.",
            hint="`pip install mlflow`, or export to a tracking server.",
        ) from error
