"""Execution: what a fill costs, and the account that pays.

``_costs`` holds the values that a user writes (``Costs``, ``PerShare``, ``Bps``, ``Borrow``, ``Account``);
``_cost_kernels`` holds their arithmetic, which the backtest steps bar by bar.
"""

from quantlab.execution._costs import Account, Borrow, Bps, Commission, Costs, PerShare, Proportional

__all__ = ["Account", "Borrow", "Bps", "Commission", "Costs", "PerShare", "Proportional"]
