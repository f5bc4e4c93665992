"""The compiled engine against the plain one on random runs: the same orders, the same money."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from quantlab.backtest import _engine_kernels, _reference
from quantlab.backtest._run import Inputs, Status
from quantlab.backtest._simulate import kernel_run
from quantlab.execution import _cost_kernels
from quantlab.portfolio import _sizing_kernels

from .conftest import demand_equal_runs, make_inputs, random_inputs

NAN = np.nan


def compare(inputs: Inputs, seen: Counter[str]) -> None:
    kernel, judge = kernel_run(inputs), _reference.run(inputs)
    seen["runs"] += 1
    seen["ruined"] += judge.ruined >= 0
    seen.update(Status(code).name.lower() for code in judge.orders.status)
    demand_equal_runs(kernel, judge, inputs)


def test_random_runs():
    seen: Counter[str] = Counter()

    @settings(max_examples=300)
    @given(random_inputs())
    def search(inputs):
        compare(inputs, seen)

    search()
    # A search that never met a ruin or a dropped order would say nothing about them.
    for kind in ("ruined", "filled", "missing_price", "no_next_bar", "liquidated", "skipped"):
        assert seen[kind] > 10, kind


@pytest.mark.slow
def test_many_random_runs(capsys):
    seen: Counter[str] = Counter()

    @settings(max_examples=20_000)
    @given(random_inputs())
    def search(inputs):
        compare(inputs, seen)

    search()
    with capsys.disabled():
        print(f"\nkernel against reference: {dict(seen)}")
    assert seen["runs"] >= 20_000


def test_one_large_run():
    """Longer and wider than hypothesis goes: 400 bars of 40 names, rebalanced daily with every cost."""
    rng = np.random.default_rng(11)
    close = 30.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (400, 40)), axis=0))
    close[rng.random(close.shape) < 0.02] = NAN
    given_ = make_inputs(
        close=close,
        fill_price=close * np.exp(rng.normal(0.0, 0.01, close.shape)),
        weights=dict(enumerate(rng.uniform(-0.05, 0.05, close.shape))),
        days=np.r_[0, rng.integers(1, 4, 399)],
        slippage=0.0005,
        per_share=0.005,
        minimum=1.0,
        maximum_fraction=0.01,
        borrow=0.01,
        lot=1.0,
        cash=1e6,
    )
    seen: Counter[str] = Counter()
    compare(given_, seen)
    assert seen["filled"] > 10_000
    assert seen["ruined"] == 0


@pytest.fixture
def interpreted(monkeypatch):
    """Every kernel of the engine as its Python original."""
    for module in (_engine_kernels, _sizing_kernels, _cost_kernels):
        for name, function in list(vars(module).items()):
            if hasattr(function, "py_func"):
                monkeypatch.setattr(module, name, function.py_func)
    assert not hasattr(_engine_kernels.size_orders, "py_func")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=random_inputs())
def test_the_python_originals(interpreted, inputs):
    """Numba compiles what stands in the files, and what stands there is right: Python == reference == compiled."""
    compare(inputs, Counter())


def both_sizings(weights, mark, units, equity, inputs):
    """The orders of one decision by the kernel and by the reference."""
    delta, present = np.empty(len(mark)), np.ones(len(mark), dtype=bool)
    arrays = [np.array(numbers, dtype=np.float64) for numbers in (weights, mark, units)]
    schedule = inputs.per_share, inputs.rate, inputs.minimum, inputs.maximum_fraction, inputs.maximum_cash
    base = _sizing_kernels.size_orders(
        arrays[0], arrays[1], present, arrays[2], equity, inputs.slippage, *schedule, inputs.lot, delta
    )
    judged, affordable = _reference._size(weights, mark, units, [True] * len(mark), equity, inputs)
    assert (base >= 0.0) == affordable
    return delta.tolist(), judged


def test_the_largest_affordable_size_wins_where_costs_jump():
    """Minimum fees make the cost jump with the size, so that a later pass may be affordable and smaller."""
    inputs = make_inputs(close=[[1.0] * 3], rate=0.01, minimum=20.0, slippage=0.1, lot=1.0)
    kernel, judge = both_sizings([-0.5, -0.5, -0.2], [20.0, 10.0, 10.0], [-10.0, -7.0, -2.0], 200.0, inputs)
    assert kernel == judge == [7.0, 0.0, 0.0]  # the last of the eight passes says [7, 1, 0]


def test_sizing_with_fees_as_large_as_the_orders():
    rng = np.random.default_rng(5)
    for _ in range(3000):
        inputs = make_inputs(
            close=[[1.0]],
            per_share=rng.choice([0.0, 0.1, 1.0]),
            rate=rng.choice([0.0, 0.01, 0.1]),
            minimum=rng.choice([0.0, 5.0, 50.0]),
            maximum_cash=rng.choice([30.0, np.inf]),
            slippage=rng.choice([0.0, 0.01, 0.1]),
            lot=rng.choice([1.0, 5.0]),
        )
        n = rng.integers(1, 4)
        weights = rng.choice([-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0], n).tolist()
        mark, units = rng.choice([5.0, 10.0, 50.0], n).tolist(), rng.integers(-10, 11, n).astype(float).tolist()
        kernel, judge = both_sizings(weights, mark, units, float(rng.choice([100.0, 500.0])), inputs)
        assert kernel == judge


def test_inputs_are_not_written_to():
    given_ = make_inputs(close=[[10.0, 20.0], [11.0, NAN], [12.0, 19.0]], weights={0: [0.7, -0.9], 1: [0.5, 0.5]})
    for array in (given_.close, given_.fill_price, given_.days, given_.rows, given_.weights):
        array.setflags(write=False)
    compare(given_, Counter())
