"""Nothing is hidden: what a run skipped, replaced or could not fill, as rows of one table.

What the data and the policies are known to lack before a run:

====================== ======== =========================================================================
rule                   severity meaning
====================== ======== =========================================================================
unknown_adjustment     info     nobody said how the prices are adjusted
adjusted_shares        info     per-share commission or whole lots on adjusted prices: not the shares of the day
empty_decision         info     weight rows that are NaN throughout: no decision was taken
rounded_order          info     an order for no whole number of lots, rounded toward zero
assumed_delisting      info     prices that end without an action: the position is closed at the policy's value
unknown_pay_date       info     dividends without a pay date: paid on the ex-date
vwap_estimated         info     the bars' average price is estimated from high, low and close
pay_date_before_ex     warning  dividends that would be paid before their ex-date: paid on it
inconsistent_bar       warning  bars whose open, high, low and close contradict one another: limits and stops use them
unknown_symbol         info     actions, borrow data, currencies or factors of symbols that the bars do not have
unknown_symbol         warning  the same, and a symbol of the bars differs by case alone
unlisted               warning  weights before a symbol's first price, left in cash (``unlisted="cash"``)
prices_after_delisting warning  prices of a symbol after its delisting: they are not used
borrow_not_charged     warning  the bars say what borrowed shares cost, and the costs have no borrow
same_close_fill        warning  fills at the close of the decision, which looks ahead (``fill="same_close"``)
====================== ======== =========================================================================

What happened in a run, counted by the engine:

================= ======== =========================================================================
rule              severity meaning
================= ======== =========================================================================
skipped           warning  no price on the decision bar: no order was sized, the position stayed
missing_price     warning  an order that met no price on the bar of its fill and was dropped
unaffordable      warning  a decision whose costs exceed the equity at every size: no order was sent
below_one_lot     warning  weights or orders that are worth less than one lot: not held, or not sent
margin_scaled     warning  decisions that were scaled to the buying power
margin_rejected   warning  opening orders that the buying power did not reach
margin_call       warning  the book was below its requirement: the position was cut at the next fill
unborrowable      warning  shorts that were cut to the shares that could be borrowed
buy_in            warning  a short that could no longer be borrowed was bought in
volume_cap        warning  fills cut to the share of the bar's volume that may be traded
ambiguous_exit    warning  bars that touched stop and target: the stop was taken
stale_mark        warning  bars on which a held position was valued at an older close
no_borrow_rate    error    nights of a short without a borrow rate: nothing was charged
ruin              error    equity at zero or less: everything was closed, nothing was traded any more
prices_end        warning  prices ended while a symbol was held, and no delisting is known
delisted          info     positions or orders of a symbol that was delisted or converted away
no_next_bar       info     orders decided on the last bar, which nothing can fill
cancelled         info     orders that were cancelled; their reasons stand in ``Result.orders``
expired           info     orders whose time in force ended
debit             info     bars with cash, less short proceeds, below zero, when no interest is charged for that loan
no_borrow_charged info     bars with shorts for which no borrow fee is known: none was charged
================= ======== =========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quantlab.backtest._run import Inputs, Run
from quantlab.core._labels import show
from quantlab.core._lazy import lazy
from quantlab.execution import _kernel_types as k

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the diagnostics: rule, severity, first date, symbol ("" for the book), how often, and what it
    means.
    """

    rule: str
    severity: str
    date: str
    symbol: str
    count: int
    detail: str


_COUNTED = (
    (k.COUNT_SKIPPED, "skipped", "warning", "no price on the decision bar: no order, the position stayed as it was"),
    (k.COUNT_MISSING_PRICE, "missing_price", "warning", "no price on the bar of the fill: the order was dropped"),
    (k.COUNT_UNAFFORDABLE, "unaffordable", "warning", "costs exceed the equity at every size: no order was sent"),
    (k.COUNT_BELOW_ONE_LOT, "below_one_lot", "warning", "worth less than one lot: not held, or not sent"),
    (k.COUNT_MARGIN_SCALED, "margin_scaled", "warning", "the decision was scaled to the buying power"),
    (k.COUNT_MARGIN_REJECTED, "margin_rejected", "warning", "the buying power did not reach: nothing was opened"),
    (k.COUNT_MARGIN_CALL, "margin_call", "warning", "below the requirement: positions were cut at the next fill"),
    (k.COUNT_UNBORROWABLE, "unborrowable", "warning", "fewer shares can be borrowed: the short was cut to them"),
    (k.COUNT_BUY_IN, "buy_in", "warning", "the shares can no longer be borrowed: the short was bought in"),
    (k.COUNT_CAPPED, "volume_cap", "warning", "the fill was cut to its share of the bar's volume"),
    (k.COUNT_AMBIGUOUS, "ambiguous_exit", "warning", "the bar touched stop and target: the stop was taken"),
    (k.COUNT_STALE_MARK, "stale_mark", "warning", "a held position was valued at its last close"),
    (k.COUNT_NO_BORROW_RATE, "no_borrow_rate", "error", "a short without a borrow rate: nothing was charged"),
    (k.COUNT_DELISTED, "delisted", "info", "delisted: the position was closed, waiting orders were dropped"),
    (k.COUNT_NO_NEXT_BAR, "no_next_bar", "info", "decided on the last bar: nothing can fill it"),
    (k.COUNT_CANCELLED, "cancelled", "info", "cancelled: the reasons stand in the orders"),
    (k.COUNT_EXPIRED, "expired", "info", "the time in force ended before it was filled"),
)


def diagnose(inputs: Inputs, run: Run, dates: np.ndarray, symbols: tuple[str, ...]) -> list[Finding]:
    """Return the findings of a finished run, from its counts and its tape alone.

    Parameters
    ----------
    inputs, run : the run, columns in canonical order
    dates : (T,) datetime64
    symbols : N names in canonical order
    """
    names = (*symbols, "")
    found: list[Finding] = []
    for row, rule, severity, detail in _COUNTED:
        counts, firsts = run.counts[row], run.firsts[row]
        found += [
            Finding(rule, severity, show(dates[firsts[i]]), names[i], int(counts[i]), detail)
            for i in np.flatnonzero(counts)
        ]
    if run.counts[k.COUNT_MARGIN_SCALED, -1] > 0:
        found = [one if one.rule != "margin_scaled" else replace(one, detail=_asked(inputs, run)) for one in found]
    return [*found, *_debit(inputs, run, dates), *_free_shorts(inputs, run, dates), *_ruin(run, dates)]


def _asked(inputs: Inputs, run: Run) -> str:
    """Return the detail of scaled decisions: what the first of them asked for."""
    detail = "the decision was scaled to the buying power"
    if inputs.terms.mode != k.WEIGHTS or inputs.rows.size == 0:
        return f"{detail}: asked and filled shares stand in the orders"
    row = int(np.searchsorted(inputs.rows, run.firsts[k.COUNT_MARGIN_SCALED, -1], side="right")) - 1
    weights = inputs.values[row]
    long, short = weights[weights > 0].sum(), -weights[weights < 0].sum()
    return f"{detail}: the first asks for {long:,.1%} long and {short:,.1%} short"


def _debit(inputs: Inputs, run: Run, dates: np.ndarray) -> list[Finding]:
    count = int(run.counts[k.COUNT_DEBIT, -1])
    if count == 0 or inputs.world.interest[:, :, 0, :].any():
        return []
    tape = run.tape if run.ruined < 0 else run.tape[: run.ruined]
    free = tape[:, k.CASH] - tape[:, k.SHORT]
    low = int(np.argmin(free))
    amount = f", lowest {free[low]:,.2f} ({free[low] / tape[low, k.EQUITY]:.2%} of equity) on {show(dates[low])}"
    # A book that owed money on the bar of its ruin alone has no such number.
    detail = f"cash less short proceeds below zero{amount if free[low] < 0 else ''}; no interest is charged"
    return [Finding("debit", "info", show(dates[run.firsts[k.COUNT_DEBIT, -1]]), "", count, detail)]


def _free_shorts(inputs: Inputs, run: Run, dates: np.ndarray) -> list[Finding]:
    bars = np.flatnonzero(run.tape[:, k.SHORT] > 0.0)
    if bars.size == 0 or (inputs.world.rate != 0.0).any():
        return []
    detail = "shares were short and no borrow rate is given: no fee was charged"
    return [Finding("no_borrow_charged", "info", show(dates[bars[0]]), "", bars.size, detail)]


def _ruin(run: Run, dates: np.ndarray) -> list[Finding]:
    if run.ruined < 0:
        return []
    detail = f"equity {run.tape[run.ruined, k.EQUITY]:,.2f}: every position was closed, the book stopped"
    return [Finding("ruin", "error", show(dates[run.ruined]), "", 1, detail)]


def frame_of(findings: list[Finding]) -> pl.DataFrame:
    """Return findings as the diagnostics frame of a result."""
    schema = {
        "rule": pl.String,
        "severity": pl.String,
        "date": pl.String,
        "symbol": pl.String,
        "count": pl.Int64,
        "detail": pl.String,
    }
    return pl.DataFrame(
        [(f.rule, f.severity, f.date, f.symbol, f.count, f.detail) for f in findings], schema=schema, orient="row"
    )
