"""From Inputs to Run: the bars in their order, until the last, a ruin or a stop."""

from __future__ import annotations

from quantlab.backtest._reference._day import day
from quantlab.backtest._reference._records import Ledger
from quantlab.backtest._reference._state import Market, Position, State
from quantlab.backtest._run import Inputs, Run
from quantlab.execution import _kernel_types as kt

__all__ = ["run"]


def run(inputs: Inputs, *, keep: bool = True) -> Run:
    """Return what the book did, bar by bar, by the order of events of docs/engine.md.

    Parameters
    ----------
    inputs : Inputs
    keep : bool
        Whether the run keeps every order, fill and event; without, ``records`` is None.

    Returns
    -------
    Run
        Equal to the compiled engine's: the same orders and fills, and money up to rounding.

    Notes
    -----
    A run that stops (buying power "strict") has a tape up to the bar before; nothing of the bar itself is promised.

    Examples
    --------
    >>> import inspect
    >>> list(inspect.signature(run).parameters)
    ['inputs', 'keep']
    """
    market = Market(inputs)
    currencies = inputs.world.fx.shape[1]
    state = State(
        market=market,
        terms=inputs.terms,
        ledger=Ledger(market.bars, market.assets),
        cash=[float(inputs.cash)] + [0.0] * (currencies - 1),
        receivable=[0.0] * currencies,
        positions=[Position() for _ in range(market.assets)],
    )
    decisions = dict(zip(inputs.rows.tolist(), inputs.values.tolist(), strict=True))
    for t in range(market.bars):
        state.t = t
        if state.ruined < 0 and state.stopped < 0:
            day(state, decisions.get(t), inputs.tickets)
            state.ledger.end_bar(t)
        elif state.ruined >= 0:
            # After ruin nothing happens any more: what is left stays what it is.
            state.ledger.tape[t, [kt.EQUITY, kt.CASH]] = state.ledger.tape[t - 1, [kt.EQUITY, kt.CASH]]
        _count_debit(state)
        state.ledger.units.append([float(units) for units in state.units()])
        state.ledger.marks.append(state.marks())
    return Run(
        tape=state.ledger.tape,
        counts=state.ledger.counts,
        firsts=state.ledger.firsts,
        ruined=state.ruined,
        stopped=state.stopped,
        records=state.ledger.records() if keep else None,
    )


def _count_debit(state: State) -> None:
    """Count a bar at whose close cash less short proceeds is below zero."""
    tape = state.ledger.tape[state.t]
    if state.ruined < 0 and tape[kt.CASH] - tape[kt.SHORT] < 0.0:
        state.ledger.count(kt.COUNT_DEBIT, state.t)
