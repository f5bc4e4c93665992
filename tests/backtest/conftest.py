"""Shared ground of the engine's tests: both engines by the public door, small bars, decisions and orders by bar,
and random books with every feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st

from quantlab.backtest import Result, reference, reference_orders, simulate, simulate_orders
from quantlab.core import Bars, Frequency, Panel, as_bars
from quantlab.core._door import date_series
from quantlab.execution import (
    Account,
    Borrow,
    Bps,
    Costs,
    Exits,
    Fees,
    Fill,
    Interest,
    NoMargin,
    PerShare,
    PerTrade,
    PortfolioMargin,
    Proportional,
    RegT,
    Spread,
    SquareRootImpact,
    Tiered,
    Tiers,
    VolumeShare,
)
from quantlab.portfolio import Rebalancing

MONDAY = np.datetime64("2024-01-01")
DAILY = Frequency.daily("24/7")


class Engine(NamedTuple):
    """One engine through its two doors: target weights, and orders."""

    weights: Callable[..., Result]
    orders: Callable[..., Result]


ENGINES = {"reference": Engine(reference, reference_orders), "kernel": Engine(simulate, simulate_orders)}


@pytest.fixture(scope="session", params=list(ENGINES))
def each_engine(request: pytest.FixtureRequest) -> Engine:
    """The plain engine and the compiled one."""
    return ENGINES[request.param]


@pytest.fixture(scope="session")
def backtest(each_engine: Engine) -> Callable[..., Result]:
    """Both engines on target weights: ``backtest(weights, bars, ...)``."""
    return each_engine.weights


@pytest.fixture(scope="session")
def trade(each_engine: Engine) -> Callable[..., Result]:
    """Both engines on orders: ``trade(orders, bars, ...)``."""
    return each_engine.orders


def make_bars(
    close: Any,
    *,
    dates: Any = None,
    symbols: Any = None,
    actions: Any = None,
    borrow: Any = None,
    adjusted: str = "none",
    frequency: Frequency = DAILY,
    **fields: Any,
) -> Bars:
    """Bars from nested lists (T, N) or one list (T,): daily from a Monday, weekends included, symbols A, B, ...

    ``fields`` are open, high, low, volume. ``actions`` are tuples (symbol, bar, kind, value) with the bar of the
    payment behind a dividend and the other symbol behind a conversion; ``borrow`` (symbol, bar, rate, available).
    """
    close = np.array(close, dtype=np.float64)
    close = close[:, None] if close.ndim == 1 else close
    dates = MONDAY + np.arange(close.shape[0]) if dates is None else np.asarray(dates)
    names = [chr(ord("A") + i) for i in range(close.shape[1])] if symbols is None else symbols

    def panel(values: Any) -> Panel:
        return Panel(np.array(values, dtype=np.float64).reshape(close.shape), dates, names, frequency=frequency)

    def day(bar: int) -> date:
        # Bars beyond the last are the days behind it.
        beyond = max(bar - len(dates) + 1, 0)
        return (dates[min(bar, len(dates) - 1)].astype("datetime64[D]") + beyond).item()

    panels = {name: panel(values) for name, values in fields.items()}
    tables = {
        "actions": None
        if actions is None
        else _actions([(name, day(bar), *rest) for name, bar, *rest in actions], day),
        "borrow": None if borrow is None else _borrow([(name, day(bar), *rest) for name, bar, *rest in borrow]),
    }
    bars = as_bars(panel(close), adjusted=adjusted, **panels)
    return Bars(**{name: getattr(bars, name) for name in ("close", *panels, "adjusted", "name")}, **tables)


def _actions(rows: list[tuple[Any, ...]], day: Callable[[int], date]) -> pl.DataFrame:
    table = [
        (
            symbol,
            ex,
            kind,
            float(value),
            rest[0] if kind == "conversion" else None,
            day(rest[0]) if rest and kind == "dividend" else None,
        )
        for symbol, ex, kind, value, *rest in rows
    ]
    types = [pl.String, pl.Date, pl.String, pl.Float64, pl.String, pl.Date]
    names = ["symbol", "date", "kind", "value", "into", "pay_date"]
    return pl.DataFrame(table, schema=dict(zip(names, types, strict=True)), orient="row")


def _borrow(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"symbol": pl.String, "date": pl.Date, "rate": pl.Float64, "available": pl.Float64}
    return pl.DataFrame([(*row, None)[:4] for row in rows], schema=schema, orient="row")


def make_weights(bars: Bars, rows: dict[int, Any]) -> Panel:
    """Decision rows by bar number: weights, or numbers of shares or currency with None for no order."""
    values = np.array([np.atleast_1d(np.array(row, dtype=np.float64)) for row in rows.values()])
    return Panel(values.reshape(len(rows), bars.shape[1]), bars.dates[list(rows)], bars.symbols)


def make_orders(bars: Bars, *rows: dict[str, Any]) -> pl.DataFrame:
    """A table of orders from dicts with the bar of the placement under ``bar``; the symbol is A unless it is told."""
    table = [{"symbol": "A"} | row for row in rows]
    names = sorted({name for row in table for name in row} - {"bar"})
    days = date_series(bars.dates).gather([row["bar"] for row in rows])
    return pl.DataFrame([days, *(pl.Series(name, [row.get(name) for row in table]) for name in names)])


def cash(amount: float, lot: float | None = None, **rest: Any) -> Account:
    """An account without margin that trades fractions, unless it is told otherwise."""
    return Account(cash=amount, lot=lot, **{"margin": NoMargin(), **rest})


def column(result: Result, name: str) -> list[float]:
    """A one-column Panel of a result, or a column of its charges, as a list."""
    return (
        result.charges[name].to_list()
        if name in result.charges.columns
        else getattr(result, name).values[:, 0].tolist()
    )


def rules(result: Result) -> list[str]:
    """The rules of the diagnostics."""
    return result.diagnostics["rule"].to_list()


@dataclass(frozen=True)
class RandomBook:
    """One random run as a user would pass it: ``door`` is "weights" or "orders", ``rest`` the keyword arguments."""

    door: str
    decisions: Panel | pl.DataFrame
    bars: Bars
    rest: dict[str, Any]

    def run(self, engine: Engine, **changes: Any) -> Result:
        book = replace(self, **changes)
        return getattr(engine, book.door)(book.decisions, book.bars, **book.rest)

    def between(self, end: Any) -> RandomBook | None:
        """The same book of the bars up to a date; None when nothing is decided up to it."""
        if isinstance(self.decisions, Panel):
            decisions = self.decisions.between(end=end)
            count = len(decisions)
        else:
            decisions = self.decisions.filter(pl.col("date") <= end.item())
            count = decisions.height
        return replace(self, decisions=decisions, bars=self.bars.between(end=end)) if count else None

    def reversed(self) -> RandomBook:
        """The same book with its columns in the opposite order."""
        symbols = self.bars.symbols[::-1]
        turned = isinstance(self.decisions, Panel)
        decisions = self.decisions.select(symbols) if turned else self.decisions
        return replace(self, decisions=decisions, bars=self.bars.select(symbols))

    def doubled(self) -> RandomBook:
        """The same book at twice the price in half the shares."""
        bars, shares, price = self.bars, ["shares"], ["limit", "stop", "trail"]
        panels = {name: getattr(bars, name) * 2.0 for name in ("open", "high", "low", "close")}
        cash_kinds = pl.col("kind") == "dividend"
        actions = bars.actions.with_columns(pl.when(cash_kinds).then(pl.col("value") * 2).otherwise(pl.col("value")))
        supply = bars.borrow.with_columns(pl.col("available") / 2)
        changed = replace(bars, **panels, volume=bars.volume / 2.0, actions=actions, borrow=supply)
        if isinstance(self.decisions, Panel):
            in_shares = self.rest.get("kind") in ("shares", "target_shares")
            decisions = self.decisions / 2.0 if in_shares else self.decisions
        else:
            decisions = self.decisions.with_columns(pl.col(shares) / 2, pl.col(price) * 2)
        return replace(self, decisions=decisions, bars=changed)


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


FEATURES = (
    "holes",
    "late",
    "actions",
    "conversions",
    "delistings",
    "borrow",
    "interest",
    "commission",
    "slippage",
    "fees",
    "participation",
    "exits",
    "rebalancing",
    "timing",
)
_TIERS = Tiers((0, 0.06), (2000, 0.04), (50_000, 0.03))
_COMMISSIONS = (
    Proportional(0.02, minimum=1.0),
    Proportional(0.002, minimum=5.0, maximum=20.0),
    PerShare(0.005, minimum=1.0, maximum=0.01),
    PerShare(0.3, minimum=2.0),
    PerTrade(3.0),
    Tiered((0, PerShare(0.02, minimum=1.0)), (200, PerShare(0.005)), (2000, Proportional(0.0002))),
)
_MARGINS = (NoMargin(), RegT(), RegT(buffer=0.1, minimum_equity=2000.0), PortfolioMargin(factors={"S1": 2.0}))


@st.composite
def random_books(draw: st.DrawFn, *, clean: bool = False) -> RandomBook:
    """Random runs through the public door; ``clean`` has what does not depend on the size of a share or of a lot."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    on = draw(st.sets(st.sampled_from(FEATURES)))
    shape = draw(st.integers(3, 12)), draw(st.integers(2, 5))
    style = draw(st.sampled_from(["walk", "grid", "wild"]))
    bars = _draw_bars(rng, on, shape, style)
    door = draw(st.sampled_from(["weights", "weights", "shares", "target_value", "table"]))
    capital = draw(st.sampled_from([1000.0, 10_000.0, 1_000_000.0]))
    margin = RegT(low_price=0.0, high_per_share=0.0) if clean else draw(st.sampled_from(_MARGINS))
    lot = None if clean else draw(st.sampled_from([None, 1.0, 0.1, 100.0, 0.7]))
    policy = draw(st.sampled_from(["scale", "reject"]))
    interest = Interest(debit=_TIERS, credit=0.03, short=Tiers((0, 0.0), (1000, 0.02))) if "interest" in on else None
    rest: dict[str, Any] = {
        "costs": _draw_costs(rng, on, clean),
        "account": Account(cash=capital, lot=lot, margin=margin, buying_power=policy, interest=interest),
        "fill": _draw_fill(rng, on),
        "exits": _draw_exits(rng) if "exits" in on else None,
        "delisting": ["table", "last_price", -0.3][rng.integers(3)],
    }
    if door == "weights":
        rest |= {"unlisted": "cash", "untradable": ["keep", "make_room"][rng.integers(2)]}
        if "rebalancing" in on:
            rest["rebalance"] = Rebalancing(
                band=rng.choice([0.0, 0.05]),
                part=rng.choice([0.5, 1.0]),
                turnover=[None, 0.7][rng.integers(2)],
                to=["target", "edge"][rng.integers(2)],
                check=["decision", "bar"][rng.integers(2)],
            )
    elif door != "table":
        rest["kind"] = door
    decisions = _draw_table(rng, bars, lot) if door == "table" else _draw_decisions(rng, bars, door, capital)
    return RandomBook("weights" if door == "weights" else "orders", decisions, bars, rest)


def _draw_bars(rng: np.random.Generator, on: set[str], shape: tuple[int, int], style: str) -> Bars:
    close = draw_prices(rng, style, shape)
    opens = close * np.exp(rng.normal(0.0, 0.05, shape))
    high = np.maximum(opens, close) * (1 + 0.05 * rng.random(shape))
    low = np.minimum(opens, close) * (1 - 0.05 * rng.random(shape))
    volume = np.round(rng.uniform(0.0, 2000.0, shape))
    gone = rng.random(shape) < 0.1 if "holes" in on else np.zeros(shape, dtype=bool)
    if "late" in on:
        gone[: rng.integers(1, shape[0]), 0] = True
    for values in (close, opens, high, low, volume):
        values[gone] = np.nan
    if "holes" in on:
        opens[rng.random(shape) < 0.1] = np.nan
    names = [f"S{i}" for i in range(shape[1])]
    days = MONDAY + np.cumsum(rng.integers(1, 5, shape[0]))
    fields = {"open": opens, "high": high, "low": low, "volume": volume}
    supply = [
        (name, int(bar), [0.03, 0.5, None][rng.integers(3)], [None, 0.0, 50.0][rng.integers(3)])
        for name in names
        for bar in np.flatnonzero(rng.random(shape[0]) < 0.2)
        if "borrow" in on
    ]
    actions = _draw_actions(rng, on, shape, names)
    columns = [int(column) for column in rng.permutation(shape[1])]
    bars = make_bars(close, dates=days, symbols=names, actions=actions, borrow=supply, **fields)
    return bars.select([names[column] for column in columns])


def _draw_actions(rng: np.random.Generator, on: set[str], shape: tuple[int, int], names: list[str]) -> list[Any]:
    rows: dict[tuple[str, int, str], tuple[Any, ...]] = {}
    for _ in range(5 if "actions" in on else 0):
        bar, name = int(rng.integers(shape[0])), names[rng.integers(len(names))]
        kind = ["split", "spinoff", "dividend", "dividend"][rng.integers(4)]
        values = {"split": [2.0, 0.5, 1 / 7], "spinoff": [0.1, 0.3], "dividend": [0.05, 1.0]}
        later = (bar + int(rng.integers(0, 5)),) if kind == "dividend" and rng.random() < 0.8 else ()
        rows[name, bar, kind] = (name, bar, kind, rng.choice(values[kind]), *later)
    last = names[-1]
    if "conversions" in on:
        rows[last, 0, "conversion"] = (
            last,
            int(rng.integers(1, shape[0])),
            "conversion",
            rng.choice([1.0, 0.4]),
            names[0],
        )
    elif "delistings" in on:
        rows[last, 0, "delisting"] = (last, int(rng.integers(1, shape[0])), "delisting", rng.choice([-1.0, -0.3, 0.1]))
    return list(rows.values())


def _draw_costs(rng: np.random.Generator, on: set[str], clean: bool) -> Costs:
    spare = Bps(50)
    slippages = (
        Bps(5),
        Spread(Bps(100)),
        VolumeShare(0.1, 2.0, default=spare),
        SquareRootImpact(window=2, default=spare),
    )
    commission = Proportional(0.001) if clean else _COMMISSIONS[rng.integers(len(_COMMISSIONS))]
    slippage = slippages[rng.integers(len(slippages))]
    convention = "mark" if clean else ["mark", "dealer"][rng.integers(2)]
    fees = Fees((("2000-01-01", 0.001, 0.0 if clean else 0.01, None if clean else 0.5, 0.0 if clean else 0.002),))
    return Costs(
        commission=commission if clean or "commission" in on else None,
        slippage=slippage if "slippage" in on else Bps(0),
        borrow=Borrow([0.03, 2.0][rng.integers(2)], convention=convention, recall=bool(rng.random() < 0.5)),
        fees=fees if "fees" in on else None,
    )


def _draw_fill(rng: np.random.Generator, on: set[str]) -> Fill:
    at = ["next_open", "next_close", "same_close"][rng.integers(3)] if "timing" in on else "next_open"
    some = {"participation": 0.1, "carry": int(rng.integers(0, 3))} if "participation" in on else {}
    more = {"delay": int(rng.integers(1, 3)), "sizing": ["decision", "fill"][rng.integers(2)]} if "timing" in on else {}
    return Fill(at, **some, **more)


def _draw_exits(rng: np.random.Generator) -> Exits:
    distances = [float(rng.choice([0.02, 0.1])) if rng.random() < 0.7 else None for _ in range(3)]
    return Exits(
        stop_loss=distances[0],
        take_profit=distances[1],
        trailing=distances[2],
        time_stop=3 if rng.random() < 0.3 else None,
        entry_bar=bool(rng.random() < 0.5),
        reentry=["next_decision", "after_flat"][rng.integers(2)],
    )


def _tradable(bars: Bars) -> np.ndarray:
    """(T, N): between a symbol's first close and its end, which is when it may have an order."""
    listed = np.maximum.accumulate(~np.isnan(bars.close.values), axis=0)
    for symbol, day, kind in bars.actions.select("symbol", "date", "kind").iter_rows():
        if kind in ("conversion", "delisting"):
            listed[np.searchsorted(bars.dates, np.datetime64(day)) :, bars.symbols.index(symbol)] = False
    return listed


def _draw_decisions(rng: np.random.Generator, bars: Bars, door: str, capital: float) -> Panel:
    rows = np.flatnonzero(rng.random(bars.shape[0]) < rng.choice([0.3, 0.7, 1.0]))
    rows = rows if rows.size else np.array([0])
    style = ["long", "long_short", "levered"][rng.integers(3)]
    values = draw_weights(rng, style, (rows.size, bars.shape[1]))
    if door != "weights":
        price = np.where(np.isnan(bars.close.values[rows]), 10.0, bars.close.values[rows])
        values = capital * values if door == "target_value" else np.round(0.3 * capital * values / price, 1)
        values[~_tradable(bars)[rows]] = np.nan
    return Panel(values, bars.dates[rows], bars.symbols)


def _draw_table(rng: np.random.Generator, bars: Bars, lot: float | None) -> pl.DataFrame:
    able = _tradable(bars)
    marks = make_marks(bars)
    types = ["market", "limit", "stop", "stop_limit", "trailing", "market_on_open", "limit_on_close", "market_on_close"]
    rows: list[dict[str, Any]] = []
    for _ in range(12):
        bar, asset = int(rng.integers(bars.shape[0])), int(rng.integers(bars.shape[1]))
        if not able[bar, asset]:
            continue
        kind, side, mark = types[rng.integers(len(types))], rng.choice([-1.0, 1.0]), marks[bar, asset]
        near, far = mark * (1 - 0.02 * side), mark * (1 + 0.02 * side)
        row = {"bar": bar, "symbol": bars.symbols[asset], "type": kind}
        row["shares"] = side * float(rng.integers(1, 40)) * (lot or 1.0)
        row["limit"] = {"limit": near, "stop_limit": far * (1 + 0.01 * side), "limit_on_close": near}.get(kind)
        row["stop"] = far if kind in ("stop", "stop_limit") else None
        row |= {
            "trail": mark * 0.03 if kind == "trailing" else None,
            "tif": ["day", "gtc", "ioc", "fok"][rng.integers(4)],
        }
        row["group"] = int(rng.integers(2)) if rng.random() < 0.3 else None
        row["reduce_only"] = bool(rng.random() < 0.2)
        rows.append(row)
    first = {"bar": int(able.argmax() // bars.shape[1]), "symbol": bars.symbols[int(able.argmax() % bars.shape[1])]}
    rows = rows or [first | {"shares": lot or 1.0, "type": "market", "limit": None, "stop": None, "trail": None}]
    return make_orders(bars, *rows).with_columns(pl.col("limit", "stop", "trail").cast(pl.Float64))


def make_marks(bars: Bars) -> np.ndarray:
    """Last close up to each bar (T, N), NaN before the first."""
    out = bars.close.values.copy()
    for t in range(1, out.shape[0]):
        out[t] = np.where(np.isnan(out[t]), out[t - 1], out[t])
    return out
