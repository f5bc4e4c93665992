"""``adjust`` and ``adjustment_factors``: prices and volumes comparable across splits, spin-offs and dividends.

Timing: a bar's *level* adjusted backward depends on the actions that came later, by one constant factor per symbol. Its
*returns* do not: the return of bar t uses the actions up to t alone. So a rule may use returns and ratios of
backward-adjusted prices, and never their levels ("below 5 dollars"): those belong to raw prices. Levels adjusted
forward know no later action either.

The arithmetic stands in ``_factors``, what is a legal action in ``_action_events``, long frames in ``_adjust_frame``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

from quantlab.core import Bars, DataError, InputError, KindError, Panel
from quantlab.core._labels import DAY
from quantlab.data.adjustment import _action_events, _adjust_frame, _factors
from quantlab.data.adjustment._factors import Closes, Rule
from quantlab.data.schemas import CASH

__all__ = ["Factors", "adjust", "adjustment_factors"]

Data = TypeVar("Data", Bars, pl.DataFrame, pl.LazyFrame)
_PRICES = ("open", "high", "low", "close")


class Factors(NamedTuple):
    """What prices and volumes are multiplied by: two Panels of the labels of the Bars."""

    price: Panel
    volume: Panel


def adjust(
    data: Data,
    *,
    kind: str = "total_return",
    convention: str = "close_plus_dividend",
    direction: str = "backward",
    inverse: bool = False,
    actions: pl.DataFrame | None = None,
    by: str | Sequence[str] = "symbol",
    columns: Mapping[str, str | None] | None = None,
) -> Data:
    """Return ``data`` with prices and volumes adjusted for corporate actions.

    ``adjusted = price * factor``; the factor of a bar is the product over all later ex-dates of

    * ``close / ((close + dividend) * split)``, the close of the ex-date ("close_plus_dividend"), or
    * ``(1 - dividend * split / previous close) / split`` ("previous_close"),

    times ``1 - spinoff`` in both. Volume is multiplied by the later splits alone.

    Parameters
    ----------
    data : Bars | polars.DataFrame | polars.LazyFrame
        Bars declared ``adjusted="none"``, or "split" when only dividends remain to be adjusted for. Or a long frame of
        raw prices: ``date``, ``symbol``, ``close``, any of ``open``, ``high``, ``low``, ``volume``, and columns of
        dividends and splits. Any frame is taken as raw; it has no room for a declaration.
    kind : "total_return" | "split"
        "split" adjusts for splits and spin-offs, which are what makes levels incomparable, and leaves cash dividends
        to be paid.
    convention : "close_plus_dividend" | "previous_close"
        Close plus dividend reinvests at the close of the ex-date: Quandl WIKI, Alpha Vantage, FastTrack; its returns
        are those of a holder. Previous close is Yahoo's and LEAN's; it can differ from a holder's return on an ex-date
        by dividend yield times that day's return.
    direction : "backward" | "forward"
        Backward, a symbol's last bar keeps its price; forward, its first does.
    inverse : bool
        Undo: ``data`` are adjusted by this kind, convention and direction, and raw prices come back.
    actions : polars.DataFrame, optional
        Table "actions" of the schema (symbol, date, kind, value), in the place of the Bars' own actions or of the
        frame's columns. Those of other symbols are passed over.
    by : str or sequence of str
        For a frame: the columns that name a series. Two vendors in one frame: ``by=("src", "symbol")``.
    columns : mapping, optional
        For a frame: which column holds "dividend", "split" and "spinoff", where the names are not found; None says that
        there is none.

    Returns
    -------
    Bars | polars.DataFrame | polars.LazyFrame
        Bars: declared ``adjusted=kind``, with the actions that are left: for "split" the dividends, divided by the
        later splits as the prices are, conversions and delistings; for "total_return" conversions, with the cash of
        their date, and delistings. A frame: the same rows, order and columns, with prices and volume adjusted. Float32
        columns stay Float32, integer ones become Float64. NaN and null stay where they were.

    Raises
    ------
    DataError
        For a negative dividend, a split of zero or less, and NaN among actions; for a dividend at or above the previous
        close under "previous_close"; for a split or spin-off on the day of a conversion; each with symbol and date.
    InputError
        When there are no actions, columns are not found or ambiguous, or the Bars' declaration contradicts ``kind``.
    LabelError
        When a frame has a (symbol, date) twice.

    Notes
    -----
    *Units.* A dividend counts per share as shares are after a split of its date, as WIKI and Alpha Vantage have it.
    CRSP states it per share before: divide it by that split first. Actions of one date act in the order split,
    spin-off, dividends, so that ``adjust(adjust(bars, kind="split"))`` equals ``adjust(bars)``.

    *Spin-offs* are in "split" too: Center for Research in Security Prices, Data Description Guide, "Adjusted Data":
    split events include other distributions with price factors such as spin-offs, and volumes follow splits alone. CRSP
    takes the distribution's value over the price of the ex-date; here ``spinoff`` is its share of the previous close.

    *Conversions* change no price: the old symbol's series ends, the new one's is its own. They stay among the actions,
    and their value becomes shares as the adjusted prices count them: times the price factor of the old symbol on the
    bar before, over that of the new one on the date (1 where the bars do not have it). What a holder has is then worth
    the same in raw and in adjusted prices. Cash of the same date is in no price, and stays too.

    *Gaps.* An action whose date has no bar acts on the next date. Where a symbol has no close on the ex-date, its
    dividend is measured against the next close (or the last one before, by convention). An action before a symbol's
    first close, or after its last, changes nothing.

    *Intraday.* The close of a session is its last known one; moments count to the day of the exchange (Bars, by their
    calendar) or of the column's time zone (frames), a bar that ends at midnight to the day before.

    *Inverse* needs all the actions, in raw units. Raw closes follow from adjusted ones in one pass from the end, since
    the reciprocal of the factor grows by dividend / adjusted close at each dividend, with either convention.

    Examples
    --------
    Microsoft in February 2003, a 2:1 split on the 18th and 0.08 dollars on the 19th: Yahoo's help page shows 23.42,
    24.07, 24.88 and 24.53.

    >>> frame = pl.DataFrame(
    ...     {
    ...         "date": ["2003-02-13", "2003-02-14", "2003-02-18", "2003-02-19"],
    ...         "symbol": ["MSFT"] * 4,
    ...         "close": [46.99, 48.30, 24.96, 24.53],
    ...         "dividend": [0.0, 0.0, 0.0, 0.08],
    ...         "split": [1.0, 1.0, 2.0, 1.0],
    ...     }
    ... ).with_columns(pl.col("date").str.to_date())
    >>> adjust(frame, convention="previous_close")["close"].round(2).to_list()
    [23.42, 24.07, 24.88, 24.53]
    """
    rule = Rule(kind, convention, direction, inverse)
    if not isinstance(data, Bars):
        return _adjust_frame.adjusted(data, rule, actions=actions, by=by, columns=columns)
    _demand_defaults(by, columns)
    used = _used(data, actions, rule)
    if used is None:
        return data
    events, sessions = _steps(data, used, rule)
    changed: dict[str, Any] = {}
    factors: dict[str, np.ndarray] = {}
    for column, fields in (("price", _PRICES), ("volume", ("volume",))):
        present = [field for field in fields if getattr(data, field) is not None]
        if not present or (events[column] == 1.0).all():
            continue
        factor = factors[column] = _spread(data, events, sessions, column, rule)
        for field in present:
            panel = getattr(data, field)
            changed[field] = panel._like(panel.values / factor if inverse else panel.values * factor)
    left = used if inverse else _left(_converted(data, used, factors.get("price"), sessions), events, rule)
    return replace(data, **changed, adjusted="none" if inverse else rule.kind, actions=left)


def adjustment_factors(
    data: Bars | pl.DataFrame | pl.LazyFrame,
    *,
    kind: str = "total_return",
    convention: str = "close_plus_dividend",
    direction: str = "backward",
    actions: pl.DataFrame | None = None,
    by: str | Sequence[str] = "symbol",
    columns: Mapping[str, str | None] | None = None,
) -> Factors | pl.DataFrame:
    """Return what :func:`adjust` multiplies prices and volumes by.

    Parameters
    ----------
    data, kind, convention, direction, actions, by, columns
        As in :func:`adjust`; ``data`` are raw.

    Returns
    -------
    Factors | polars.DataFrame
        For Bars two Panels, ``price`` and ``volume`` (T, N); for a frame one of its rows in their order: the columns of
        ``by``, ``date``, ``price_factor``, ``volume_factor``. Never NaN: 1 where nothing is adjusted.

    Raises
    ------
    DataError, InputError, LabelError
        As in :func:`adjust`.

    Examples
    --------
    >>> from datetime import date
    >>> from quantlab.core import as_bars
    >>> close = Panel([[30.0], [10.0]], ["2024-01-02", "2024-01-03"], ["A"])
    >>> split = pl.DataFrame({"symbol": ["A"], "date": [date(2024, 1, 3)], "kind": ["split"], "value": [4.0]})
    >>> price, volume = adjustment_factors(as_bars(close, adjusted="none"), actions=split)
    >>> price.values.tolist(), volume.values.tolist()
    ([[0.25], [1.0]], [[4.0], [1.0]])
    """
    rule = Rule(kind, convention, direction)
    if not isinstance(data, Bars):
        return _adjust_frame.factors(data, rule, actions=actions, by=by, columns=columns)
    _demand_defaults(by, columns)
    used = _used(data, actions, rule)
    if used is None:
        return Factors(*(data.close._like(np.ones(data.shape)) for _ in range(2)))
    events, sessions = _steps(data, used, rule)
    return Factors(*(data.close._like(_spread(data, events, sessions, name, rule)) for name in ("price", "volume")))


def _used(bars: Bars, actions: pl.DataFrame | None, rule: Rule) -> pl.DataFrame | None:
    """The checked actions of the bars' symbols, or None when the prices are adjusted already."""
    given = bars.actions if actions is None else actions
    state = bars.adjusted
    if rule.inverse:
        if state != rule.kind:
            raise InputError(f'{bars.name} is declared adjusted="{state}", which cannot be undone as "{rule.kind}".')
        if actions is None:
            raise InputError(
                f"To undo the adjustment of {bars.name} takes the actions that made it.",
                hint='pass the complete table in raw units: `actions=store.table(name, "actions")`.',
            )
    elif state == rule.kind:
        return None
    elif state not in ("none", "split"):
        hint = 'if its prices are raw, `dataclasses.replace(bars, adjusted="none")`.'
        if state == "total_return":
            hint = 'undo it first: `adjust(bars, kind="total_return", inverse=True, actions=...)`.'
        raise InputError(f'{bars.name} is declared adjusted="{state}", not "none": it cannot be adjusted.', hint=hint)
    if given is None:
        raise InputError(
            f"{bars.name} has no table of corporate actions.",
            hint="pass `actions=`: a frame of symbol, date, kind, value; one without rows says that there are none.",
        )
    days = _days(bars)[0]
    table = _action_events.checked(given).filter(
        pl.col("symbol").cast(pl.String).is_in(bars.symbols), pl.col("date").is_between(days[0].item(), days[-1].item())
    )
    double = table.filter(pl.col("kind").cast(pl.String).is_in(("split", "spinoff"))) if state == "split" else table[:0]
    if double.height and not rule.inverse:
        raise DataError(
            f'{bars.name} is declared adjusted="split", and its actions hold the {double["kind"][0]} of '
            f"{double['symbol'][0]} {double['date'][0]}.",
            hint="leave splits and spin-offs out of the actions, and state dividends in the units of the prices.",
        )
    return table


def _steps(bars: Bars, actions: pl.DataFrame, rule: Rule) -> tuple[pl.DataFrame, np.ndarray | None]:
    """The events of the bars, each with its factors, and for intraday bars the number of each bar's session."""
    days, sessions = _days(bars)
    matrix = bars.close.values if sessions is None else _session_closes(bars.close.values, sessions, days.size)
    rows, columns = matrix.shape
    closes = Closes(matrix.reshape(-1), np.arange(columns), np.full(columns, rows), columns)
    events = _action_events.gathered(actions.with_columns(pl.col("symbol").cast(pl.String)))
    groups = pl.DataFrame({"symbol": bars.symbols, "group": np.arange(columns)}, schema_overrides={"symbol": pl.String})
    events = events.join(groups, on="symbol").sort("group", "date")
    events = events.with_columns(row=pl.Series(np.searchsorted(days, events["date"].to_numpy()), dtype=pl.Int64))
    return _factors.steps(closes, events, rule), sessions


def _spread(bars: Bars, events: pl.DataFrame, sessions: np.ndarray | None, column: str, rule: Rule) -> np.ndarray:
    rows = bars.shape[0] if sessions is None else int(sessions[-1]) + 1
    factor = _factors.spread((rows, bars.shape[1]), events, column, rule)
    return factor if sessions is None else factor[sessions]


def _days(bars: Bars) -> tuple[np.ndarray, np.ndarray | None]:
    """The days of the bars; for intraday bars the days of their sessions, and the number of each bar's session."""
    if bars.dates.dtype == DAY:
        return bars.dates, None
    calendar = None if bars.frequency is None else bars.frequency.calendar
    if calendar is None:
        raise InputError(
            f"{bars.name} has intraday bars without a calendar, so that the day of an ex-date is unknown.",
            hint='`ql.as_bars(..., frequency=ql.Frequency.intraday("XNYS", 60))`.',
        )
    from quantlab.data.calendars._schedule import local_days

    # A bar that ends at midnight belongs to the day that ends there.
    days, sessions = np.unique(local_days(bars.dates, calendar), return_inverse=True)
    return days, sessions


def _session_closes(close: np.ndarray, sessions: np.ndarray, count: int) -> np.ndarray:
    """The last known close of each session, NaN where it has none."""
    out = np.full((count, close.shape[1]), np.nan)
    for row, session in zip(close, sessions, strict=True):
        np.copyto(out[session], row, where=~np.isnan(row))
    return out


def _converted(
    bars: Bars, actions: pl.DataFrame, factor: np.ndarray | None, sessions: np.ndarray | None
) -> pl.DataFrame:
    """The actions with ``before``, the price factor of their symbol on the bar before, and the values of conversions in
    shares as the adjusted prices count them. ``factor`` (T, N) is that of prices, None: 1 throughout.
    """
    kind = pl.col("kind").cast(pl.String)
    rows = actions.with_columns(pl.col("symbol").cast(pl.String), value=pl.col("value").cast(pl.Float64))
    if factor is None or "into" not in rows.columns or not rows.select((kind == "conversion").any()).item():
        return rows.with_columns(before=pl.lit(1.0))
    column = {symbol: place for place, symbol in enumerate(bars.symbols)}
    row = np.searchsorted(_days(bars)[0], rows["date"].to_numpy())
    row = row if sessions is None else np.searchsorted(sessions, row)
    before = factor[np.maximum(row - 1, 0), [column[symbol] for symbol in rows["symbol"]]]
    other = np.array([column.get(symbol, -1) for symbol in rows["into"].cast(pl.String)])
    after = np.where(other >= 0, factor[row, other], 1.0)
    shares = pl.when(kind == "conversion").then(pl.col("value") * pl.Series(before / after)).otherwise("value")
    return rows.with_columns(value=shares, before=pl.Series(before))


def _left(actions: pl.DataFrame, events: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The actions that are not in the prices, in their units: delistings, conversions with the cash of their date, and
    after "split" all dividends.
    """
    kind = pl.col("kind").cast(pl.String)
    cash, factor = kind.is_in(CASH), "unit"
    kept = actions.filter(~kind.is_in(("split", "spinoff")))
    kept = kept.join(
        events.select("symbol", "date", "unit", "acts"), on=["symbol", "date"], how="left", maintain_order="left"
    )
    if rule.kind == "total_return":
        beside = (kind == "conversion").any().over("symbol", "date") & ~pl.col("acts")
        kept, factor = kept.filter(~cash | beside), "before"
    scaled = pl.when(cash).then(pl.col("value") * pl.col(factor)).otherwise("value")
    return kept.with_columns(value=scaled).drop("unit", "acts", "before")


def _demand_defaults(by: object, columns: object) -> None:
    if by != "symbol" or columns is not None:
        raise KindError("`by` and `columns` are for frames; Bars have symbols and a table of actions.")
