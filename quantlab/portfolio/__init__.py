"""Portfolio: scores to weights, and weights to orders.

``_long_short`` turns a score into target weights on the decision dates of ``_calendar``. ``_weight_kernels`` and
``_amount_kernels`` apply the rules of a decision and ``_sizing_kernels`` turns what they leave into share deltas: the
one place where that happens, stepped by the backtest and later by the live desk. ``_rebalancing`` says how far towards
the target a decision goes.

Timing: the weights of a date use the scores of that date; the engine trades them on a later bar.
"""

from quantlab.portfolio._long_short import long_short
from quantlab.portfolio._rebalancing import Rebalancing

__all__ = ["Rebalancing", "long_short"]
