"""The figure of a result: its lines are the result's numbers."""

import numpy as np
import pytest

from quantlab import metrics
from quantlab.backtest import simulate
from quantlab.core import Panel, as_bars
from quantlab.execution import Account

DAYS = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")


def book(close, weight, **rest):
    bars = as_bars(Panel(np.array(close)[:, None], DAYS[: len(close)], ["A"]), name="demo")
    return simulate(Panel([[weight]], DAYS[1:2], ["A"]), bars, fill="next_close", **rest)


def test_lines_equal_the_result():
    result = book([10.0, 10.0, 11.0, 9.0, 10.0, 12.0], 1.0)
    equity, drawdown = result.plot().data
    assert (np.asarray(equity.y) == result.equity.values[:, 0]).all()
    assert (np.asarray(equity.x, dtype="datetime64[D]") == DAYS).all()
    assert (drawdown.y[2:] == metrics.drawdowns(result.returns).values[:, 0]).all()
    assert (drawdown.y[:2] == 0).all()
    assert "demo" in result.plot().layout.title.text


def test_a_range_of_less_than_three_times_is_linear():
    """A logarithmic axis of so little has one label."""
    assert book([10.0, 10.0, 11.0, 9.0, 10.0, 12.0], 1.0).plot().layout.yaxis.type == "linear"
    assert book([10.0, 10.0, 10.0, 29.0], 1.0).plot().layout.yaxis.type == "linear"
    assert book([10.0, 10.0, 10.0, 30.0], 1.0).plot().layout.yaxis.type == "log"


@pytest.mark.parametrize("top", [30.0, 47.0, 71.0, 99.0, 130.0, 700.0, 9e3, 1e6, 1e9, 1e14])
@pytest.mark.parametrize("cash", [1e3, 2.1e4, 4.4e5, 1e6])
def test_a_logarithmic_axis_has_labels_in_its_range(cash, top):
    axis = book([10.0, 10.0, 10.0, top], 1.0, account=Account(cash=cash, lot=None)).plot().layout.yaxis
    assert axis.type == "log"
    assert 3 <= len(axis.tickvals) <= 10
    assert all(0.89 * cash <= tick <= 1.13 * cash * top / 10 for tick in axis.tickvals)
    # Each says its whole number: 2M, and not a small 2.
    assert axis.tickformat == "~s"


def test_ruin_gets_a_linear_axis_and_a_mark():
    result = book([10.0, 10.0, 10.0, 30.0, 30.0, 30.0], -1.0, account=Account(cash=1000.0))
    assert result.ruined is not None
    drawn = result.plot()
    assert drawn.layout.yaxis.type == "linear"
    assert drawn.layout.shapes[0].x0 == str(result.ruined)


@pytest.mark.parametrize("weight", [np.nan, 1.0])
def test_a_book_without_a_record_is_drawn_flat(weight):
    bars = as_bars(Panel([[10.0], [11.0]], DAYS[:2], ["A"]))
    result = simulate(Panel([[weight]], DAYS[1:2], ["A"]), bars, fill="next_close")
    equity, drawdown = result.plot().data
    assert len(equity.y) == len(drawdown.y) == 2
    assert set(drawdown.y) == {0.0}
