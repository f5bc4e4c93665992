"""long_short: hand-computed rows, corners, and the properties that every weight matrix must have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantlab.core import DataError, Frequency, InputError, KindError, LabelError, Panel
from quantlab.core.periods import sessions
from quantlab.portfolio import long_short

XNYS = Frequency.daily("XNYS")


def score(rows: object, symbols: str = "ABCD", start: str = "2024-01-31") -> Panel:
    values = np.atleast_2d(np.asarray(rows, dtype=float))
    dates = np.datetime64(start) + np.arange(len(values))
    return Panel(values, dates, list(symbols[: values.shape[1]]))


def weights(rows: object, **options: object) -> list[list[float]]:
    return long_short(score(rows), rebalance=1, **options).values.tolist()


def test_top_half_long_only() -> None:
    assert weights([4, 1, 3, 2], top=0.5) == [[0.5, 0.0, 0.5, 0.0]]


def test_long_and_short_are_dollar_neutral_unless_told() -> None:
    assert weights([4, 1, 3, 2], top=1, bottom=1) == [[0.5, -0.5, 0.0, 0.0]]
    assert weights([4, 1, 3, 2], top=1, bottom=1, gross=2.0, net=1.0) == [[1.5, -0.5, 0.0, 0.0]]


def test_short_only() -> None:
    assert weights([4, 1, 3, 2], top=0, bottom=2) == [[0.0, -0.5, 0.0, -0.5]]


def test_missing_scores_are_not_held_and_do_not_count() -> None:
    assert weights([np.nan, 1, 3, np.nan], top=0.5) == [[0.0, 0.0, 1.0, 0.0]]


def test_a_small_fraction_holds_at_least_one() -> None:
    assert weights([4, 1, 3, 2], top=0.1) == [[1.0, 0.0, 0.0, 0.0]]


def test_floor_is_not_fooled_by_binary_fractions() -> None:
    # 0.3 * 10 is 2.9999999999999996 in some orders of multiplication; it means 3.
    ten = Panel([np.arange(10.0)], ["2024-01-31"], list("ABCDEFGHIJ"))
    assert (long_short(ten, top=0.3, rebalance=1).values > 0).sum() == 3


def test_ties_go_by_name_whatever_the_column_order() -> None:
    assert weights([1, 1, 1, 1], top=2) == [[0.5, 0.5, 0.0, 0.0]]
    turned = Panel([[1.0, 1.0, 1.0]], ["2024-01-31"], ["C", "A", "B"])
    assert long_short(turned, top=1, rebalance=1).values.tolist() == [[0.0, 1.0, 0.0]]


def test_score_weighting_goes_by_distance_from_the_median() -> None:
    # Median 2.5: distances 1.5 and 0.5 on both sides.
    assert weights([4, 1, 3, 2], top=2, bottom=2, weighting="score") == [[0.375, -0.375, 0.125, -0.125]]


def test_score_weighting_rises_with_the_score_in_wide_legs() -> None:
    ten = Panel([np.arange(10.0)], ["2024-01-31"], list("ABCDEFGHIJ"))
    got = long_short(ten, top=0.8, weighting="score", rebalance=1).values[0]
    assert (np.diff(got) >= 0).all()
    # Above the median of 4.5: 0.5 to 4.5, in all 12.5.
    np.testing.assert_allclose(got, [0, 0, 0, 0, 0, 0.04, 0.12, 0.2, 0.28, 0.36], atol=1e-15)


def test_score_weighting_of_equal_scores_is_equal() -> None:
    assert weights([1, 1, 1, 1], top=2, weighting="score") == [[0.5, 0.5, 0.0, 0.0]]


def test_counts_beyond_the_universe_are_cut_in_proportion() -> None:
    assert weights([3, 1, np.nan, np.nan], top=4, bottom=4) == [[0.5, -0.5, 0.0, 0.0]]
    # One against ten of three names: one long, two short, and as neutral as with enough names.
    assert weights([3, 2, 1, np.nan], top=1, bottom=10) == [[0.5, -0.25, -0.25, 0.0]]
    # One name cannot make a book of two sides: no decision, rather than half a book or none.
    assert weights([3, np.nan, np.nan, np.nan], top=3, bottom=3) == []


def test_dates_without_any_score_are_left_out() -> None:
    got = long_short(score([[np.nan] * 4, [1, 2, 3, 4]]), top=1, rebalance=1)
    assert got.dates.tolist() == [np.datetime64("2024-02-01").item()]


def test_month_end_follows_the_exchange() -> None:
    dates = sessions("XNYS", np.datetime64("2024-03-01"), np.datetime64("2024-05-15"))
    panel = Panel(np.arange(dates.size * 2.0).reshape(-1, 2), dates, ["A", "B"], frequency=XNYS)
    got = long_short(panel, top=1)
    assert [str(day) for day in got.dates] == ["2024-03-28", "2024-04-30"]  # the 29th of March was Good Friday


def test_listed_dates_decide_once_on_the_next_bar() -> None:
    dates = sessions("XNYS", np.datetime64("2024-03-25"), np.datetime64("2024-04-05"))
    panel = Panel(np.ones((dates.size, 1)), dates, ["A"])
    got = long_short(panel, top=1, rebalance=["2024-03-29", "2024-03-30", "2024-12-31"])
    assert [str(day) for day in got.dates] == ["2024-04-01"]


def test_every_n() -> None:
    panel = score(np.ones((7, 1)))
    for rule in (3, "every 3"):
        assert long_short(panel, top=1, rebalance=rule).dates.tolist() == panel.dates[::3].tolist()


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"top": 1.0}, InputError, r"`top` must be a fraction in \[0, 1\) or a whole number of symbols, received 1.0"),
        ({"top": -1}, InputError, "`top` must be"),
        ({"top": True}, KindError, "`top` must be a fraction or a count, received bool"),
        ({"top": 0, "bottom": 0}, InputError, "both 0"),
        ({"top": 0.6, "bottom": 0.6}, InputError, r"overlap: 0.6 \+ 0.6"),
        ({"gross": 0}, InputError, "`gross` must be a positive fraction of equity, received 0"),
        ({"top": 1, "bottom": 1, "net": 2.0}, InputError, "`net` must lie between"),
        ({"top": 1, "net": 0.5}, InputError, "With one side only, `net` is 1, received 0.5"),
        ({"weighting": "rank"}, InputError, '`weighting` must be "equal" or "score", received \'rank\''),
        ({"rebalance": "month_end"}, InputError, "needs the trading calendar"),
        ({"rebalance": "monthly"}, InputError, "must be one of week_end, month_end"),
        ({"rebalance": "every ²"}, InputError, 'must read "every n"'),
        ({"rebalance": None}, KindError, "must be a rule, a whole number or a list of dates, received None"),
        ({"rebalance": 5.0}, KindError, "received 5.0"),
        ({"rebalance": "every other"}, InputError, 'must read "every n"'),
        ({"rebalance": 0}, InputError, "needs n >= 1, received 0"),
        ({"rebalance": []}, InputError, "empty list of dates"),
        ({"rebalance": ["2024-02-02", "2024-02-01"]}, LabelError, "must increase: 2024-02-01 follows 2024-02-02"),
    ],
)
def test_errors(options: dict[str, object], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        long_short(score([4, 1, 3, 2]), **{"rebalance": 1, **options})


def test_infinite_score_is_named() -> None:
    with pytest.raises(DataError, match="The score of B on 2024-01-31 is infinite"):
        long_short(score([4, np.inf, 3, 2]), rebalance=1)


@given(
    arrays(float, (3, 7), elements=st.sampled_from([np.nan, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])),
    st.sampled_from([0, 1, 3, 0.2, 0.4]),
    st.sampled_from([0, 1, 3, 0.2, 0.4]),
    st.sampled_from(["equal", "score"]),
    st.permutations(range(7)),
)
def test_properties(values: np.ndarray, top: float, bottom: float, weighting: str, order: list[int]) -> None:
    if top == 0 and bottom == 0:
        return
    panel = Panel(values, ["2024-01-31", "2024-02-01", "2024-02-02"], list("ABCDEFG"))
    got = long_short(panel, top=top, bottom=bottom, weighting=weighting, gross=1.5, rebalance=1)
    assert np.isfinite(got.values).all()
    scored = ~np.isnan(values)
    assert len(got) == (scored.sum(axis=1) >= (2 if top and bottom else 1)).sum()
    for row, date in zip(got.values, got.dates, strict=True):
        scores = values[list(panel.dates).index(date)]
        assert (row[np.isnan(scores)] == 0).all()
        if (row > 0).any():
            others = scores[(row <= 0) & ~np.isnan(scores)]
            # A held name whose score is the median has weight 0 under "score", so compare with >=.
            assert others.size == 0 or scores[row > 0].min() >= others.min()
        for side, active in ((row[row > 0].sum(), top), (-row[row < 0].sum(), bottom)):
            full = 1.5 if 0 in (top, bottom) else 0.75
            assert side == pytest.approx(full if active else 0.0)
        for sign in (1, -1):
            held = sign * row > 0
            if weighting == "score":
                # Within a side, a better score never weighs less.
                assert (np.diff((sign * row)[held][np.argsort((sign * scores)[held])]) >= -1e-15).all()
    turned = Panel(values[:, order], panel.dates, [panel.symbols[i] for i in order])
    again = long_short(turned, top=top, bottom=bottom, weighting=weighting, gross=1.5, rebalance=1)
    # Sums run over other column orders: equal to rounding.
    np.testing.assert_allclose(again.select(got.symbols).values, got.values, rtol=1e-14)
