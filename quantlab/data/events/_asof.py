"""``panel``: the as-of join of the events table to bars, and what all such joins share.

Row t holds what was known at the close of bar t: of the rows of one id and field with ``available_time`` at or before
that close, the one of the latest ``event_time``, in the version that became available last. Memory is the result and
the rows of the field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from quantlab.core import Bars, InputError, KindError, Panel, PanelLike, as_panel
from quantlab.core._arguments import real
from quantlab.data.events import _event_kernels as kernels
from quantlab.data.events import _moments
from quantlab.data.events import _table as tables
from quantlab.data.events._table import EventsLike

NEVER = np.iinfo(np.int64).min
DAY = 86_400_000_000
LONGEST = 10_000_000  # days
_KINDS = ("latest", "previous", "change")


def panel(
    events: EventsLike,
    field: str,
    like: PanelLike | Bars,
    *,
    kind: str = "latest",
    series: str | None = None,
    max_age: float | None = None,
    strict: bool = False,
    close_time: object = None,
) -> Panel:
    """Return, for each bar and symbol, the value that was known at the bar's close.

    Of the rows with ``available_time`` at or before the close, the one of the latest ``event_time``; of its versions,
    the one that became available last. A value holds until another is known, or for ``max_age`` days.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    field : str
    like : Panel | Bars | Polars frame (T, N)
        Gives the dates, the symbols (matched with ``id``) and the calendar by which daily bars close; early closes
        count. Intraday bars are labelled by their end.
    kind : "latest" | "previous" | "change"
        The value of the latest event; of the event before it (the earlier quarter, as known at this close, restatements
        included); or the first minus the second.
    series : str, optional
        One id whose values stand for the whole market: the result has one column, of that name, which arithmetic
        spreads over all columns.
    max_age : float > 0, days, optional
        A value that became available longer ago than this is NaN.
    strict : bool
        Raise when events have ids that ``like`` has not; :func:`coverage` lists them.
    close_time : str | (T,) moments in UTC, optional
        For daily bars without a calendar: "16:00 America/New_York". With one only moments are taken, since a clock time
        knows no early close.

    Returns
    -------
    Panel (T, N), or (T, 1) with ``series``
        NaN before the first value, after a withdrawal, and beyond ``max_age``. No row depends on what became available
        after its close.

    Raises
    ------
    InputError
        For an unknown field or series, bars whose close nobody knows, or when no id of the field is a symbol of
        ``like``.
    KindError, DataError
        When the table is no events table.

    Examples
    --------
    Sold 100, first reported as 90 on the evening of the 3rd, and corrected at noon of the 5th:

    >>> from datetime import UTC, date, datetime
    >>> from quantlab.core import Frequency
    >>> rows = [("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, 22, tzinfo=UTC), "sales", 90.0),
    ...         ("A", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 5, 17, tzinfo=UTC), "sales", 100.0)]
    >>> names = ["id", "event_time", "available_time", "field", "value"]
    >>> days = ["2024-01-03", "2024-01-04", "2024-01-05"]
    >>> close = Panel([[10.0]] * 3, days, ["A"], frequency=Frequency.daily("XNYS"))
    >>> panel(pl.DataFrame(rows, schema=names, orient="row"), "sales", close).values[:, 0]
    array([ nan,  90., 100.])
    """
    if kind not in _KINDS:
        raise InputError(f'`kind` must be "latest", "previous" or "change", received {kind!r}.')
    if max_age is not None and real(max_age, name="max_age") <= 0:
        raise InputError(f"`max_age` must be a positive number of days, received {max_age}.")
    rows = known(events, field, like, series=series, strict=strict, close_time=close_time)
    latest = rows.after_each(0)
    if kind == "latest":
        return rows.filled(latest.value, latest.last, max_age)
    before = rows.after_each(1)
    # One event alone has no predecessor: NaN, from `value`.
    shown = before.value if kind == "previous" else latest.value - before.value
    return rows.filled(shown, latest.last, max_age)


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """What is known of one event after each row: its value, the event, when it was first known and when last."""

    value: np.ndarray
    event: np.ndarray
    first: np.ndarray
    last: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The rows of one field as they reach the bars, sorted by column and availability.

    ``bar`` is the first bar whose close is at or after ``available``; rows that no bar knows are not here.
    """

    closes: np.ndarray
    like: Panel
    column: np.ndarray
    event: np.ndarray
    available: np.ndarray
    value: np.ndarray
    bar: np.ndarray

    def after_each(self, back: int) -> After:
        n = self.column.size
        out = After(np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
        kernels.as_known(
            self.column, self.event, self.available, self.value, back, out.value, out.event, out.first, out.last
        )
        return out

    def in_order(self) -> np.ndarray:
        """The rows bar by bar; within a cell in the order in which they became known."""
        return np.argsort(self.bar, kind="stable")

    def filled(self, value: np.ndarray, since: np.ndarray, max_age: float | None) -> Panel:
        order = self.in_order()
        until = np.full(order.size, len(self.like), np.int64)
        if max_age is not None:
            # Beyond all dates there are, so that the sum stays within int64.
            longest = int(min(max_age, LONGEST) * DAY)
            until = np.searchsorted(self.closes, since[order] + longest, side="right")
        out = np.empty(self.like.shape)
        kernels.fill(self.bar[order], self.column[order], value[order], until, out)
        return self.like._like(out)


def known(
    events: EventsLike,
    field: str,
    like: PanelLike | Bars,
    *,
    series: str | None,
    strict: bool,
    close_time: object,
) -> Known:
    """Return the rows of a field on the bars and columns of ``like``, or raise."""
    table = tables.as_table(events)
    base = bars_of(like)
    closes = _moments.close_moments(base, close_time).astype(np.int64)
    if series is not None:
        if not isinstance(series, str):
            raise KindError(f"`series` must be an id, received {type(series).__name__}.")
        base = Panel._trusted(np.empty((len(base), 1)), base.dates, (series,), base.frequency)
    rows = tables.chosen(table, field)
    codes = columns_of(rows, base.symbols)
    if rows.height and (strict or not (codes >= 0).any()):
        _demand_matched(rows, codes, base, field, series)
    available = _moments.numbers(rows["available_time"])
    taken = (codes >= 0) & (available <= (closes[-1] if closes.size else NEVER))
    column, available, event = codes[taken], available[taken], _moments.numbers(rows["event_time"])[taken]
    # By event within one moment, so that a file that was loaded at once is read in order.
    order = np.lexsort((event, available, column))
    column, available = column[order], available[order]
    return Known(
        closes,
        base,
        column,
        event[order],
        available,
        rows["value"].fill_null(np.nan).to_numpy()[taken][order],
        np.searchsorted(closes, available, side="left"),
    )


def bars_of(like: PanelLike | Bars) -> Panel:
    """Return the Panel whose labels count."""
    return like.close if isinstance(like, Bars) else as_panel(like, name="like")


def columns_of(rows: pl.DataFrame, symbols: tuple[str, ...]) -> np.ndarray:
    """Return the column of each row's id, -1 where it is no symbol."""
    places = pl.DataFrame({"id": list(symbols), "place": np.arange(len(symbols))}, schema_overrides={"id": pl.String})
    found = rows.select("id").join(places, on="id", how="left", maintain_order="left")["place"]
    return found.fill_null(-1).to_numpy()


def coverage(events: EventsLike, like: PanelLike | Bars) -> pl.DataFrame:
    """Return how the ids of the events meet the symbols of the bars, one row per id and field.

    Parameters
    ----------
    events : Events | polars.DataFrame | polars.LazyFrame
    like : Panel | Bars | Polars frame (T, N)

    Returns
    -------
    polars.DataFrame
        ``id``, ``field``, ``matched`` (whether the id is a symbol), ``rows``, ``first`` and ``last`` (of
        ``available_time``); sorted by id and field, with the symbols that have no event at the end (``field`` null).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> row = ("B", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), "eps", 1.0)
    >>> events = pl.DataFrame([row], schema=["id", "event_time", "available_time", "field", "value"], orient="row")
    >>> coverage(events, Panel([[1.0]], ["2024-01-03"], ["A"])).select("id", "field", "matched", "rows").rows()
    [('B', 'eps', False, 1), ('A', None, False, 0)]
    """
    table = tables.as_table(events)
    symbols = bars_of(like).symbols
    found = (
        table.group_by("id", "field")
        .agg(pl.len().cast(pl.Int64).alias("rows"), first=pl.min("available_time"), last=pl.max("available_time"))
        .with_columns(matched=pl.col("id").is_in(list(symbols)))
        .select("id", "field", "matched", "rows", "first", "last")
        .sort("id", "field")
    )
    seen = set(found["id"].to_list())
    without = [name for name in symbols if name not in seen]
    rest = pl.DataFrame({"id": without}, schema={"id": pl.String}).with_columns(
        pl.lit(None, pl.String).alias("field"), pl.lit(False).alias("matched"), pl.lit(0, pl.Int64).alias("rows")
    )
    return pl.concat([found, rest], how="diagonal")


def _demand_matched(rows: pl.DataFrame, codes: np.ndarray, base: Panel, field: str, series: str | None) -> None:
    strangers = rows.filter(pl.Series(codes < 0))["id"].unique().sort().to_list()
    if not strangers:
        return
    if series is not None:
        if (codes >= 0).any():
            return
        shown = f"{', '.join(strangers[:5])}{', ...' if len(strangers) > 5 else ''}"
        raise InputError(f"Field {field!r} has no id {series!r}.", hint=f"it has {shown}.")
    if (codes >= 0).any():
        raise InputError(
            f"Id {strangers[0]} of field {field!r}{tables.more(len(strangers) - 1)} is no symbol of the bars.",
            hint="`ql.data.events.coverage(events, bars)` lists them; without `strict=True` they are left aside.",
        )
    raise InputError(
        f"No id of field {field!r} is a symbol of the bars: it has {strangers[0]}{tables.more(len(strangers) - 1)}, "
        f"they have {', '.join(base.symbols[:3])}{', ...' if len(base.symbols) > 3 else ''}.",
        hint=f'a market-wide series needs `series="{strangers[0]}"`.' if len(strangers) == 1 else "compare the names.",
    )
