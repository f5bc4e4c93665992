"""What one run of the engine takes and gives: plain arrays, the same for the compiled kernel and the plain reference.

Columns stand in canonical order (symbols sorted by name), so that sums over assets have one order whatever the
caller's was. Every money amount is in the account's currency. ``T`` is bars, ``N`` assets, ``R`` decisions,
``K`` order records.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

__all__ = ["Inputs", "Orders", "Run", "Status"]


class Status(IntEnum):
    """What became of an order: the code stored with its record."""

    FILLED = 0
    MISSING_PRICE = 1  # no fill price on the bar after the decision: the order was dropped
    NO_NEXT_BAR = 2  # decided on the last bar
    LIQUIDATED = 3  # closed at the mark because the account was ruined
    SKIPPED = 4  # no close on the decision bar: nothing could be sized
    UNAFFORDABLE = 5  # the decision's costs exceed the equity at every size: none of its orders was sent


@dataclass(frozen=True, slots=True)
class Inputs:
    """One prepared run.

    Parameters
    ----------
    close : (T, N) float64, currency per share, NaN where missing
    fill_price : (T, N) float64, currency per share
        The open or the close of the bar on which orders of the bar before are filled; NaN where missing.
    days : (T,) int64, calendar days since the previous bar; the first is 0
    rows : (R,) int64, ascending bar numbers of the decisions
    weights : (R, N) float64, finite, signed fraction of equity
    slippage : float, fraction of the price, against the trader
    per_share : float, currency per share
    rate : float, fraction of the traded value
    minimum : float, currency per order
    maximum_fraction : float, fraction of the traded value; inf = no maximum
    maximum_cash : float, currency per order; inf = no maximum
    borrow : float, fraction per year of the short value at the previous mark, ACT/360
    lot : float, shares; 0.0 = fractional
    cash : float, currency at the start
    """

    close: np.ndarray
    fill_price: np.ndarray
    days: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    slippage: float
    per_share: float
    rate: float
    minimum: float
    maximum_fraction: float
    maximum_cash: float
    borrow: float
    lot: float
    cash: float


@dataclass(frozen=True, slots=True)
class Orders:
    """The order records of a run, by decision bar, then canonical asset order; liquidations come last.

    Every field has shape (K,).

    Parameters
    ----------
    decided : int64, bar of the decision; for a liquidation the bar of the ruin
    filled : int64, bar of the fill, -1 where there was none
    asset : int64, canonical column
    shares : float64, signed; NaN where the decision had no price (SKIPPED)
    decision_price : float64, the mark at the decision; NaN where the asset never had one
    reference : float64, the fill price before slippage; NaN where not filled
    price : float64, the price paid or received; NaN where not filled
    commission : float64, currency; NaN where not filled
    slippage : float64, currency, shares times the distance of price and reference; NaN where not filled
    status : int64, a code of ``Status``
    """

    decided: np.ndarray
    filled: np.ndarray
    asset: np.ndarray
    shares: np.ndarray
    decision_price: np.ndarray
    reference: np.ndarray
    price: np.ndarray
    commission: np.ndarray
    slippage: np.ndarray
    status: np.ndarray


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of one run.

    Parameters
    ----------
    equity, cash : (T,) float64, currency at each close
    borrow, commission, slippage : (T,) float64, currency charged on each bar
    ruined : int, the bar of the ruin, -1 when there was none
    orders : Orders
    """

    equity: np.ndarray
    cash: np.ndarray
    borrow: np.ndarray
    commission: np.ndarray
    slippage: np.ndarray
    ruined: int
    orders: Orders
