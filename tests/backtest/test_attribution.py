"""Where the money came from: by hand, and adding up to the change in equity on random books with every feature."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest import _attribution, _reference
from quantlab.core import InputError, KindError, LabelError, Panel
from quantlab.execution import Account, Borrow, Bps, Costs, Currencies, Interest, NoMargin, PerShare
from quantlab.execution import _kernel_types as kt

from ._given import bars_of, held, weighed
from ._random_inputs import random_inputs

NAN = np.nan
OWN, CASH = _attribution.OWN, _attribution.CASH


@pytest.fixture(scope="module")
def result():
    """Long 10 A, short 5 B; half of A sold; a dividend on each; borrow fees and interest."""
    bars = bars_of(
        [[10.0, 20.0], [10.0, 20.0], [12.0, 19.0], [12.0, 22.0], [11.0, 22.0]],
        actions=[("A", 3, "dividend", 0.8), ("B", 3, "dividend", 1.0)],
    )
    costs = Costs(PerShare(0.1), slippage=Bps(100), borrow=Borrow(0.36))
    account = Account(cash=1000.0, margin=NoMargin(), interest=Interest(debit=0.1, credit=0.036))
    return held(bars, {0: [10.0, -5.0], 2: [-5.0, 0.0]}, costs=costs, account=account)


def one(table, name):
    return table.row(by_predicate=pl.col(table.columns[0]) == name, named=True)


def test_by_symbol_by_hand(result):
    table = result.attribution()
    assert table.columns == ["symbol", "profit", *OWN, *CASH]
    a, b, cash = table.rows(named=True)
    # 10 from 10 to 12, five of them sold at 12 (before slippage), the other five from 12 to 11; 0.8 on ten.
    assert (a["price"], a["dividends"], a["commission"], a["borrow"]) == pytest.approx((15.0, 8.0, -1.5, 0.0))
    assert a["slippage"] == pytest.approx(-(1.0 + 0.6))
    assert a["profit"] == pytest.approx(15.0 + 8.0 - 1.5 - 1.6)
    # Five short from 20 to 22; three nights at 0.1 % of 100, 95, 110.
    assert (b["price"], b["dividends"]) == pytest.approx((-10.0, -5.0))
    assert b["borrow"] == pytest.approx(-0.305)
    assert cash["symbol"] == "cash"
    assert cash["interest"] == pytest.approx(result.charges["credit_interest"].sum())
    assert cash["profit"] == cash["interest"] > 0
    assert table["profit"].sum() == pytest.approx(result.equity.values[-1, 0] - 1000.0, rel=1e-12)


def test_by_side_by_hand(result):
    table = result.attribution("side")
    assert table["side"].to_list() == ["long", "short", "cash"]
    symbols = result.attribution()
    for name in ("profit", *OWN, *CASH):
        np.testing.assert_allclose(table[name], symbols[name], rtol=1e-12, atol=1e-12)


def test_by_cost_by_hand(result):
    table = result.attribution("cost")
    kinds = dict(table.select("kind", "profit").iter_rows())
    assert kinds["price"] == pytest.approx(5.0)
    assert kinds["dividends"] == pytest.approx(3.0)
    assert kinds["commission"] == -result.charges["commission"].sum()
    assert kinds["slippage"] == pytest.approx(-result.charges["slippage"].sum())
    assert kinds["borrow"] == pytest.approx(-0.305)
    assert kinds["credit_interest"] == result.charges["credit_interest"].sum()
    assert kinds["currency"] == 0.0
    np.testing.assert_allclose(table["of_initial"], table["profit"] / 1000.0, rtol=1e-15)
    assert not np.signbit(table["profit"].to_numpy()[table["profit"].to_numpy() == 0]).any()


SECTORS = {"A": "Energy", "B": "Utilities"}


def test_by_sector(result):
    table = result.attribution("sector", sectors=SECTORS)
    assert table["sector"].to_list() == ["Energy", "Utilities", "unknown", "cash"]
    symbols = result.attribution()
    np.testing.assert_allclose(table["profit"].to_numpy()[[0, 1, 3]], symbols["profit"], rtol=1e-13)
    assert one(table, "unknown")["profit"] == 0.0
    frame = pl.DataFrame({"symbol": ["A", "B"], "sector": ["Energy", "Utilities"]})
    assert result.attribution("sector", sectors=frame).equals(table)


def test_symbols_without_a_sector_are_unknown(result):
    table = result.attribution("sector", sectors={"A": "Energy", "B": None, "Z": "Tech"})
    assert table["sector"].to_list() == ["Energy", "unknown", "cash"]
    assert one(table, "unknown")["price"] == pytest.approx(-10.0)
    assert result.attribution("sector", sectors={})["sector"].to_list() == ["unknown", "cash"]


def test_a_dated_sector_takes_the_profit_of_its_days(result):
    day = result.bars.dates.astype(object)
    reference = pl.DataFrame(
        {
            "symbol": ["A", "A", "B"],
            "field": ["sector"] * 3,
            "value": ["Energy", "Tech", "Energy"],
            "start": [None, day[3], None],
            "end": [day[3], None, None],
        },
        schema_overrides={"start": pl.Date, "end": pl.Date},
    )
    table = result.attribution("sector", sectors=reference)
    # A earned 20 up to bar 2 as Energy, and lost 5 afterwards as Tech, beside its dividend and its sale.
    assert one(table, "Tech")["price"] == pytest.approx(-5.0)
    assert one(table, "Tech")["dividends"] == pytest.approx(8.0)
    assert one(table, "Energy")["price"] == pytest.approx(20.0 - 10.0)
    assert table["profit"].sum() == pytest.approx(result.equity.values[-1, 0] - 1000.0, rel=1e-12)


def test_profits_of_what_is_no_trade():
    """Cash in lieu, spin-offs, conversions and delistings are profit of the symbol that they happened to."""
    bars = bars_of(
        [[70.0, 10.0, NAN, 8.0], [70.0, 10.0, NAN, 8.0], [490.0, 8.0, NAN, 8.0], [490.0, NAN, 9.0, NAN]],
        actions=[
            ("A", 2, "split", 1 / 7),
            ("B", 2, "spinoff", 0.2),
            ("B", 3, "conversion", 1.0, "C"),
            ("D", 3, "delisting", -0.5),
        ],
    )
    result = held(bars, {0: [100.0, 50.0, 0.0, 20.0]})
    table = result.attribution()
    # The spin-off of 2 per share was sold at its value; what was B at 8 is C at 9.
    np.testing.assert_allclose(table["profit"], [0.0, 0.0, 50.0, -80.0, 0.0], rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(result.attribution("side")["profit"], [-30.0, 0.0, 0.0], rtol=1e-12, atol=1e-10)


RATES = [1.0, 1.1, 1.25, 1.25, 1.5]


def abroad(policy, **rest):
    """100 A in dollars, 40 B in euros; the euro rises from 1.1 to 1.5 dollars."""
    bars = bars_of([[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [10.0, 22.0], [10.0, 22.0]], **rest)
    rates = Panel(np.array(RATES)[:, None], bars.dates, ["EUR"])
    currencies = Currencies({"B": "EUR"}, rates, policy=policy, cost=Bps(10))
    account = Account(cash=10_000.0, margin=NoMargin(), currencies=currencies)
    return held(bars, {0: [100.0, 40.0], 2: [0.0, -20.0]}, account=account)


def test_a_foreign_holding_gains_by_its_rate():
    result = abroad("convert")
    b, cash = (one(result.attribution(), name) for name in ("B", "cash"))
    # 40 bought for 880 dollars; 20 sold at 22 for 1.25, 20 worth 22 at 1.5.
    assert b["price"] == pytest.approx(20 * 22 * 1.25 + 20 * 22 * 1.5 - 880.0)
    assert cash["conversion_cost"] == pytest.approx(-(880.0 + 550.0) * 0.001)
    assert cash["currency"] == pytest.approx(0.0, abs=1e-9)
    trades = result.trades
    trade = trades.row(by_predicate=pl.col("symbol") == "B", named=True)
    assert trade["entry_price"] == 20.0
    assert trade["return"] == pytest.approx(trade["pnl"] / 880.0, rel=1e-13)
    assert trades["pnl"].sum() == pytest.approx(b["price"], rel=1e-12)


def test_foreign_cash_gains_by_its_rate():
    result = abroad("hold")
    cash = one(result.attribution(), "cash")
    # 800 euros are owed from bar 1 on, 440 come back at 1.25.
    assert cash["currency"] == pytest.approx(-800 * 0.15 - 360 * 0.25)
    assert cash["conversion_cost"] == 0.0
    contributions = result.contribution
    np.testing.assert_allclose(contributions.values[2, -1] * result.equity.values[1, 0], -120.0, rtol=1e-12)


def test_the_accounts_own_row_gives_way_to_a_symbol_of_its_name():
    bars = bars_of([[10.0, 10.0]] * 3, symbols=["cash", "B"])
    result = held(bars, {0: [5.0, 5.0]})
    assert result.attribution()["symbol"].to_list() == ["B", "cash", "cash*"]
    assert result.contribution.symbols == ("cash", "B", "cash*")


def test_refusals(result):
    with pytest.raises(InputError, match="`by` must be one of symbol, side, sector, cost, received 'name'"):
        result.attribution("name")
    with pytest.raises(InputError, match="goes with"):
        result.attribution("symbol", sectors=SECTORS)
    with pytest.raises(InputError, match="goes with"):
        result.attribution("sector")
    with pytest.raises(KindError, match="received list"):
        result.attribution("sector", sectors=["Energy"])
    reference = pl.DataFrame({"symbol": ["Q"], "field": ["sector"], "value": ["Energy"]})
    with pytest.raises(LabelError):
        result.attribution("sector", sectors=reference)


def test_nothing_traded():
    result = weighed(bars_of([[10.0, 20.0]] * 3), {1: [0.0, 0.0]})
    for by in ("symbol", "side", "cost"):
        assert result.attribution(by)["profit"].to_list() == [0.0] * result.attribution(by).height


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_everything_adds_up_on_random_books(seed):
    inputs = random_inputs(seed)
    run = _reference.run(inputs, keep=True)
    records, tape = run.records, run.tape
    bars, assets = inputs.world.close.shape
    if run.stopped >= 0:
        return
    scale = inputs.cash + np.abs(tape[:, [kt.EQUITY, kt.LONG, kt.SHORT]]).max() + tape[:, kt.TRADED].sum()
    close = {"rtol": 0, "atol": 1e-10 * scale}
    own = _attribution.account_profits(inputs, run, records)
    each = _attribution.profits(inputs, records)
    change = np.diff(tape[:, kt.EQUITY], prepend=inputs.cash)
    np.testing.assert_allclose(each.sum(axis=1) + own.sum(axis=1), change, **close)
    symbols = _attribution._by_code(inputs, records, np.arange(assets)[None, :], assets)
    np.testing.assert_allclose(symbols.sum(axis=0), each.sum(axis=0), **close)
    sides = _attribution._by_side(inputs, records, bars)
    np.testing.assert_allclose(sides.sum(axis=1), symbols.sum(axis=1), **close)
    codes = np.random.default_rng(seed).integers(0, 3, (bars, assets))
    np.testing.assert_allclose(
        _attribution._by_code(inputs, records, codes, 3).sum(axis=1), symbols.sum(axis=1), **close
    )
    charged = {"commission": kt.COMMISSION, "fees": kt.FEES, "slippage": kt.SLIPPAGE, "borrow": kt.BORROW}
    for name, column in charged.items():
        np.testing.assert_allclose(symbols[OWN.index(name)].sum(), -tape[:, column].sum(), **close)
    np.testing.assert_allclose(symbols[OWN.index("dividends")].sum(), tape[:, kt.DIVIDENDS].sum(), **close)
