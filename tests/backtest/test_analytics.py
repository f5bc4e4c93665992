"""Numbers over time of a whole book, against quantlab.metrics and NumPy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from quantlab import metrics
from quantlab.backtest import _analytics
from quantlab.core import DataError, InputError, KindError, LabelError, Panel
from quantlab.execution import Account, NoMargin

from ._given import DAILY, MONDAY, bars_of, held, weighed

NAN = np.nan


@pytest.fixture(scope="module")
def result():
    draws = np.random.default_rng(5).normal(0.001, 0.02, (90, 3))
    bars = bars_of(50.0 * np.exp(np.cumsum(draws, axis=0)))
    return weighed(bars, {4: [0.5, -0.3, 0.0], 40: [0.2, 0.4, 0.0]}, account=Account(lot=None))


def market(result):
    close = result.bars.close
    return (close.select("C") / close.select("C").shift(1) - 1).between(close.dates[1])


def test_months_are_those_of_the_metrics(result):
    table = result.returns_table()
    assert table.equals(metrics.monthly_returns(result.returns))
    compounded = np.prod([1 + v for v in table.row(0)[1:13] if v is not None])
    assert compounded == pytest.approx(result.equity.values[-1, 0] / result.equity.values[4, 0], rel=1e-12)


def test_rolling_numbers_are_those_of_the_metrics(result):
    rolled = result.rolling(20)
    assert rolled.symbols == ("volatility", "sharpe")
    assert rolled.shape == (85, 2)
    np.testing.assert_array_equal(
        rolled.select("volatility").values, metrics.rolling_volatility(result.returns, 20).values
    )
    np.testing.assert_array_equal(rolled.select("sharpe").values, metrics.rolling_sharpe(result.returns, 20).values)
    assert np.isnan(rolled.values[:19]).all()


def test_rolling_correlation_is_that_of_each_window(result):
    benchmark = market(result)
    rolled = result.rolling(20, benchmark=benchmark).select("correlation").values[:, 0]
    own, other = result.returns.values[:, 0], benchmark.between(result.returns.dates[0]).values[:, 0]
    expected = [np.corrcoef(own[t - 19 : t + 1], other[t - 19 : t + 1])[0, 1] for t in range(19, own.size)]
    np.testing.assert_allclose(rolled[19:], expected, rtol=0, atol=1e-12)
    # On another scale, and with itself.
    tiny = Panel(benchmark.values * 1e-6, benchmark.dates, benchmark.symbols)
    np.testing.assert_allclose(result.rolling(20, benchmark=tiny).values[19:, 2], expected, rtol=0, atol=1e-11)
    same = result.rolling(20, benchmark=result.returns).values[19:, 2]
    np.testing.assert_allclose(same, 1.0, rtol=1e-12)
    assert (np.abs(same) <= 1.0).all()


def test_rolling_takes_frames(result):
    frame = market(result).to_frame()
    np.testing.assert_array_equal(
        result.rolling(20, benchmark=frame).values, result.rolling(20, benchmark=market(result)).values
    )


def test_a_flat_benchmark_correlates_with_nothing(result):
    flat = Panel(np.zeros((90, 1)), result.bars.dates, ["M"])
    assert np.isnan(result.rolling(20, benchmark=flat).values[:, 2]).all()


def test_a_window_that_no_bar_fills_is_refused(result):
    count = len(result.returns)
    assert np.isfinite(result.rolling(count).values[-1]).all()
    with pytest.raises(InputError, match=rf"`window` must be at most the number of returns \({count}\)") as caught:
        result.rolling(count + 1)
    assert "first decision" in caught.value.hint


def test_rolling_refuses(result):
    with pytest.raises(InputError, match="`window` must be an integer >= 2"):
        result.rolling(1)
    with pytest.raises(KindError, match="window"):
        result.rolling(2.5)
    short = market(result).between(end=result.bars.dates[50])
    with pytest.raises(LabelError, match="no return on 2024-02-21 and 38 more"):
        result.rolling(20, benchmark=short)
    with pytest.raises(LabelError, match="no return on 2024-01-06 and 84 more"):
        result.rolling(20, benchmark=market(result).between(end=result.bars.dates[2]))
    with pytest.raises(InputError, match="must have one column, received 3"):
        result.rolling(20, benchmark=result.bars.close)
    with pytest.raises(DataError, match="simple returns per bar"):
        result.rolling(20, benchmark=market(result) - 2.0)
    bare = held(bars_of([10.0, 11.0, 12.0]), {0: [1.0]})
    object.__setattr__(bare.bars.close, "frequency", None)
    with pytest.raises(InputError, match="bars per year"):
        bare.rolling(2)


def test_rolling_of_a_ruined_book_is_unknown():
    bars = bars_of([10.0, 10.0, 11.0, 40.0, 10.0, 10.0])
    ruined = weighed(bars, {0: [-1.0]}, account=Account(cash=100.0, margin=NoMargin()))
    assert np.isnan(ruined.rolling(2).values[2:]).all()


def test_correlation_of_contributions_is_that_of_numpy(result):
    table = result.correlation()
    assert table.columns == ["symbol", "A", "B", "C"]
    assert table["symbol"].to_list() == ["A", "B", "C"]
    parts = result.contribution.values[5:, :2]
    expected = np.corrcoef(parts, rowvar=False)[0, 1]
    assert table["B"][0] == pytest.approx(expected, rel=1e-13) == table["A"][1]
    assert table["A"][0] == pytest.approx(1.0)
    # C was never held.
    assert table["C"].to_list() == [None, None, None]


def test_correlation_of_weights(result):
    expected = np.corrcoef(result.weights.values[5:, :2], rowvar=False)[0, 1]
    assert result.correlation("weights")["B"][0] == pytest.approx(expected, rel=1e-13)
    with pytest.raises(InputError, match='"contribution" or "weights", received'):
        result.correlation("returns")


def test_correlation_of_too_little_is_null():
    table = held(bars_of([[10.0, 10.0], [11.0, 12.0]]), {0: [1.0, 1.0]}).correlation()
    assert table["A"].to_list() == [None, None]
    assert table.schema == {"symbol": pl.String, "A": pl.Float64, "B": pl.Float64}
    with pytest.raises(LabelError, match="A symbol is called `symbol`"):
        held(bars_of([[10.0], [11.0]], symbols=["symbol"]), {0: [1.0]}).correlation()


def test_correlation_drops_what_follows_a_ruin():
    values = np.array([[0.1, 0.2], [0.3, 0.1], [0.2, 0.5], [NAN, NAN]])
    table = _analytics.correlation(Panel(values, MONDAY + np.arange(4), ["A", "B"], frequency=DAILY), "contribution")
    assert table["B"][0] == pytest.approx(np.corrcoef(values[:3].T)[0, 1])
