"""Batches that say that they run, and do not: their process has died, or has not written for long.

On the machine where it ran a process is asked for by its number and beginning, and one that lives is never called
abandoned. Elsewhere its last sign of life decides. An error here mends itself: who writes into an abandoned batch takes
it up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantlab.core._lazy import lazy
from quantlab.study._log_process import Process
from quantlab.study._log_write import abandon_runs

if TYPE_CHECKING:
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")


def lost(connection: sa.Connection, before: int) -> dict[int, int]:
    """Return the running batches whose process is dead, or cannot be seen and has not written since ``before``.

    Returns
    -------
    dict of int to int
        The last sign of life of each.
    """
    row = t.batches.c
    wanted = sa.select(row.id, row.machine, row.pid, row.process, row.heartbeat).where(row.status == "running")
    found = {}
    for batch, machine, pid, began, heartbeat in connection.execute(wanted):
        alive = Process(machine, pid, began).alive
        if alive is False or (alive is None and heartbeat < before):
            found[batch] = heartbeat
    return found


def mark(connection: sa.Connection, seen: Mapping[int, int]) -> int:
    """Mark batches that :func:`lost` has found as abandoned, and what runs in them; return how many."""
    row = t.batches.c
    marked = []
    for batch, heartbeat in seen.items():
        # Who has written meanwhile lives.
        same = (row.id == batch) & (row.status == "running") & (row.heartbeat == heartbeat)
        if connection.execute(sa.update(t.batches).where(same).values(status="abandoned")).rowcount:
            marked.append(batch)
    abandon_runs(connection, marked)
    return len(marked)
