"""Traps of timing (1 to 3): what is decided at a close is filled later, once, and no bar is borrowed from elsewhere."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from quantlab.core import Frequency, LabelError, Panel
from quantlab.data.calendars import Calendar
from quantlab.execution import Account, Borrow, Bps, Costs, Exits, Fill, Interest, Proportional, RegT

from .conftest import cash, column, make_bars, make_orders, make_weights, rules

NAN = math.nan
STEPS = [100.0, 100.0, 110.0, 110.0, 121.0, 121.0]
OPENS = [100.0, 100.0, 101.0, 111.0, 109.0, 122.0]


def risen(bars):
    """Own the asset after a bar that rose."""
    close = bars.close.values[:, 0]
    up = np.r_[0.0, np.diff(close)] > 0
    return make_weights(bars, {t: [float(up[t])] for t in range(close.size)})


def test_01_a_next_open_engine_owns_no_rising_bar(backtest):
    """Same-bar peek: opens equal the close before, so that all gains lie between a bar's open and its close."""
    bars = make_bars(STEPS, open=[100.0, 100.0, 100.0, 110.0, 110.0, 121.0])
    result = backtest(risen(bars), bars, account=cash(1.0))
    np.testing.assert_allclose(column(result, "equity")[-1], 1.0, rtol=1e-15)


def test_01_opens_that_tell_the_engines_apart(backtest):
    """Same-bar peek: the next open gives 109/111 * 121/122, the close of the decision 1.0, an unlagged product 1.21."""
    bars = make_bars(STEPS, open=OPENS)
    spent = backtest(risen(bars), bars, account=cash(1.0), fill=Fill("next_open", sizing="fill"))
    np.testing.assert_allclose(column(spent, "equity")[-1], 109 / 111 * 121 / 122, rtol=1e-14)
    assert round(column(spent, "equity")[-1], 6) == 0.973933
    # The default sizes at the close before the open: a full weight loses 2 of 110 and then 1 of 121.
    sized = backtest(risen(bars), bars, account=cash(1.0))
    np.testing.assert_allclose(column(sized, "equity")[-1], (1 - 2 / 110) * (1 - 1 / 121), rtol=1e-14)
    peek = backtest(risen(bars), bars, account=cash(1.0), fill="same_close")
    np.testing.assert_allclose(column(peek, "equity")[-1], 1.0, rtol=1e-14)
    close = bars.close.values[:, 0]
    unlagged = np.prod(1 + risen(bars).values[1:, 0] * (close[1:] / close[:-1] - 1))
    np.testing.assert_allclose(unlagged, 1.21, rtol=1e-14)


def test_01_fills_at_the_decision_s_own_close_are_told(backtest):
    """Same-bar peek: the one mode that looks ahead has to be asked for, and is a warning in the result."""
    bars = make_bars(STEPS, open=OPENS)
    peek = backtest(risen(bars), bars, account=cash(1.0), fill="same_close")
    row = peek.diagnostics.filter(pl.col("severity") == "warning").row(0, named=True)
    assert "looks ahead" in row["detail"]
    assert peek.fills["date"].to_list() == peek.orders["decided"].to_list()
    later = backtest(risen(bars), bars, account=cash(1.0))
    assert "warning" not in later.diagnostics["severity"].to_list()
    assert (later.orders["filled"] > later.orders["decided"]).all()


@pytest.mark.parametrize("fill", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("cut", [2, 7, 11, 16, 23])
def test_01_prices_after_a_bar_change_nothing_up_to_it(backtest, cut, fill):
    """Same-bar peek: with every later price gone, or every later bar, what is known up to a bar is the same bits."""
    rng = np.random.default_rng(cut)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.1, (25, 3)), axis=0))
    fields = {"open": close * np.exp(rng.normal(0.0, 0.03, close.shape))}
    fields |= {"high": np.maximum(fields["open"], close) * 1.01, "low": np.minimum(fields["open"], close) * 0.99}
    fields["volume"] = rng.uniform(50.0, 500.0, close.shape)
    actions = [("A", 6, "dividend", 0.5, 9), ("B", 12, "split", 2.0), ("C", 20, "delisting", -0.3)]

    def strategy(bars):
        change = np.diff(bars.close.values, axis=0, prepend=np.nan)
        rows = np.nan_to_num(np.sign(change)) / 3
        rows[20:, 2] = 0.0
        return make_weights(bars, dict(enumerate(rows)))

    def until(values):
        known = values.copy()
        known[cut + 1 :] = np.nan
        return known

    whole = make_bars(close, actions=actions, **fields)
    known = make_bars(until(close), actions=actions, **{name: until(values) for name, values in fields.items()})
    settings = {
        "costs": Costs(commission=Proportional(0.001, minimum=0.1), slippage=Bps(5), borrow=Borrow(0.03)),
        "account": Account(cash=1000.0, lot=0.1, margin=RegT(), interest=Interest(debit=0.06, credit=0.03)),
        "fill": Fill(fill, participation=0.2),
        "exits": Exits(stop_loss=0.08, trailing=0.1),
    }
    full, masked = (backtest(strategy(bars), bars, **settings) for bars in (whole, known))
    shorter = whole.between(end=whole.dates[cut])
    ended = backtest(strategy(shorter), shorter, **settings)

    at = whole.dates[cut].item()
    decided = ["decided", "symbol", "kind", "shares", "decision_price"]
    for other in (masked, ended):
        for name in ("equity", "cash", "positions", "margin"):
            left, right = getattr(full, name).values, getattr(other, name).values
            assert left[: cut + 1].tobytes() == right[: cut + 1].tobytes(), name
        early = [run.orders.filter(pl.col("decided") <= at).select(decided) for run in (full, other)]
        assert early[0].equals(early[1])
        done = [run.fills.filter(pl.col("date") <= at).drop("order") for run in (full, other)]
        assert done[0].equals(done[1])
        assert done[0].height > 0


def test_02_decisions_on_the_first_and_the_last_bar(backtest):
    """Bars at the ends: no index wraps around, and what is decided on the last bar meets no price at all."""
    bars = make_bars([10.0, 20.0, 30.0], open=[5.0, 15.0, 25.0])
    result = backtest(make_weights(bars, {0: [1.0], 2: [0.0]}), bars, account=cash(100.0))
    orders = result.orders
    assert orders["filled"].to_list() == [bars.dates[1].item(), None]
    assert orders["status"].to_list() == ["filled", "no_next_bar"]
    assert orders["fill_price"].to_list() == [15.0, None]
    # 10 shares sized at 10 and bought at 15.
    np.testing.assert_array_equal(result.positions.values.ravel(), [0.0, 10.0, 10.0])
    assert column(result, "equity") == [100.0, 150.0, 250.0]
    assert "no_next_bar" in rules(result)


def test_02_orders_on_the_first_and_the_last_bar(trade):
    """Bars at the ends: explicit orders of every type, too."""
    bars = make_bars([10.0, 20.0, 30.0], open=[5.0, 15.0, 25.0], high=[31.0] * 3, low=[4.0] * 3)
    types = [{"type": "market"}, {"type": "limit", "limit": 40.0}, {"type": "stop", "stop": 5.0}]
    types += [{"type": "market_on_open"}, {"type": "market_on_close"}]
    orders = make_orders(bars, *[{"bar": bar, "shares": 1.0, "tif": "gtc"} | kind for bar in (0, 2) for kind in types])
    result = trade(orders, bars, account=cash(1000.0))
    assert result.orders["status"].to_list() == ["filled"] * 5 + ["no_next_bar"] * 5
    assert set(result.fills["date"]) == {bars.dates[1].item()}
    assert result.fills.sort("price")["price"].to_list() == [15.0, 15.0, 15.0, 15.0, 20.0]


def test_02_a_fill_price_that_is_missing_drops_the_order(backtest):
    """Bars at the ends: where there is no next open there is no fill, neither at the close nor a bar later."""
    bars = make_bars([10.0, 20.0, 30.0], open=[5.0, NAN, 25.0])
    result = backtest(make_weights(bars, {0: [1.0]}), bars, account=cash(100.0))
    assert result.orders["status"].to_list() == ["missing_price"]
    assert column(result, "equity") == [100.0] * 3


EASTER = np.array(["2024-03-27", "2024-03-28", "2024-04-01", "2024-04-02"], dtype="datetime64[D]")


def test_03_a_signal_of_a_holiday_executes_on_the_next_session_once(backtest):
    """Holiday: 2024-03-29 is Good Friday. What is known that day is decided for the open of 2024-04-01, once."""
    exchange = Calendar("XNYS")
    np.testing.assert_array_equal(exchange.sessions(EASTER[0], EASTER[-1]), EASTER)
    bars = make_bars([10.0] * 4, open=[9.0, 9.5, 10.5, 11.0], dates=EASTER, frequency=Frequency.daily("XNYS"))
    signal = Panel([[1.0]], ["2024-03-29"], ["A"])
    with pytest.raises(LabelError, match="2024-03-29, which is no date"):
        backtest(signal, bars, account=cash(1000.0))
    # The last close before it: nothing can trade between the two, and the shares are sized at what was last paid.
    row = Panel(signal.values, exchange.session_on_or_before(signal.dates), ["A"])
    result = backtest(row, bars, account=cash(1000.0))
    assert result.fills.select("date", "shares", "price").rows() == [(EASTER[2].item(), 100.0, 10.5)]
    # ``align`` waits for the first close at which it is known for certain, and costs a session.
    result = backtest(exchange.align(signal), bars, account=cash(1000.0))
    assert result.fills.select("date", "shares", "price").rows() == [(EASTER[3].item(), 100.0, 11.0)]


def half_hours(*days: str) -> np.ndarray:
    """The ends of the half hours of regular sessions, in UTC."""
    windows = Calendar("XNYS").windows(days[0], days[-1])
    step = np.timedelta64(30, "m")
    ends = [
        np.arange(
            np.datetime64(begin.replace(tzinfo=None)) + step, np.datetime64(end.replace(tzinfo=None)) + step, step
        )
        for begin, end in windows.select("open", "close").iter_rows()
    ]
    return np.concatenate(ends).astype("datetime64[us]")


@pytest.fixture(scope="module")
def thanksgiving():
    """Half hours of 2024-11-27 (13), 2024-11-29 (7: it closes at 13:00) and 2024-12-02 (13); the 28th is a holiday."""
    times = half_hours("2024-11-27", "2024-12-02")
    assert times.size == 13 + 7 + 13
    assert str(times[19]) == "2024-11-29T18:00:00.000000"  # 13:00 in New York
    price = np.linspace(50.0, 53.2, times.size)
    return make_bars(
        price, open=price - 0.05, high=price + 0.5, low=price - 0.5, dates=times,
        frequency=Frequency.intraday("XNYS", 30),
    )  # fmt: skip


def test_03_a_signal_at_an_early_close_executes_at_the_next_session_s_open(backtest, thanksgiving):
    """Early close: 2024-11-29 ends at 13:00. Its last bar decides for the first bar of Monday, once."""
    bars = thanksgiving
    result = backtest(make_weights(bars, {19: [0.5]}), bars, account=cash(10_000.0, 1.0))
    assert result.fills.select("date", "price").rows() == [(result.charges["date"][20], bars.open.values[20, 0])]
    assert str(bars.dates[20])[:16] == "2024-12-02T15:00"


def test_03_a_day_order_dies_at_the_early_close(trade, thanksgiving):
    """Early close: an order for the day ends with its session, of 7 bars or of 13, and never lives on after it."""
    bars = thanksgiving
    far = {"shares": 1.0, "type": "limit", "limit": 1.0, "tif": "day"}
    # Met on the last bar of a session it lives for one bar; placed at a session's last close, for all of the next.
    orders = make_orders(bars, *[far | {"bar": bar} for bar in (11, 12, 15, 18, 19)])
    reach = {"shares": 1.0, "type": "limit", "limit": 50.0, "tif": "day"}
    fell = make_bars(
        bars.close.values, open=bars.open.values, high=bars.high.values,
        low=np.where(np.arange(33)[:, None] == 20, 49.9, bars.low.values), dates=bars.dates, frequency=bars.frequency,
    )  # fmt: skip
    result = trade(orders, bars, account=cash(10_000.0, 1.0))
    assert result.orders["status"].to_list() == ["expired"] * 5
    placed = make_orders(fell, *[reach | {"bar": bar} for bar in (18, 19)])
    result = trade(placed, fell, account=cash(10_000.0, 1.0))
    # Monday's first bar falls to 49.90: the order that met Friday's last bar is gone, the one placed at it is not.
    assert result.orders["status"].to_list() == ["expired", "filled"]
    assert result.fills["price"].to_list() == [50.0]


def test_03_intraday_bars_pay_for_nights_only(trade, thanksgiving):
    """Intraday: nothing within a session, two nights over the holiday, three from Friday's early close to Monday."""
    bars = make_bars(np.full(33, 50.0), dates=thanksgiving.dates, frequency=thanksgiving.frequency)
    costs = Costs(borrow=Borrow(0.03))
    interest = Interest(credit=0.036, short=0.018)
    account = cash(10_000.0, 1.0, interest=interest)
    result = trade(make_weights(bars, {2: [-100.0]}), bars, costs=costs, account=account, fill="next_close")
    fee = np.zeros(33)
    # 5,000 at 3 % over 360 days is 0.41666 a night.
    fee[[13, 20]] = 5000 * 0.03 * np.array([2, 3]) / 360
    np.testing.assert_allclose(result.charges["borrow"], fee, rtol=1e-15)
    np.testing.assert_allclose(result.charges["short_interest"], fee * 0.6, rtol=1e-14)
    # Cash is 15,000, of which 5,000 secure the short; the fees of the first nights are gone when the second come.
    free = np.array([10_000.0, 10_000.0 + 2.0 + 0.5 - 5 / 6])
    np.testing.assert_allclose(
        result.charges["credit_interest"].to_numpy()[[13, 20]], free * 0.036 * np.array([2, 3]) / 360, rtol=1e-13
    )
    assert np.count_nonzero(result.charges["credit_interest"]) == 2


def test_03_a_short_that_is_covered_before_the_close_pays_nothing(trade, thanksgiving):
    """Intraday: a position that does not see the night is not financed, however long it was held."""
    bars = make_bars(np.full(33, 50.0), dates=thanksgiving.dates, frequency=thanksgiving.frequency)
    costs, account = Costs(borrow=Borrow(0.03)), cash(10_000.0, 1.0, interest=Interest(debit=0.06, short=0.01))
    rows = {0: [-100.0], 11: [100.0], 13: [400.0], 18: [-400.0]}
    result = trade(make_weights(bars, rows), bars, costs=costs, account=account, fill="next_close")
    assert result.charges.select("borrow", "debit_interest", "short_interest").sum().row(0) == (0.0, 0.0, 0.0)
    assert column(result, "equity") == [10_000.0] * 33
