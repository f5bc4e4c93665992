"""Scenarios: each is measured to hold what it says, on many seeds; no measure holds where nothing is planted."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from quantlab.core import Bars, InputError, KindError, Panel
from quantlab.core.rng import generator
from quantlab.data import synthetic
from quantlab.data.synthetic import Grid, Market
from quantlab.portfolio import long_short
from quantlab.signals import momentum
from quantlab.testing import assert_causal, scenarios
from quantlab.testing.scenarios import _statistics as statistics

NAMES = scenarios.names()
COLUMNS = ["quantity", "value", "low", "high", "holds"]


def broken(frame: pl.DataFrame) -> list[tuple]:
    return frame.filter(~pl.col("holds")).rows()


# What is promised


def test_the_list() -> None:
    assert set(NAMES) == {
        "ordinary", "trending", "ranging", "crash_and_rebound", "volatility_regimes", "jumps_and_gaps", "halts",
        "low_liquidity", "correlated_sectors", "correlation_breakdown", "momentum_crash", "short_squeeze",
        "splits_and_dividends", "delistings_and_listings", "bad_ticks",
    }  # fmt: skip
    assert scenarios.table()["name"].to_list() == list(NAMES)


def test_every_generator_of_a_market_is_a_scenario() -> None:
    assert set(NAMES) == set(synthetic.__all__) - {"Grid", "Market", "Traits", "universe"}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_scenario_is(name: str) -> None:
    scenario = scenarios.make(name, seed=1, grid=Grid(12, 420))
    assert isinstance(scenario.bars, Bars)
    assert isinstance(scenario.market, Market)
    assert isinstance(scenario.returns, Panel)
    assert scenario.planted.height > 0
    assert (scenario.name, scenario.seed) == (name, 1)
    assert scenario.property.endswith(".")
    assert scenario.property in scenarios.table()["property"].to_list()
    assert repr(scenario).startswith(f"Scenario {name}, seed 1: 420 dates x 12 symbols. ")
    with pytest.raises(FrozenInstanceError):
        scenario.seed = 2
    frame = scenario.measure()
    assert frame.columns == COLUMNS
    assert frame["quantity"].is_unique().all()
    assert (frame["low"] <= frame["high"]).all()
    assert frame.equals(scenario.measure())


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_the_property_holds(name: str, seed: int) -> None:
    assert broken(scenarios.make(name, seed=seed).measure()) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grid", [Grid(12, 400), Grid(10, 1000, calendar="24/7")])
def test_the_property_holds_on_other_grids(name: str, grid: Grid) -> None:
    assert broken(scenarios.make(name, seed=7, grid=grid).measure()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_property_holds_on_many_seeds(name: str) -> None:
    """Five standard errors on each side of an estimate: none of 200 may fall out, unless an error is understated."""
    count = 50 if name == "volatility_regimes" else 200
    found = {seed: broken(scenarios.make(name, seed=seed).measure()) for seed in range(1000, 1000 + count)}
    assert {seed: rows for seed, rows in found.items() if rows} == {}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("trending", {"strength": 0.1, "half_life": 20.0}),
        ("ranging", {"half_life": 15.0}),
        ("crash_and_rebound", {"fall": 0.6, "rise": 1.0, "crash_days": 5, "rebound_days": 200}),
        ("volatility_regimes", {"alpha": 0.2, "beta": 0.7}),
        ("jumps_and_gaps", {"jumps": 20.0}),
        ("halts", {"share": 0.9, "longest": 3}),
        ("low_liquidity", {"share": 1.0, "idle": 0.8, "thin": 1e-6}),
        ("correlated_sectors", {"sectors": 10, "within": 0.8, "across": 0.0}),
        ("correlation_breakdown", {"before": 0.1, "after": 0.8, "when": 0.3}),
        ("momentum_crash", {"share": 0.3, "losers": 0.5, "winners": -0.2, "crash_days": 21}),
        ("short_squeeze", {"squeezed": 5, "rise": 20.0, "fall": 0.9, "squeeze_days": 3, "fee": 3.0}),
        ("splits_and_dividends", {"splits": 5, "dividend_yield": 0.1}),
        ("delistings_and_listings", {"delisted": 0.5, "late": 0.5}),
        ("bad_ticks", {"share": 1.0}),
    ],
)
def test_measures_follow_the_options(name: str, options: dict) -> None:
    assert broken(scenarios.make(name, seed=3, **options).measure()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_measure_holds_where_nothing_was_planted(name: str) -> None:
    """The bars of an ordinary market of the same noise, under the claims of the scenario."""
    scenario = scenarios.make(name, seed=1)
    grid = Grid(50, scenario.bars.shape[0])
    other = synthetic.ordinary(seed=1, grid=grid) if name != "ordinary" else synthetic.trending(seed=1, grid=grid)
    claimed = replace(scenario, market=replace(scenario.market, bars=other.bars))
    assert broken(claimed.measure()) != []


def test_a_squeeze_without_borrow_data_does_not_hold() -> None:
    scenario = scenarios.make("short_squeeze", seed=1)
    bare = replace(scenario, market=replace(scenario.market, bars=replace(scenario.bars, borrow=None)))
    assert [row[0] for row in broken(bare.measure())] == ["fee"]


# What they are for


def causal_book(bars: Bars) -> Panel:
    score = momentum(bars.close, lookback=60, skip=5)
    return long_short(score, top=0.2, bottom=0.2, rebalance=21)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_runs_on_all_of_them_and_looks_at_no_future(name: str) -> None:
    bars = scenarios.make(name, seed=2, grid=Grid(12, 400)).bars
    weights = causal_book(bars)
    assert len(weights) > 5
    if name in ("ordinary", "halts", "delistings_and_listings"):
        assert_causal(causal_book, bars, cuts=2, garbage=["noise", "nan"])


def test_a_book_of_reversal_earns_in_a_range_and_loses_in_a_trend() -> None:
    """Long what fell over five bars, short what rose, by the next bar's return: the sign is the scenario's."""
    gain = {}
    for name in ("trending", "ranging", "ordinary"):
        close = scenarios.make(name, seed=4).bars.close.values
        past, ahead = close[5:-1] / close[:-6] - 1.0, close[6:] / close[5:-1] - 1.0
        book = -(past - past.mean(axis=1, keepdims=True))
        daily = (book * ahead).sum(axis=1) / np.abs(book).sum(axis=1)
        gain[name] = daily.mean() / daily.std() * math.sqrt(daily.size)
    assert gain["ranging"] > 5
    assert gain["trending"] < -5
    assert abs(gain["ordinary"]) < 4


def test_one_seed_shares_its_noise_over_all_scenarios() -> None:
    """What is planted is all that differs: where halts left a bar, it is the ordinary one."""
    halted, ordinary = (scenarios.make(name, seed=9).bars.close.values for name in ("halts", "ordinary"))
    there = ~np.isnan(halted)
    np.testing.assert_array_equal(halted[there], ordinary[there])


# Bad arguments


@pytest.mark.parametrize(
    ("name", "kwargs", "kind", "text"),
    [
        ("trendy", {}, InputError, "There is no scenario 'trendy'. Hint: did you mean trending?"),
        ("zzz", {}, InputError, "There is no scenario 'zzz'. Hint: there are ordinary, trending"),
        (7, {}, KindError, "`name` must be the name of a scenario, received int."),
        (["halts"], {}, KindError, "`name` must be the name of a scenario, received list."),
        ("halts", {"depth": 1}, InputError, "halts has no option `depth`. Hint: it has traits, share, longest."),
        ("halts", {"seed": "x"}, KindError, "`seed` must be an integer"),
        ("halts", {"grid": 5}, KindError, "`grid` must be a Grid, received int."),
        ("ordinary", {"traits": 5}, KindError, "`traits` must be Traits, received int."),
        ("halts", {"share": 2}, InputError, "`share` must be above 0.0 and at most 1.0, received 2."),
        ("momentum_crash", {"grid": Grid(20, 100)}, InputError, "momentum_crash needs 337 days or more"),
    ],
)
def test_bad_arguments(name: str, kwargs: dict, kind: type, text: str) -> None:
    with pytest.raises(kind) as caught:
        scenarios.make(name, **kwargs)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("days", [2, 3, 21, 99])
def test_noise_on_a_few_dates_is_not_measured(days: int) -> None:
    with pytest.raises(InputError, match=f"measured on 100 dates or more, received {days}"):
        scenarios.make("ordinary", grid=Grid(1, days)).measure()


@pytest.mark.parametrize(("columns", "tail"), [(1, False), (50, True)])
def test_tails_are_measured_where_there_are_enough_returns(columns: int, tail: bool) -> None:
    found = scenarios.make("ordinary", grid=Grid(columns, 100)).measure()
    assert found["holds"].all()
    assert ("tail_index" in found["quantity"]) == tail


def test_an_unseeded_scenario_says_its_seed() -> None:
    one = scenarios.make("halts", seed=None, grid=Grid(2, 100))
    again = scenarios.make("halts", seed=one.seed, grid=Grid(2, 100))
    assert one.bars.content_hash == again.bars.content_hash


# The statistics, against libraries that we did not write


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    draw = generator(21)
    return 0.01 * (draw.standard_t(4, (700, 6)) + draw.standard_t(4, (700, 1)))


def test_variance_ratio_against_arch(returns: np.ndarray) -> None:
    from arch.unitroot import VarianceRatio

    levels = np.concatenate([np.zeros((1, 6)), np.cumsum(returns, axis=0)])
    expected = [VarianceRatio(levels[:, i], lags=20, debiased=True).vr for i in range(6)]
    np.testing.assert_allclose(statistics.variance_ratio(returns, 20), expected, rtol=1e-10)


def test_correlation_of_normal_scores_against_scipy(returns: np.ndarray) -> None:
    scores = stats.norm.ppf((stats.rankdata(returns, axis=0) - 0.5) / len(returns))
    full = np.corrcoef(scores.T)
    first, second = np.array([0, 1, 4]), np.array([2, 3, 5])
    upper = np.triu_indices(3, 1)
    assert statistics.correlation(returns, first) == pytest.approx(full[np.ix_(first, first)][upper].mean())
    assert statistics.correlation(returns, first, second) == pytest.approx(full[np.ix_(first, second)].mean())


def test_tail_index_against_a_fit_of_pareto(returns: np.ndarray) -> None:
    """Hill's estimate is the maximum likelihood shape of a Pareto law above the threshold."""
    ordered = np.sort(np.abs(returns), axis=None)
    top, threshold = ordered[-42:], ordered[-43]
    shape, _, _ = stats.pareto.fit(top, floc=0, fscale=threshold)
    assert statistics.tail_index(returns, 0.01) == pytest.approx(shape, rel=1e-6)


def test_rank_correlation_against_scipy(returns: np.ndarray) -> None:
    other = np.abs(returns) + 0.01 * generator(22).standard_normal(returns.shape)
    expected = [stats.spearmanr(returns[:, i] ** 2, other[:, i]).statistic for i in range(6)]
    np.testing.assert_allclose(statistics.rank_correlation(returns**2, other), expected, rtol=1e-10)


def test_garch_persistence_against_arch() -> None:
    """One name: the same likelihood but for the first variance and the free constant, which targeting fixes."""
    from arch import arch_model

    market = synthetic.volatility_regimes(seed=6, grid=Grid(1, 3000), alpha=0.1, beta=0.85)
    returns = statistics.log_returns(market.bars.close.values)
    fit = arch_model(returns[:, 0] / returns.std(), mean="Constant", vol="GARCH", rescale=False).fit(disp="off").params
    persistence, alpha = statistics.garch_persistence(returns)
    assert persistence == pytest.approx(fit["alpha[1]"] + fit["beta[1]"], abs=0.006)
    assert alpha == pytest.approx(fit["alpha[1]"], abs=0.006)
