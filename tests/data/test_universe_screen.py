"""Filters on price and trading, and the most traded n: by hand, against a plain search, and without the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import DataError, Frequency, InputError, KindError, LabelError, Panel, as_bars
from quantlab.core.periods import sessions
from quantlab.core.rng import generator
from quantlab.data.universe import screen, top_by_dollar_volume
from quantlab.testing import assert_causal

NAN = np.nan
DAYS = sessions("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-12-31"))


def panel(columns: dict[str, list[float]]) -> Panel:
    values = np.array(list(columns.values()), dtype=np.float64).T
    return Panel(values, DAYS[: len(values)], list(columns), frequency=Frequency.daily("XNYS"))


def market(rows: int = 150, symbols: int = 6, seed: int = 0) -> tuple[Panel, Panel]:
    """Prices and volumes with gaps, late listings and ends."""
    draw = generator(31, seed)
    close = 20.0 * np.exp(np.cumsum(draw.standard_normal((rows, symbols)) * 0.03, axis=0))
    volume = np.floor(1e5 * np.exp(draw.standard_normal((rows, symbols))))
    volume[draw.random(volume.shape) < 0.03] = NAN
    close[draw.random(close.shape) < 0.05] = NAN
    close[:30, 0], close[100:, 1], close[:, 2] = NAN, NAN, close[:, 2] / 4.0
    names = [f"S{number}" for number in draw.permutation(symbols)]
    frequency = Frequency.daily("XNYS")
    return Panel(close, DAYS[:rows], names, frequency=frequency), Panel(volume, DAYS[:rows], names, frequency=frequency)


class TestScreenByHand:
    CLOSE = panel({"A": [6.0, 4.0, 6.0, NAN, 6.0], "B": [5.0, 5.0, 5.0, 5.0, 5.0]})

    def test_price_of_the_bar_before(self) -> None:
        found = screen(self.CLOSE, minimum_price=5.0, window=1)
        assert found.values.dtype == bool
        # A: 4 on the second bar fails the third; no close on the fourth fails it and the fifth.
        assert found.values.T.tolist() == [[False, True, False, False, False], [False, True, True, True, True]]

    def test_price_of_the_bar_itself(self) -> None:
        found = screen(self.CLOSE, minimum_price=5.0, window=1, lag=0).values.T.tolist()
        assert found == [[True, False, True, False, True], [True] * 5]

    def test_median_and_mean_dollar_volume(self) -> None:
        close = panel({"A": [10.0] * 5, "B": [10.0] * 5})
        volume = panel({"A": [1.0, 1.0, 100.0, 1.0, 1.0], "B": [30.0, 0.0, 0.0, 30.0, 30.0]})
        arguments = {"minimum_dollar_volume": 300.0, "window": 3, "lag": 0}
        # Windows of three: medians of A 10; of B 0, 0, 300. Means of A 340; of B 100, 100, 200.
        assert screen(close, volume, **arguments).values[2:].T.tolist() == [[False] * 3, [False, False, True]]
        mean = screen(close, volume, statistic="mean", **arguments).values[2:].T.tolist()
        assert mean == [[True, True, True], [False, False, False]]

    def test_coverage(self) -> None:
        close = panel({"A": [1.0, NAN, 1.0, 1.0, 1.0, 1.0]})
        found = {
            share: screen(close, window=4, lag=0, minimum_coverage=share).values[:, 0].tolist()
            for share in (0.0, 0.5, 0.75, 1.0)
        }
        assert found[0.0] == [True, False, True, True, True, True]
        assert found[0.5] == [False, False, True, True, True, True]
        assert found[0.75] == [False, False, False, True, True, True]
        assert found[1.0] == [False, False, False, False, False, True]

    def test_coverage_counts_volume_where_it_is_used(self) -> None:
        close, volume = panel({"A": [10.0] * 3}), panel({"A": [5.0, NAN, 5.0]})
        arguments = {"window": 2, "lag": 0, "minimum_coverage": 1.0}
        assert screen(close, volume, **arguments).values[:, 0].tolist() == [False, True, True]
        found = screen(close, volume, minimum_dollar_volume=50.0, **arguments).values[:, 0].tolist()
        assert found == [False, False, False]

    def test_history(self) -> None:
        close = panel({"A": [1.0, NAN, 1.0, 1.0, 1.0], "B": [NAN, NAN, NAN, 1.0, 1.0]})
        found = screen(close, minimum_history=2, window=1, lag=1, minimum_coverage=0.0)
        # A has its second close on the third bar; B its second on the last, which is not yet one bar ago.
        assert found.values.T.tolist() == [[False, False, False, True, True], [False] * 5]

    def test_nothing_asked_for_is_coverage_alone(self) -> None:
        close = panel({"A": [1.0] * 4})
        assert screen(close, window=2, minimum_coverage=1.0).values[:, 0].tolist() == [False, False, True, True]

    def test_filters_join(self) -> None:
        close, volume = market()
        one = screen(close, minimum_price=10.0, window=5)
        two = screen(close, volume, minimum_dollar_volume=1e6, window=5)
        both = screen(close, volume, minimum_price=10.0, minimum_dollar_volume=1e6, window=5)
        np.testing.assert_array_equal(both.values, (one & two).values)

    @pytest.mark.parametrize(
        ("rows", "columns"), [(0, 2), (1, 1), (3, 1)], ids=["no row", "one cell", "shorter than the window"]
    )
    def test_corners(self, rows: int, columns: int) -> None:
        close = Panel(np.ones((rows, columns)), DAYS[:rows], list("AB")[:columns])
        found = screen(close, close, minimum_price=1.0, minimum_dollar_volume=1.0, minimum_history=1)
        assert found.shape == (rows, columns)
        assert not found.values.any()
        missing = Panel(np.full((rows, columns), NAN), DAYS[:rows], list("AB")[:columns])
        assert not screen(missing, minimum_coverage=0.0, window=1, lag=0).values.any()


class TestScreen:
    @given(
        st.integers(0, 20),
        st.integers(1, 12),
        st.integers(0, 3),
        st.sampled_from([0.0, 0.3, 0.8, 1.0]),
        st.sampled_from(["median", "mean"]),
    )
    def test_against_a_search_row_by_row(self, seed, window, lag, coverage, statistic) -> None:
        close, volume = market(rows=60, symbols=4, seed=seed)
        found = screen(
            close,
            volume,
            minimum_price=12.0,
            minimum_dollar_volume=1.5e6,
            minimum_history=8,
            minimum_coverage=coverage,
            window=window,
            lag=lag,
            statistic=statistic,
        ).values
        traded = close.values * volume.values
        for row in range(60):
            for column in range(4):
                last = row - lag
                part = traded[max(last - window + 1, 0) : max(last + 1, 0), column]
                part = part[~np.isnan(part)]
                expected = (
                    last >= 0
                    and part.size > 0
                    and part.size >= round(coverage * window, 9)
                    and getattr(np, statistic)(part) >= 1.5e6
                    and bool(close.values[last, column] >= 12.0)
                    and np.count_nonzero(~np.isnan(close.values[: last + 1, column])) >= 8
                    and not np.isnan(close.values[row, column])
                )
                assert found[row, column] == expected, (row, column)

    def test_a_share_of_the_window_is_counted_exactly(self) -> None:
        # 0.07 of 100 bars are 7, while 0.07 * 100 is 7.000000000000001.
        close = panel({"A": [NAN] * 93 + [1.0] * 7})
        assert screen(close, window=100, lag=0, minimum_coverage=0.07).values[-1, 0]

    @pytest.mark.parametrize("seed", [0, 1])
    def test_it_does_not_look_ahead(self, seed: int) -> None:
        close, volume = market(seed=seed)
        limits = {"minimum_price": 15.0, "minimum_dollar_volume": 1e6, "minimum_history": 20, "window": 10}
        for lag in (0, 1, 5):
            for statistic in ("median", "mean"):
                assert_causal(screen, close, volume, lag=lag, statistic=statistic, **limits)

    def test_the_lag_hides_the_bar_itself(self) -> None:
        # With a lag of 1 nothing but the presence of a close on the last bar counts.
        close, volume = market()
        other = close.map(lambda x: np.vstack([x[:-1], np.where(np.isnan(x[-1:]), NAN, 0.01)]))
        limits = {"minimum_price": 15.0, "minimum_dollar_volume": 1e6, "window": 10}
        np.testing.assert_array_equal(screen(close, volume, **limits).values, screen(other, volume, **limits).values)
        assert screen(close, volume, lag=0, **limits).values[-1].any()
        assert not screen(other, volume, lag=0, **limits).values[-1].any()

    def test_bars_must_be_unadjusted(self) -> None:
        close, volume = market()
        bars = as_bars(close, volume=volume, name="us", adjusted="none")
        limits = {"minimum_price": 15.0, "minimum_dollar_volume": 1e6, "window": 10}
        np.testing.assert_array_equal(screen(bars, **limits).values, screen(close, volume, **limits).values)
        for kind in ("split", "total_return"):
            with pytest.raises(InputError, match=f"The prices of us are adjusted for later events .adjusted: '{kind}'"):
                screen(replace(bars, adjusted=kind), **limits)
        with pytest.raises(InputError, match=r"prices of us are not known to be unadjusted .*Hint: load them with"):
            screen(replace(bars, adjusted="unknown"), **limits)
        with pytest.raises(InputError, match="are adjusted for later events"):
            top_by_dollar_volume(replace(bars, adjusted="split"), n=2)

    def test_why_bars_must_be_unadjusted(self) -> None:
        # A share at 40 that splits 20 to 1 on the last bar stood at 2 in prices adjusted for it: out, by hindsight.
        raw, adjusted = panel({"A": [40.0, 40.0, 2.0]}), panel({"A": [2.0, 2.0, 2.0]})
        assert screen(raw, minimum_price=5.0, window=1).values[1, 0]
        assert not screen(adjusted, minimum_price=5.0, window=1).values[1, 0]

    @pytest.mark.parametrize(
        ("arguments", "error", "sentence"),
        [
            ({"minimum_price": 0.0}, InputError, "`minimum_price` must be positive, received 0"),
            ({"minimum_price": "5"}, KindError, "`minimum_price` must be a number"),
            ({"minimum_dollar_volume": -1.0}, InputError, "`minimum_dollar_volume` must be positive"),
            ({"minimum_history": 0}, InputError, "`minimum_history` must be an integer >= 1"),
            ({"minimum_coverage": 1.2}, InputError, "`minimum_coverage` must be between 0 and 1, received 1.2"),
            ({"window": 0}, InputError, "`window` must be an integer >= 1"),
            ({"lag": -1}, InputError, "`lag` must be an integer >= 0"),
            (
                {"minimum_dollar_volume": 1.0, "statistic": "mode"},
                InputError,
                '`statistic` must be "median" or "mean", received \'mode\'',
            ),
        ],
    )
    def test_refusals(self, arguments, error, sentence) -> None:
        close, volume = market()
        with pytest.raises(error, match=sentence):
            screen(close, volume, **arguments)

    def test_data_that_cannot_be(self) -> None:
        close, volume = market()
        with pytest.raises(InputError, match="Dollar volume needs `volume`"):
            screen(close, minimum_dollar_volume=1.0)
        with pytest.raises(LabelError, match="`volume` and `close` differ in dates"):
            screen(close, volume.between("2024-02-01"), minimum_dollar_volume=1.0)
        with pytest.raises(DataError, match=r"The close of S. 2024-01-02.* must be positive, received -"):
            screen(close * -1.0, minimum_price=1.0)
        with pytest.raises(DataError, match=r"The volume of S. 2024-01-0.* must be zero or more, received -"):
            screen(close, volume * -1.0, minimum_dollar_volume=1.0)


class TestTop:
    def test_by_hand(self) -> None:
        # Dollar volumes 5, 4, 3, 2, 1 of A to E; then B and C change places, then B falls to the fourth place.
        close = panel({name: [1.0] * 4 for name in "ABCDE"})
        volume = panel(
            {
                "A": [5.0, 5.0, 5.0, 5.0],
                "B": [4.0, 3.0, 2.0, 1.0],
                "C": [3.0, 4.0, 4.0, 4.0],
                "D": [2.0, 2.0, 3.0, 3.0],
                "E": [1.0, 1.0, 1.0, 2.0],
            }
        )
        arguments = {"n": 2, "rebalance": 1, "window": 1, "lag": 0}
        strict = top_by_dollar_volume(close, volume, band=0.0, **arguments)
        names = ["".join(np.array(list("ABCDE"))[row]) for row in strict.values]
        assert names == ["AB", "AC", "AC", "AC"]
        held = top_by_dollar_volume(close, volume, band=0.5, **arguments)
        names = ["".join(np.array(list("ABCDE"))[row]) for row in held.values]
        # Certain up to rank 1, kept up to rank 3: B stays as the third, and leaves as the fourth.
        assert names == ["AB", "AB", "AC", "AC"]

    def test_the_lag_hides_the_bar_itself(self) -> None:
        close = panel({"A": [1.0] * 3, "B": [1.0] * 3})
        volume = panel({"A": [2.0, 2.0, 1.0], "B": [1.0, 1.0, 9.0]})
        arguments = {"n": 1, "band": 0.0, "rebalance": 1, "window": 1}
        now = top_by_dollar_volume(close, volume, lag=0, **arguments).values.tolist()
        before = top_by_dollar_volume(close, volume, lag=1, **arguments).values.tolist()
        assert now == [[True, False], [True, False], [False, True]]
        assert before == [[False, False], [True, False], [True, False]]

    def test_certain_entry_pushes_a_holding_out(self) -> None:
        close = panel({name: [1.0] * 2 for name in "ABC"})
        volume = panel({"A": [3.0, 2.0], "B": [2.0, 1.0], "C": [1.0, 9.0]})
        found = top_by_dollar_volume(close, volume, n=2, band=0.5, rebalance=1, window=1, lag=0)
        assert found.values.tolist() == [[True, True, False], [True, False, True]]

    def test_held_between_rebalances(self) -> None:
        close, volume = market()
        found = top_by_dollar_volume(close, volume, n=3, window=10, rebalance="month_end")
        changes = np.flatnonzero((found.values[1:] != found.values[:-1]).any(axis=1)) + 1
        assert changes.size > 3
        month_ends = np.array(
            ["2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30", "2024-05-31", "2024-06-28", "2024-07-31"], "M8[D]"
        )
        assert set(found.dates[changes].tolist()) <= set(month_ends.tolist())
        assert not found.between(None, "2024-01-30").values.any()
        assert (found.between("2024-03-28").values.sum(axis=1) == 3).all()

    def test_fewer_candidates_than_places(self) -> None:
        close = panel({"A": [1.0, 1.0], "B": [NAN, 1.0]})
        found = top_by_dollar_volume(close, close, n=5, rebalance=1, window=1, lag=0)
        assert found.values.tolist() == [[True, False], [True, True]]

    def test_a_candidate_has_a_close_and_coverage(self) -> None:
        close = panel({"A": [1.0, 1.0, NAN], "B": [1.0, NAN, 1.0], "C": [1.0, 1.0, 1.0]})
        found = top_by_dollar_volume(close, close, n=3, rebalance=1, window=2, lag=0, minimum_coverage=1.0)
        assert found.values[1:].tolist() == [[True, False, True], [False, False, True]]

    def test_members_alone(self) -> None:
        close, volume = market()
        member = close > 20.0
        found = top_by_dollar_volume(close, volume, n=2, rebalance=1, window=5, member=member)
        assert found.values.any()
        assert not (found.values & ~member.values).any()
        bars = as_bars(close, volume=volume, member=member, adjusted="none")
        np.testing.assert_array_equal(top_by_dollar_volume(bars, n=2, rebalance=1, window=5).values, found.values)
        with pytest.raises(DataError, match="`member` must be a bool Panel"):
            top_by_dollar_volume(close, volume, n=2, member=close)

    def test_equal_sizes_go_by_name_and_columns_by_label(self) -> None:
        close = panel({"C": [1.0], "A": [1.0], "B": [1.0]})
        found = top_by_dollar_volume(close, close, n=2, rebalance=1, window=1, lag=0)
        assert found.values.tolist() == [[False, True, True]]
        close, volume = market()
        names = sorted(close.symbols)
        one = top_by_dollar_volume(close, volume, n=3, rebalance=7, window=5)
        other = top_by_dollar_volume(close.select(names), volume.select(names), n=3, rebalance=7, window=5)
        np.testing.assert_array_equal(one.select(names).values, other.values)

    @given(st.integers(0, 10), st.integers(1, 6), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    def test_what_the_band_promises(self, seed, n, band) -> None:
        close, volume = market(rows=60, seed=seed)
        found = top_by_dollar_volume(close, volume, n=n, band=band, rebalance=5, window=5, lag=0, minimum_coverage=0.0)
        size = np.full(close.shape, NAN)
        traded = close.values * volume.values
        for row in range(60):
            part = traded[max(row - 4, 0) : row + 1]
            some = ~np.isnan(part).all(axis=0)
            size[row, some] = np.nanmedian(part[:, some], axis=0)
        size[np.isnan(close.values)] = NAN
        before = np.zeros(close.shape[1], dtype=bool)
        for row in range(0, 60, 5):
            order = sorted(
                np.flatnonzero(~np.isnan(size[row])), key=lambda column: (-size[row, column], close.symbols[column])
            )
            rank = {column: number + 1 for number, column in enumerate(order)}
            now = found.values[row]
            assert now.sum() == min(n, len(order))
            assert all(column in rank for column in np.flatnonzero(now))
            for column in order:
                if rank[column] <= n * (1 - band):
                    assert now[column]
                if rank[column] > n * (1 + band):
                    # So far down only where nobody better is left.
                    assert not now[column] or all(now[better] for better in order[: rank[column] - 1])
                if before[column] and not now[column] and rank[column] <= n * (1 + band):
                    # Pushed out by better holdings or by certain ones alone.
                    assert all(before[other] or rank[other] <= n * (1 - band) for other in np.flatnonzero(now))
            before = now

    def test_it_does_not_look_ahead(self) -> None:
        close, volume = market()
        for rebalance in ("month_end", "week_end", "every 5", 3):
            for lag in (0, 1):
                assert_causal(top_by_dollar_volume, close, volume, n=3, window=10, rebalance=rebalance, lag=lag)

    @pytest.mark.parametrize(
        ("arguments", "error", "sentence"),
        [
            ({"n": 0}, InputError, "`n` must be an integer >= 1"),
            ({"n": 2, "band": 1.5}, InputError, "`band` must be between 0 and 1"),
            ({"n": 2, "rebalance": "every day"}, InputError, '`rebalance` must read "every n"'),
            ({"n": 2, "rebalance": "daily"}, InputError, "calendar rule must be one of week_end, month_end"),
        ],
    )
    def test_refusals(self, arguments, error, sentence) -> None:
        close, volume = market()
        with pytest.raises(error, match=sentence):
            top_by_dollar_volume(close, volume, **arguments)
        with pytest.raises(InputError, match="Dollar volume needs `volume`"):
            top_by_dollar_volume(close, n=2)

    def test_month_ends_need_a_calendar(self) -> None:
        close = Panel([[1.0]], ["2024-01-31"], ["A"])
        with pytest.raises(InputError, match="needs the trading calendar"):
            top_by_dollar_volume(close, close, n=1)

    def test_corners(self) -> None:
        empty = Panel(np.empty((0, 2)), [], ["A", "B"], frequency=Frequency.daily("XNYS"))
        assert top_by_dollar_volume(empty, empty, n=1).shape == (0, 2)
        missing = panel({"A": [NAN, NAN]})
        assert not top_by_dollar_volume(missing, missing, n=1, rebalance=1).values.any()
