"""Panel: labels that are checked, operators that demand them, and that nothing can change one."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import hypothesis.extra.numpy as hnp
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Frequency, InputError, KindError, LabelError, Panel, align

NAN = np.nan
DAYS = ["2024-01-02", "2024-01-03"]


@pytest.fixture
def panel() -> Panel:
    return Panel([[1.0, 2.0], [3.0, NAN]], DAYS, ["A", "B"], frequency=Frequency(252))


# Construction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (DAYS, "D"),
        ([date(2024, 1, 2), date(2024, 1, 3)], "D"),
        (np.array(DAYS, dtype="datetime64[D]"), "D"),
        (pl.Series([date(2024, 1, 2), date(2024, 1, 3)]), "D"),
        (["2024-01-02T09:30", "2024-01-02T09:31"], "us"),
        (np.array(["2024-01-02T09:30", "2024-01-02T09:31"], dtype="datetime64[ns]"), "us"),
        ([datetime(2024, 1, 2, 9, 30, tzinfo=UTC), datetime(2024, 1, 2, 9, 31, tzinfo=UTC)], "us"),
    ],
)
def test_dates_of_many_kinds(dates: object, expected: str) -> None:
    panel = Panel([[1.0], [2.0]], dates, ["A"])
    assert panel.dates.dtype == np.dtype(f"datetime64[{expected}]")
    assert panel.dates[0] == np.datetime64("2024-01-02T09:30" if expected == "us" else str(panel.dates[0]))
    assert not panel.dates.flags.writeable


def test_times_with_a_zone_become_utc() -> None:
    east = timezone(timedelta(hours=-5))
    panel = Panel([[1.0]], [datetime(2024, 1, 2, 20, 0, tzinfo=east)], ["A"])
    assert panel.dates[0] == np.datetime64("2024-01-03T01:00")


@pytest.mark.parametrize(
    ("dates", "kind", "message"),
    [
        (["2024-01-03", "2024-01-02"], LabelError, "`dates` must increase: 2024-01-02 follows 2024-01-03 (row 1)."),
        (["2024-01-02", "2024-01-02"], LabelError, "`dates` has 2024-01-02 twice (rows 0 and 1)."),
        ([date(2024, 1, 2), None], LabelError, "`dates` has a missing date at row 1."),
        (["2024-01-02", "NaT"], LabelError, "`dates` has a missing date at row 1."),
        ([["2024-01-02"]], LabelError, "`dates` must have one dimension, received 2."),
        (["hello", "you"], KindError, "`dates` must be dates or datetime64 values, received <U5."),
        # A day and a count look alike: 20240102 days after 1970 is in the year 57385.
        ([20240102, 20240103], KindError, "`dates` must be dates or datetime64 values, received int64."),
        ([1.5, 2.5], KindError, "`dates` must be dates or datetime64 values, received float64."),
        (
            [datetime(2024, 1, 2, 9), datetime(2024, 1, 2, 10)],
            KindError,
            "`dates` has clock times without a time zone.",
        ),
        (pl.Series([datetime(2024, 1, 2, 9)]), KindError, "`dates` has clock times without a time zone."),
        ([datetime(2024, 1, 2), datetime(2024, 1, 3, 9)], KindError, "`dates` has clock times without a time zone."),
        (pl.Series(["2024-01-02"]), KindError, "`dates` must be a Date or Datetime column, received String."),
        # Closes of a month would stand on its first day.
        (["2024-01-31", "2024-02"], KindError, "`dates` must be days or times, received 2024-02 at row 1."),
        (["2024", "2025"], KindError, "`dates` must be days or times, received 2024 at row 0."),
        (["2024-01-02", "today"], KindError, "`dates` must be days or times, received today at row 1."),
        (
            np.array(["2024-01", "2024-02"], dtype="datetime64[M]"),
            KindError,
            "`dates` must be days or times, received 2024-01 at row 0.",
        ),
        (
            np.ma.masked_array(np.array(DAYS, dtype="datetime64[D]"), [False, True]),
            LabelError,
            "`dates` has a missing date at row 1.",
        ),
        (["2024-01-02"], LabelError, "`values` has shape (2, 1), and the labels say 1 dates x 1 symbols."),
    ],
)
def test_bad_dates_are_named(dates: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        Panel([[1.0], [2.0]], dates, ["A"])
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("symbols", "kind", "message"),
    [
        (["A", "A"], LabelError, "Symbol A stands twice in `symbols`."),
        (["A", ""], KindError, "`symbols` must be non-empty strings, received '' at position 1."),
        (["A", 7], KindError, "`symbols` must be non-empty strings, received 7 at position 1."),
        (["A", "A\0"], LabelError, "Symbol 'A\\x00' at position 1 holds a control character."),
        (["A\n", "B"], LabelError, "Symbol 'A\\n' at position 0 holds a control character."),
        (["A", "\ud800"], LabelError, "Symbol '\\ud800' at position 1 holds a control character."),
        ("AB", KindError, "`symbols` must be a sequence of strings, received one string."),
        (["A"], LabelError, "`values` has shape (2, 2), and the labels say 2 dates x 1 symbols."),
    ],
)
def test_bad_symbols_are_named(symbols: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        Panel(np.ones((2, 2)), DAYS, symbols)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1.0, 2.0], LabelError, "`values` must have two dimensions (dates x symbols), received 1."),
        ([["a", "b"]] * 2, KindError, "`values` must be numbers or booleans, received <U1."),
        ([[None, 1.0]] * 2, KindError, "`values` must be numbers or booleans, received object."),
        ([[1j, 1.0]] * 2, KindError, "`values` must be numbers or booleans, received complex128."),
        ([[1.0], [1.0, 2.0]], LabelError, "`values` must be a matrix: its rows differ in length."),
    ],
)
def test_bad_values_are_named(values: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        Panel(values, DAYS, ["A", "B"])
    assert caught.value.message == message


def test_a_frequency_must_be_one() -> None:
    with pytest.raises(KindError, match=r"^`frequency` must be a Frequency, received int\.$"):
        Panel([[1.0]], DAYS[:1], ["A"], frequency=252)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, ">f8", np.float64, bool])
def test_values_become_float64_or_stay_bool(dtype: object) -> None:
    panel = Panel(np.ones((2, 2), dtype=dtype), DAYS, ["A", "B"])
    assert panel.values.dtype == (bool if dtype is bool else np.float64)
    assert panel.values.flags.c_contiguous


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_masked_cells_are_missing(kind: type) -> None:
    masked = np.ma.masked_array(np.array([[1, -999], [3, 4]], dtype=kind), [[False, True], [False, False]])
    for values in (masked, list(masked), masked.filled(-999)):
        expected = -999.0 if type(values) is np.ndarray else NAN
        np.testing.assert_array_equal(Panel(values, DAYS, ["A", "B"]).values, [[1.0, expected], [3.0, 4.0]])
    flags = Panel(np.ma.masked_array([[True, True]], [[False, True]]), DAYS[:1], ["A", "B"])
    np.testing.assert_array_equal(flags.values, [[True, False]])
    panel = Panel([[1.0, -1.0]], DAYS[:1], ["A", "B"])
    np.testing.assert_array_equal(panel.map(np.ma.log).values, [[0.0, NAN]])
    with pytest.raises(KindError, match="must be numbers or booleans"):
        Panel(np.ma.masked_array([["a"]]), DAYS[:1], ["A"])


# Immutability ------------------------------------------------------------------------------------------------------


def test_nothing_can_be_set_or_deleted(panel: Panel) -> None:
    for name in ("values", "dates", "symbols", "frequency", "other"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(panel, name, None)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(panel, name)
    for array in (panel.values, panel.dates):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, bool])
def test_arrays_given_are_copied_even_behind_a_read_only_view(order: str, dtype: type) -> None:
    values, days = np.ones((2, 2), dtype=dtype, order=order), np.array(DAYS, dtype="datetime64[D]")
    view, day_view = values.view(), days.view()
    view.setflags(write=False)
    day_view.setflags(write=False)
    panels = [Panel(values, days, ["A", "B"]), Panel(view, day_view, ["A", "B"])]
    values[:], days[0] = 0, np.datetime64("1999-01-01")
    for panel in panels:
        assert (panel.values == 1).all()
        assert panel.dates[0] == np.datetime64("2024-01-02")
    values[0, 0] = 1  # and the giver can still write


def test_read_only_arrays_are_not_copied() -> None:
    values, days = np.ones((2, 2)), np.array(DAYS, dtype="datetime64[D]")
    values.setflags(write=False)
    days.setflags(write=False)
    panel = Panel(values, days, ["A", "B"])
    assert panel.values is values
    assert panel.dates is days
    assert np.shares_memory(panel.between("2024-01-03").values, values)


def test_memory_that_can_change_below_a_read_only_array_is_copied() -> None:
    raw, raw_days = bytearray(np.ones(2).tobytes()), bytearray(np.array(DAYS, dtype="datetime64[D]").tobytes())
    values, days = (
        np.frombuffer(memoryview(buffer).toreadonly(), kind)
        for buffer, kind in ((raw, np.float64), (raw_days, "datetime64[D]"))
    )
    assert not values.flags.writeable
    behind = np.ones(2)
    panel, shared = Panel(values[:, None], days, ["A"]), Panel(pl.Series(behind).to_numpy()[:, None], DAYS, ["A"])
    raw[:], raw_days[:], behind[:] = bytes(16), bytes(16), 0.0
    np.testing.assert_array_equal(panel.values, [[1.0], [1.0]])
    np.testing.assert_array_equal(shared.values, [[1.0], [1.0]])
    assert [str(day) for day in panel.dates] == DAYS
    # Bytes do not change: what a pickle brings is taken as it is.
    fixed = np.frombuffer(np.ones(2).tobytes())[:, None]
    assert Panel(fixed, DAYS, ["A"]).values is fixed


def test_made_panels_are_read_only_down_to_their_memory() -> None:
    days = np.arange("2024-01-01", "2024-03-05", dtype="datetime64[D]")
    panel = Panel(np.ones((days.size, 2)), days, ["A", "B"], frequency=Frequency.daily("XNYS"))
    made = [panel, panel.resample("month_end"), panel.resample(5), panel.between("2024-02"), panel.last()]
    made += [panel + 1, panel.shift(1), panel.select("B"), panel.align(panel.select("A"))]
    made += [Panel.from_frame(panel.to_frame()), Panel.from_long(panel.to_long(), "value")]
    made += align(panel, panel.resample(2), join="outer")
    for result in made:
        for array in (result.values, result.dates):
            while isinstance(array, np.ndarray):
                assert not array.flags.writeable
                array = array.base


def test_dates_of_the_trusted_path_are_frozen_and_views_copied() -> None:
    owner = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")
    fresh = owner.copy()
    panel = Panel._trusted(np.ones((4, 1)), fresh, ("A",), None)
    assert panel.dates is fresh
    assert not fresh.flags.writeable
    viewed = Panel._trusted(np.ones((2, 1)), owner[:2], ("A",), None)
    owner[0] = np.datetime64("1999-01-01")
    assert viewed.dates[0] == np.datetime64("2024-01-01")
    assert not viewed.dates.flags.writeable


def test_pickle_and_copy_keep_everything(panel: Panel) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        twin = pickle.loads(pickle.dumps(panel, protocol=protocol))
        np.testing.assert_array_equal(twin.values, panel.values)
        np.testing.assert_array_equal(twin.dates, panel.dates)
        assert (twin.symbols, twin.frequency) == (panel.symbols, panel.frequency)
        assert not twin.values.flags.writeable
        assert not twin.dates.flags.writeable
    for twin in (copy.copy(panel), copy.deepcopy(panel)):
        np.testing.assert_array_equal(twin.values, panel.values)
        assert not twin.values.flags.writeable


# Operators ---------------------------------------------------------------------------------------------------------

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
anything = st.one_of(st.sampled_from([0.0, 1.0, -1.0, NAN, np.inf, 1e300]), st.floats(-10, 10))
matrices = hnp.arrays(np.float64, (2, 2), elements=anything)


@given(matrices, matrices, st.sampled_from(ARITHMETIC + COMPARISONS))
def test_operators_are_those_of_numpy(a: np.ndarray, b: np.ndarray, function: Callable[..., object]) -> None:
    left, right = Panel(a, DAYS, ["A", "B"]), Panel(b, DAYS, ["A", "B"])
    with np.errstate(all="ignore"):
        expected = function(a, b)
    result = function(left, right)
    np.testing.assert_array_equal(result.values, expected)
    assert result.values.dtype == (np.float64 if function in ARITHMETIC else bool)
    assert not result.values.flags.writeable


@pytest.mark.parametrize("function", ARITHMETIC[:4])
@pytest.mark.parametrize("number", [2, 2.0, np.float64(2.0), np.float32(2.0), np.int64(2), True])
def test_numbers_on_either_side(panel: Panel, function: Callable[..., Panel], number: float) -> None:
    for result, expected in (
        (function(panel, number), function(panel.values, float(number))),
        (function(number, panel), function(float(number), panel.values)),
    ):
        assert isinstance(result, Panel)
        np.testing.assert_array_equal(result.values, expected)
        assert result.frequency == Frequency(252)


def test_signs(panel: Panel) -> None:
    np.testing.assert_array_equal((-panel).values, [[-1.0, -2.0], [-3.0, NAN]])
    np.testing.assert_array_equal(abs(-panel).values, panel.values)
    np.testing.assert_array_equal((-(panel > 1)).values, [[0.0, -1.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(abs(panel > 1).values, [[0.0, 1.0], [1.0, 0.0]])


def test_a_comparison_with_nan_is_false(panel: Panel) -> None:
    for function in COMPARISONS[:5]:
        assert not function(panel, panel).values[1, 1]


def test_logic_of_bool_panels(panel: Panel) -> None:
    a, b = panel > 1, panel < 3
    np.testing.assert_array_equal((a & b).values, [[False, True], [False, False]])
    np.testing.assert_array_equal((a | b).values, [[True, True], [True, False]])
    np.testing.assert_array_equal((a ^ b).values, [[True, False], [True, False]])
    np.testing.assert_array_equal((~a).values, [[True, False], [False, True]])
    np.testing.assert_array_equal((a & True).values, a.values)
    for wrong in (lambda: panel & a, lambda: a | panel, lambda: a ^ 1.0):
        with pytest.raises(KindError, match=r"^`&`, `\|` and `\^` join bool Panels\."):
            wrong()
    with pytest.raises(KindError, match=r"^`~` inverts a bool Panel\."):
        operator.invert(panel)


def test_arithmetic_of_bool_panels_counts(panel: Panel) -> None:
    a = panel > 1
    np.testing.assert_array_equal((a - a).values, 0.0)
    # NumPy's own sum of two booleans is their `or`: two signals that agree would count as one.
    np.testing.assert_array_equal((a + a).values, [[0.0, 2.0], [2.0, 0.0]])
    np.testing.assert_array_equal((a + 1).values, [[1.0, 2.0], [2.0, 1.0]])
    np.testing.assert_array_equal((a * panel).values, [[0.0, 2.0], [3.0, NAN]])
    assert (a - a).values.dtype == (a + a).values.dtype == np.float64


def test_labels_must_agree_and_the_first_difference_is_named(panel: Panel) -> None:
    def message(other: Panel) -> str:
        with pytest.raises(LabelError) as caught:
            panel + other
        assert caught.value.hint == "bring one onto the other's labels: `a.align(b)`."
        return caught.value.message

    assert message(panel.select(["B", "A"])) == (
        "The two Panels differ in symbols: position 0 holds A on the left and B on the right."
    )
    wide = Panel(np.ones((2, 3)), DAYS, ["A", "B", "C"])
    assert message(wide) == "The two Panels differ in symbols: the left has 2 symbols and the right 3."
    moved = Panel(np.ones((2, 2)), ["2024-01-02", "2024-01-04"], ["A", "B"])
    assert message(moved) == (
        "The two Panels differ in dates: row 1 holds 2024-01-03 on the left and 2024-01-04 on the right."
    )
    assert message(panel.last()) == (
        "The two Panels differ in dates: row 0 holds 2024-01-02 on the left and 2024-01-03 on the right."
    )
    longer = Panel(np.ones((3, 2)), [*DAYS, "2024-01-04"], ["A", "B"])
    assert message(longer) == "The two Panels differ in dates: the left has 2 dates and the right 3."
    # One column is spread over the symbols, never over dates.
    assert "differ in dates" in message(longer.select("A"))


def test_one_column_is_spread_over_all(panel: Panel) -> None:
    market = Panel([[10.0], [20.0]], DAYS, ["M"])
    for result, expected in (
        (panel - market, [[-9.0, -8.0], [-17.0, NAN]]),
        (market - panel, [[9.0, 8.0], [17.0, NAN]]),
        (panel.where(market > 15, 0.0), [[0.0, 0.0], [3.0, NAN]]),
        (market.where(panel > 1, -1.0), [[-1.0, 10.0], [20.0, -1.0]]),
    ):
        np.testing.assert_array_equal(result.values, expected)
        assert result.symbols == ("A", "B")
        assert result.frequency == Frequency(252)  # of the one that knows it
    both = market + Panel([[1.0], [2.0]], DAYS, ["N"])
    np.testing.assert_array_equal(both.values, [[11.0], [22.0]])


def test_other_types_are_refused_and_never_taken_apart(panel: Panel) -> None:
    array = np.ones((2, 2))
    for wrong in (lambda: panel * array, lambda: array * panel, lambda: array - panel, lambda: panel == array):
        with pytest.raises(KindError, match=r"^A Panel and a NumPy array do not combine: the array has no labels\."):
            wrong()
    with pytest.raises(TypeError):
        operator.add(panel, [1.0, 2.0])
    with pytest.raises(TypeError):
        operator.lt(panel, "2")
    with pytest.raises(TypeError, match="ufunc"):
        np.log(panel)
    with pytest.raises(KindError, match=r"^A Panel has no single truth value\."):
        bool(panel)
    with pytest.raises(TypeError, match="unhashable"):
        hash(panel)


# Rows and columns --------------------------------------------------------------------------------------------------


def test_shift(panel: Panel) -> None:
    np.testing.assert_array_equal(panel.shift().values, [[NAN, NAN], [1.0, 2.0]])
    np.testing.assert_array_equal(panel.shift(0).values, panel.values)
    assert np.isnan(panel.shift(2).values).all()
    assert np.isnan(panel.shift(99).values).all()
    np.testing.assert_array_equal(panel.shift(-1, lookahead=True).values, [[3.0, NAN], [NAN, NAN]])
    assert np.isnan(panel.shift(-99, lookahead=True).values).all()
    np.testing.assert_array_equal((panel > 1).shift(np.int64(1)).values, [[False, False], [False, True]])
    assert panel.shift().frequency == Frequency(252)


def test_shift_does_not_look_ahead_unasked(panel: Panel) -> None:
    with pytest.raises(InputError, match=r"^A lag of -1 moves the future to the present\. Hint: pass `lookahead=True`"):
        panel.shift(-1)
    for wrong in (1.0, True, "1"):
        with pytest.raises(KindError, match=r"^`lag` must be an integer, received (float|bool|str)\.$"):
            panel.shift(wrong)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, 4),
        ("2024-01-31", None, 3),
        (date(2024, 1, 31), date(2024, 1, 31), 1),
        (np.datetime64("2024-01-31"), "2024-02-29", 2),
        ("2024-02", "2024-02", 1),  # a month means all of it, on either side
        (None, "2024-01", 2),
        ("2024", "2024", 4),
        ("2024-01-15", "2024-01-20", 0),
        ("2024-03-01", "2024-01-01", 0),
        (datetime(2024, 1, 31, 12), None, 2),
    ],
)
def test_between_on_days(start: object, end: object, expected: int) -> None:
    panel = Panel(np.arange(4.0)[:, None], ["2024-01-02", "2024-01-31", "2024-02-01", "2024-03-01"], ["A"])
    assert len(panel.between(start, end)) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, "2024-01-30", 1),
        (None, "2024-01-31", 3),  # a day given as the end means all of it
        (None, "2024-01", 3),
        (None, "2024", 4),
        ("2024-01-31", None, 3),
        (None, "2024-01-31T15:30", 2),
        ("2024-01-31T15:31", None, 2),
        (datetime(2024, 1, 31, 10, 30, tzinfo=timezone(timedelta(hours=-5))), None, 3),
    ],
)
def test_between_on_times(start: object, end: object, expected: int) -> None:
    times = ["2024-01-30T15:30", "2024-01-31T15:30", "2024-01-31T20:00", "2024-02-01T15:30"]
    assert len(Panel(np.arange(4.0)[:, None], times, ["A"]).between(start, end)) == expected


@pytest.mark.parametrize("wrong", ["soon", "", "NaT", 20240102, ["2024"], "2024-13"])
def test_between_refuses_what_is_no_date(panel: Panel, wrong: object) -> None:
    with pytest.raises(InputError, match=r"^`start` must be a date such as '2015-01-31', received "):
        panel.between(wrong)
    with pytest.raises(InputError, match=r"^`end` must be a date"):
        panel.between(end=wrong)


def test_select(panel: Panel) -> None:
    np.testing.assert_array_equal(panel.select(["B", "A"]).values, panel.values[:, ::-1])
    assert panel.select("B").shape == (2, 1)
    assert panel.select([]).shape == (2, 0)
    assert panel.select(["B", "A"]).values.flags.c_contiguous
    with pytest.raises(LabelError, match=r"^Symbol C and 1 more is not in the data\. Hint: it has A, B\.$"):
        panel.select(["A", "C", "D"])
    with pytest.raises(LabelError, match=r"stands twice"):
        panel.select(["A", "A"])
    long = Panel(np.ones((1, 7)), DAYS[:1], ["AAPL", "MSFT", "GOOG", "AMZN", "META", "NVDA", "TSLA"])
    with pytest.raises(LabelError, match=r"Hint: did you mean AAPL\?$"):
        long.select("APPL")
    with pytest.raises(LabelError, match=r"Hint: it has AAPL, MSFT, GOOG, AMZN, META, \.\.\.\.$"):
        long.select("zzz")


def test_where(panel: Panel) -> None:
    np.testing.assert_array_equal(panel.where(panel > 1).values, [[NAN, 2.0], [3.0, NAN]])
    np.testing.assert_array_equal(panel.where(panel > 1, 0).values, [[0.0, 2.0], [3.0, 0.0]])
    flags = panel > 1
    for other, dtype in ((False, bool), (0, np.float64), (0.5, np.float64), (NAN, np.float64)):
        result = flags.where(flags, other).values
        assert result.dtype == dtype
        assert not result.flags.writeable
    for wrong in (panel, flags.values, True):
        with pytest.raises(KindError, match=r"^`mask` must be a bool Panel\. Hint: compare first"):
            panel.where(wrong)
    with pytest.raises(LabelError, match="differ in symbols"):
        panel.where(flags.select(["B", "A"]))


def test_map_and_pipe(panel: Panel) -> None:
    np.testing.assert_array_equal(panel.map(np.exp).values, np.exp(panel.values))
    assert panel.map(np.isnan).values.dtype == bool
    assert panel.map(lambda x: x).values is panel.values
    held = np.zeros((2, 2))
    result = panel.map(lambda _: held)
    held[:] = 9.0  # what the function keeps is not the Panel's
    assert (result.values == 0.0).all()
    with pytest.raises(InputError, match=r"^`function` must keep the shape \(2, 2\), and returned \(2,\)\.$"):
        panel.map(lambda x: x.sum(axis=0))
    with pytest.raises(KindError, match=r"^`values` must be numbers or booleans"):
        panel.map(lambda x: x.astype(str))
    assert panel.pipe(lambda data, by, *, up: data * by + up, 2.0, up=1.0).values[0, 0] == 3.0


def test_resample_and_last() -> None:
    days = np.datetime64("2024-01-29") + np.arange(5)  # Monday to Friday; January ended on Wednesday
    panel = Panel(np.arange(5.0)[:, None], days, ["A"], frequency=Frequency.daily("XNYS"))
    monthly = panel.resample("month_end")
    assert [str(day) for day in monthly.dates] == ["2024-01-31"]
    assert monthly.frequency == Frequency(12, "XNYS")
    weekly = panel.resample("week_end")
    assert [str(day) for day in weekly.dates] == ["2024-02-02"]
    assert weekly.frequency == Frequency(52, "XNYS")
    second = panel.resample(2)
    np.testing.assert_array_equal(second.values.ravel(), [0.0, 2.0, 4.0])
    assert second.frequency == Frequency(126, "XNYS")
    unknown = Panel(panel.values, days, ["A"]).resample(2)
    assert unknown.frequency == Frequency(None)
    assert panel.last().values.tolist() == [[4.0]]
    with pytest.raises(InputError, match=r"^The Panel is empty, so that it has no last row\.$"):
        panel.between("2030").last()
    with pytest.raises(InputError, match="needs the trading calendar"):
        Panel(panel.values, days, ["A"]).resample("month_end")


# Alignment ---------------------------------------------------------------------------------------------------------


def test_align_one_onto_another(panel: Panel) -> None:
    other = Panel(np.ones((2, 3)), ["2024-01-03", "2024-01-04"], ["B", "C", "A"])
    np.testing.assert_array_equal(panel.align(other).values, [[NAN, NAN, 3.0], [NAN, NAN, NAN]])
    np.testing.assert_array_equal((panel > 0).align(other).values, [[False, False, True], [False] * 3])
    assert panel.align(other).frequency == Frequency(252)
    assert panel.align(panel) is panel
    empty = Panel(np.empty((0, 2)), np.empty(0, "datetime64[D]"), ["A", "B"])
    assert np.isnan(empty.align(panel).values).all()
    assert panel.align(empty).shape == (0, 2)


def test_align_many(panel: Panel) -> None:
    other = Panel([[5.0, 6.0], [7.0, 8.0]], ["2024-01-03", "2024-01-04"], ["C", "B"])
    a, b = align(panel, other)
    assert (a.symbols, b.symbols) == (("B",), ("B",))
    np.testing.assert_array_equal([a.values, b.values], [[[NAN]], [[6.0]]])
    a, b = align(panel, other, join="outer")
    assert a.symbols == b.symbols == ("A", "B", "C")
    np.testing.assert_array_equal(a.values, [[1.0, 2.0, NAN], [3.0, NAN, NAN], [NAN] * 3])
    np.testing.assert_array_equal(b.values, [[NAN] * 3, [NAN, 6.0, 5.0], [NAN, 8.0, 7.0]])
    assert (a + b).shape == (3, 3)
    assert align() == ()
    with pytest.raises(InputError, match=r'^`join` must be "inner" or "outer", received \'left\'\.$'):
        align(panel, other, join="left")
    with pytest.raises(LabelError, match=r"^The Panels have no dates or no symbols in common\."):
        align(panel, other.select("C"))


# Looks -------------------------------------------------------------------------------------------------------------


def test_repr_says_what_it_is(panel: Panel) -> None:
    assert repr(panel).startswith(
        "Panel 2 x 2, float64, 2024-01-02 to 2024-01-03, 25.0% missing, 252 bars a year\nshape: (2, 3)"
    )
    assert repr(panel > 1).startswith("Panel 2 x 2, bool, 2024-01-02 to 2024-01-03, 252 bars a year")
    assert repr(Panel(np.empty((0, 0)), [], [])).startswith("Panel 0 x 0, float64, no dates")
    assert "2024-01-02 09:30:00 UTC" in repr(Panel([[1.0]], ["2024-01-02T09:30"], ["A"]))
    assert len(panel) == 2


def test_large_panels_show_their_corners() -> None:
    names = [f"S{i:03d}" for i in range(100)]
    panel = Panel(np.arange(10_000.0).reshape(100, 100), np.datetime64("2024-01-01") + np.arange(100), names)
    text = repr(panel)
    for shown in ("S000", "S002", "S096", "S099", "2024-01-01", "2024-01-03", "2024-04-07", "2024-04-09"):
        assert shown in text
    for hidden in ("S004", "S095", "2024-01-04"):
        assert hidden not in text


def test_html_is_escaped_and_copes_with_every_shape(panel: Panel) -> None:
    html = panel._repr_html_()
    assert html.startswith("<div><p><code>Panel 2 x 2, float64, 2024-01-02 to 2024-01-03")
    assert "<table" in html
    assert "<script>" not in Panel([[1.0]], DAYS[:1], ["<script>"])._repr_html_()
    assert Panel(np.empty((0, 0)), [], [])._repr_html_() == (
        "<div><p><code>Panel 0 x 0, float64, no dates</code></p></div>"
    )
    assert "(date)" in repr(Panel([[1.0]], DAYS[:1], ["date"]))
