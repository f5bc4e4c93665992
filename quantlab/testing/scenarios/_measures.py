"""What each scenario plants, measured in its bars alone and set against bounds that follow from the planted value.

A move that is pinned must be found within what the rounding of prices to ticks allows, and a count exactly. A statistic
of noise has a standard error; its bounds lie ``WIDE`` of them on either side. The errors take the dependence between
names into account, and their factors were checked by simulation (tests/testing/test_scenarios.py runs many seeds).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import polars as pl

from quantlab.core import Bars, InputError
from quantlab.core._labels import DAY
from quantlab.data import schemas
from quantlab.data.synthetic import Market
from quantlab.signals import momentum
from quantlab.testing.scenarios import _statistics as statistics

WIDE = 5.0  # standard errors
HORIZON = 20  # bars of the variance ratio
_LEAST = 100  # dates
_ENOUGH = 4000  # returns, of which the 20 largest tell how fat the tail is
# The correlation of normal scores lies this close to that of sums of Student t shocks with 4 degrees of freedom or
# more, whatever it is (200,000 draws at correlations from 0.05 to 0.8 differ by 0.022 at most).
_SCORES = 0.025

# quantity, measured value, and the bounds that it must lie in, both inclusive
Row = tuple[str, float, float, float]
Measure = Callable[[Market], Iterable[Row]]


def ordinary(market: Market) -> Iterable[Row]:
    """No pattern in time, one correlation, fat tails, and volume that follows volatility."""
    if len(market.bars.close) < _LEAST:
        raise InputError(
            f"Statistics of noise are measured on {_LEAST} dates or more, received {len(market.bars.close)}.",
            hint="`Grid(days=1260)`.",
        )
    returns = statistics.log_returns(market.bars.close.values)
    yield from variance_ratio(market)
    if market.bars.shape[1] > 1:
        rho = _planted(market, "correlation")
        value = statistics.correlation(returns, np.arange(returns.shape[1]))
        yield _correlated("correlation", value, rho, rho, *returns.shape)
    tails = _planted(market, "tails")
    if tails <= 6.0 and returns.size >= _ENOUGH:
        # A sum of two Student t shocks has their index, but nears it from above, farther out than any sample reaches.
        value = statistics.tail_index(returns / returns.std(axis=0), 0.005)
        error = 1.3 / math.sqrt(0.005 * returns.size)
        yield "tail_index", value, tails * (0.8 - WIDE * error), tails * (1.3 + WIDE * error)
    volume = market.bars.demand("volume").values[1:]
    value = float(statistics.rank_correlation(np.abs(returns), volume).mean())
    yield "volume_follows_volatility", value, 0.3, 0.6


def variance_ratio(market: Market) -> Iterable[Row]:
    """The mean over names of the ratio of 20-bar to 1-bar variance."""
    returns = statistics.log_returns(market.bars.close.values)
    rows, columns = returns.shape
    planted = _planted(market, "variance_ratio")
    value = float(statistics.variance_ratio(returns, HORIZON).mean())
    # The relative error for one name is sqrt(4 q / 3 T); names whose returns correlate by c have errors that correlate
    # by c^2.
    shared = _shared(returns)
    error = planted * math.sqrt(4.0 * HORIZON / (3.0 * rows)) * math.sqrt(shared + (1.0 - shared) / columns)
    # Slow drifts leave fewer independent stretches than the formula assumes, and part of them is taken for the mean.
    error *= 1.6 if planted > 1.0 else 1.0
    yield _around("variance_ratio", value, planted, error)


def crash_and_rebound(market: Market) -> Iterable[Row]:
    """Each name's fall and rise."""
    yield from _moves(market, "crash")
    yield from _moves(market, "rebound")


def momentum_crash(market: Market) -> Iterable[Row]:
    """The past and the crash of each name, and what winners minus losers by 12-1 momentum lose in the crash."""
    yield from _moves(market, "formation")
    yield from _moves(market, "crash")
    crash = market.plants("crash")
    first, last = _rows(market.bars, crash["start"])[0], _rows(market.bars, crash["end"])[0]
    count = int((crash["note"] == "loser").sum())
    order = np.argsort(momentum(market.bars.close).values[first - 1], kind="stable")
    close = market.bars.close.values
    gain = close[last] / close[first - 1] - 1.0
    value = float(gain[order[-count:]].mean() - gain[order[:count]].mean())
    sides = crash.group_by("note").agg(pl.col("value").mean())
    expected = dict(sides.iter_rows())
    slack = 2.0 * float(_tick_error(close[first - 1], close[last]).max())
    planted = expected["winner"] - expected["loser"]
    yield "winners_minus_losers", value, planted - slack, planted + slack


def short_squeeze(market: Market) -> Iterable[Row]:
    """The moves, the volume, and that nothing can be borrowed."""
    for kind in ("crowding", "squeeze", "collapse"):
        yield from _moves(market, kind)
    plants = market.plants("volume")
    columns = _columns(market.bars, plants["symbol"])
    first, last = _rows(market.bars, plants["start"])[0], _rows(market.bars, plants["end"])[0]
    volume = np.log(market.bars.demand("volume").values[:, columns])
    factor = float(np.exp(np.mean(volume[first : last + 1].mean(axis=0) - volume[first - 60 : first].mean(axis=0))))
    # Squeezed days move far, and volume follows moves: the factor is at least the planted one, less its noise.
    yield "volume_factor", factor, 0.5 * plants["value"][0], math.inf
    borrow = market.bars.borrow if market.bars.borrow is not None else schemas.empty("borrow")
    asked = borrow.join(plants.select("symbol", date="start"), on=["symbol", "date"])
    yield "shares_to_borrow", float(asked["available"].sum()), 0.0, 0.0
    fee = market.plants("fee")["value"][0]
    yield "fee", math.nan if asked.is_empty() else float(asked["rate"].to_numpy().max()), fee, fee


def volatility_regimes(market: Market) -> Iterable[Row]:
    """Persistence and alpha of GARCH(1,1), one fit for all names."""
    returns = statistics.log_returns(market.bars.close.values)
    persistence, alpha = statistics.garch_persistence(returns)
    shared = _shared(returns)
    size = math.sqrt((shared + (1.0 - shared) / returns.shape[1]) / len(returns))
    planted, weight = _planted(market, "persistence"), _planted(market, "alpha")
    yield _around("persistence", persistence, planted, 0.55 * size)
    yield _around("alpha", alpha, weight, 0.6 * size)


def jumps_and_gaps(market: Market) -> Iterable[Row]:
    """Each planted gap, the largest other one, and the kurtosis that the jumps make."""
    opening, close = market.bars.demand("open").values, market.bars.close.values
    plants = market.plants("gap")
    rows, columns = _rows(market.bars, plants["start"]), _columns(market.bars, plants["symbol"])
    before, at = close[rows - 1, columns], opening[rows, columns]
    miss = np.abs(at / before - 1.0 - plants["value"].to_numpy())
    if miss.size:
        yield "gap_error", float((miss / _tick_error(before, at)).max()), 0.0, 1.0
    gaps = np.log(opening[1:] / close[:-1])
    jumped = np.zeros(close.shape, dtype=bool)
    jumped[rows, columns] = True
    gaps[jumped[1:]] = np.nan
    returns = statistics.log_returns(close)
    sigma = np.nanstd(np.where(jumped[1:], np.nan, returns), axis=0)
    yield "largest_other_gap", float(np.nanmax(np.abs(gaps) / sigma)), 0.0, 5.0
    scored = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    yield "kurtosis", float((scored**4).mean()), 3.0, math.inf


def halts(market: Market) -> Iterable[Row]:
    """The number of bars that are missing."""
    missing, planted = float(np.isnan(market.bars.close.values).sum()), float(market.planted["value"].sum())
    yield "missing_bars", missing, planted, planted


def low_liquidity(market: Market) -> Iterable[Row]:
    """How often thin names do not trade, that others always do, and that no price moves without a trade."""
    bars = market.bars
    volume, close = bars.demand("volume").values, bars.close.values
    idle, thin = volume == 0, market.plants("thin")
    columns = _columns(bars, thin["symbol"])
    part = thin["value"][0]
    observed = idle[1:, columns]
    yield _around("days_without_trade", float(observed.mean()), part, math.sqrt(part * (1.0 - part) / observed.size))
    yield "bars_without_trade", float(idle.sum()), *(2 * (float(market.plants("no_trade")["value"].sum()),))
    fields = [bars.demand(name).values[1:] for name in bars.fields if name != "volume"]
    moved = np.max([np.abs(price - close[:-1])[idle[1:]].max(initial=0.0) for price in fields])
    yield "largest_move_without_trade", float(moved), 0.0, 0.0


def correlated_sectors(market: Market) -> Iterable[Row]:
    """The mean correlation of two names of one sector, and of different ones."""
    returns = statistics.log_returns(market.bars.close.values)
    plants = market.plants("sector")
    number, columns = plants["value"].to_numpy(), _columns(market.bars, plants["symbol"])
    groups = [columns[number == value] for value in np.unique(number)]
    within, across = _planted(market, "correlation_within"), _planted(market, "correlation_across")
    value = float(np.mean([statistics.correlation(returns, group) for group in groups]))
    yield _correlated("correlation_within", value, within, within, *returns.shape)
    pairs = [(one, other) for place, one in enumerate(groups) for other in groups[:place]]
    value = float(np.mean([statistics.correlation(returns, one, other) for one, other in pairs]))
    yield _correlated("correlation_across", value, across, within, *returns.shape)


def correlation_breakdown(market: Market) -> Iterable[Row]:
    """The mean correlation before the change and after it."""
    close = market.bars.close.values
    for start, end, rho, note in market.plants("correlation").select("start", "end", "value", "note").iter_rows():
        first, last = _rows(market.bars, pl.Series([start, end]))
        returns = statistics.log_returns(close[max(first - 1, 0) : last + 1])
        value = statistics.correlation(returns, np.arange(returns.shape[1]))
        yield _correlated(f"correlation_{note}", value, rho, rho, *returns.shape)


def splits_and_dividends(market: Market) -> Iterable[Row]:
    """The total returns that raw closes and actions give, against those drawn; and how wrong raw returns alone are."""
    bars = market.bars
    actions = _actions(bars)
    value = {kind: np.zeros(bars.shape) for kind in ("split", "spinoff", "dividend", "special_dividend")}
    value["split"] += 1.0
    for kind, values in value.items():
        chosen = actions.filter(pl.col("kind") == kind)
        values[_rows(bars, chosen["date"]), _columns(bars, chosen["symbol"])] = chosen["value"].to_numpy()
    close = bars.close.values
    worth = (close + value["dividend"] + value["special_dividend"]) * value["split"] / (1.0 - value["spinoff"])
    raw, total = close[1:] / close[:-1] - 1.0, worth[1:] / close[:-1] - 1.0
    drawn = market.returns.values[1:]
    # A tick at the close counts as often as there are shares after the split.
    slack = _tick_error(close[:-1], close[1:]) * (value["split"] / (1.0 - value["spinoff"]))[1:]
    slack += (1.0 + drawn) * 0.5 * _tick(close[:-1]) / close[:-1]
    yield "return_error", float((np.abs(total - drawn) / slack).max()), 0.0, 1.0
    yield "raw_return_error", float((np.abs(raw - drawn) / slack).max()), 1.0, math.inf


def delistings_and_listings(market: Market) -> Iterable[Row]:
    """How many names end early and begin late, that each delisting is dated and paid, and the falls before it."""
    bars = market.bars
    there = ~np.isnan(bars.close.values)
    ended, late = ~there[-1], ~there[0]
    yield "names_that_end_early", float(ended.sum()), *(2 * (float(market.plants("delisting").height),))
    yield "names_that_begin_late", float(late.sum()), *(2 * (float(market.plants("listing").height),))
    actions = _actions(bars)
    rows, columns = _rows(bars, actions["date"]), _columns(bars, actions["symbol"])
    dated = int((there[rows - 1, columns] & ~there[rows, columns]).sum())
    yield "delistings_on_their_date", float(dated), *(2 * (float(ended.sum()),))
    yield from _moves(market, "decline")


def bad_ticks(market: Market) -> Iterable[Row]:
    """How many defects can be seen against the clean bars, and how many cells differ where none was planted."""
    clean = market.clean if market.clean is not None else market.bars
    fields = ("open", "high", "low", "close", "volume")
    differs = np.any([market.bars.demand(name).values != clean.demand(name).values for name in fields], axis=0)
    rows, last = _rows(market.bars, market.planted["start"]), _rows(market.bars, market.planted["end"])
    columns = _columns(market.bars, market.planted["symbol"])
    seen = 0
    for first, end, column in zip(rows, last, columns, strict=True):
        seen += bool(differs[first : end + 1, column].any())
        differs[first : end + 1, column] = False
    yield "defects_seen", float(seen), *(2 * (float(market.planted.height),))
    yield "bars_damaged_elsewhere", float(differs.sum()), 0.0, 0.0


def _actions(bars: Bars) -> pl.DataFrame:
    return schemas.empty("actions") if bars.actions is None else bars.actions


def _planted(market: Market, kind: str) -> float:
    return float(market.plants(kind)["value"][0])


def _around(quantity: str, value: float, planted: float, error: float) -> Row:
    return quantity, value, planted - WIDE * error, planted + WIDE * error


def _moves(market: Market, kind: str) -> Iterable[Row]:
    """The mean planted move as measured, and the largest miss of one name in units of what ticks allow."""
    plants, close = market.plants(kind), market.bars.close.values
    first, last = _rows(market.bars, plants["start"]), _rows(market.bars, plants["end"])
    columns, value = _columns(market.bars, plants["symbol"]), plants["value"].to_numpy()
    before, at = close[first - 1, columns], close[last, columns]
    found, slack = at / before - 1.0, _tick_error(before, at)
    mean, wide = float(value.mean()), float(slack.mean())
    yield f"mean_{kind}", float(found.mean()), mean - wide, mean + wide
    yield f"{kind}_error", float((np.abs(found - value) / slack).max()), 0.0, 1.0


def _tick(price: np.ndarray) -> np.ndarray:
    return np.where(price < 1.0, 1e-4, 1e-2)


def _tick_error(before: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The most by which ``at / before`` can err when both are rounded to ticks, and a little more."""
    relative = 0.5 * _tick(before) / before + 0.5 * _tick(at) / at
    return 1.01 * relative * (1.0 + relative) * at / before


def _shared(returns: np.ndarray) -> float:
    """How much of the error of a variance two names share: the square of their correlation."""
    if returns.shape[1] == 1:
        return 0.0
    return statistics.correlation(returns, np.arange(returns.shape[1])) ** 2


def _correlated(quantity: str, value: float, planted: float, rho: float, rows: int, columns: int) -> Row:
    """Bounds of a mean correlation among names that correlate by ``rho``: its normal error, and ``_SCORES``.

    The common factor's sample variance makes an error that no number of names averages away.
    """
    alone = 2.0 / (columns * max(columns - 1, 1))
    error = 1.3 * math.sqrt((2.0 * rho**2 * (1.0 - rho) ** 2 + alone) / rows)
    return quantity, value, planted - _SCORES - WIDE * error, planted + _SCORES + WIDE * error


def _rows(bars: Bars, days: pl.Series) -> np.ndarray:
    return np.searchsorted(bars.dates.astype(DAY), days.to_numpy().astype(DAY))


def _columns(bars: Bars, symbols: pl.Series) -> np.ndarray:
    place = {symbol: column for column, symbol in enumerate(bars.symbols)}
    return np.array([place[symbol] for symbol in symbols], dtype=np.intp)
