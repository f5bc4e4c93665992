"""Backtest: target weights to a Result.

The way data take: ``simulate`` (``_simulate``) checks weights and bars and brings columns into canonical order
(``_prepare``), runs the compiled engine (``_engine_kernels``, through the plain arrays of ``_run``) and wraps what
comes out (``_result``, with round trips from ``_trades``, findings from ``_diagnostics`` and the figure of ``_plot``).
``reference`` takes the same way through the plain engine of ``_reference``, which states the order of events and
judges the compiled one.

Timing: a decision at the close of bar t is filled on bar t + 1, never earlier.
"""

from quantlab.backtest._result import Result
from quantlab.backtest._simulate import reference, simulate

__all__ = ["Result", "reference", "simulate"]
