"""First and last prices, and what holders got when a security left the market, as rows of corporate actions.

A return at delisting is never made up in silence: it is given, or taken from a named policy for a stated reason, and
the row says which. A series that ends is not by itself a delisting: it may have left an index, or the vendor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import Bars, DataError, InputError, KindError
from quantlab.core._arguments import real
from quantlab.core._labels import DAY
from quantlab.data import schemas
from quantlab.data.calendars import Calendar
from quantlab.data.schemas import TABLES
from quantlab.data.universe._frames import checked, more, no_null
from quantlab.data.universe._membership import bar_days

_COLUMNS = {
    "symbol": pl.String(),
    "last": pl.Date(),
    "reason": pl.String(),
    "exchange": pl.String(),
    "value": pl.Float64(),
}
_REASONS = ("merger", "performance")
_MARKETS = {
    "nyse": ("NYSE", "XNYS", "N", "AMEX", "XASE", "NYSE MKT", "NYSE AMERICAN", "A"),
    "nasdaq": ("NASDAQ", "XNAS", "Q"),
}
_MARKET = {name: market for market, names in _MARKETS.items() for name in names}
_SHUMWAY = {"nyse": "Shumway 1997", "nasdaq": "Shumway and Warther 1999"}


@dataclass(frozen=True, slots=True)
class DelistingPolicy:
    """Returns at delisting for those that are not known.

    Parameters
    ----------
    merger : float >= -1, return
        When the holders were bought out: the last close is near the price that was paid.
    nyse : float >= -1, return
        After a delisting from NYSE or AMEX for performance (bankruptcy, price or capital below the exchange's rules).
    nasdaq : float >= -1, return
        The same from Nasdaq.
    unknown : "merger" | "performance" | None
        What to take an unknown reason for; None refuses it.

    Raises
    ------
    InputError, KindError
        When a return is not a number of at least -1, or ``unknown`` is another text.

    References
    ----------
    Shumway, T. (1997). The delisting bias in CRSP data. Journal of Finance 52(1), 327-340.
    doi:10.1111/j.1540-6261.1997.tb03818.x: -30 % on NYSE and AMEX.
    Shumway, T. and Warther, V. A. (1999). The delisting bias in CRSP's Nasdaq data and its implications for the size
    effect. Journal of Finance 54(6), 2361-2379. doi:10.1111/0022-1082.00192: -55 % on Nasdaq.
    Both are averages over many delistings and say little of a single one.

    Examples
    --------
    >>> DelistingPolicy(unknown="performance").nasdaq
    -0.55
    """

    merger: float = 0.0
    nyse: float = -0.30
    nasdaq: float = -0.55
    unknown: str | None = None

    def __post_init__(self) -> None:
        for name in ("merger", "nyse", "nasdaq"):
            value = real(getattr(self, name), name=name)
            if value < -1.0:
                raise InputError(f"`{name}` must be a return of at least -1, received {value:g}.")
        if self.unknown is not None and self.unknown not in _REASONS:
            raise InputError(f'`unknown` must be "merger", "performance" or None, received {self.unknown!r}.')


def listings(bars: Bars) -> pl.DataFrame:
    """Return the first and last day with a close of each symbol.

    Parameters
    ----------
    bars : Bars (T, N)

    Returns
    -------
    polars.DataFrame
        ``symbol``, ``first``, ``last`` (null without any close), ``closes`` (how many), ``at_end`` (whether the last
        close is on the last date: whether it goes on is not known). In the order of the symbols. That a series ends
        before the data says nothing about why.

    Raises
    ------
    KindError
        When ``bars`` are not Bars.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> close = Panel([[1.0, 5.0], [2.0, float("nan")]], ["2024-01-02", "2024-01-03"], ["A", "B"])
    >>> listings(as_bars(close)).row(1)
    ('B', datetime.date(2024, 1, 2), datetime.date(2024, 1, 2), 1, False)
    """
    if not isinstance(bars, Bars):
        raise KindError(f"`bars` must be Bars, received {type(bars).__name__}.", hint="`ql.as_bars(close)`.")
    present = ~np.isnan(bars.close.values)
    count = present.sum(axis=0)
    days = bar_days(bars.close)
    first, last = days[present.argmax(axis=0)], days[len(days) - 1 - present[::-1].argmax(axis=0)]
    nothing = np.datetime64("NaT", "D")
    return pl.DataFrame(
        {
            "symbol": pl.Series(bars.symbols, dtype=pl.String),
            "first": pl.Series(np.where(count > 0, first, nothing), dtype=pl.Date),
            "last": pl.Series(np.where(count > 0, last, nothing), dtype=pl.Date),
            "closes": pl.Series(count, dtype=pl.Int64),
            "at_end": present[-1],
        }
    )


def delisting_actions(
    delistings: pl.DataFrame, *, calendar: str, policy: DelistingPolicy | None = None
) -> pl.DataFrame:
    """Return delistings as rows of corporate actions, with the return from the last close to what holders got.

    Parameters
    ----------
    delistings : polars.DataFrame
        ``symbol``; ``last``, the last session with a price; and, where known, ``value`` (return of at least -1),
        ``reason`` ("merger", "performance" or null) and ``exchange`` ("NYSE", "AMEX", "NASDAQ" or the codes N, A, Q).
    calendar : str
        Whose next session after ``last`` is the date of the action: the first on which there is no price.
    policy : DelistingPolicy, optional
        For rows without a value. Without one such a row is refused.

    Returns
    -------
    polars.DataFrame
        ``schemas.TABLES["actions"]``, sorted by date and symbol. ``note`` says where the value is from: "given", or
        "assumed" with the reason and source.

    Raises
    ------
    DataError
        When a value is below -1; when there is none and no policy, no reason (unless the policy says what to take
        that for), or, for a delisting for performance, no exchange that the policy speaks of; when a symbol stands
        twice on one day, or ``last`` is no session. The first is named.
    InputError, KindError
        When a column is missing or of another type, the calendar is unknown, or ``policy`` is none.

    Examples
    --------
    >>> from datetime import date
    >>> frame = pl.DataFrame(
    ...     {"symbol": ["ENE", "X"], "last": [date(2001, 11, 28), date(2024, 3, 28)], "value": [-0.99, None],
    ...      "reason": ["performance", "merger"]})
    >>> rows = delisting_actions(frame, calendar="XNYS", policy=DelistingPolicy())
    >>> rows.select("symbol", "date", "value", "note").rows()
    [('ENE', datetime.date(2001, 11, 29), -0.99, 'given'), ('X', datetime.date(2024, 4, 1), 0.0, 'assumed: merger')]
    """
    rows = checked(delistings, _COLUMNS, name="delistings", optional=("reason", "exchange", "value"))
    no_null(rows, ("symbol", "last"), name="delistings")
    doubled = rows.filter(pl.struct("symbol", "last").is_duplicated())
    if doubled.height:
        raise DataError(f"{doubled['symbol'][0]} {doubled['last'][0]} stands twice in `delistings`.")
    if policy is not None and not isinstance(policy, DelistingPolicy):
        raise KindError(f"`policy` must be a DelistingPolicy, received {type(policy).__name__}.")
    values = [_value(row, policy) for row in rows.iter_rows(named=True)]
    dates = np.empty(0, dtype=DAY)
    if rows.height:
        held = Calendar(calendar).is_session(rows["last"])
        if not held.all():
            first = rows.row(int((~held).argmax()), named=True)
            raise DataError(
                f"{first['symbol']} {first['last']}{more(int((~held).sum()))} is no session of {calendar}, and `last` "
                "is the last session with a price.",
                hint=f'`Calendar("{calendar}").session_on_or_before(days)` moves days back to sessions.',
            )
        dates = Calendar(calendar).next_session(rows["last"])
    made = pl.DataFrame(
        {
            "symbol": rows["symbol"],
            "date": pl.Series(dates, dtype=pl.Date),
            "kind": pl.Series(["delisting"] * rows.height, dtype=pl.String),
            "value": pl.Series([value for value, _ in values], dtype=pl.Float64),
            "note": pl.Series([note for _, note in values], dtype=pl.String),
        }
    )
    return schemas.whole(made, "actions").sort("date", "symbol")


def delisting_problems(actions: pl.DataFrame, bars: Bars) -> pl.DataFrame:
    """Return the delistings that the prices contradict.

    Parameters
    ----------
    actions : polars.DataFrame
        ``schemas.TABLES["actions"]``; rows of other kinds are left out.
    bars : Bars (T, N)
        With a calendar, so that the session before a delisting is known. Delistings after the last bar are not
        looked at, since the data cannot contradict them.

    Returns
    -------
    polars.DataFrame
        ``symbol``, ``date`` of the action, ``last`` close, ``problem``: "no series" (the symbol is not in the bars, or
        has no close), "trades on" (it has closes on or after the date), "ended before" (its last close is earlier than
        the session before the date, so that the return would start from a stale price). Empty when all agree.

    Raises
    ------
    InputError
        When the bars have no calendar.

    Examples
    --------
    >>> from datetime import date
    >>> from quantlab.core import Frequency, Panel, as_bars
    >>> close = Panel([[1.0], [2.0]], ["2024-01-02", "2024-01-03"], ["A"])
    >>> bars = as_bars(close, frequency=Frequency.daily("XNYS"))
    >>> row = {"symbol": ["A"], "date": [date(2024, 1, 3)], "kind": ["delisting"], "value": [-1.0]}
    >>> delisting_problems(pl.DataFrame(row), bars)["problem"].to_list()
    ['trades on']
    """
    found = listings(bars)
    if bars.frequency is None or bars.frequency.calendar is None:
        raise InputError(
            "`bars` have no calendar, so that the session before a delisting is unknown.",
            hint='`ql.as_bars(close, frequency=ql.Frequency.daily("XNYS"))`.',
        )
    columns = {name: TABLES["actions"].schema[name] for name in ("symbol", "date", "kind")}
    rows = checked(actions, columns, name="actions").filter(pl.col("kind") == "delisting").drop("kind")
    no_null(rows, ("symbol", "date"), name="actions")
    rows = rows.filter(pl.col("date") <= pl.lit(bar_days(bars.close)[-1]).cast(pl.Date))
    calendar = Calendar(bars.frequency.calendar)
    before = calendar.previous_session(rows["date"]) if rows.height else np.empty(0, dtype=DAY)
    rows = rows.with_columns(pl.Series("before", before, dtype=pl.Date)).join(
        found.select("symbol", "last"), on="symbol", how="left", maintain_order="left"
    )
    problem = (
        pl.when(pl.col("last").is_null())
        .then(pl.lit("no series"))
        .when(pl.col("last") >= pl.col("date"))
        .then(pl.lit("trades on"))
        .when(pl.col("last") < pl.col("before"))
        .then(pl.lit("ended before"))
    )
    named = rows.with_columns(problem.alias("problem")).filter(pl.col("problem").is_not_null())
    return named.select("symbol", "date", "last", "problem").sort("date", "symbol")


def _value(row: dict[str, Any], policy: DelistingPolicy | None) -> tuple[float, str]:
    """The return of one delisting, and where it is from."""
    who = f"{row['symbol']} {row['last']}"
    if row["value"] is not None and not np.isnan(row["value"]):
        if not -1.0 <= row["value"] < np.inf:
            raise DataError(
                f"The return at delisting of {who} must be at least -1 and finite, received {row['value']:g}."
            )
        return row["value"], "given"
    if policy is None:
        raise DataError(
            f"{who} has no return at delisting.",
            hint="give it in the column `value`, or say what to assume: `policy=DelistingPolicy()`.",
        )
    reason, assumed = row["reason"], ""
    if reason is None:
        if policy.unknown is None:
            raise DataError(
                f"{who} left for an unknown reason, for which the policy has no return.",
                hint='`DelistingPolicy(unknown="performance")` assumes the worse.',
            )
        reason, assumed = policy.unknown, "reason unknown, taken for "
    if reason not in _REASONS:
        raise DataError(f'The reason of {who} must be "merger", "performance" or null, received {reason!r}.')
    if reason == "merger":
        return policy.merger, f"assumed: {assumed}merger"
    market = _MARKET.get((row["exchange"] or "").upper())
    if market is None:
        raise DataError(
            f"{who} was delisted for performance from {row['exchange'] or 'an unknown exchange'}, and the policy "
            "speaks of NYSE, AMEX and Nasdaq.",
            hint="give `value`, or the exchange it was listed on.",
        )
    default = getattr(DelistingPolicy(), market)
    used = getattr(policy, market)
    source = _SHUMWAY[market] if used == default else "own policy"
    return used, f"assumed: {assumed}performance, {market.upper() if market == 'nyse' else 'Nasdaq'}, {source}"
