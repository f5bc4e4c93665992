"""Fill and Exits: what they hold, what they refuse, and the numbers of the engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.core import Bars, InputError, KindError, LabelError, Panel
from quantlab.execution import Exits, Fill
from quantlab.execution import _kernel_types as k

PRICES = Panel([[10.0, np.nan]], ["2024-01-02"], ["A", "B"])


@pytest.mark.parametrize(
    ("at", "code"),
    [("next_open", k.AT_OPEN), ("next_close", k.AT_CLOSE), ("vwap", k.AT_CLOSE), ("same_close", k.SAME_CLOSE)],
)
def test_where_orders_meet_their_price(at, code):
    assert Fill(at, prices=PRICES if at == "vwap" else None).numbers() == {
        "at": code,
        "size_at_fill": 0,
        "participation": 0.0,
        "carry": 0,
    }


def test_numbers_of_a_fill():
    fill = Fill("next_close", delay=3, sizing="fill", participation=0.025, carry=5)
    assert fill.numbers() == {"at": k.AT_CLOSE, "size_at_fill": 1, "participation": 0.025, "carry": 5}
    assert fill.delay == 3
    assert Fill(participation=1).participation == 1.0
    assert set(fill.numbers()) <= set(k.Terms._fields)


def test_prices_are_those_of_vwap():
    assert Fill("vwap", prices=PRICES).prices is PRICES
    with pytest.raises(InputError, match=r'^Fill has its own prices and fills at "next_open"'):
        Fill(prices=PRICES)
    with pytest.raises(InputError, match=r'^Fill has no prices and fills at "vwap"'):
        Fill("vwap")
    with pytest.raises(InputError, match=r"^Fill prices of B 2024-01-02 is 0; a price must be positive"):
        Fill("vwap", prices=Panel([[10.0, 0.0]], ["2024-01-02"], ["A", "B"]))


def test_the_reference_prices():
    close = Panel([[10.0, 20.0]], ["2024-01-02"], ["B", "A"])
    bars = Bars(close, open=close + 1.0)
    assert Fill("next_open").reference(bars).tolist() == [[11.0, 21.0]]
    assert Fill("next_close").reference(bars) is Fill("same_close").reference(bars) is bars.close.values
    np.testing.assert_array_equal(Fill("vwap", prices=PRICES).reference(bars), [[np.nan, 10.0]])
    with pytest.raises(InputError, match="no open prices"):
        Fill("next_open").reference(Bars(close))
    with pytest.raises(LabelError, match="Fill prices has no column C"):
        Fill("vwap", prices=PRICES).reference(Bars(Panel([[1.0]], ["2024-01-02"], ["C"])))


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        (
            {"at": "open"},
            InputError,
            'Fill at must be "next_open", "next_close", "vwap" or "same_close", received \'open\'',
        ),
        ({"at": None}, InputError, "received None"),
        ({"delay": 0}, InputError, r"Fill delay must be 1 or more \(bars\)"),
        ({"delay": 1.0}, KindError, "Fill delay must be a whole number"),
        ({"sizing": "now"}, InputError, 'Fill sizing must be "decision" or "fill"'),
        ({"participation": 0}, InputError, "Fill participation must be above zero"),
        ({"participation": 2.5}, InputError, "Fill participation must be at most 1"),
        ({"carry": -1, "participation": 0.1}, InputError, "Fill carry must be 0 or more"),
        ({"carry": 2}, InputError, "Fill carry needs participation"),
    ],
)
def test_a_fill_is_checked(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        Fill(**changes)


def test_no_exits():
    prices = dict.fromkeys(("stop_loss", "take_profit", "trailing"), math.inf)
    assert Exits().numbers() == prices | {"time_stop": 0, "entry_bar": 1, "reentry": 0}


def test_numbers_of_exits():
    exits = Exits(stop_loss=0.1, take_profit=1.5, trailing=0.2, time_stop=20, entry_bar=False, reentry="after_flat")
    assert exits.numbers() == {
        "stop_loss": 0.1, "take_profit": 1.5, "trailing": 0.2, "time_stop": 20, "entry_bar": 0, "reentry": 1,
    }  # fmt: skip
    assert set(exits.numbers()) <= set(k.Terms._fields)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"stop_loss": 0}, InputError, "Exits stop_loss must be above zero"),
        ({"stop_loss": 1}, InputError, r"Exits stop_loss must be below 1 \(a fraction of the price\), received 1"),
        ({"trailing": 5}, InputError, "Exits trailing must be below 1"),
        ({"take_profit": -0.1}, InputError, "Exits take_profit must be zero or more"),
        ({"take_profit": "10%"}, KindError, "Exits take_profit must be a number"),
        ({"time_stop": 0}, InputError, "Exits time_stop must be 1 or more"),
        ({"time_stop": 2.5}, KindError, "Exits time_stop must be a whole number"),
        ({"entry_bar": 1}, KindError, "Exits entry_bar must be True or False"),
        ({"reentry": "never"}, InputError, 'Exits reentry must be "next_decision" or "after_flat"'),
    ],
)
def test_exits_are_checked(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        Exits(**changes)
