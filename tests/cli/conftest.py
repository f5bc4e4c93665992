"""A tiny store, a strategy file and a configuration in a folder of their own; the tests run in that folder."""

from __future__ import annotations

import textwrap

import numpy as np
import polars as pl
import pytest

from quantlab.cli import _compiling
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data import Store

STRATEGY = """
import quantlab as ql


def strategy(bars, *, lookback=40, skip=5, top=0.5, bottom=0.0):
    score = ql.signals.momentum(bars.close, lookback=lookback, skip=skip)
    return ql.portfolio.long_short(score, top=top, bottom=bottom, rebalance="month_end")


def other(bars):
    return None
"""

CONFIG = """
[data]
store = "data"
dataset = "toy"

[strategy]
function = "mine.py:strategy"

[strategy.parameters]
lookback = 30

[costs]
commission = { per_share = 0.005, minimum = 1.0, maximum = 0.01 }
slippage_bps = 5
borrow = 0.005

[account]
cash = 100_000

[backtest]
fill = "next_close"

[walk_forward]
train = 150
test = 60
purge = 5

[walk_forward.grid]
lookback = [20, 40]

[bootstrap]
reps = 200
seed = 3
metrics = ["sharpe", "cagr"]

[report]
path = "out/toy.html"
title = "Toy"
"""


def prices() -> pl.DataFrame:
    """Five random walks over two years, long, with opens."""
    days = sessions("XNYS", np.datetime64("2018-01-02"), np.datetime64("2019-12-31"))
    draw = generator(5)
    close = 50.0 * np.exp(np.cumsum(draw.normal(0.0004, 0.012, (days.size, 5)), axis=0))
    open_ = close * np.exp(draw.normal(0.0, 0.003, close.shape))
    symbols = ["A", "B", "C", "D", "E"]
    return pl.DataFrame(
        {
            "date": np.repeat(days, 5),
            "symbol": symbols * days.size,
            "open": open_.ravel().round(4),
            "close": close.ravel().round(4),
        }
    )


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory):
    """A store with the dataset `toy`, written once."""
    folder = tmp_path_factory.mktemp("toy") / "data"
    Store(folder).write("toy", prices(), calendar="XNYS", adjusted="none", source="random walks")
    return folder


@pytest.fixture
def desk(toy_store, tmp_path, monkeypatch):
    """The folder to work in: data, conf/mine.py, conf/toy.toml; it is the current directory."""
    (tmp_path / "data").symlink_to(toy_store, target_is_directory=True)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.py").write_text(STRATEGY)
    (tmp_path / "conf" / "toy.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    # Whether the engine is compiled already depends on the tests that ran before.
    monkeypatch.setattr(_compiling, "cached", lambda *command: True)
    return tmp_path


@pytest.fixture
def configured(desk):
    """Return a function that writes the configuration with one piece of text replaced by another."""

    def write(old: str = "", new: str = "") -> str:
        assert old in CONFIG
        (desk / "conf" / "toy.toml").write_text(CONFIG.replace(old, textwrap.dedent(new), 1) if old else CONFIG + new)
        return "conf/toy.toml"

    return write
