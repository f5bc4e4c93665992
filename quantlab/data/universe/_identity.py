"""Which company a ticker meant on which day: renames and reuse of tickers, through a permanent id.

A ticker is a name that companies take and drop: WM was Washington Mutual until 2008 and is Waste Management since
2009-08-05, which was WMI before, and UW until 1998. A history has a row per id, ticker and half-open interval of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from quantlab.core import DataError, InputError, KindError
from quantlab.core._arguments import integer
from quantlab.core._labels import MICROSECOND, dates_of
from quantlab.data import schemas
from quantlab.data.calendars import Calendar
from quantlab.data.calendars._schedule import local_days
from quantlab.data.schemas import TABLES
from quantlab.data.universe._frames import checked, forward, more, no_null, one_day
from quantlab.data.universe._renames import UNKNOWN, split

_SCHEMA = {"id": pl.String(), "symbol": pl.String(), "start": pl.Date(), "end": pl.Date()}
_ALIVE = date(2050, 12, 31)


@dataclass(frozen=True, eq=False)
class SymbolHistory:
    """The tickers of each company over time.

    Parameters
    ----------
    table : polars.DataFrame with id, symbol, start, end
        ``id`` (text) names the company for good, ``symbol`` is its ticker from ``start`` until the day before ``end``;
        a null start: always, a null end: still.

    Raises
    ------
    InputError, KindError
        When a column is missing or of another type.
    DataError
        When an interval ends where it starts or before; when a ticker has two ids, or an id two tickers, on one day:
        the first is named.

    Examples
    --------
    >>> from datetime import date
    >>> rows = [("WM", "WMI", date(1998, 7, 17), date(2009, 8, 5)), ("WM", "WM", date(2009, 8, 5), None)]
    >>> history = SymbolHistory(pl.DataFrame(rows, schema=["id", "symbol", "start", "end"], orient="row"))
    >>> history.id_at("WMI", "2005-03-01"), history.ticker_at("WM", "2005-03-01"), history.id_at("WM", "2005-03-01")
    ('WM', 'WMI', None)
    """

    table: pl.DataFrame

    def __post_init__(self) -> None:
        rows = checked(self.table, _SCHEMA, name="table", optional=("start", "end"))
        no_null(rows, ("id", "symbol"), name="table")
        marked = rows["id"].str.ends_with(UNKNOWN)
        if marked.any():
            raise DataError(
                f"The id {rows['id'].filter(marked)[0]} ends in {UNKNOWN}, which marks tickers without one."
            )
        forward(rows, name="table", who="id")
        rows = rows.sort("symbol", "start", nulls_last=False)
        _demand_apart(rows, "symbol", "id")
        _demand_apart(rows.sort("id", "start", nulls_last=False), "id", "symbol")
        object.__setattr__(self, "table", rows)

    @classmethod
    def from_map_files(cls, frame: pl.DataFrame) -> SymbolHistory:
        """Return the history that LEAN map files tell.

        The first row of an id holds its first day and ticker; every further row holds a ticker and the *last* day on
        which it was used; 2050-12-31 means that it still is.

        Parameters
        ----------
        frame : polars.DataFrame
            ``map_symbol`` (the id: a ticker, ``FB.1`` for an earlier owner), ``date``, ``ticker``.

        Raises
        ------
        DataError
            When an id has a single row, or its dates do not increase. Besides as the class.

        Examples
        --------
        >>> from datetime import date
        >>> days = [date(2012, 5, 18), date(2050, 12, 31)]
        >>> frame = pl.DataFrame({"map_symbol": ["FB", "FB"], "date": days, "ticker": ["FB", "FB"]})
        >>> SymbolHistory.from_map_files(frame).table.row(0)
        ('FB', 'FB', datetime.date(2012, 5, 18), None)
        """
        columns = {"map_symbol": pl.String(), "date": pl.Date(), "ticker": pl.String()}
        rows = checked(frame, columns, name="frame")
        no_null(rows, tuple(columns), name="frame")
        rows = rows.with_columns(
            position=pl.int_range(pl.len()).over("map_symbol"), before=pl.col("date").shift(1).over("map_symbol")
        )
        # The first interval may be of one day; later ones begin the day after the one before.
        least = pl.when(pl.col("position") == 1).then("before").otherwise(pl.col("before").dt.offset_by("1d"))
        wrong = rows.filter((pl.col("date") < least) | (pl.len().over("map_symbol") < 2))
        if wrong.height:
            first = wrong.row(0, named=True)
            raise DataError(
                f"{first['map_symbol']} {first['date']}{more(wrong.height)} stands alone or not after the row above "
                "it; a map file lists a first day and then last days in order."
            )
        last = pl.when(pl.col("date") >= _ALIVE).then(None).otherwise(pl.col("date").dt.offset_by("1d"))
        told = rows.with_columns(start=least, end=last).filter(pl.col("position") > 0)
        return cls(told.select(pl.col("map_symbol").alias("id"), pl.col("ticker").alias("symbol"), "start", "end"))

    @classmethod
    def from_reference(cls, reference: pl.DataFrame) -> SymbolHistory:
        """Return the history in a table of reference data: its rows of the field "id"."""
        rows = checked(reference, TABLES["reference"].schema, name="reference", optional=("start", "end"))
        rows = rows.filter((pl.col("field") == "id") & pl.col("value").is_not_null())
        return cls(rows.select(pl.col("value").alias("id"), "symbol", "start", "end"))

    def to_reference(self) -> pl.DataFrame:
        """Return the history as rows of ``schemas.TABLES["reference"]``: the field "id" of each ticker."""
        rows = self.table.select("symbol", pl.lit("id").alias("field"), pl.col("id").alias("value"), "start", "end")
        return rows.sort("symbol", "start", nulls_last=False)

    def to_actions(self, *, calendar: str | None = None, gap: int = 7) -> pl.DataFrame:
        """Return the changes of ticker as rows of ``schemas.TABLES["actions"]``: conversions of one share into one.

        They are for data under tickers, where FB ends and META begins; data under permanent ids (:meth:`by_id`) need
        none, and keep apart two companies that shared a ticker, which data under tickers cannot.

        Parameters
        ----------
        calendar : str, optional
            Whose sessions the dates are moved forward to; by default the first day of the new ticker, session or not.
        gap : int >= 0, days
            How long a company may have been without a ticker in between: after more, it was gone and came back.

        Returns
        -------
        polars.DataFrame
            Sorted by symbol and date: the old ticker, the first day of the new one, "conversion", 1.0, ``into`` the new
            one; ``note`` names the id.

        Raises
        ------
        InputError, KindError
            When ``gap`` is no number of days, or the calendar is unknown.

        Examples
        --------
        >>> from datetime import date
        >>> rows = [("13407", "FB", date(2012, 5, 18), date(2022, 6, 9)), ("13407", "META", date(2022, 6, 9), None)]
        >>> history = SymbolHistory(pl.DataFrame(rows, schema=["id", "symbol", "start", "end"], orient="row"))
        >>> history.to_actions(calendar="XNYS").select("symbol", "date", "kind", "value", "into").row(0)
        ('FB', datetime.date(2022, 6, 9), 'conversion', 1.0, 'META')
        """
        integer(gap, name="gap", low=0)
        rows = self.table.sort("id", "start", nulls_last=False).with_columns(
            pl.col("symbol", "end").shift(1).over("id").name.prefix("old_")
        )
        pause = (pl.col("start") - pl.col("old_end")).dt.total_days()
        rows = rows.filter(pl.col("old_symbol") != pl.col("symbol"), pause <= gap)
        dates = rows["start"]
        if calendar is not None and rows.height:
            dates = pl.Series("start", Calendar(calendar).session_on_or_after(dates), dtype=pl.Date)
        made = rows.select(
            dates.alias("date"),
            pl.lit("conversion").alias("kind"),
            pl.lit(1.0).alias("value"),
            pl.col("symbol").alias("into"),
            pl.format("the ticker of {}", "id").alias("note"),
            pl.col("old_symbol").alias("symbol"),
        )
        return schemas.whole(made, "actions").sort("symbol", "date")

    def id_at(self, symbol: str, day: Any) -> str | None:
        """Return the company that a ticker meant on a day, or None when no row says so."""
        return self._at("symbol", symbol, day, "id")

    def ticker_at(self, id: str, day: Any) -> str | None:  # noqa: A002  # what the column is called
        """Return the ticker of a company on a day, or None when it had none."""
        return self._at("id", id, day, "symbol")

    def by_id(
        self, frame: pl.DataFrame, *, unknown: Literal["raise", "keep"] = "raise", calendar: str | None = None
    ) -> pl.DataFrame:
        """Return a long frame with permanent ids in place of tickers.

        One company is then one symbol through its renames, and two companies that shared a ticker are two.

        Parameters
        ----------
        frame : polars.DataFrame
            ``symbol`` (tickers), ``date`` (days, or ends of bars with a time zone), and any other columns.
        unknown : "raise" | "keep"
            What to do with a ticker and day that the history does not know: raise, or call it ``WM@unknown``, which
            is no id, so that it never mixes with a company that has the ticker today.
        calendar : str, optional
            For intraday frames: the exchange on whose clock a moment has its day; by default the time zone of the
            column counts, which in the store is UTC. A bar that ends at midnight belongs to the day that ends there.

        Returns
        -------
        polars.DataFrame
            The same rows and columns in the same order, ``symbol`` replaced.

        Raises
        ------
        InputError, KindError
            When a column is missing, or ``date`` has no time zone.
        DataError
            When a ticker is unknown on a day and ``unknown`` is "raise": the first, and how many.
        """
        if unknown not in ("raise", "keep"):
            raise InputError(f'`unknown` must be "raise" or "keep", received {unknown!r}.')
        rows = _keys(frame, calendar).with_row_index("_row").sort("_day")
        spans = self.table.with_columns(pl.col("start").fill_null(date(1, 1, 1))).sort("start")
        found = rows.join_asof(
            spans, left_on="_day", right_on="start", by="symbol", strategy="backward", check_sortedness=False
        ).sort("_row")
        known = pl.col("id").is_not_null() & (pl.col("end").is_null() | (pl.col("_day") < pl.col("end")))
        lost = found.filter(~known)
        if lost.height and unknown == "raise":
            first = lost.row(0, named=True)
            tickers = lost["symbol"].n_unique()
            raise DataError(
                f"{first['symbol']} {first['_day']}{more(lost.height)} belongs to no company of the history "
                f"({tickers} ticker{'s' if tickers > 1 else ''}).",
                hint='`unknown="keep"` calls such rows `' + first["symbol"] + UNKNOWN + "`.",
            )
        named = found.select(pl.when(known).then("id").otherwise(pl.col("symbol") + UNKNOWN).alias("symbol"))
        return frame.with_columns(named["symbol"])

    def intervals_by_id(self, frame: pl.DataFrame, *, unknown: Literal["raise", "keep"] = "raise") -> pl.DataFrame:
        """Return a table of intervals, such as members or reference data, with permanent ids in place of tickers.

        Where a ticker goes over to another company, an interval becomes two.

        Parameters
        ----------
        frame : polars.DataFrame
            ``symbol`` (tickers), ``start``, ``end`` (the first day out; null: still), and any other columns. A null
            ``start`` means: since the first company that had the ticker.
        unknown : "raise" | "keep"
            What to do with days on which no company had the ticker: raise, or call them ``WM@unknown``, which is no id.

        Returns
        -------
        polars.DataFrame
            The same columns; the rows in the same order, those of one interval by start.

        Raises
        ------
        InputError, KindError
            When a column is missing or of another type.
        DataError
            When a ticker is unknown on some days and ``unknown`` is "raise": the first, and how many; when a ticker is
            null, or an interval ends where it starts or before.

        Examples
        --------
        >>> from datetime import date
        >>> rows = [("WM", "WMI", date(1998, 7, 17), date(2009, 8, 5)), ("WM", "WM", date(2009, 8, 5), None)]
        >>> history = SymbolHistory(pl.DataFrame(rows, schema=["id", "symbol", "start", "end"], orient="row"))
        >>> members = pl.DataFrame({"symbol": ["WM"], "start": [date(2010, 1, 4)], "end": [None]})
        >>> history.intervals_by_id(members).row(0)
        ('WM', datetime.date(2010, 1, 4), None)
        """
        return split(self.table, frame, unknown)

    def _at(self, column: str, name: str, day: Any, wanted: str) -> str | None:
        moment = one_day(day, "day")
        rows = self.table.filter(
            (pl.col(column) == name)
            & (pl.col("start").is_null() | (pl.col("start") <= moment))
            & (pl.col("end").is_null() | (pl.col("end") > moment))
        )
        return None if rows.height == 0 else str(rows[wanted][0])


def _demand_apart(rows: pl.DataFrame, who: str, what: str) -> None:
    """Raise DataError where two intervals of one ``who`` share a day; ``rows`` are sorted by it and by start."""
    reach = pl.col("end").fill_null(date(9999, 12, 31)).shift(1).over(who)
    met = rows.with_columns(_other=pl.col(what).shift(1).over(who)).filter(
        reach.is_not_null() & (pl.col("start").fill_null(date(1, 1, 1)) < reach)
    )
    if met.height:
        first = met.row(0, named=True)
        kind = {"symbol": "Ticker", "id": "Id"}[who]
        raise DataError(
            f"{kind} {first[who]}{more(met.height)} has two values of `{what}` on {first['start']}: {first['_other']} "
            f"and {first[what]}.",
            hint="end one interval where the other starts.",
        )


def _keys(frame: object, calendar: str | None) -> pl.DataFrame:
    """The ticker and the day of each row of a long frame."""
    if not isinstance(frame, pl.DataFrame):
        raise KindError(f"`frame` must be a Polars frame, received {type(frame).__name__}.")
    if "date" not in frame.columns:
        raise InputError(f"`frame` needs the column `date`, and has {', '.join(frame.columns) or 'none'}.")
    tickers = checked(frame.select(pl.exclude("date")), {"symbol": pl.String()}, name="frame")
    no_null(tickers, ("symbol",), name="frame")
    if frame["date"].null_count():
        raise DataError(f"Column date of `frame` has no value at row {int(frame['date'].is_null().arg_max() or 0)}.")
    days = dates_of(frame["date"], what="Column date of `frame`")
    if days.dtype == MICROSECOND:
        days = local_days(days, calendar) if calendar is not None else _own_days(frame["date"])
    return tickers.with_columns(pl.Series("_day", np.asarray(days), dtype=pl.Date))


def _own_days(moments: pl.Series) -> np.ndarray:
    """The day of each moment in the time zone of its column."""
    return moments.dt.offset_by("-1us").dt.date().to_numpy()
