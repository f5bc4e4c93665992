"""Who publishes what: fundamentals, short interest and earnings as events, each with its usual lag.

Nothing is known on the day of which it speaks just because the file is dated so: a year's accounts come months after
the year, the short interest of the 15th on the 25th.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from quantlab.core import DataError
from quantlab.core import _labels as labels
from quantlab.data.events import _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._build import FIRST, LAST, Fields, Plan, build, numeric, taken
from quantlab.data.events._lags import Lag, as_lag
from quantlab.data.events._table import Events

_RELEASES = ("pre", "post")


def fundamentals(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    symbol: str = "symbol",
    period: str = "period",
    filed: str | None = None,
    fields: Fields = None,
    lag: str | Lag = "annual_report",
) -> Events:
    """Return the accounts of companies as events: of a period's end, known when they were filed.

    A filing's day counts at its end, since EDGAR takes filings until after the close. Without it, the numbers count as
    known when the law wants them published at the latest: 105 days after the period, as for an annual report.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        One row per company and period, a column per item.
    symbol, period : str
        Columns: id, and last day of the period.
    filed : str, optional
        Column of days or moments of filing; where null, ``lag`` applies.
    fields : str, sequence or mapping, optional
        Columns of items; by default every column of numbers.
    lag : str | Lag
        "annual_report", "quarterly_report" (50 days), another kind of :func:`lags`, or a :class:`Lag`.

    Returns
    -------
    Events
        Periods without a possible date are left out and counted.

    Raises
    ------
    InputError, KindError, DataError
        As in :func:`from_frame`.

    Examples
    --------
    >>> from datetime import date
    >>> year = pl.DataFrame({"symbol": ["A"], "period": [date(2015, 12, 31)], "total_revenue": [4.04e9]})
    >>> events = fundamentals(year)
    >>> events.table["available_time"].item().isoformat()
    '2016-04-15T04:00:00+00:00'
    """
    frame = taken(frame, (symbol, period, *([] if filed is None else [filed])))
    return build(
        frame,
        Plan(symbol, period, filed),
        fields=numeric(frame, fields, {symbol, period, filed}),
        lag=as_lag(lag),
        name=lag if isinstance(lag, str) else "own",
    )


def short_interest(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    symbol: str = "symbol",
    settled: str = "date",
    published: str | None = None,
    fields: Fields = None,
    lag: str | Lag = "short_interest",
) -> Events:
    """Return short interest as events: of a settlement date, known when the exchanges publish it.

    Positions are taken on settlement dates in mid-month and at its end, reported by the second business day after, and
    published by the eighth, after the close. The lag counts nine sessions, since exchanges trade on some bank holidays.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        One row per symbol and settlement.
    symbol, settled : str
        Columns: id, and settlement date.
    published : str, optional
        Column of days or moments of publication; where null, ``lag`` applies.
    fields : str, sequence or mapping, optional
        Columns of values; by default every column of numbers.
    lag : str | Lag
        A kind of :func:`lags`, or a :class:`Lag`. ``"short_volume"`` is the one for FINRA's daily files.

    Returns
    -------
    Events
        Rows without a settlement date are left out and counted.

    Raises
    ------
    InputError, KindError, DataError
        As in :func:`from_frame`.

    Examples
    --------
    >>> from datetime import date
    >>> frame = pl.DataFrame({"symbol": ["A"], "date": [date(2021, 6, 30)], "shares_short": [2.46e6]})
    >>> short_interest(frame).table["available_time"].item().isoformat()
    '2021-07-15T04:00:00+00:00'
    """
    frame = taken(frame, (symbol, settled, *([] if published is None else [published])))
    return build(
        frame,
        Plan(symbol, settled, published),
        fields=numeric(frame, fields, {symbol, settled, published}),
        lag=as_lag(lag),
        name=lag if isinstance(lag, str) else "own",
    )


def earnings(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    symbol: str = "symbol",
    date: str = "date",
    release: str | None = "release_time",
    fields: Fields = None,
    zone: str = "America/New_York",
    calendar: str = "XNYS",
) -> Events:
    """Return earnings announcements as events: known before the open ("pre"), or only after that day's close.

    "pre" is known at the open of that day's session, so its first daily bar is the same session's; nobody says how long
    before. "post", and whatever does not say, is known at the end of the day, and its first bar is the next session's.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        One row per symbol and announcement.
    symbol, date : str
        Columns: id, and day of the announcement; or its moment, with a time zone, which then says it all.
    release : str or None
        Column that says "pre" or "post"; null and None count as "post".
    fields : str, sequence or mapping, optional
        Columns of values (eps, eps_est); by default every column of numbers.
    zone : str
        IANA time zone in which the day ends.
    calendar : str
        The exchange at whose open "pre" is known; on a day without a session at the next one's.

    Returns
    -------
    Events
        ``note`` says how days were read, and whether ``release`` was left aside for moments.

    Raises
    ------
    KindError
        When ``date`` holds midnights alone: days that must come as Date, since their ``release`` counts.
    DataError
        When ``release`` holds anything else.
    InputError, KindError, DataError
        As in :func:`from_frame`.

    Examples
    --------
    >>> import datetime
    >>> frame = pl.DataFrame({"symbol": ["AAPL"], "date": [datetime.date(2014, 1, 27)], "release_time": ["post"],
    ...                       "eps": [14.5]})
    >>> earnings(frame).table["available_time"].item().isoformat()
    '2014-01-28T05:00:00+00:00'
    """
    frame = taken(frame, (symbol, date, *([] if release is None else [release])))
    columns = numeric(frame, fields, {symbol, date, release})
    if not isinstance(frame.schema[date], pl.Date):
        found = build(frame, Plan(symbol, date, date), fields=columns, lag=None)  # A moment says it all.
        if release is None or frame[release].null_count() == frame.height:
            return found
        note = f"The moments of {date} say when announcements were known; {release} is left aside."
        return Events(found.table, note, found.left_out)
    said = pl.Series("said", [None] * frame.height, dtype=pl.String) if release is None else tables.text(frame, release)
    strange = said.is_not_null() & ~said.is_in(list(_RELEASES))
    if strange.any():
        row = frame.row(int(strange.arg_max() or 0), named=True)
        raise DataError(
            f'Column {release} must say "pre" or "post", and says {row[str(release)]!r} for {row[symbol]} {row[date]}'
            f"{tables.more(int(strange.sum()) - 1)}.",
            hint="make what is unknown null.",
        )
    early = (said == "pre").fill_null(False)
    undated = frame.filter(pl.col(date).is_null())
    whole, early = frame.filter(pl.col(date).is_not_null()), early.filter(frame[date].is_not_null())
    stamp = _moments.series(_announced(whole[date], early, zone, calendar), "__known")
    events = build(whole.with_columns(stamp), Plan(symbol, date, "__known", made=True), fields=columns, lag=None)
    unsaid = int(said.is_null().sum())
    note = f'"pre" counts from the open of {calendar}, "post" from the end of the day in {zone}'
    note += f"; {unsaid:,} of {frame.height:,} announcements do not say and count as post." if unsaid else "."
    first = "" if undated.is_empty() else f"{undated[symbol][0]} None"
    lost = [("no date", undated.height, first), *events.left_out.rows()]
    return Events(events.table, note, tables.left_out(lost))


def _announced(days: pl.Series, early: pl.Series, zone: str, calendar: str) -> np.ndarray:
    """The open of the session for what is early, and the end of the day for the rest, in UTC."""
    # A slip of the pen has no session; such rows are left out and counted later.
    early = early & days.is_between(FIRST, LAST)
    day = days.to_numpy().astype(labels.DAY)
    out = _moments.local(day, 24 * 60, zone).copy()
    out[early.to_numpy()] = _moments.session_opens(calendar, day[early.to_numpy()])
    # East of London the day ends, and a session may open, before the label of the day, midnight UTC.
    return np.maximum(out, day.astype(labels.MICROSECOND))
