"""``simulate``: target weights to a Result. Checks stand in ``_prepare``, the book-keeping in ``_engine_kernels``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quantlab.backtest import _engine_kernels as kernels
from quantlab.backtest import _reference
from quantlab.backtest._prepare import prepare
from quantlab.backtest._result import Result
from quantlab.backtest._run import Inputs, Orders, Run
from quantlab.core import Bars, DataError, PanelLike
from quantlab.execution import Account, Costs


def simulate(
    weights: PanelLike,
    bars: Bars,
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str = "next_open",
    unlisted: str = "raise",
    strict: bool = False,
) -> Result:
    """Return the Result of holding target weights: orders, costs, cash, positions and equity at every bar.

    A decision at the close of bar t is sized from the equity and the closes of bar t, with the trades' own costs
    inside, and filled at the open or the close of bar t + 1. Between decisions the book drifts. The full order of
    events stands in :func:`quantlab.backtest.reference`.

    Parameters
    ----------
    weights : PanelLike (R, N), signed fraction of equity
        Decision rows only: dates among the bars' dates, symbols equal to the bars'. A row that is NaN throughout
        takes no decision.
    bars : Bars (T, N)
    costs : Costs, optional
        Free trading when left out.
    account : Account, optional
        1,000,000 in cash and whole shares when left out.
    fill : "next_open" | "next_close"
        Where on the bar after the decision orders are filled.
    unlisted : "raise" | "cash"
        What to do with a weight on a symbol before its first price: refuse it, or leave it in cash with a diagnostics
        row.
    strict : bool
        Raise instead of returning a result whose diagnostics hold a warning or an error.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        For a weight that is NaN on a decision row, infinite, or before the symbol's first price; with ``strict``, for
        the first diagnostics row.
    LabelError
        When weights and bars differ in symbols or a decision falls on no bar.
    InputError
        For an unknown policy, or ``fill="next_open"`` on bars without opens.

    Notes
    -----
    A missing close keeps the last mark; a missing fill price drops the order; both are listed in
    ``result.diagnostics``. This version has no margin, dividends, splits or delisting returns: use prices that are
    adjusted for them.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> bars = as_bars(Panel([[10.0], [10.0], [11.0]], days, ["A"]))
    >>> weights = Panel([[1.0]], days[:1], ["A"])
    >>> simulate(weights, bars, account=Account(cash=1000), fill="next_close").equity.values.ravel()
    array([1000., 1000., 1100.])
    """
    return _run(kernel_run, weights, bars, costs, account, fill, unlisted, strict)


def reference(
    weights: PanelLike,
    bars: Bars,
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str = "next_open",
    unlisted: str = "raise",
    strict: bool = False,
) -> Result:
    """Return what :func:`simulate` returns, computed by the plain-Python engine: slow, short, and the judge of the
    fast one.

    The order of events at bar t:

    1. Financing: shorts held over night pay the borrow fee on their previous mark for the calendar days since the
       last bar.
    2. Fills: orders decided at t - 1, at the open or close of t, worse by the slippage, plus commission.
    3. Mark at the close; a missing close keeps the last mark. Equity of zero or less is ruin: everything is closed at
       the mark, and the book stops.
    4. Decision: target weights become share deltas, all sized from one equity, costs inside.

    Parameters, returns and errors are those of :func:`simulate`.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03"]
    >>> bars = as_bars(Panel([[10.0], [10.0]], days, ["A"]))
    >>> reference(Panel([[1.0]], days[:1], ["A"]), bars, fill="next_close").positions.values[-1]
    array([100000.])
    """
    return _run(_reference.run, weights, bars, costs, account, fill, unlisted, strict)


def kernel_run(inputs: Inputs) -> Run:
    """Return the run of the compiled engine."""
    T, N = inputs.close.shape
    capacity = (inputs.rows.size + 1) * N
    bars_out = np.empty((5, T))
    # Sized for every order that could be; memory that no order touches is never committed by the operating system.
    labels = np.empty((capacity, 4), dtype=np.int64)
    amounts = np.empty((capacity, 6))
    params = np.array(
        [
            inputs.slippage,
            inputs.per_share,
            inputs.rate,
            inputs.minimum,
            inputs.maximum_fraction,
            inputs.maximum_cash,
            inputs.borrow,
            inputs.lot,
            inputs.cash,
        ]
    )
    count, ruined = kernels.run(
        inputs.close, inputs.fill_price, inputs.days, inputs.rows, inputs.weights, params, bars_out, labels, amounts
    )
    whole, money = labels[:count].T.copy(), amounts[:count].T.copy()
    shares, decision_price, reference_price, price, commission, slippage = money
    orders = Orders(
        whole[0], whole[1], whole[2], shares, decision_price, reference_price, price, commission, slippage, whole[3]
    )
    equity, cash, borrow, commission, slippage = bars_out
    return Run(equity, cash, borrow, commission, slippage, int(ruined), orders)


def _run(
    engine: Callable[[Inputs], Run],
    weights: PanelLike,
    bars: Bars,
    costs: Costs | None,
    account: Account | None,
    fill: str,
    unlisted: str,
    strict: bool,
) -> Result:
    costs = Costs() if costs is None else costs
    account = Account() if account is None else account
    prepared = prepare(weights, bars, costs, account, fill, unlisted)
    result = Result(prepared, engine(prepared.inputs), bars, costs, account, fill, unlisted)
    if strict:
        for finding in result._findings:
            if finding.severity != "info":
                where = f"{finding.symbol} {finding.date}".strip()
                raise DataError(
                    f"strict: {finding.rule} at {where} ({finding.count} times): {finding.detail}.",
                    hint="pass `strict=False` to get the result with this row in its diagnostics.",
                )
    return result
