"""What is written into a trial log; each function is a part of one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantlab.core import InputError, KindError
from quantlab.core._arguments import integer, real
from quantlab.core._lazy import lazy
from quantlab.study._environment import environment
from quantlab.study._log_process import present
from quantlab.study._log_values import metrics_text, micros, params_text, printable, settings_text, tag_text, words
from quantlab.study._run import BATCH_STATUSES, KINDS, RUN_STATUSES, Run

if TYPE_CHECKING:
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")

_ADAPTERS = {"sqlite": lazy("sqlalchemy.dialects.sqlite"), "postgresql": lazy("sqlalchemy.dialects.postgresql")}
# What a run keeps when its key is recorded once more: its number in the log, and when that was given.
_KEPT = ("id", "batch", "key", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a batch says of itself when it begins."""

    study: str
    kind: str
    strategy: str
    code_hash: str | None
    data_hash: str | None
    settings: Mapping[str, Any] | None
    planned: int | None
    seed: int | None


def begin(connection: sa.Connection, opening: Opening, now: int) -> int:
    """Add a batch, and its study when that is new; return its number."""
    study = words(opening.study, "`study`")
    if opening.kind not in KINDS:
        raise InputError(f"`kind` must be one of {', '.join(KINDS)}, received {opening.kind!r}.")
    if not isinstance(opening.strategy, str):
        raise KindError(f"`strategy` must be the name of one, received {type(opening.strategy).__name__}.")
    row = {
        "kind": opening.kind,
        "strategy": printable(opening.strategy),
        "code_hash": None if opening.code_hash is None else words(opening.code_hash, "`code_hash`"),
        "data_hash": None if opening.data_hash is None else words(opening.data_hash, "`data_hash`"),
        "seed": _whole(opening.seed, "seed"),
        "settings": settings_text(opening.settings or {}),
        "environment": settings_text(environment()),
        "planned": _whole(opening.planned, "planned"),
        "status": "running",
        "heartbeat": now,
        "created": now,
        **_owner(),
    }
    fresh = _adapter(connection).insert(t.studies).values(name=study, created=now)
    connection.execute(fresh.on_conflict_do_nothing(index_elements=["name"]))
    row["study"] = connection.execute(sa.select(t.studies.c.id).where(t.studies.c.name == study)).scalar_one()
    return connection.execute(sa.insert(t.batches).values(row).returning(t.batches.c.id)).scalar_one()


def rows(runs: Any, now: int) -> list[dict[str, Any]]:
    """Return runs as rows, checked; made before the transaction, which others wait for."""
    if isinstance(runs, Run) or not isinstance(runs, Iterable):
        raise KindError(f"`runs` must be several Run objects, received {type(runs).__name__}.", hint="`[run]`.")
    # One row a key: PostgreSQL refuses to touch a row twice in one statement.
    return list({row["key"]: row for row in (_row(run, now) for run in runs)}.values())


def record(connection: sa.Connection, batch: int, rows: Sequence[dict[str, Any]], now: int) -> None:
    """Add rows of runs to a batch; one whose key stands there already takes its place."""
    sign_of_life(connection, batch, now)
    if rows:
        add = _adapter(connection).insert(t.runs)
        renewed = {column.name: add.excluded[column.name] for column in t.runs.c if column.name not in _KEPT}
        known = ["batch", "key"]
        put = add.on_conflict_do_update(index_elements=known, set_=renewed)
        connection.execute(put, [{"batch": batch, **row} for row in rows])


def end(connection: sa.Connection, batch: int, status: str, reason: str | None, now: int) -> None:
    """Close a batch; what still runs in it is abandoned."""
    if status not in BATCH_STATUSES[1:]:
        raise InputError(f"`status` must be one of {', '.join(BATCH_STATUSES[1:])}, received {status!r}.")
    sign_of_life(connection, batch, now)
    why = None if reason is None else printable(str(reason))
    closed = {"status": status, "reason": why, "finished": now}
    connection.execute(sa.update(t.batches).where(t.batches.c.id == batch).values(closed))
    abandon_runs(connection, [batch])


def open_run(connection: sa.Connection, opening: Opening, run: Run, now: int) -> tuple[int, int]:
    """Begin a batch of one run; return the numbers of both."""
    batch = begin(connection, opening, now)
    record(connection, batch, rows([run], now), now)
    return batch, connection.execute(sa.select(t.runs.c.id).where(t.runs.c.batch == batch)).scalar_one()


def measure(connection: sa.Connection, run: int, metrics: Mapping[str, Any], now: int) -> None:
    """Add metrics to a run; one of a known name takes its place."""
    row = t.runs.c
    batch = connection.execute(sa.select(row.batch).where(row.id == run)).scalar_one()
    # This locks the batch, so that the metrics do not change between reading and writing.
    sign_of_life(connection, batch, now)
    text = connection.execute(sa.select(row.metrics).where(row.id == run)).scalar_one()
    connection.execute(sa.update(t.runs).where(row.id == run).values(metrics=metrics_text(metrics, text)))


def close(connection: sa.Connection, run: int, status: str, reason: str | None, now: int) -> None:
    """Say how a run ended that was opened by hand."""
    row = t.runs.c
    why = None if reason is None else printable(reason)
    ended = {"status": status, "reason": why, "finished": now, "duration": (now - row.started) / 1e6}
    connection.execute(sa.update(t.runs).where(row.id == run).values(ended))


def tag(connection: sa.Connection, place: Mapping[str, int], tags: Mapping[str, str]) -> None:
    """Set tags of a run or a study; one of a known name takes its place."""
    ((owner, number),) = place.items()
    rows = [
        {owner: number, "name": words(name, "The name of a tag"), "value": tag_text(text)}
        for name, text in tags.items()
    ]
    if rows:
        add = _adapter(connection).insert(t.tags)
        connection.execute(
            add.on_conflict_do_update(index_elements=[owner, "name"], set_={"value": add.excluded["value"]}), rows
        )


def note(connection: sa.Connection, place: Mapping[str, int], text: str, now: int) -> None:
    """Add a note to a run or a study."""
    connection.execute(sa.insert(t.notes).values({**place, "text": words(text, "A note"), "created": now}))


def attach(connection: sa.Connection, place: Mapping[str, int], facts: Mapping[str, Any], now: int) -> None:
    """Say that an artifact belongs to a run or a batch; one of the same name takes its place."""
    ((owner, number),) = place.items()
    add = _adapter(connection).insert(t.artifacts).values({owner: number, **facts, "created": now})
    renewed = {name: add.excluded[name] for name in ("kind", "sha256", "size", "created")}
    connection.execute(add.on_conflict_do_update(index_elements=[owner, "name"], set_=renewed))


def abandon_runs(connection: sa.Connection, batches: Sequence[int]) -> None:
    """Mark what still runs in these batches as abandoned."""
    row = t.runs.c
    still = row.batch.in_(batches) & (row.status == "running")
    connection.execute(sa.update(t.runs).where(still).values(status="abandoned"))


def sign_of_life(connection: sa.Connection, batch: int, now: int) -> None:
    """Move the heartbeat of a batch; who writes into an abandoned one takes it up again."""
    row = t.batches.c
    found = connection.execute(sa.select(row.status).where(row.id == batch).with_for_update()).scalar()
    if found is None:
        raise InputError(f"There is no batch {batch} in this trial log.")
    taken = {"status": "running", **_owner()} if found == "abandoned" else {}
    connection.execute(sa.update(t.batches).where(row.id == batch).values(heartbeat=now, **taken))


def _owner() -> dict[str, Any]:
    process = present()
    return {"machine": process.machine, "pid": process.pid, "process": process.began}


def _adapter(connection: sa.Connection) -> Any:
    """What the dialects have in common under two names: insertion that knows what to do with a known key."""
    return _ADAPTERS[connection.dialect.name]


def _row(run: Any, now: int) -> dict[str, Any]:
    if not isinstance(run, Run):
        raise KindError(f"`runs` must be Run objects, received {type(run).__name__}.")
    if run.status not in RUN_STATUSES:
        raise InputError(f"The status of a run must be one of {', '.join(RUN_STATUSES)}, received {run.status!r}.")
    return {
        "key": words(run.key, "The key of a run"),
        "number": _whole(run.number, "number"),
        "status": run.status,
        "reason": None if run.reason is None else printable(str(run.reason)),
        "seed": _whole(run.seed, "seed"),
        "params": params_text(run.params),
        "metrics": metrics_text(run.metrics),
        "created": now,
        "started": None if run.started is None else micros(run.started, "started"),
        "finished": None if run.finished is None else micros(run.finished, "finished"),
        "duration": None if run.duration is None else real(run.duration, name="duration"),
    }


def _whole(value: Any, name: str) -> int | None:
    """A whole number that both databases hold, or None."""
    if value is not None and integer(value, name=name, low=0) >= 2**63:
        raise InputError(f"`{name}` must lie in [0, 2**63), received {value}.")
    return None if value is None else int(value)
