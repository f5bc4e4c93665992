"""What the table looked like: at a moment, at first sight, over time; and surprises against what was expected."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl

from quantlab.core import InputError
from quantlab.data.events import _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._table import EventsLike
from quantlab.data.schemas import MOMENT

_EVENT = ("id", "field", "event_time")


def known_at(events: EventsLike, moment: str | date | datetime | np.datetime64) -> pl.DataFrame:
    """Return the rows that were available at a moment.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    moment : date or moment with a time zone
        A date means all of it, in UTC.

    Returns
    -------
    polars.DataFrame
        The events table without what came later; every version that was known then.

    Raises
    ------
    KindError
        For a clock time without a time zone.

    Examples
    --------
    >>> from datetime import UTC
    >>> row = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), "eps", 1.0)
    >>> events = pl.DataFrame([row], schema=["id", "event_time", "available_time", "field", "value"], orient="row")
    >>> known_at(events, "2024-01-02").height, known_at(events, "2024-01-03").height
    (0, 1)
    """
    at = _moments.moment(moment, name="moment")
    return tables.as_table(events).filter(pl.col("available_time") <= pl.lit(at).cast(MOMENT))


def as_first_reported(events: EventsLike) -> pl.DataFrame:
    """Return of every event its first version: what was said before anything was restated.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame

    Returns
    -------
    polars.DataFrame
        The events table with one row for each id, field and event. :func:`panel` of it ignores restatements.

    Examples
    --------
    >>> from datetime import UTC
    >>> first = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), "eps", 1.0)
    >>> second = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC), "eps", 0.9)
    >>> names = ["id", "event_time", "available_time", "field", "value"]
    >>> as_first_reported(pl.DataFrame([first, second], schema=names, orient="row"))["value"].to_list()
    [1.0]
    """
    table = tables.as_table(events).sort(*_EVENT, "available_time")
    return table.unique(subset=list(_EVENT), keep="first", maintain_order=True)


def history(events: EventsLike, symbol: str, field: str) -> pl.DataFrame:
    """Return all that was ever said about one field of one id, and what each restatement changed.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    symbol : str
        The id.
    field : str

    Returns
    -------
    polars.DataFrame
        ``event_time``, ``available_time``, ``version`` (1 is the first report), ``value`` (null: withdrawn),
        ``change`` (from the version before; null in the first), sorted by event and version.

    Raises
    ------
    InputError
        For an unknown field, or an id without it.

    Examples
    --------
    >>> from datetime import UTC
    >>> first = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), "eps", 1.0)
    >>> second = ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC), "eps", 0.75)
    >>> names = ["id", "event_time", "available_time", "field", "value"]
    >>> history(pl.DataFrame([first, second], schema=names, orient="row"), "A", "eps")["change"].to_list()
    [None, -0.25]
    """
    rows = tables.chosen(tables.as_table(events), field)
    found = rows.filter(pl.col("id") == symbol).sort("event_time", "available_time")
    if found.is_empty():
        raise InputError(f"Nothing is said about {field!r} of {symbol!r}.")
    return found.select(
        "event_time",
        "available_time",
        pl.int_range(1, pl.len() + 1).over("event_time").alias("version"),
        "value",
        (pl.col("value") - pl.col("value").shift(1).over("event_time")).alias("change"),
    )


def surprise(
    events: EventsLike,
    *,
    actual: str = "eps",
    expected: str = "eps_est",
    name: str | None = None,
) -> pl.DataFrame:
    """Return the surprises of reports, actual minus expected, as further events.

    Expected is the value of the same id and event that was known when the event was first reported: an estimate that
    was changed or withdrawn afterwards does not count, also not against a restatement of the report.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    actual, expected : str
        Fields.
    name : str, optional
        Field of the result; by default ``actual`` + "_surprise".

    Returns
    -------
    polars.DataFrame
        An events table, with the moments of the actual values: a row for each version of a report, null where it was
        withdrawn. Reports without an expectation have no row.

    Raises
    ------
    InputError
        For an unknown field.

    Examples
    --------
    >>> from datetime import UTC
    >>> event, known = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
    >>> rows = [("A", event, known, "eps", 1.25), ("A", event, event, "eps_est", 1.0)]
    >>> names = ["id", "event_time", "available_time", "field", "value"]
    >>> surprise(pl.DataFrame(rows, schema=names, orient="row")).select("field", "value").rows()
    [('eps_surprise', 0.25)]
    """
    table = tables.as_table(events)
    reports = tables.chosen(table, actual, what="actual").sort("available_time")
    estimates = tables.chosen(table, expected, what="expected").sort("available_time")
    first = reports.drop_nulls("value").unique(subset=["id", "event_time"], keep="first", maintain_order=True)
    met = first.select("id", "event_time", "available_time").join_asof(
        estimates.select("id", "event_time", "available_time", pl.col("value").alias("estimate")),
        on="available_time",
        by=["id", "event_time"],
        check_sortedness=False,
    )
    # An estimate that was withdrawn is none, but the report still stands: no row rather than null.
    kept = met.filter(pl.col("estimate").is_not_null()).select("id", "event_time", "estimate")
    met = reports.join(kept, on=["id", "event_time"])
    return met.select(
        "id",
        "event_time",
        "available_time",
        pl.lit(f"{actual}_surprise" if name is None else name).alias("field"),
        (pl.col("value") - pl.col("estimate")).alias("value"),
    ).sort(*tables.KEY)
