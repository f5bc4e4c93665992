"""The headline: the first set of metrics, each with its interval, for the backtest and every walk-forward beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantlab import metrics
from quantlab.backtest import Result
from quantlab.core import Panel
from quantlab.core._labels import show
from quantlab.metrics import Estimate
from quantlab.validation import bootstrap

LEVEL = 0.95
REPS = 2_000

LABELS = {
    "total_return": "Total return",
    "cagr": "Annual growth (CAGR)",
    "volatility": "Volatility",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "Maximum drawdown",
    "max_drawdown_duration": "Longest drawdown",
    "value_at_risk": "VaR 5\u202f%",
    "conditional_value_at_risk": "CVaR 5\u202f%",
    "skew": "Skewness",
    "kurtosis": "Kurtosis",
    "hit_rate": "Hit rate",
    "profit_factor": "Profit factor",
    "turnover": "Turnover, one-way",
    "exposure": "Gross exposure, mean",
}
_PER_BAR = ("value_at_risk", "conditional_value_at_risk")


def headline(books: list[tuple[str, Panel, Result]], seed: int) -> dict[str, Any]:
    """Return the headline table.

    Parameters
    ----------
    books : list of (label, returns, result)
        The returns are those of the result, which a walk-forward calls by another name.
    seed : int
        Of the bootstrap, where a metric has no analytic interval.
    """
    columns = [_estimates(returns, result, seed) for _, returns, result in books]
    names = [estimate.name for estimate in columns[0]]
    return {
        "level": LEVEL,
        "reps": REPS,
        "seed": seed,
        "books": [
            {
                "label": label,
                "start": show(returns.dates[0]) if len(returns) else None,
                "end": show(returns.dates[-1]) if len(returns) else None,
                "returns": int(np.isfinite(returns.values).sum()),
            }
            for label, returns, _ in books
        ],
        "rows": [
            {
                "name": name,
                "label": LABELS.get(name, name),
                "note": "per bar" if name in _PER_BAR else "",
                "cells": [_cell(column[place]) for column in columns],
            }
            for place, name in enumerate(names)
        ],
    }


def _estimates(returns: Panel, result: Result, seed: int) -> list[Estimate]:
    """The first set of metrics; those without an analytic interval get one by the stationary bootstrap."""
    found = []
    for estimate in result.estimates(level=LEVEL):
        function = getattr(metrics, estimate.name)
        if hasattr(function, "points") and estimate.method == "none" and not estimate.reason:
            estimate = bootstrap(returns, function, reps=REPS, level=LEVEL, seed=seed)
        found.append(estimate)
    return found


def _cell(estimate: Estimate) -> dict[str, Any]:
    plain = estimate.to_dict()
    plain["how"] = (
        ""
        if estimate.reason
        else estimate.method
        if estimate.method != "none"
        else estimate.details.get("no_interval", "")
    )
    return plain
