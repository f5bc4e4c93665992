"""Rules about recorded actions: whether the price did on the ex-date what the action says, and the vendor agrees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from quantlab.core import Bars
from quantlab.core._labels import DAY, show
from quantlab.data.checks._findings import Finding, count
from quantlab.data.checks._rules_trail import Trail

_SPLIT = 0.05  # least logarithmic size of a split whose effect can be seen
_SIGMAS = 6.0
_UNPAID = 4.0  # the same for a dividend that nobody saw: with 6, a quarter of planted ones were missed
_OFF = 0.2  # least logarithmic difference between a split and its move that is worth a line
_DIVIDEND = 0.05  # least dividend, as a part of the price, whose effect can be seen
_SPINOFF = 0.15  # dividends of this part of the price are no ordinary ones (99.5 % of 27,729 are below 4 %)
# The vendor's rule reproduces 2,402,381 of 2,402,387 steps of us_equity_av_raw to 1e-4.
_STEP = 1e-4
_LEAVING = ("delisting", "conversion")
_FEW, _MOST = 10, 0.02  # odd steps of a symbol, and part of its bars; with more of both one line says it


def effects(trail: Trail) -> Iterator[Finding]:
    """Splits and dividends whose price did not do what they say."""
    recorded = trail.effects
    known = ~trail.first[recorded.at]
    at, split, dividend = recorded.at[known], recorded.split[known], recorded.dividend[known]
    if at.size == 0:
        return
    before, close = trail.close[at - 1], trail.close[at]
    sigma = np.nan_to_num(trail.sigma(at))
    market = trail.market(at)
    raw = np.log(close / before) - market
    rest = trail.move[at] - market
    part = dividend * split / before
    size = np.log(split)
    seen = np.abs(size) >= np.maximum(_SPLIT, 3 * sigma)
    still = seen & (np.abs(raw) <= np.abs(size) / 3) & (dividend == 0) & (np.abs(rest) >= _SIGMAS * sigma)
    other = seen & ~still & (dividend == 0) & (np.abs(rest) >= np.maximum(_OFF, _SIGMAS * sigma))
    beside = (dividend > 0) & (split != 1) & (part >= _DIVIDEND)
    spun = (part >= _SPINOFF) | beside
    paid = (dividend > 0) & (part >= _DIVIDEND)
    expected = np.log1p(-np.minimum(part, 0.95))
    unpaid = paid & (split == 1) & (raw >= expected / 3) & (rest >= _UNPAID * sigma)
    for rule, mask in (
        ("split_no_move", still),
        ("split_mismatch", other),
        ("spinoff_dividend", spun),
        ("dividend_no_move", unpaid),
    ):
        for place in np.flatnonzero(mask).tolist():
            bar = int(at[place])
            booked = " and ".join(
                ([f"split {split[place]:g}"] if split[place] != 1 else [])
                + ([f"dividend {dividend[place]:g}"] if dividend[place] else [])
            )
            share = f" ({part[place]:.0%} of the price)" if dividend[place] else ""
            detail = (
                f"{booked}{share}: close {before[place]:g}, then {close[place]:g}; "
                f"{np.expm1(rest[place] + market[place]):+.1%} after the action"
            )
            yield Finding(rule, trail.symbol(bar), trail.date(bar), None, detail)


def without_bar(bars: Bars, actions: pl.DataFrame) -> Iterator[Finding]:
    """Actions on days on which their symbol has no close, although it has earlier and later ones."""
    column = {symbol: place for place, symbol in enumerate(bars.symbols)}
    known = actions.filter(pl.col("symbol").is_in(list(bars.symbols)) & ~pl.col("kind").is_in(_LEAVING))
    if known.height == 0:
        return
    days = bars.dates.astype(DAY)
    dates = known["date"].to_numpy().astype(DAY)
    places = np.array([column[symbol] for symbol in known["symbol"].to_list()])
    present = ~np.isnan(bars.close.values)
    first, last = present.argmax(axis=0), days.size - 1 - present[::-1].argmax(axis=0)
    low, high = np.searchsorted(days, dates, side="left"), np.searchsorted(days, dates, side="right")
    inside = present.any(axis=0)[places] & (dates > days[first[places]]) & (dates < days[last[places]])
    for row in np.flatnonzero(inside).tolist():
        if not present[low[row] : high[row], places[row]].any():
            detail = f"{known['kind'][row]} {known['value'][row]:g} on {show(dates[row])}, which has no bar"
            yield Finding("action_no_bar", known["symbol"][row], dates[row], None, detail)


def leavings(bars: Bars, actions: pl.DataFrame) -> Iterator[Finding]:
    """Symbols that trade on after a delisting or conversion, and conversions into what has no price then."""
    column = {symbol: place for place, symbol in enumerate(bars.symbols)}
    for row in actions.filter(pl.col("kind").is_in(_LEAVING)).iter_rows(named=True):
        if row["symbol"] not in column:
            continue
        day, own = np.datetime64(row["date"], "D"), _closes(bars, column[row["symbol"]])
        at = _row(bars, day)
        converts = row["kind"] == "conversion"
        if (later := own[own >= at]).size:
            what = f"turned into {row['into']}" if converts else "was delisted"
            detail = f"{what} on {show(day)}; {count(later.size, 'close')} from then on"
            yield Finding("trades_on", row["symbol"], bars.dates[later[0]], bars.dates[later[-1]], detail)
        if converts and (why := _without_price(bars, column.get(row["into"]), at)):
            yield Finding("conversion_lost", row["symbol"], day, None, f"into {row['into']}, which {why}")


def _without_price(bars: Bars, column: int | None, row: int) -> str:
    """Why the column of a conversion cannot be priced from a row on; nothing where it can."""
    if column is None:
        return "is none of the symbols"
    closes = _closes(bars, column)
    if closes.size == 0:
        return "has no close"
    return "" if closes[-1] >= row else f"has its last close on {show(bars.dates[closes[-1]])}"


def last_leaving(bars: Bars, actions: pl.DataFrame) -> np.ndarray:
    """The row of each symbol's last delisting or conversion, (N,) int; -1 without any."""
    column = {symbol: place for place, symbol in enumerate(bars.symbols)}
    gone = np.full(bars.shape[1], -1)
    rows = actions.filter(pl.col("symbol").is_in(list(column)), pl.col("kind").is_in(_LEAVING))
    for symbol, day in rows.select("symbol", "date").iter_rows():
        gone[column[symbol]] = max(gone[column[symbol]], _row(bars, np.datetime64(day, "D")))
    return gone


def _row(bars: Bars, day: np.datetime64) -> int:
    """The first row on or after a day."""
    return int(np.searchsorted(bars.dates.astype(DAY), day))


def _closes(bars: Bars, column: int) -> np.ndarray:
    """The rows with a close."""
    return np.flatnonzero(~np.isnan(bars.close.values[:, column]))


def adjusted_steps(trail: Trail, adjusted: np.ndarray) -> Iterator[Finding]:
    """Steps of the vendor's adjusted close that neither convention explains with the recorded actions.

    ``adjusted`` has one value per bar of the trail.
    """
    if trail.size < 2:
        return
    step = np.full(trail.size, np.nan)
    step[1:] = np.log(adjusted[1:] / adjusted[:-1])
    step[trail.first] = np.nan
    odd = np.abs(step - trail.move)
    # The other convention divides the dividend by the price before it.
    at, recorded = trail.effects.at, trail.effects
    known = ~trail.first[at]
    bar, before = at[known], trail.close[at[known] - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        other = np.log(trail.close[bar] * recorded.split[known] / before) - np.log1p(
            -recorded.dividend[known] * recorded.split[known] / before
        )
        odd[bar] = np.fmin(odd[bar], np.abs(step[bar] - other))
    # Adjusted closes carry six decimals, which is much for a price of a cent.
    odd = np.where(odd > _STEP + 2e-6 / np.fmin(adjusted, np.roll(adjusted, 1)), odd, 0)
    bad = np.flatnonzero(odd > 0)
    columns, number = np.unique(trail.column[bad], return_counts=True)
    bars = np.unique(trail.column, return_counts=True)[1][np.searchsorted(np.unique(trail.column), columns)]
    many = columns[number > np.maximum(_FEW, _MOST * bars)]
    for column in many.tolist():
        held = bad[trail.column[bad] == column]
        first, last = int(held[0]), int(held[-1])
        detail = f"{count(held.size, 'step')} that no action explains: adjusted another way, or for other actions"
        yield Finding("adjusted_step", trail.symbol(first), trail.date(first), trail.date(last), detail)
    for index in bad[~np.isin(trail.column[bad], many)].tolist():
        detail = (
            f"adjusted close {adjusted[index - 1]:g}, then {adjusted[index]:g}: a factor of "
            f"{np.exp(trail.move[index] - step[index]):.6g} beyond close {trail.close[index - 1]:g}, then "
            f"{trail.close[index]:g} and the actions"
        )
        yield Finding("adjusted_step", trail.symbol(index), trail.date(index), None, detail)
