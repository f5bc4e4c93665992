"""``universe`` and what all synthetic markets share: labels, prices on ticks, marginals, bytes, and bad arguments."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from quantlab.core import InputError, KindError, LabelError
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data import synthetic
from quantlab.data.synthetic import Grid, Traits, _draws, _ohlcv, universe

MAKER = Path(__file__).parent / "golden" / "make_synthetic.py"
MARKETS = [name for name in synthetic.__all__ if name not in ("Grid", "Market", "Traits", "universe")]
NORMAL = Traits(tails=math.inf, spread=0.0)


def log_returns(bars) -> np.ndarray:
    return np.diff(np.log(bars.close.values), axis=0)


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_synthetic", MAKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Labels


def test_dates_are_the_sessions_of_the_calendar() -> None:
    bars = universe(symbols=2, days=600, start="2019-12-31")
    held = sessions("XNYS", np.datetime64("2019-12-31"), np.datetime64("2022-12-31"))
    np.testing.assert_array_equal(bars.dates, held[:600])
    assert bars.frequency.calendar == "XNYS"
    assert bars.symbols == ("S000", "S001")


@pytest.mark.parametrize(("calendar", "start", "first"), [("24/7", "2024-03-31", 31), ("XLON", "2024-03-29", 2)])
def test_other_calendars(calendar: str, start: str, first: int) -> None:
    """Good Friday and Easter Monday 2024 (29 March and 1 April) are no sessions of London."""
    bars = universe(symbols=1, days=5000, start=start, calendar=calendar)
    assert bars.shape == (5000, 1)
    assert bars.dates[0].astype(object).day == first


def test_start_may_be_a_date_and_symbols_may_be_names() -> None:
    bars = universe(symbols=["B", "A"], days=2, start=date(2024, 1, 1))
    assert bars.symbols == ("B", "A")
    assert str(bars.dates[0]) == "2024-01-02"


def test_more_than_a_thousand_names_are_distinct_and_sorted() -> None:
    names = Grid(1001, 2).names
    assert names[0] == "S0000"
    assert list(names) == sorted(set(names))


def test_one_symbol_two_days() -> None:
    bars = universe(symbols=1, days=2)
    assert bars.shape == (2, 1)
    assert np.isfinite(bars.close.values).all()


# Prices and volumes


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**63 - 1),
    volatility=st.floats(1e-3, 5.0),
    tails=st.one_of(st.just(math.inf), st.floats(2.01, 30.0)),
    price=st.floats(0.001, 1e5),
    drift=st.floats(-5.0, 5.0),
    correlation=st.floats(0.0, 0.99),
)
def test_prices_are_in_order_on_ticks_and_positive(
    seed: int, volatility: float, tails: float, price: float, drift: float, correlation: float
) -> None:
    traits = Traits(volatility=volatility, tails=tails, price=price, drift=drift, correlation=correlation)
    bars = universe(symbols=4, days=60, seed=seed, traits=traits)
    opening, high, low, close = (bars.demand(name).values for name in ("open", "high", "low", "close"))
    assert (low > 0).all()
    assert (low <= np.minimum(opening, close)).all()
    assert (high >= np.maximum(opening, close)).all()
    for values in (opening, high, low, close):
        # A price is the double nearest to its decimal: it reads back from its text with two or four digits.
        for value in values.ravel()[:40].tolist():
            assert float(f"{value:.4f}" if value < 1.0 else f"{value:.2f}") == value
    volume = bars.demand("volume").values
    assert (volume == np.floor(volume)).all()
    assert (volume >= 0).all()


def test_ticks_by_hand() -> None:
    given = np.array([12.344, 12.346, 1.004, 0.99994, 0.99996, 0.12344, 1e-9])
    np.testing.assert_array_equal(_ohlcv.on_ticks(given), [12.34, 12.35, 1.0, 0.9999, 1.0, 0.1234, 0.0001])


def test_the_high_of_a_bridge_has_the_law_of_rayleigh() -> None:
    """The maximum of a standard Brownian bridge from 0 to 0 has P(M > h) = exp(-2 h^2): Rayleigh of scale 1/2."""
    shape = (20_000, 1)
    highest = _ohlcv._extreme(3, _draws.Stream.HIGH, np.zeros(shape), np.full(shape, 2.0))
    assert stats.kstest(highest.ravel(), stats.rayleigh(scale=0.5).cdf).pvalue > 1e-3


def test_the_high_of_a_bridge_against_walks_of_many_steps() -> None:
    """From 0 to 0.7: bridges of 1,000 small steps, whose maximum falls short of the true one by 0.5826 of a step."""
    draw, paths, steps, end = generator(5), 4000, 1000, 0.7
    walk = np.cumsum(draw.standard_normal((paths, steps)), axis=1) / math.sqrt(steps)
    share = np.arange(1, steps + 1) / steps
    bridge = walk + share * (end - walk[:, -1:])
    highest = np.maximum(bridge.max(axis=1), 0.0) + 0.5826 / math.sqrt(steps)
    ours = _ohlcv._extreme(3, _draws.Stream.HIGH, np.full((paths, 1), end), np.full((paths, 1), 2.0)).ravel()
    assert stats.ks_2samp(highest, ours).pvalue > 1e-3


def test_a_quarter_of_the_variance_is_overnight() -> None:
    """Normal returns: the two parts are independent. The errors are 0.25 * sqrt(2 / n) and 1 / sqrt(n)."""
    bars = universe(symbols=20, days=2521, seed=3, traits=Traits(tails=math.inf, spread=0.0, correlation=0.0))
    close, opening = np.log(bars.close.values), np.log(bars.open.values)
    night, day = (opening[1:] - close[:-1]).ravel(), (close[1:] - opening[1:]).ravel()
    assert night.var() / (night + day).var() == pytest.approx(0.25, abs=5 * 0.25 * math.sqrt(2 / night.size))
    assert abs(np.corrcoef(night, day)[0, 1]) < 5 / math.sqrt(night.size)


# Marginals, against SciPy and NumPy


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("tails", [3.0, 5.0])
def test_tails_by_a_fit_of_student_t(tails: float, seed: int) -> None:
    """63,000 independent returns of one law: the maximum likelihood error of the degrees of freedom is 0.03 at 3 and
    0.075 at 5, that of the volatility 0.45 % (spreads of 20 such fits); five of them are allowed.
    """
    traits = Traits(tails=tails, spread=0.0, correlation=0.0, drift=0.0, price=500.0)
    returns = log_returns(universe(symbols=50, days=1261, seed=seed, traits=traits)).ravel()
    fitted, _, scale = stats.t.fit(returns)
    assert fitted == pytest.approx(tails, abs={3.0: 0.15, 5.0: 0.38}[tails])
    # The scale of a t is below its standard deviation by sqrt((v - 2) / v).
    assert scale * math.sqrt(252 * tails / (tails - 2)) == pytest.approx(0.3, rel=0.023)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_normal_shocks_have_no_fat_tails(seed: int) -> None:
    traits = Traits(tails=math.inf, spread=0.0, correlation=0.0, price=500.0)
    returns = log_returns(universe(symbols=50, days=1261, seed=seed, traits=traits)).ravel()
    assert stats.kurtosis(returns) == pytest.approx(0.0, abs=5 * math.sqrt(24 / returns.size))
    # The standard error of a standard deviation is sigma / sqrt(2 n).
    assert returns.std() * math.sqrt(252) == pytest.approx(0.3, abs=5 * 0.3 / math.sqrt(2 * returns.size))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.7])
def test_correlation(correlation: float, seed: int) -> None:
    """Normal returns of 20 names over 2,520 days: the market's sample variance alone makes an error of
    c (1 - c) sqrt(2 / T) in their mean, and 190 pairs one of sqrt(1 / 190 T).
    """
    bars = universe(symbols=20, days=2521, seed=seed, traits=Traits(tails=math.inf, correlation=correlation))
    found = np.corrcoef(log_returns(bars).T)[np.triu_indices(20, 1)].mean()
    error = math.sqrt((2 * (correlation * (1 - correlation)) ** 2 + 1 / 190) / 2520)
    assert found == pytest.approx(correlation, abs=5 * error)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_volatilities_differ_as_their_spread_says(seed: int) -> None:
    """400 names: the median of a log-normal has an error of 1.25 * 0.35 / 20, the spread one of 0.35 / sqrt(800)."""
    traits = Traits(tails=math.inf, volatility=0.3, spread=0.35, price=500.0)
    sigma = log_returns(universe(symbols=400, days=1261, seed=seed, traits=traits)).std(axis=0) * math.sqrt(252)
    assert np.median(np.log(sigma)) == pytest.approx(math.log(0.3), abs=5 * 1.25 * 0.35 / 20)
    assert np.log(sigma).std() == pytest.approx(0.35, abs=5 * 0.35 / math.sqrt(800))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_first_prices_and_turnover(seed: int) -> None:
    """800 names: the errors of a median and of a spread as above; log-normal with spreads of 0.5 and of 1."""
    bars = universe(symbols=800, days=2, seed=seed, traits=Traits(price=80.0, turnover=5e6))
    price = np.log(bars.close.values[0])
    # On row 0 there is no return, so that volume is that of a quiet day but for its noise of 0.45.
    value = np.log(bars.close.values[0] * bars.volume.values[0])
    for found, median, spread in ((price, 80.0, 0.5), (value, 5e6, math.hypot(1.0, 0.45))):
        assert np.median(found) == pytest.approx(math.log(median), abs=5 * 1.25 * spread / math.sqrt(800))
        assert found.std() == pytest.approx(spread, abs=5 * spread / math.sqrt(1600))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_volume_follows_the_size_of_returns(seed: int) -> None:
    """Spearman by SciPy, name by name; the error of the mean over 50 names is below 0.01."""
    bars = universe(symbols=50, days=1261, seed=seed)
    size, volume = np.abs(log_returns(bars)), bars.volume.values[1:]
    found = [stats.spearmanr(size[:, i], volume[:, i]).statistic for i in range(50)]
    assert 0.4 < np.mean(found) < 0.55
    assert min(found) > 0.3
    noise = np.log(volume) - 0.8 * np.log1p(size / size.std(axis=0))
    again = [stats.spearmanr(noise[1:, i], noise[:-1, i]).statistic for i in range(50)]
    assert 0.6 < np.mean(again) < 0.75


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_pattern_in_time_and_the_declared_drift(seed: int) -> None:
    bars = universe(symbols=50, days=2521, seed=seed, traits=Traits(tails=math.inf, correlation=0.0, drift=0.1))
    returns = log_returns(bars)
    scored = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    for lag in (1, 2, 5, 21):
        assert abs((scored[lag:] * scored[:-lag]).mean()) < 5 / math.sqrt(returns.size)
    error = returns.std() * 252 / math.sqrt(returns.size)
    assert returns.mean() * 252 == pytest.approx(0.1, abs=5 * error)


# Same bytes


def test_golden_hashes(maker) -> None:
    golden = json.loads(maker.GOLDEN.read_text("utf-8"))
    assert maker.hashes() == golden, "run tests/data/golden/make_synthetic.py and look at what changed"


def test_one_thread_gives_the_same_bytes(maker) -> None:
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    done = subprocess.run(
        [sys.executable, str(MAKER), "--print"],
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == maker.hashes()


@given(days=st.integers(2, 80), more=st.integers(0, 60), seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_more_days_leave_the_past_as_it_is(days: int, more: int, seed: int) -> None:
    short, long = (universe(symbols=3, days=n, seed=seed) for n in (days, days + more))
    assert long.between(None, short.dates[-1]).content_hash == short.content_hash


def test_a_longer_list_of_names_does_not_change_the_first_ones_traits() -> None:
    few, many = (universe(symbols=n, days=2, seed=5).close.values[0] for n in (3, 9))
    np.testing.assert_array_equal(few, many[:3])


@pytest.mark.parametrize("name", MARKETS)
def test_seeds(name: str) -> None:
    """Equal seeds give equal bytes, different ones differ, and the seed stands in the note."""
    make, grid = getattr(synthetic, name), Grid(10, 400)
    one, again, other = (make(seed=seed, grid=grid) for seed in (1, 1, 2))
    assert one.bars.content_hash == again.bars.content_hash
    assert one.planted.equals(again.planted)
    assert one.bars.content_hash != other.bars.content_hash
    assert "seed 1;" in one.bars.note
    assert one.name == name
    assert one.bars.name == f"synthetic {name}"


def test_seed_from_a_generator_and_from_the_system() -> None:
    draw = generator(4)
    assert universe(symbols=1, days=2, seed=draw).note != universe(symbols=1, days=2, seed=draw).note
    assert universe(symbols=1, days=2, seed=None).note != universe(symbols=1, days=2, seed=None).note


def test_the_note_of_an_unseeded_market_makes_it_again() -> None:
    bars = universe(symbols=2, days=3, seed=None)
    seed = int(bars.note.split("seed ")[1].split(";")[0])
    assert universe(symbols=2, days=3, seed=seed).content_hash == bars.content_hash


# Bad arguments: sentences


@pytest.mark.parametrize(
    ("kwargs", "kind", "text"),
    [
        ({"symbols": 0}, InputError, "`symbols` must be an integer >= 1, received 0."),
        ({"symbols": 2.5}, KindError, "`symbols` must be an integer >= 1, received 2.5."),
        ({"symbols": []}, InputError, "`symbols` must name at least one symbol, received none."),
        ({"symbols": ["A", "A"]}, LabelError, "Symbol A stands twice"),
        ({"symbols": "AB"}, KindError, "`symbols` must be a sequence of strings"),
        ({"days": 1}, InputError, "`days` must be an integer >= 2, received 1."),
        ({"days": True}, KindError, "`days` must be an integer >= 2, received True."),
        ({"start": "soon"}, InputError, "`start` must be a date such as '2010-01-04', received 'soon'."),
        (
            {"start": np.datetime64("NaT")},
            InputError,
            "`start` must be a date such as '2010-01-04', received a missing",
        ),
        ({"start": 2010}, KindError, "`start` must be a date or text such as '2010-01-04', received int."),
        ({"calendar": "XXXX"}, InputError, "Calendar 'XXXX' is unknown."),
        ({"calendar": 5}, KindError, "`calendar` must be a code such as 'XNYS', received int."),
        ({"start": "1950-01-01", "calendar": "XHKG"}, InputError, "Calendar 'XHKG' is known from 1960-01-01"),
        ({"seed": -1}, InputError, "`seed` must lie in"),
        ({"seed": "x"}, KindError, "`seed` must be an integer"),
    ],
)
def test_bad_arguments_of_universe(kwargs: dict, kind: type, text: str) -> None:
    with pytest.raises(kind) as caught:
        universe(**{"symbols": 2, "days": 5, **kwargs})
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"volatility": 0.0}, "`volatility` must be above 0.0 and at most 5.0, received 0."),
        ({"volatility": math.nan}, "`volatility` must be a finite number, received nan."),
        ({"spread": -0.1}, "`spread` must be at least 0.0 and at most 2.0, received -0.1."),
        ({"tails": 2.0}, "`tails` must be above 2.0, received 2."),
        ({"correlation": 1.0}, "`correlation` must be at least 0.0 and below 1.0, received 1."),
        ({"drift": math.inf}, "`drift` must be a finite number, received inf."),
        ({"price": -1}, "`price` must be above 0.0, received -1."),
        ({"turnover": 0}, "`turnover` must be above 0.0, received 0."),
    ],
)
def test_bad_traits(kwargs: dict, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Traits(**kwargs)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("name", "kwargs", "text"),
    [
        ("trending", {"strength": 0.0}, "`strength` must be above 0.0 and below 1.0"),
        ("trending", {"half_life": 0}, "`half_life` must be above 0.0"),
        ("ranging", {"grid": Grid(3, 50)}, "ranging needs 100 days or more to hold what it plants, received 50."),
        ("volatility_regimes", {"alpha": 0.2, "beta": 0.8}, "`alpha` + `beta` must be below 1 for a finite variance"),
        ("volatility_regimes", {"alpha": -0.2}, "`alpha` must be at least 0.0"),
        ("jumps_and_gaps", {"jumps": 300}, "`jumps per bar` must be below 1.0"),
        ("halts", {"longest": 0}, "`longest` must be an integer >= 1"),
        ("halts", {"longest": 41}, "`longest` must be at most 40"),
        ("halts", {"share": 0}, "`share` must be above 0.0 and at most 1.0"),
        ("low_liquidity", {"idle": 1.0}, "`idle` must be above 0.0 and below 1.0"),
        ("low_liquidity", {"thin": 2.0}, "`thin` must be above 0.0 and at most 1.0"),
        ("correlated_sectors", {"within": 0.1}, "`across` must be at most `within` (0.1), received 0.2."),
        ("correlated_sectors", {"grid": Grid(9, 100)}, "correlated_sectors with 5 sectors needs 10 symbols or more"),
        ("correlated_sectors", {"sectors": 1}, "`sectors` must be an integer >= 2"),
        ("correlation_breakdown", {"when": 0.9}, "`when` must be at least 0.2 and at most 0.8"),
        ("correlation_breakdown", {"grid": Grid(1, 300)}, "correlation_breakdown needs 2 symbols or more, received 1."),
        ("crash_and_rebound", {"fall": 1.0}, "`fall` must be above 0.0 and below 1.0"),
        ("crash_and_rebound", {"crash_days": 1}, "`crash_days` must be an integer >= 2"),
        ("crash_and_rebound", {"grid": Grid(1, 200)}, "crash_and_rebound needs 203 days or more"),
        ("momentum_crash", {"share": 0.6}, "`share` must be above 0.0 and at most 0.5"),
        ("momentum_crash", {"losers": -1.0}, "`losers` must be above -1.0"),
        ("momentum_crash", {"grid": Grid(20, 336)}, "momentum_crash needs 337 days or more"),
        ("momentum_crash", {"grid": Grid(9, 400)}, "momentum_crash needs 10 symbols or more, received 9."),
        ("short_squeeze", {"squeezed": 50}, "short_squeeze of 50 names needs 51 symbols or more, received 50."),
        ("short_squeeze", {"fee": 0.0}, "`fee` must be above 0.0"),
        ("splits_and_dividends", {"splits": 6}, "`splits` must be at most 5"),
        ("splits_and_dividends", {"dividend_yield": 0.6}, "`dividend_yield` must be at least 0.0 and at most 0.5"),
        ("delistings_and_listings", {"delisted": 0.6, "late": 0.6}, "`delisted + late` must be at most 1.0"),
        ("delistings_and_listings", {"grid": Grid(3, 300)}, "delistings_and_listings needs 4 symbols or more"),
        ("bad_ticks", {"share": 1.5}, "`share` must be above 0.0 and at most 1.0"),
    ],
)
def test_bad_arguments_of_markets(name: str, kwargs: dict, text: str) -> None:
    with pytest.raises(InputError) as caught:
        getattr(synthetic, name)(**kwargs)
    assert str(caught.value).startswith(text)


# Memory and repr


def test_a_market_says_what_it_holds() -> None:
    market = synthetic.halts(grid=Grid(2, 200), share=1.0)
    assert repr(market) == f"Market halts: 200 dates x 2 symbols, planted: halt ({market.planted.height})"


def test_peak_memory_is_a_few_matrices() -> None:
    import tracemalloc

    grid = (1000, 200)
    universe(symbols=grid[1], days=grid[0])
    tracemalloc.start()
    universe(symbols=grid[1], days=grid[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 8 * grid[0] * grid[1]
