"""Performance numbers as estimates with intervals.

The way a number takes: returns come through the door of ``_sample`` (simple, per bar, one column; NaN rows dropped and
counted), a metric function computes the value and, where one is known, an analytic interval, and hands back an
``Estimate`` (``_estimate``). A number that cannot be had is NaN with a reason. Every metric of a return series has the
same call, ``metric(returns, *, periods=None, level=0.95)``, and beside it ``metric.points(matrix, periods)``, the same
number for every row of a matrix, which the bootstrap uses.

Growth is in ``_growth``, spread and shape in ``_moments``, Sharpe in ``_sharpe``, good bars against bad in ``_odds``,
losses in the tail in ``_tail``, losses from the peak in ``_drawdown``, what a book trades and holds in ``_activity``,
trailing windows in ``_rolling``, tables in ``_tables``. What a Sharpe ratio is worth after many trials is in
``_trials``: plain functions of numbers or arrays, since a sweep asks for all its variants at once.

Returns are simple and per bar; wealth starts at 1.0 before the first return. A return of -100 % or less is ruin: there
is no book left to measure, and every metric is NaN with that reason. ``periods`` is bars per year: the Panel's
frequency, or declared.
"""

from quantlab.metrics._activity import exposure, turnover
from quantlab.metrics._drawdown import calmar, drawdown_table, drawdowns, max_drawdown, max_drawdown_duration
from quantlab.metrics._estimate import Estimate
from quantlab.metrics._growth import cagr, total_return
from quantlab.metrics._moments import kurtosis, skew, volatility
from quantlab.metrics._odds import hit_rate, profit_factor, sortino
from quantlab.metrics._rolling import rolling_sharpe, rolling_volatility
from quantlab.metrics._sample import Metric
from quantlab.metrics._sharpe import sharpe, sharpe_error
from quantlab.metrics._tables import monthly_returns, summary_table, table
from quantlab.metrics._tail import conditional_value_at_risk, value_at_risk
from quantlab.metrics._trials import (
    adjusted_p_values,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
)

__all__ = [
    "Estimate",
    "Metric",
    "adjusted_p_values",
    "cagr",
    "calmar",
    "conditional_value_at_risk",
    "deflated_sharpe",
    "drawdown_table",
    "drawdowns",
    "expected_maximum_sharpe",
    "exposure",
    "hit_rate",
    "kurtosis",
    "max_drawdown",
    "max_drawdown_duration",
    "minimum_track_record",
    "monthly_returns",
    "probabilistic_sharpe",
    "profit_factor",
    "rolling_sharpe",
    "rolling_volatility",
    "sharpe",
    "sharpe_error",
    "skew",
    "sortino",
    "summary_table",
    "table",
    "total_return",
    "turnover",
    "value_at_risk",
    "volatility",
]
