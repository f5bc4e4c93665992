"""``run_events``: a strategy that is asked at every close, over the book-keeping of ``simulate``.

The strategy sees and acts through a ``Context`` (``_event_context``, ``_event_view``), its orders are checked
(``_event_orders``), and the compiled engine is stepped from close to close (``_event_desk``). What costs time is
Python: the two calls of the engine on each bar, and whatever the strategy does.
"""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from quantlab.backtest._afterwards import demand_finished, demand_nothing_found, ended_prices
from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._event_context import Context
from quantlab.backtest._event_desk import Desk
from quantlab.backtest._event_orders import OrderForm
from quantlab.backtest._prepare import Prepared, prepare_events, with_findings
from quantlab.backtest._prepare_terms import Plan, plan_of
from quantlab.backtest._prepare_world import Axes, axes_of
from quantlab.backtest._result import Result
from quantlab.backtest._run import Records
from quantlab.core import Bars, KindError, Panel
from quantlab.core._labels import show
from quantlab.execution import Account, Costs, Exits, Fill
from quantlab.execution._slippage_terms import SlippageTerms


class EventStrategy(Protocol):
    """What ``run_events`` runs: an object with ``on_bar``, and where it wants them ``on_start`` and ``on_end``."""

    def on_bar(self, context: Context) -> None:
        """Decide at the close of a bar."""
        ...


def run_events(
    strategy: EventStrategy,
    bars: Bars,
    *,
    costs: Costs | None = None,
    account: Account | None = None,
    fill: str | Fill = "next_open",
    exits: Exits | None = None,
    delisting: str | float = "table",
    strict: bool = False,
) -> Result:
    """Return the Result of a strategy that is asked at the close of every bar.

    ``strategy.on_bar(context)`` sees the bars up to that close and its own account, and places orders; they meet their
    first price on the next bar. Fills, costs, margin and corporate actions are those of :func:`simulate`, by the same
    compiled steps.

    Parameters
    ----------
    strategy : object with ``on_bar(context)``
        ``on_start(context)`` is called before the first bar and ``on_end(context)`` behind the last, where there are
        such methods; neither can place orders. After a ruin ``on_bar`` is not called any more.
    bars : Bars (T, N)
        With the corporate actions that are not in its prices; they are booked.
    costs, account, fill, exits, delisting, strict
        As in :func:`simulate`. With ``Fill(delay=n)`` everything the strategy asks for, cancellations too, is acted
        upon n - 1 bars later.

    Returns
    -------
    Result
        ``decisions`` holds what went through ``target_weights``.

    Raises
    ------
    DataError
        For an order of a symbol that the bars do not have, before its first price or after its delisting, for shares
        or weights that are NaN: symbol and date are named. Otherwise as in :func:`simulate`.
    KindError
        When the strategy has no ``on_bar``, or is a class and no object.
    InputError
        As in :func:`simulate_orders`.

    Notes
    -----
    An exception that the strategy raises passes through, with a note that names the bar and the symbol it ordered last.
    Memory: the records of the run, three (T, N) matrices, and a copy of every field that the strategy looks at.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> bars = as_bars(Panel([[10.0], [9.0], [11.0]], days, ["A"]))
    >>> class BuyTheDip:
    ...     def on_bar(self, context):
    ...         closes = context.history("close", 2)[:, 0]
    ...         if closes[1] < closes[0]:
    ...             context.order("A", 10)
    >>> run_events(BuyTheDip(), bars, fill="next_close").fills.select("date", "symbol", "shares", "price").rows()
    [(datetime.date(2024, 1, 4), 'A', 10.0, 11.0)]
    """
    if not callable(getattr(strategy, "on_bar", None)):
        name = strategy.__name__ if isinstance(strategy, type) else type(strategy).__name__
        raise KindError(f"`strategy` must have a method `on_bar(context)`, and {name} has none.")
    if isinstance(strategy, type):
        raise KindError(
            f"`strategy` must be an object, received the class {strategy.__name__}.",
            hint=f"make one: `run_events({strategy.__name__}(), bars)`.",
        )
    plan = plan_of(bars, costs=costs, account=account, fill=fill, exits=exits, delisting=delisting, strict=strict)
    known, unknown = _without_gaps(plan, bars)
    prepared = prepare_events(bars, known)
    axes = axes_of(bars)
    desk = Desk(prepared.inputs, plan.fill.delay)
    form = OrderForm(bars, axes, plan.lot)
    context = Context(bars, desk, form, None if unknown is None else axes.pick(unknown))
    last = _walk(strategy, context, desk, bars)
    inputs, run = desk.finished(last)
    prepared = Prepared(inputs, prepared.order, _decisions(desk, bars, axes), prepared.findings)
    demand_finished(prepared, run, bars)
    late = [
        Finding(
            "no_next_bar", "info", show(bars.dates[t]), "", count, f"{what} that the delay moves behind the last bar"
        )
        for what, t, count in desk.left_over()
    ]
    prepared = with_findings(prepared, [*form.findings(), *late, *ended_prices(prepared, run, bars)])
    policies = {"strategy": _name(strategy), "delisting": delisting}

    def again() -> Records:
        return run.records  # type: ignore[return-value]  # the run kept them

    result = Result(
        prepared, run, again, bars, plan.costs, plan.account, plan.fill, plan.exits, plan.rebalance, policies
    )
    if strict:
        demand_nothing_found(result._findings)
    return result


def _walk(strategy: EventStrategy, context: Context, desk: Desk, bars: Bars) -> int:
    """Ask the strategy at every close; return the last bar."""
    _call(strategy, "on_start", context)
    t = 0
    for t in range(bars.shape[0]):
        alive = desk.to_close(t)
        if desk.stopped:
            return t
        context.t = t
        if not alive:
            continue
        context._open, context._last = True, None
        with _Where(strategy, "on_bar", context):
            strategy.on_bar(context)
        context._open = False
        desk.from_close(t)
        if desk.stopped:
            return t
    _call(strategy, "on_end", context)
    return t


class _Where:
    """Adds to an exception of a strategy where it came from."""

    def __init__(self, strategy: Any, method: str, context: Context) -> None:
        self._strategy, self._method, self._context = strategy, method, context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            return
        context = self._context
        where = "" if context.t < 0 else f" at the close of {show(context.date)} (bar {context.t})"
        last = "" if context._last is None else f", after it had named {context._axes.symbols[context._last]}"
        error.add_note(f"raised by {_name(self._strategy)}.{self._method}{where}{last}")


def _call(strategy: Any, method: str, context: Context) -> None:
    if (function := getattr(strategy, method, None)) is not None:
        with _Where(strategy, method, context):
            function(context)


def _name(strategy: Any) -> str:
    kind = strategy if isinstance(strategy, type) else type(strategy)
    return kind.__qualname__


def _decisions(desk: Desk, bars: Bars, axes: Axes) -> Panel:
    rows = [bar - (desk.delay - 1) for bar, _ in desk.decisions]
    values = np.empty((len(rows), bars.shape[1]))
    for row, (_, weights) in enumerate(desk.decisions):
        values[row, axes.order] = weights
    return Panel._trusted(values, bars.dates[rows], bars.symbols, bars.frequency)


class _Gapless(Costs):
    """Costs with the slippage that is given; they prepare a run, and its result shows the caller's own."""

    _terms: SlippageTerms

    def slippage_terms(self, bars: Bars) -> SlippageTerms:
        """Return the terms without gaps."""
        return self._terms


def _without_gaps(plan: Plan, bars: Bars) -> tuple[Plan, np.ndarray | None]:
    """Return a plan whose slippage is known everywhere, and where it is not, (T, N) bool; None when it is.

    Nobody knows beforehand what a strategy trades. Where slippage is not known it may not place orders; what the book
    does there by itself takes the last known slippage, and before the first the dearest.
    """
    terms = plan.costs.slippage_terms(bars)
    unknown = np.broadcast_to(terms.unknown(), bars.shape)
    if not unknown.any():
        return plan, None
    last = np.maximum.accumulate(np.where(unknown, 0, np.arange(bars.shape[0])[:, None]), axis=0)
    early = np.take_along_axis(unknown, last, axis=0)
    # Without a bar nothing is traded, and the last known slippage is as good as any.
    unknown = early | (unknown & ~np.isnan(bars.close.values))

    def filled(part: np.ndarray, dearest: float) -> np.ndarray:
        out = np.take_along_axis(np.broadcast_to(part, bars.shape), last, axis=0)
        out[early] = dearest
        return out

    spread, impact, impact2, adv = terms[:4]
    parts = filled(spread, 0.9999), filled(impact, 0.0), filled(impact2, 0.0), filled(adv, np.inf)
    costs = _Gapless(plan.costs.commission, plan.costs.slippage, plan.costs.borrow, plan.costs.fees)
    object.__setattr__(costs, "_terms", SlippageTerms(*parts, terms.power, terms.power2))
    return replace(plan, costs=costs), unknown
