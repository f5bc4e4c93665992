"""What each synthetic market plants, found again by libraries that we did not write, and by counting."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars
from quantlab.core._labels import DAY
from quantlab.data import schemas, synthetic
from quantlab.data.adjustment._adjust import adjust
from quantlab.data.synthetic import Grid, Market, Traits, _draws

SEEDS = [1, 2, 3]
ALL = [name for name in synthetic.__all__ if name not in ("Grid", "Market", "Traits", "universe")]


def log_returns(bars: Bars) -> np.ndarray:
    return np.diff(np.log(bars.close.values), axis=0)


def row_of(bars: Bars, day: date) -> int:
    return int(np.searchsorted(bars.dates, np.datetime64(day, "D")))


def column_of(bars: Bars, symbol: str) -> int:
    return bars.symbols.index(symbol)


def half_ticks(price: np.ndarray | float) -> np.ndarray:
    """The most that a price has moved when it was rounded, relative to it."""
    return np.where(np.asarray(price) < 1.0, 0.5e-4, 0.5e-2) / price


def ratio_error(before: float, at: float) -> float:
    """The most by which ``at / before`` differs from what it was before both were rounded, to first order and 2 %."""
    return 1.02 * at / before * float(half_ticks(before) + half_ticks(at))


def moves(market: Market, kind: str) -> list[tuple[str, float, float, float]]:
    """(symbol, return from the close before the window to its last close, planted, what ticks allow)."""
    close, found = market.bars.close.values, []
    for symbol, start, end, value in market.plants(kind).select("symbol", "start", "end", "value").iter_rows():
        column, first, last = column_of(market.bars, symbol), row_of(market.bars, start), row_of(market.bars, end)
        before, at = close[first - 1, column], close[last, column]
        found.append((symbol, at / before - 1.0, value, ratio_error(before, at)))
    return found


# The table and the shared frame


@pytest.mark.parametrize("name", ALL)
def test_the_table_of_plants(name: str) -> None:
    market = getattr(synthetic, name)(seed=1, grid=Grid(10, 420))
    frame = market.planted
    assert frame.schema == {
        "kind": pl.String, "symbol": pl.String, "start": pl.Date, "end": pl.Date, "value": pl.Float64, "note": pl.String
    }  # fmt: skip
    assert frame.height > 0
    assert frame.equals(frame.sort("kind", "symbol", "start"))
    assert frame.select((pl.col("start") <= pl.col("end")).all()).item()
    days = set(market.bars.dates.astype(DAY).tolist())
    assert set(frame["start"]) | set(frame["end"]) <= days
    assert set(frame["symbol"].drop_nulls()) <= set(market.bars.symbols)
    assert frame["value"].is_finite().all()
    assert market.bars.actions is not None
    assert market.bars.actions.columns == list(schemas.TABLES["actions"].schema)
    assert np.isnan(market.returns.values[0]).all()
    assert np.isfinite(market.returns.values[1:]).all()


@pytest.mark.parametrize("name", ["ordinary", "trending", "ranging", "volatility_regimes", "crash_and_rebound"])
def test_closes_follow_the_returns_that_were_drawn(name: str) -> None:
    market = getattr(synthetic, name)(seed=2, grid=Grid(10, 420), traits=Traits(price=200.0))
    close = market.bars.close.values
    found, allowed = close[1:] / close[:-1] - 1.0, half_ticks(close[1:]) + half_ticks(close[:-1])
    assert (np.abs(found - market.returns.values[1:]) <= 1.02 * allowed * (1.0 + market.returns.values[1:])).all()


# Trend and range: the variance ratio of the arch package


@pytest.mark.parametrize("seed", SEEDS)
def test_variance_ratios(seed: int) -> None:
    """20-bar variance ratios by name, 50 names x 1,259 returns. Under no pattern one ratio has an error of
    sqrt(4 * 20 / (3 * 1259)) = 0.146, and the mean over names that correlate by 0.25 one of 0.04.
    """
    from arch.unitroot import VarianceRatio

    found = {}
    for name in ("trending", "ordinary", "ranging"):
        close = np.log(getattr(synthetic, name)(seed=seed).bars.close.values)
        found[name] = np.array([VarianceRatio(close[:, i], lags=20).vr for i in range(close.shape[1])])
    assert found["ordinary"].mean() == pytest.approx(1.0, abs=5 * 0.04)
    # Planted: 1.844 and 0.362, each with five of its errors; slow drifts triple the first.
    assert found["trending"].mean() == pytest.approx(1.844, abs=5 * 0.11)
    assert found["ranging"].mean() == pytest.approx(0.362, abs=5 * 0.015)
    assert (found["trending"] > found["ordinary"]).mean() > 0.9
    assert found["ranging"].max() < 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_the_autocorrelation_of_trends_falls_as_planted(seed: int) -> None:
    """Lag k: strength * 2^(-k / half_life). Normal shocks without a common factor; 126,000 pairs a lag."""
    traits = Traits(tails=math.inf, correlation=0.0, drift=0.0, price=500.0)
    market = synthetic.trending(seed=seed, grid=Grid(50, 2521), traits=traits, strength=0.2, half_life=10.0)
    returns = log_returns(market.bars)
    scored = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    for lag in (1, 5, 10, 20):
        found = (scored[lag:] * scored[:-lag]).mean()
        assert found == pytest.approx(0.2 * 2 ** (-lag / 10), abs=5 * 1.5 / math.sqrt(scored.size))


def test_the_volatility_of_a_bar_is_that_of_the_traits_in_both() -> None:
    """A name's variance has an error of sqrt(2 / T) for normal shocks; the mean of 50, one market factor among them."""
    traits = Traits(tails=math.inf, spread=0.0, correlation=0.0, drift=0.0, price=500.0)
    for name in ("trending", "ranging"):
        bars = getattr(synthetic, name)(seed=4, grid=Grid(50, 2521), traits=traits).bars
        assert log_returns(bars).std() * math.sqrt(252) == pytest.approx(0.3, rel=0.02)


# GARCH


def test_the_recursion_by_hand() -> None:
    noise = np.array([[2.0], [1.0], [-1.0]])
    shocks, scale = _draws.garch(noise, 0.1, 0.8)
    second = 0.1 + 0.1 * 4.0 + 0.8  # 1.3
    third = 0.1 + 0.1 * second + 0.8 * second
    np.testing.assert_allclose(scale[:, 0] ** 2, [1.0, second, third])
    np.testing.assert_allclose(shocks[:, 0], [2.0, math.sqrt(second), -math.sqrt(third)])


@pytest.mark.parametrize("seed", SEEDS)
def test_persistence_by_a_fit_with_arch(seed: int) -> None:
    """Eight names without a common factor, 5,039 returns each. One fit has an error of 0.005 in alpha + beta and of
    0.009 in alpha (the spread of 60 fits; the library says 0.008), the mean of eight a third of it.
    """
    from arch import arch_model

    traits = Traits(tails=math.inf, correlation=0.0, drift=0.0, price=500.0)
    market = synthetic.volatility_regimes(seed=seed, grid=Grid(8, 5040, start="2001-01-02"), traits=traits)
    fits = []
    for column in log_returns(market.bars).T:
        model = arch_model(column / column.std(), mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
        fits.append(model.fit(disp="off").params)
    alpha = float(np.mean([fit["alpha[1]"] for fit in fits]))
    persistence = alpha + float(np.mean([fit["beta[1]"] for fit in fits]))
    assert persistence == pytest.approx(0.98, abs=5 * 0.005 / math.sqrt(8))
    assert alpha == pytest.approx(0.08, abs=5 * 0.009 / math.sqrt(8))


def test_returns_over_their_planted_volatility_are_normal() -> None:
    """Divided by the truth, what is left has no fat tails (error sqrt(24 / n)) and no memory (1 / sqrt(n))."""
    from scipy import stats

    traits = Traits(tails=math.inf, correlation=0.0, drift=0.0, price=500.0)
    market = synthetic.volatility_regimes(seed=5, grid=Grid(20, 2521), traits=traits)
    left = log_returns(market.bars) / market.volatility.values[1:]
    assert left.std() == pytest.approx(1.0, abs=5 / math.sqrt(2 * left.size))
    assert stats.kurtosis(left, axis=None) == pytest.approx(0.0, abs=5 * math.sqrt(24 / left.size))
    squares = left**2 - 1.0
    assert abs((squares[1:] * squares[:-1]).mean() / (squares**2).mean()) < 5 / math.sqrt(left.size)
    returns = log_returns(market.bars)
    assert stats.kurtosis(returns / returns.std(axis=0), axis=None) > 0.5


# Jumps


@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_open_where_and_as_far_as_planted(seed: int) -> None:
    market = synthetic.jumps_and_gaps(seed=seed)
    opening, close = market.bars.open.values, market.bars.close.values
    gap = opening[1:] / close[:-1] - 1.0
    planted = np.zeros_like(gap)
    for symbol, day, value in market.planted.select("symbol", "start", "value").iter_rows():
        planted[row_of(market.bars, day) - 1, column_of(market.bars, symbol)] = value
    there = planted != 0.0
    allowed = 1.02 * opening[1:] / close[:-1] * (half_ticks(close[:-1]) + half_ticks(opening[1:]))
    assert (np.abs(gap - planted)[there] <= allowed[there]).all()
    # Smallest planted against largest other, in units of each name's own quiet nights.
    quiet = np.array([np.median(np.abs(gap[~there[:, i], i])) for i in range(gap.shape[1])])
    scaled = np.abs(np.log1p(gap)) / quiet
    assert scaled[there].min() > scaled[~there].max()
    # 4 a year and name on 62,950 bars: a binomial count.
    expected = 4 / 252 * there.size
    assert there.sum() == pytest.approx(expected, abs=5 * math.sqrt(expected))


@pytest.mark.parametrize("seed", SEEDS)
def test_jumps_make_the_kurtosis(seed: int) -> None:
    from scipy import stats

    with_jumps, without = (
        synthetic.jumps_and_gaps(seed=seed),
        synthetic.ordinary(seed=seed, traits=Traits(tails=math.inf, drift=0.0)),
    )
    found = [float(np.median(stats.kurtosis(log_returns(market.bars)))) for market in (with_jumps, without)]
    # One name's kurtosis from 1,259 normal returns has an error of sqrt(24 / 1259) = 0.14, the median of 50 a sixth.
    assert found[0] > 8.0
    assert found[1] == pytest.approx(0.0, abs=0.2)


# Halts and thin names


@pytest.mark.parametrize("seed", SEEDS)
def test_halts_are_missing_bars_and_nothing_else(seed: int) -> None:
    market = synthetic.halts(seed=seed, share=0.5)
    whole = synthetic.ordinary(seed=seed).bars
    bars = market.bars
    mask = np.zeros(bars.shape, dtype=bool)
    for symbol, start, end, value in market.planted.select("symbol", "start", "end", "value").iter_rows():
        column, first, last = column_of(bars, symbol), row_of(bars, start), row_of(bars, end)
        assert 1 <= last - first + 1 == value <= 10
        assert not mask[first - 1 : last + 2, column].any()
        mask[first : last + 1, column] = True
    assert mask.sum() > 1000
    for field in bars.fields:
        values, complete = getattr(bars, field).values, getattr(whole, field).values
        np.testing.assert_array_equal(np.isnan(values), mask)
        np.testing.assert_array_equal(values[~mask], complete[~mask])
    assert not (mask & bars.member.values).any()


@given(
    rows=st.integers(2, 60), columns=st.integers(1, 4), length=st.integers(1, 9), chance=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=80)
def test_places_never_touch_one_another_or_the_edges(
    rows: int, columns: int, length: int, chance: float, seed: int
) -> None:
    draw = _draws.draws(seed, _draws.Stream.PLACES)
    mask = np.zeros((rows, columns), dtype=int)
    for column, first, size in _draws.places(draw, rows, columns, length=length, chance=chance):
        assert 1 <= size <= length
        assert first >= 1
        assert first + size <= rows - 1
        mask[first - 1 : first + size, column] += 1
    assert mask.max(initial=0) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_thin_names_repeat_their_last_close(seed: int) -> None:
    market = synthetic.low_liquidity(seed=seed)
    bars = market.bars
    volume, close = bars.volume.values, bars.close.values
    thin = [column_of(bars, symbol) for symbol in market.plants("thin")["symbol"]]
    assert len(thin) == 25
    idle = volume == 0
    assert not idle[:, [i for i in range(50) if i not in thin]].any()
    # Binomial: 25 names x 1,259 days.
    assert idle[1:, thin].mean() == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / (25 * 1259)))
    for row, column in np.argwhere(idle).tolist():
        prices = {getattr(bars, field).values[row, column] for field in ("open", "high", "low", "close")}
        assert prices == {close[row - 1, column]}
    # When a name trades, it does so at the price that it would have had anyhow.
    np.testing.assert_array_equal(close[~idle], synthetic.ordinary(seed=seed).bars.close.values[~idle])


# Sectors and breakdown: NumPy's correlation on normal returns


@pytest.mark.parametrize("seed", SEEDS)
def test_sectors(seed: int) -> None:
    """The mean over 5 sectors of 10 names; their factors' sample variances make an error of 0.013 within and across."""
    market = synthetic.correlated_sectors(seed=seed, grid=Grid(50, 2521), traits=Traits(tails=math.inf))
    found = np.corrcoef(log_returns(market.bars).T)
    group = dict(market.plants("sector").select("symbol", "value").iter_rows())
    number = np.array([group[symbol] for symbol in market.bars.symbols])
    same = number[:, None] == number[None, :]
    upper = np.triu(np.ones_like(same), 1)
    assert found[same & upper].mean() == pytest.approx(0.6, abs=5 * 0.013)
    assert found[~same & upper].mean() == pytest.approx(0.2, abs=5 * 0.013)
    assert found[same & upper].min() > found[~same & upper].max()
    assert set(np.bincount(number.astype(int))) == {10}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("before", "after"), [(0.6, 0.05), (0.1, 0.8)])
def test_breakdown(before: float, after: float, seed: int) -> None:
    market = synthetic.correlation_breakdown(
        seed=seed, grid=Grid(20, 2521), traits=Traits(tails=math.inf), before=before, after=after
    )
    change = row_of(market.bars, market.planted["start"].max())
    returns = log_returns(market.bars)
    for part, rho in ((returns[: change - 1], before), (returns[change - 1 :], after)):
        error = math.sqrt((2 * (rho * (1 - rho)) ** 2 + 1 / 190) / len(part))
        found = np.corrcoef(part.T)[np.triu_indices(20, 1)].mean()
        assert found == pytest.approx(rho, abs=5 * error)
    # Volatility stays: the ratio of two standard deviations of 1,260 normal returns has an error of 0.028.
    ratio = returns[: change - 1].std(axis=0) / returns[change - 1 :].std(axis=0)
    assert np.abs(ratio - 1.0).max() < 5 * 0.028


# Crash, momentum crash, squeeze: exact but for ticks


@pytest.mark.parametrize("seed", SEEDS)
def test_crash_and_rebound(seed: int) -> None:
    market = synthetic.crash_and_rebound(seed=seed)
    for kind, total in (("crash", math.log(0.65)), ("rebound", math.log(1.4))):
        found = moves(market, kind)
        assert all(abs(value - planted) <= allowed for _, value, planted, allowed in found)
        beta = np.array([math.log1p(planted) for _, _, planted, _ in found]) / total
        assert beta.mean() == pytest.approx(1.0, abs=1e-12)
        assert (beta.min(), beta.max()) == pytest.approx((0.5, 1.5))
    # Volatility within the windows is 2.5 times that outside, for each name: 83 returns, with fat tails.
    inside = market.volatility.values / np.median(market.volatility.values, axis=0)
    assert set(np.unique(inside.round(9))) == {1.0, 2.5}
    returns, panic = log_returns(market.bars), inside[1:, 0] == 2.5
    assert np.median(returns[panic].std(axis=0) / returns[~panic].std(axis=0)) == pytest.approx(2.4, abs=0.4)


@pytest.mark.parametrize("seed", SEEDS)
def test_momentum_crash(seed: int) -> None:
    """A book of deciles by 12-1 momentum, by hand: up in the formation year, ruined in the crash."""
    market = synthetic.momentum_crash(seed=seed)
    close = market.bars.close.values
    first = row_of(market.bars, market.plants("crash")["start"][0])
    last = row_of(market.bars, market.plants("crash")["end"][0])
    score = close[first - 1 - 21] / close[first - 1 - 252]
    order = np.argsort(score)
    losers, winners = order[:5], order[-5:]
    gain = close[last] / close[first - 1] - 1.0
    assert gain[winners].mean() - gain[losers].mean() < -1.5
    assert gain[losers].min() > 1.55
    year = close[first - 1] / close[first - 253] - 1.0
    assert year[winners].mean() - year[losers].mean() > 0.9
    for kind in ("formation", "crash"):
        assert all(abs(value - planted) <= allowed for _, value, planted, allowed in moves(market, kind))
    notes = dict(market.plants("crash").select("symbol", "note").iter_rows())
    assert {market.bars.symbols[i] for i in losers} == {name for name, note in notes.items() if note == "loser"}
    assert {market.bars.symbols[i] for i in winners} == {name for name, note in notes.items() if note == "winner"}


@pytest.mark.parametrize("seed", SEEDS)
def test_short_squeeze(seed: int) -> None:
    market = synthetic.short_squeeze(seed=seed, squeezed=3)
    bars, borrow = market.bars, market.bars.borrow
    for kind, total in (("crowding", -0.4), ("squeeze", 4.0), ("collapse", -0.7)):
        found = moves(market, kind)
        assert len(found) == 3
        assert all(abs(value - total) <= allowed for _, value, _, allowed in found)
    assert borrow.columns == list(schemas.TABLES["borrow"].schema)
    squeeze = market.plants("squeeze").select("symbol", "start", "end").rows()
    usual = synthetic.ordinary(seed=seed, grid=Grid(days=504)).bars.volume.values
    for symbol, start, end in squeeze:
        column, first, last = column_of(bars, symbol), row_of(bars, start), row_of(bars, end)
        rows = borrow.filter(symbol=symbol)
        held = [rows.filter(pl.col("date") <= day)["rate"][-1] for day in bars.dates.astype(DAY).tolist()]
        free = [rows.filter(pl.col("date") <= day)["available"][-1] for day in bars.dates.astype(DAY).tolist()]
        assert set(held[first : last + 1]) == {1.0}
        assert set(free[first : last + 1]) == {0.0}
        assert held[0] == held[-1] == 0.003
        assert held[first - 1] == 0.25
        assert 0 < free[first - 1] < free[0]
        # The fee holds through the collapse, and eases at the session after it.
        collapse = market.plants("collapse").filter(symbol=symbol)["end"].item()
        easy = row_of(bars, collapse) + 1
        assert set(held[last + 1 : easy]) == {1.0}
        assert (held[easy], free[easy]) == (0.003, free[0])
        # The same draw of volume without a squeeze, before moves count.
        assert (bars.volume.values[first : last + 1, column] > 8 * usual[first : last + 1, column]).all()
    calm = borrow.filter(~pl.col("symbol").is_in([symbol for symbol, _, _ in squeeze]))
    assert set(calm["rate"]) == {0.003}
    assert calm.height == 47


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("thin", [0.002, 0.5])
def test_thin_names_trade_so_many_times_less(seed: int, thin: float) -> None:
    # Under one seed all markets share their draws, so that the usual volume is that of the ordinary one.
    grid = Grid(10, 300)
    market = synthetic.low_liquidity(seed=seed, grid=grid, thin=thin)
    usual, volume = (found.bars.demand("volume").values for found in (synthetic.ordinary(seed=seed, grid=grid), market))
    columns = [column_of(market.bars, symbol) for symbol in market.plants("thin")["symbol"]]
    others = np.setdiff1d(np.arange(10), columns)
    np.testing.assert_array_equal(volume[:, others], usual[:, others])
    traded = volume[:, columns] > 0
    expected = np.maximum(usual[:, columns] * thin, 1.0)
    assert (np.abs(volume[:, columns] - expected)[traded] <= 1.0).all()


# Splits, dividends, delistings


@pytest.mark.parametrize("seed", SEEDS)
def test_no_dividend_is_worth_more_than_what_is_left(seed: int) -> None:
    # A day's standard deviation is a third: on some an eighth of yesterday's price is most of today's.
    wild = Traits(volatility=5.0)
    market = synthetic.splits_and_dividends(seed=seed, grid=Grid(40, 504), traits=wild, dividend_yield=0.5)
    close = market.bars.close.values
    assert (close > 0).all()
    cash = market.bars.actions.filter(pl.col("kind").is_in(["dividend", "special_dividend"]))
    assert cash.height > 0
    for symbol, day, value in cash.select("symbol", "date", "value").iter_rows():
        # A cent for the rounding of the close.
        assert 0 < value <= close[row_of(market.bars, day), column_of(market.bars, symbol)] + 0.01


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("splits", [0, 1, 3])
def test_adjusted_prices_give_the_drawn_returns(splits: int, seed: int) -> None:
    """``adjust`` knows nothing of the generator: what it makes of raw bars and actions are the returns that were drawn.

    Raw closes are rounded to ticks; a return may so be off by half a tick of each close, the later one counted once for
    each new share. Reverse splits and cheap names make this the bound, so it is computed for each bar.
    """
    market = synthetic.splits_and_dividends(seed=seed, splits=splits)
    raw, drawn = market.bars.close.values, market.returns.values[1:]
    adjusted = adjust(market.bars)
    assert adjusted.adjusted == "total_return"
    close = adjusted.close.values
    found = close[1:] / close[:-1] - 1.0
    # The later close is divided by what it would have been without actions: its half tick weighs as much more.
    without = raw[:-1] * (1.0 + drawn)
    per_share = without / raw[1:]
    allowed = 1.02 * (per_share * half_ticks(raw[1:]) * raw[1:] / raw[:-1] + half_ticks(raw[:-1]) * (1.0 + drawn))
    assert (np.abs(found - drawn) <= allowed).all()
    np.testing.assert_allclose(close[-1], raw[-1])
    steps = np.abs(np.log(raw[1:] / raw[:-1]) - np.log1p(drawn))
    assert (steps.max(axis=0) > 0.3).sum() >= (45 if splits else 0)


def test_every_kind_of_action_is_there_and_a_split_on_a_dividend_day() -> None:
    market = synthetic.splits_and_dividends(seed=3, splits=2)
    actions = market.bars.actions
    assert set(actions["kind"]) == {"split", "dividend", "special_dividend", "spinoff"}
    assert actions.filter(kind="split")["value"].value_counts().height == 5
    same = actions.filter(symbol="S000").group_by("date").agg(pl.col("kind").sort())
    both = same.filter(pl.col("kind").list.len() == 2)
    assert both["kind"].to_list() == [["dividend", "split"]]
    # The dividend is a quarter of 2 % of what one new share was worth.
    value = dict(actions.filter(symbol="S000", date=both["date"].item()).select("kind", "value").iter_rows())
    before = market.bars.close.values[row_of(market.bars, both["date"].item()) - 1, 0] / value["split"]
    assert value["dividend"] == pytest.approx(0.005 * before, abs=0.0051)
    assert actions.filter(kind="split").height == 100
    cash = actions.filter(pl.col("kind").str.contains("dividend"))
    assert (cash["value"] * 100 - (cash["value"] * 100).round(0)).abs().max() < 1e-9
    known = cash.filter(pl.col("pay_date").is_not_null())
    assert known.select((pl.col("pay_date") > pl.col("date")).all()).item()
    assert known.height > 0.9 * cash.height
    assert actions.filter(~pl.col("kind").str.contains("dividend"))["pay_date"].null_count() > 0
    # The table says what `planted` says.
    assert market.planted.height == actions.height


def test_dividends_pay_the_yield_that_was_asked_for() -> None:
    """A quarter of 2 % of the last close, but for half a cent of rounding; names with a spin-off are left out."""
    market = synthetic.splits_and_dividends(seed=3, splits=0, traits=Traits(price=500.0))
    close, paid = market.bars.close.values, market.plants("dividend")
    assert paid["symbol"].n_unique() == 38
    for symbol, day, value in paid.select("symbol", "start", "value").iter_rows():
        row, column = row_of(market.bars, day), column_of(market.bars, symbol)
        if column % 4 != 2:
            assert value == pytest.approx(0.005 * close[row - 1, column], abs=0.0051)


def test_volume_follows_splits() -> None:
    """The same draw without splits trades as many old shares."""
    split, whole = (synthetic.splits_and_dividends(seed=3, splits=n).bars for n in (1, 0))
    factor = np.ones(split.shape)
    for symbol, day, value in split.actions.filter(kind="split").select("symbol", "date", "value").iter_rows():
        factor[row_of(split, day) :, column_of(split, symbol)] *= value
    np.testing.assert_allclose(split.volume.values, whole.volume.values * factor, atol=3.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_delistings_and_listings(seed: int) -> None:
    market = synthetic.delistings_and_listings(seed=seed)
    bars, there = market.bars, ~np.isnan(market.bars.close.values)
    last, first = there.shape[0] - 1 - there[::-1].argmax(axis=0), there.argmax(axis=0)
    actions = bars.actions
    assert actions.height == (last < there.shape[0] - 1).sum() == 10
    for symbol, day, kind, value, note in actions.select("symbol", "date", "kind", "value", "note").iter_rows():
        assert kind == "delisting"
        assert row_of(bars, day) == last[column_of(bars, symbol)] + 1
        assert value in ({"bankrupt": (-0.3, -1.0), "bought": (0.0,)}[note])
    assert set(actions["value"]) == {-0.3, -1.0, 0.0}
    listed = market.plants("listing")
    assert listed.height == (first > 0).sum() == 10
    assert {row_of(bars, day) for day in listed["start"]} == set(first[first > 0].tolist())
    # No holes within a life, and no name both leaves and comes late.
    assert (there.sum(axis=0) == last - first + 1).all()
    assert not ((first > 0) & (last < there.shape[0] - 1)).any()
    for _, value, planted, allowed in moves(market, "decline"):
        assert abs(value - planted) <= allowed


# Bad ticks


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_ticks_are_where_they_are_said_to_be(seed: int) -> None:
    market = synthetic.bad_ticks(seed=seed)
    bars, clean = market.bars, market.clean
    fields = ("open", "high", "low", "close", "volume")
    now, then = ({f: getattr(b, f).values for f in fields} for b in (bars, clean))
    differs = np.any([now[f] != then[f] for f in fields], axis=0)
    assert clean.content_hash == synthetic.ordinary(seed=seed).bars.content_hash
    counts = market.planted["kind"].value_counts()["count"]
    assert counts.len() == 5
    assert counts.max() - counts.min() <= 1
    for kind, symbol, start, end, value in market.planted.select("kind", "symbol", "start", "end", "value").iter_rows():
        column, first, last = column_of(bars, symbol), row_of(bars, start), row_of(bars, end)
        at = {f: now[f][first, column] for f in fields}
        was = {f: then[f][first, column] for f in fields}
        assert differs[first : last + 1, column].any()
        differs[first : last + 1, column] = False
        if kind == "spike":
            assert 0.3 <= abs(value - 1.0) <= 0.6
            assert at["close"] / was["close"] == pytest.approx(value, abs=ratio_error(was["close"], at["close"]))
            assert at["low"] <= at["close"] <= at["high"]
        elif kind == "scale":
            assert value in (0.01, 100.0)
            assert at["close"] / was["close"] == pytest.approx(value, abs=ratio_error(was["close"], at["close"]))
        elif kind == "price_order":
            assert at["high"] < at["low"] == was["low"]
        elif kind == "stale":
            assert last - first + 1 == value == 6
            for f in fields:
                assert set(now[f][first : last + 1, column]) == {was[f]}
        else:
            assert kind == "zero_volume"
            assert at["volume"] == 0 < was["volume"]
    assert not differs.any()
