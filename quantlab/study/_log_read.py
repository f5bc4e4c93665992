"""What is read from a trial log; each function is a part of one transaction and returns a frame or plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quantlab.core import InputError, KindError
from quantlab.core._arguments import integer
from quantlab.core._lazy import lazy
from quantlab.study._log_values import metrics_of, params_of, tag_text
from quantlab.study._log_wide import moments, shown, wide
from quantlab.study._run import RUN_STATUSES, Batch

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    pl = lazy("polars")
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")

# The highest number that a row can have.
_LAST = 2**31 - 1


def study_id(connection: sa.Connection, name: Any) -> int:
    """Return the number of a study, or raise naming those that there are."""
    if not isinstance(name, str):
        raise KindError(f"`study` must be a name, received {type(name).__name__}.")
    known = {row.name: row.id for row in connection.execute(sa.select(t.studies.c.name, t.studies.c.id))}
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none yet"
        raise InputError(f"There is no study {name!r}; {there}.")
    return known[name]


def number_of(batch: Any) -> int:
    """Return the number of a batch that is given as a Batch or by its number."""
    return batch.id if isinstance(batch, Batch) else integer(batch, name="batch", low=1)


def demand(connection: sa.Connection, what: str, number: Any) -> int:
    """Return the number of a run or a batch, or raise when the log has none of it."""
    wanted = integer(number, name=what, low=1)
    row = (t.runs if what == "run" else t.batches).c
    if wanted > _LAST or connection.execute(sa.select(row.id).where(row.id == wanted)).scalar() is None:
        raise InputError(f"There is no {what} {wanted} in this trial log.")
    return wanted


def tagged(connection: sa.Connection, target: Any) -> dict[str, int]:
    """Return column and number of what tags and notes hang on: a run or a study."""
    if isinstance(target, Batch):
        raise KindError(f"Tags and notes hang on a run (its number) or a study (its name), received {target!r}.")
    if isinstance(target, str):
        return {"study": study_id(connection, target)}
    return {"run": demand(connection, "run", target)}


def holder(connection: sa.Connection, target: Any) -> dict[str, int]:
    """Return column and number of what artifacts hang on: a run or a batch."""
    if isinstance(target, str):
        raise KindError(f"Artifacts hang on a run (its number) or a Batch, received {target!r}.")
    if isinstance(target, Batch):
        return {"batch": demand(connection, "batch", target.id)}
    return {"run": demand(connection, "run", target)}


def counts() -> sa.ColumnElement[bool]:
    """Whether a run is a trial: all are but those that failed before they had a number."""
    return (t.runs.c.status != "failed") | (t.runs.c.metrics != "{}")


def studies(connection: sa.Connection) -> pl.DataFrame:
    """One row per study, the oldest first."""
    row, batch, run = t.studies.c, t.batches.c, t.runs.c
    wanted = (
        sa.select(
            row.name.label("study"),
            sa.func.count(batch.id.distinct()).label("batches"),
            sa.func.count(run.id).label("runs"),
            sa.func.count(sa.case((counts(), run.key)).distinct()).label("trials"),
            row.created,
            sa.func.max(batch.heartbeat).label("last"),
        )
        .select_from(t.studies.outerjoin(t.batches).outerjoin(t.runs))
        .group_by(row.id)
        .order_by(row.id)
    )
    return _frame(connection, wanted, texts=("study",)).with_columns(moments("created", "last"))


def batches(connection: sa.Connection, study: str | None) -> pl.DataFrame:
    """One row per batch, the oldest first."""
    row, run = t.batches.c, t.runs.c
    each = {name: sa.func.count(sa.case((run.status == name, 1))) for name in RUN_STATUSES[1:]}
    said = (row.kind, row.strategy, row.status, row.reason, row.planned)
    then = (row.seed, row.code_hash, row.data_hash, row.settings, row.environment)
    wanted = (
        sa.select(
            row.id.label("batch"),
            t.studies.c.name.label("study"),
            *said,
            sa.func.count(run.id).label("runs"),
            *(count.label(name) for name, count in each.items()),
            *then,
            row.created,
            row.heartbeat,
            row.finished,
        )
        .select_from(t.batches.join(t.studies).outerjoin(t.runs))
        .group_by(row.id, t.studies.c.id)
        .order_by(row.id)
    )
    if study is not None:
        wanted = wanted.where(row.study == study_id(connection, study))
    texts = ("study", "kind", "strategy", "status", "reason", "code_hash", "data_hash", "settings", "environment")
    return _frame(connection, wanted, texts=texts).with_columns(moments("created", "heartbeat", "finished"))


def runs(
    connection: sa.Connection,
    *,
    study: str | None = None,
    batch: int | None = None,
    status: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """One row per run, wide, the oldest first."""
    row = t.runs.c
    own = (row.key, row.number, row.status, row.reason, row.seed, row.created, row.started, row.finished, row.duration)
    head = (row.id.label("run"), row.batch, t.studies.c.name.label("study"))
    wanted = (
        sa.select(*head, *own, row.params, row.metrics)
        .select_from(t.runs.join(t.batches).join(t.studies))
        .order_by(row.id)
    )
    if study is not None:
        wanted = wanted.where(t.batches.c.study == study_id(connection, study))
    if batch is not None:
        wanted = wanted.where(row.batch == demand(connection, "batch", batch))
    if status is not None:
        wanted = wanted.where(row.status.in_(status))
    for name, value in (tags or {}).items():
        tag = t.tags.c
        same = (tag.name == name) & (tag.value == tag_text(value))
        wanted = wanted.where(row.id.in_(sa.select(tag.run).where(same)))
    frame = _frame(connection, wanted, texts=("study", "key", "status", "reason", "params", "metrics"))
    frame = frame.with_columns(moments("created", "started", "finished"), pl.col("duration").cast(pl.Float64))
    params, metrics = frame["params"].to_list(), frame["metrics"].to_list()
    return wide(frame.drop("params", "metrics"), [*map(params_of, params)], [*map(metrics_of, metrics)])


def params(connection: sa.Connection, run: int) -> dict[str, Any]:
    """The parameters of a run."""
    return params_of(connection.execute(sa.select(t.runs.c.params).where(t.runs.c.id == run)).scalar_one())


def tags(connection: sa.Connection, place: Mapping[str, int]) -> dict[str, str]:
    """The tags of a run or a study, by name."""
    ((owner, number),) = place.items()
    row = t.tags.c
    wanted = sa.select(row.name, row.value).where(row[owner] == number).order_by(row.name)
    return {found.name: found.value for found in connection.execute(wanted)}


def notes(connection: sa.Connection, place: Mapping[str, int]) -> pl.DataFrame:
    """The notes of a run or a study, the oldest first."""
    ((owner, number),) = place.items()
    row = t.notes.c
    wanted = sa.select(row.created, row.text).where(row[owner] == number).order_by(row.id)
    return _frame(connection, wanted, texts=("text",)).with_columns(moments("created"))


def artifacts(connection: sa.Connection, place: Mapping[str, int]) -> pl.DataFrame:
    """The artifacts of a run or a batch, by name."""
    ((owner, number),) = place.items()
    row = t.artifacts.c
    wanted = sa.select(row.name, row.kind, row.sha256, row.size, row.created).where(row[owner] == number)
    frame = _frame(connection, wanted.order_by(row.id), texts=("name", "kind", "sha256"))
    return frame.with_columns(moments("created")).sort("name")


def compare(connection: sa.Connection, numbers: Sequence[int], *, differing: bool) -> pl.DataFrame:
    """One row per fact, one column per run."""
    facts: dict[int, dict[tuple[str, str], str | None]] = {}
    for each in numbers:
        number = demand(connection, "run", each)
        if number in facts:
            raise InputError(f"`runs` must be different runs, received {number} twice.")
        facts[number] = dict(_facts(connection, number))
    names: dict[tuple[str, str], None] = {}
    for kind in ("batch", "run", "param", "setting", "environment", "metric"):
        names |= dict.fromkeys(name for found in facts.values() for name in found if name[0] == kind)
    values = {name: [found.get(name) for found in facts.values()] for name in names}
    kept = [name for name, each in values.items() if not differing or len(set(each)) > 1]
    columns: dict[str, list[Any]] = {"kind": [kind for kind, _ in kept], "name": [name for _, name in kept]}
    columns |= {str(number): [facts[number].get(name) for name in kept] for number in facts}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _facts(connection: sa.Connection, number: int) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Everything that may set two runs apart: ((kind, name), text); moments do always, and are left out."""
    row, batch = t.runs.c, t.batches.c
    about = {name: batch[name] for name in ("kind", "strategy", "code_hash", "data_hash")}
    own = {"key": row.key, "status": row.status, "reason": row.reason, "seed": sa.func.coalesce(row.seed, batch.seed)}
    plain = {"study": t.studies.c.name, **about, **own}
    texts = (row.params, row.metrics, batch.settings, batch.environment)
    wanted = sa.select(*(column.label(name) for name, column in plain.items()), *texts)
    joined = t.runs.join(t.batches).join(t.studies)
    found = connection.execute(wanted.select_from(joined).where(row.id == number)).one()
    for name in plain:
        yield ("run" if name in own else "batch", name), shown(getattr(found, name))
    for name, value in params_of(found.params).items():
        yield ("param", name), _said(value)
    for kind, text in (("setting", found.settings), ("environment", found.environment)):
        for name, value in _leaves(json.loads(text)):
            yield (kind, name), _said(value)
    for name, value in metrics_of(found.metrics).items():
        yield ("metric", name), shown(value)


def _said(value: Any) -> str:
    """A value as text; null is for what a run does not have at all."""
    return shown(value) or repr(value)


def _leaves(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested settings under dotted names."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name, value


def _frame(connection: sa.Connection, wanted: sa.Select[Any], *, texts: Sequence[str]) -> pl.DataFrame:
    """The answer as a frame: text where said, whole numbers elsewhere."""
    answer = connection.execute(wanted)
    names = list(answer.keys())
    columns = list(zip(*answer.all(), strict=True)) or [()] * len(names)
    kinds = [pl.String if name in texts else pl.Float64 if name == "duration" else pl.Int64 for name in names]
    made = zip(names, columns, kinds, strict=True)
    return pl.DataFrame([pl.Series(name, column, dtype=kind) for name, column, kind in made])
