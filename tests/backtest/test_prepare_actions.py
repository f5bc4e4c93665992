"""Corporate actions as they reach an engine, and what happens to a holding whose prices end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.backtest._prepare_actions import KINDS
from quantlab.core import DataError, Frequency, InputError
from quantlab.execution import _kernel_types as k

from ._prepared import INF, NAN, NEW_YORK, bars_of, found, rules, weigh


def test_actions_are_sorted_by_bar_and_in_the_order_of_their_booking():
    rows = [
        ("B", "2024-01-02", "delisting", -0.3),
        ("A", "2024-01-03", "dividend", 1.0, "2024-01-04"),
        ("A", "2024-01-03", "special_dividend", 2.0, "2024-01-03"),
        ("A", "2024-01-03", "spinoff", 0.1),
        ("A", "2024-01-03", "split", 3.0),
        ("A", "2024-01-04", "conversion", 0.5, "C"),
    ]
    world = weigh(bars_of([[1.0, 1.0, 1.0]] * 4, actions=rows), {0: [0.1, 0.0, 0.0]}).inputs.world
    np.testing.assert_array_equal(world.action_bar, [1, 2, 2, 2, 2, 3])
    np.testing.assert_array_equal(world.action_asset, [1, 0, 0, 0, 0, 0])
    want = [k.DELISTING, k.SPLIT, k.SPINOFF, k.DIVIDEND, k.DIVIDEND, k.CONVERSION]
    np.testing.assert_array_equal(world.action_kind, want)
    np.testing.assert_array_equal(world.action_value, [-0.3, 3.0, 0.1, 1.0, 2.0, 0.5])
    np.testing.assert_array_equal(world.action_other, [-1, -1, -1, -1, -1, 2])
    np.testing.assert_array_equal(world.action_pay, [1, 2, 2, 3, 2, 3])
    np.testing.assert_array_equal(world.action_pay[world.pay_order], [1, 2, 2, 2, 3, 3])


def test_an_action_acts_on_the_first_bar_at_or_after_its_date():
    days = np.array(["2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    rows = [
        ("A", "2024-01-04", "split", 2.0),  # before the first bar
        ("A", "2024-01-05", "split", 3.0),
        ("A", "2024-01-06", "split", 4.0),  # a Saturday
        ("A", "2024-01-09", "split", 5.0),
        ("A", "2024-01-10", "split", 6.0),  # after the last
        ("Z", "2024-01-08", "split", 7.0),  # not here
    ]
    world = weigh(bars_of([1.0] * 3, dates=days, actions=rows), {0: 1.0}).inputs.world
    np.testing.assert_array_equal(world.action_bar, [0, 1, 2])
    np.testing.assert_array_equal(world.action_value, [3.0, 4.0, 5.0])


def test_intraday_actions_act_on_the_first_bar_of_their_session():
    dates = np.array(NEW_YORK, dtype="datetime64[us]")
    rows = [("A", "2024-11-29", "dividend", 1.0, "2024-12-02"), ("A", "2024-12-02", "split", 2.0)]
    bars = bars_of([1.0] * 7, dates=dates, frequency=Frequency.intraday("XNYS", 30), actions=rows)
    world = weigh(bars, {0: 1.0}).inputs.world
    np.testing.assert_array_equal(world.action_bar, [3, 6])
    np.testing.assert_array_equal(world.action_pay, [6, 6])


def test_actions_beside_the_sessions_of_intraday_bars_do_nothing():
    # 01:00 UTC on Tuesday is Monday evening in New York, the table of the bars begins on Tuesday and ends on Wednesday.
    dates = np.array(["2024-06-03T14:00", "2024-06-04T01:00"], dtype="datetime64[us]")
    rows = [("A", "2024-06-03", "split", 2.0), ("A", "2024-06-04", "split", 3.0)]
    bars = bars_of([1.0] * 2, dates=dates, frequency=Frequency.intraday("XNYS", 30), actions=rows)
    np.testing.assert_array_equal(weigh(bars, {0: 1.0}).inputs.world.action_value, [2.0])
    # The first bar ends on Monday in UTC and belongs to Chicago's session of Tuesday.
    dates = np.array(["2024-06-03T23:00", "2024-06-04T15:00"], dtype="datetime64[us]")
    bars = bars_of([1.0] * 2, dates=dates, frequency=Frequency(252 * 23, "CMES"), actions=rows)
    np.testing.assert_array_equal(weigh(bars, {0: 1.0}).inputs.world.action_value, [3.0])


def test_payments():
    rows = [
        ("A", "2024-01-02", "dividend", 1.0),  # unknown: with the ex-date
        ("A", "2024-01-02", "special_dividend", 2.0, "2024-01-04"),
        ("B", "2024-01-02", "dividend", 3.0, "2024-02-01"),  # after the last bar
        ("B", "2024-01-03", "dividend", 4.0, "2024-01-01"),  # nobody is paid before the ex-date
        ("B", "2024-01-03", "special_dividend", 5.0),
    ]
    prepared = weigh(bars_of([[1.0, 1.0]] * 4, actions=rows), {0: [0.1, 0.1]})
    world = prepared.inputs.world
    np.testing.assert_array_equal(world.action_value, [1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(world.action_pay, [1, 3, 4, 2, 2])
    np.testing.assert_array_equal(world.pay_order, [0, 3, 4, 1, 2])
    finding = found(prepared, "unknown_pay_date")
    assert (finding.severity, finding.date, finding.symbol, finding.count) == ("info", "2024-01-02", "", 2)
    finding = found(prepared, "pay_date_before_ex")
    assert (finding.severity, finding.date, finding.symbol, finding.count) == ("warning", "2024-01-03", "B", 1)
    assert "paid on the bar of its ex-date" in finding.detail
    on_the_day = bars_of([1.0] * 3, actions=[("A", "2024-01-02", "dividend", 1.0, "2024-01-02")])
    assert rules(weigh(on_the_day, {0: 1.0})) == []


def test_a_table_without_pay_dates_pays_on_the_ex_date():
    bars = bars_of([1.0] * 3, actions=[("A", "2024-01-02", "dividend", 1.0)])
    bars = replace(bars, actions=bars.actions.drop("pay_date", "into"))
    prepared = weigh(bars, {0: 1.0})
    np.testing.assert_array_equal(prepared.inputs.world.action_pay, [1])
    assert found(prepared, "unknown_pay_date").count == 1


def test_actions_of_one_bar_are_booked_by_date():
    days = np.array(["2024-01-05", "2024-01-08", "2024-01-09"], dtype="datetime64[D]")
    rows = [
        ("A", "2024-01-06", "dividend", 1.0, "2024-01-08"),
        ("A", "2024-01-06", "split", 3.0),  # comes before a dividend of its date
        ("A", "2024-01-07", "split", 4.0),
        ("A", "2024-01-08", "dividend", 0.5, "2024-01-08"),
        ("A", "2024-01-08", "split", 2.0),
    ]
    world = weigh(bars_of([1.0] * 3, dates=days, actions=rows), {0: 1.0}).inputs.world
    np.testing.assert_array_equal(world.action_kind, [k.SPLIT, k.DIVIDEND, k.SPLIT, k.SPLIT, k.DIVIDEND])
    np.testing.assert_array_equal(world.action_value, [3.0, 1.0, 4.0, 2.0, 0.5])


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("A", "2024-01-02", "split", 0.0), r"The split of A 2024-01-02 is 0, and must be new shares per old, above 0"),
        (("A", "2024-01-02", "dividend", -1.0), r"The dividend of A 2024-01-02 is -1, and must be currency"),
        (("A", "2024-01-02", "dividend", NAN), r"The dividend of A 2024-01-02 is missing, and must be currency"),
        (("A", "2024-01-02", "spinoff", 1.0), r"The spin-off of A 2024-01-02 is 1, and must be the fraction"),
        (("A", "2024-01-02", "delisting", -1.5), r"The delisting of A 2024-01-02 is -1\.5, and must be a return"),
        (("A", "2024-01-02", "merger", 1.0), r"The action of A 2024-01-02 is of kind 'merger', which is none of split"),
    ],
)
def test_an_action_that_cannot_be_is_refused(row, sentence):
    with pytest.raises(DataError, match=sentence):
        weigh(bars_of([1.0] * 3, actions=[row]), {0: 1.0})


def test_a_conversion_into_a_symbol_that_is_not_here():
    bars = bars_of([[1.0, 1.0]] * 3, actions=[("A", "2024-01-02", "conversion", 1.0, "META")])
    with pytest.raises(DataError, match=r"The conversion of A 2024-01-02 is into a symbol that bars does not have"):
        weigh(bars, {0: [0.5, 0.5]})
    # Nobody holds A: there is nothing to convert.
    assert weigh(bars, {0: [0.0, 0.5]}).inputs.world.action_bar.size == 0


def test_what_a_holding_turns_into_is_held():
    rows = [("A", "2024-01-02", "conversion", 1.0, "B"), ("B", "2024-01-03", "conversion", 1.0, "Z")]
    with pytest.raises(DataError, match=r"The conversion of B 2024-01-03 is into a symbol"):
        weigh(bars_of([[1.0, 1.0]] * 4, actions=rows), {0: [0.5, 0.0]})
    # Asked for after it became B, A is no way to hold B.
    assert weigh(bars_of([[1.0, 1.0]] * 4, actions=rows), {2: [0.5, 0.0]}).inputs.world.action_bar.size == 1


ENDING = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, NAN, NAN], [1.0, NAN, NAN]]


def test_a_delisting_that_is_not_in_the_table_follows_the_policy():
    bars = bars_of(ENDING, actions=[("B", "2024-01-03", "delisting", -0.9)])
    table = weigh(bars, {0: [0.1, 0.1, 0.1]})
    np.testing.assert_array_equal(table.inputs.world.action_asset, [1])
    assert rules(table) == []
    for policy, value in (("last_price", 0.0), (-0.3, -0.3), (0, 0.0)):
        prepared = weigh(bars, {0: [0.1, 0.1, 0.1]}, delisting=policy)
        world = prepared.inputs.world
        np.testing.assert_array_equal(world.action_bar, [2, 2])
        np.testing.assert_array_equal(world.action_asset, [1, 2])
        np.testing.assert_array_equal(world.action_value, [-0.9, value])
        assert [(f.rule, f.severity, f.date, f.symbol) for f in prepared.findings] == [
            ("assumed_delisting", "info", "2024-01-03", "C")
        ]
    # A symbol that nobody trades needs no word.
    assert rules(weigh(bars, {0: [0.1, 0.1, 0.0]}, delisting="last_price")) == []


def test_a_symbol_without_any_price_cannot_be_delisted():
    bars = bars_of([[1.0, NAN]] * 3)
    assert weigh(bars, {0: [0.1, 0.0]}, delisting="last_price").inputs.world.action_bar.size == 0


def test_prices_after_a_delisting_are_told():
    bars = bars_of([[1.0, 1.0]] * 4, actions=[("A", "2024-01-02", "delisting", 0.0)])
    finding = found(weigh(bars, {0: [0.1, 0.1]}), "prices_after_delisting")
    assert (finding.severity, finding.symbol, finding.date, finding.count) == ("warning", "A", "2024-01-02", 3)
    assert rules(weigh(bars, {0: [0.0, 0.1]})) == []


@pytest.mark.parametrize("policy", ["drop", True, None, -1.5, NAN, INF, 30, 10.5])
def test_an_unknown_delisting_policy_is_refused(policy):
    with pytest.raises(InputError, match="`delisting`"):
        weigh(bars_of([1.0] * 3), {0: 1.0}, delisting=policy)


def test_a_delisting_in_percent_is_told_that_it_is_a_fraction():
    with pytest.raises(InputError, match=r"`delisting` is a return of at most 10 \(1,000 %\), received 30\.") as caught:
        weigh(bars_of([1.0] * 3), {0: 1.0}, delisting=30)
    assert "-0.3 for 30 %" in caught.value.hint
    assert weigh(bars_of([1.0, 1.0, NAN]), {0: 1.0}, delisting=10).inputs.world.action_value.tolist() == [10.0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_actions_land_as_a_plain_loop_says(data):
    offsets = sorted(data.draw(st.sets(st.integers(0, 12), min_size=2, max_size=6)))
    sessions = [np.datetime64("2024-01-02") + offset for offset in offsets]
    names = ["B", "A"]
    kinds = ["split", "dividend", "spinoff", "special_dividend", "delisting"]
    rows = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(names), st.integers(-1, 14), st.sampled_from(kinds), st.integers(0, 20) | st.none()
            ),
            max_size=8,
            unique_by=lambda row: row[:3],
        )
    )
    table = []
    for number, (symbol, day, kind, paid) in enumerate(rows):
        pay = [] if paid is None else [str(np.datetime64("2024-01-01") + paid)]
        table.append((symbol, str(np.datetime64("2024-01-02") + day), kind, 0.001 * (number + 1), *pay))
    bars = bars_of(np.ones((len(sessions), 2)), dates=sessions, symbols=names, actions=table)
    world = weigh(bars, {0: [0.1, 0.1]}).inputs.world

    def bar(day):
        return next((t for t, session in enumerate(sessions) if session >= np.datetime64(day)), len(sessions))

    want = []
    for symbol, day, kind, value, *pay in table:
        if np.datetime64(day) < sessions[0] or bar(day) == len(sessions):
            continue
        paid = bar(pay[0]) if pay and "dividend" in kind else bar(day)
        place = (bar(day), day, kind == "delisting", sorted(names).index(symbol), KINDS[kind])
        # Bars sort their table by the name of the kind.
        want.append((*place, kind, value, max(paid, bar(day))))
    want.sort(key=lambda row: row[:6])
    assert world.action_bar.tolist() == [row[0] for row in want]
    assert world.action_asset.tolist() == [row[3] for row in want]
    assert world.action_kind.tolist() == [row[4] for row in want]
    assert world.action_value.tolist() == [row[6] for row in want]
    assert world.action_pay.tolist() == [row[7] for row in want]
    assert sorted(world.pay_order.tolist()) == list(range(len(want)))
    assert (np.diff(world.action_pay[world.pay_order]) >= 0).all()
