"""Operations along time: each column by itself, row t from rows up to and including t.

``_rolling`` holds sums, means, deviations and extremes of a trailing window, ``_trend`` where its newest value stands
in it and how steeply it climbs, ``_ewm`` exponentially fading weights, ``_change`` the change over a lag. Each checks
its arguments, calls one compiled function of ``_rolling_kernels`` or ``_ewm_kernels``, and wraps the result with the
labels of its input.

Rules that hold for all:

* **Missing.** NaN is missing and never filled. A window of ``window`` bars gives a result when at least ``min_periods``
  of its values are present (by default all of them), also where its newest value is missing; `rolling_rank` needs that
  one too.
* **Infinite.** An infinite value is present. What it does to a window (infinity, or NaN) ends when it leaves the
  window. The exponentially weighted functions have no window: there its own row is NaN, and later rows do without it.
* **Nothing lingers.** No sum has anything subtracted: a result is that of a fresh computation of its window, whatever
  came before it and however large the level on which the data move. Sums and means are right to the last digit,
  deviations and slopes to 1e-14, and to 1e-11 where one outlier outweighs a window of 1,000 bars.
* **Same bits.** A row's result is the same for data that end earlier, and for any number or order of columns. Data that
  begin later may change the last digit of a deviation or a slope.
"""

from quantlab.core.ts._change import pct_change
from quantlab.core.ts._ewm import ewm_mean, ewm_std
from quantlab.core.ts._rolling import rolling_max, rolling_mean, rolling_min, rolling_std, rolling_sum
from quantlab.core.ts._trend import rolling_rank, rolling_slope

__all__ = [
    "ewm_mean",
    "ewm_std",
    "pct_change",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_rank",
    "rolling_slope",
    "rolling_std",
    "rolling_sum",
]
