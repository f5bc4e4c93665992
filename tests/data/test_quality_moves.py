"""Rules about jumps, actions and identity: one planted case each in a calm seeded market, and each boundary from both
sides.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars, InputError, Panel
from quantlab.core.rng import generator
from quantlab.data import quality, schemas
from quantlab.data.checks import _rules_trail as trail_rules

T, N, AT = 200, 12, 100
START = date(2023, 1, 2)
DAY = START + timedelta(days=AT)
PRICES = ("open", "high", "low", "close")
SYMBOLS = [f"S{n:02}" for n in range(N)]


def market(seed: int = 3, volatility: float = 0.01) -> dict[str, np.ndarray]:
    """Open, high, low, close and volume (T, N) of stocks that move by 1 % a day and trade a million shares or so."""
    rng = generator(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, volatility, (T, N)), axis=0))
    before = np.vstack([np.full((1, N), 50.0), close[:-1]])
    opened = before * np.exp(rng.normal(0, volatility / 3, (T, N)))
    swing = np.exp(np.abs(rng.normal(0, volatility / 3, (T, N))))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    volume = np.round(np.exp(rng.normal(14, 0.25, (T, N))))
    return {"open": opened, "high": top * swing, "low": bottom / swing, "close": close, "volume": volume}


def bars(fields: dict[str, np.ndarray], *, only: tuple[str, ...] | None = None, adjusted: str = "none") -> Bars:
    dates = np.datetime64(START) + np.arange(T)
    kept = fields if only is None else {name: fields[name] for name in only}
    return Bars(**{name: Panel(values, dates, SYMBOLS) for name, values in kept.items()}, adjusted=adjusted)


def scaled(fields: dict[str, np.ndarray], rows: slice, factor: float, column: int = 0, shares: bool = False) -> None:
    for name in PRICES:
        fields[name][rows, column] *= factor
    if shares:
        fields["volume"][rows, column] /= factor


def booked(kind: str, value: float, day: date = DAY, symbol: str = "S00") -> pl.DataFrame:
    return schemas.whole(pl.DataFrame({"symbol": symbol, "date": day, "kind": kind, "value": value}), "actions")


def names(found: pl.DataFrame) -> list[tuple]:
    return found.select("rule", "symbol", "date").rows()


@pytest.mark.parametrize("only", [None, ("close",), ("close", "volume"), PRICES])
def test_a_calm_market_has_no_findings(only: tuple[str, ...] | None) -> None:
    # 12 symbols x 200 bars x 40 seeds are 381 symbol-years; at the documented rates of the jump rules (below 10 per
    # 1,000 symbol-years in real markets) a calm one should give none.
    for seed in range(40):
        found = quality(bars(market(seed), only=only))
        assert found.height == 0, (seed, found.row(0))


@pytest.mark.parametrize(("factor", "found"), [(1.2, True), (1 / 1.25, True), (1.08, True), (1.045, False)])
def test_a_spike_stands_out_by_its_size_or_from_what_is_usual(factor: float, found: bool) -> None:
    fields = market()
    fields["close"][AT, 0] *= factor
    spikes = quality(bars(fields, only=("close", "volume"))).filter(rule="spike")
    assert names(spikes) == ([("spike", "S00", DAY)] if found else [])


def test_a_move_on_high_turnover_that_comes_back_is_news() -> None:
    fields = market()
    fields["close"][AT, 0] *= 1.1
    fields["volume"][AT, 0] *= 2
    assert "spike" in quality(bars(fields, only=("close", "volume")))["rule"].to_list()
    fields["volume"][AT, 0] *= 2
    assert "spike" not in quality(bars(fields, only=("close", "volume")))["rule"].to_list()


def test_a_fifth_and_back_is_no_spike_where_that_is_usual() -> None:
    fields = market(volatility=0.06)
    close = fields["close"]
    close[AT, 0], close[AT + 1, 0] = close[AT - 1, 0] * 1.22, close[AT - 1, 0] * 1.01
    assert "spike" not in quality(bars(fields, only=("close",)))["rule"].to_list()
    close[AT, 0] = close[AT - 1, 0] * 1.6
    assert ("spike", "S00", DAY) in names(quality(bars(fields, only=("close",))))


def test_a_split_that_is_booked_is_no_spike_and_no_jump() -> None:
    fields = market()
    scaled(fields, slice(AT), 2.0, shares=True)
    assert quality(bars(fields), actions=booked("split", 2.0)).height == 0
    scaled(fields, slice(AT), 0.5, shares=True)
    scaled(fields, slice(AT), 1 / 0.7)
    before = fields["close"][AT - 1, 0]
    assert quality(bars(fields), actions=booked("spinoff", 0.3)).height == 0
    assert quality(bars(fields), actions=booked("special_dividend", 0.3 * before))["rule"].to_list() == [
        "spinoff_dividend"
    ]


def test_a_spike_across_a_booked_split() -> None:
    fields = market()
    fields["close"][AT, 0] *= 1.4
    scaled(fields, slice(AT + 1), 2.0, shares=True)
    found = quality(bars(fields, only=("close",)), actions=booked("split", 2.0, DAY + timedelta(days=1)))
    found = found.filter(rule="spike")
    assert names(found) == [("spike", "S00", DAY)]
    # In the shares of its own day: 40 % up, and back.
    one, two, three = fields["close"][AT - 1 : AT + 2, 0]
    assert found["detail"][0] == f"close {one:g}, then {two:g}, then {three * 2:g}"


@pytest.mark.parametrize(
    ("ratio", "said"), [(2.0, "2:1"), (1.5, "3:2"), (7.0, "7:1"), (1 / 8, "1:8"), (1 / 3, "1:3"), (5 / 2, "5:2")]
)
def test_a_split_that_nobody_booked(ratio: float, said: str) -> None:
    fields = market()
    scaled(fields, slice(AT), ratio, shares=True)
    found = quality(bars(fields))
    assert names(found) == [("unrecorded_split", "S00", DAY)]
    assert found["detail"][0].endswith(f": as a {said} split would")


def test_a_fall_by_half_on_tenfold_turnover_is_an_extreme_for_review() -> None:
    fields = market()
    scaled(fields, slice(AT), 2.0, shares=True)
    for name in ("high", "low"):
        fields[name][AT, 0] *= {"high": 1.09, "low": 0.93}[name]
    fields["volume"][AT, 0] *= 10
    found = quality(bars(fields))
    assert found.select("rule", "severity", "status").rows() == [("extreme_move", "info", "open")]
    # Without volume, high and low nobody can tell, and it is said so.
    [row] = quality(bars(fields, only=("close",))).rows()
    assert row[0] == "unrecorded_split"
    assert "no volume to judge it by" in row[4]


@pytest.mark.parametrize(("times", "rule"), [(2.0, "unrecorded_action"), (2.5, "extreme_move")])
def test_turnover_tells_news_from_an_action(times: float, rule: str) -> None:
    fields = market()
    scaled(fields, slice(AT), 1 / 0.63)  # not near a simple ratio
    dollars = fields["close"][:, 0] * fields["volume"][:, 0]
    usual = max(np.median(dollars[AT - 20 : AT]), np.median(dollars[AT + 1 : AT + 21]))
    fields["volume"][AT, 0] = times * usual / fields["close"][AT, 0]
    fields["low"][AT, 0] = fields["close"][AT, 0] * 0.92  # a range of a sixth of the fall or more
    assert names(quality(bars(fields))) == [(rule, "S00", DAY)]


def test_a_volume_that_is_not_known_says_nothing() -> None:
    fields = market()
    scaled(fields, slice(AT), 1 / 0.63)
    fields["volume"][AT, 0] *= 0.01
    fields["low"][AT, 0] = fields["close"][AT, 0] * 0.92
    assert names(quality(bars(fields))) == [("extreme_move", "S00", DAY)]


def test_a_jump_of_the_whole_market_is_no_action() -> None:
    fields = market()
    for column in range(N):
        scaled(fields, slice(AT), 1 / 0.85, column)
    assert quality(bars(fields)).height == 0
    scaled(fields, slice(AT), 1 / 0.83)
    assert names(quality(bars(fields))) == [("unrecorded_action", "S00", DAY)]


@pytest.mark.parametrize(("length", "rule"), [(60, "level_run"), (61, "unrecorded_action")])
def test_a_level_that_comes_back_is_a_run(length: int, rule: str) -> None:
    fields = market()
    scaled(fields, slice(AT, AT + length), 1.41)  # not near a simple ratio
    found = quality(bars(fields))
    assert found["rule"].unique().to_list() == [rule]
    assert found["date"][0] == DAY
    if rule == "level_run":
        assert found["end"].to_list() == [DAY + timedelta(days=length - 1)]


@pytest.mark.parametrize("factor", [100.0, 0.1, 1000.0])
@pytest.mark.parametrize("length", [2, 30, T])
def test_another_unit(factor: float, length: int) -> None:
    fields = market()
    scaled(fields, slice(AT, AT + length), factor)
    found = quality(bars(fields))
    assert names(found) == [("scale", "S00", DAY)]
    assert found["end"].to_list() == [None if length == T else DAY + timedelta(days=length - 1)]


def test_ten_times_the_price_and_a_tenth_of_the_shares_is_a_split() -> None:
    fields = market()
    scaled(fields, slice(AT), 0.1, shares=True)
    assert names(quality(bars(fields))) == [("unrecorded_split", "S00", DAY)]


@pytest.mark.parametrize(("silence", "reused"), [(59, False), (60, True)])
def test_another_level_after_a_long_silence_is_another_security(silence: int, reused: bool) -> None:
    fields = market()
    scaled(fields, slice(AT), 0.3, shares=True)
    for values in fields.values():
        values[AT - silence : AT, 0] = np.nan
    seen = quality(bars(fields)).filter(pl.col("rule") != "gap")
    assert (("ticker_reuse", "S00", DAY) in names(seen)) == reused


def test_other_liquidity_after_a_long_silence_is_another_security_too() -> None:
    fields = market()
    fields["volume"][AT:, 0] *= 8
    for values in fields.values():
        values[30:AT, 0] = np.nan
    assert names(quality(bars(fields)).filter(pl.col("rule") != "gap")) == [("ticker_reuse", "S00", DAY)]
    fields["volume"][AT:, 0] /= 8
    assert quality(bars(fields))["rule"].to_list() == ["gap"]


def test_a_fall_through_no_prices_on_high_turnover_is_another_security() -> None:
    fields = market()
    scaled(fields, slice(AT), 2.75)  # not near a simple ratio
    fields["volume"][AT, 0] *= 30
    for name in PRICES:
        fields[name][AT, 0] = fields["close"][AT, 0]
    fields["high"][AT, 0] *= 1.01
    [row] = quality(bars(fields)).rows()
    assert row[:3] == ("ticker_reuse", "S00", DAY)
    assert "through a range of 1.0% of the fall" in row[4]


def test_a_cash_offer_leaves_no_range_either_and_is_no_finding_but_an_extreme() -> None:
    fields = market()
    scaled(fields, slice(AT), 1 / 1.7)
    fields["volume"][AT, 0] *= 30
    assert names(quality(bars(fields))) == [("extreme_move", "S00", DAY)]


def test_carried_prices() -> None:
    fields = market()
    for name in PRICES:
        fields[name][AT, 0] = fields["close"][AT - 1, 0]
    assert names(quality(bars(fields))) == [("carried", "S00", DAY)]
    fields["volume"][AT, 0] *= 0.05
    assert quality(bars(fields)).height == 0  # hardly anything traded: one price is what there was


@pytest.mark.parametrize(("factor", "found"), [(1.3, True), (1.08, False)])
def test_bad_ticks(factor: float, found: bool) -> None:
    for name, times in (("high", factor), ("low", 1 / factor)):
        fields = market()
        fields[name][AT, 0] *= times
        assert names(quality(bars(fields))) == ([("bad_tick", "S00", DAY)] if found else [])
    fields = market()
    fields["open"][AT, 0] *= factor
    fields["high"][AT, 0] = max(fields["high"][AT, 0], fields["open"][AT, 0])
    assert ("bad_tick", "S00", DAY) in names(quality(bars(fields))) or not found


def test_an_open_between_the_closes_is_no_bad_tick() -> None:
    fields = market()
    scaled(fields, slice(AT, None), 1.3)
    fields["volume"][AT, 0] *= 10
    fields["open"][AT, 0] = fields["close"][AT - 1, 0] * 1.15
    fields["low"][AT, 0] = min(fields["low"][AT, 0], fields["open"][AT, 0])
    assert "bad_tick" not in quality(bars(fields))["rule"].to_list()


def test_actions_without_their_effect() -> None:
    fields = market()
    assert names(quality(bars(fields), actions=booked("split", 2.0))) == [("split_no_move", "S00", DAY)]
    before = fields["close"][AT - 1, 0]
    assert names(quality(bars(fields), actions=booked("dividend", 0.1 * before))) == [("dividend_no_move", "S00", DAY)]
    assert quality(bars(fields), actions=booked("dividend", 0.03 * before)).height == 0  # too small to see
    assert quality(bars(fields), actions=booked("split", 1.02)).height == 0
    scaled(fields, slice(AT), 3.0, shares=True)
    assert names(quality(bars(fields), actions=booked("split", 2.0))) == [("split_mismatch", "S00", DAY)]


def test_dividends_that_are_something_else() -> None:
    fields = market()
    scaled(fields, slice(AT), 1 / 0.86)
    before = fields["close"][AT - 1, 0]
    assert quality(bars(fields), actions=booked("dividend", 0.14 * before)).height == 0
    fields = market()
    scaled(fields, slice(AT), 1 / 0.84)
    before = fields["close"][AT - 1, 0]
    [row] = quality(bars(fields), actions=booked("dividend", 0.16 * before)).rows()
    assert row[0] == "spinoff_dividend"
    assert "(16% of the price)" in row[4]
    # Beside a split a smaller one will do.
    scaled(fields, slice(AT), 0.84 / 0.93 / 4, shares=True)
    before = fields["close"][AT - 1, 0]
    both = pl.concat([booked("split", 0.25), booked("dividend", 0.07 * before / 0.25)])
    assert names(quality(bars(fields), actions=both)) == [("spinoff_dividend", "S00", DAY)]


def test_actions_of_other_days_and_symbols() -> None:
    fields = market()
    for values in fields.values():
        values[AT, 0] = np.nan
        values[:5, 1] = np.nan
        values[-5:, 2] = np.nan
    last = START + timedelta(days=T - 1)
    frame = pl.concat(
        [
            booked("dividend", 0.01),  # on the gap
            booked("dividend", 0.01, START, "S01"),  # before the first bar
            booked("dividend", 0.01, last, "S02"),  # after the last
            booked("split", 5.0, DAY, "else"),
        ]
    )
    found = quality(bars(fields), actions=frame)
    assert names(found.filter(rule="action_no_bar")) == [("action_no_bar", "S00", DAY)]
    assert set(found["rule"]) == {"action_no_bar", "gap", "starts_late", "ends_early"}


def leaves(kind: str, into: str | None = None, day: date = DAY, symbol: str = "S00") -> pl.DataFrame:
    return booked(kind, 1.0, day, symbol).with_columns(into=pl.lit(into, pl.String))


def ended(symbol: int, row: int = AT) -> dict[str, np.ndarray]:
    """The market in which a symbol has its last bar before a row."""
    fields = market()
    for values in fields.values():
        values[row:, symbol] = np.nan
    return fields


@pytest.mark.parametrize(("kind", "into"), [("delisting", None), ("conversion", "S01")])
def test_an_end_that_an_action_explains_is_no_finding(kind: str, into: str | None) -> None:
    here = bars(ended(0))
    assert names(quality(here)) == [("ends_early", "S00", DAY - timedelta(days=1))]
    assert quality(here, actions=leaves(kind, into)).height == 0
    # Nor when it comes after a pause, but not when it is of a time before the last close, or of another symbol.
    assert quality(here, actions=leaves(kind, into, DAY + timedelta(days=9))).height == 0
    assert "ends_early" in set(quality(here, actions=leaves(kind, into, DAY - timedelta(days=1)))["rule"])
    other = leaves(kind, "S01" if into else None, START + timedelta(days=T - 1), "S02")
    assert "ends_early" in set(quality(here, actions=other)["rule"])


@pytest.mark.parametrize(
    ("kind", "into", "said"), [("delisting", None, "was delisted"), ("conversion", "S01", "turned into S01")]
)
def test_a_symbol_that_trades_on(kind: str, into: str | None, said: str) -> None:
    here = bars(market())
    [row] = quality(here, actions=leaves(kind, into)).rows(named=True)
    last = START + timedelta(days=T - 1)
    assert (row["rule"], row["symbol"], row["date"], row["end"]) == ("trades_on", "S00", DAY, last)
    assert row["severity"] == "error"
    assert row["detail"] == f"{said} on {DAY}; {T - AT} closes from then on"
    # The last close on the very day is one too many.
    [row] = quality(bars(ended(0, AT + 1)), actions=leaves(kind, into)).filter(rule="trades_on").rows(named=True)
    assert (row["date"], row["end"]) == (DAY, DAY)
    assert row["detail"].endswith("; 1 close from then on")


def test_a_conversion_into_what_has_no_price() -> None:
    def lost(fields: dict[str, np.ndarray], into: str) -> list[tuple]:
        found = quality(bars(fields), actions=leaves("conversion", into)).filter(rule="conversion_lost")
        return found.select("symbol", "date", "severity", "detail").rows()

    assert lost(ended(0), "ELSE") == [("S00", DAY, "warning", "into ELSE, which is none of the symbols")]
    fields = ended(0)
    for values in fields.values():
        values[AT:, 1] = np.nan
    day = DAY - timedelta(days=1)
    assert lost(fields, "S01") == [("S00", DAY, "warning", f"into S01, which has its last close on {day}")]
    for values in fields.values():
        values[:, 1] = np.nan
    assert lost(fields, "S01") == [("S00", DAY, "warning", "into S01, which has no close")]
    # It may begin later: the next close is what the shares are worth.
    fields = ended(0)
    for values in fields.values():
        values[: AT + 5, 1] = np.nan
    assert lost(fields, "S01") == []


def test_the_bars_own_actions_are_taken() -> None:
    fields = market()
    plain = bars(fields)
    own = Bars(**{name: getattr(plain, name) for name in plain.fields}, actions=booked("split", 2.0))
    assert names(quality(own)) == [("split_no_move", "S00", DAY)]
    assert quality(own, actions=schemas.empty("actions")).height == 0


@pytest.mark.parametrize(("step", "found"), [(1 - 2e-4, True), (1 - 5e-5, False)])
def test_steps_of_the_vendors_adjusted_close(step: float, found: bool) -> None:
    fields = market()
    adjusted = fields["close"].copy()
    adjusted[:AT, 0] *= step
    panel = Panel(adjusted, np.datetime64(START) + np.arange(T), SYMBOLS)
    seen = quality(bars(fields), adj_close=panel)
    assert names(seen) == ([("adjusted_step", "S00", DAY)] if found else [])


@pytest.mark.parametrize("steps", [10, 11])
def test_adjusted_closes_of_another_making_are_one_line_per_symbol(steps: int) -> None:
    fields = market()
    adjusted = fields["close"].copy()
    for row in range(20, 20 + steps):
        adjusted[:row, 3] *= 0.99
    panel = Panel(adjusted, np.datetime64(START) + np.arange(T), SYMBOLS)
    found = quality(bars(fields), adj_close=panel)
    assert found.height == (10 if steps == 10 else 1)
    if steps == 11:
        assert found.select("symbol", "date", "end").row(0) == ("S03", *(START + timedelta(days=n) for n in (20, 30)))
        assert found["detail"][0].startswith("11 steps that no action explains")


@pytest.mark.parametrize("convention", ["close_plus_dividend", "previous_close"])
def test_either_convention_explains_a_dividend(convention: str) -> None:
    fields = market()
    close = fields["close"]
    amount = 0.04 * close[AT - 1, 0]
    kept = close[AT, 0] / (close[AT, 0] + amount) if convention[0] == "c" else 1 - amount / close[AT - 1, 0]
    adjusted = close.copy()
    adjusted[:AT, 0] *= kept
    panel = Panel(adjusted, np.datetime64(START) + np.arange(T), SYMBOLS)
    assert quality(bars(fields), adj_close=panel, actions=booked("dividend", amount)).height == 0
    assert "adjusted_step" in quality(bars(fields), adj_close=panel)["rule"].to_list()


def test_identical_series_are_named_once_with_the_first_of_them() -> None:
    fields = market()
    for column in (5, 9):
        for name in PRICES:
            fields[name][:, column] = np.float32(fields[name][:, 2] * 0.37)  # a scaled copy, stored with 32 bits
        fields["volume"][:, column] = fields["volume"][:, 2]
    found = quality(bars(fields))
    assert found.select("rule", "symbol", "severity").rows() == [("identical", s, "error") for s in ("S05", "S09")]
    assert found["detail"][0] == "199 moves of 199 in common equal to those of S02, 100% of the volumes too"
    assert found["end"].to_list() == [START + timedelta(days=T - 1)] * 2


def test_a_shared_stretch_is_identical_and_share_classes_are_not() -> None:
    fields = market()
    fields["close"][50:113, 4] = fields["close"][50:113, 1]
    found = quality(bars(fields, only=("close",))).filter(rule="identical")
    assert names(found) == [("identical", "S04", START + timedelta(days=50))]
    assert found["end"].to_list() == [START + timedelta(days=112)]
    fields = market()
    noise = generator(8).normal(0, 2e-4, T)  # two classes of one company: a cent of 50
    fields["close"][:, 4] = np.round(fields["close"][:, 1] * np.exp(noise), 2)
    assert "identical" not in quality(bars(fields, only=("close",)))["rule"].to_list()


def test_flat_symbols_are_not_identical() -> None:
    fields = market()
    fields["close"][:, 3] = fields["close"][:, 4] = 5.0
    assert "identical" not in quality(bars(fields, only=("close",)))["rule"].to_list()


def test_blocks_of_symbols_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = _spoiled()
    expected = quality(bars(fields), actions=booked("split", 3.0, symbol="S06"))
    assert expected.height > 8
    monkeypatch.setattr(trail_rules, "CELLS", 2 * T)
    assert quality(bars(fields), actions=booked("split", 3.0, symbol="S06")).equals(expected)


def _spoiled() -> dict[str, np.ndarray]:
    fields = market(5)
    scaled(fields, slice(AT), 2.0, 0, shares=True)
    scaled(fields, slice(AT, AT + 9), 1.4, 1)
    fields["close"][AT, 2] *= 1.3
    fields["high"][AT, 3] *= 2
    fields["close"][40:50, 4] = 30.0
    fields["volume"][AT, 5] = 0
    for values in fields.values():
        values[AT : AT + 70, 7] = np.nan
        values[:30, 8] = np.nan
        values[-30:, 9] = np.nan
    scaled(fields, slice(AT), 0.2, 7)
    for name in PRICES:
        fields[name][:, 11] = fields[name][:, 10]
    return fields


@settings(max_examples=20)
@given(st.permutations(range(N)))
def test_the_order_of_the_columns_does_not_matter(order: list[int]) -> None:
    plain = bars(_spoiled())
    actions = booked("split", 3.0, symbol="S06")
    turned = plain.select([SYMBOLS[n] for n in order])
    one, two = quality(plain, actions=actions), quality(turned, actions=actions)
    # Of two identical series the later column is named.
    same = pl.col("rule") != "identical"
    assert two.filter(same).equals(one.filter(same))
    assert two.filter(rule="identical").height == one.filter(rule="identical").height == 1


def test_quality_changes_nothing_it_is_given() -> None:
    plain, actions = bars(_spoiled()), booked("split", 3.0, symbol="S06")
    before, hashed = actions.clone(), plain.content_hash
    adjusted = Panel(plain.close.values, plain.dates, plain.symbols)
    quality(plain, actions=actions, adj_close=adjusted)
    assert actions.equals(before)
    assert bars(_spoiled()).content_hash == hashed == Bars(
        **{name: getattr(plain, name) for name in plain.fields}, adjusted="none"
    ).content_hash  # fmt: skip


def test_two_runs_give_equal_tables() -> None:
    assert quality(bars(_spoiled())).equals(quality(bars(_spoiled())))


def test_actions_that_are_no_table() -> None:
    with pytest.raises(InputError, match="`actions` has no column `kind`"):
        quality(bars(market()), actions=pl.DataFrame({"symbol": ["S00"], "date": [DAY], "value": [2.0]}))
