"""``macro``: series of the economy and of markets as events of one id, each field with the lag of its release."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import polars as pl

from quantlab.core import InputError
from quantlab.data.events import _table as tables
from quantlab.data.events._build import Fields, Plan, build, numeric, taken
from quantlab.data.events._lags import SERIES, Lag, as_lag
from quantlab.data.events._table import Events


def macro(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    name: str = "US",
    date: str = "date",
    published: str | None = None,
    fields: Fields = None,
    lag: str | Lag | Mapping[str, str | Lag] | None = None,
    drop_fills: bool = False,
) -> Events:
    """Return series of the economy or of markets as events of one id, each series a field with its own lag.

    A file of today holds revised values under the dates of old ones: lags keep away what was not yet published, not
    what was later revised. Only vintages (``published`` with one row per release) do that.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        Wide: one row per day or month, a column per series.
    name : str
        The id under which all series stand; ``panel(..., series=name)`` reads it.
    date : str
        Column of days: the day, or any day of the month or quarter of which a value speaks.
    published : str, optional
        Column of days or moments of release.
    fields : str, sequence or mapping, optional
        Columns of series; by default every column of numbers.
    lag : str | Lag | mapping of series to either, optional
        By default FRED's usual names (UNRATE, CPIAUCSL, INDPRO, VIXCLS, DGS10, ...) take the lag of their release. A
        series that is in no list must be given one. Months that were released later than that because the government
        was shut (1996, 2013, 2025) take the date of their release, which ``note`` names.
    drop_fills : bool
        Keep the first row of every run of equal values: it drops values that were carried forward to later days. Of the
        *first* run only its last row is kept, since nothing tells a first value from one that was carried back before
        the series began. A value that truly repeats loses its later rows, not its value; ages then count from the
        change.

    Returns
    -------
    Events
        ``note`` says each lag.

    Raises
    ------
    InputError
        When a series has no lag, a lag no series, or ``drop_fills`` meets ``published``.
    InputError, KindError, DataError
        As in :func:`from_frame`.

    Examples
    --------
    >>> import datetime
    >>> frame = pl.DataFrame({"date": [datetime.date(2020, 4, 1)], "UNRATE": [14.7]})
    >>> macro(frame).table["available_time"].item().isoformat()
    '2020-05-12T12:30:00+00:00'
    """
    if drop_fills and published is not None:
        raise InputError(
            "`drop_fills` is for files without a column of publication: a version that repeats a value is news.",
            hint="leave one of `drop_fills` and `published` out.",
        )
    frame = taken(frame, (date, *([] if published is None else [published])))
    columns = numeric(frame, fields, {date, published})
    _demand_known(lag, {*columns, *columns.values(), *frame.columns})
    # One build for each lag, so that a hundred series of one release are one pass.
    groups: dict[str | Lag | None, dict[str, str]] = {}
    for column, title in columns.items():
        kind = None if published is not None else _series_lag(column, title, lag)
        groups.setdefault(kind, {})[column] = title
    parts = []
    for kind, chosen in groups.items():
        rows = frame.select(pl.lit(name).alias("__id"), date, *([] if published is None else [published]), *chosen)
        found = build(
            rows,
            Plan("__id", date, published),
            fields=chosen,
            lag=None if kind is None else as_lag(kind),
            name=kind if isinstance(kind, str) else "own",
        )
        note = f"{', '.join(list(chosen.values())[:3])}{' ...' if len(chosen) > 3 else ''}: {found.note}"
        parts.append((found, note if found.note else ""))
    table = pl.concat([found.table for found, _ in parts])
    lost = [row for found, _ in parts for row in found.left_out.rows()]
    notes = [note for _, note in parts if note]
    if drop_fills:
        height = table.height
        table = _changes(table)
        lost.append(("repeats the value before", height - table.height, name))
        notes.append("Values carried forward or back were dropped.")
    return Events(table.sort(*tables.KEY), " ".join(notes), tables.left_out(lost))


def _series_lag(column: str, title: str, lag: str | Lag | Mapping[str, str | Lag] | None) -> str | Lag:
    if lag is not None and not isinstance(lag, Mapping):
        return lag
    given = {} if lag is None else lag
    found = given.get(title, given.get(column, SERIES.get(column)))
    if found is None:
        raise InputError(
            f"Nothing says when the series {column!r} is published.",
            hint=f'`lag={{"{column}": "monthly"}}`, or one `lag=` for all; `ql.data.events.lags()` lists the kinds.',
        )
    return found if isinstance(found, (str, Lag)) else as_lag(found)


def _demand_known(lag: object, names: set[str]) -> None:
    """Raise where a mapping of lags, or what is none, speaks of no series of the frame."""
    if lag is None or isinstance(lag, (str, Lag)):
        return
    if not isinstance(lag, Mapping):
        as_lag(lag)
        return
    for name in lag:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            raise InputError(
                f"`lag` speaks of {name!r}, which is no series of the frame.",
                hint=f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(names)[:6])}.",
            )


def _changes(table: pl.DataFrame) -> pl.DataFrame:
    """The first row of every run of equal values, and of the first run its last."""
    ordered = table.sort("id", "field", "event_time", "available_time")
    group = ["id", "field"]
    starts = (pl.col("value").ne_missing(pl.col("value").shift(1))).over(group).fill_null(True)
    run = starts.cast(pl.Int64).cum_sum().over(group)
    first_run = pl.col("run") == pl.col("run").min().over(group)
    ends = pl.int_range(pl.len()).over([*group, "run"]) == pl.len().over([*group, "run"]) - 1
    return (
        ordered.with_columns(starts.alias("starts"))
        .with_columns(run.alias("run"))
        .filter(pl.when(first_run).then(ends).otherwise(pl.col("starts")))
        .select(tables.COLUMNS)
    )
