"""Who belonged to an index or a list on which day: tables of intervals to a bool Panel, and vendors' lists to tables.

A row of the table holds from ``start`` on and until the day before ``end``; row t of the Panel uses the rows that had
begun by t, and so nothing that was not known then.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
import polars as pl

from quantlab.core import Bars, InputError, Panel
from quantlab.core._labels import DAY
from quantlab.data.calendars._schedule import local_days
from quantlab.data.schemas import TABLES
from quantlab.data.universe._frames import checked, demand_met, distinct, forward, labels, no_null, row_span, vintages

_MEMBERS = TABLES["members"].schema


def membership(members: pl.DataFrame, like: Panel | Bars) -> Panel:
    """Return where a symbol was a member: True on the dates of ``like`` that lie in one of its intervals.

    An interval holds from ``start`` until the day before ``end``; one symbol's intervals may touch and overlap.

    Parameters
    ----------
    members : polars.DataFrame with symbol, start, end
        ``schemas.TABLES["members"]``; a null ``end`` means that it still holds.
    like : Panel or Bars (T, N)
        Whose dates and symbols the result takes. Of intraday bars the day in the exchange's time zone counts (UTC
        without a calendar).

    Returns
    -------
    Panel (T, N), bool
        A symbol without a row is never a member. Whether it has a price on that date is not asked.

    Raises
    ------
    LabelError
        When the table has rows and none of them is of a symbol of ``like``: examples of both sides are named.
    InputError, KindError
        When a column is missing or of another type.
    DataError
        When an interval ends where it starts or before, or a symbol or start is null.

    Examples
    --------
    >>> from datetime import date
    >>> rows = [("A", date(2024, 1, 3), None), ("B", date(2023, 1, 2), date(2024, 1, 3))]
    >>> members = pl.DataFrame(rows, schema=["symbol", "start", "end"], orient="row")
    >>> close = Panel([[1.0, 2.0, 3.0]] * 2, ["2024-01-02", "2024-01-03"], ["A", "B", "C"])
    >>> membership(members, close).values
    array([[False,  True, False],
           [ True, False, False]])
    """
    return inside(members, like, among=labels(like).symbols)


def inside(members: pl.DataFrame, like: Panel | Bars, *, among: Collection[str]) -> Panel:
    """Return :func:`membership`, for a ``like`` that is part of a whole: the table must meet ``among``, its symbols."""
    panel = labels(like)
    rows = checked(members, _MEMBERS, name="members", optional=("end",))
    no_null(rows, ("symbol", "start"), name="members")
    forward(rows, name="members")
    demand_met(rows["symbol"], among, name="members")
    place = {symbol: column for column, symbol in enumerate(panel.symbols)}
    rows = rows.filter(pl.col("symbol").is_in(list(place)))
    first, past = row_span(bar_days(panel), rows["start"], rows["end"])
    held = np.zeros((len(panel.symbols), len(panel)), dtype=bool)
    for symbol, begin, end in zip(rows["symbol"], first.tolist(), past.tolist(), strict=True):
        held[place[symbol], begin:end] = True
    return panel._like(np.ascontiguousarray(held.T))


def from_intervals(
    frame: pl.DataFrame,
    *,
    end_is: Literal["first_day_out", "last_day_in"],
    symbol: str = "symbol",
    start: str = "start",
    end: str = "end",
) -> pl.DataFrame:
    """Return a table of members from a vendor's table of intervals.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per stay.
    end_is : "first_day_out" | "last_day_in"
        What the vendor's end date says: it differs between vendors and cannot be seen in one row. With
        "first_day_out", a rename ends one row and starts another on the same day, and daily counts stay level.
    symbol, start, end : str
        Its columns: text, first day in, and the end date; a null end means that it still holds.

    Returns
    -------
    polars.DataFrame
        ``schemas.TABLES["members"]``, by symbol and start. Stays that touch or overlap are one.

    Raises
    ------
    InputError, KindError, DataError
        As :func:`membership`.

    Examples
    --------
    >>> from datetime import date
    >>> frame = pl.DataFrame({"ticker": ["A"], "from": [date(2020, 1, 2)], "to": [date(2020, 3, 31)]})
    >>> from_intervals(frame, end_is="last_day_in", symbol="ticker", start="from", end="to").row(0)
    ('A', datetime.date(2020, 1, 2), datetime.date(2020, 4, 1))
    """
    if end_is not in ("first_day_out", "last_day_in"):
        raise InputError(f'`end_is` must be "first_day_out" or "last_day_in", received {end_is!r}.')
    distinct(symbol=symbol, start=start, end=end)
    found = checked(
        frame, {symbol: pl.String(), start: pl.Date(), end: pl.Date()}, name="frame", optional=(end,)
    ).rename({symbol: "symbol", start: "start", end: "end"})
    no_null(found, ("symbol", "start"), name="frame")
    if end_is == "last_day_in":
        found = found.with_columns(pl.col("end").dt.offset_by("1d"))
    forward(found, name="frame")
    return _united(found)


def from_snapshots(
    frame: pl.DataFrame, *, symbol: str = "symbol", date: str = "date", until: str | None = None
) -> pl.DataFrame:
    """Return a table of members from dated lists of an index: each list holds until the next one.

    A symbol is a member from the first list that has it, never before, until the first that has it no more. Between two
    lists nobody knows when it joined or left: it joins late and leaves late, by at most the distance of the lists.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per symbol and list.
    symbol, date : str
        Its columns: text, and the day on which the list was known.
    until : day, optional
        The first day on which the last list no longer holds. By default it still does.

    Returns
    -------
    polars.DataFrame
        ``schemas.TABLES["members"]``, by symbol and start.

    Raises
    ------
    InputError, KindError, DataError
        When a column is missing, of another type or null, or ``until`` is no day after the last list.

    Examples
    --------
    >>> from datetime import date
    >>> lists = pl.DataFrame({"date": [date(2020, 1, 2)] * 2 + [date(2021, 1, 4)], "symbol": ["A", "B", "B"]})
    >>> from_snapshots(lists).rows()
    [('A', datetime.date(2020, 1, 2), datetime.date(2021, 1, 4)), ('B', datetime.date(2020, 1, 2), None)]
    """
    distinct(symbol=symbol, date=date)
    found = checked(frame, {symbol: pl.String(), date: pl.Date()}, name="frame").rename(
        {symbol: "symbol", date: "start"}
    )
    return _united(vintages(found, until=until))


def bar_days(panel: Panel) -> np.ndarray:
    """Return the day of each bar, (T,) datetime64[D]: of an intraday bar the exchange's own day on which it ended."""
    if panel.dates.dtype == DAY:
        return panel.dates
    return local_days(panel.dates, None if panel.frequency is None else panel.frequency.calendar)


def _united(rows: pl.DataFrame) -> pl.DataFrame:
    """Stays that touch or overlap as one, sorted."""
    rows = rows.sort("symbol", "start").with_columns(_last=pl.col("end").fill_null(pl.date(9999, 12, 31)))
    reach = pl.col("_last").cum_max().shift(1).over("symbol")
    stay = (pl.col("start") > reach).fill_null(True).cum_sum()
    united = (
        rows.with_columns(_stay=stay)
        .group_by("symbol", "_stay", maintain_order=True)
        .agg(pl.col("start").min(), pl.col("_last").max(), open=pl.col("end").is_null().any())
    )
    end = pl.when("open").then(None).otherwise("_last").alias("end")
    return united.select("symbol", "start", end).sort("symbol", "start")
