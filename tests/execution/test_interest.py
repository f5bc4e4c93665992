"""Interest: tiers and dates as arrays for the engine, against the examples of a broker and a plain evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import InputError, KindError
from quantlab.execution import Interest, Tiers
from quantlab.execution._interest import bands

DAYS = np.arange("2024-01-01", 10, dtype="datetime64[D]")
DEBIT, CREDIT, SHORT = 0, 1, 2


def earned(amount, lower, rates):
    """Marginal interest of a year: the part of the amount in each band at the band's rate."""
    upper = np.append(lower[1:], np.inf)
    total = 0.0
    for low, high, rate in zip(lower, upper, rates, strict=True):
        if amount > low:
            total += (min(amount, high) - low) * rate
    return total


def test_no_interest_is_one_band_of_zero():
    thresholds, rates, days = bands([None, None], DAYS)
    np.testing.assert_array_equal(thresholds, np.zeros((2, 3, 1)))
    np.testing.assert_array_equal(rates, np.zeros((1, 2, 3, 1)))
    assert days == 360.0


def test_a_debit_of_a_month():
    """5,000 at 6 % for 30 days on 360: 25.00."""
    thresholds, rates, days = bands([Interest(debit=0.06)], DAYS)
    assert earned(5_000, thresholds[0, DEBIT], rates[0, 0, DEBIT]) * 30 / days == pytest.approx(25.0, rel=1e-15)


def test_the_example_of_a_broker():
    """Interactive Brokers' page of interest examples, US dollars with the benchmark at 1.00 %, one day on 360.

    Short proceeds of 1.5 million: nothing below 100,000 and (floored at zero) below a million, 0.50 % above: 6.94. Free
    cash of 250,000: nothing below 10,000, 0.50 % to 100,000, 0.75 % above: 1.25 + 3.13 = 4.38.
    """
    interest = Interest(
        credit=Tiers((0, 0), (10_000, 0.005), (100_000, 0.0075)),
        short=Tiers((0, 0), (100_000, 0), (1_000_000, 0.005), (3_000_000, 0.0075)),
    )
    thresholds, rates, days = bands([interest], DAYS)
    assert earned(1.5e6, thresholds[0, SHORT], rates[0, 0, SHORT]) / days == pytest.approx(6.94, abs=0.005)
    assert earned(250_000, thresholds[0, CREDIT], rates[0, 0, CREDIT]) / days == pytest.approx(4.38, abs=0.006)
    assert earned(250_000, thresholds[0, DEBIT], rates[0, 0, DEBIT]) == 0.0


def test_kinds_with_fewer_bands_end_at_infinity():
    thresholds, rates, _ = bands([Interest(Tiers((0, 0.06), (100, 0.05)), 0.01), None], DAYS)
    np.testing.assert_array_equal(
        thresholds, [[[0, 100], [0, np.inf], [0, np.inf]], [[0, np.inf], [0, np.inf], [0, np.inf]]]
    )
    np.testing.assert_array_equal(rates, [[[[0.06, 0.05], [0.01, 0.0], [0.0, 0.0]], np.zeros((3, 2))]])
    assert thresholds.dtype == rates.dtype == np.float64


def test_a_rate_holds_from_its_date():
    interest = Interest(credit={"2023-01-01": 0.01, np.datetime64("2024-01-03"): 0.02, DAYS[4].item(): 0.03})
    _, rates, _ = bands([interest], DAYS[:6])
    np.testing.assert_array_equal(rates[:, 0, CREDIT, 0], [0.01, 0.01, 0.02, 0.02, 0.03, 0.03])
    _, rates, _ = bands([interest], DAYS[4:])
    assert rates.shape == (1, 1, 3, 1)


def test_tiers_that_change_with_the_date_share_their_thresholds():
    interest = Interest(debit={"2024-01-01": Tiers((0, 0.06), (100, 0.05)), "2024-01-02": Tiers((0, 0.04), (50, 0.03))})
    thresholds, rates, _ = bands([interest], DAYS[:2])
    np.testing.assert_array_equal(thresholds[0, DEBIT], [0, 50, 100])
    np.testing.assert_array_equal(rates[:, 0, DEBIT], [[0.06, 0.06, 0.05], [0.04, 0.03, 0.03]])


def test_before_the_first_date_nothing_is_guessed():
    with pytest.raises(
        InputError, match=r"^Interest short begins on 2024-01-03 and says nothing of 2024-01-01 and 1 more"
    ):
        bands([Interest(short={"2024-01-03": 0.01})], DAYS)


def test_currencies_may_count_days_differently():
    thresholds, rates, days = bands([None, Interest(0.06), Interest(0.06, day_count=365)], DAYS)
    assert thresholds.shape == (3, 3, 1)
    assert days == 360.0
    assert rates[0, :, DEBIT, 0] / days == pytest.approx([0.0, 0.06 / 360, 0.06 / 365], rel=1e-15)
    assert bands([None, Interest(0.06, day_count=365)], DAYS)[2] == 365.0
    assert bands([Interest(0.06, day_count=365)], DAYS)[1][0, 0, DEBIT, 0] == 0.06


def test_rates_below_zero_are_for_those_who_hold_cash():
    interest = Interest(credit=-0.005, short=Tiers((0, -0.01), (10, 0.01)))
    np.testing.assert_array_equal(bands([interest], DAYS)[1][0, 0, CREDIT], [-0.005, 0.0])
    for debit in (-0.01, Tiers((0, 0.01), (5, -0.01)), {"2024-01-01": -0.01}):
        with pytest.raises(InputError, match=r"^Interest debit.* must be zero or more \(a fraction per year\)"):
            Interest(debit=debit)


@pytest.mark.parametrize("kind", ["debit", "credit", "short"])
@pytest.mark.parametrize("value", [5.5, 1.0, {"2024-01-01": 5.5}])
def test_a_percentage_is_no_rate(kind, value):
    with pytest.raises(InputError, match=rf"^Interest {kind}.* must be below 1 \(a fraction per year\)") as caught:
        Interest(**{kind: value})
    assert "0.055 for 5.5 %" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Interest("6%"), KindError, r"^Interest debit must be a number \(a fraction per year\), received str"),
        (lambda: Interest(credit=np.nan), InputError, "^Interest credit must be a finite number"),
        (lambda: Interest({}), InputError, "^Interest debit is a mapping without dates"),
        (lambda: Interest({"2024": 0.1}), KindError, "A date of Interest debit must be days or times"),
        (lambda: Interest({"2024-01-01": None}), KindError, "Interest debit from 2024-01-01 on must be a number"),
        (lambda: Interest({"2024-01-01": 0.1, DAYS[0]: 0.2}), InputError, "two entries for 2024-01-01"),
        (lambda: Interest(0.1, day_count=0), InputError, "Interest day_count must be above zero"),
        (lambda: Tiers(), InputError, r"^The lower ends of Tiers must ascend from 0 \(currency\), received \[\]"),
        (lambda: Tiers((10, 0.1)), InputError, r"received \[10\.0\]"),
        (lambda: Tiers((0, 0.1), (0, 0.2)), InputError, r"received \[0\.0, 0\.0\]"),
        (lambda: Tiers((0, 0.1), (-5, 0.2)), InputError, "^Tiers lower end must be zero or more"),
        (lambda: Tiers((0, 2.0)), InputError, "^Tiers rate must be below 1"),
        (lambda: Tiers(0.1), KindError, "A band of Tiers must be a pair"),
    ],
)
def test_bad_rates(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


RATE = st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.3])
TIERS = st.dictionaries(st.integers(1, 9).map(lambda x: 10.0 * x), RATE, max_size=4).flatmap(
    lambda more: RATE.map(lambda first: Tiers((0, first), *sorted(more.items())))
)
KIND = st.one_of(
    RATE, TIERS, st.dictionaries(st.sampled_from([str(day) for day in DAYS[:5]]), st.one_of(RATE, TIERS), min_size=1)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.builds(Interest, KIND, KIND, KIND), min_size=1, max_size=3), st.floats(0, 200))
def test_bands_give_what_the_tiers_say(interests, amount):
    dates = DAYS[4:]
    thresholds, rates, _ = bands(interests, dates)
    assert (np.diff(np.where(np.isinf(thresholds), 1e9, thresholds), axis=-1) >= 0).all()
    rates = np.broadcast_to(rates, (dates.size, *rates.shape[1:]))
    for c, interest in enumerate(interests):
        for kind, name in enumerate(("debit", "credit", "short")):
            entries = getattr(interest, name)
            for t, today in enumerate(dates):
                entry = entries
                if isinstance(entries, tuple):
                    entry = [value for start, value in entries if np.datetime64(start) <= today][-1]
                own = entry.bands if isinstance(entry, Tiers) else ((0.0, entry),)
                expected = earned(amount, np.array([end for end, _ in own]), [rate for _, rate in own])
                found = earned(amount, thresholds[c, kind], rates[t, c, kind])
                assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
