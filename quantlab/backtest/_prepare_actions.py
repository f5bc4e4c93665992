"""Corporate actions as rows of numbers, and what happens to a holding whose prices end.

An action acts on the first bar whose session is its date or later. What lies before the first bar or after the last
does not act. A dividend without a pay date is paid on the bar of its ex-date; one that is paid after the last bar stays
a claim.

Actions of one bar are booked by date (bars may lie further apart than days), and those of one date by kind: splits,
spin-offs and dividends, then conversions in the order of their chain, then delistings. No name decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

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
    """The columns ``action_*`` and ``pay_order`` of the World, sorted by bar and in the order of their booking."""

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


class Restatement(NamedTuple):
    """What shares and prices of an asset are multiplied by at the open of a bar, by a split or a spin-off."""

    bar: int
    asset: int
    shares: float
    price: float


def restatements(bar: np.ndarray, kind: np.ndarray, asset: np.ndarray, value: np.ndarray) -> list[Restatement]:
    """Return what splits and spin-offs do to shares and prices that were written down before, in the given order."""
    rows = np.flatnonzero(np.isin(kind, (SPLIT, SPINOFF)))
    found = zip(*(column[rows].tolist() for column in (bar, kind, asset, value)), strict=True)
    return [
        Restatement(t, i, number, 1.0 / number) if what == SPLIT else Restatement(t, i, 1.0, 1.0 - number)
        for t, what, i, number in found
    ]


def dead_from(rows: Rows, axes: Axes) -> np.ndarray:
    """Return the bar from which each asset is delisted or converted, (N,) int64, T where it never is."""
    dead = np.full(len(axes.symbols), axes.dates.size, dtype=np.int64)
    gone = np.isin(rows.kind, _LAST)
    np.minimum.at(dead, rows.asset[gone], rows.bar[gone])
    return dead


def actions_of(
    bars: Bars,
    axes: Axes,
    close: np.ndarray,
    policy: str | float,
    since: np.ndarray,
    currencies: Sequence[str] | None = None,
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
    currencies : codes of the N assets, canonical; None when all are of one currency

    Raises
    ------
    DataError
        For a conversion of what may be held into a symbol that the bars do not have, or that is dead by then.
    InputError
        For a conversion into another currency.
    """
    rows, findings = rows_of(bars, axes)
    rows, since = _booked(rows, bars, axes, since, currencies)
    first, last = priced(close)
    T = close.shape[0]
    dead = dead_from(rows, axes)
    for i in np.flatnonzero((since < T) & (dead < T) & (last >= dead)):
        count = int((~np.isnan(close[dead[i] :, i])).sum())
        detail = "closes from the date of its delisting on are not used: nothing is held any more"
        findings.append(
            Finding("prices_after_delisting", "warning", show(axes.dates[dead[i]]), axes.symbols[i], count, detail)
        )
    assumed: set[int] = set()
    if policy != "table":
        value = 0.0 if isinstance(policy, str) else policy
        gone = np.flatnonzero((last < T - 1) & (first < T) & (dead == T))
        assumed, bar = set(gone.tolist()), last[gone] + 1
        none, kind = np.full(gone.size, -1, dtype=np.int64), np.full(gone.size, DELISTING, dtype=np.int64)
        rows = rows.extended(Rows(bar, kind, gone, none, np.full(gone.size, value), bar, axes.sessions[bar]))
        detail = f"prices end and no delisting is known: closed at the last close with a return of {value:g}"
        for i in gone[since[gone] < T]:
            findings.append(
                Finding("assumed_delisting", "info", show(axes.dates[last[i] + 1]), axes.symbols[i], 1, detail)
            )
    rows = in_order(rows)
    _demand_alive(rows, axes, since, assumed)
    return _columns(rows), since, findings


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


def _booked(
    rows: Rows, bars: Bars, axes: Axes, since: np.ndarray, currencies: Sequence[str] | None
) -> tuple[Rows, np.ndarray]:
    """Refuse conversions of what may be held into symbols that the bars do not have or that trade in another currency,
    and leave out those of the rest into nothing.

    Returns the rows, and from when each asset may be held: a conversion hands that on.
    """
    order = _booking_order(rows)
    turns = order[rows.kind[order] == CONVERSION]
    if turns.size == 0:
        return rows, since
    T, since, lost, dead = axes.dates.size, since.copy(), [], dead_from(rows, axes)
    for row in turns:
        i, j = rows.asset[row], rows.other[row]
        if dead[i] < rows.bar[row]:
            # It does nothing.
            lost.append(row)
            continue
        if j < 0 and since[i] < T:
            raise DataError(
                f"The conversion of {axes.symbols[i]} {show(rows.date[row])} is into a symbol that {bars.name} does "
                "not have.",
                hint="load the bars with it, or take the row out of `actions`.",
            )
        if j < 0:
            lost.append(row)
        elif since[i] <= rows.bar[row]:
            if currencies is not None and currencies[i] != currencies[j]:
                raise InputError(
                    f"The conversion of {axes.symbols[i]} {show(rows.date[row])} is into {axes.symbols[j]}, which "
                    f"trades in {currencies[j]}, and {axes.symbols[i]} in {currencies[i]}.",
                    hint="give both one currency in `Currencies(of=)`, or take the row out of `actions`.",
                )
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


def in_order(rows: Rows) -> Rows:
    """Return actions in the order in which they are booked."""
    return rows.taken(_booking_order(rows))


def _booking_order(rows: Rows) -> np.ndarray:
    """The order in which actions are booked, (A,) int64."""
    phase = np.select([rows.kind == DELISTING, rows.kind == CONVERSION], [2, 1], 0)
    # The sort is stable: what else is equal keeps the order of the table.
    return np.lexsort((rows.kind, rows.asset, _links(rows), phase, rows.date, rows.bar))


def _links(rows: Rows) -> np.ndarray:
    """How many conversions of the same date each conversion has to wait for, (A,) int64: A into B before B into C."""
    links = np.zeros(rows.bar.size, dtype=np.int64)
    turns = np.flatnonzero(rows.kind == CONVERSION)
    if turns.size < 2:
        return links
    for day in np.unique(rows.date[turns]):
        chained = turns[rows.date[turns] == day].tolist()
        row_of = {int(rows.asset[row]): row for row in chained}
        # A circle never comes to rest; one that somebody may hold is refused.
        for _ in chained:
            before = links.copy()
            for row in chained:
                after = row_of.get(int(rows.other[row]))
                if after is not None:
                    links[after] = max(links[after], links[row] + 1)
            if (links == before).all():
                break
    return links


def _demand_alive(rows: Rows, axes: Axes, since: np.ndarray, assumed: set[int]) -> None:
    """Refuse conversions of what may be held into symbols that are delisted or converted before: nobody could ever sell
    what came out of them. ``rows`` are sorted; the delistings of ``assumed`` are those of the policy.
    """
    if not (rows.kind == CONVERSION).any():
        return
    end: dict[int, int] = {}
    for row in np.flatnonzero(np.isin(rows.kind, _LAST)).tolist():
        i, j = int(rows.asset[row]), int(rows.other[row])
        if i in end:
            continue
        end[i] = row
        if rows.kind[row] != CONVERSION or j not in end or since[i] > rows.bar[row]:
            continue
        last, name, other = end[j], axes.symbols[i], axes.symbols[j]
        gone = "delisted" if rows.kind[last] == DELISTING else f"turned into {axes.symbols[rows.other[last]]}"
        way_out = "correct the symbol or the date of one of the two rows in `actions`, or take one out."
        if j in assumed:
            gone = "taken for delisted"
            way_out = f'load prices of {other} up to the conversion, or assume nothing: `delisting="table"`.'
        raise DataError(
            f"The conversion of {name} {show(rows.date[row])} is into {other}, which was {gone} "
            f"{show(rows.date[last])}: nobody could sell it.",
            hint=way_out,
        )


def _columns(rows: Rows) -> Actions:
    pay_order = np.argsort(rows.pay, kind="stable").astype(np.int64)
    columns = (rows.bar, rows.kind, rows.asset, rows.other, rows.value, rows.pay, pay_order)
    return Actions(*(frozen(column) for column in columns))
