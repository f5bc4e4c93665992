"""What can only be said after a run: that it had to stop, that a holding outlived its prices, that a strict run has
findings.
"""

from __future__ import annotations

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._prepare import Prepared
from quantlab.backtest._prepare_actions import priced
from quantlab.backtest._run import Run
from quantlab.core import Bars, DataError, InputError
from quantlab.core._labels import show
from quantlab.execution._kernel_types import (
    COUNT_NO_BORROW_RATE,
    COUNT_STALE_MARK,
    EQUITY,
    SHARES,
    TARGET_SHARES,
    TARGET_VALUE,
    VALUE,
    WEIGHTS,
)


def demand_finished(prepared: Prepared, run: Run, bars: Bars) -> None:
    """Raise when a short had no borrow rate, or a decision met the limit of a strict account.

    Raises
    ------
    DataError
        Naming the first symbol and date that lacked a rate.
    InputError
        Naming the date of the decision, and what it asked for.
    """
    lacking = run.counts[COUNT_NO_BORROW_RATE, :-1]
    if lacking.any():
        first = np.where(lacking > 0, run.firsts[COUNT_NO_BORROW_RATE, :-1], run.tape.shape[0])
        i = int(first.argmin())
        symbol = bars.symbols[prepared.order[i]]
        raise DataError(
            f"{symbol} was short on {show(bars.dates[max(first[i] - 1, 0)])}, and no borrow rate is known for that "
            "night.",
            hint="give a rate for what the table lacks: `ql.Borrow(0.01)`.",
        )
    if run.stopped >= 0:
        date, asked = _decided(prepared, run, bars)
        raise InputError(
            f"The decision of {show(date)} needs more than the buying power{asked}, the equity is "
            f"{run.tape[run.stopped, EQUITY]:,.2f}, and the account is strict.",
            hint='ask for less, or let the account decide: `ql.Account(buying_power="scale")`.',
        )


def _decided(prepared: Prepared, run: Run, bars: Bars) -> tuple[np.datetime64, str]:
    """The date of the decision that stopped a run, and what its weights or orders asked for."""
    inputs = prepared.inputs
    if inputs.terms.mode != WEIGHTS:
        return bars.dates[run.stopped], _ordered(prepared, run.stopped, bars)
    # Weights that are sized at their fill were decided on a bar before.
    later = inputs.terms.size_at_fill == 1
    turn = int(np.searchsorted(inputs.rows, run.stopped, side="left" if later else "right")) - 1
    again = inputs.terms.every_bar == 1 and not later and inputs.rows[turn] != run.stopped
    row = inputs.values[turn]
    long, short = row[row > 0].sum(), -row[row < 0].sum()
    sides = " and ".join(f"{part:.1%} {side}" for part, side in ((long, "long"), (short, "short")) if part > 0)
    return bars.dates[run.stopped] if again else prepared.decisions.dates[turn], f": it asks for {sides}"


def _ordered(prepared: Prepared, t: int, bars: Bars) -> str:
    """What the orders of bar t asked for: the first three, in the caller's order of symbols, and what all are worth."""
    inputs = prepared.inputs
    terms, tickets = inputs.terms, inputs.tickets
    at = np.flatnonzero(tickets.placed == t)
    if at.size:
        asset, amount = tickets.asset[at], tickets.units[at] * terms.unit
        mode = SHARES
    else:
        row = inputs.values[int(np.searchsorted(inputs.rows, t, side="right")) - 1]
        given = ~np.isnan(row) if terms.mode in (TARGET_SHARES, TARGET_VALUE) else ~np.isnan(row) & (row != 0.0)
        asset = np.flatnonzero(given)
        asset = asset[np.argsort(prepared.order[asset])]
        amount, mode = row[asset], terms.mode
    names = [bars.symbols[prepared.order[i]] for i in asset]
    money, target = mode in (VALUE, TARGET_VALUE), mode in (TARGET_SHARES, TARGET_VALUE)
    first = [
        f"{number:,.2f} of {name}" if money else f"{number:,.10g} {name}"
        for name, number in zip(names[:3], amount[:3].tolist(), strict=True)
    ]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    kind = "targets of " if target else ""
    return f": it asks for {kind}{', '.join(first)}{rest}{_worth(prepared, asset, amount, money, t)}"


def _worth(prepared: Prepared, asset: np.ndarray, amount: np.ndarray, money: bool, t: int) -> str:
    """What orders are worth together at the closes of bar t, longs and shorts alike; nothing where one has no close."""
    world, currency = prepared.inputs.world, prepared.inputs.terms.currency
    worth = np.abs(amount)
    if not money:
        worth = worth * world.close[t, asset] * world.fx[min(t, world.fx.shape[0] - 1), currency[asset]]
    total = float(worth.sum())
    return f", worth {total:,.2f}" if np.isfinite(total) else ""


def ended_prices(prepared: Prepared, run: Run, bars: Bars) -> list[Finding]:
    """Return a finding for each asset that was still held when its prices had ended.

    The count of stale marks tells: more of them than there are gaps between its closes lie behind its last close.
    """
    stale = run.counts[COUNT_STALE_MARK, :-1]
    close = prepared.inputs.world.close
    T = close.shape[0]
    found = []
    _, last = priced(close)
    for i in np.flatnonzero((stale > 0) & (last < T - 1)):
        begin = int(run.firsts[COUNT_STALE_MARK, i])
        gaps = int(np.isnan(close[begin : last[i] + 1, i]).sum())
        if stale[i] > gaps:
            detail = "prices ended while it was held and no delisting is known: it stays at its last close"
            date = show(bars.dates[last[i] + 1])
            found.append(Finding("prices_end", "warning", date, bars.symbols[prepared.order[i]], 1, detail))
    return found


def demand_nothing_found(findings: list[Finding]) -> None:
    """Raise DataError for the first finding that is more than an information."""
    for finding in findings:
        if finding.severity != "info":
            where = f"{finding.symbol} {finding.date}".strip()
            raise DataError(
                f"strict: {finding.rule} at {where} ({finding.count} times): {finding.detail}.",
                hint="pass `strict=False` to get the result with this row in its diagnostics.",
            )
