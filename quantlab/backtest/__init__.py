"""Backtest: decisions to a Result.

The way data take: ``simulate`` and ``simulate_orders`` (``_simulate``) check what they are given and turn it into
plain arrays (``_prepare``, with one file each for weights, orders, prices, actions and terms), run the compiled
engine (``_engine``, through the types of ``_run``), ask what a run can only say afterwards (``_afterwards``), and
wrap what comes out (``_result``, with ``_records``, ``_trades``, ``_attribution``, ``_analytics``, ``_diagnostics``,
``_plot`` and the ways out in ``_neighbours``). ``reference`` and ``reference_orders`` take the same way through the
plain engine of ``_reference``, which judges the compiled one. ``run_events`` (``_events``) takes orders from a
strategy bar by bar.

Timing: a decision at the close of bar t is filled on bar t + 1, never earlier, unless ``fill="same_close"`` asks for
it. The order of events stands in docs/engine.md.
"""

from quantlab.backtest._event_context import Context
from quantlab.backtest._events import EventStrategy, run_events
from quantlab.backtest._result import Result
from quantlab.backtest._simulate import reference, reference_orders, simulate, simulate_orders
from quantlab.backtest._trades import mae_limit

__all__ = [
    "Context",
    "EventStrategy",
    "Result",
    "mae_limit",
    "reference",
    "reference_orders",
    "run_events",
    "simulate",
    "simulate_orders",
]
