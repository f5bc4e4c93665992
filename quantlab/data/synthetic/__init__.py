"""Seeded synthetic markets: bars with known properties, and the truth about what was planted where.

The way of the numbers: a ``Grid`` (``_grid``) says which dates and symbols, ``Traits`` (``_traits``) what the names are
like, ``_draws`` draws the shocks, one stream per purpose. ``_world`` joins the three to the log returns of an ordinary
market; each generator reorders, pins or adds to them; ``_ohlcv`` makes opens, highs, lows and volumes around the closes
and rounds prices to ticks. ``universe`` (``_universe``) stops there and returns Bars. ``ordinary`` and the others
return a ``Market`` (``_market``), bars with the table of what was planted: ``_trend`` (trending, ranging),
``_volatility`` (GARCH, jumps), ``_correlation`` (sectors, breakdown), ``_stress`` (crash, momentum crash, squeeze),
``_trading`` (halts, thin names), ``_corporate`` (splits, dividends, listings) and ``_defects`` (bad ticks).

Units: prices in currency per share, volumes in shares, volatilities and fees per year, returns simple unless called
log. The same arguments and seed give the same bytes for any number of threads. ``quantlab.testing.scenarios`` lists the
markets by name and measures what each plants.
"""

from quantlab.data.synthetic._corporate import delistings_and_listings, splits_and_dividends
from quantlab.data.synthetic._correlation import correlated_sectors, correlation_breakdown
from quantlab.data.synthetic._defects import bad_ticks
from quantlab.data.synthetic._grid import Grid
from quantlab.data.synthetic._market import Market
from quantlab.data.synthetic._stress import crash_and_rebound, momentum_crash, short_squeeze
from quantlab.data.synthetic._trading import halts, low_liquidity
from quantlab.data.synthetic._traits import Traits
from quantlab.data.synthetic._trend import ranging, trending
from quantlab.data.synthetic._universe import ordinary, universe
from quantlab.data.synthetic._volatility import jumps_and_gaps, volatility_regimes

__all__ = [
    "Grid",
    "Market",
    "Traits",
    "bad_ticks",
    "correlated_sectors",
    "correlation_breakdown",
    "crash_and_rebound",
    "delistings_and_listings",
    "halts",
    "jumps_and_gaps",
    "low_liquidity",
    "momentum_crash",
    "ordinary",
    "ranging",
    "short_squeeze",
    "splits_and_dividends",
    "trending",
    "universe",
    "volatility_regimes",
]
