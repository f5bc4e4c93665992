"""``simulate`` and ``simulate_orders``: decisions to a Result. Check and prepare (``_prepare``), run an engine, wrap.

``reference`` and ``reference_orders`` take the same way through the plain engine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from quantlab.backtest._afterwards import demand_finished, demand_nothing_found, ended_prices
from quantlab.backtest._engine import kernel_run
from quantlab.backtest._prepare import Prepared, prepare_orders, prepare_weights, with_findings
from quantlab.backtest._prepare_terms import Plan, plan_of
from quantlab.backtest._reference import run as reference_run
from quantlab.backtest._result import Result
from quantlab.backtest._run import Inputs, Records, Run
from quantlab.core import Bars, PanelLike
from quantlab.execution import Account, Costs, Exits, Fill
from quantlab.portfolio import Rebalancing

Engine = Callable[..., Run]


def simulate(
    weights: PanelLike,
    bars: Bars,
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    rebalance: Rebalancing | None = None,
    unlisted: str = "raise",
    untradable: str = "keep",
    delisting: str | float = "table",
    strict: bool = False,
) -> Result:
    """Return the Result of holding target weights: orders, costs, cash, positions and equity at every bar.

    A decision at the close of bar t is sized from the equity and the closes of bar t, with the trades' own costs
    inside, and filled on bar t + 1. Between decisions the book drifts.

    Parameters
    ----------
    weights : PanelLike (R, N), signed fraction of equity
        Decision rows only: dates among the bars' dates, symbols equal to the bars'. A row that is NaN throughout
        takes no decision.
    bars : Bars (T, N)
        With the corporate actions that are not in its prices; they are booked.
    costs : Costs, optional
        Free trading when left out.
    account : Account, optional
        1,000,000 in cash, whole shares and Regulation T margin when left out.
    fill : "next_open" | "next_close" | "vwap" | "same_close" | Fill
        The reference price of orders: open, close or average price of the bar after the decision, or the very close of
        the decision, which looks ahead and is listed as a warning. "vwap" by name takes (high + low + close) / 3; a
        Fill takes your own prices, a delay, a limit to the share of the volume.
    exits : Exits, optional
        Stops, targets and time limits of each position.
    rebalance : Rebalancing, optional
        Bands, partial steps, turnover limit and least size of trades. Without it every decision goes all the way.
    unlisted : "raise" | "cash"
        What to do with a weight on a symbol before its first price: refuse it, or leave it in cash with a diagnostics
        row.
    untradable : "keep" | "make_room"
        What to do when a holding has no price at a decision: size the others as if it were not there, or shrink them so
        that the side keeps its weight.
    delisting : "table" | "last_price" | float from -1 to 10
        What to do when prices end: book the delistings in ``bars.actions`` and no other; close what has none at its
        last close; or close it at that return, -0.3 for 30 % below the last close.
    strict : bool
        Raise instead of returning a result whose diagnostics hold a warning or an error.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        For a weight that is NaN on a decision row, infinite, or before the symbol's first price; for a short without a
        borrow rate; with ``strict``, for the first diagnostics row.
    LabelError
        When weights and bars differ in symbols or a decision falls on no bar.
    InputError
        For an unknown policy, for bars without a field that the fill needs, or when ``Account(buying_power="strict")``
        does not allow a decision.
    KindError
        When an argument has another type: ``strict`` is True or False, and no word counts as one of them.

    Notes
    -----
    The order of events on a bar, in short; docs/engine.md has every rule:

    1. Borrow fees and interest for the nights since the last bar.
    2. Corporate actions; dividends that are due are paid.
    3. Fills: at the open, inside the bar (exits), at the close.
    4. Foreign cash is changed, the book is marked at the closes. Equity of zero or less is ruin: everything is closed,
       and the book stops.
    5. Exits, decisions, buying power, buy-ins, margin call: orders for the next bar.

    A missing close keeps the last mark; a missing fill price drops the order; both are listed in
    ``result.diagnostics``. Memory: beside the bars one row of 16 numbers per bar; records of orders and positions are
    made when they are first asked for, by a second run.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> bars = as_bars(Panel([[10.0], [10.0], [11.0]], days, ["A"]))
    >>> weights = Panel([[1.0]], days[:1], ["A"])
    >>> simulate(weights, bars, account=Account(cash=1000), fill="next_close").equity.values.ravel()
    array([1000., 1000., 1100.])
    """
    plan = plan_of(
        bars,
        costs=costs,
        account=account,
        fill=fill,
        exits=exits,
        rebalance=rebalance,
        delisting=delisting,
        strict=strict,
    )
    prepared = prepare_weights(weights, bars, plan, unlisted, untradable)
    policies = {"unlisted": unlisted, "untradable": untradable, "delisting": delisting}
    return _run(kernel_run, prepared, bars, plan, policies, strict)


def simulate_orders(
    orders: PanelLike,
    bars: Bars,
    *,
    kind: str = "shares",
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    delisting: str | float = "table",
    strict: bool = False,
) -> Result:
    """Return the Result of explicit orders.

    An order is placed at the close of its date, checked against the buying power, and meets its first price on the next
    bar.

    Parameters
    ----------
    orders : PanelLike (R, N), or a frame with one row per order
        A Panel or wide frame holds market orders, or targets, of all symbols on the dates of its rows; NaN is no order.
        A frame with the columns ``symbol`` and ``shares`` (signed) holds one order per row, and may have ``type``
        ("market", "limit", "stop", "stop_limit", "trailing", "market_on_open", "limit_on_open", "market_on_close",
        "limit_on_close"; open and close are those of the next bar, on intraday bars not of the session), ``limit`` and
        ``stop`` (currency), ``trail`` (currency) or ``trail_fraction``, ``tif`` ("day", "gtc", "gtd", "ioc", "fok"),
        ``until`` (last date of "gtd"), ``group`` (orders of one group cancel one another) and ``reduce_only``. Left out
        or null: a market order for the day.
    bars : Bars (T, N)
        Limit and stop orders need high and low, orders at the open need opens.
    kind : "shares" | "value" | "target_shares" | "target_value"
        What the numbers of a Panel mean: shares to trade, currency to trade, shares to hold, currency to hold.
    costs, account, fill, exits, delisting, strict
        As in :func:`simulate`.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        For an order that lacks its price or its date, of a symbol that the bars do not have, before its first price or
        after its delisting: symbol and date are named. Otherwise as in :func:`simulate`.
    LabelError, InputError, KindError
        As in :func:`simulate`.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> close = Panel([[10.0], [10.0], [11.0]], days, ["A"])
    >>> bars = as_bars(close, open=close, high=close, low=close - 1.0)
    >>> orders = pl.DataFrame(
    ...     {"date": [date(2024, 1, 2)], "symbol": ["A"], "shares": [10], "type": ["limit"], "limit": [9.5]}
    ... )
    >>> simulate_orders(orders, bars, account=Account(cash=1000)).equity.values.ravel()
    array([1000., 1005., 1015.])
    """
    plan = plan_of(bars, costs=costs, account=account, fill=fill, exits=exits, delisting=delisting, strict=strict)
    prepared = prepare_orders(orders, bars, plan, kind)
    return _run(kernel_run, prepared, bars, plan, {"kind": kind, "delisting": delisting}, strict)


def reference(
    weights: PanelLike,
    bars: Bars,
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    rebalance: Rebalancing | None = None,
    unlisted: str = "raise",
    untradable: str = "keep",
    delisting: str | float = "table",
    strict: bool = False,
) -> Result:
    """Return what :func:`simulate` returns, computed by the plain-Python engine: slow, and the judge of the fast one.

    Parameters, returns and errors are those of :func:`simulate`.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03"]
    >>> bars = as_bars(Panel([[10.0], [10.0]], days, ["A"]))
    >>> reference(Panel([[1.0]], days[:1], ["A"]), bars, fill="next_close").positions.values[-1]
    array([100000.])
    """
    plan = plan_of(
        bars,
        costs=costs,
        account=account,
        fill=fill,
        exits=exits,
        rebalance=rebalance,
        delisting=delisting,
        strict=strict,
    )
    prepared = prepare_weights(weights, bars, plan, unlisted, untradable)
    policies = {"unlisted": unlisted, "untradable": untradable, "delisting": delisting}
    return _run(reference_run, prepared, bars, plan, policies, strict)


def reference_orders(
    orders: PanelLike,
    bars: Bars,
    *,
    kind: str = "shares",
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    delisting: str | float = "table",
    strict: bool = False,
) -> Result:
    """Return what :func:`simulate_orders` returns, computed by the plain-Python engine.

    Parameters, returns and errors are those of :func:`simulate_orders`.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03"]
    >>> bars = as_bars(Panel([[10.0], [10.0]], days, ["A"]))
    >>> reference_orders(Panel([[5.0]], days[:1], ["A"]), bars, fill="next_close").positions.values[-1]
    array([5.])
    """
    plan = plan_of(bars, costs=costs, account=account, fill=fill, exits=exits, delisting=delisting, strict=strict)
    prepared = prepare_orders(orders, bars, plan, kind)
    return _run(reference_run, prepared, bars, plan, {"kind": kind, "delisting": delisting}, strict)


def _run(engine: Engine, prepared: Prepared, bars: Bars, plan: Plan, policies: dict[str, Any], strict: bool) -> Result:
    """Run an engine without records; they are made by a second run when they are asked for."""
    run = engine(prepared.inputs, keep=False)
    demand_finished(prepared, run, bars)
    prepared = with_findings(prepared, ended_prices(prepared, run, bars))
    result = Result(
        prepared,
        run,
        partial(_records, engine, prepared.inputs),
        bars,
        plan.costs,
        plan.account,
        plan.fill,
        plan.exits,
        plan.rebalance,
        policies,
    )
    if strict:
        demand_nothing_found(result._findings)
    return result


def _records(engine: Engine, inputs: Inputs) -> Records:
    return engine(inputs, keep=True).records  # type: ignore[return-value]  # asked for, so there
