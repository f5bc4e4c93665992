"""Corporate actions as rows of numbers, and what happens to a holding whose prices end.

An action acts on the first bar whose session is its date or later. What lies before the first bar or after the last
does not act. A dividend without a pay date is paid on the bar of its ex-date; one that is paid after the last bar stays
a claim.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._prepare_world import Axes, frozen
from quantlab.core import Bars, DataError, InputError
from quantlab.core._door import symbol_codes
from quantlab.core._labels import DAY, show
from quantlab.core._lazy import lazy
from quantlab.execution._demand import more
from quantlab.execution._kernel_types import CONVERSION, DELISTING, DIVIDEND, SPINOFF, SPLIT

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

KINDS = {
    "split": SPLIT,
    "spinoff": SPINOFF,
    "dividend": DIVIDEND,
    "special_dividend": DIVIDEND,
    "conversion": CONVERSION,
    "delisting": DELISTING,
}
POLICIES = ("table", "last_price")
# Above it somebody meant percent.
LARGEST_RETURN = 10.0
_LAST = (CONVERSION, DELISTING)


@dataclass(frozen=True, slots=True)
class Actions:
    """The columns ``action_*`` and ``pay_order`` of the World, sorted by bar, asset and kind."""

    bar: np.ndarray
    kind: np.ndarray
    asset: np.ndarray
    other: np.ndarray
    value: np.ndarray
    pay: np.ndarray
    pay_order: np.ndarray


@dataclass(slots=True)
class Rows:
    """Actions before they are sorted: those of :class:`Actions`, and ``date``, the ex-date."""

    bar: np.ndarray
    kind: np.ndarray
    asset: np.ndarray
    other: np.ndarray
    value: np.ndarray
    pay: np.ndarray
    date: np.ndarray

    def extended(self, more: Rows) -> Rows:
        return Rows(*(np.concatenate([getattr(self, each.name), getattr(more, each.name)]) for each in fields(self)))

    def taken(self, rows: np.ndarray) -> Rows:
        return Rows(*(getattr(self, each.name)[rows] for each in fields(self)))


def demand_policy(delisting: object) -> str | float:
    """Return the delisting policy: "table", "last_price" or a return from -1 to 10."""
    if isinstance(delisting, str) and delisting in POLICIES:
        return delisting
    if isinstance(delisting, bool) or not isinstance(delisting, (int, float, np.integer, np.floating)):
        raise InputError(
            f'`delisting` must be "table", "last_price" or a return such as -0.3, received {delisting!r}.',
            hint='"table" books the delistings in `bars.actions` and no others.',
        )
    value = float(delisting)
    if not value >= -1.0:
        raise InputError(f"`delisting` is a return of at least -1 (everything is lost), received {value:g}.")
    if value > LARGEST_RETURN:
        raise InputError(
            f"`delisting` is a return of at most {LARGEST_RETURN:g} (1,000 %), received {value:g}.",
            hint="a return is a fraction: -0.3 for 30 % below the last close.",
        )
    return value


def rows_of(bars: Bars, axes: Axes) -> tuple[Rows, list[Finding]]:
    """Return the actions in the bars' table, unsorted, and what has to be said about them."""
    table = bars.actions
    if table is None or table.height == 0:
        return _nothing(), []
    kinds = table["kind"].replace_strict(list(KINDS), list(KINDS.values()), default=-1, return_dtype=pl.Int64)
    kind = kinds.fill_null(-1).to_numpy()
    if (kind < 0).any():
        first = table.row(int((kind < 0).argmax()), named=True)
        raise DataError(
            f"The action of {first['symbol']} {first['date']}{more(int((kind < 0).sum()))} is of kind "
            f"{first['kind']!r}, which is none of {', '.join(KINDS)}."
        )
    place = {name: i for i, name in enumerate(axes.symbols)}
    names, codes = symbol_codes(table["symbol"])
    asset = np.array([place[name] for name in names], dtype=np.int64)[codes]
    date = table["date"].to_numpy().astype(DAY)
    bar = axes.bar_at(date)
    value = table["value"].cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
    _check_values(kind, value, axes, asset, date)
    other = np.full(kind.size, -1, dtype=np.int64)
    for row in np.flatnonzero(kind == CONVERSION).tolist():
        other[row] = place.get(table["into"][row], -1)
    pay, unpaid, early = _pay_bars(table, axes, bar, kind, date)
    findings = []
    if unpaid.any():
        top = int(unpaid.argmax())
        detail = "dividends without a pay date are paid on the bar of their ex-date"
        findings.append(Finding("unknown_pay_date", "info", show(date[top]), "", int(unpaid.sum()), detail))
    if early.any():
        top = int(early.argmax())
        detail = "the pay date lies before the ex-date: the dividend is paid on the bar of its ex-date"
        first = axes.symbols[asset[top]]
        findings.append(Finding("pay_date_before_ex", "warning", show(date[top]), first, int(early.sum()), detail))
    rows = Rows(bar, kind, asset, other, value, pay, date)
    # The table of intraday bars reaches over their first and last session, since it is cut by the days of UTC.
    return rows.taken(np.flatnonzero((bar < axes.dates.size) & (date >= axes.sessions[0]))), findings


def dead_from(rows: Rows, axes: Axes) -> np.ndarray:
    """Return the bar from which each asset is delisted or converted, (N,) int64, T where it never is."""
    dead = np.full(len(axes.symbols), axes.dates.size, dtype=np.int64)
    gone = np.isin(rows.kind, _LAST)
    np.minimum.at(dead, rows.asset[gone], rows.bar[gone])
    return dead


def actions_of(
    bars: Bars, axes: Axes, close: np.ndarray, policy: str | float, since: np.ndarray
) -> tuple[Actions, np.ndarray, list[Finding]]:
    """Return the actions of a run with the closings that the policy adds, from when each asset may be held, and what
    has to be said.

    Parameters
    ----------
    bars : Bars
    axes : Axes
    close : (T, N), canonical columns
    policy : as :func:`demand_policy` returns it
    since : (N,) int64, canonical: first bar on which a decision or an order names the asset, T when none does. Assets
        that nobody can hold need no word. What a held asset turns into is held from there on.
    """
    rows, findings = rows_of(bars, axes)
    rows, since = _booked(rows, bars, axes, since)
    first, last = priced(close)
    T = close.shape[0]
    dead = dead_from(rows, axes)
    for i in np.flatnonzero((since < T) & (dead < T) & (last >= dead)):
        count = int((~np.isnan(close[dead[i] :, i])).sum())
        detail = "closes from the date of its delisting on are not used: nothing is held any more"
        findings.append(
            Finding("prices_after_delisting", "warning", show(axes.dates[dead[i]]), axes.symbols[i], count, detail)
        )
    if policy != "table":
        value = 0.0 if isinstance(policy, str) else policy
        gone = np.flatnonzero((last < T - 1) & (first < T) & (dead == T))
        bar = last[gone] + 1
        none, kind = np.full(gone.size, -1, dtype=np.int64), np.full(gone.size, DELISTING, dtype=np.int64)
        rows = rows.extended(Rows(bar, kind, gone, none, np.full(gone.size, value), bar, axes.sessions[bar]))
        detail = f"prices end and no delisting is known: closed at the last close with a return of {value:g}"
        for i in gone[since[gone] < T]:
            findings.append(
                Finding("assumed_delisting", "info", show(axes.dates[last[i] + 1]), axes.symbols[i], 1, detail)
            )
    return _sorted(rows, axes), since, findings


def priced(close: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bars of the first and the last close of each asset, (N,) int64: T and -1 without any."""
    T = close.shape[0]
    # Most assets have a close on the first and on the last bar: only the others are searched.
    first, last = np.zeros(close.shape[1], dtype=np.int64), np.full(close.shape[1], T - 1, dtype=np.int64)
    short = np.flatnonzero(np.isnan(close[0]) | np.isnan(close[-1]))
    if short.size:
        there = ~np.isnan(close[:, short])
        some = there.any(axis=0)
        first[short] = np.where(some, there.argmax(axis=0), T)
        last[short] = np.where(some, T - 1 - there[::-1].argmax(axis=0), -1)
    return first, last


def _nothing() -> Rows:
    whole = np.empty(0, dtype=np.int64)
    return Rows(whole, whole, whole, whole, np.empty(0), whole, np.empty(0, dtype=DAY))


def _check_values(kind: np.ndarray, value: np.ndarray, axes: Axes, asset: np.ndarray, date: np.ndarray) -> None:
    """The bounds of the schema: a split or ratio above 0, a spin-off from 0 to 1, a delisting return of -1 or more."""
    good = np.isfinite(value)
    good &= ((kind != SPLIT) & (kind != CONVERSION) & (kind != DIVIDEND)) | (value > 0)
    good &= (kind != SPINOFF) | ((value >= 0) & (value < 1))
    good &= (kind != DELISTING) | (value >= -1)
    if good.all():
        return
    row = int((~good).argmax())
    rules = {
        SPLIT: ("split", "new shares per old, above 0"),
        SPINOFF: ("spin-off", "the fraction of the previous close that left, from 0 to below 1"),
        DIVIDEND: ("dividend", "currency per share, above 0"),
        CONVERSION: ("conversion", "new shares per old, above 0"),
        DELISTING: ("delisting", "a return of at least -1"),
    }
    name, rule = rules[int(kind[row])]
    number = "missing" if np.isnan(value[row]) else f"{value[row]:g}"
    others = more(int((~good).sum()))
    raise DataError(
        f"The {name} of {axes.symbols[asset[row]]} {show(date[row])}{others} is {number}, and must be {rule}."
    )


def _booked(rows: Rows, bars: Bars, axes: Axes, since: np.ndarray) -> tuple[Rows, np.ndarray]:
    """Refuse conversions of what may be held into symbols that the bars do not have, and leave out those of the rest.

    Returns the rows, and from when each asset may be held: a conversion hands that on.
    """
    turns = np.flatnonzero(rows.kind == CONVERSION)
    if turns.size == 0:
        return rows, since
    T, since, lost = axes.dates.size, since.copy(), []
    for row in turns[np.argsort(rows.bar[turns], kind="stable")]:
        i, j = rows.asset[row], rows.other[row]
        if j < 0 and since[i] < T:
            raise DataError(
                f"The conversion of {axes.symbols[i]} {show(rows.date[row])} is into a symbol that {bars.name} does "
                "not have.",
                hint="load the bars with it, or take the row out of `actions`.",
            )
        if j < 0:
            lost.append(row)
        elif since[i] <= rows.bar[row]:
            since[j] = min(since[j], rows.bar[row])
    keep = np.ones(rows.bar.size, dtype=bool)
    keep[lost] = False
    return rows.taken(np.flatnonzero(keep)), since


def _pay_bars(
    table: pl.DataFrame, axes: Axes, bar: np.ndarray, kind: np.ndarray, date: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bar of the payment, not before the ex-date, which dividends have no pay date, and which an impossible one."""
    dividend = kind == DIVIDEND
    inside = bar < axes.dates.size
    if "pay_date" not in table.columns:
        return bar.copy(), dividend & inside, np.zeros(bar.size, dtype=bool)
    column = table["pay_date"].cast(pl.Date)
    unknown = column.is_null().to_numpy()
    pay_date = column.to_numpy().astype(DAY)
    pay = bar.copy()
    known = dividend & ~unknown
    pay[known] = np.maximum(axes.bar_at(pay_date[known]), bar[known])
    return pay, dividend & unknown & inside, known & inside & (pay_date < date)


def _sorted(rows: Rows, axes: Axes) -> Actions:
    # Bars keep their table sorted by date, and the sort is stable: of two splits on one bar the older comes first.
    order = np.lexsort((rows.kind, rows.asset, rows.bar))
    rows = rows.taken(order)
    _in_later_shares(rows, axes)
    pay_order = np.argsort(rows.pay, kind="stable").astype(np.int64)
    columns = (rows.bar, rows.kind, rows.asset, rows.other, rows.value, rows.pay, pay_order)
    return Actions(*(frozen(column) for column in columns))


def _in_later_shares(rows: Rows, axes: Axes) -> None:
    """Bring dividends to the shares after a split that has a later ex-date and falls on the same bar.

    Splits are booked first. A dividend of 1 before a split of 2 for 1 is then 0.5 on twice the shares.
    """
    # An action that fell on the date of its bar can have no split behind it.
    for row in np.flatnonzero((rows.kind == DIVIDEND) & (rows.date < axes.sessions[rows.bar])):
        at = row - 1
        while at >= 0 and rows.bar[at] == rows.bar[row] and rows.asset[at] == rows.asset[row]:
            if rows.kind[at] == SPLIT and rows.date[at] > rows.date[row]:
                rows.value[row] /= rows.value[at]
            at -= 1
