"""Adjustment of Bars: what is declared, what is left, and the laws, against a plain account of a holder."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quantlab.core import Bars, DataError, Frequency, InputError, KindError, LabelError, Panel, as_bars
from quantlab.data.adjustment._adjust import adjust, adjustment_factors

NAN = math.nan
FIRST = date(2024, 1, 1)
SCHEMA = {"symbol": pl.String, "date": pl.Date, "kind": pl.String, "value": pl.Float64}
CONVENTIONS = ["close_plus_dividend", "previous_close"]
DIRECTIONS = ["backward", "forward"]
KINDS = ["split", "total_return"]


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def table(*rows: tuple[str, int, str, float]) -> pl.DataFrame:
    return pl.DataFrame([(s, day(n), kind, value) for s, n, kind, value in rows], schema=SCHEMA, orient="row")


def bars(columns: dict[str, list[float]], actions: pl.DataFrame | None, **changed) -> Bars:
    values = np.array(list(columns.values()), dtype=float).T
    dates = np.datetime64(FIRST) + np.arange(len(values))
    close = Panel(values, dates, list(columns))
    keywords = {"adjusted": "none", "volume": close._like(np.full(values.shape, 1000.0)), "name": "test"}
    return as_bars(close, actions=actions, **(keywords | changed))


def example() -> Bars:
    actions = table(
        ("A", 1, "dividend", 2.0),
        ("A", 2, "split", 2.0),
        ("A", 3, "dividend", 1.0),
        ("B", 2, "delisting", -0.5),
        ("B", 1, "special_dividend", 3.0),
        ("B", 2, "spinoff", 0.1),
    )
    return bars({"A": [40, 39, 20, 19], "B": [30, 26, 24, 25]}, actions)


class TestWhatIsLeft:
    def test_total_return(self) -> None:
        found = adjust(example())
        assert found.adjusted == "total_return"
        assert found.actions is not None
        assert found.actions.rows() == table(("B", 2, "delisting", -0.5)).rows()
        factor = [(39 / 41) / 2 * 19 / 20, 19 / 40, 19 / 20, 1]
        np.testing.assert_allclose(found.close.values[:, 0], np.multiply([40, 39, 20, 19], factor), rtol=1e-15)
        factor = [26 / 29 * 0.9, 0.9, 1, 1]
        np.testing.assert_allclose(found.close.values[:, 1], np.multiply([30, 26, 24, 25], factor), rtol=1e-15)
        assert found.volume is not None
        assert found.volume.values.T.tolist() == [[2000, 2000, 1000, 1000], [1000] * 4]

    def test_split(self) -> None:
        found = adjust(example(), kind="split")
        assert found.adjusted == "split"
        assert found.close.values[:, 0].tolist() == [20, 19.5, 20, 19]
        assert found.actions is not None
        left = {(symbol, when, kind): value for symbol, when, kind, value in found.actions.select(*SCHEMA).rows()}
        # The dividend before the split is halved, as the prices are; that before the spin-off loses a tenth.
        assert left == {
            ("A", day(1), "dividend"): 1.0,
            ("A", day(3), "dividend"): 1.0,
            ("B", day(2), "delisting"): -0.5,
            ("B", day(1), "special_dividend"): pytest.approx(2.7, rel=1e-15),
        }

    def test_split_forward(self) -> None:
        found = adjust(example(), kind="split", direction="forward")
        assert found.close.values[:, 0].tolist() == [40, 39, 40, 38]
        assert found.actions is not None
        assert found.actions.filter(symbol="A")["value"].to_list() == [2, 2]

    def test_other_columns_of_the_table_stay(self) -> None:
        actions = table(("A", 1, "dividend", 2.0), ("A", 2, "split", 2.0)).with_columns(
            pay_date=pl.lit(day(9)), note=pl.lit("x")
        )
        found = adjust(bars({"A": [40, 39, 20]}, actions), kind="split").actions
        assert found is not None
        assert found.rows(named=True) == [
            {"symbol": "A", "date": day(1), "kind": "dividend", "value": 1.0, "pay_date": day(9), "note": "x"}
        ]

    def test_the_rest_is_untouched(self) -> None:
        original = example()
        found = adjust(original)
        assert found.name == "test"
        assert found.member is original.member
        assert found.symbols == original.symbols
        assert original.adjusted == "none"
        assert original.close.values[0, 0] == 40

    def test_twice_is_once(self) -> None:
        for kind in KINDS:
            found = adjust(example(), kind=kind)
            assert adjust(found, kind=kind) is found

    def test_no_actions(self) -> None:
        original = bars({"A": [1.0, 2.0]}, table())
        found = adjust(original)
        assert found.adjusted == "total_return"
        assert found.close is original.close
        assert found.volume is original.volume


def converts(*rows: tuple[str, int, float, str], also: pl.DataFrame | None = None) -> pl.DataFrame:
    made = table(*((symbol, n, "conversion", value) for symbol, n, value, _ in rows))
    made = made.with_columns(into=pl.Series([into for *_, into in rows], dtype=pl.String))
    return made if also is None else pl.concat([made, also], how="diagonal")


class TestConversions:
    # A turns into half a share of B on day 2 and 3 in cash; before it has split, and B splits and pays after it.
    OTHERS = table(("A", 1, "split", 2.0), ("A", 2, "special_dividend", 3.0), ("B", 2, "split", 3.0),
                   ("B", 3, "split", 2.0), ("B", 3, "dividend", 1.0), ("A", 1, "dividend", 4.0))  # fmt: skip

    def world(self) -> Bars:
        columns = {"A": [40, 20, NAN, NAN], "B": [90, 102, 36, 19]}
        return bars(columns, converts(("A", 2, 0.5, "B"), also=self.OTHERS))

    def test_split(self) -> None:
        left = adjust(self.world(), kind="split").actions
        assert left is not None
        # A share of A is one still; those of B are halved by the split after the day, not by that of the day.
        assert left.select("symbol", "date", "kind", "value").rows() == table(
            ("A", 1, "dividend", 4.0), ("A", 2, "conversion", 1.0), ("A", 2, "special_dividend", 3.0),
            ("B", 3, "dividend", 1.0)
        ).rows()  # fmt: skip
        assert left.columns == ["symbol", "date", "kind", "value", "into"]

    def test_total_return(self) -> None:
        left = adjust(self.world()).actions
        assert left is not None
        factor = 19 / 20 / 2
        assert left.rows() == [
            ("A", day(2), "conversion", pytest.approx(0.5 / factor, rel=1e-15), "B"),
            ("A", day(2), "special_dividend", 3.0, None),
        ]

    def test_forward_the_old_shares_are_more(self) -> None:
        left = adjust(self.world(), kind="split", direction="forward").actions
        assert left is not None
        kept = {row["kind"]: row["value"] for row in left.filter(symbol="A", date=day(2)).rows(named=True)}
        # A doubled before, and B tripled on the day itself: 0.5 new for 1 old is 0.5 / 3 for 0.5.
        assert kept == {"conversion": pytest.approx(0.5 * 2 / 3, rel=1e-15), "special_dividend": 6.0}

    def test_into_a_symbol_that_the_bars_do_not_have(self) -> None:
        left = adjust(self.world().select("A"), kind="split", direction="forward").actions
        assert left is not None
        assert left.filter(kind="conversion").select("value", "into").rows() == [(1.0, "B")]

    def test_no_factor_leaves_it_as_it_is(self) -> None:
        made = bars({"A": [4.0, NAN], "B": [8.0, 9.0]}, converts(("A", 1, 0.5, "B")))
        for kind in KINDS:
            left = adjust(made, kind=kind)
            assert left.close is made.close
            assert left.actions.equals(made.actions)  # type: ignore[union-attr]

    def test_inverse_gives_the_table_back(self) -> None:
        made = self.world()
        back = adjust(adjust(made), inverse=True, actions=made.actions)
        assert back.actions.equals(made.actions)  # type: ignore[union-attr]
        np.testing.assert_allclose(back.close.values, made.close.values, rtol=1e-14)

    def test_cash_of_a_symbol_that_trades_on_is_in_its_prices(self) -> None:
        made = bars({"A": [40, 20, 17, 17], "B": [90, 102, 36, 19]}, converts(("A", 2, 0.5, "B"), also=self.OTHERS))
        left = adjust(made).actions
        assert left is not None
        assert left["kind"].to_list() == ["conversion"]

    def test_intraday_the_session_counts(self) -> None:
        times = np.array(["2024-01-02T18", "2024-01-02T21", "2024-01-03T18", "2024-01-03T21"], dtype="datetime64[us]")
        values = np.array([[10.0, 16.0], [10.0, 16.0], [NAN, 8.0], [NAN, 8.0]])
        values = np.vstack([values, [[NAN, 2.0]]])
        times = np.append(times, np.datetime64("2024-01-04T21", "us"))
        close = Panel(values, times, ["A", "B"], frequency=Frequency(504, "XNYS"))
        actions = converts(("A", 2, 1.25, "B"), also=table(("B", 2, "split", 2.0), ("B", 3, "split", 4.0)))
        left = adjust(as_bars(close, adjusted="none", actions=actions), kind="split").actions
        assert left is not None
        assert left["value"].to_list() == [5.0]

    @pytest.mark.parametrize("kind", ["split", "spinoff"])
    def test_a_split_on_the_day_of_a_conversion(self, kind: str) -> None:
        made = bars({"A": [4.0, NAN], "B": [8.0, 9.0]}, converts(("A", 1, 0.5, "B"), also=table(("A", 1, kind, 0.5))))
        with pytest.raises(DataError, match=f"The {kind} of A 2024-01-02 stands on the day of its conversion"):
            adjust(made)

    def test_a_bad_one(self) -> None:
        with pytest.raises(DataError, match=r"The conversion of A 2024-01-02 is 0; a conversion is the number of new"):
            adjust(example(), actions=converts(("A", 1, 0.0, "B")))

    def test_frames_take_no_notice(self) -> None:
        frame = pl.DataFrame({"date": [day(0), day(1)], "symbol": ["A", "A"], "close": [4.0, 2.0]})
        actions = converts(("A", 1, 0.5, "B"))
        assert adjust(frame, actions=actions)["close"].to_list() == [4.0, 2.0]


class TestRefused:
    def test_nothing_known_of_actions(self) -> None:
        with pytest.raises(InputError, match="test has no table of corporate actions"):
            adjust(bars({"A": [1.0]}, None))

    def test_unknown_adjustment(self) -> None:
        with pytest.raises(InputError, match='test is declared adjusted="unknown"') as caught:
            adjust(replace(example(), adjusted="unknown"))
        assert 'adjusted="none"' in str(caught.value)

    def test_total_return_to_split(self) -> None:
        with pytest.raises(InputError, match='declared adjusted="total_return", not "none"'):
            adjust(adjust(example()), kind="split")

    def test_a_split_in_split_adjusted_prices(self) -> None:
        with pytest.raises(DataError, match='adjusted="split", and its actions hold the split of A 2024-01-03'):
            adjust(replace(example(), adjusted="split"))

    def test_inverse_of_another_kind(self) -> None:
        with pytest.raises(InputError, match='test is declared adjusted="split", which cannot be undone'):
            adjust(adjust(example(), kind="split"), inverse=True, actions=example().actions)

    def test_inverse_without_the_actions(self) -> None:
        with pytest.raises(InputError, match="takes the actions that made it"):
            adjust(adjust(example()), inverse=True)

    def test_arguments_of_frames(self) -> None:
        with pytest.raises(KindError, match="`by` and `columns` are for frames"):
            adjust(example(), by="ticker")
        with pytest.raises(KindError, match="`by` and `columns` are for frames"):
            adjustment_factors(example(), columns={"split": "ratio"})

    def test_bad_actions(self) -> None:
        twice = pl.concat([table(("A", 1, "split", 2.0))] * 2)
        with pytest.raises(LabelError, match="The split of A 2024-01-02 stands twice in `actions`"):
            adjust(example(), actions=twice)


class TestIntraday:
    def test_days_are_those_of_the_exchange(self) -> None:
        # 00:30 UTC on the 4th is still the evening of the 3rd in New York, and the morning of the 4th in Tokyo.
        times = np.array(["2024-01-03T06:00", "2024-01-04T00:30", "2024-01-04T21:00"], dtype="datetime64[us]")
        split = table(("A", 3, "split", 2.0))
        expected = {"XNYS": [10, 10, 20], "XTKS": [10, 20, 20], "24/7": [10, 20, 20]}
        for calendar, closes in expected.items():
            close = Panel([[20.0]] * 3, times, ["A"], frequency=Frequency(252, calendar))
            assert adjust(as_bars(close, adjusted="none", actions=split)).close.values[:, 0].tolist() == closes

    def test_the_close_of_a_session(self) -> None:
        times = np.array(["2024-01-02T18", "2024-01-02T21", "2024-01-03T18", "2024-01-03T21"], dtype="datetime64[us]")
        close = Panel([[100.0], [102.0], [49.0], [NAN]], times, ["A"], frequency=Frequency(504, "XNYS"))
        paid = table(("A", 2, "dividend", 1.0))
        found = adjust(as_bars(close, adjusted="none", actions=paid))
        np.testing.assert_allclose(found.close.values[:, 0], [98, 102 * 0.98, 49, NAN], rtol=1e-15)
        found = adjust(as_bars(close, adjusted="none", actions=paid), convention="previous_close")
        np.testing.assert_allclose(found.close.values[:, 0], [100 * 101 / 102, 101, 49, NAN], rtol=1e-15)

    def test_without_a_calendar(self) -> None:
        times = np.array(["2024-01-02T18", "2024-01-02T21"], dtype="datetime64[us]")
        with pytest.raises(InputError, match="intraday bars without a calendar"):
            adjust(as_bars(Panel([[1.0], [1.0]], times, ["A"]), adjusted="none", actions=table()))


# One symbol: closes with gaps, and actions on any day from before the first bar to after the last.
prices = st.one_of(st.floats(5, 200), st.just(NAN))
kinds = st.sampled_from(["split", "dividend", "special_dividend", "spinoff", "delisting"])
VALUES = {
    "split": st.sampled_from([0.125, 0.5, 1.5, 2.0, 7.0]),
    "dividend": st.floats(0, 0.4),
    "special_dividend": st.floats(0.1, 0.6),
    "spinoff": st.floats(0, 0.7),
    "delisting": st.floats(-1, 1),
}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Bars, list[date]]:
    """Bars of two symbols on days of which some are missing, with their actions."""
    on = draw(st.lists(st.integers(2, 16), min_size=1, max_size=14, unique=True).map(sorted))
    columns = draw(st.lists(st.lists(prices, min_size=len(on), max_size=len(on)), min_size=2, max_size=2))
    keys = draw(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 18), kinds), max_size=14, unique=True))
    rows = [(*key, draw(VALUES[key[2]])) for key in keys]
    dates = np.datetime64(FIRST) + np.array(on)
    close = Panel(np.array(columns).T, dates, ["A", "B"])
    volume = close._like(np.full(close.shape, 700.0))
    return as_bars(close, volume=volume, adjusted="none", actions=table(*rows)), rows


def holder(world: Bars, rows: list, symbol: str, *, convention: str, kind: str) -> np.ndarray:
    """What one share of the first close is worth at each close: the steps of an account, written down one by one.

    Splits and spin-offs are taken on their day, spin-offs sold at once at their part of the last close. Dividends are
    put into shares at the next close, or at the price which the last close leaves.
    """
    days = world.dates.astype(object)
    close = world.close.values[:, world.symbols.index(symbol)]
    values, shares, cash, last, done = np.full(close.size, NAN), None, 0.0, NAN, FIRST - timedelta(days=1)
    for t in range(close.size):
        if math.isnan(close[t]):
            continue
        due = [row for row in rows if row[0] == symbol and done < day(row[1]) <= days[t]]
        done = days[t]
        if shares is None:
            shares = 1.0
        else:
            price = last  # what the last close has become
            for when in sorted({row[1] for row in due}):
                found = {row[2]: row[3] for row in due if row[1] == when}
                split, part = found.get("split", 1.0), 1 - found.get("spinoff", 0.0)
                paid = found.get("dividend", 0.0) + found.get("special_dividend", 0.0)
                if kind == "split":
                    paid = 0.0
                price = price * part / split - paid
                if convention == "previous_close":
                    shares *= split / part * (1 + paid / price)
                else:
                    shares *= split / part
                    cash = cash / part + shares * paid
            shares, cash = shares + cash / close[t], 0.0
        values[t] = shares * close[t]
        last = close[t]
    return values


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(KINDS), st.sampled_from(DIRECTIONS))
def test_equals_the_account_of_a_holder(world: tuple, convention: str, kind: str, direction: str) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    found = adjust(bars_, convention=convention, kind=kind, direction=direction)
    for column, symbol in enumerate(bars_.symbols):
        expected = holder(bars_, rows, symbol, convention=convention, kind=kind)
        if direction == "backward" and not np.isnan(expected).all():
            last = np.flatnonzero(~np.isnan(expected))[-1]
            expected = expected * (bars_.close.values[last, column] / expected[last])
        np.testing.assert_allclose(found.close.values[:, column], expected, rtol=1e-12)


def all_payable(world: Bars, rows: list) -> bool:
    """Whether no dividend takes the whole close before it: "previous_close" refuses that."""
    try:
        adjust(world, convention="previous_close")
    except DataError:
        return False
    return True


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(KINDS), st.sampled_from(DIRECTIONS))
def test_inverse(world: tuple, convention: str, kind: str, direction: str) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    how = {"convention": convention, "kind": kind, "direction": direction}
    back = adjust(adjust(bars_, **how), inverse=True, actions=bars_.actions, **how)
    # Forward, what is left after all dividends is a difference, which costs digits where they took nearly everything.
    rtol = 1e-12 if direction == "backward" else 1e-9
    np.testing.assert_allclose(back.close.values, bars_.close.values, rtol=rtol)
    np.testing.assert_allclose(back.volume.values, bars_.volume.values, rtol=1e-12)
    assert back.adjusted == "none"
    assert back.actions.equals(bars_.actions)


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS))
def test_split_then_dividends_is_both(world: tuple, convention: str, one: str, other: str) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    whole = adjust(bars_, convention=convention, direction=other)
    steps = adjust(adjust(bars_, kind="split", direction=one), convention=convention, direction=other)
    assert steps.adjusted == whole.adjusted
    assert steps.actions.equals(whole.actions)
    for a, b in zip(steps.close.values.T, whole.close.values.T, strict=True):
        known = np.flatnonzero(~np.isnan(b))
        if known.size:
            np.testing.assert_allclose(a / a[known[0]], b / b[known[0]], rtol=1e-12)
            if one == other:
                np.testing.assert_allclose(a, b, rtol=1e-12)


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(KINDS), st.sampled_from(DIRECTIONS), st.integers(1, 16))
def test_a_conversion_is_worth_the_same_in_adjusted_prices(
    world: tuple, convention: str, kind: str, direction: str, when: int
) -> None:
    """A share of A on the bar before against the shares of B on the bar of the day, by raw and by adjusted closes."""
    bars_, rows = world
    rows = [row for row in rows if row[:2] != ("A", when) or row[2] not in ("split", "spinoff")]
    actions = converts(("A", when, 0.75, "B"), also=table(*rows))
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    days = bars_.dates.astype(object)
    row = int(np.searchsorted(bars_.dates, np.datetime64(day(when))))
    assume(0 < row < len(days))
    found = adjust(replace(bars_, actions=actions), convention=convention, kind=kind, direction=direction)
    assert found.actions is not None
    [shares] = found.actions.filter(kind="conversion")["value"]
    raw, new = bars_.close.values, found.close.values
    worth, again = 0.75 * raw[row, 1] / raw[row - 1, 0], shares * new[row, 1] / new[row - 1, 0]
    np.testing.assert_allclose(again, worth, rtol=1e-12)
    # A step at a time is the same.
    if kind == "total_return":
        twice = adjust(
            adjust(replace(bars_, actions=actions), kind="split", direction=direction),
            convention=convention,
            direction=direction,
        )
        assert twice.actions is not None
        np.testing.assert_allclose(twice.actions.filter(kind="conversion")["value"], [shares], rtol=1e-12)


@given(worlds(), st.sampled_from(CONVENTIONS))
def test_forward_is_backward_up_to_a_constant(world: tuple, convention: str) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    back, forth = (adjust(bars_, convention=convention, direction=way) for way in DIRECTIONS)
    for column in range(2):
        close = bars_.close.values[:, column]
        known = np.flatnonzero(~np.isnan(close))
        if known.size == 0:
            continue
        ratio = forth.close.values[known, column] / back.close.values[known, column]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
        assert back.close.values[known[-1], column] == close[known[-1]]
        assert forth.close.values[known[0], column] == close[known[0]]


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(DIRECTIONS))
def test_returns_without_an_action_do_not_change(world: tuple, convention: str, direction: str) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    price, volume = adjustment_factors(bars_, convention=convention, direction=direction)
    days = bars_.dates.astype(object)
    for column, symbol in enumerate(bars_.symbols):
        for t in range(1, len(days)):
            moved = [row for row in rows if row[0] == symbol and days[t - 1] < day(row[1]) <= days[t]]
            if not moved:
                # Not just close: the same factor, so that the return differs by rounding of the two products alone.
                assert price.values[t, column] == price.values[t - 1, column]
            if not [row for row in moved if row[2] == "split"]:
                assert volume.values[t, column] == volume.values[t - 1, column]


@given(worlds(), st.sampled_from(CONVENTIONS), st.integers(1, 14))
def test_returns_do_not_know_the_future(world: tuple, convention: str, cut: int) -> None:
    """Backward, levels depend on later actions by one factor per symbol; returns do not, nor forward levels."""
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    whole = adjust(bars_, convention=convention).close.values[:cut]
    early = bars_.between(None, bars_.dates[min(cut, len(bars_.dates)) - 1])
    short = adjust(early, convention=convention).close.values
    for a, b in zip(whole.T, short.T, strict=True):
        known = np.flatnonzero(~np.isnan(b))
        if known.size:
            np.testing.assert_allclose(a / a[known[-1]], b / b[known[-1]], rtol=1e-12)
    whole, short = (adjust(side, convention=convention, direction="forward").close for side in (bars_, early))
    np.testing.assert_array_equal(whole.values[:cut], short.values)


@given(worlds(), st.sampled_from(CONVENTIONS), st.sampled_from(KINDS), st.sampled_from(DIRECTIONS), st.booleans())
def test_frames_and_bars_agree(world: tuple, convention: str, kind: str, direction: str, inverse: bool) -> None:
    bars_, rows = world
    assume(convention == "close_plus_dividend" or all_payable(bars_, rows))
    how = {"convention": convention, "kind": kind, "direction": direction}
    if inverse:
        table_, bars_ = bars_.actions, adjust(bars_, **how)
    else:
        table_ = bars_.actions
    grid = pl.DataFrame({"date": bars_.dates}).join(pl.DataFrame({"symbol": ["B", "A"]}), how="cross")
    fields = [panel.to_long(name) for name, panel in (("close", bars_.close), ("volume", bars_.volume))]
    for field in fields:
        grid = grid.join(field, on=["date", "symbol"], how="left", maintain_order="left")
    found = adjust(grid, actions=table_, inverse=inverse, **how)
    expected = adjust(bars_, actions=table_, inverse=inverse, **how)
    for name in ("close", "volume"):
        values = Panel.from_long(found.with_columns(pl.col(name).fill_null(NAN)), name).values
        # Products in another order.
        np.testing.assert_allclose(values, getattr(expected, name).values, rtol=1e-14)
