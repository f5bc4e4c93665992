"""How many trials a study has seen: what every statistic that corrects for the choice among them needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantlab.core._lazy import lazy
from quantlab.study._log_read import counts, study_id
from quantlab.study._log_values import metrics_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """The trials of a study.

    Attributes
    ----------
    study : str
    count : int
        Distinct configurations (keys) whose numbers were seen, or may have been: whatever was done, abandoned,
        interrupted or still runs. One that ran again is the same trial, in whatever batch or session.
    failed : int
        Distinct configurations that failed each time before they had any metric. Nobody saw a number of theirs, so
        they could not be chosen, and they do not count. One that failed after it had a metric does count.
    metric : str
        Which metric ``values`` are.
    values : numpy.ndarray (n,), n <= count
        The metric of each counted configuration that has one, in the order of their first run; of a configuration
        that ran more than once, the newest. Read-only. Without NaN: a trial without a number is in ``count`` alone.
    """

    study: str
    count: int
    failed: int
    metric: str
    values: np.ndarray


def trials(connection: sa.Connection, study: str, metric: str) -> Trials:
    """Count the trials of a study and collect a metric of theirs."""
    row = t.runs.c
    own = t.runs.join(t.batches)
    number = study_id(connection, study)
    wanted = sa.select(row.key, row.metrics, counts()).select_from(own).where(t.batches.c.study == number)
    tried: set[str] = set()
    seen: dict[str, float | None] = {}
    for key, text, counted in connection.execute(wanted.order_by(row.id)):
        tried.add(key)
        if counted:
            value = metrics_of(text).get(metric)
            seen[key] = seen.get(key) if value is None else value
    values = np.array([value for value in seen.values() if value is not None], dtype=np.float64)
    values.flags.writeable = False
    return Trials(study, len(seen), len(tried) - len(seen), metric, values)
