"""The judge: the engine's day in plain Python, written from docs/engine.md and not from the compiled kernels.

It is slow and meant to be read: whoever doubts a number of the compiled engine finds the rule here. The files follow
the page: ``_day`` is the order of events, and calls ``_financing`` (1), ``_actions`` (2), ``_fills`` with ``_costs``,
``_tickets`` and ``_exits`` (3), ``_margin`` (5), ``_decisions`` and ``_sizing`` (6). ``_state`` is the book that they
change, ``_records`` what they write down, ``_rounding`` how amounts become units. Positions are Python integers in
whole-share accounts, and sums over assets are rounded once (``math.fsum``).

Timing: a decision at the close of bar t uses nothing later than that close, and is filled on bar t + 1, or never.
"""

from quantlab.backtest._reference._run import run

__all__ = ["run"]
