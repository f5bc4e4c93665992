"""From what a user passes to the plain arrays of a run: every check on weights and bars stands here, before anything
is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._run import Inputs
from quantlab.core import Bars, DataError, InputError, KindError, LabelError, Panel, PanelLike, as_panel
from quantlab.core._labels import difference, show
from quantlab.execution import Account, Costs, PerShare

FILLS = ("next_open", "next_close")
UNLISTED = ("raise", "cash")

# Beyond it the money of the account is lost in the rounding of the positions, and further on it overflows.
_LARGEST_WEIGHT = 1e6


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked run: the inputs of the engine, and how its columns stand to the caller's.

    Parameters
    ----------
    inputs : Inputs, columns in canonical order
    order : (N,) int64, caller's column of each canonical column
    decisions : Panel (R, N), the decision rows that were used, in the caller's column order
    findings : tuple of Finding, what had to be replaced or left out on the way in
    """

    inputs: Inputs
    order: np.ndarray
    decisions: Panel
    findings: tuple[Finding, ...]


def prepare(weights: PanelLike, bars: Bars, costs: Costs, account: Account, fill: str, unlisted: str) -> Prepared:
    """Return the checked run; raises before anything is computed, naming the first offender."""
    _check_kinds(bars, costs, account)
    if fill not in FILLS:
        raise InputError(
            f'`fill` must be "next_open" or "next_close", received {fill!r}.',
            hint="a fill at the decision's own close would look ahead.",
        )
    if unlisted not in UNLISTED:
        raise InputError(f'`unlisted` must be "raise" or "cash", received {unlisted!r}.')
    prices = bars.demand("open" if fill == "next_open" else "close")
    target = _decisions(as_panel(weights, name="weights"), bars)
    empty = np.isnan(target.values).all(axis=1)
    findings = [*_undeclared(bars), *_unbooked_actions(bars), *_adjusted_shares(bars, costs, account)]
    if empty.any():
        first = show(target.dates[empty][0])
        detail = "rows without any weight take no decision: the book drifts on"
        findings.append(Finding("empty_decision", "info", first, "", int(empty.sum()), detail))
        target = Panel._trusted(target.values[~empty], target.dates[~empty], target.symbols, target.frequency)
    _check_finite(target)
    rows = np.searchsorted(bars.dates, target.dates).astype(np.int64)
    target, replaced = _listed(target, rows, bars, unlisted)
    findings += replaced
    order = np.argsort(np.array(bars.symbols), kind="stable")
    sorted_already = bool((order == np.arange(order.size)).all())
    pick = (lambda m: m) if sorted_already else (lambda m: np.ascontiguousarray(m[:, order]))
    days = np.diff(bars.dates.astype("datetime64[D]"), prepend=bars.dates[:1].astype("datetime64[D]")).astype(np.int64)
    close = pick(bars.close.values)
    inputs = Inputs(
        close,
        close if prices is bars.close else pick(prices.values),
        days,
        rows,
        pick(target.values),
        costs.slippage.fraction,
        *costs.parameters(),
        0.0 if costs.borrow is None else costs.borrow.rate,
        0.0 if account.lot is None else account.lot,
        account.cash,
    )
    return Prepared(inputs, order, target, tuple(findings))


def _check_kinds(bars: Any, costs: Any, account: Any) -> None:
    if not isinstance(bars, Bars):
        raise KindError(
            f"`bars` must be Bars, received {type(bars).__name__}.", hint="make them from closes: `ql.as_bars(close)`."
        )
    if not isinstance(costs, Costs):
        raise KindError(
            f"`costs` must be Costs, received {type(costs).__name__}.", hint="write `ql.Costs(slippage=ql.Bps(5))`."
        )
    if not isinstance(account, Account):
        raise KindError(
            f"`account` must be an Account, received {type(account).__name__}.",
            hint="write `ql.Account(cash=1_000_000)`.",
        )


def _undeclared(bars: Bars) -> list[Finding]:
    if bars.adjusted != "unknown":
        return []
    detail = "nobody said how these prices are adjusted: a split in them is booked as a loss, a dividend is lost"
    return [Finding("unknown_adjustment", "info", show(bars.dates[0]), "", 1, detail)]


def _unbooked_actions(bars: Bars) -> list[Finding]:
    """Refuse prices with splits in them, and say which other actions this engine does not book."""
    if bars.actions is None or bars.actions.height == 0:
        return []
    found = []
    for kinds, rule, what in (
        (("split", "spinoff"), "", "splits and spin-offs"),
        (("dividend", "special_dividend"), "unpaid_dividends", "dividends that nobody is paid: returns lack them"),
        (("delisting",), "unbooked_delistings", "delisting returns that are not booked"),
    ):
        rows = bars.actions.filter(bars.actions["kind"].is_in(kinds))
        if rows.height == 0:
            continue
        top = rows.row(0, named=True)
        if not rule:
            more = f" and {rows.height - 1} more" if rows.height > 1 else ""
            raise DataError(
                f"The prices of {bars.name} are not adjusted for the {top['kind']} of {top['symbol']} "
                f"{top['date']}{more}, and this engine does not book {what}.",
                hint='load them adjusted: `store.bars(name, adjust="total_return")`.',
            )
        found.append(Finding(rule, "warning", str(top["date"]), top["symbol"], rows.height, what))
    return found


def _adjusted_shares(bars: Bars, costs: Costs, account: Account) -> list[Finding]:
    """Say that shares at adjusted prices are not those of the day: 0.35 instead of 35 makes a hundred times as many."""
    what = [
        *(["a per-share commission"] if isinstance(costs.commission, PerShare) else []),
        *(["whole lots"] if account.lot is not None else []),
    ]
    if bars.adjusted not in ("split", "total_return") or not what:
        return []
    verb = "count" if len(what) == 2 or what[0] == "whole lots" else "counts"
    detail = f"{' and '.join(what)} {verb} shares at adjusted prices ({bars.adjusted}), not those of the day"
    return [Finding("adjusted_shares", "info", show(bars.dates[0]), "", 1, detail)]


def _decisions(weights: Panel, bars: Bars) -> Panel:
    if weights.values.dtype == bool:
        raise KindError("`weights` must be numbers, received a bool Panel.", hint="multiply by the weight per name.")
    if weights.symbols != bars.symbols:
        raise LabelError(
            f"`weights` and `bars` differ in symbols: {difference(weights.symbols, bars.symbols)}.",
            hint="bring the weights onto the bars' symbols: `weights.select(bars.symbols)`.",
        )
    if len(weights) == 0:
        raise InputError(
            "`weights` has no rows: there is no decision to run.",
            hint="check that the first decision is not later than the last bar.",
        )
    place = np.searchsorted(bars.dates, weights.dates)
    if weights.dates.dtype != bars.dates.dtype:
        raise LabelError(f"`weights` have dates of {weights.dates.dtype} and `bars` of {bars.dates.dtype}.")
    known = bars.dates[np.minimum(place, bars.dates.size - 1)] == weights.dates
    if not known.all():
        missing = weights.dates[~known]
        more = f" and {missing.size - 1} more" if missing.size > 1 else ""
        raise LabelError(
            f"`weights` decide on {show(missing[0])}{more}, which is no date of {bars.name}.",
            hint="decide on dates that have a bar.",
        )
    return weights


def _check_finite(target: Panel) -> None:
    bad = ~(np.abs(target.values) <= _LARGEST_WEIGHT)
    if bad.any():
        rows, columns = np.nonzero(bad)
        more = f" and {rows.size - 1} more" if rows.size > 1 else ""
        value = target.values[rows[0], columns[0]]
        kind = "missing (NaN)" if np.isnan(value) else f"{value}"
        raise DataError(
            f"The weight of {target.symbols[columns[0]]} on {show(target.dates[rows[0]])}{more} is {kind}.",
            hint="a weight is a fraction of equity: 0 means none, and a row that is NaN throughout no decision.",
        )


def _listed(target: Panel, rows: np.ndarray, bars: Bars, policy: str) -> tuple[Panel, list[Finding]]:
    """Refuse weights on symbols that have had no price yet, or set them to zero and say so."""
    priced = ~np.isnan(bars.close.values)
    first = np.where(priced.any(axis=0), priced.argmax(axis=0), bars.close.shape[0])
    early = (target.values != 0) & (rows[:, None] < first[None, :])
    if not early.any():
        return target, []
    at, columns = np.nonzero(early)
    if policy == "raise":
        more = f" and {at.size - 1} more" if at.size > 1 else ""
        raise DataError(
            f"{target.symbols[columns[0]]} has a weight on {show(target.dates[at[0]])}{more}, before its first price.",
            hint='mask the score with `bars.member`, or pass `unlisted="cash"` to leave that weight in cash.',
        )
    findings = []
    for column in sorted(np.unique(columns), key=lambda column: target.symbols[column]):
        dates = target.dates[at[columns == column]]
        detail = "no price yet: the weight stays in cash"
        findings.append(Finding("unlisted", "warning", show(dates[0]), target.symbols[column], dates.size, detail))
    values = np.where(early, 0.0, target.values)
    return Panel._trusted(values, target.dates, target.symbols, target.frequency), findings
