"""The as-of join: hand cases, an oracle that looks at one cell at a time, a library's own join, and look-ahead."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import Bars, DataError, Frequency, InputError, KindError, Panel
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data import events
from quantlab.data.schemas import TABLES, empty
from quantlab.testing import assert_causal

SCHEMA = TABLES["events"].schema
XNYS = Frequency.daily("XNYS")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(*rows: tuple) -> pl.DataFrame:
    """Rows of (id, event, available, value), of the field x."""
    full = [(name, at(event), at(available), "x", value) for name, event, available, value in rows]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


def bars(*days: str, symbols: tuple[str, ...] = ("A",), calendar: str | None = "XNYS") -> Panel:
    frequency = None if calendar is None else Frequency.daily(calendar)
    return Panel(np.ones((len(days), len(symbols))), list(days), symbols, frequency=frequency)


def equal(panel: Panel, expected) -> None:
    np.testing.assert_array_equal(panel.values, np.asarray(expected, dtype=float))


# Hand cases


def test_a_value_is_known_at_the_first_close_at_or_after_it_was_available():
    like = bars("2024-11-27", "2024-11-29", "2024-12-02")  # the 29th closed at 13:00 in New York
    for available, first in (("18:00:00", 1), ("18:00:00.000001", 2)):
        found = events.panel(table(("A", "2024-11-01", f"2024-11-29 {available}", 7.0)), "x", like)
        equal(found, [[np.nan], [7.0 if first == 1 else np.nan], [7.0]])


def test_the_latest_event_counts_in_its_latest_version():
    found = events.panel(
        table(
            ("A", "2024-01-01", "2024-01-03 12:00", 1.0),
            ("A", "2024-01-02", "2024-01-04 12:00", 2.0),
            ("A", "2024-01-01", "2024-01-05 12:00", 1.5),  # the older event restated: the newer one still stands
            ("A", "2024-01-02", "2024-01-08 12:00", 2.5),
        ),
        "x",
        bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"),
    )
    equal(found, [[np.nan], [1.0], [2.0], [2.0], [2.5]])


def test_an_older_event_that_arrives_late_changes_nothing_but_the_change():
    rows = table(
        ("A", "2024-01-03", "2024-01-03 12:00", 5.0),
        ("A", "2024-01-02", "2024-01-04 12:00", 3.0),
    )
    like = bars("2024-01-03", "2024-01-04")
    equal(events.panel(rows, "x", like), [[5.0], [5.0]])
    equal(events.panel(rows, "x", like, kind="previous"), [[np.nan], [3.0]])
    equal(events.panel(rows, "x", like, kind="change"), [[np.nan], [2.0]])


def test_a_withdrawn_value_is_missing_until_the_next_and_does_not_bring_back_the_one_before():
    rows = table(
        ("A", "2024-01-01", "2024-01-02 12:00", 1.0),
        ("A", "2024-01-02", "2024-01-03 12:00", 2.0),
        ("A", "2024-01-02", "2024-01-04 12:00", None),
        ("A", "2024-01-04", "2024-01-05 12:00", 3.0),
    )
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    equal(events.panel(rows, "x", like), [[1.0], [2.0], [np.nan], [3.0]])
    equal(events.panel(rows, "x", like, kind="change"), [[np.nan], [1.0], [np.nan], [np.nan]])


def test_a_value_expires_after_max_age_in_days_since_it_was_available():
    rows = table(("A", "2024-01-01", "2024-01-02 21:00", 1.0))  # exactly the close of the 2nd
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    equal(events.panel(rows, "x", like, max_age=2), [[1.0], [1.0], [1.0], [np.nan]])
    equal(events.panel(rows, "x", like, max_age=1.999), [[1.0], [1.0], [np.nan], [np.nan]])
    # A change is as old as the latest value, not as the one before it.
    both = pl.concat([rows, table(("A", "2024-01-02", "2024-01-04 21:00", 3.0))])
    equal(events.panel(both, "x", like, kind="change", max_age=1), [[np.nan], [np.nan], [2.0], [2.0]])


def test_a_series_becomes_one_column_that_arithmetic_spreads():
    rows = table(("US", "2024-01-01", "2024-01-03 12:00", 4.0), ("UK", "2024-01-01", "2024-01-02 12:00", 5.0))
    like = bars("2024-01-02", "2024-01-03", symbols=("A", "B"))
    found = events.panel(rows, "x", like, series="US")
    assert found.symbols == ("US",)
    equal(found, [[np.nan], [4.0]])
    equal(like * found, [[np.nan, np.nan], [4.0, 4.0]])


def test_intraday_bars_know_what_came_up_to_their_end():
    dates = np.array(["2024-01-02T15:30", "2024-01-02T16:00"], dtype="datetime64[us]")
    like = Panel(np.ones((2, 1)), dates, ["A"])
    rows = table(("A", "2024-01-02", "2024-01-02 15:30:01", 1.0))
    equal(events.panel(rows, "x", like), [[np.nan], [1.0]])


def test_bars_that_trade_around_the_clock_close_at_midnight():
    like = bars("2024-01-06", "2024-01-07", calendar="24/7")
    equal(events.panel(table(("A", "2024-01-06", "2024-01-07 00:00", 1.0)), "x", like), [[1.0], [1.0]])
    equal(events.panel(table(("A", "2024-01-06", "2024-01-07 00:01", 1.0)), "x", like), [[np.nan], [1.0]])


def test_the_close_can_be_declared():
    rows = table(("A", "2024-01-01", "2024-07-02 20:30", 1.0))
    like = bars("2024-07-02", "2024-07-03", calendar=None)
    equal(events.panel(rows, "x", like, close_time="16:00 America/New_York"), [[np.nan], [1.0]])  # 20:00 UTC
    equal(events.panel(rows, "x", like, close_time="17:00 America/New_York"), [[1.0], [1.0]])
    moments = np.array(["2024-07-02T20:30", "2024-07-03T20:00"], dtype="datetime64[us]")
    equal(events.panel(rows, "x", like, close_time=moments), [[1.0], [1.0]])


def test_labels_and_frequency_are_those_of_the_bars():
    like = bars("2024-01-02", "2024-01-03", symbols=("B", "A"))
    found = events.panel(table(("A", "2024-01-01", "2024-01-02 12:00", 1.0)), "x", like)
    assert (found.symbols, found.frequency) == (("B", "A"), XNYS)
    equal(found, [[np.nan, 1.0], [np.nan, 1.0]])
    whole = events.panel(table(("A", "2024-01-01", "2024-01-02 12:00", 1.0)), "x", Bars(like))
    np.testing.assert_array_equal(whole.values, found.values)


# Ages


def test_age_counts_from_the_first_report_the_last_version_or_the_event():
    rows = table(("A", "2024-01-01", "2024-01-02 21:00", 1.0), ("A", "2024-01-01", "2024-01-04 21:00", 2.0))
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    equal(events.age(rows, "x", like), [[0.0], [1.0], [2.0], [3.0]])
    equal(events.age(rows, "x", like, since="revised"), [[0.0], [1.0], [0.0], [1.0]])
    equal(events.age(rows, "x", like, since="event"), np.array([[45], [69], [93], [117]]) / 24)


def test_age_in_bars_is_unknown_for_what_was_before_the_first_bar():
    rows = table(("A", "2024-01-01", "2024-01-02 12:00", 1.0), ("A", "2024-01-03", "2024-01-03 22:00", 2.0))
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    equal(events.age(rows, "x", like, unit="bars"), [[np.nan], [np.nan], [0.0], [1.0]])
    equal(events.age(rows, "x", like.between("2024-01-03"), unit="bars"), [[np.nan], [0.0], [1.0]])
    at_the_close = table(("A", "2024-01-01", "2024-01-02 21:00", 1.0))
    equal(events.age(at_the_close, "x", like, unit="bars"), [[0.0], [1.0], [2.0], [3.0]])


def test_days_until_counts_only_what_was_announced_before():
    rows = table(
        ("A", "2024-01-05 21:00", "2024-01-02 12:00", 1.0),
        ("A", "2024-01-04 21:00", "2024-01-03 12:00", 1.0),  # a nearer one, announced a day later
        ("A", "2024-01-04 21:00", "2024-01-04 12:00", None),  # and called off
        ("A", "2024-01-03 20:00", "2024-01-03 22:00", 1.0),  # published after it happened
    )
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08")
    equal(events.days_until(rows, "x", like), [[3.0], [1.0], [1.0], [np.nan], [np.nan]])


def test_a_date_that_is_called_off_and_set_again_counts_again():
    rows = table(
        ("A", "2024-01-05 21:00", "2024-01-02 12:00", 1.0),
        ("A", "2024-01-05 21:00", "2024-01-03 12:00", None),
        ("A", "2024-01-05 21:00", "2024-01-04 12:00", 1.0),
    )
    like = bars("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    equal(events.days_until(rows, "x", like), [[3.0], [np.nan], [1.0], [np.nan]])


# Corners


@pytest.mark.parametrize("function", [events.panel, events.age, events.days_until])
def test_corners(function):
    none = empty("events")
    like = bars("2024-01-02", "2024-01-03", symbols=("A", "B"))
    equal(function(none, "x", like), np.full((2, 2), np.nan))  # nothing was ever known
    future = table(("A", "2024-02-01", "2024-02-01", 1.0))
    equal(function(future, "x", like), np.full((2, 2), np.nan))
    assert function(future, "x", like.between("2025-01-01")).shape == (0, 2)
    one = bars("2024-01-02")
    assert function(table(("A", "2024-01-01", "2024-01-02", 1.0)), "x", one).shape == (1, 1)


def test_a_field_without_any_value_is_missing_throughout():
    rows = table(("A", "2024-01-01", "2024-01-02", None), ("A", "2024-01-02", "2024-01-03", None))
    equal(events.panel(rows, "x", bars("2024-01-02", "2024-01-03")), [[np.nan], [np.nan]])


# Oracles

MINUTE = 60_000_000
START = np.datetime64("2024-01-01T00:00", "us")
DAYS = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-01-16"))
LIKE = Panel(np.ones((DAYS.size, 2)), DAYS, ["A", "B"], frequency=XNYS)
CLOSES = DAYS.astype("datetime64[us]") + np.timedelta64(21, "h")  # winter, no early close: 16:00 in New York

ROW = st.tuples(
    st.sampled_from(["A", "B", "Z"]),
    st.integers(0, 6).map(lambda n: n * 1440 * 2),  # few events, so that versions and ties are common
    st.integers(0, 16 * 8).map(lambda n: n * 180),  # every three hours: some fall on a close
    st.one_of(st.none(), st.integers(-5, 5).map(float)),
)
ROWS = st.lists(ROW, max_size=25, unique_by=lambda row: row[:3])


def frame(rows: list[tuple]) -> pl.DataFrame:
    start = START.item().replace(tzinfo=UTC)
    return pl.DataFrame(
        [(name, start + timedelta(minutes=e), start + timedelta(minutes=a), "x", v) for name, e, a, v in rows],
        schema=SCHEMA,
        orient="row",
    )


def cell(rows: list[tuple], symbol: str, close: np.datetime64, back: int = 0):
    """The back-th latest event known at a close: (value, event, first known, last known), or None; row by row."""
    now = int((close - START) / np.timedelta64(1, "m"))
    known = sorted((a, e, v) for name, e, a, v in rows if name == symbol and a <= now)
    found: dict[int, list[tuple[int, float | None]]] = {}
    for a, e, v in known:
        found.setdefault(e, []).append((a, v))
    if len(found) <= back:
        return None
    event = sorted(found)[-1 - back]
    versions = found[event]
    value = versions[-1][1]
    return (np.nan if value is None else value), event, versions[0][0], versions[-1][0]


def grid(function) -> np.ndarray:
    return np.array([[function(close, symbol) for symbol in ("A", "B")] for close in CLOSES], dtype=float)


@given(ROWS)
@settings(max_examples=150)
def test_every_cell_is_what_a_person_would_look_up(rows):
    known = pl.concat([frame([("A", 0, 0, 0.0), ("B", 0, 0, 0.0)]).filter(pl.lit(not rows)), frame(rows)])
    rows = rows or [("A", 0, 0, 0.0), ("B", 0, 0, 0.0)]
    if not {name for name, *_ in rows} & {"A", "B"}:
        with pytest.raises(InputError, match="No id of field 'x'"):
            events.panel(known, "x", LIKE)
        return
    now = (CLOSES - START) / np.timedelta64(1, "m")
    minutes = dict(zip(CLOSES.tolist(), now, strict=True))

    def look(back, part):
        def one(close, symbol):
            found = cell(rows, symbol, close, back)
            return np.nan if found is None else part(found, minutes[close.item()])

        return grid(one)

    equal(events.panel(known, "x", LIKE), look(0, lambda found, _: found[0]))
    equal(events.panel(known, "x", LIKE, kind="previous"), look(1, lambda found, _: found[0]))
    equal(events.panel(known, "x", LIKE, kind="change"), look(0, lambda f, _: f[0]) - look(1, lambda f, _: f[0]))
    equal(
        events.panel(known, "x", LIKE, max_age=2),
        look(0, lambda found, t: found[0] if t - found[3] <= 2 * 1440 else np.nan),
    )
    for since, part in (("event", 1), ("published", 2), ("revised", 3)):
        equal(events.age(known, "x", LIKE, since=since), look(0, lambda found, t, k=part: (t - found[k]) / 1440))

    def next_event(close, symbol):
        t = minutes[close.item()]
        ahead = []
        for event in {e for name, e, a, _ in rows if name == symbol and e > t and a <= t}:
            versions = sorted((a, v) for name, e, a, v in rows if (name, e) == (symbol, event) and a <= t)
            if versions[-1][1] is not None:
                ahead.append(event)
        return (min(ahead) - t) / 1440 if ahead else np.nan

    equal(events.days_until(known, "x", LIKE), grid(next_event))


def test_where_events_come_in_order_it_is_the_as_of_join_of_polars():
    draw = generator(3)
    days = sessions("XNYS", np.datetime64("2019-01-02"), np.datetime64("2023-12-29"))
    names = [f"S{i}" for i in range(20)]
    n = 3_000
    available = np.sort(draw.choice(5 * 365 * 1440, n, replace=False)) * np.timedelta64(1, "m") + np.datetime64(
        "2019-01-01", "us"
    )
    known = pl.DataFrame(
        {
            "id": [names[i] for i in draw.integers(0, 20, n)],
            "event_time": pl.Series(available - np.timedelta64(1, "D")).dt.replace_time_zone("UTC"),
            "available_time": pl.Series(available).dt.replace_time_zone("UTC"),
            "field": "x",
            "value": draw.normal(size=n),
        }
    )
    like = Panel(np.ones((days.size, 20)), days, names, frequency=XNYS)
    from quantlab.data.calendars import Calendar

    closes = Calendar("XNYS").windows(days[0], days[-1])["close"].dt.cast_time_unit("us")
    cells = pl.DataFrame({"close": closes}).join(pl.DataFrame({"id": names}), how="cross").sort("close")
    joined = cells.join_asof(
        known.sort("available_time"),
        left_on="close",
        right_on="available_time",
        by="id",
        tolerance="30d",
        check_sortedness=False,
    )
    expected = joined["value"].to_numpy().reshape(days.size, 20)
    equal(events.panel(known, "x", like, max_age=30), expected)


# Look-ahead


@given(ROWS, st.integers(0, DAYS.size - 1), st.integers(0, 2**31), st.sampled_from(["drop", "change", "add"]))
@settings(max_examples=150)
def test_what_becomes_available_after_a_close_changes_no_row_up_to_it(rows, t, seed, how):
    rows = [("A", 0, 0, 1.0), ("B", 0, 0, 1.0), *(row for row in rows if row[1:3] != (0, 0))]
    now = int((CLOSES[t] - START) / np.timedelta64(1, "m"))
    draw = generator(seed)
    past, future = [row for row in rows if row[2] <= now], [row for row in rows if row[2] > now]
    if how == "change":
        future = [(name, e, a, float(draw.normal(scale=1e6))) for name, e, a, _ in future]
    elif how == "add":
        # Restatements and new events at the first moments after the close: an off-by-one would let them in.
        future += [("A", int(draw.integers(0, 9)) * 2880 + 1, now + 1 + int(k), 1e9) for k in range(5)]
        future += [(name, e, now + 6 + k, 1e9) for k, (name, e, _, _) in enumerate(past[:5])]
        future = list({row[:3]: row for row in future}.values())
    else:
        future = []
    before, after = frame(rows), frame(past + future)
    until = str(DAYS[t])
    calls = [
        lambda known, like: events.panel(known, "x", like),
        lambda known, like: events.panel(known, "x", like, kind="previous"),
        lambda known, like: events.panel(known, "x", like, kind="change", max_age=3),
        lambda known, like: events.age(known, "x", like, unit="bars"),
        lambda known, like: events.age(known, "x", like, since="revised"),
        lambda known, like: events.days_until(known, "x", like),
    ]
    for call in calls:
        whole = call(before, LIKE).between(None, until)
        np.testing.assert_array_equal(call(after, LIKE).between(None, until).values, whole.values)
        np.testing.assert_array_equal(call(before, LIKE.between(None, until)).values, whole.values)
        np.testing.assert_array_equal(
            call(events.known_at(before, CLOSES[t]), LIKE).between(None, until).values, whole.values
        )


def test_the_join_is_causal_in_the_bars():
    rows = table(*((name, f"2024-01-0{k}", f"2024-01-0{k + 1} 12:00", float(k)) for k in (1, 3, 5, 7) for name in "AB"))
    for call in (events.panel, events.age):
        assert_causal(lambda close, call=call: call(rows, "x", close), LIKE)


# Refusals


def test_bars_without_a_calendar_have_no_close():
    rows = table(("A", "2024-01-01", "2024-01-02", 1.0))
    with pytest.raises(InputError, match=r"nobody knows when they closed.*close_time"):
        events.panel(rows, "x", bars("2024-01-02", calendar=None))
    with pytest.raises(InputError, match=r"2024-01-06 and 1 more, which is no session of XNYS"):
        events.panel(rows, "x", bars("2024-01-05", "2024-01-06", "2024-01-07"))


@pytest.mark.parametrize(
    ("close_time", "error", "words"),
    [
        ("16:00", InputError, 'must read like "16:00 America/New_York"'),
        ("16:00 Mars/Olympus", InputError, "Time zone 'Mars/Olympus' is unknown"),
        (np.array(["2024-01-02T21:00"], dtype="datetime64[us]"), InputError, r"one moment per bar \(2\), received 1"),
        (np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]"), InputError, "moments in UTC, received days"),
        (16, KindError, None),
    ],
)
def test_a_close_time_that_says_nothing_is_refused(close_time, error, words):
    rows = table(("A", "2024-01-01", "2024-01-02", 1.0))
    with pytest.raises((error, InputError), match=words):
        events.panel(rows, "x", bars("2024-01-02", "2024-01-03", calendar=None), close_time=close_time)


def test_unknown_names_are_refused_with_their_neighbors():
    rows = table(("A", "2024-01-01", "2024-01-02", 1.0), ("B", "2024-01-01", "2024-01-02", 1.0))
    sales = rows.with_columns(field=pl.lit("total_revenue"))
    like = bars("2024-01-02")
    with pytest.raises(InputError, match=r"no field 'total_revenu'. Hint: did you mean 'total_revenue'"):
        events.panel(sales, "total_revenu", like)
    with pytest.raises(InputError, match=r"no field 'qqq'. Hint: they have x"):
        events.panel(rows, "qqq", like)
    with pytest.raises(
        InputError, match="No id of field 'x' is a symbol of the bars: it has A and 1 more, they have Q"
    ):
        events.panel(rows, "x", bars("2024-01-02", symbols=("Q",)))
    with pytest.raises(InputError, match='a market-wide series needs `series="A"`'):
        events.panel(rows.head(1), "x", bars("2024-01-02", symbols=("Q",)))
    with pytest.raises(InputError, match=r"has no id 'C'. Hint: it has A, B"):
        events.panel(rows, "x", like, series="C")
    with pytest.raises(InputError, match=r"Id B of field 'x' is no symbol of the bars.*coverage"):
        events.panel(rows, "x", like, strict=True)
    equal(events.panel(rows, "x", like), [[1.0]])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kind": "first"}, InputError, '`kind` must be "latest", "previous" or "change"'),
        ({"max_age": 0}, InputError, "`max_age` must be a positive number of days, received 0"),
        ({"max_age": "1d"}, KindError, "`max_age` must be a number"),
        ({"series": 3}, KindError, "`series` must be an id"),
    ],
)
def test_options_that_cannot_be_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        events.panel(table(("A", "2024-01-01", "2024-01-02", 1.0)), "x", bars("2024-01-02"), **options)


@pytest.mark.parametrize(("options", "words"), [({"since": "birth"}, "`since`"), ({"unit": "hours"}, "`unit`")])
def test_ages_in_other_words_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        events.age(table(("A", "2024-01-01", "2024-01-02", 1.0)), "x", bars("2024-01-02"), **options)


def test_what_is_no_events_table_is_refused():
    rows = table(("A", "2024-01-01", "2024-01-02", 1.0))
    like = bars("2024-01-02")
    cases = [
        ([1], KindError, "must be Events or a Polars frame, received list"),
        (rows.drop("value"), InputError, "needs the column `value`"),
        (
            rows.with_columns(value=pl.lit("a")),
            KindError,
            "Column value of the events must be numbers, received String",
        ),
        (rows.with_columns(value=pl.lit(np.inf)), DataError, "infinite at row 0"),
        (rows.with_columns(id=pl.lit(3)), KindError, "Column id of the events must be text"),
        (rows.with_columns(id=pl.lit(None, pl.String)), DataError, "Column id of the events has a null at row 0"),
        (pl.concat([rows, rows]), DataError, "A x 2024-01-01 stands twice with one available_time"),
        (rows.with_columns(pl.col("available_time").dt.date()), KindError, "must hold moments"),
        (
            rows.with_columns(pl.col("event_time").dt.replace_time_zone(None)),
            KindError,
            "Column event_time of the events has clock times without a time zone",
        ),
    ]
    for frame_, error, words in cases:
        with pytest.raises(error, match=words):
            events.panel(frame_, "x", like)
    # Other zones and units are the same moments; lazy frames are frames.
    other = rows.with_columns(
        pl.col("available_time").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns")
    ).lazy()
    equal(events.panel(other, "x", like), [[1.0]])


def test_coverage_lists_both_sides():
    rows = table(
        ("A", "2024-01-01", "2024-01-02", 1.0),
        ("A", "2024-01-02", "2024-01-05", 1.0),
        ("Z", "2024-01-01", "2024-01-02", 1.0),
    )
    found = events.coverage(rows, bars("2024-01-02", symbols=("B", "A")))
    assert found.select("id", "field", "matched", "rows").rows() == [
        ("A", "x", True, 2),
        ("Z", "x", False, 1),
        ("B", None, False, 0),
    ]
    assert found["last"][0] == at("2024-01-05")
    assert events.coverage(empty("events"), bars("2024-01-02"))["id"].to_list() == ["A"]


def test_twenty_thousand_events_out_of_order():
    draw = generator(1)
    n = 20_000
    start = datetime(2024, 1, 2, tzinfo=UTC)
    known = pl.DataFrame(
        {
            "id": draw.choice(["A", "B"], n),
            "event_time": [start + timedelta(minutes=int(k)) for k in draw.permutation(n)],
            "available_time": [start + timedelta(minutes=int(k)) for k in n + draw.integers(0, n, n)],
            "field": "x",
            "value": draw.normal(size=n),
        }
    ).with_columns(pl.col("event_time", "available_time").dt.cast_time_unit("us"))
    found = events.panel(known, "x", LIKE)
    until = CLOSES[-1].item().replace(tzinfo=UTC)
    best = known.filter(pl.col("available_time") <= until).sort("event_time").group_by("id").last().sort("id")
    np.testing.assert_array_equal(found.values[-1], best["value"].to_numpy())


def test_a_date_means_all_of_it():
    assert events.known_at(table(("A", "2024-01-01", "2024-01-02 23:59", 1.0)), date(2024, 1, 2)).height == 1
