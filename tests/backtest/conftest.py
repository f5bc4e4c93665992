"""Shared ground of the engine's tests: both engines under one name, small inputs by keyword, and random books."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from quantlab.backtest import _reference, reference, simulate
from quantlab.backtest._run import Inputs, Run
from quantlab.backtest._simulate import kernel_run
from quantlab.core import Bars, Frequency, Panel, as_bars
from quantlab.execution import Account, Borrow, Bps, Costs, PerShare, Proportional

MONDAY = np.datetime64("2024-01-01")


@dataclass(frozen=True)
class Book:
    """One random run as a user would pass it."""

    weights: Panel
    bars: Bars
    costs: Costs
    account: Account
    fill: str

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """The keyword arguments of ``simulate``."""
        book = replace(self, **changes)
        return {field.name: getattr(book, field.name) for field in fields(book)} | {"unlisted": "cash"}


def make_inputs(**given: Any) -> Inputs:
    """Inputs from nested lists; whatever is left out is free, fractional, close-only and one day per bar."""
    close = np.array(given.pop("close"), dtype=np.float64)
    weights = given.pop("weights", {})
    days = np.ones(close.shape[0], dtype=np.int64)
    days[0] = 0
    values = {
        "close": close,
        "fill_price": np.array(given.pop("fill_price", close), dtype=np.float64),
        "days": np.array(given.pop("days", days), dtype=np.int64),
        "rows": np.array(list(weights), dtype=np.int64),
        "weights": np.array(list(weights.values()), dtype=np.float64).reshape(len(weights), close.shape[1]),
        "slippage": 0.0,
        "per_share": 0.0,
        "rate": 0.0,
        "minimum": 0.0,
        "maximum_fraction": math.inf,
        "maximum_cash": math.inf,
        "borrow": 0.0,
        "lot": 0.0,
        "cash": 100.0,
    }
    assert given.keys() <= values.keys(), f"unknown: {given.keys() - values.keys()}"
    return Inputs(**values | given)


def make_bars(close: Any, *, open: Any = None, dates: Any = None, symbols: Any = None) -> Bars:  # noqa: A002
    """Bars from nested lists (T, N) or one list (T,): daily from a Monday, weekends included, symbols A, B, ..."""
    close = np.array(close, dtype=np.float64)
    close = close[:, None] if close.ndim == 1 else close
    dates = MONDAY + np.arange(close.shape[0]) if dates is None else dates
    symbols = [chr(ord("A") + i) for i in range(close.shape[1])] if symbols is None else symbols
    panel = Panel(close, dates, symbols, frequency=Frequency.daily("24/7"))
    if open is None:
        return as_bars(panel, adjusted="none")
    return as_bars(
        panel, adjusted="none", open=Panel(np.array(open, dtype=np.float64).reshape(close.shape), dates, symbols)
    )


def make_weights(bars: Bars, rows: dict[int, Any]) -> Panel:
    """Decision rows by bar number."""
    values = np.array([np.atleast_1d(row) for row in rows.values()], dtype=np.float64)
    return Panel(values.reshape(len(rows), bars.shape[1]), bars.dates[list(rows)], bars.symbols)


def draw_prices(rng: np.random.Generator, style: str, shape: tuple[int, int]) -> np.ndarray:
    """Prices (T, N) > 0: "walk" drifts by a few percent, "wild" jumps by factors, "grid" holds small integers."""
    if style == "grid":
        return rng.integers(1, 12, shape).astype(np.float64)
    spread = 0.03 if style == "walk" else 0.8
    start = rng.choice([2.0, 10.0, 50.0, 700.0], shape[1])
    return start * np.exp(np.cumsum(rng.normal(0.0, spread, shape), axis=0))


def draw_weights(rng: np.random.Generator, style: str, shape: tuple[int, int]) -> np.ndarray:
    """Weights (R, N): "long" sums to one or less, "long_short" has gross one, "levered" reaches three per name."""
    raw = rng.random(shape) if style == "long" else rng.uniform(-1.0, 1.0, shape)
    raw[rng.random(shape) < 0.25] = 0.0
    if style == "levered":
        raw *= 3.0
    else:
        raw /= np.maximum(np.abs(raw).sum(axis=1, keepdims=True), 1e-9)
    if style == "long":
        raw = np.round(raw, 2) if rng.random() < 0.5 else raw
    raw[rng.random(shape[0]) < 0.15] = 0.0
    return raw


@st.composite
def random_inputs(draw: st.DrawFn) -> Inputs:
    """Random runs: 2-6 assets, 3-12 bars, holes, late and absent assets, all lots, all commissions, ruinous books."""
    shape = draw(st.integers(3, 12)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = draw_prices(rng, draw(st.sampled_from(["walk", "grid", "wild"])), shape)
    fill = close.copy() if draw(st.booleans()) else close * np.exp(rng.normal(0.0, 0.05, shape))
    if draw(st.booleans()):
        close[rng.random(shape) < 0.15] = np.nan
    if draw(st.booleans()):
        fill[rng.random(shape) < 0.15] = np.nan
    if draw(st.booleans()):
        close[: rng.integers(1, shape[0]), 0] = np.nan
    if draw(st.booleans()):
        close[:, -1] = np.nan
    days = rng.integers(1, 5, shape[0])
    days[0] = 0
    rows = np.flatnonzero(rng.random(shape[0]) < draw(st.sampled_from([0.3, 0.7, 1.0])))
    commission = draw(st.sampled_from(COMMISSIONS))
    return Inputs(
        close,
        fill,
        days,
        rows,
        draw_weights(rng, draw(st.sampled_from(["long", "long_short", "levered"])), (rows.size, shape[1])),
        draw(st.sampled_from([0.0, 0.0005, 0.1])),
        *Costs(commission=commission).parameters(),
        draw(st.sampled_from([0.0, 0.03, 5.0])),
        draw(st.sampled_from([0.0, 1.0, 0.1, 100.0, 0.7])),
        draw(st.sampled_from([100.0, 10_000.0, 1_000_000.0])),
    )


COMMISSIONS = (
    None,
    Proportional(0.001),
    Proportional(0.02, minimum=1.0),
    Proportional(0.002, minimum=5.0, maximum=20.0),
    PerShare(0.005),
    PerShare(0.005, minimum=1.0, maximum=0.01),
    PerShare(0.3, minimum=2.0),
    PerShare(0.0, minimum=60.0),
)


@st.composite
def random_books(draw: st.DrawFn, *, clean: bool = False) -> Book:
    """Random runs through the public door; ``clean`` has fractional lots, proportional costs and no hole."""
    shape = draw(st.integers(3, 12)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = draw_prices(rng, draw(st.sampled_from(["walk", "grid", "wild"])), shape)
    opens = close * np.exp(rng.normal(0.0, 0.05, shape))
    if not clean:
        holes = draw(st.sampled_from([0.0, 0.15]))
        close[rng.random(shape) < holes] = np.nan
        opens[rng.random(shape) < holes] = np.nan
    days = MONDAY + np.cumsum(rng.integers(1, 5, shape[0]))
    symbols = list(rng.permutation([f"S{i}" for i in range(shape[1])]))
    bars = as_bars(Panel(close, days, symbols), open=Panel(opens, days, symbols), adjusted="none")
    rows = np.flatnonzero(rng.random(shape[0]) < draw(st.sampled_from([0.3, 0.7, 1.0])))
    rows = rows if rows.size else np.array([0])
    values = draw_weights(rng, draw(st.sampled_from(["long", "long_short", "levered"])), (rows.size, shape[1]))
    costs = Costs(
        commission=Proportional(0.001) if clean else draw(st.sampled_from(COMMISSIONS)),
        slippage=Bps(draw(st.sampled_from([0, 5, 100]))),
        borrow=Borrow(draw(st.sampled_from([0.0, 0.03, 5.0]))),
    )
    lot = None if clean else draw(st.sampled_from([None, 1.0, 0.1, 100.0, 0.7]))
    account = Account(cash=draw(st.sampled_from([100.0, 10_000.0, 1_000_000.0])), lot=lot)
    fill = draw(st.sampled_from(["next_open", "next_close"]))
    return Book(Panel(values, days[rows], symbols), bars, costs, account, fill)


def demand_equal_runs(left: Run, right: Run, inputs: Inputs) -> None:
    """Same orders, exactly for whole lots; money to 1e-12 of what moved through the account (sums that cancel)."""
    for name in ("decided", "filled", "asset", "status"):
        np.testing.assert_array_equal(getattr(left.orders, name), getattr(right.orders, name), err_msg=name)
    assert left.ruined == right.ruined
    turned_over = np.nansum(np.abs(right.orders.shares) * np.nan_to_num(right.orders.price))
    scale = 1e-12 * (inputs.cash + float(turned_over) + float(np.abs(right.equity).max()))
    for name in ("shares", "decision_price", "reference", "price", "commission", "slippage"):
        exact = name == "shares" and inputs.lot > 0.0
        np.testing.assert_allclose(
            getattr(left.orders, name),
            getattr(right.orders, name),
            rtol=0.0 if exact else 1e-12,
            atol=0.0
            if exact or name != "shares"
            else 1e-12 * float(np.nan_to_num(right.orders.shares).max(initial=0.0)),
            err_msg=name,
        )
    for name in ("equity", "cash", "borrow", "commission", "slippage"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=1e-12, atol=scale, err_msg=name)


@pytest.fixture(scope="session", params=[_reference.run, kernel_run], ids=["reference", "kernel"])
def engine(request: pytest.FixtureRequest) -> Callable[[Inputs], Run]:
    """Both engines on plain arrays."""
    return request.param


@pytest.fixture(scope="session", params=[reference, simulate], ids=["reference", "kernel"])
def backtest(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both engines through the public door."""
    return request.param
