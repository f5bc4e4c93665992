"""Small Inputs by keyword, random Inputs with every feature, and the comparison of two runs.

``python tests/backtest/_random_inputs.py 500`` prints what the random books go through.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from quantlab.backtest._run import Inputs, Run
from quantlab.execution import _kernel_types as kt
from quantlab.execution._kernel_types import Terms, Tickets, World, no_tickets

NAN, INF = math.nan, math.inf

FEATURES = frozenset(
    {
        "holes",
        "late",
        "ohl",
        "volume",
        "actions",
        "borrow",
        "available",
        "interest",
        "regt",
        "portfolio",
        "dated_margin",
        "minimum_equity",
        "slippage",
        "impact",
        "commission",
        "fees",
        "participation",
        "currencies",
        "exits",
        "time_stop",
        "bands",
        "part",
        "turnover",
        "smallest",
        "every_bar",
        "make_room",
        "modes",
        "lots",
        "at",
        "same_close",
        "size_at_fill",
        "tickets",
        "strict",
        "sessions",
        "recall",
        "reentry",
        "carry",
    }
)
# What one weights path goes through: no explicit orders, no exits, no amounts.
SIMPLE = FEATURES - {"tickets", "exits", "time_stop", "modes", "strict"}

COLUMN_NAMES = [
    "equity",
    "cash",
    "receivable",
    "long",
    "short",
    "requirement",
    "borrow",
    "debit_interest",
    "credit_interest",
    "short_interest",
    "commission",
    "fees",
    "slippage",
    "dividends",
    "traded",
    "conversion_cost",
]
COUNT_NAMES = [
    "skipped",
    "missing_price",
    "unaffordable",
    "no_next_bar",
    "below_one_lot",
    "stale_mark",
    "margin_scaled",
    "margin_rejected",
    "margin_call",
    "unborrowable",
    "buy_in",
    "capped",
    "ambiguous",
    "delisted",
    "debit",
    "ruin",
    "no_borrow_rate",
    "cancelled",
    "expired",
]
KIND_NAMES = [
    "rebalance",
    "order",
    "stop_loss",
    "take_profit",
    "trailing",
    "time_stop",
    "margin_call",
    "buy_in",
    "ruin",
]
STATUS_NAMES = [
    "filled",
    "missing_price",
    "no_next_bar",
    "liquidated",
    "skipped",
    "unaffordable",
    "margin_rejected",
    "taken_back",
    "expired",
    "capped",
    "unborrowable",
    "delisted",
    "working",
    "replaced",
    "grouped",
    "called",
    "exited",
    "closed",
    "split_away",
    "ended",
    "too_small",
    "leaving",
]


def make_inputs(close: Any, decisions: dict[int, Any] | None = None, **given: Any) -> Inputs:
    """Inputs from nested lists (T, N); whatever is left out is free, fractional, close-only and a day per bar.

    ``actions`` are rows (bar, kind, asset, other, value, pay); ``tickets`` are dicts of the fields that matter; any
    other keyword is a field of World or of Terms.
    """
    close = np.array(close, dtype=np.float64)
    bars, assets = close.shape
    decisions = decisions or {}
    nothing = np.full((1, assets), NAN)
    zero = np.zeros((1, assets))
    days = np.ones(bars, dtype=np.int64)
    days[0] = 0
    fx = np.atleast_2d(np.array(given.pop("fx", [[1.0]]), dtype=np.float64))
    currencies = fx.shape[1]
    actions = sorted(given.pop("actions", []), key=lambda row: (row[0], row[2], row[1]))
    table = np.array(actions, dtype=np.float64).reshape(len(actions), 6)
    whole = {name: table[:, k].astype(np.int64) for k, name in enumerate(("bar", "kind", "asset", "other", "", "pay"))}
    interest = np.zeros((1, currencies, 3, 1))
    for k, name in enumerate(("debit", "credit", "short_credit")):
        interest[:, :, k, :] = given.pop(name, 0.0)
    tickets = make_tickets(given.pop("tickets", []))
    cash = float(given.pop("cash", 100.0))
    world = {
        "open": nothing,
        "high": nothing,
        "low": nothing,
        "close": close,
        "volume": nothing,
        "reference": given.get("open", close) if given.get("at", kt.AT_CLOSE) == kt.AT_OPEN else close,
        "days": days,
        "month": np.zeros(bars, dtype=np.int64),
        "session": np.arange(bars, dtype=np.int64),
        "fx": fx,
        "rate": zero,
        "available": np.full((1, assets), INF),
        "spread": zero,
        "impact": zero,
        "impact2": zero,
        "adv": nothing,
        "fees": np.array([[0.0, 0.0, INF, 0.0]]),
        "interest": interest,
        "margin": margin_row(),
        "action_bar": whole["bar"],
        "action_kind": whole["kind"],
        "action_asset": whole["asset"],
        "action_other": whole["other"],
        "action_value": table[:, 4].copy(),
        "action_pay": whole["pay"],
        "pay_order": np.argsort(whole["pay"], kind="stable"),
    }
    lot = given.pop("lot", 0.0)
    integral = lot == 0.0 or float(lot).is_integer()
    terms = {
        "currency": np.zeros(assets, dtype=np.int64),
        "unit": 1.0 if integral else float(lot),
        "step": float(lot) if integral else 1.0,
        "commission": np.array([[0.0, 0.0, 0.0, 0.0, 0.0, INF, INF]]),
        "power": 1.0,
        "power2": 1.0,
        "participation": 0.0,
        "carry": 0,
        "dealer": 0,
        "recall": 0,
        "borrow_days": 360.0,
        "interest_days": 360.0,
        "thresholds": np.zeros((currencies, 3, world["interest"].shape[3])),
        "margin_model": kt.NO_MARGIN,
        "margin_long": np.ones(assets),
        "margin_short": np.ones(assets),
        "buying_power": kt.SCALE,
        "at": kt.AT_CLOSE,
        "size_at_fill": 0,
        "convert": 0,
        "conversion_cost": 0.0,
        "stop_loss": INF,
        "take_profit": INF,
        "trailing": INF,
        "time_stop": 0,
        "entry_bar": 0,
        "reentry": 0,
        "band": 0.0,
        "relative_band": 0.0,
        "to_edge": 0,
        "part": 1.0,
        "turnover": INF,
        "smallest": 0.0,
        "every_bar": 0,
        "make_room": 0,
        "mode": kt.WEIGHTS,
    }
    unknown = given.keys() - world.keys() - terms.keys()
    assert not unknown, f"unknown: {sorted(unknown)}"
    for name, value in given.items():
        home = world if name in world else terms
        if not isinstance(home[name], np.ndarray):
            home[name] = value
            continue
        value = np.array(value, dtype=home[name].dtype)
        two = home is world and name not in ("days", "month", "session")
        home[name] = np.atleast_2d(value) if two and value.ndim < 2 else value
    return Inputs(
        World(**{name: np.ascontiguousarray(value) for name, value in world.items()}),
        Terms(**terms),
        cash,
        np.array(sorted(decisions), dtype=np.int64),
        np.array([decisions[t] for t in sorted(decisions)], dtype=np.float64).reshape(len(decisions), assets),
        tickets,
    )


def margin_row(**changes: float) -> np.ndarray:
    """One row of REG_T's usual numbers (and of the portfolio model's), with changes by name."""
    row = np.array([[0.5, 0.5, 0.25, 0.30, 5.0, 2.5, 1.0, 5.0, 0.30, 0.05, 2.0, 0.0, 0.0]])
    for name, value in changes.items():
        row[0, getattr(kt, name.upper())] = value
    return row


def make_tickets(rows: list[dict[str, Any]]) -> Tickets:
    """Tickets from dicts; what is left out is a good-till-cancelled market order."""
    if not rows:
        return no_tickets()
    rows = sorted(rows, key=lambda row: row["placed"])
    usual = {"type": kt.MARKET, "tif": kt.GOOD_TILL_CANCELLED, "until": 10**6, "group": -1, "reduce_only": 0}
    usual |= {"limit": NAN, "stop": NAN, "trail": NAN, "trail_fraction": NAN}
    columns = {name: [(usual | row)[name] for row in rows] for name in Tickets._fields}
    integers = Tickets._fields[:7]
    return Tickets(
        **{name: np.array(v, dtype=np.int64 if name in integers else np.float64) for name, v in columns.items()}
    )


def simple_inputs(seed: int) -> Inputs:
    """Draw a random book of the weights path: no explicit orders, no exits, no amounts."""
    return random_inputs(seed, features=SIMPLE)


def random_inputs(seed: int, features: frozenset[str] | set[str] = FEATURES) -> Inputs:
    """Draw a small random book in which each of the features is on by chance."""
    unknown = set(features) - FEATURES
    assert not unknown, f"unknown: {sorted(unknown)}"
    return _Draw(np.random.default_rng(seed), frozenset(features)).inputs()


class _Draw:
    """The parts of one random book. All draws are made whether or not they are used, so that features can be cut."""

    def __init__(self, rng: np.random.Generator, features: frozenset[str]) -> None:
        self.rng = rng
        self.features = features
        self.bars, self.assets = int(rng.integers(3, 15)), int(rng.integers(2, 8))

    def on(self, feature: str, probability: float) -> bool:
        """Return whether a feature is used; one random number, always."""
        return bool(self.rng.random() < probability) and feature in self.features

    def pick(self, *values: Any, p: list[float] | None = None) -> Any:
        return values[int(self.rng.choice(len(values), p=p))]

    def some(self, low: float, high: float, *shape: int) -> np.ndarray:
        return self.rng.uniform(low, high, shape)

    def inputs(self) -> Inputs:
        given: dict[str, Any] = {}
        close = self.prices()
        given |= self.ranges(close)
        given |= self.calendar()
        given |= self.currencies()
        given |= self.costs(close)
        given |= self.financing(given["fx"].shape[1])
        given |= self.account()
        given |= self.rules()
        given["actions"] = self.actions(given["currency"])
        decisions = self.decisions(given, close)
        given["tickets"] = self.tickets(close, given["lot"])
        return make_inputs(close, decisions, **given)

    def prices(self) -> np.ndarray:
        bars, assets = self.bars, self.assets
        style = self.pick("walk", "grid", "jumps", "calm", p=[0.35, 0.2, 0.1, 0.35])
        start = self.pick(3.0, 12.0, 60.0, p=[0.15, 0.35, 0.5]) * self.some(0.5, 2.0, assets)
        sigma = {"walk": 0.05, "grid": 0.0, "jumps": 0.5, "calm": 0.01}[style]
        steps = sigma * self.rng.standard_normal((bars, assets))
        grid = self.rng.integers(2, 13, (bars, assets)).astype(float)
        close = grid if style == "grid" else start * np.exp(np.cumsum(steps, axis=0))
        close = np.round(close, 2) if self.rng.random() < 0.5 else close
        holes = self.rng.random((bars, assets))
        if self.on("holes", 0.35):
            close[holes < 0.12] = NAN
        listed = self.rng.integers(1, max(bars // 2, 2), assets)
        late = self.rng.random(assets) < 0.3
        if self.on("late", 0.3):
            for i in np.flatnonzero(late):
                close[: listed[i], i] = NAN
        return np.maximum(close, 0.05)

    def ranges(self, close: np.ndarray) -> dict[str, Any]:
        """Open, high, low, volume and the reference prices."""
        bars, assets = self.bars, self.assets
        previous = np.vstack([close[:1], close[:-1]])
        gap = self.pick(0.0, 0.01, 0.05, p=[0.2, 0.5, 0.3])
        opens = np.where(np.isnan(previous), close, previous) * np.exp(gap * self.rng.standard_normal((bars, assets)))
        opens[np.isnan(close)] = NAN
        wide = self.pick(0.0, 0.01, 0.05)
        high = np.fmax(opens, close) * (1 + wide * self.rng.random((bars, assets)))
        low = np.fmin(opens, close) * (1 - wide * self.rng.random((bars, assets)))
        snap = self.rng.random() < 0.3
        if snap:
            opens, high, low = np.round(opens, 1), np.ceil(high), np.floor(low)
            opens, low = np.maximum(opens, 0.05), np.maximum(low, 0.05)
            high, low = np.maximum(high, np.fmax(opens, close)), np.minimum(low, np.fmin(opens, close))
        lost = self.rng.random((bars, assets))
        if self.on("holes", 0.3):
            opens[lost < 0.05] = NAN
            high[(lost > 0.05) & (lost < 0.1)] = NAN
        volume = np.round(self.rng.uniform(50, 5000, (bars, assets)))
        volume[self.rng.random((bars, assets)) < 0.05] = 0.0
        volume[self.rng.random((bars, assets)) < 0.03] = NAN
        at = self.pick(kt.AT_OPEN, kt.AT_CLOSE)
        at = at if "at" in self.features else kt.AT_CLOSE
        bars_have = "ohl" in self.features
        shape = self.pick("ohlc", "oc", "hlc", "c", p=[0.7, 0.1, 0.1, 0.1])
        same = self.on("same_close", 0.15)
        vwap = self.rng.random() < 0.15
        given: dict[str, Any] = {"volume": volume if "volume" in self.features else np.full((1, assets), NAN)}
        nothing = np.full((1, assets), NAN)
        have_open, have_range = bars_have and shape in ("ohlc", "oc"), bars_have and shape in ("ohlc", "hlc")
        given |= {"open": opens if have_open else nothing}
        given |= {"high": high if have_range else nothing, "low": low if have_range else nothing}
        at = at if have_open else kt.AT_CLOSE
        reference = opens if at == kt.AT_OPEN else close
        if vwap and at == kt.AT_CLOSE:
            reference = (high + low + close) / 3
        if same:
            at, reference = kt.SAME_CLOSE, close
        self.has_open, self.has_range = have_open, have_range
        return given | {"at": at, "reference": reference}

    def calendar(self) -> dict[str, Any]:
        bars = self.bars
        days = self.rng.choice([1, 1, 1, 3, 4], bars)
        session = np.arange(bars)
        inside = self.rng.random(bars) < 0.5
        if self.on("sessions", 0.2):
            session = np.cumsum(~inside)
            days[1:][session[1:] == session[:-1]] = 0
        days[0] = 0
        month = session // int(self.rng.integers(2, 6))
        return {"days": days, "session": session, "month": month}

    def currencies(self) -> dict[str, Any]:
        count = int(self.pick(2, 3))
        many = self.on("currencies", 0.35)
        count = count if many else 1
        rates = np.ones((self.bars, 3))
        moves = 0.01 * self.rng.standard_normal((self.bars, 2))
        rates[:, 1:] = np.array([1.3, 0.01]) * np.exp(np.cumsum(moves, axis=0))
        of = self.rng.integers(0, 3, self.assets) % count
        return {
            "fx": rates[:, :count] if many else np.ones((1, 1)),
            "currency": of,
            "convert": int(self.rng.random() < 0.5) if many else 0,
            "conversion_cost": float(self.pick(0.0, 0.0005)),
        }

    def costs(self, close: np.ndarray) -> dict[str, Any]:
        bars, assets = self.bars, self.assets
        rows = int(self.pick(1, bars))
        given: dict[str, Any] = {}
        spread = self.some(0.0, 0.002, rows, assets)
        if self.on("slippage", 0.6):
            given["spread"] = spread
        impact, impact2 = self.some(0.0, 0.05, bars, assets), self.some(0.0, 0.02, bars, assets)
        impact[self.rng.random((bars, assets)) < 0.1] = 0.0
        adv = self.some(500.0, 20_000.0, bars, assets)
        missing = self.rng.random((bars, assets))
        powers = float(self.pick(0.5, 0.6, 2.0)), float(self.pick(1.0, 0.891))
        if self.on("impact", 0.4):
            adv[missing < 0.01] = NAN
            given |= {"impact": impact, "adv": adv, "power": powers[0], "power2": powers[1]}
            given["impact2"] = impact2 if missing[0, 0] < 0.5 else np.zeros((1, assets))
        schedules = [
            [[0.0, 0.0, 0.005, 0.0, 1.0, 0.01, INF]],
            [[0.0, 0.0, 0.0, 0.001, 0.0, INF, INF]],
            [[0.0, 2.0, 0.0, 0.0, 0.0, INF, INF]],
            [[0.0, 25.0, 0.001, 0.0, 0.0, INF, INF]],
            [[0.0, 0.0, 0.0075, 0.0, 2.5, INF, 40.0]],
            [
                [0.0, 0.0, 0.02, 0.0, 1.0, 0.01, INF],
                [300.0, 0.0, 0.01, 0.0, 0.5, 0.01, INF],
                [1000.0, 0.0, 0.0, 0.0002, 0.0, INF, 9.0],
            ],
        ]
        schedule = schedules[int(self.rng.integers(len(schedules)))]
        if self.on("commission", 0.7):
            given["commission"] = schedule
        fees = np.array([[2.78e-5, 0.000166, 8.30, 0.0], [2.0e-4, 0.01, 0.5, 0.003]])[self.rng.integers(0, 2, rows)]
        if self.on("fees", 0.4):
            given["fees"] = fees
        participation = float(self.pick(0.02, 0.1, 0.5))
        if self.on("participation", 0.35) and "volume" in self.features:
            given["participation"] = participation
        carry = int(self.rng.integers(0, 4))
        given["carry"] = carry if "carry" in self.features else 0
        return given

    def financing(self, currencies: int) -> dict[str, Any]:
        bars, assets = self.bars, self.assets
        given: dict[str, Any] = {"borrow_days": float(self.pick(360, 365)), "interest_days": float(self.pick(360, 365))}
        rates = self.some(0.0, 0.4, int(self.pick(1, bars)), assets)
        if self.on("borrow", 0.7):
            given |= {"rate": rates, "dealer": int(self.rng.random() < 0.3)}
        available = np.round(self.some(0.0, 400.0, int(self.pick(1, bars)), assets))
        available[self.rng.random(available.shape) < 0.6] = INF
        available[self.rng.random(available.shape) < 0.1] = 0.0
        recall = self.rng.random() < 0.5
        if self.on("available", 0.35):
            given |= {"available": available, "recall": int(recall and "recall" in self.features)}
        bands = int(self.rng.integers(1, 4))
        thresholds = np.zeros((currencies, 3, bands))
        thresholds[:, :, 1:] = np.cumsum(self.some(100.0, 3000.0, currencies, 3, bands - 1), axis=2)
        thresholds[0, 2, 1:] = INF if self.rng.random() < 0.3 else thresholds[0, 2, 1:]
        yearly = self.some(0.0, 0.12, int(self.pick(1, bars)), currencies, 3, bands)
        if self.on("interest", 0.6):
            given |= {"interest": yearly, "thresholds": thresholds}
        return given

    def account(self) -> dict[str, Any]:
        rng, bars = self.rng, self.bars
        cash = float(self.pick(30.0, 1000.0, 10_000.0, 100_000.0, p=[0.05, 0.15, 0.5, 0.3]))
        model = self.pick(kt.NO_MARGIN, kt.REG_T, kt.PORTFOLIO, p=[0.3, 0.5, 0.2])
        if (model == kt.REG_T and "regt" not in self.features) or (
            model == kt.PORTFOLIO and "portfolio" not in self.features
        ):
            model = kt.NO_MARGIN
        margin = margin_row()
        if model == kt.PORTFOLIO:
            margin = margin_row(maintenance_long=0.15, maintenance_short=0.15, largest=float(rng.integers(1, 4)))
        dated = np.repeat(margin, bars, axis=0)
        dated[int(rng.integers(0, bars)) :, :4] *= float(self.pick(1.2, 0.8, 1.6))
        margin = dated if self.on("dated_margin", 0.3) else margin
        minimum, buffer = float(self.pick(0.5, 0.99)) * cash, float(self.pick(0.0, 0.1))
        margin[:, kt.MINIMUM_EQUITY] = minimum if self.on("minimum_equity", 0.15) else 0.0
        margin[:, kt.BUFFER] = buffer
        factors = np.where(rng.random((2, self.assets)) < 0.2, float(self.pick(0.5, 2.0, 3.0)), 1.0)
        policy = self.pick(kt.SCALE, kt.REJECT, kt.STRICT, p=[0.6, 0.3, 0.1])
        policy = kt.SCALE if policy == kt.STRICT and "strict" not in self.features else policy
        lot = float(self.pick(0.0, 1.0, 100.0, 0.1, 0.7, p=[0.25, 0.4, 0.1, 0.15, 0.1]))
        return {
            "cash": cash,
            "margin_model": model,
            "margin": margin,
            "margin_long": factors[0],
            "margin_short": factors[1],
            "buying_power": policy,
            "lot": lot if "lots" in self.features else 0.0,
        }

    def rules(self) -> dict[str, Any]:
        rng = self.rng
        given: dict[str, Any] = {}
        stops = [float(self.pick(0.01, 0.03, 0.1, INF, p=[0.25, 0.25, 0.2, 0.3])) for _ in range(3)]
        if self.on("exits", 0.45):
            given |= dict(zip(("stop_loss", "take_profit", "trailing"), stops, strict=True))
        age = int(rng.integers(1, 5))
        if self.on("time_stop", 0.2):
            given["time_stop"] = age
        given["entry_bar"] = int(rng.random() < 0.5)
        reentry = int(rng.random() < 0.5)
        given["reentry"] = reentry if "reentry" in self.features else 0
        band, relative = float(self.pick(0.0, 0.02, 0.1)), float(self.pick(0.0, 0.1, 0.3))
        edge = int(rng.random() < 0.5)
        if self.on("bands", 0.3):
            given |= {"band": band, "relative_band": relative, "to_edge": edge}
        part = float(self.pick(0.5, 0.2))
        if self.on("part", 0.2):
            given["part"] = part
        turnover = float(self.pick(0.1, 0.5, 1.0))
        if self.on("turnover", 0.2):
            given["turnover"] = turnover
        smallest = float(self.pick(10.0, 200.0))
        if self.on("smallest", 0.2):
            given["smallest"] = smallest
        given["every_bar"] = int(self.on("every_bar", 0.2))
        given["make_room"] = int(self.on("make_room", 0.4))
        given["size_at_fill"] = int(self.on("size_at_fill", 0.25))
        mode = self.pick(*range(5), p=[0.6, 0.1, 0.1, 0.1, 0.1])
        given["mode"] = int(mode) if "modes" in self.features else kt.WEIGHTS
        return given

    def actions(self, currency: np.ndarray) -> list[tuple[float, ...]]:
        rng = self.rng
        count = int(rng.integers(1, 7))
        wanted = self.on("actions", 0.5)
        rows: dict[tuple[int, int, int], tuple[float, ...]] = {}
        gone = np.full(self.assets, self.bars)
        for _ in range(count):
            t, i = int(rng.integers(0, self.bars)), int(rng.integers(self.assets))
            kind = int(rng.choice(5, p=[0.3, 0.1, 0.35, 0.1, 0.15]))
            ratio = float(rng.choice([2.0, 3.0, 0.5, 1 / 7, 1.5, 0.1]))
            j = int(rng.integers(self.assets))
            pay = min(t + int(rng.integers(0, 5)), self.bars)
            value = {
                kt.SPLIT: ratio,
                kt.SPINOFF: float(rng.uniform(0.01, 0.4)),
                kt.DIVIDEND: float(rng.uniform(0.01, 1.5)),
                kt.CONVERSION: float(rng.choice([1.0, 0.5, 2.0, 0.3])),
                kt.DELISTING: float(rng.choice([-1.0, -0.3, 0.0, 0.1])),
            }[kind]
            if kind == kt.CONVERSION and (i == j or currency[i] != currency[j] or gone[j] <= t):
                kind, value = kt.DIVIDEND, float(rng.uniform(0.01, 0.5))
            if kind in (kt.CONVERSION, kt.DELISTING):
                if any(row[3] == i and row[0] >= t for row in rows.values()):
                    continue
                gone[i] = min(gone[i], t)
            other = j if kind == kt.CONVERSION else -1
            rows[t, i, kind] = (t, kind, i, other, value, pay)
        return list(rows.values()) if wanted else []

    def decisions(self, given: dict[str, Any], close: np.ndarray) -> dict[int, Any]:
        rng, bars, assets, mode = self.rng, self.bars, self.assets, given["mode"]
        often = float(self.pick(0.25, 0.6, 1.0))
        rows = [t for t in range(bars) if rng.random() < often] or [0]
        gross = float(self.pick(0.5, 0.98, 1.0, 1.7, 3.0, p=[0.15, 0.25, 0.2, 0.25, 0.15]))
        long_only = rng.random() < 0.35
        persistent = rng.random() < 0.5
        decisions: dict[int, Any] = {}
        last = rng.standard_normal(assets)
        for t in rows:
            fresh = rng.standard_normal(assets)
            last = 0.9 * last + 0.1 * fresh if persistent else fresh
            raw = np.abs(last) if long_only else last
            raw = np.where(rng.random(assets) < 0.25, 0.0, raw)
            total = np.abs(raw).sum()
            weights = gross * raw / total if total > 0 else raw
            if rng.random() < 0.3:
                weights = np.round(weights, 2)
            if rng.random() < 0.1:
                weights = np.zeros(assets)
            if mode != kt.WEIGHTS:
                value = weights * given["cash"] * float(self.pick(0.5, 1.0))
                price = np.where(np.isnan(close[t]), 10.0, close[t]) * given["fx"][-1][given["currency"]]
                amounts = value if mode in (kt.TARGET_VALUE, kt.VALUE) else np.round(value / price, 1)
                weights = np.where(rng.random(assets) < 0.3, NAN, amounts)
            decisions[t] = weights
        return decisions if rng.random() < 0.92 else {}

    def tickets(self, close: np.ndarray, lot: float) -> list[dict[str, Any]]:
        rng = self.rng
        wanted = self.on("tickets", 0.45)
        count = int(rng.integers(1, 14))
        rows = []
        for _ in range(count):
            t, i = int(rng.integers(0, self.bars)), int(rng.integers(self.assets))
            known = close[: t + 1, i][~np.isnan(close[: t + 1, i])]
            price = float(known[-1]) if known.size else 10.0
            size = float(rng.integers(1, 60))
            units = size * lot if lot >= 1.0 else size + (float(rng.random()) if lot == 0.0 else 0.0)
            # What callers round away, and this engine too: less than a lot, or a broken number of them.
            units *= float(rng.random()) if lot > 0.0 and rng.random() < 0.1 else 1.0
            side = int(self.pick(1, -1))
            types = [kt.MARKET, kt.LIMIT, kt.STOP, kt.STOP_LIMIT, kt.TRAIL, kt.MARKET_OPEN, kt.LIMIT_OPEN]
            types += [kt.MARKET_CLOSE, kt.LIMIT_CLOSE]
            kind = int(rng.choice(types, p=[0.2, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05, 0.1]))
            near, far = rng.normal(0.0, 0.03, 2)
            limit, stop = price * (1 + near), price * (1 + side * abs(far))
            if rng.random() < 0.3:
                limit, stop = round(limit), round(stop)
            absolute = rng.random() < 0.5
            distance = float(rng.uniform(0.005, 0.06))
            tif, until = int(rng.integers(0, 5)), t + int(rng.integers(0, 6))
            group = int(rng.integers(0, 4)) if rng.random() < 0.4 else -1
            reduce_only = int(rng.random() < 0.3)
            if (kind in (kt.MARKET_OPEN, kt.LIMIT_OPEN) and not self.has_open) or (
                kind in (kt.LIMIT, kt.STOP, kt.STOP_LIMIT, kt.TRAIL) and not self.has_range
            ):
                kind = kt.MARKET_CLOSE
            row = {"placed": t, "asset": i, "type": kind, "units": side * units, "tif": tif, "until": until}
            row |= {"group": group, "reduce_only": reduce_only}
            if kind in (kt.LIMIT, kt.STOP_LIMIT, kt.LIMIT_OPEN, kt.LIMIT_CLOSE):
                row["limit"] = max(limit, 0.05)
            if kind in (kt.STOP, kt.STOP_LIMIT):
                row["stop"] = max(stop, 0.05)
            if kind == kt.TRAIL:
                row |= {"trail": price * distance} if absolute else {"trail_fraction": distance}
            rows.append(row)
        return rows if wanted else []


def demand_equal_runs(left: Run, right: Run, inputs: Inputs) -> None:
    """Raise AssertionError that names the first bar, asset and field in which two runs of ``inputs`` differ.

    Labels, counts and whole units must be equal; money and prices to 1e-9 of what moved. Orders of one bar may stand in
    another order. A run that stops promises nothing but the bar of its stop.
    """
    assert (left.stopped, left.ruined) == (right.stopped, right.ruined), (
        f"stopped and ruined: {(left.stopped, left.ruined)} and {(right.stopped, right.ruined)}"
    )
    if left.stopped >= 0:
        return
    gaps: list[tuple[int, int, str]] = []
    # The money that has gone through the books: rounding is relative to it.
    moved = np.zeros(left.tape.shape[0])
    for run in (left, right):
        through = np.abs(run.tape).max(axis=1) + np.cumsum(np.abs(run.tape[:, kt.TRADED]))
        moved = np.fmax(moved, np.maximum.accumulate(through))
    scale = 1e-9 * np.fmax(moved, 1.0)
    for column, name in enumerate(COLUMN_NAMES):
        apart = np.flatnonzero(~_close(left.tape[:, column], right.tape[:, column], scale))
        if apart.size:
            t = int(apart[0])
            gaps.append((t, 10_000, f"tape {name}: {left.tape[t, column]!r} and {right.tape[t, column]!r}"))
    if left.records is not None and right.records is not None:
        gaps += _gaps_in_records(left, right, inputs, scale)
    gaps += _gaps_in_counts(left, right, scale)
    if gaps:
        gaps.sort(key=lambda gap: gap[:2])
        where = "; ".join(f"bar {t}, {'book' if i >= 10_000 else f'asset {i}'}: {what}" for t, i, what in gaps[:4])
        raise AssertionError(f"{where}; {len(gaps)} fields differ")


def _close(left: np.ndarray, right: np.ndarray, scale: Any) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        near = np.abs(left - right) <= scale + 1e-9 * np.abs(right)
    return near | (np.isnan(left) & np.isnan(right)) | (left == right)


def _gaps_in_records(left: Run, right: Run, inputs: Inputs, scale: np.ndarray) -> list[tuple[int, int, str]]:
    gaps: list[tuple[int, int, str]] = []
    a, b = _listed(left), _listed(right)
    exact = inputs.terms.step > 0
    for name in a:
        for x, y in zip(a[name], b[name], strict=False):
            (labels, numbers, said), (others, figures, _) = x, y
            tolerance = np.array([0.0 if exact and k == 0 else 1e-9 * max(1.0, abs(n)) for k, n in enumerate(numbers)])
            if name == "fills":
                tolerance[3:] = 1e-9 * max(1.0, abs(numbers[0] * inputs.terms.unit * numbers[2]))
            if name == "events":
                tolerance[2] = 1e-9 * max(1.0, abs(numbers[0] * numbers[1]), abs(figures[2]))
            same = labels == others and _close(np.array(numbers), np.array(figures), tolerance).all()
            if not same:
                t, i = min((labels[0], labels[1]), (others[0], others[1]))
                gaps.append((t, i, f"{name} {said} {numbers} and {y[2]} {figures}"))
                break
        else:
            longer, who = (a[name], "left") if len(a[name]) > len(b[name]) else (b[name], "right")
            if len(a[name]) != len(b[name]):
                labels, numbers, said = longer[min(len(a[name]), len(b[name]))]
                gaps.append((labels[0], labels[1], f"{name} only {who}: {said} {numbers}"))
    assert left.records is not None
    assert right.records is not None
    for name in ("units", "marks", "borrow"):
        x, y = getattr(left.records, name), getattr(right.records, name)
        near = _close(x, y, 0.0 if name == "units" and exact else scale[:, None])
        for t, i in np.argwhere(~near)[:1]:
            gaps.append((int(t), int(i), f"{name}: {x[t, i]!r} and {y[t, i]!r}"))
    return gaps


def _listed(run: Run) -> dict[str, list[tuple[tuple[int, ...], list[float], str]]]:
    """Orders by bar, asset, kind, status and units; fills by bar and asset; events as they come."""
    records = run.records
    assert records is not None
    labels = [tuple(row) for row in records.orders.tolist()]
    asked = records.asked.tolist()
    orders = [
        (label, numbers, f"{KIND_NAMES[label[2]]} {STATUS_NAMES[label[3]]}")
        for label, numbers in zip(labels, asked, strict=True)
    ]
    orders.sort(key=lambda row: (row[0], [0.0 if math.isnan(n) else n for n in row[1]]))
    fills = []
    for (row, t, i), numbers in zip(records.fills.tolist(), records.paid.tolist(), strict=True):
        t0, _, kind, status, cut = labels[row]
        fills.append(((t, i, t0, kind, status, cut), numbers, f"{KIND_NAMES[kind]} of bar {t0}"))
    fills.sort(key=lambda row: row[0][:2])
    names = ["split", "spinoff", "dividend", "conversion", "delisting"]
    events = [
        ((t, i, kind), numbers, names[kind])
        for (t, i, kind), numbers in zip(records.events.tolist(), records.moved.tolist(), strict=True)
    ]
    return {"orders": orders, "fills": fills, "events": events}


def _gaps_in_counts(left: Run, right: Run, scale: np.ndarray) -> list[tuple[int, int, str]]:
    gaps = []
    free = left.tape[:, kt.CASH] - left.tape[:, kt.SHORT]
    at_zero = int((np.abs(free) <= scale).sum())
    for code, i in np.argwhere((left.counts != right.counts) | (left.firsts != right.firsts)):
        if code == kt.COUNT_DEBIT and abs(int(left.counts[code, i] - right.counts[code, i])) <= at_zero:
            # A book that is just paid in full is in debt by rounding or is not.
            continue
        first = min(t for t in (left.firsts[code, i], right.firsts[code, i]) if t >= 0)
        numbers = " and ".join(f"{run.counts[code, i]} from bar {run.firsts[code, i]}" for run in (left, right))
        column = 10_000 if i == left.counts.shape[1] - 1 else int(i)
        gaps.append((int(first), column, f"count {COUNT_NAMES[code]}: {numbers}"))
    return gaps


def census(seeds: int) -> dict[str, float]:
    """Return the share of random books in which each thing happens, by the reference."""
    from quantlab.backtest._reference import run

    seen: dict[str, int] = {}

    def note(name: str, happened: bool) -> None:
        seen[name] = seen.get(name, 0) + bool(happened)

    for seed in range(seeds):
        inputs = random_inputs(seed)
        outcome = run(inputs)
        records = outcome.records
        assert records is not None
        note("stopped", outcome.stopped >= 0)
        note("ruined", outcome.ruined >= 0)
        note("fills", len(records.fills) > 0)
        for code, name in enumerate(KIND_NAMES):
            note(f"kind {name}", ((records.orders[:, 2] == code) & (records.orders[:, 3] == kt.FILLED)).any())
        for code, name in enumerate(STATUS_NAMES):
            note(f"status {name}", (records.orders[:, 3] == code).any())
        for code, name in enumerate(("split", "spinoff", "dividend", "conversion", "delisting")):
            note(f"event {name}", (records.events[:, 2] == code).any())
        for code, name in enumerate(COUNT_NAMES):
            note(f"count {name}", outcome.counts[code].any())
        for code, name in enumerate(COLUMN_NAMES):
            note(f"money {name}", outcome.tape[:, code].any())
    return {name: count / seeds for name, count in seen.items()}


if __name__ == "__main__":
    for name, share in census(int(sys.argv[1]) if len(sys.argv) > 1 else 300).items():
        sys.stdout.write(f"{name:28} {share:6.1%}\n")
