"""Cross-sectional momentum, month by month: hold those that rose the most over the past year, its last month left out.

A strategy is a plain function: bars in, target weights out. The backtest, the walk-forward and the live desk call
this same one. Row t of what it returns may use bars up to t and nothing later; ``ql.testing.assert_causal`` checks
that.
"""

import quantlab as ql


def strategy(bars, *, lookback=252, skip=21, top=0.3, bottom=0.0, gross=1.0):
    """Return target weights on month ends.

    Parameters
    ----------
    bars : quantlab.Bars
    lookback : int, bars
        How far back the price change begins.
    skip : int, bars
        How many of the newest bars it leaves out.
    top, bottom : float or int
        How many to hold long and short: a fraction of those with a score, or a count.
    gross : float, fraction of equity
        Sum of absolute weights.
    """
    mom = ql.signals.momentum(bars.close, lookback=lookback, skip=skip)
    score = ql.xs.zscore(mom.where(bars.member))
    return ql.portfolio.long_short(score, top=top, bottom=bottom, gross=gross, rebalance="month_end")
