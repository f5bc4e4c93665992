"""Round trips by their definitions, symbol by symbol in plain Python: what the compiled walk is compared with."""

from __future__ import annotations

import math
from typing import Any

from quantlab.backtest._run import Inputs, Records
from quantlab.execution import _kernel_types as kt

TINY = 1e-9


def trips_of(inputs: Inputs, records: Records) -> list[tuple[float, ...]]:
    """Asset, side, entry, exit (-1 open), pnl, costs, dividends, borrow, mae and mfe of each trade; no conversions."""
    return [row for i in range(inputs.world.close.shape[1]) for row in _Asset(inputs, records, i).walk()]


class _Asset:
    """One symbol: what is held of it, and the trade that is open."""

    def __init__(self, inputs: Inputs, records: Records, i: int) -> None:
        self.world, self.terms, self.records, self.i = inputs.world, inputs.terms, records, i
        self.held, self.trip = 0.0, None
        self.found: list[tuple[float, ...]] = []

    def at(self, field: Any, t: int, column: int | None = None) -> float:
        return float(field[t if field.shape[0] > 1 else 0, self.i if column is None else column])

    def walk(self) -> list[tuple[float, ...]]:
        bars = self.world.close.shape[0]
        for t in range(bars):
            self.fx = self.at(self.world.fx, t, int(self.terms.currency[self.i]))
            if self.trip is not None:
                self.trip["borrow"] += self.records.borrow[t, self.i]
            self.actions(t)
            self.bar(t)
        if self.trip is not None:
            self.trip["cash"] += self.held * self.terms.unit * self.records.marks[-1, self.i] * self.fx
            self.found.append(self.row(-1))
        return self.found

    def actions(self, t: int) -> None:
        for (bar, asset, kind), (du, price, cash) in zip(self.records.events, self.records.moved, strict=True):
            if (bar, asset) != (t, self.i) or self.trip is None:
                continue
            if kind == kt.DIVIDEND:
                self.trip["dividends"] += cash * self.fx
                continue
            self.trip["cash"] += cash * self.fx
            if kind == kt.SPINOFF:
                self.trip["entry"] *= 1 - self.value(t, kind)
            elif kind == kt.SPLIT:
                self.trip["entry"] /= self.value(t, kind)
            else:
                self.see(price)
            self.move(du, t)

    def value(self, t: int, kind: int) -> float:
        world = self.world
        rows = zip(world.action_bar, world.action_asset, world.action_kind, world.action_value, strict=True)
        return next(float(value) for *place, value in rows if place == [t, self.i, kind])

    def bar(self, t: int) -> None:
        fills = [k for k in range(len(self.records.fills)) if tuple(self.records.fills[k, 1:]) == (t, self.i)]
        when = [self.phase(self.records.paid[k, 1], t) for k in fills]
        early = [k for n, k in enumerate(fills) if all(word == "open" for word in when[: n + 1])]
        for k in early:
            self.fill(k, t)
        if self.trip is not None and "inside" not in when[len(early) :]:
            for price in (self.at(self.world.high, t), self.at(self.world.low, t)):
                price = self.world.close[t, self.i] if math.isnan(price) else price
                if not math.isnan(price):
                    self.see(price)
        for k in fills[len(early) :]:
            self.fill(k, t)

    def phase(self, reference: float, t: int) -> str:
        close = self.world.close[t, self.i]
        if reference == self.at(self.world.open, t) and (self.terms.at == kt.AT_OPEN or reference != close):
            return "open"
        return "close" if reference == close else "inside"

    def fill(self, k: int, t: int) -> None:
        du, reference, price, fee, fees, slip = self.records.paid[k]
        parts = [(du, 1.0)]
        if self.held * (self.held + du) < 0 and abs(self.held + du) > TINY:
            parts = [(-self.held, abs(self.held / du)), (self.held + du, 1 - abs(self.held / du))]
        for part, share in parts:
            if self.trip is None:
                self.trip = dict.fromkeys(("cash", "costs", "dividends", "borrow", "mae", "mfe"), 0.0)
                self.trip |= {"side": 1 if part > 0 else -1, "start": t, "entry": price}
            trip = self.trip
            if part * trip["side"] > 0:
                trip["entry"] = (trip["entry"] * abs(self.held) + price * abs(part)) / (abs(self.held) + abs(part))
            else:
                self.see(reference)
            trip["cash"] -= (part * self.terms.unit * price + share * (fee + fees)) * self.fx
            trip["costs"] += share * (fee + fees + slip) * self.fx
            self.move(part, t)

    def move(self, du: float, t: int) -> None:
        self.held = 0.0 if abs(self.held + du) < TINY else self.held + du
        if self.held == 0.0:
            self.found.append(self.row(t))
            self.trip = None

    def see(self, price: float) -> None:
        move = self.trip["side"] * (price / self.trip["entry"] - 1)
        self.trip["mae"], self.trip["mfe"] = max(self.trip["mae"], -move), max(self.trip["mfe"], move)

    def row(self, t: int) -> tuple[float, ...]:
        numbers = (self.trip[name] for name in ("cash", "costs", "dividends", "borrow", "mae", "mfe"))
        return (self.i, self.trip["side"], self.trip["start"], t, *numbers)
