"""assert_causal: causal functions pass, functions that peek are caught, and a check of nothing is refused."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import Bars, DataError, Frequency, InputError, KindError, LookAheadError, Panel, as_panel, ts
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.portfolio import long_short
from quantlab.testing import assert_causal
from quantlab.testing._cut import cut_dates, until
from quantlab.testing._garbage import KINDS, poisoned

DAYS = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
SYMBOLS = ("A", "B", "C")


def prices(rows=DAYS.size, seed=0):
    draw = generator(seed)
    values = 50.0 * np.exp(np.cumsum(draw.normal(0.0, 0.02, (rows, 3)), axis=0))
    values[:5, 2] = np.nan
    values[9:10, 0] = np.nan
    return Panel(values, DAYS[:rows], SYMBOLS)


def all_fields():
    close = prices()
    return Bars(close, open=close * 1.001, high=close * 1.02, low=close * 0.98, volume=close.map(np.floor), name="toy")


def returns(close):
    return close / close.shift(1) - 1


def test_a_trailing_function_passes():
    assert_causal(returns, prices())


def test_keyword_parameters_and_partials_reach_the_function():
    def change(close, *, lag):
        return close / close.shift(lag)

    assert_causal(change, prices(), lag=3)
    assert_causal(functools.partial(change, lag=3), prices())


def test_sparse_decisions_pass():
    def decisions(close):
        rows = np.flatnonzero(np.arange(len(close)) % 7 == 0)
        return Panel(close.values[rows], close.dates[rows], close.symbols)

    assert_causal(decisions, prices())


def test_bars_tuples_dicts_dataclasses_and_none_pass():
    @dataclass(frozen=True)
    class Pair:
        first: Panel
        second: Panel | None

    for shape in (
        lambda bars: (bars.close, returns(bars.close)),
        lambda bars: [bars.volume > 60.0],
        lambda bars: {"close": bars.close, "nothing": None},
        lambda bars: Pair(bars.close, None),
        lambda bars: bars,
        lambda bars: bars.close.to_frame(),
    ):
        assert_causal(shape, all_fields())


def test_panels_inside_arguments_are_cut_too():
    def ratio(pair, *, parts):
        return pair[0] / parts["other"]

    assert_causal(ratio, (prices(), 1.0), parts={"other": prices(seed=1)})

    def last_of_parts(close, *, parts):
        return close.map(lambda values: values * parts["other"].values[-1, 0])

    with pytest.raises(LookAheadError, match="last_of_parts"):
        assert_causal(last_of_parts, prices(), parts={"other": prices(seed=1)})


def test_frames_go_through_the_door():
    assert_causal(lambda frame: as_panel(frame).shift(1), prices().to_frame())
    assert_causal(lambda frame: as_panel(frame).shift(1), prices().to_frame().lazy())


def test_inputs_of_different_dates_are_cut_at_the_same_date():
    slow = Panel(np.arange(5.0)[:, None], DAYS[[0, 13, 20, 34, 50]], ["macro"])

    def latest(close, macro):
        known = np.searchsorted(macro.dates, close.dates, side="right") - 1
        return Panel(macro.values[known], close.dates, ["macro"])

    assert_causal(latest, prices(), slow)

    def first_future(close, macro):
        following = np.minimum(np.searchsorted(macro.dates, close.dates), len(macro) - 1)
        return Panel(macro.values[following], close.dates, ["macro"])

    with pytest.raises(LookAheadError, match="first_future"):
        assert_causal(first_future, prices(), slow)


@given(lag=st.integers(0, 8), seed=st.integers(0, 2**32), cuts=st.integers(1, 6))
def test_every_lag_passes_and_every_lead_is_caught(lag, seed, cuts):
    close = prices(rows=20, seed=3)
    assert_causal(lambda close: close.shift(lag), close, cuts=cuts, seed=seed)
    with pytest.raises(LookAheadError):
        assert_causal(lambda close: close.shift(-1 - lag, lookahead=True), close, cuts=cuts, seed=seed)


def test_the_message_names_function_cut_cell_and_both_values():
    close = Panel([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]], DAYS[:3], ["A", "B"])

    def doubled_tomorrow(close):
        return close.shift(-1, lookahead=True) * 2

    with pytest.raises(LookAheadError) as caught:
        assert_causal(doubled_tomorrow, close, cuts=[2])
    assert caught.value.message == (
        "doubled_tomorrow looks ahead: with the data cut after 2024-01-02, A 2024-01-02 (and 1 more) is nan, "
        "and with all data it is 8.0."
    )
    assert "negative shifts" in caught.value.hint


def test_a_look_ahead_that_truncation_cannot_see_is_caught_by_poison():
    def knows_the_length(close):
        # Looks at the future only where there is some: cut data end at the cut, and there it behaves.
        following = close.shift(-1, lookahead=True)
        return close.where(following > 0, 1.0) if len(close) == DAYS.size else close.where(close > 0, 1.0)

    close = Panel(prices().map(lambda values: np.where(np.isnan(values), 1.0, values)).values[:-1], DAYS[:-1], SYMBOLS)
    whole = Panel(np.vstack([close.values, close.values[-1:]]), DAYS, SYMBOLS)
    with pytest.raises(LookAheadError, match=r"with garbage \(nan\) after"):
        assert_causal(knows_the_length, whole, cuts=[40])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_garbage_alone_catches_a_peek(kind):
    def peeks(close):
        # Right on cut data and on true data, wrong only where the last row of all is another one.
        last = prices().values[-1]
        changed = len(close) == DAYS.size and not np.array_equal(close.values[-1], last, equal_nan=True)
        return close.shift(1) * (2.0 if changed else 1.0)

    with pytest.raises(LookAheadError, match=rf"with garbage \({kind}\) after"):
        assert_causal(peeks, prices(), garbage=[kind])


def test_a_universe_picked_with_hindsight_is_caught():
    def survivors(close):
        alive = [name for name, value in zip(close.symbols, close.values[-1], strict=True) if value > 50.0]
        return close.select(alive)

    values = np.full((10, 2), 60.0)
    values[7:, 1] = 40.0
    with pytest.raises(LookAheadError, match="its symbols or its type"):
        assert_causal(survivors, Panel(values, DAYS[:10], ["A", "B"]))


def test_a_decision_on_the_last_row_is_caught():
    def last_row_is_a_decision(close):
        rows = np.unique([*range(0, len(close), 7), len(close) - 1])
        return Panel(close.values[rows], close.dates[rows], close.symbols)

    with pytest.raises(LookAheadError, match=r"it has a row 2024-\d\d-\d\d, and with all data none"):
        assert_causal(last_row_is_a_decision, prices())

    def drops_the_last_row(close):
        return Panel(close.values[:-1], close.dates[:-1], close.symbols)

    with pytest.raises(LookAheadError, match=r"it has no row 2024-\d\d-\d\d, and with all data one"):
        assert_causal(drops_the_last_row, prices())


def test_an_output_that_comes_and_goes_is_caught():
    def sometimes(close):
        return {"close": close} if len(close) < DAYS.size else {"close": close, "extra": close}

    with pytest.raises(LookAheadError, match=r"its result\['extra'\] is missing"):
        assert_causal(sometimes, prices())


def test_a_peek_in_any_field_of_bars_is_caught():
    for field in ("open", "high", "low", "close", "volume"):
        with pytest.raises(LookAheadError, match="with the data cut"):
            assert_causal(lambda bars, field=field: getattr(bars, field).shift(-1, lookahead=True), all_fields())


def test_nothing_to_cut_is_refused():
    with pytest.raises(InputError, match="no Panel or Bars among the inputs of lambda"):
        assert_causal(lambda x: x, 3.0)


def test_a_check_of_nothing_is_refused():
    with pytest.raises(InputError, match="gives no value up to any of the cuts"):
        assert_causal(lambda close: close.shift(1000), prices())


def test_a_random_function_is_refused():
    draw = np.random.default_rng(0)
    with pytest.raises(InputError, match="two different results on the same data"):
        assert_causal(lambda close: close.map(lambda values: values + draw.random()), prices())


@pytest.mark.parametrize("result", [1.0, np.ones(3), {"a": 1}, "text"])
def test_other_results_are_refused(result):
    with pytest.raises(KindError, match="must return Panels, and returned"):
        assert_causal(lambda close: result, prices())


def test_unknown_garbage_is_refused():
    with pytest.raises(InputError, match="`garbage` may hold noise, nan, huge, sign, permuted, received 'rubbish'"):
        assert_causal(returns, prices(), garbage=["rubbish"])


@pytest.mark.parametrize("cuts", [0, -1, [0], [DAYS.size], []])
def test_impossible_cuts_are_refused(cuts):
    with pytest.raises(InputError, match="`cuts`"):
        assert_causal(returns, prices(), cuts=cuts)


def test_one_row_is_refused():
    with pytest.raises(InputError, match="two dates or more, received 1"):
        assert_causal(returns, prices(rows=1))


def test_an_error_on_cut_data_says_where_it_came_from():
    def impatient(close):
        if len(close) < 30:
            raise DataError("There are fewer than 30 rows.")
        return close

    with pytest.raises(DataError, match="fewer than 30") as caught:
        assert_causal(impatient, prices())
    assert caught.value.__notes__[0].startswith("Raised by impatient on the data cut after 2024-01-")
    assert_causal(impatient, prices(), cuts=[30, 40, 59])


@given(size=st.integers(2, 300), cuts=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_cuts_are_spread_and_end_with_the_last_but_one_date(size, cuts, seed):
    dates = np.arange(size).astype("datetime64[D]")
    kept = np.array(cut_dates(dates, cuts, seed)).astype(int) + 1
    assert kept[-1] == size - 1
    assert kept[0] >= 1
    assert (np.diff(kept) > 0).all()
    assert kept.size == min(cuts, size - 1)


RULES = ("month_end", "week_end", "every 21")


def market(seed=0):
    """Three years of 12 symbols on the New York calendar, two of them listed late."""
    dates = sessions("XNYS", np.datetime64("2018-01-02"), np.datetime64("2020-12-15"))
    values = 50.0 * np.exp(np.cumsum(generator(21, seed).normal(0.0, 0.02, (dates.size, 12)), axis=0))
    values[:100, 3], values[:300, 7] = np.nan, np.nan
    return Bars(Panel(values, dates, list("ABCDEFGHIJKL"), frequency=Frequency.daily("XNYS")), name="toy")


def held(weights, close):
    """Weights of every date: those of the latest decision, NaN before the first."""
    latest = np.searchsorted(weights.dates, close.dates, side="right")
    values = np.vstack([np.full(weights.shape[1], np.nan), weights.values])
    return Panel(values[latest], close.dates, close.symbols)


@pytest.mark.parametrize("cuts", [1, 2, 5])
@pytest.mark.parametrize("lead", [1, 5])
@pytest.mark.parametrize("rule", RULES)
def test_a_peek_by_sparse_decisions_is_caught_with_every_seed(rule, lead, cuts):
    def cheat(bars):
        score = ts.pct_change(bars.close).shift(-lead, lookahead=True)
        return long_short(score, top=3, rebalance=rule)

    bars = market()
    for seed in range(20):
        with pytest.raises(LookAheadError, match="cheat"):
            assert_causal(cheat, bars, cuts=cuts, seed=seed)


@pytest.mark.parametrize("shape", ["filled", "held", "masked", "pair"])
def test_a_peek_by_sparse_decisions_is_caught_in_every_shape(shape):
    def cheat(bars):
        change = ts.pct_change(bars.close)
        ahead = change.shift(-1, lookahead=True)
        if shape == "filled":  # Where there is no tomorrow, it behaves.
            ahead = ahead.map(lambda values: np.where(np.isnan(values), change.values, values))
        weights = long_short(ahead, top=3)
        if shape == "held":
            return held(weights, bars.close)
        if shape == "masked":  # Every date has a row, and only those of decisions have values.
            return ahead.map(lambda values: np.where(np.isin(bars.close.dates, weights.dates)[:, None], values, np.nan))
        return {"daily": change, "weekly": long_short(change, rebalance="week_end"), "monthly": weights}

    bars = market()
    for seed in range(20):
        with pytest.raises(LookAheadError, match="cheat"):
            assert_causal(cheat, bars, seed=seed)


def test_poison_alone_catches_a_peek_by_sparse_decisions():
    bars = market()

    def cheat(data):
        # Right on cut data, wrong on whole ones.
        change = ts.pct_change(data.close)
        if len(data.close) == len(bars.close):
            ahead = change.shift(-1, lookahead=True)
            original = ts.pct_change(bars.close).shift(-1, lookahead=True)
            known = (ahead.values == original.values) | np.isnan(original.values)
            change = change.map(lambda values: np.where(known, values, -values))
        return long_short(change, top=3)

    for seed in range(20):
        with pytest.raises(LookAheadError, match="cheat looks ahead: with garbage"):
            assert_causal(cheat, bars, seed=seed)


@pytest.mark.parametrize("rule", RULES)
def test_honest_decisions_pass(rule):
    def honest(bars):
        weights = long_short(ts.pct_change(bars.close).shift(1), top=3, rebalance=rule)
        return weights, held(weights, bars.close)

    for seed in range(3):
        assert_causal(honest, market(), seed=seed)


def test_a_list_of_cuts_is_taken_as_it_is():
    close = market().close
    weights = long_short(close, top=3)
    assert cut_dates(close.dates, [7, 300], 0, [weights]) == [close.dates[6], close.dates[299]]


@pytest.mark.parametrize("seed", range(20))
def test_cuts_are_aimed_at_the_rows_of_a_sparse_result(seed):
    close = market().close
    weights = long_short(close, top=3)
    plain = set(cut_dates(close.dates, 5, seed))
    for result in (weights, held(weights, close)):
        aimed = set(cut_dates(close.dates, 5, seed, [result]))
        assert plain <= aimed
        assert len(aimed) <= 12
        assert len(aimed & set(weights.dates)) >= 4
        row = np.searchsorted(close.dates, weights.dates)
        for lag in (2, 5, 21):
            assert aimed & set(close.dates[row[row + lag < len(close)] + lag])
    dense = ts.rolling_mean(close, window=20)
    assert set(cut_dates(close.dates, 5, seed, [dense])) == plain | {close.dates[19]}


def test_a_result_without_rows_values_or_a_row_to_cut_at_gets_no_aimed_cut():
    close = market().close
    plain = cut_dates(close.dates, 5, 0)
    for result in (close.between(None, np.datetime64("2000-01-01")), close * np.nan, close.between("2020-12-15", None)):
        assert cut_dates(close.dates, 5, 0, [result]) == plain


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_changes_the_future_alone_and_stays_legal(kind):
    bars, date, draw = all_fields(), DAYS[30], generator(1)
    changed = poisoned(bars, date, kind, draw)
    for field in (*bars.fields, "member"):
        before, after = getattr(bars, field), getattr(changed, field)
        np.testing.assert_array_equal(before.values[:31], after.values[:31])
        if field != "member":
            assert not np.array_equal(before.values[31:], after.values[31:], equal_nan=True)
    body = changed.close.values[31:]
    if kind != "nan":
        assert (changed.low.values[31:] <= body).all()
        assert (body <= changed.high.values[31:]).all()
    for start in (prices(), returns(prices()), returns(prices()) > 0):
        panel = poisoned(start, date, kind, draw)
        np.testing.assert_array_equal(start.values[:31], panel.values[:31])
        assert panel.values.dtype == start.values.dtype
    assert not (poisoned(prices(), date, kind, draw).values <= 0).any()


def test_inputs_are_left_as_they_were():
    close = prices()
    before = close.values.copy()
    assert_causal(returns, close)
    np.testing.assert_array_equal(close.values, before)
    assert until({"a": [close, 3]}, DAYS[3])["a"][0].shape == (4, 3)
