"""What one run of an engine takes and gives: plain arrays, the same for the compiled engine and the plain reference.

Columns stand in canonical order (symbols sorted by name), so that sums over assets have one order whatever the
caller's was. ``T`` is bars, ``N`` assets, ``R`` decision rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab.execution._kernel_types import Terms, Tickets, World

__all__ = ["Inputs", "Records", "Run"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """One prepared run.

    Parameters
    ----------
    world : World
    terms : Terms
    cash : float, the account's currency at the start
    rows : (R,) int64, ascending bar numbers of the decisions
    values : (R, N) float64, what ``terms.mode`` says; weights are finite, NaN takes no part in the other modes
    tickets : Tickets
    """

    world: World
    terms: Terms
    cash: float
    rows: np.ndarray
    values: np.ndarray
    tickets: Tickets


@dataclass(frozen=True, slots=True)
class Records:
    """Every order, fill and booked action of a run, in the order in which they came.

    Parameters
    ----------
    orders : (M, 5) int32: bar decided, asset, kind, status, status of what made it smaller (0: nothing)
    asked : (M, 2) float64: units (NaN where nothing could be sized), decision price (NaN without a mark)
    fills : (F, 3) int32: row of the order, bar, asset; by bar
    paid : (F, 6) float64: units, reference price, price, commission, fees, slippage (money in the asset's currency)
    events : (E, 3) int32: bar, asset, kind of action; by bar
    moved : (E, 3) float64: change of units, price it was booked at, cash in the asset's currency
    units : (T, N) float64, positions after each bar
    marks : (T, N) float64, the price at which each was valued
    borrow : (T, N) float64, fee charged on each bar, the account's currency
    """

    orders: np.ndarray
    asked: np.ndarray
    fills: np.ndarray
    paid: np.ndarray
    events: np.ndarray
    moved: np.ndarray
    units: np.ndarray
    marks: np.ndarray
    borrow: np.ndarray


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of one run.

    Parameters
    ----------
    tape : (T, 16) float64, money per bar; the columns are named in ``quantlab.execution._kernel_types``
    counts : (19, N + 1) int64, diagnostics per asset; the last column is the book's
    firsts : (19, N + 1) int64, the bar of the first of each, -1 where there is none
    ruined : int, the bar of the ruin, -1 when there was none
    stopped : int, the bar at which buying power "strict" or a missing borrow rate stopped the run, -1 when none did
    records : Records, or None when the run did not keep them
    """

    tape: np.ndarray
    counts: np.ndarray
    firsts: np.ndarray
    ruined: int
    stopped: int
    records: Records | None
