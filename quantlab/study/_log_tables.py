"""The tables of a trial log, the same in SQLite and PostgreSQL, and the version of their layout.

Moments are whole microseconds since 1970 in UTC: exact and sortable in both databases. Parameters and metrics of a run
are one JSON text each, see ``_log_values``: a run is one row, and 10,000 of them go in or out in a fraction of the time
that a row per metric takes (measured: 180,000 rows of metrics in PostgreSQL alone take 2 to 3 s). Every table begins
with ``trials_``, so that a log may share a PostgreSQL database with other tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import sqlalchemy as sa
else:
    sa = lazy("sqlalchemy")

# Raised by every change of a table: another version is refused, see `_log_database`.
VERSION = 1
PREFIX = "trials_"

metadata = sa.MetaData()


def _of(table: sa.Table, *, required: bool = True) -> sa.Column[int]:
    """A column that points at the row of another table, named after what that table holds."""
    name = {"studies": "study", "batches": "batch", "runs": "run"}[table.name.removeprefix(PREFIX)]
    return sa.Column(name, sa.Integer, sa.ForeignKey(table.c.id), nullable=not required, index=True)


def _one_of(first: str, second: str) -> sa.CheckConstraint:
    """What hangs on one of two things hangs on exactly one."""
    return sa.CheckConstraint(f"({first} IS NULL) <> ({second} IS NULL)")


# One row: the version, and a random name by which an export tells this log from others.
schema = sa.Table(
    f"{PREFIX}schema",
    metadata,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("log", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)

studies = sa.Table(
    f"{PREFIX}studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("created", sa.BigInteger, nullable=False),
)

# `machine`, `pid` and `process` (when it began) say whose it is, `heartbeat` when that process last wrote.
batches = sa.Table(
    f"{PREFIX}batches",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of(studies),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("code_hash", sa.Text),
    sa.Column("data_hash", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("planned", sa.BigInteger),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text),
    sa.Column("machine", sa.Text),
    sa.Column("pid", sa.BigInteger),
    sa.Column("process", sa.BigInteger),
    sa.Column("heartbeat", sa.BigInteger, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
)

runs = sa.Table(
    f"{PREFIX}runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("batch", sa.Integer, sa.ForeignKey(batches.c.id), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("metrics", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("started", sa.BigInteger),
    sa.Column("finished", sa.BigInteger),
    sa.Column("duration", sa.Double),
    sa.UniqueConstraint("batch", "key"),
)

tags = sa.Table(
    f"{PREFIX}tags",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of(studies, required=False),
    _of(runs, required=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.UniqueConstraint("study", "name"),
    sa.UniqueConstraint("run", "name"),
    _one_of("study", "run"),
)

notes = sa.Table(
    f"{PREFIX}notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of(studies, required=False),
    _of(runs, required=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    _one_of("study", "run"),
)

artifacts = sa.Table(
    f"{PREFIX}artifacts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of(batches, required=False),
    _of(runs, required=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("batch", "name"),
    sa.UniqueConstraint("run", "name"),
    _one_of("batch", "run"),
)
