"""A small market whose numbers anybody can make again, and the books that the tests of the report look at."""

import os
import shutil

import numpy as np
import pytest

from quantlab import backtest, metrics, report, validation
from quantlab.core import Frequency, Panel, as_bars
from quantlab.core.periods import period_ends, sessions
from quantlab.execution import Account, Borrow, Bps, Costs, PerShare

COSTS = Costs(commission=PerShare(0.005, minimum=1.0, maximum=0.01), slippage=Bps(5), borrow=Borrow(0.03))
XNYS = Frequency.daily("XNYS")


def market(bars=900, symbols=5, name="market", seed=3):
    """Random closes, the same on every machine: a common factor and noise, rounded to cents."""
    draws = np.random.Generator(np.random.Philox(seed)).normal(size=(bars, symbols + 1))
    steps = 0.0004 + 0.006 * draws[:, :1] + 0.01 * draws[:, 1:]
    close = np.round(50.0 * np.exp(np.cumsum(steps, axis=0)), 2)
    dates = sessions("XNYS", np.datetime64("1990-01-01"), np.datetime64("2029-12-31"))[:bars]
    return as_bars(Panel(close, dates, [f"S{i}" for i in range(symbols)], frequency=XNYS), name=name)


def trend(bars, *, lookback=60, short=0.4):
    """Long the best two, short the worst, at each month's end."""
    close = bars.close.values
    rows = np.flatnonzero(period_ends(bars.dates, "month_end", bars.frequency))
    rows = rows[rows >= lookback]
    weights = np.zeros((rows.size, close.shape[1]))
    order = np.argsort(close[rows] / close[rows - lookback], axis=1)
    np.put_along_axis(weights, order[:, -2:], 0.5, axis=1)
    np.put_along_axis(weights, order[:, :1], -short, axis=1)
    return Panel(weights, bars.dates[rows], bars.symbols)


@pytest.fixture(scope="session")
def simulate():
    """``backtest.simulate`` with the costs of these tests."""
    return run


def run(weights, bars, **rest):
    return backtest.simulate(weights, bars, **{"costs": COSTS, "fill": "next_close", **rest})


@pytest.fixture(scope="session")
def bars():
    return market()


@pytest.fixture(scope="session")
def result(bars):
    return run(trend(bars), bars)


@pytest.fixture(scope="session")
def walk(bars):
    return validation.walk_forward(
        trend,
        bars,
        {"lookback": [20, 60], "short": [0.0, 0.4]},
        train=252,
        test=126,
        purge=5,
        costs=COSTS,
        fill="next_close",
    )


@pytest.fixture(scope="session")
def draws(walk):
    return [
        validation.bootstrap(walk.returns, statistic, reps=500, seed=7)
        for statistic in (metrics.sharpe, metrics.max_drawdown)
    ]


@pytest.fixture(scope="session")
def told(result, walk, draws):
    """The content of a full tearsheet."""
    return report.content(result, [walk, *draws], seed=7)


@pytest.fixture(scope="session")
def ruined():
    """A short at twice the equity in a price that triples."""
    close = np.concatenate([np.full(5, 10.0), [12.0, 30.0, 20.0, 20.0, 20.0]])
    bars = as_bars(Panel(close[:, None], market(10, 1).dates, ["A"], frequency=XNYS), name="short squeeze")
    return run(Panel([[-2.0]], bars.dates[1:2], ["A"]), bars, account=Account(cash=10_000.0))


@pytest.fixture(scope="session")
def idle(bars):
    """No decision at all: a row without any weight is none."""
    return run(Panel(np.full((1, 5), np.nan), bars.dates[9:10], bars.symbols), bars)


@pytest.fixture(scope="session")
def cash(bars):
    """A decision to hold nothing: a track record without a trade."""
    return run(Panel(np.zeros((1, 5)), bars.dates[9:10], bars.symbols), bars)


@pytest.fixture(scope="session")
def brief(bars):
    """Three bars of track record."""
    few = bars.between(end=bars.dates[4])
    return run(Panel([[0.2] * 5], few.dates[1:2], few.symbols), few)


@pytest.fixture(scope="session")
def hourly():
    """Seven bars a day for six weeks."""
    days = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-02-15")).astype("datetime64[us]")
    times = (days[:, None] + np.arange(14, 21) * np.timedelta64(1, "h")).ravel()
    close = market(times.size, 2).close.values
    bars = as_bars(Panel(close, times, ["A", "B"], frequency=Frequency(252 * 7)), name="hours")
    return run(Panel([[0.5, 0.5]], times[:1], ["A", "B"]), bars)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests; where there is none they are skipped, but not in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is required in CI: install Debian's package chromium.")
        pytest.skip("Chromium is not installed.")
    api = pytest.importorskip("playwright.sync_api")
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*flags.split(), "--no-first-run"])
        yield browser
        browser.close()
