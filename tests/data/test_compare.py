"""``compare``: each kind on a case by hand, the corner table, and planted disagreements found again."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Bars, InputError, KindError, LabelError, Panel, as_bars
from quantlab.data.adjustment._compare import compare

NAN = math.nan
FIRST = date(2024, 1, 1)
SCHEMA = {
    "symbol": pl.String,
    "date": pl.Date,
    "end": pl.Date,
    "days": pl.Int64,
    "field": pl.String,
    "a": pl.Float64,
    "b": pl.Float64,
    "difference": pl.Float64,
    "kind": pl.String,
}


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def bars(columns: dict[str, list[float]], *, adjusted: str = "unknown", start: int = 0, **fields: dict) -> Bars:
    def panel(values: dict[str, list[float]]) -> Panel:
        matrix = np.array(list(values.values()), dtype=float).T
        return Panel(matrix, np.datetime64(FIRST) + start + np.arange(len(matrix)), list(values))

    return as_bars(panel(columns), adjusted=adjusted, **{name: panel(values) for name, values in fields.items()})


def found(a: Bars, b: Bars, **options) -> list[tuple]:
    table = compare(a, b, **options)
    assert dict(table.schema) == SCHEMA
    rows = table.select("symbol", "date", "end", "days", "difference", "kind").rows()
    return [(s, d, e, n, None if x is None else round(x, 6), kind) for s, d, e, n, x, kind in rows]


FLAT = [50.0] * 12


class TestChanges:
    def test_equal_up_to_a_constant(self) -> None:
        assert found(bars({"A": FLAT}), bars({"A": [20.0] * 12})) == []

    def test_a_dividend_on_one_side(self) -> None:
        other = [49.0] * 4 + [50.0] * 8
        assert found(bars({"A": FLAT}), bars({"A": other})) == [("A", day(4), day(4), 1, -0.02, "adjustment")]
        assert found(bars({"A": other}), bars({"A": FLAT})) == [
            ("A", day(4), day(4), 1, round(50 / 49 - 1, 6), "adjustment")
        ]

    def test_a_bad_value_and_whose(self) -> None:
        bad = [*FLAT[:5], 25.0, *FLAT[6:]]
        assert found(bars({"A": bad}), bars({"A": FLAT})) == [("A", day(5), day(5), 1, -0.5, "bad value in a")]
        assert found(bars({"A": FLAT}), bars({"A": bad})) == [("A", day(5), day(5), 1, 1.0, "bad value in b")]

    def test_neither_side_can_be_named(self) -> None:
        """Both jump and come back alike: up on one side, down on the other."""
        rng = np.random.default_rng(1)
        level = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, 60)))
        level[29] = level[30] = level[31]
        a, b = level.copy(), level.copy()
        a[30], b[30] = a[30] * 1.05, b[30] / 1.05
        assert [row[-1] for row in found(bars({"A": list(a)}), bars({"A": list(b)}))] == ["bad value"]

    def test_a_bad_value_of_three_days(self) -> None:
        bad = [*FLAT[:5], 40.0, 40.0, 40.0, *FLAT[8:]]
        assert found(bars({"A": bad}), bars({"A": FLAT})) == [("A", day(5), day(7), 3, -0.2, "bad value in a")]
        kinds = [row[-1] for row in found(bars({"A": bad}), bars({"A": FLAT}), within=2)]
        assert kinds == ["adjustment", "adjustment"]

    def test_a_bad_value_on_the_day_before_a_dividend(self) -> None:
        a = [*FLAT[:5], 25.0, *FLAT[6:]]
        b = [49.0] * 6 + [50.0] * 6
        assert found(bars({"A": a}), bars({"A": b})) == [
            ("A", day(5), day(5), 1, -0.5, "bad value in a"),
            ("A", day(6), day(6), 1, -0.02, "adjustment"),
        ]

    def test_too_late_to_tell(self) -> None:
        other = [*FLAT[:10], 40.0, 40.0]
        assert found(bars({"A": other}), bars({"A": FLAT})) == [("A", day(10), day(10), 1, -0.2, "unsettled")]

    def test_across_missing_closes(self) -> None:
        other = [49.0, 49.0, 49.0, NAN, NAN, *FLAT[5:]]
        assert found(bars({"A": FLAT}), bars({"A": other})) == [
            ("A", day(3), day(4), 2, None, "missing in b"),
            ("A", day(5), day(5), 1, -0.02, "adjustment"),
        ]

    def test_a_common_move_of_the_market_is_no_bad_value(self) -> None:
        """A crash and rebound of all, of which one vendor has half for one stock: it is the one that is wrong."""
        names = [f"S{n:02d}" for n in range(30)]
        rng = np.random.default_rng(5)
        moves = rng.normal(0, 0.01, (60, 30))
        moves[30] -= 0.2
        moves[31] += 0.2
        a = 50 * np.exp(np.cumsum(moves, axis=0))
        b = a.copy()
        b[30, 4] = a[29, 4]
        sides = [bars({name: list(side[:, n]) for n, name in enumerate(names)}) for side in (a, b)]
        assert [row[0] + row[-1] for row in found(*sides)] == ["S04bad value in b"]
        # With few symbols there is no market to be seen, and the calmer side is believed.
        few = [side.select(names[:10]) for side in sides]
        assert [row[0] + row[-1] for row in found(*few)] == ["S04bad value in a"]


class TestLevels:
    def test_by_declaration(self) -> None:
        a, b = {"A": FLAT}, {"A": [20.0] * 12}
        for adjusted in ("none", "split", "total_return"):
            rows = found(bars(a, adjusted=adjusted), bars(b, adjusted=adjusted))
            assert rows == [("A", day(0), day(11), 12, 1.5, "adjustment")]
        for one, other in (("unknown", "unknown"), ("none", "split"), ("unknown", "none")):
            assert found(bars(a, adjusted=one), bars(b, adjusted=other)) == []
        assert found(bars(a), bars(b), levels=True) == [("A", day(0), day(11), 12, 1.5, "adjustment")]
        assert found(bars(a, adjusted="none"), bars(b, adjusted="none"), levels=False) == []

    def test_an_adjustment_ends_when_they_agree(self) -> None:
        other = [25.0] * 6 + [50.0] * 6
        rows = found(bars({"A": FLAT}), bars({"A": other}), levels=True)
        assert rows == [("A", day(0), day(5), 6, 1.0, "adjustment")]

    def test_two_levels_and_a_bad_value_on_the_way(self) -> None:
        other = [25.0, 25.0, 10.0, 25.0, 25.0, 40.0, 40.0, 40.0, 40.0, 50.0, 50.0, 50.0]
        assert found(bars({"A": FLAT}), bars({"A": other}), levels=True) == [
            ("A", day(0), day(4), 5, 1.0, "adjustment"),
            ("A", day(2), day(2), 1, 1.5, "bad value in b"),
            ("A", day(5), day(8), 4, 0.25, "adjustment"),
        ]

    def test_a_day_of_equality_amid_a_difference(self) -> None:
        """Where one is twice the other for long, the day on which both agree is the odd one."""
        other = [*[25.0] * 5, 50.0, *[25.0] * 6]
        assert found(bars({"A": FLAT}), bars({"A": other}), levels=True) == [
            ("A", day(0), day(11), 12, 1.0, "adjustment"),
            ("A", day(5), day(5), 1, -0.5, "bad value in b"),
        ]

    def test_a_small_difference_that_becomes_none(self) -> None:
        """1.5 % and then 0.8 % off: the second is within the tolerance of 1 %, though also within that of the first."""
        other = [50.0 / 1.015] * 6 + [50.0 / 1.008] * 6
        rows = found(bars({"A": FLAT}), bars({"A": other}), levels=True, tolerance=0.01, tick=0)
        assert rows == [("A", day(0), day(5), 6, 0.015, "adjustment")]

    def test_the_first_value(self) -> None:
        rows = found(bars({"A": [25.0, *FLAT[1:]]}), bars({"A": FLAT}), levels=True)
        assert rows == [("A", day(0), day(0), 1, -0.5, "bad value")]

    def test_a_drift_is_seen(self) -> None:
        drift = [50.0 * 1.0004**n for n in range(12)]
        assert found(bars({"A": drift}), bars({"A": FLAT}), tick=0) == []
        rows = found(bars({"A": drift}), bars({"A": FLAT}), tick=0, levels=True)
        assert rows[0][1] == day(3)


class TestTolerance:
    def test_rounding_to_cents(self) -> None:
        exact = [3.004, 3.006, 3.002, 3.009, 3.001, 3.005, 3.004]
        cents = [round(x, 2) for x in exact]
        assert found(bars({"A": exact}), bars({"A": cents}), levels=True) == []
        assert found(bars({"A": exact}), bars({"A": cents}), levels=True, tick=0) != []

    def test_exactly_one_tick(self) -> None:
        # Not every pair is exactly a cent apart in binary: 1.01 and 1.02 are more.
        assert np.log(1.02 / 1.01) > np.log1p(0.01 / 1.01)
        for a, b in ((10.01, 10.0), (1.02, 1.01)):
            assert found(bars({"A": [a] * 9}), bars({"A": [b] * 9}), levels=True, tolerance=0) == []
        assert len(found(bars({"A": [10.011] * 9}), bars({"A": [10.0] * 9}), levels=True, tolerance=0)) == 1

    def test_float32(self) -> None:
        rng = np.random.default_rng(2)
        close = np.exp(rng.normal(3, 1, (50, 1)))
        rows = found(bars({"A": close[:, 0].tolist()}), bars({"A": close[:, 0].astype(np.float32).tolist()}), tick=0)
        assert rows == []

    def test_tolerance(self) -> None:
        other = [*FLAT[:6], *[50.5] * 6]
        assert found(bars({"A": other}), bars({"A": FLAT}), tolerance=0.02) == []
        assert len(found(bars({"A": other}), bars({"A": FLAT}), tolerance=0.005)) == 1


class TestAbsence:
    def test_symbols_on_one_side(self) -> None:
        a, b = bars({"A": FLAT, "B": FLAT, "D": FLAT}), bars({"B": FLAT, "C": FLAT})
        rows = compare(a, b).select("symbol", "date", "days", "kind").rows()
        assert rows == [
            ("A", None, None, "no symbol in b"),
            ("C", None, None, "no symbol in a"),
            ("D", None, None, "no symbol in b"),
        ]

    def test_runs_and_whole_dates(self) -> None:
        hole = [*FLAT[:3], NAN, NAN, *FLAT[5:9], NAN, 50.0, NAN]
        both = bars({"A": FLAT, "B": hole, "C": FLAT})
        gone = Panel(np.delete(both.close.values, 7, axis=0), np.delete(both.dates, 7), both.symbols)
        assert found(as_bars(gone), bars({"A": FLAT, "B": FLAT, "C": FLAT})) == [
            (None, day(7), day(7), 1, None, "missing in a"),
            ("B", day(3), day(4), 2, None, "missing in a"),
            ("B", day(9), day(9), 1, None, "missing in a"),
            ("B", day(11), day(11), 1, None, "missing in a"),
        ]

    def test_only_common_dates_count(self) -> None:
        assert found(bars({"A": FLAT}), bars({"A": FLAT}, start=5)) == []
        with pytest.raises(InputError, match="have no dates in common"):
            compare(bars({"A": FLAT}), bars({"A": FLAT}, start=50))


class TestOtherFields:
    def test_beyond_the_closes(self) -> None:
        """A dividend is in all prices, and listed once; a bad open is listed by itself."""
        scale = [0.98] * 4 + [1.0] * 8
        opens = [51.0] * 12
        a = bars({"A": FLAT}, open={"A": [*opens[:8], 70.0, *opens[9:]]}, high={"A": [52.0] * 12})
        b = bars(
            {"A": np.multiply(FLAT, scale).tolist()},
            open={"A": np.multiply(opens, scale).tolist()},
            high={"A": np.multiply([52.0] * 12, scale).tolist()},
        )
        rows = compare(a, b, fields=("open", "high", "close")).select("date", "field", "difference", "kind").rows()
        assert rows == [
            (day(4), "close", pytest.approx(-0.02), "adjustment"),
            (day(8), "open", pytest.approx(70 / 51 - 1), "bad value in a"),
        ]

    def test_a_bad_close_does_not_blame_the_open(self) -> None:
        a = bars({"A": [*FLAT[:5], 25.0, *FLAT[6:]]}, open={"A": FLAT})
        for levels in (False, True):
            rows = compare(a, bars({"A": FLAT}, open={"A": FLAT}), fields="open", levels=levels)
            assert rows["field"].to_list() == ["close"]

    def test_volume(self) -> None:
        """One vendor reports 4 % less throughout; one day is off by a factor, on another there is none."""
        theirs = [1000.0 + 10 * n for n in range(12)]
        ours = [0.96 * x for x in theirs]
        ours[4], ours[8] = ours[4] * 3, 0.0
        a, b = bars({"A": FLAT}, volume={"A": ours}), bars({"A": FLAT}, volume={"A": theirs})
        rows = compare(a, b, fields="volume").select("date", "field", "difference", "kind").rows()
        assert rows == [
            (day(4), "volume", pytest.approx(2.0), "volume"),
            (day(8), "volume", None, "volume"),
        ]
        assert compare(a, b).height == 0
        assert compare(a, b, fields="volume", volume_tolerance=4).height == 1

    def test_missing_values_of_a_field(self) -> None:
        a = bars({"A": FLAT}, open={"A": [NAN, 80.0, *FLAT[2:]]})
        rows = compare(a, bars({"A": FLAT}, open={"A": [50.0, NAN, *FLAT[2:]]}), fields="open")
        assert rows.height == 0


class TestCorners:
    @pytest.mark.parametrize(
        "close", [[5.0], [NAN], [NAN] * 4, [5.0, NAN], [NAN, 5.0]], ids=["one", "nan", "nans", "first", "last"]
    )
    @pytest.mark.parametrize("levels", [False, True])
    def test_little_data(self, close: list[float], levels: bool) -> None:
        side = bars({"A": close}, volume={"A": [1.0] * len(close)})
        assert found(side, side, levels=levels, fields="volume") == []

    @pytest.mark.parametrize("levels", [False, True])
    def test_itself(self, levels: bool) -> None:
        rng = np.random.default_rng(0)
        close = np.where(rng.random((40, 3)) < 0.2, NAN, rng.uniform(5, 9, (40, 3)))
        side = bars({name: list(close[:, n]) for n, name in enumerate("ABC")})
        assert found(side, side, levels=levels) == []

    def test_intraday(self) -> None:
        times = np.array(["2024-01-02T15:00", "2024-01-02T16:00"], dtype="datetime64[us]")
        a, b = (as_bars(Panel([[x], [5.0]], times, ["A"])) for x in (5.0, 6.0))
        table = compare(a, b, levels=True)
        assert table.schema["date"] == pl.Datetime("us", "UTC")
        assert table["kind"].to_list() == ["bad value"]
        with pytest.raises(InputError, match="not both daily or both intraday"):
            compare(a, bars({"A": FLAT}))

    @pytest.mark.parametrize(
        ("options", "error", "sentence"),
        [
            ({"fields": "adj_close"}, InputError, "`fields` may name open, high, low, close and volume"),
            ({"fields": "open"}, InputError, "bars has no open prices"),
            ({"tolerance": -1}, InputError, "`tolerance` must be at least 0, received -1"),
            ({"tick": NAN}, InputError, "`tick` must be a finite number"),
            ({"volume_tolerance": "x"}, KindError, "`volume_tolerance` must be a number"),
            ({"within": 0}, InputError, "`within` must be an integer >= 1"),
        ],
    )
    def test_refused(self, options: dict, error: type, sentence: str) -> None:
        with pytest.raises(error, match=sentence):
            compare(bars({"A": FLAT}), bars({"A": FLAT}), **options)

    def test_not_bars(self) -> None:
        with pytest.raises(KindError, match="`b` must be Bars, received Panel"):
            compare(bars({"A": FLAT}), bars({"A": FLAT}).close)  # type: ignore[arg-type]

    def test_no_common_symbol(self) -> None:
        with pytest.raises(LabelError, match="no symbol in common"):
            compare(bars({"A": FLAT}), bars({"B": FLAT}))


@given(
    st.integers(0, 2**32 - 1),
    st.dictionaries(st.integers(1, 9), st.sampled_from(["dividend", "split", "bad a", "bad b", "gap"]), max_size=6),
)
def test_planted_disagreements_are_found_again(seed: int, plan: dict[int, str]) -> None:
    """Eight bars apart, each is found where it was planted, as what it is, and nothing else is."""
    rng = np.random.default_rng(seed)
    a = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, 90)))
    b = a.copy()
    expected = []
    for slot, what in plan.items():
        at = slot * 8
        if what in ("dividend", "split"):
            b[:at] /= 1.01 if what == "dividend" else 2.0
            expected.append((day(at), "adjustment"))
        elif what == "gap":
            b[at] = NAN
            expected.append((day(at), "missing in b"))
        else:
            side = a if what == "bad a" else b
            # Half the price: far beyond what a stock with moves of 1 % does by itself, on the day and back.
            side[at] *= 0.5
            expected.append((day(at), f"bad value in {what[-1]}"))
    table = compare(bars({"A": list(a)}), bars({"A": list(b)}), tick=0)
    assert table.select("date", "kind").rows() == sorted(expected)
