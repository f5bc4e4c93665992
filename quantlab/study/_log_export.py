"""The runs of a study as MLflow takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantlab.core._lazy import lazy
from quantlab.study._log_read import study_id
from quantlab.study._log_values import metrics_of, params_of
from quantlab.study._log_wide import shown
from quantlab.study._mlflow import Finished

if TYPE_CHECKING:
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")


def finished(connection: sa.Connection, study: str) -> list[Finished]:
    """Return every run of a study that has ended, the oldest first.

    Tags say where it comes from: batch, strategy, hashes and settings. A metric that is null stays at home.
    """
    number = study_id(connection, study)
    log = connection.execute(sa.select(t.schema.c.log)).scalar_one()
    row, batch = t.runs.c, t.batches.c
    wanted = (
        sa.select(t.runs, batch.kind, batch.strategy, batch.code_hash, batch.data_hash, batch.settings)
        .select_from(t.runs.join(t.batches))
        .where((batch.study == number) & (row.status != "running"))
        .order_by(row.id)
    )
    tag = t.tags.c
    tags: dict[int, dict[str, str]] = {}
    for run, name, value in connection.execute(sa.select(tag.run, tag.name, tag.value).where(tag.run.is_not(None))):
        tags.setdefault(run, {})[name] = value
    found = []
    for run in connection.execute(wanted):
        origin = {
            "quantlab.batch": str(run.batch),
            **{f"quantlab.{name}": getattr(run, name) for name in ("kind", "strategy", "code_hash", "data_hash")},
            "quantlab.settings": run.settings,
            "quantlab.reason": run.reason,
        }
        metrics = metrics_of(run.metrics)
        found.append(
            Finished(
                name=f"{log}/{run.id}",
                title=f"run {run.id}",
                key=run.key,
                status=run.status,
                started=run.started or run.created,
                finished=run.finished or run.created,
                params={name: shown(value) or repr(value) for name, value in params_of(run.params).items()},
                metrics={name: value for name, value in metrics.items() if value is not None},
                tags=tags.get(run.id, {}) | {name: value for name, value in origin.items() if value},
            )
        )
    return found
