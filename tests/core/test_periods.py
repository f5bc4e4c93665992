"""Bars per year and period ends: what was known at the close of a bar, by the exchange's calendar."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Frequency, InputError, KindError
from quantlab.core.periods import bars_per_year, period_ends, sessions

NYSE = Frequency.daily("XNYS")


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def between(start: str, end: str, calendar: str = "XNYS") -> np.ndarray:
    return sessions(calendar, np.datetime64(start), np.datetime64(end))


def ends(days: np.ndarray, rule: str | int = "month_end", frequency: Frequency = NYSE) -> list[str]:
    return [str(day) for day in days[period_ends(days, rule, frequency)]]


# Frequency ---------------------------------------------------------------------------------------------------------


def test_frequency_is_a_value() -> None:
    assert Frequency(12) == Frequency(12.0) != Frequency(12, "XNYS")
    assert hash(Frequency(12)) == hash(Frequency(12.0))
    assert pickle.loads(pickle.dumps(NYSE)) == NYSE
    assert Frequency(None).periods is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        NYSE.periods = 1.0


@pytest.mark.parametrize(
    ("calendar", "periods"), [("XNYS", 252.0), ("XNAS", 252.0), ("24/7", 365.0), ("XLON", 253.0), ("XHKG", 246.0)]
)
def test_daily(calendar: str, periods: float) -> None:
    # London: 2,526 sessions in 2010-2019 by the exchange's published holidays; Hong Kong 2,462.
    assert Frequency.daily(calendar) == Frequency(periods, calendar)


@pytest.mark.parametrize(
    ("calendar", "minutes", "periods"),
    [
        ("XNYS", 1, 252 * 390),
        ("XNYS", 60, 1638),
        ("XNYS", 390, 252),
        ("24/7", 60, 365 * 24),
        # Half past eight hours in London, of about 253 sessions.
        ("XLON", 30, 253 * 17),
        # Tokyo trades from 9:00 to 15:30 since November 2024, with an hour of rest.
        ("XTKS", 5, 245 * 66),
        # Futures trade around the clock, as the library has it.
        ("CMES", 60, 258 * 24),
    ],
)
def test_intraday(calendar: str, minutes: int, periods: float) -> None:
    assert Frequency.intraday(calendar, minutes) == Frequency(periods, calendar)


@pytest.mark.parametrize(
    ("calendar", "minutes", "said"),
    [
        ("XNYS", 0, "`minutes` must be an integer >= 1, received 0."),
        ("XNYS", 2.5, "`minutes` must be an integer >= 1, received 2.5."),
        ("XNYS", True, "`minutes` must be an integer >= 1, received True."),
        ("XNYS", 391, "A session of XNYS has 390 minutes, and a bar of 391 is longer."),
        ("NYSE!", 5, "Calendar 'NYSE!' is unknown."),
    ],
)
def test_intraday_refuses(calendar: str, minutes: object, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Frequency.intraday(calendar, minutes)  # type: ignore[arg-type]
    assert caught.value.message == said


@pytest.mark.parametrize("wrong", [0, -1, np.nan, np.inf])
def test_bars_per_year_are_positive(wrong: float) -> None:
    for make in (Frequency, lambda x: bars_per_year(None, x)):
        with pytest.raises(InputError, match=r"^`periods` \(bars per year\) must be a positive number, received "):
            make(wrong)


@pytest.mark.parametrize("wrong", ["252", True, [252]])
def test_bars_per_year_are_numbers(wrong: object) -> None:
    for make in (Frequency, lambda x: bars_per_year(None, x)):
        with pytest.raises(KindError, match=r"^`periods` \(bars per year\) must be a number, received "):
            make(wrong)


def test_a_calendar_is_a_code() -> None:
    with pytest.raises(KindError, match=r"^`calendar` must be a code such as 'XNYS', received int\.$"):
        Frequency(252, 7)


def test_declared_bars_win_over_the_frequency() -> None:
    assert bars_per_year(Frequency(12), 252) == 252.0
    assert bars_per_year(Frequency(12)) == 12.0
    for unknown in (None, Frequency(None, "XNYS")):
        with pytest.raises(InputError, match=r"^The number of bars per year is unknown\. Hint: say it with") as caught:
            bars_per_year(unknown)
        assert caught.value.hint == (
            'say it with the data, `ql.as_bars(close, frequency=ql.Frequency.daily("XNYS"))`, or `periods=252`.'
        )


# Sessions ----------------------------------------------------------------------------------------------------------


def test_sessions() -> None:
    year = between("2024-01-01", "2024-12-31")
    assert year.size == 252  # NYSE's own count
    assert np.datetime64("2024-03-29") not in year
    assert between("2001-09-10", "2001-09-17").tolist() == [date(2001, 9, 10), date(2001, 9, 17)]
    assert between("2024-01-01", "2024-01-03", "24/7").size == 3
    assert between("2024-01-06", "2024-01-07").size == 0
    assert between("1979-12-31", "1980-01-02").size == 2  # across decades


@pytest.mark.parametrize("ask", [Frequency.daily, lambda c: between("2024-01-01", "2024-02-01", c)])
def test_unknown_calendars_are_refused(ask: Callable[[str], object]) -> None:
    with pytest.raises(InputError, match=r"^Calendar 'NOPE' is unknown\. Hint: use a code of exchange_calendars"):
        ask("NOPE")


def test_a_calendar_that_does_not_reach_so_far_is_refused() -> None:
    # Fewer sessions without a word would mean fewer decisions without a word. XSAU begins in 2021, XHKG ends in 2049.
    with pytest.raises(InputError, match=r"^Calendar 'XSAU' is known from 2021-01-01 to 2029-12-31, not in 2010-01-01"):
        between("2015-01-01", "2015-02-01", "XSAU")
    with pytest.raises(InputError, match=r"^Calendar 'XSAU' is known from 2021-01-01 on, received 2020-12-01\.$"):
        between("2020-12-01", "2021-02-01", "XSAU")
    with pytest.raises(InputError, match=r"^Calendar 'XHKG' is known until 2049-12-31, received 2050-01-01\.$"):
        between("2049-12-01", "2050-01-01", "XHKG")
    with pytest.raises(InputError, match="known from 2021-01-01 on"):
        period_ends(dates("2020-12-30", "2020-12-31"), "month_end", Frequency(250, "XSAU"))
    assert between("2021-01-01", "2021-01-10", "XSAU").size > 0


def test_a_calendar_that_the_library_cannot_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import exchange_calendars

    def fail(*args: object, **kwargs: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(exchange_calendars, "get_calendar", fail)
    with pytest.raises(InputError, match=r"^Calendar 'XWBO' cannot be built by the installed exchange_calendars"):
        between("2024-01-01", "2024-02-01", "XWBO")


# Period ends -------------------------------------------------------------------------------------------------------


def test_good_friday_ends_march_2024_on_thursday() -> None:
    days = between("2024-03-01", "2024-04-10")
    assert ends(days) == ["2024-03-28"]
    # Known at that close, although the data stop there and the calendar month does not.
    assert ends(days[days <= np.datetime64("2024-03-28")]) == ["2024-03-28"]
    assert ends(days, "week_end") == [
        "2024-03-01",
        "2024-03-08",
        "2024-03-15",
        "2024-03-22",
        "2024-03-28",
        "2024-04-05",
    ]


def test_nobody_knew_on_2001_09_10_that_the_week_was_over() -> None:
    days = between("2001-09-04", "2001-09-28")
    # The week of the attack was planned to end on Friday the 14th; the first bar after that is Monday the 17th.
    assert ends(days, "week_end") == ["2001-09-07", "2001-09-17", "2001-09-21", "2001-09-28"]
    assert ends(days, "month_end") == ["2001-09-28"]


def test_the_storm_of_2012_did_not_move_the_end_of_october() -> None:
    # Closed on Monday 29 and Tuesday 30 October at short notice.
    assert ends(between("2012-10-15", "2012-11-09")) == ["2012-10-31"]


def test_a_missing_last_bar_moves_the_decision_to_the_next_bar() -> None:
    days = between("2024-01-22", "2024-03-05")
    january_end = days == np.datetime64("2024-01-31")
    assert ends(days) == ["2024-01-31", "2024-02-29"]
    assert ends(days[~january_end]) == ["2024-02-01", "2024-02-29"]
    # A whole month without bars: one decision, not two.
    sparse = dates("2024-01-30", "2024-03-04", "2024-03-05", "2024-03-28")
    assert ends(sparse) == ["2024-03-04", "2024-03-28"]


def test_the_first_bar_decides_only_if_it_ends_a_period_itself() -> None:
    # What came before the data is not known to be missing.
    assert ends(dates("2024-02-01", "2024-02-02")) == []
    assert ends(dates("2024-01-31", "2024-02-01")) == ["2024-01-31"]


def test_every_n_bars() -> None:
    days = between("2024-01-01", "2024-01-12")
    np.testing.assert_array_equal(np.flatnonzero(period_ends(days, 3, None)), [0, 3, 6])
    np.testing.assert_array_equal(period_ends(days, np.int64(1), None), True)
    assert period_ends(days[:0], 3, None).size == 0
    with pytest.raises(InputError, match=r"^A rebalance every n bars needs n >= 1, received 0\.$"):
        period_ends(days, 0, None)


def test_refusals() -> None:
    days = between("2024-01-01", "2024-01-12")
    for wrong in ("monthly", True, 1.5, None):
        with pytest.raises(InputError, match=r"^The calendar rule must be one of week_end, month_end or an integer"):
            period_ends(days, wrong, NYSE)
    for unknown in (None, Frequency(252)):
        with pytest.raises(InputError, match=r'^"month_end" needs the trading calendar'):
            period_ends(days, "month_end", unknown)
    times = np.array(["2024-01-31T15:30"], dtype="datetime64[us]")
    with pytest.raises(
        InputError, match=r'^"month_end" is defined for daily bars, and these begin at 2024-01-31 15:30'
    ):
        period_ends(times, "month_end", NYSE)
    assert period_ends(days[:0], "month_end", NYSE).size == 0


def test_a_market_that_never_closes() -> None:
    days = np.arange(np.datetime64("2024-02-26"), np.datetime64("2024-03-05"))
    always = Frequency.daily("24/7")
    assert ends(days, "month_end", always) == ["2024-02-29"]
    assert ends(days, "week_end", always) == ["2024-03-03"]  # a Sunday


@pytest.mark.parametrize(
    ("calendar", "rule", "early", "late"),
    [
        ("XNYS", "month_end", set(), set()),
        ("XNYS", "week_end", set(), set()),
        ("XLON", "month_end", set(), set()),
        ("XLON", "week_end", set(), set()),
        # The library lists Tokyo's holidays for the change of emperor, 30 April to 2 May 2019, with those of short
        # notice, although they were known: decisions wait for the next bar. That is late by a bar, never early.
        ("XTKS", "month_end", {"2019-04-26"}, {"2019-05-07"}),
        ("XTKS", "week_end", set(), {"2019-05-07"}),
    ],
)
def test_on_complete_data_a_period_ends_on_its_last_session(
    calendar: str, rule: str, early: set[str], late: set[str]
) -> None:
    days = between("2015-01-01", "2019-12-31", calendar)
    if rule == "month_end":
        group = [day.isoformat()[:7] for day in days.tolist()]
    else:
        group = [str(day.isocalendar()[:2]) for day in days.tolist()]
    last = {str(day) for name, day in dict(zip(group, days, strict=True)).items() if name != group[-1]}
    found = {day for day in ends(days, rule, Frequency.daily(calendar)) if day < str(days[-5])}
    last = {day for day in last if day < str(days[-5])}
    assert last - found == early
    assert found - last == late


POOL = between("2001-08-15", "2001-11-15")


@given(st.sets(st.sampled_from(range(POOL.size)), min_size=1), st.sampled_from(["month_end", "week_end", 3]), st.data())
def test_truncation_changes_nothing(chosen: set[int], rule: str | int, data: st.DataObject) -> None:
    """At every bar the decision is the same for data that stop there; around 2001-09-11, with holes in the data."""
    days = POOL[sorted(chosen)]
    whole = period_ends(days, rule, NYSE)
    cut = data.draw(st.integers(0, days.size))
    np.testing.assert_array_equal(period_ends(days[:cut], rule, NYSE), whole[:cut])


@given(st.integers(0, 20_000), st.integers(1, 80))
def test_truncation_across_decades(first: int, length: int) -> None:
    days = np.datetime64("1970-01-01") + np.arange(first, first + length)  # weekends and holidays too
    np.testing.assert_array_equal(
        period_ends(days[: length // 2], "month_end", NYSE), period_ends(days, "month_end", NYSE)[: length // 2]
    )
