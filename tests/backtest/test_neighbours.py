"""A result as pandas objects and as a Portfolio of vectorbt."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from quantlab.backtest._neighbours import FRAMES, PANELS
from quantlab.core import InputError, MissingLibraryError, Panel, as_bars
from quantlab.execution import Account, Borrow, Bps, Costs, Exits, NoMargin, PerShare

from ._given import bars_of, held, weighed

NAN = np.nan


@pytest.fixture(scope="module")
def result():
    bars = bars_of([[10.0, 20.0], [10.0, 20.0], [12.0, 19.0], [NAN, 22.0], [11.0, 22.0]], symbols=["B", "A"])
    costs = Costs(PerShare(0.1), slippage=Bps(100))
    return held(bars, {0: [10.0, -5.0], 1: [-5.0, 0.0], 3: [5.0, 5.0]}, cash=1000.0, costs=costs)


def test_pandas_has_every_panel_and_table(result):
    pandas = pytest.importorskip("pandas")
    given = result.to_pandas()
    assert set(given) == {*PANELS, *FRAMES}
    for name in PANELS:
        panel, frame = getattr(result, name), given[name]
        assert isinstance(frame, pandas.Series if name in ("equity", "cash", "returns", "traded") else pandas.DataFrame)
        np.testing.assert_array_equal(frame.to_numpy().reshape(panel.shape), panel.values)
        assert (frame.index.to_numpy().astype("datetime64[D]") == panel.dates).all()
        if frame.ndim == 2:
            assert list(frame.columns) == list(panel.symbols)
        else:
            assert frame.name == name
    for name in FRAMES:
        table, frame = getattr(result, name), given[name]
        assert list(frame.columns) == table.columns
        assert len(frame) == table.height
    assert given["trades"]["symbol"].tolist() == result.trades["symbol"].to_list()
    assert given["trades"]["exit"].isna().tolist() == result.trades["exit"].is_null().to_list()
    np.testing.assert_array_equal(given["orders"]["fill_price"], result.orders["fill_price"].to_numpy())


def test_pandas_panels_are_copies(result):
    pytest.importorskip("pandas")
    frame = result.to_pandas()["positions"]
    frame.iloc[0, 0] = 99.0
    assert result.positions.values[0, 0] == 0.0


def test_pandas_of_intraday_bars():
    pytest.importorskip("pandas")
    times = np.array(["2024-01-05T15:00", "2024-01-05T20:00", "2024-01-08T15:00"], dtype="datetime64[us]")
    bars = as_bars(Panel([[50.0]] * 3, times, ["A"]), adjusted="none")
    given = weighed(bars, {0: [0.5]}).to_pandas()
    assert (given["equity"].index.to_numpy() == times).all()
    assert given["orders"]["filled"].to_numpy()[0] == times[1]


@pytest.mark.parametrize(("name", "call"), [("pandas", "to_pandas"), ("pandas", "to_vectorbt")])
def test_a_missing_library_is_named(result, monkeypatch, name, call):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibraryError, match=f"{name} is not installed"):
        getattr(result, call)()


def test_vectorbt_that_is_not_installed(result, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, "vectorbt", None)
    with pytest.raises(MissingLibraryError, match="`to_vectorbt` needs vectorbt"):
        result.to_vectorbt()


@pytest.fixture(scope="module")
def vectorbt():
    return pytest.importorskip("vectorbt")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestVectorbt:
    """vectorbt values our fills by itself; slow because its import is."""

    def test_its_value_and_cash_are_ours(self, result, vectorbt):
        given = result.to_vectorbt()
        assert isinstance(given, vectorbt.Portfolio)
        np.testing.assert_allclose(given.value().to_numpy(), result.equity.values[:, 0], rtol=1e-13)
        np.testing.assert_allclose(given.cash().to_numpy(), result.cash.values[:, 0], rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(given.assets().to_numpy(), result.positions.values, rtol=1e-15)
        assert list(given.assets().columns) == ["B", "A"]
        assert given.orders.count() == result.fills.height
        assert given.total_return() == pytest.approx(result.equity.values[-1, 0] / 1000.0 - 1, rel=1e-12)

    def test_its_trades_earn_what_ours_do(self, result, vectorbt):
        given = result.to_vectorbt()
        assert given.exit_trades.pnl.sum() == pytest.approx(result.trades["pnl"].sum(), rel=1e-12)

    def test_debt_and_two_fills_on_one_bar(self, vectorbt):
        """What its own simulation would cut or refuse: a loan, and two fills of a symbol on one bar."""
        closes = np.array([10.0, 10.0, 12.0, 9.0, 9.0])
        bars = bars_of(closes, open=closes, high=closes + 0.5, low=[10.0, 10.0, 11.5, 7.0, 9.0])
        account = Account(cash=1000.0, margin=NoMargin(), lot=None)
        result = weighed(bars, {0: [1.9], 2: [1.0]}, exits=Exits(stop_loss=0.15), fill="next_open", account=account)
        assert result.cash.values.min() < 0
        assert result.fills.group_by("date").len()["len"].max() > 1
        np.testing.assert_allclose(result.to_vectorbt().value().to_numpy(), result.equity.values[:, 0], rtol=1e-12)

    def test_delistings_and_conversions_are_orders(self, vectorbt):
        bars = bars_of(
            [[10.0, NAN, 8.0], [10.0, NAN, 8.0], [NAN, 12.0, 8.0], [NAN, 13.0, NAN]],
            actions=[("A", 2, "conversion", 1.0, "B"), ("C", 3, "delisting", -1.0)],
        )
        result = held(bars, {0: [50.0, 0.0, 20.0]}, cash=1000.0)
        given = result.to_vectorbt()
        np.testing.assert_allclose(given.value().to_numpy(), result.equity.values[:, 0], rtol=1e-13)
        np.testing.assert_array_equal(given.assets().to_numpy(), result.positions.values)
        assert given.orders.records["idx"].tolist() == [1, 1, 2, 2, 3]

    def test_what_it_does_not_know_is_the_difference(self, vectorbt):
        bars = bars_of([10.0] * 4, actions=[("A", 3, "dividend", 0.5)])
        result = held(bars, {0: [-20.0]}, cash=1000.0, costs=Costs(borrow=Borrow(0.36)))
        gap = result.equity.values[:, 0] - result.to_vectorbt().value().to_numpy()
        np.testing.assert_allclose(gap, np.cumsum(-result.charges["borrow"].to_numpy()) - [0, 0, 0, 10.0], atol=1e-12)

    def test_a_split_is_refused(self, vectorbt):
        bars = bars_of([10.0, 10.0, 5.0, 2.5], actions=[("A", 2, "split", 2.0), ("A", 3, "split", 2.0)])
        with pytest.raises(InputError, match="the split of A on 2024-01-03 and 1 more changed a position") as caught:
            held(bars, {0: [20.0]}).to_vectorbt()
        assert "`ql.data.adjust(bars)`" in caught.value.hint

    def test_random_books(self, vectorbt):
        rng = np.random.default_rng(3)
        for _ in range(20):
            close = 50 * np.exp(np.cumsum(rng.normal(0, 0.05, (30, 4)), axis=0))
            weights = {bar: rng.uniform(-0.5, 0.5, 4) for bar in range(0, 30, 3)}
            costs = Costs(PerShare(0.01, minimum=1.0), slippage=Bps(20))
            result = weighed(bars_of(close), weights, costs=costs, account=Account(cash=1e5))
            np.testing.assert_allclose(result.to_vectorbt().value().to_numpy(), result.equity.values[:, 0], rtol=1e-12)
