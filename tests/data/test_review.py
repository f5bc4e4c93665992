"""Decisions about findings: which bars they hide, which findings they close, against plain loops."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, Panel, as_bars
from quantlab.data import quality, schemas
from quantlab.data.checks._findings import SCHEMA
from quantlab.data.checks._review import UNDATED, decide, masked, status

START = date(2024, 3, 1)
REVIEW = schemas.TABLES["review"].schema


def day(number: int) -> date:
    return START + timedelta(days=number)


def review(*rows: tuple) -> pl.DataFrame:
    return pl.DataFrame([(*row, None) for row in rows], schema=REVIEW, orient="row")


def findings(*rows: tuple) -> pl.DataFrame:
    full = [(rule, symbol, first, "warning", "", "", last, "open") for rule, symbol, first, last in rows]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


def dates(count: int) -> np.ndarray:
    return np.datetime64(START) + np.arange(count)


def test_a_quarantine_hides_its_days_of_its_symbol() -> None:
    table = review(
        ("spike", "A", day(1), None, "quarantine"),
        ("*", "B", day(2), day(3), "quarantine"),
        ("*", None, day(4), day(4), "quarantine"),
        ("stale", "A", day(0), day(4), "accept"),
        ("*", "C", day(0), day(9), "quarantine"),  # no such symbol
    )
    expected = np.zeros((5, 2), dtype=bool)
    expected[1, 0] = expected[2:4, 1] = expected[4] = True
    assert np.array_equal(masked(table, dates(5), ("A", "B")), expected)
    assert np.array_equal(masked(table, dates(5), ("B", "A")), expected[:, ::-1])


def test_days_outside_the_bars_and_between_them() -> None:
    table = review(("*", "A", day(-9), day(0), "quarantine"), ("*", "A", day(3), day(99), "quarantine"))
    held = dates(9)[[0, 1, 2, 5, 8]]
    assert masked(table, held, ("A",))[:, 0].tolist() == [True, False, False, True, True]


def test_an_intraday_bar_belongs_to_its_day() -> None:
    times = np.array(["2024-03-01T21:00", "2024-03-02T14:31", "2024-03-02T21:00", "2024-03-03T00:01"], dtype="M8[us]")
    table = review(("*", "A", day(1), None, "quarantine"))
    assert masked(table, times, ("A",))[:, 0].tolist() == [False, True, True, False]


@pytest.mark.parametrize("count", [0, 3])
def test_no_decisions(count: int) -> None:
    assert masked(schemas.empty("review"), dates(count), ("A", "B")).shape == (count, 2)
    found = findings(("gap", "A", day(0), day(1)))
    assert status(found, schemas.empty("review")).equals(found)
    assert status(found.clear(), schemas.empty("review")).equals(found.clear())


def test_a_run_that_was_accepted_stays_so_when_it_grows_and_a_quarantine_must_hold_it_all() -> None:
    found = findings(("stale", "A", day(2), day(9)))
    for decision, first, last, expected in (
        ("accept", 2, 5, "accepted"),
        ("accept", 3, 9, "open"),
        ("quarantine", 2, 9, "quarantined"),
        ("quarantine", 2, 8, "open"),
    ):
        assert status(found, review(("stale", "A", day(first), day(last), decision)))["status"].to_list() == [expected]


def test_a_quarantine_wins_over_an_acceptance() -> None:
    table = review(("*", "A", day(2), None, "quarantine"), ("spike", "A", day(2), None, "accept"))
    assert status(findings(("spike", "A", day(2), None)), table)["status"].to_list() == ["quarantined"]


def test_a_finding_of_a_whole_date_takes_a_decision_about_every_symbol() -> None:
    found = findings(("no_session", None, day(1), None), ("spike", "A", day(1), None))
    assert status(found, review(("*", "A", day(1), None, "accept")))["status"].to_list() == ["open", "accepted"]
    assert status(found, review(("*", None, day(1), None, "accept")))["status"].to_list() == ["accepted"] * 2


def test_an_undated_finding_can_be_decided_about() -> None:
    found = findings(("date_format", "A", None, None))
    table = decide(found, "accept", note="lost for good")
    assert table.rows() == [("date_format", "A", UNDATED, None, "accept", "lost for good")]
    assert status(found, table)["status"].to_list() == ["accepted"]


def test_decide_gives_the_schema_of_the_table_and_one_row_per_key() -> None:
    found = findings(("gap", "A", day(0), day(1)), ("gap", "A", day(0), day(1)), ("gap", "B", day(0), None))
    table = decide(found, "quarantine")
    assert dict(table.schema) == REVIEW
    assert table.rows() == [
        ("gap", "A", day(0), day(1), "quarantine", None),
        ("gap", "B", day(0), None, "quarantine", None),
    ]
    with pytest.raises(InputError, match="`decision` must be accept, quarantine or withdrawn, received 'drop'"):
        decide(found, "drop")


def test_what_is_decided_is_what_quality_found() -> None:
    close = Panel(np.array([[10.0, 30.0, 10.1, 10.2, 10.1]]).T, dates(5), ["A"])
    found = quality(as_bars(close))
    table = decide(found, "quarantine")
    assert set(status(found, table)["status"]) == {"quarantined"}
    hidden = masked(table, close.dates, close.symbols)
    assert hidden[:, 0].tolist() == [False, True, False, False, False]
    clean = Panel(np.where(hidden, np.nan, close.values), close.dates, close.symbols)
    assert quality(as_bars(clean))["rule"].to_list() == ["gap"]


few = st.integers(0, 4)
symbols = st.sampled_from(["A", "B", None])
decision_rows = st.tuples(
    st.sampled_from(["gap", "spike", "*"]),
    symbols,
    few,
    st.one_of(st.none(), few),
    st.sampled_from(["accept", "quarantine"]),
)
finding_rows = st.tuples(st.sampled_from(["gap", "spike"]), symbols, few, st.one_of(st.none(), few))


@given(st.lists(decision_rows, max_size=5), st.lists(finding_rows, max_size=5))
def test_equals_plain_loops(decisions: list[tuple], found: list[tuple]) -> None:
    table = review(*[(r, s, day(a), None if b is None else day(a + b), d) for r, s, a, b, d in decisions])
    frame = findings(*[(r, s, day(a), None if b is None else day(a + b)) for r, s, a, b in found])
    expected_mask = np.zeros((9, 2), dtype=bool)
    for _, symbol, first, more, decision in decisions:
        for t in range(9):
            for n, name in enumerate("AB"):
                if decision == "quarantine" and symbol in (None, name) and first <= t <= first + (more or 0):
                    expected_mask[t, n] = True
    assert np.array_equal(masked(table, dates(9), ("A", "B")), expected_mask)
    expected = []
    for rule, symbol, first, more in found:
        held = "open"
        for r, s, a, b, decision in decisions:
            whole = decision == "accept" or first + (more or 0) <= a + (b or 0)
            if r in ("*", rule) and s in (None, symbol) and a <= first <= a + (b or 0) and whole:
                held = {"accept": "accepted", "quarantine": "quarantined"}[decision] if held != "quarantined" else held
        expected.append(held)
    assert status(frame, table)["status"].to_list() == expected
