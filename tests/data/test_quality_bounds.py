"""The thresholds of the rules, each from both sides, in a market whose usual move, range and turnover are exact.

The numbers here are written out, not taken from the modules, so that nobody moves a threshold without saying so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import Bars, Panel
from quantlab.data import quality, schemas

T, N, AT = 220, 12, 110
START = date(2023, 1, 2)
DAY = START + timedelta(days=AT)
LOG2, LOG3 = math.log(2), math.log(3)


@dataclass(frozen=True)
class Case:
    """A market in which every symbol moves by ``swing`` up and down in turn, and what happens to S00 on day AT.

    ``move`` is logarithmic; ``night`` the part of it that the open shows; ``narrow`` the range of the day as a part of
    it; ``turnover`` the dollars as a multiple of the usual; ``trade`` the usual dollars afterwards; ``silence`` the
    bars missing before; ``back`` the move that takes it back ``length`` bars later.
    """

    move: float = 0.0
    night: float = 1.0
    narrow: float = 0.1
    turnover: float = 1.0
    trade: float = 1.0
    silence: int = 0
    back: float | None = None
    length: int = 0
    swing: float = 0.01
    spread: float = 0.01
    blind: bool = False

    def fields(self) -> dict[str, np.ndarray]:
        steps = np.where(np.arange(T)[:, None] % 2 == np.arange(N) % 2, self.swing, -self.swing)
        steps *= 1 + np.arange(N) / 500  # no two of them are identical
        steps[0] = 0
        steps[AT] = 0  # nobody else moves on that day: the median of the market is 0
        steps[AT, 0] = self.move
        if self.back is not None:
            steps[AT + self.length] = 0
            steps[AT + self.length, 0] = self.back
        close = 40 * np.exp(np.cumsum(steps, axis=0))
        opened = np.vstack([close[:1], close[:-1]])
        opened[AT, 0] = close[AT - 1, 0] * math.exp(self.night * self.move)
        if self.back is not None:
            opened[AT + self.length, 0] = close[AT + self.length, 0]
        top, bottom = np.maximum(opened, close), np.minimum(opened, close)
        pad = np.maximum(self.spread - np.log(top / bottom), 0) / 2
        if self.move:
            pad[AT, 0] = max(self.narrow * abs(self.move) - math.log(top[AT, 0] / bottom[AT, 0]), 0) / 2
        dollars = np.full((T, N), 1e9)
        dollars[AT, 0] *= self.turnover
        dollars[AT + 1 :, 0] *= self.trade
        found = {
            "open": opened,
            "high": top * np.exp(pad),
            "low": bottom * np.exp(-pad),
            "close": close,
            "volume": dollars / close,
        }
        for values in found.values():
            values[AT - self.silence : AT, 0] = np.nan
        return {"close": close} if self.blind else found


def rules(fields: dict[str, np.ndarray], **tables: pl.DataFrame) -> list[str]:
    panels = {
        name: Panel(values, np.datetime64(START) + np.arange(T), [f"S{n:02}" for n in range(N)])
        for name, values in fields.items()
    }
    return quality(Bars(**panels, adjusted="none"), **tables)["rule"].to_list()


def booked(kind: str, value: float) -> pl.DataFrame:
    return schemas.whole(pl.DataFrame({"symbol": "S00", "date": DAY, "kind": kind, "value": value}), "actions")


PLAIN = Case(move=-0.345)  # near no simple ratio: 3:2 is 0.405, 4:3 is 0.288

JUMPS = [
    # Eight usual moves: 8 * 1.4826 * 0.01 = 0.1186.
    (Case(move=-0.117), []),
    (Case(move=-0.120), ["unrecorded_action"]),
    (Case(move=-0.094, swing=0.005), []),
    (Case(move=-0.096, swing=0.005), ["unrecorded_action"]),
    # Turnover and range.
    (replace(PLAIN, narrow=0.2, turnover=0.24), []),
    (replace(PLAIN, narrow=0.2, turnover=0.26), ["unrecorded_action"]),
    (replace(PLAIN, narrow=0.2, turnover=2.15), ["unrecorded_action"]),
    (replace(PLAIN, narrow=0.2, turnover=2.25), []),
    (replace(PLAIN, narrow=0.155, turnover=3.4), ["unrecorded_action"]),
    (replace(PLAIN, narrow=0.165, turnover=3.4), []),
    (replace(PLAIN, narrow=0.155, turnover=3.6), []),
    (replace(PLAIN, narrow=0.30), ["unrecorded_action"]),
    (replace(PLAIN, narrow=0.32), []),
    (replace(PLAIN, night=0.69, narrow=0), []),
    (replace(PLAIN, night=0.71, narrow=0), ["unrecorded_action"]),
    (Case(move=-0.6, turnover=10, narrow=0.079), ["ticker_reuse"]),
    (Case(move=-0.6, turnover=10, narrow=0.081), ["extreme_move"]),
    (Case(move=-0.40, turnover=10, narrow=0.2), []),
    (Case(move=-0.41, turnover=10, narrow=0.2), ["extreme_move"]),
    (Case(move=LOG3 - 0.01, turnover=10), ["extreme_move"]),
    (Case(move=LOG3 + 0.01, turnover=10), ["unrecorded_action"]),
    # Ratios: 0.02 off, or three usual moves, at most 0.08.
    (Case(move=-math.log(4 / 3) - 0.019), ["unrecorded_split"]),
    (Case(move=-math.log(4 / 3) - 0.021), ["unrecorded_action"]),
    (Case(move=-LOG2 - 0.019, swing=0.002), ["unrecorded_split"]),
    (Case(move=-LOG2 - 0.021, swing=0.002), ["unrecorded_action"]),
    (Case(move=-LOG2 - 0.079, swing=0.03, spread=0.03), ["unrecorded_split"]),
    (Case(move=-LOG2 - 0.081, swing=0.03, spread=0.03), ["unrecorded_action"]),
    # The open shows the ratio; the close may wander by 0.05, or by 0.3 of a jump of 2:1 and more.
    (Case(move=-0.4545, night=math.log(1.5) / 0.4545, swing=0.002), ["unrecorded_split"]),
    (Case(move=-0.4565, night=math.log(1.5) / 0.4565, swing=0.002), ["unrecorded_action"]),
    (Case(move=-1.299 * LOG2, night=1 / 1.299, swing=0.002), ["unrecorded_split"]),
    (Case(move=-1.301 * LOG2, night=1 / 1.301, swing=0.002), ["unrecorded_action"]),
    # Closes alone.
    (Case(move=-0.348, swing=0.02, blind=True), []),
    (Case(move=-0.352, swing=0.02, blind=True), ["unrecorded_split"]),
    # After a silence.
    (Case(move=-LOG2 - 0.01, silence=60, turnover=10), ["gap", "ticker_reuse"]),
    (Case(move=-LOG2 + 0.01, silence=60, turnover=10), ["extreme_move", "gap"]),
    (Case(move=-LOG2 - 0.01, silence=59, turnover=10, narrow=0.2), ["extreme_move", "gap"]),
    (Case(move=-0.12, silence=60, trade=5.1, turnover=4), ["gap", "ticker_reuse"]),
    (Case(move=-0.12, silence=60, trade=4.9, turnover=4), ["gap"]),
    (Case(move=-0.12, silence=60, trade=1 / 5.1, turnover=4), ["gap", "ticker_reuse"]),
    # A run at another level: five usual moves each, 0.148; back to within a tenth.
    (Case(move=0.146, back=-0.146, length=6, swing=0.02, spread=0.02), []),
    (Case(move=0.150, back=-0.150, length=6, swing=0.02, spread=0.02), ["level_run"]),
    (Case(move=0.35, back=-0.316, length=6, swing=0.002), ["level_run"]),
    (Case(move=0.35, back=-0.314, length=6, swing=0.002), ["unrecorded_action", "unrecorded_action"]),
    (Case(move=0.35, back=-0.35, length=60, swing=0.002), ["level_run"]),
    (Case(move=0.35, back=-0.35, length=61, swing=0.002), ["unrecorded_action", "unrecorded_action"]),
    (Case(move=0.35, back=-0.35, length=6, turnover=2.25), ["unrecorded_action"]),
    (Case(move=0.21, back=-0.21, length=6, swing=0.005, blind=True), []),
    (Case(move=0.23, back=-0.23, length=6, swing=0.005, blind=True), ["level_run"]),
    (Case(move=0.23, back=-0.23, length=20, swing=0.005, blind=True), ["level_run"]),
    (Case(move=0.23, back=-0.23, length=21, swing=0.005, blind=True), []),
    (Case(move=math.log(10) + 0.19, back=-math.log(10) - 0.19, length=6, narrow=0.02), ["scale"]),
    (Case(move=math.log(10) + 0.21, back=-math.log(10) - 0.21, length=6, narrow=0.02), ["level_run"]),
    # Spikes: 4 usual moves (4 * 1.4826 * 0.05 = 0.297) beyond 20 %; below that 6.5 (0.0964) and 0.05.
    (Case(move=0.290, back=-0.290, length=1, swing=0.05, blind=True), []),
    (Case(move=0.300, back=-0.300, length=1, swing=0.05, blind=True), ["spike"]),
    (Case(move=0.095, back=-0.095, length=1, blind=True), []),
    (Case(move=0.098, back=-0.098, length=1, blind=True), ["spike"]),
    (Case(move=0.0495, back=-0.0495, length=1, swing=0.002, blind=True), []),
    (Case(move=0.0515, back=-0.0515, length=1, swing=0.002, blind=True), ["spike"]),
]


@pytest.mark.parametrize(("case", "expected"), JUMPS, ids=lambda value: None)
def test_jumps(case: Case, expected: list[str]) -> None:
    assert rules(case.fields()) == expected


@pytest.mark.parametrize(
    ("spread", "reach", "found"),
    [(0.006, 0.099, False), (0.006, 0.101, True), (0.02, 0.158, False), (0.02, 0.162, True)],
)
def test_bad_ticks(spread: float, reach: float, found: bool) -> None:
    for name, sign in (("high", 1), ("low", -1)):
        fields = Case(swing=0.005, spread=spread).fields()
        body = np.maximum(fields["open"], fields["close"]) if sign > 0 else np.minimum(fields["open"], fields["close"])
        fields[name][AT, 0] = body[AT, 0] * math.exp(sign * reach)
        assert rules(fields) == (["bad_tick"] if found else [])


@pytest.mark.parametrize(
    ("spread", "turnover", "found"),
    [(0.01, 0.29, False), (0.01, 0.31, True), (0.0049, 1.0, False), (0.0051, 1.0, True)],
)
def test_carried(spread: float, turnover: float, found: bool) -> None:
    fields = Case(swing=0.004, spread=spread, turnover=turnover).fields()
    for name in ("open", "high", "low", "close"):
        fields[name][AT, 0] = fields["close"][AT - 1, 0]
    fields["volume"][AT, 0] = turnover * 1e9 / fields["close"][AT, 0]
    assert rules(fields) == (["carried"] if found else [])
    fields["low"][AT, 0] *= 0.999  # a range, however small
    assert rules(fields) == []


@pytest.mark.parametrize(
    ("case", "kind", "value", "expected"),
    [
        # Splits: 0.05 at least, and six usual moves: 6 * 1.4826 * 0.01 = 0.089.
        (Case(swing=0.002), "split", math.exp(0.049), []),
        (Case(swing=0.002), "split", math.exp(0.051), ["split_no_move"]),
        (Case(swing=0.01), "split", math.exp(0.085), []),
        (Case(swing=0.01), "split", math.exp(0.092), ["split_no_move"]),
        (Case(move=-LOG2 / 3 + 0.01, swing=0.002), "split", 2.0, ["split_no_move"]),
        (Case(move=-LOG2 / 3 - 0.01, swing=0.002), "split", 2.0, ["split_mismatch"]),
        (Case(move=-LOG2 + 0.19, swing=0.002), "split", 2.0, []),
        (Case(move=-LOG2 + 0.21, swing=0.002), "split", 2.0, ["split_mismatch"]),
        # Dividends: 5 % at least, four usual moves: 4 * 1.4826 * 0.02 = 0.1186; 15 % is no ordinary one.
        (Case(swing=0.002), "dividend", 0.049, []),
        (Case(swing=0.002), "dividend", 0.051, ["dividend_no_move"]),
        (Case(swing=0.02, spread=0.02), "dividend", math.expm1(0.117), []),
        (Case(swing=0.02, spread=0.02), "dividend", math.expm1(0.120), ["dividend_no_move"]),
        (Case(move=math.log(1 - 0.149)), "dividend", 0.149, []),
        (Case(move=math.log(1 - 0.151)), "special_dividend", 0.151, ["spinoff_dividend"]),
    ],
)
def test_actions(case: Case, kind: str, value: float, expected: list[str]) -> None:
    fields = replace(case, narrow=0.3 if case.move else 0.1).fields()
    if not case.move:
        for values in fields.values():
            values[AT, 0] = values[AT - 1, 0] * (1 + 1e-9)  # no move at all, and no copy either
    if "dividend" in kind:
        value *= fields["close"][AT - 1, 0]
    assert [rule for rule in rules(fields, actions=booked(kind, value)) if rule != "carried"] == expected


@pytest.mark.parametrize(
    ("last", "step", "said"),
    [
        (1.01, 0.01, "nothing in its last bars"),
        (0.99, 0.01, "as before a delisting"),
        (50.0, 0.0041, "nothing in its last bars"),
        (50.0, 0.0039, "its last 10 moves average 0.39%, as after a cash offer"),
    ],
)
def test_endings(last: float, step: float, said: str) -> None:
    fields = Case(swing=step, spread=0.02).fields()
    fields = {
        name: values * (1 if name == "volume" else last / fields["close"][150, 0]) for name, values in fields.items()
    }
    for values in fields.values():
        values[151:, 0] = np.nan
    panels = {
        name: Panel(v, np.datetime64(START) + np.arange(T), [f"S{n:02}" for n in range(N)])
        for name, v in fields.items()
    }
    found = quality(Bars(**panels, adjusted="none"))
    assert found["rule"].to_list() == ["ends_early"]
    assert said in found["detail"][0]


@pytest.mark.parametrize(("moves", "found"), [(9, []), (10, ["identical"])])
def test_ten_equal_moves_make_two_series_identical(moves: int, found: list[str]) -> None:
    steps = np.zeros((25, 2))
    steps[2 : 2 + 2 * moves : 2] = (0.01 * np.arange(1, moves + 1))[:, None]
    panel = Panel(10 * np.exp(np.cumsum(steps, axis=0)), np.datetime64(START) + np.arange(25), ["A", "B"])
    assert [rule for rule in quality(Bars(panel))["rule"].to_list() if rule == "identical"] == found
