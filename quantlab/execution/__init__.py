"""Execution: what a fill costs, and the account that pays.

What a user writes are values: ``Costs`` (of ``_commissions``, ``_slippage``, ``_borrow``, ``_fees``), ``Account`` (of
``_margin``, ``_interest``, ``_currencies``), ``Fill`` and ``Exits``. Each checks its numbers (``_demand``, ``_dated``),
compares by content (``_value``) and turns itself into the arrays of ``_kernel_types``. The ``*_kernels`` hold the
arithmetic, which the backtest steps bar by bar.
"""

from quantlab.execution._account import Account
from quantlab.execution._borrow import Borrow
from quantlab.execution._bps import Bps
from quantlab.execution._commissions import Commission, PerShare, PerTrade, Proportional, Tiered
from quantlab.execution._costs import Costs
from quantlab.execution._currencies import Currencies
from quantlab.execution._exits import Exits
from quantlab.execution._fees import Fees, us_equity_fees
from quantlab.execution._fill import Fill
from quantlab.execution._interest import Interest, Tiers
from quantlab.execution._margin import NoMargin, PortfolioMargin, RegT
from quantlab.execution._slippage import (
    Almgren,
    Slippage,
    Spread,
    SquareRootImpact,
    VolatilitySlippage,
    VolumeShare,
)

__all__ = [
    "Account",
    "Almgren",
    "Borrow",
    "Bps",
    "Commission",
    "Costs",
    "Currencies",
    "Exits",
    "Fees",
    "Fill",
    "Interest",
    "NoMargin",
    "PerShare",
    "PerTrade",
    "PortfolioMargin",
    "Proportional",
    "RegT",
    "Slippage",
    "Spread",
    "SquareRootImpact",
    "Tiered",
    "Tiers",
    "VolatilitySlippage",
    "VolumeShare",
    "us_equity_fees",
]
