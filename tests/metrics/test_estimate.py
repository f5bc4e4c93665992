"""Estimate: looks, equality, JSON, refusals."""

import json
import math
import pickle

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.metrics import Estimate, sharpe, sortino, summary_table, value_at_risk


def test_looks():
    full = Estimate("sharpe", 0.714, se=0.2, low=0.311, high=1.117, n=5040, method="Lo-Mertens")
    assert repr(full) == "sharpe 0.71 [0.31, 1.12] (95 %, Lo-Mertens, n=5040)"
    assert repr(Estimate("cagr", 0.0712, unit="fraction per year", n=9)) == "cagr 7.12 % (no interval, n=9)"
    assert repr(Estimate("x", 12.0, unit="bars", n=9)) == "x 12 (no interval, n=9)"
    assert repr(Estimate("x", 1e300, unit="fraction", n=9)) == "x 1e+302 % (no interval, n=9)"
    assert repr(Estimate("x", math.nan, reason="none given", n=0)) == "x undefined: none given (n=0)"


def test_small_numbers_keep_three_digits():
    small = Estimate("mean", -0.000345678, low=-0.0123456, high=1.2e-5, n=9, method="x")
    assert repr(small) == "mean -0.000346 [-0.0123, 1.2e-05] (95 %, x, n=9)"
    assert repr(Estimate("mean", 0.00999, n=9)) == "mean 0.00999 (no interval, n=9)"
    # A number of a usual size keeps two decimals, in its bounds as well; so does zero.
    assert repr(Estimate("x", 0.5, low=0.001, high=1.0, n=9, method="x")) == "x 0.50 [0.00, 1.00] (95 %, x, n=9)"
    assert repr(Estimate("x", 0.0, n=9)) == "x 0.00 (no interval, n=9)"
    assert repr(Estimate("x", 0.00123, unit="fraction", n=9)) == "x 0.12 % (no interval, n=9)"
    assert repr(Estimate("x", 0.001, unit="bars", n=9)) == "x 0 (no interval, n=9)"


def test_one_bound_may_be_unknown():
    assert "[nan, 1.00]" in repr(Estimate("x", 0.5, high=1.0, method="one-sided"))


def test_float():
    assert float(Estimate("x", 0.5)) == 0.5
    assert math.isnan(float(Estimate("x", math.nan, reason="why")))


def test_equality_knows_nan_and_leaves_draws_out():
    a = Estimate("x", math.nan, reason="why")
    assert a == Estimate("x", float("nan"), reason="why", draws=np.zeros(3))
    assert a != Estimate("x", math.nan, reason="other")
    assert a != "x"
    with pytest.raises(TypeError):
        hash(a)


def test_json_round_trip():
    details = {
        "seed": np.int64(7),
        "block": np.float64(2.5),
        "dates": ["a", None],
        "bad": np.nan,
        "flag": np.bool_(True),
        "d": np.datetime64("2024-01-02"),
    }
    text = json.dumps(Estimate("x", 1.5, details=details, draws=np.zeros(2)).to_dict(), allow_nan=False)
    back = json.loads(text)
    assert back["value"] == 1.5
    assert back["se"] is None
    assert back["details"] == {
        "seed": 7,
        "block": 2.5,
        "dates": ["a", None],
        "bad": None,
        "flag": True,
        "d": "2024-01-02",
    }
    assert "draws" not in back


def test_pickle():
    estimate = sharpe(np.array([0.01, -0.02, 0.03]), periods=252)
    assert pickle.loads(pickle.dumps(estimate)) == estimate


def test_draws_are_a_read_only_copy():
    draws = np.zeros(3)
    estimate = Estimate("x", 0.0, draws=draws)
    draws[0] = 1.0
    assert estimate.draws[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        estimate.draws[0] = 2.0


@pytest.mark.parametrize("fields", [{"value": math.inf}, {"value": 1.0, "low": -math.inf}, {"value": 1.0, "level": 95}])
def test_refuses(fields):
    with pytest.raises(InputError):
        Estimate("x", **fields)


def test_refuses_nan_without_reason_and_a_reason_with_a_value():
    with pytest.raises(InputError, match="either a value or a reason"):
        Estimate("x", math.nan)
    with pytest.raises(InputError, match="either a value or a reason"):
        Estimate("x", 1.0, reason="why")


def test_summary_table():
    returns = np.array([0.01, -0.02, 0.03, 0.01])
    out = summary_table(
        [sharpe(returns, periods=252), sortino(returns, periods=252), sharpe(np.array([]), periods=252)]
    )
    assert out.columns == ["metric", "value", "se", "low", "high", "unit", "reason"]
    assert out["metric"].to_list() == ["sharpe", "sortino", "sharpe"]
    assert out["reason"].to_list() == ["", "interval: ql.bootstrap", "there are no observations"]
    assert out["low"].is_null().to_list() == [False, True, True]
    assert out["value"].is_null().to_list() == [False, False, True]
    assert summary_table([]).columns == out.columns
    with pytest.raises(KindError, match="received float"):
        summary_table([1.0])


def test_too_few_for_an_order_statistic():
    # The lower bound needs 0.95^n <= 0.025, n >= 72.
    assert value_at_risk(np.linspace(-0.1, 0.1, 71)).method == "none"
    assert value_at_risk(np.linspace(-0.1, 0.1, 72)).method == "order statistics"
