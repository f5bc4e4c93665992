"""Nothing is hidden: what a run skipped, replaced or could not fill, as rows of one table.

=================== ======== ==========================================================================
rule                severity meaning
=================== ======== ==========================================================================
unknown_adjustment  info     nobody said how the prices are adjusted
unpaid_dividends    warning  dividends that are not in the prices and that this engine does not book
unbooked_delistings warning  delisting returns that this engine does not book
adjusted_shares     info     per-share commission or whole lots on adjusted prices: not the shares of the day
empty_decision      info     weight rows that are NaN throughout: no decision was taken
no_next_bar         info     orders decided on the last bar, which nothing can fill
below_one_lot       warning  weights that are worth less than one lot and are not held
unlisted            warning  weights before a symbol's first price, left in cash (``unlisted="cash"``)
skipped             warning  no close on the decision bar: no order was sized, the position stayed
missing_price       warning  an order that met no price on the bar of its fill and was dropped
unaffordable        warning  a decision whose costs exceed the equity at every size: no order was sent
stale_mark          warning  bars on which a held position was valued at an older close
debit               info     bars with cash below zero: a loan that this version charges no interest for
ruin                error    equity at zero or less: closed at the mark, nothing was traded any more
=================== ======== ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantlab.backtest._run import Inputs, Run, Status
from quantlab.core._labels import show
from quantlab.core._lazy import lazy

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


_ORDER_RULES = (
    (Status.SKIPPED, "skipped", "warning", "no close on the decision bar: no order, the position stayed as it was"),
    (Status.MISSING_PRICE, "missing_price", "warning", "no price on the bar of the fill: the order was dropped"),
    (Status.UNAFFORDABLE, "unaffordable", "warning", "costs exceed the equity at every size: no order was sent"),
    (Status.NO_NEXT_BAR, "no_next_bar", "info", "decided on the last bar: nothing can fill it"),
)


def diagnose(inputs: Inputs, run: Run, dates: np.ndarray, symbols: tuple[str, ...], units: np.ndarray) -> list[Finding]:
    """Return the findings of a finished run.

    Parameters
    ----------
    inputs, run : the run, columns in canonical order
    dates : (T,) datetime64
    symbols : N names in canonical order
    units : (T, N) positions after each bar
    """
    found = []
    for status, rule, severity, detail in _ORDER_RULES:
        hit = np.flatnonzero(run.orders.status == status)
        # Records come by decision bar, so the first of an asset is its earliest.
        assets, first, counts = np.unique(run.orders.asset[hit], return_index=True, return_counts=True)
        for asset, row, count in zip(assets, hit[first], counts, strict=True):
            date = show(dates[run.orders.decided[row]])
            found.append(Finding(rule, severity, date, symbols[asset], int(count), detail))
    found += _below_one_lot(inputs, run, dates, symbols)
    stale = (units != 0) & np.isnan(inputs.close)
    for asset in np.flatnonzero(stale.any(axis=0)):
        bars = np.flatnonzero(stale[:, asset])
        detail = "a held position was valued at its last close"
        found.append(Finding("stale_mark", "warning", show(dates[bars[0]]), symbols[asset], bars.size, detail))
    alive = slice(None) if run.ruined < 0 else slice(0, run.ruined)
    # A billionth of the equity is rounding, not a loan.
    debit = np.flatnonzero(run.cash[alive] < -1e-9 * run.equity[alive])
    if debit.size:
        low = debit[np.argmin(run.cash[alive][debit])]
        amount = f"{run.cash[low]:,.2f} ({run.cash[low] / run.equity[low]:.2%} of equity) on {show(dates[low])}"
        detail = f"cash below zero, lowest {amount}; no interest is charged"
        found.append(Finding("debit", "info", show(dates[debit[0]]), "", debit.size, detail))
    if run.ruined >= 0:
        detail = f"equity {run.equity[run.ruined]:,.2f}: every position was closed at its mark, the book stopped"
        found.append(Finding("ruin", "error", show(dates[run.ruined]), "", 1, detail))
    return found


def _below_one_lot(inputs: Inputs, run: Run, dates: np.ndarray, symbols: tuple[str, ...]) -> list[Finding]:
    """Weights that were meant to be held and are worth less than one lot."""
    if inputs.lot == 0.0 or inputs.rows.size == 0:
        return []
    alive = inputs.rows if run.ruined < 0 else inputs.rows[inputs.rows < run.ruined]
    value = np.abs(inputs.weights[: alive.size]) * run.equity[alive, None]
    lost = (value > 0) & (value < inputs.lot * inputs.close[alive] * (1 - 1e-9))
    detail = "the weight is worth less than one lot and is not held"
    return [
        Finding(
            "below_one_lot", "warning", show(dates[alive[np.argmax(lost[:, asset])]]), symbols[asset], int(n), detail
        )
        for asset, n in enumerate(lost.sum(axis=0))
        if n
    ]


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
