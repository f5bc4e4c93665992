"""Explicit orders: from a table with one row per order to the arrays of the engine.

An order is placed at the close of its date and meets its first price on the next bar. Shares are rounded toward zero to
whole lots; an order that rounds to nothing is left out, and both are said.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._prepare_actions import Restatement
from quantlab.backtest._prepare_weights import demand_bars
from quantlab.backtest._prepare_world import Alive, Axes, Lot, frozen
from quantlab.core import Bars, DataError, InputError, KindError, Panel
from quantlab.core._door import _date_column, symbol_codes
from quantlab.core._labels import DAY, dates_of, show
from quantlab.core._lazy import lazy
from quantlab.execution import _kernel_types as kinds
from quantlab.execution._demand import more
from quantlab.execution._kernel_types import (
    FILL_OR_KILL,
    GOOD_TILL_CANCELLED,
    GOOD_TILL_DATE,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    LIMIT_CLOSE,
    LIMIT_OPEN,
    MARKET,
    MARKET_CLOSE,
    MARKET_OPEN,
    STOP,
    STOP_LIMIT,
    TRAIL,
    Tickets,
)

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

TYPES = {
    "market": MARKET,
    "limit": LIMIT,
    "stop": STOP,
    "stop_limit": STOP_LIMIT,
    "trailing": TRAIL,
    "market_on_open": MARKET_OPEN,
    "limit_on_open": LIMIT_OPEN,
    "market_on_close": MARKET_CLOSE,
    "limit_on_close": LIMIT_CLOSE,
}
LIVES = {
    "day": kinds.DAY,
    "gtc": GOOD_TILL_CANCELLED,
    "gtd": GOOD_TILL_DATE,
    "ioc": IMMEDIATE_OR_CANCEL,
    "fok": FILL_OR_KILL,
}
NEEDED = ("symbol", "shares")
PRICES = ("limit", "stop", "trail", "trail_fraction")
OPTIONAL = ("type", *PRICES, "tif", "until", "group", "reduce_only")

# Which prices an order of a type takes.
_TAKES = {
    LIMIT: ("limit",),
    LIMIT_OPEN: ("limit",),
    LIMIT_CLOSE: ("limit",),
    STOP: ("stop",),
    STOP_LIMIT: ("stop", "limit"),
    TRAIL: ("trail", "trail_fraction"),
}
_INSIDE = (LIMIT, STOP, STOP_LIMIT, TRAIL)


def is_long(orders: Any) -> bool:
    """Whether ``orders`` is a frame with a column ``symbol``."""
    return isinstance(orders, (pl.DataFrame, pl.LazyFrame)) and "symbol" in orders.collect_schema().names()


def is_table(orders: Any) -> bool:
    """Whether ``orders`` is a table with one row per order, and no matrix of shares."""
    if not is_long(orders):
        return False
    names = orders.collect_schema().names()
    if "shares" not in names and (given := [name for name in OPTIONAL if name in names]):
        raise InputError(f"`orders` has the column `{given[0]}` and no column `shares`.", hint="shares are signed.")
    if "shares" not in names and (given := [name for name in names if name.startswith("weight")]):
        raise InputError(
            f"`orders` has the column `{given[0]}`, and orders are shares or values.",
            hint="pass weights to `simulate`.",
        )
    return "shares" in names


class Table:
    """A table of orders, checked column by column; every error names the symbol and the date of the first offender."""

    def __init__(self, frame: pl.DataFrame, bars: Bars, axes: Axes) -> None:
        self.frame = frame
        key = _date_column(frame.drop([name for name in ("until",) if name in frame.columns]))
        for name in NEEDED:
            if frame[name].null_count():
                row = int(frame[name].is_null().arg_max() or 0)
                raise DataError(f"Column {name} of `orders` has a null at row {row}.")
        if strange := [name for name in frame.columns if name not in (key, *NEEDED, *OPTIONAL)]:
            raise InputError(
                f"`orders` has the column `{strange[0]}`, which is none of an order's.",
                hint=f"they are {', '.join(('date', *NEEDED, *OPTIONAL))}.",
            )
        if frame[key].null_count():
            raise DataError(f"Column {key} of `orders` has a null at row {int(frame[key].is_null().arg_max() or 0)}.")
        kind = frame.schema["symbol"]
        if kind not in (pl.String, pl.Categorical, pl.Enum):
            raise KindError(f"Column symbol of `orders` must be text, received {kind}.")
        self.names, self.codes = symbol_codes(frame["symbol"])
        self.dates = dates_of(frame[key], what=f"Column {key} of `orders`")
        place = {name: i for i, name in enumerate(axes.symbols)}
        self.asset = np.array([place.get(name, -1) for name in self.names], dtype=np.int64)[self.codes]
        if (self.asset < 0).any():
            near = get_close_matches(self.symbol((self.asset < 0).argmax()), axes.symbols, n=1)
            hint = f"did you mean {near[0]}?" if near else "orders are for symbols of the bars."
            self.refuse(self.asset < 0, f"is for a symbol that {bars.name} does not have", hint)
        # Orders of a frame stand in any order; dates are looked up one by one.
        self.placed = demand_bars(self.dates, bars, "orders")

    def __len__(self) -> int:
        return self.frame.height

    def symbol(self, row: int | np.integer) -> str:
        """Symbol of an order."""
        return self.names[self.codes[row]]

    def where(self, row: int | np.integer) -> str:
        """Symbol and date of an order."""
        return f"{self.symbol(row)} {show(self.dates[row])}"

    def refuse(self, bad: np.ndarray, sentence: str, hint: str | None = None) -> None:
        """Raise DataError when an order is bad; ``sentence`` goes on after "The order of A 2024-01-02 and 3 more"."""
        if bad.any():
            row = int(bad.argmax())
            raise DataError(f"The order of {self.where(row)}{more(int(bad.sum()))} {sentence}.", hint=hint)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, NaN where it is null or missing."""
        if name not in self.frame.columns:
            return np.full(len(self), np.nan)
        column = self.frame[name]
        if not (column.dtype.is_numeric() or column.dtype == pl.Null):
            raise KindError(f"Column {name} of `orders` must be numbers, received {column.dtype}.")
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)

    def words(self, name: str, known: dict[str, int], default: str) -> np.ndarray:
        """Return a column of words as their numbers."""
        if name not in self.frame.columns:
            return np.full(len(self), known[default], dtype=np.int64)
        column = self.frame[name]
        if column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
            raise KindError(f"Column {name} of `orders` must be text, received {column.dtype}.")
        texts = column.cast(pl.String).fill_null(default)
        numbers = texts.replace_strict(list(known), list(known.values()), default=-1, return_dtype=pl.Int64).to_numpy()
        if (numbers < 0).any():
            row = int((numbers < 0).argmax())
            raise InputError(
                f"The order of {self.where(row)} has the {name} {texts[row]!r}.",
                hint=f"it is one of {', '.join(known)}.",
            )
        return numbers


def tickets_of(
    orders: pl.DataFrame | pl.LazyFrame,
    bars: Bars,
    axes: Axes,
    alive: Alive,
    lot: Lot,
    delay: int,
    changes: Sequence[Restatement] = (),
) -> tuple[Tickets, list[Finding]]:
    """Return explicit orders sorted by the bar at whose close they are placed, and what has to be said about them.

    Parameters
    ----------
    orders : polars.DataFrame or LazyFrame with one row per order
    bars, axes : the bars and their canonical labels
    alive : between which bars each asset can be ordered, canonical
    lot : what orders are counted in
    delay : bars from the date of an order to its first fill
    changes : what splits and spin-offs do to orders that are on their way
    """
    frame = orders.collect() if isinstance(orders, pl.LazyFrame) else orders
    if frame.height == 0:
        raise InputError("`orders` has no rows: there is no order to run.")
    table = Table(frame, bars, axes)
    shares = table.numbers("shares")
    table.refuse(~np.isfinite(shares), "is for a number of shares that is missing or infinite")
    table.refuse(table.placed < alive.first[table.asset], "comes before the symbol's first price")
    table.refuse(table.placed >= alive.dead[table.asset], "comes after the symbol's delisting")
    kind = table.words("type", TYPES, "market")
    life = table.words("tif", LIVES, "day")
    _demand_fields(table, kind, bars)
    prices = {name: table.numbers(name) for name in PRICES}
    _check_prices(table, kind, prices)
    until = _until(table, life, axes)
    group, reduce_only = _groups(table), _flags(table)
    units, findings = _units(table, shares, lot)
    keep = units != 0
    placed = table.placed + delay - 1
    late = keep & (placed >= axes.dates.size)
    if late.any():
        detail = "orders that the delay moves behind the last bar"
        findings.append(Finding("no_next_bar", "info", show(table.dates[late][0]), "", int(late.sum()), detail))
        keep &= ~late
    if delay > 1:
        units = _restate(table, units, prices, lot, delay, changes)
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(placed[rows], kind="stable")]
    whole = (placed, table.asset, kind, life, until, group, reduce_only)
    real = (units, *(prices[name] for name in PRICES))
    return Tickets(*(frozen(column[rows]) for column in (*whole, *real))), findings


def _demand_fields(table: Table, kind: np.ndarray, bars: Bars) -> None:
    """Refuse orders that the bars cannot answer."""
    names = {number: word for word, number in TYPES.items()}
    for types, fields in (((MARKET_OPEN, LIMIT_OPEN), ("open",)), (_INSIDE, ("high", "low"))):
        wanted = np.isin(kind, types)
        if not wanted.any():
            continue
        if missing := [name for name in fields if getattr(bars, name) is None]:
            row = int(wanted.argmax())
            raise InputError(
                f"The order of {table.where(row)}{more(int(wanted.sum()))} is of type {names[int(kind[row])]}, and "
                f"{bars.name} has no {' and no '.join(missing)}.",
                hint="bars with closes alone take market and on-close orders.",
            )


def _check_prices(table: Table, kind: np.ndarray, prices: dict[str, np.ndarray]) -> None:
    """Every type has its prices and no other; all are positive, and a fraction is below 1."""
    given = {name: ~np.isnan(values) for name, values in prices.items()}
    for name, values in prices.items():
        table.refuse(given[name] & ~((values > 0) & (values < np.inf)), f"has a {name} that is not above zero")
        takes = [number for number, names in _TAKES.items() if name in names]
        words = ", ".join(word for word, number in TYPES.items() if number in takes)
        strange = given[name] & ~np.isin(kind, takes)
        table.refuse(strange, f"has a {name}, which its type does not take", f"types that do: {words}.")
    table.refuse(given["trail_fraction"] & ~(prices["trail_fraction"] < 1), "has a trail_fraction of 1 or more")
    needs_limit = np.isin(kind, (LIMIT, STOP_LIMIT, LIMIT_OPEN, LIMIT_CLOSE))
    table.refuse(needs_limit & ~given["limit"], "needs a limit price", "fill the column `limit`.")
    table.refuse(np.isin(kind, (STOP, STOP_LIMIT)) & ~given["stop"], "needs a stop price", "fill the column `stop`.")
    both = given["trail"].astype(int) + given["trail_fraction"]
    table.refuse(
        (kind == TRAIL) & (both != 1),
        "is a trailing stop and needs either a trail (currency) or a trail_fraction",
        "0.05 in `trail_fraction` is 5 % below the best price.",
    )


def _until(table: Table, life: np.ndarray, axes: Axes) -> np.ndarray:
    """The last bar of orders that are good till a date; -1 for the others."""
    until = np.full(len(table), -1, dtype=np.int64)
    dated = life == GOOD_TILL_DATE
    if "until" not in table.frame.columns:
        table.refuse(dated, 'has the tif "gtd" and no date', "fill the column `until`.")
        return until
    column = table.frame["until"]
    given = ~column.is_null().to_numpy()
    table.refuse(dated & ~given, 'has the tif "gtd" and no date', "fill the column `until`.")
    table.refuse(~dated & given, "has a date `until`, which only the tif gtd takes", 'write "gtd" in `tif`.')
    if not dated.any():
        return until
    moments = dates_of(column.filter(pl.Series(dated)), what="Column until of `orders`")
    if moments.dtype == DAY:
        last = np.searchsorted(axes.sessions, moments, side="right") - 1
    else:
        last = np.searchsorted(axes.dates, moments, side="right") - 1
    until[dated] = last
    hint = "`until` is the last day that it may be filled on."
    table.refuse(dated & (until <= table.placed), "ends before it meets a bar", hint)
    return until


def _groups(table: Table) -> np.ndarray:
    """Numbers from 0 for the groups, -1 without one."""
    if "group" not in table.frame.columns:
        return np.full(len(table), -1, dtype=np.int64)
    column = table.frame["group"]
    if not (column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise KindError(f"Column group of `orders` must be whole numbers or text, received {column.dtype}.")
    texts = column.cast(pl.String)
    names = pl.Enum(texts.drop_nulls().unique(maintain_order=True))
    return texts.cast(names).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


def _flags(table: Table) -> np.ndarray:
    if "reduce_only" not in table.frame.columns:
        return np.zeros(len(table), dtype=np.int64)
    column = table.frame["reduce_only"]
    if column.dtype not in (pl.Boolean, pl.Null):
        raise KindError(f"Column reduce_only of `orders` must be true or false, received {column.dtype}.")
    return column.cast(pl.Boolean).fill_null(False).to_numpy().astype(np.int64)


def _units(table: Table, shares: np.ndarray, lot: Lot) -> tuple[np.ndarray, list[Finding]]:
    """Shares in units, whole lots toward zero, and what that changed."""
    units = lot.whole(shares)
    findings = []
    for bad, finding in ((rounded(shares, lot), _rounded), ((units == 0) & (shares != 0), _too_small)):
        for asset in np.unique(table.asset[bad]):
            of = np.flatnonzero(bad & (table.asset == asset))
            findings.append(finding(show(table.dates[of].min()), table.symbol(of[0]), of.size))
    return units, findings


def _restate(
    table: Table,
    units: np.ndarray,
    prices: dict[str, np.ndarray],
    lot: Lot,
    delay: int,
    changes: Sequence[Restatement],
) -> np.ndarray:
    """Return units as they are when the delay is over, and change the prices: a split or spin-off after the bar of an
    order, up to the one at whose close it is placed, does to it what it does to an order that works.
    """
    units, bars = units.copy(), int(table.placed.max()) + 1
    key = table.asset * bars + table.placed
    order = np.argsort(key, kind="stable")
    for change in changes:
        first, last = max(change.bar - delay + 1, 0), min(change.bar, bars)
        low, high = np.searchsorted(key, (change.asset * bars + first, change.asset * bars + last), sorter=order)
        at = order[low:high]
        if at.size:
            units[at] = lot.split(units[at], change.shares)
            for name in ("limit", "stop", "trail"):
                prices[name][at] *= change.price
    return units


def rounded(shares: np.ndarray, lot: Lot) -> np.ndarray:
    """Return which orders are for no whole number of lots and for more than one; NaN is no order."""
    units, wanted = lot.whole(shares), shares / lot.unit
    return (units != 0) & (np.abs(units - wanted) > 1e-9 * np.maximum(np.abs(wanted), lot.step))


def rounded_amounts(panel: Panel, lot: Lot) -> list[Finding]:
    """Return where a Panel of shares is rounded."""
    if lot.step == 0.0:
        return []
    bad = rounded(panel.values, lot)
    return [
        _rounded(show(panel.dates[int(bad[:, i].argmax())]), panel.symbols[i], int(bad[:, i].sum()))
        for i in sorted(np.flatnonzero(bad.any(axis=0)), key=lambda i: panel.symbols[i])
    ]


def _rounded(date: str, symbol: str, count: int) -> Finding:
    detail = "an order for no whole number of lots was rounded toward zero"
    return Finding("rounded_order", "info", date, symbol, count, detail)


def _too_small(date: str, symbol: str, count: int) -> Finding:
    return Finding("below_one_lot", "warning", date, symbol, count, "an order for less than one lot was not sent")
