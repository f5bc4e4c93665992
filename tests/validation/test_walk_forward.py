"""Walk-forward: stitched book against a loop, regime switch, truncation, purge, ruin, errors."""

import functools
import json
import math

import numpy as np
import polars as pl
import pytest

from quantlab import metrics as m
from quantlab.backtest import simulate
from quantlab.core import DataError, Frequency, InputError, KindError, LabelError, Panel, as_bars
from quantlab.execution import Account, Bps, Costs, Exits, Fill, NoMargin
from quantlab.portfolio import Rebalancing
from quantlab.study import Batch, TrialLog
from quantlab.validation import WalkForward, walk_forward

FREE = {"account": Account(cash=1e6, lot=None), "fill": "next_close"}
PRICED = {"account": Account(cash=1e6), "fill": "next_close", "costs": Costs(slippage=Bps(10))}
RICH = PRICED | {
    "account": Account(cash=1e6, margin=NoMargin()),
    "fill": Fill("next_close", delay=2),
    "exits": Exits(stop_loss=0.01),
    "rebalance": Rebalancing(band=0.05),
    "untradable": "make_room",
    "delisting": -0.5,
}


def make_bars(close, frequency=252):
    close = np.asarray(close, dtype=float)
    close = close[:, None] if close.ndim == 1 else close
    days = np.datetime64("2020-01-01") + np.arange(close.shape[0])
    names = [chr(ord("A") + i) for i in range(close.shape[1])]
    return as_bars(Panel(close, days, names, frequency=None if frequency is None else Frequency(frequency)))


def random_bars(seed=0, length=300, symbols=4):
    return make_bars(
        100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0003, 0.01, (length, symbols)), axis=0))
    )


def momentum(bars, *, lag=20, every=5):
    """Long the symbols that rose over ``lag`` bars, decided every few bars."""
    close = bars.close.values
    rows = np.arange(lag, close.shape[0], every)
    up = (close[rows] > close[rows - lag]).astype(float)
    up /= np.maximum(up.sum(axis=1, keepdims=True), 1.0)
    return Panel(up, bars.dates[rows], bars.symbols)


def hold(bars, *, pick):
    """All equity in one symbol, decided at every bar."""
    weights = np.zeros(bars.shape)
    weights[:, bars.symbols.index(pick)] = 1.0
    return Panel(weights, bars.dates, bars.symbols)


GRID = {"lag": [5, 20, 40], "every": [3, 10]}
WINDOWS = {"train": 100, "test": 40, "purge": 3}


def plain_walk_forward(strategy, bars, grid, *, train, test, purge, **policy):
    """The same by loops: winners, decision rows by bar, in-sample scores."""
    tried = [{"lag": lag, "every": every} for lag in grid["lag"] for every in grid["every"]]
    weights = [strategy(bars, **params) for params in tried]
    returns = [simulate(panel, bars, **policy).returns for panel in weights]
    where = {date: bar for bar, date in enumerate(bars.dates)}
    rows, winners, scores, start, last = {}, [], [], train + purge, None
    while start < bars.shape[0]:
        window = bars.dates[start - purge - train : start - purge]
        # All variants on the bars that every variant has; each has more than half of the window here.
        begin = max(panel.between(window[0], window[-1]).dates[0] for panel in returns)
        assert 2 * (window >= begin).sum() >= train
        values = [m.sharpe(panel.between(begin, window[-1])).value for panel in returns]
        best = int(np.nanargmax(values))
        chosen = {where[date]: row for date, row in zip(weights[best].dates, weights[best].values, strict=True)}
        stop = min(start + test, bars.shape[0])
        final = stop == bars.shape[0]
        if best != last:
            rows[start - 1] = chosen[max(bar for bar in chosen if bar <= start - 1)]
        for bar in range(start - 1, stop if final else stop - 1):
            if bar in chosen:
                rows[bar] = chosen[bar]
        winners.append(best)
        scores.append(values[best])
        last, start = best, stop
    return winners, scores, rows


@pytest.mark.parametrize(("seed", "policy"), [*((seed, PRICED) for seed in range(6)), (0, RICH), (1, RICH)])
def test_against_loops(seed, policy):
    bars = random_bars(seed)
    out = walk_forward(momentum, bars, GRID, **WINDOWS, **policy)
    winners, scores, rows = plain_walk_forward(momentum, bars, GRID, **WINDOWS, **policy)
    tried = [(lag, every) for lag in GRID["lag"] for every in GRID["every"]]
    assert out.folds.select("lag", "every").rows() == [tried[best] for best in winners]
    assert out.folds["in_sample"].to_list() == scores
    np.testing.assert_array_equal(out.weights.dates, bars.dates[sorted(rows)])
    np.testing.assert_array_equal(out.weights.values, [rows[bar] for bar in sorted(rows)])
    book = simulate(out.weights, bars, **policy)
    assert out.returns.values.tobytes() == book.returns.values.tobytes()
    assert out.result.equity.values.tobytes() == book.equity.values.tobytes()
    for row in out.folds.iter_rows(named=True):
        expected = m.sharpe(out.returns.between(row["test_start"], row["test_end"]))
        assert row["out_of_sample"] == expected.value


@pytest.mark.parametrize("name", ["account", "fill", "exits", "rebalance", "untradable", "delisting"])
def test_every_policy_matters_and_is_told(name):
    bars = random_bars(0)
    # B ends in the middle and C is halted for a while: what then happens is a policy.
    close = bars.close.values.copy()
    close[200:, 1] = np.nan
    close[230:240, 2] = np.nan
    bars = make_bars(close)

    def steady(bars, *, lag):
        weights = np.full((60, 4), 0.5)
        # C is to be sold while it is halted: what is left of it takes room from the others.
        weights[46:48, 1:3] = 0.0
        return Panel(weights, bars.dates[np.arange(60) * 5], bars.symbols)

    less = {key: value for key, value in RICH.items() if key != name} | (
        {"fill": "next_close"} if name == "fill" else {}
    )
    out, other = (walk_forward(steady, bars, {"lag": [1]}, **WINDOWS, **policy) for policy in (RICH, less))
    assert out.result.equity.values.tobytes() != other.result.equity.values.tobytes()
    assert out.settings["simulation"] != other.settings["simulation"]


def test_windows_and_labels():
    bars = random_bars()
    out = walk_forward(momentum, bars, GRID, **WINDOWS, **FREE)
    assert isinstance(out, WalkForward)
    assert out.folds.columns == [
        *[
            "fold",
            "train_start",
            "train_end",
            "test_start",
            "test_end",
            "lag",
            "every",
            "in_sample",
            "out_of_sample",
            "variants",
        ]
    ]
    dates = pl.Series(bars.dates)
    assert out.folds["test_start"].to_list() == [dates[bar] for bar in (103, 143, 183, 223, 263)]
    assert out.folds["test_end"].to_list() == [dates[bar] for bar in (142, 182, 222, 262, 299)]
    assert out.folds["train_start"].to_list() == [dates[bar] for bar in (0, 40, 80, 120, 160)]
    assert out.folds["train_end"].to_list() == [dates[bar] for bar in (99, 139, 179, 219, 259)]
    # The last window is shorter (37 bars) and kept.
    np.testing.assert_array_equal(out.returns.dates, bars.dates[103:])
    assert out.returns.symbols == ("out_of_sample",)
    assert out.returns.frequency == bars.frequency
    assert out.folds["variants"].to_list() == [6] * 5
    assert out.trials == 6
    assert "5 folds, 6 variants tried, out of sample 2020-04-13 to 2020-10-26 (197 bars)" in repr(out)


def test_anchored():
    out = walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, anchored=True)
    assert out.folds["train_start"].n_unique() == 1
    assert out.folds["train_end"].n_unique() == 5


def test_scores_are_in_sample_alone():
    out = walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE)
    assert out.scores.columns == ["fold", "lag", "every", "in_sample", "bars", "reason"]
    assert out.scores["reason"].null_count() == 30
    assert out.scores.height == 30
    best = out.scores.group_by("fold", maintain_order=True).agg(pl.col("in_sample").max())
    assert best["in_sample"].to_list() == out.folds["in_sample"].to_list()


def test_a_planted_switch_changes_the_parameters():
    # A rises by half a percent a bar while B falls, then the other way round; the noise is a tenth of it.
    noise = np.random.default_rng(0).normal(0, 0.0005, (400, 2))
    drift = np.where(np.arange(400) < 200, 0.005, -0.005)[:, None] * [1.0, -1.0]
    bars = make_bars(100 * np.exp(np.cumsum(drift + noise, axis=0)))
    out = walk_forward(hold, bars, {"pick": ["A", "B"]}, train=50, test=25, **FREE)
    picks = dict(zip(out.folds["test_start"].to_list(), out.folds["pick"].to_list(), strict=True))
    dates = pl.Series(bars.dates)
    assert picks[dates[50]] == picks[dates[200]] == "A"
    # Half of the training window from bar 250 on lies after the switch.
    assert [picks[dates[bar]] for bar in range(250, 400, 25)] == ["B"] * 6
    # The best variant in hindsight gains everywhere; the walk-forward loses for a while after the switch.
    lost = out.returns.between(dates[200], dates[224]).values
    assert (lost < 0).all()
    assert out.folds["out_of_sample"][0] > 0 > out.folds["out_of_sample"][6]


def test_warm_up_comes_from_before_the_fold():
    # A 60-bar lag in 20-bar test windows: the book is invested on every test bar all the same. The first training
    # window holds 69 returns, more than half of its bars.
    bars = make_bars(np.exp(np.arange(200) * 0.001 + 0.01 * np.sin(np.arange(200))))
    out = walk_forward(momentum, bars, {"lag": [60], "every": [5]}, train=130, test=20, **FREE)
    # Bought at the close of the first test bar, bar 130.
    assert (out.result.exposure.select("gross").values[130:] > 0.9).all()
    assert (out.returns.values[1:] != 0).all()


def test_a_standing_target_is_bought_before_the_first_test_bar():
    bars = random_bars(1, 60, 2)
    once = lambda bars, pick: Panel([[1.0, 0.0] if pick == "A" else [0.0, 1.0]], bars.dates[5:6], bars.symbols)  # noqa: E731
    out = walk_forward(once, bars, {"pick": ["A"]}, train=20, test=10, **FREE)
    # One decision of bar 5 is held for ever: inserted once, at the bar before the first test window, never again.
    np.testing.assert_array_equal(out.weights.dates, bars.dates[19:20])
    np.testing.assert_array_equal(out.weights.values, [[1.0, 0.0]])
    positions = out.result.positions.values[:, 0]
    assert (positions[:20] == 0).all()
    assert positions[20] > 0
    assert np.ptp(positions[20:]) == 0


def test_switching_costs_are_paid():
    noise = np.random.default_rng(0).normal(0, 0.0005, (400, 2))
    drift = np.where(np.arange(400) < 200, 0.005, -0.005)[:, None] * [1.0, -1.0]
    bars = make_bars(100 * np.exp(np.cumsum(drift + noise, axis=0)))
    out = walk_forward(hold, bars, {"pick": ["A", "B"]}, train=50, test=25, **PRICED)
    changes = (out.folds["pick"] != out.folds["pick"].shift(1)).sum()
    assert changes == 1
    slippage = out.result.charges["slippage"].to_numpy()
    # Buying in, and selling all of one to buy all of the other: 10 basis points of equity each way. Drift trades less.
    large = np.flatnonzero(slippage > 900)
    assert large.size == 2
    assert slippage[large[1]] == pytest.approx(0.002 * out.result.equity.values[large[1] - 1, 0], rel=0.02)


@pytest.mark.parametrize("end", [142, 182, 222])
def test_truncation(end):
    """Folds that end before t, and returns up to t, do not change when the data after t are garbage."""
    bars = random_bars(4)
    garbage = bars.close.values.copy()
    garbage[end + 1 :] = np.random.default_rng(9).uniform(0.01, 1e4, garbage[end + 1 :].shape)
    garbage[end + 1 :][::7] = np.nan
    other = as_bars(Panel(garbage, bars.dates, bars.symbols, frequency=bars.frequency))
    one = walk_forward(momentum, bars, GRID, **WINDOWS, **PRICED)
    two = walk_forward(momentum, other, GRID, **WINDOWS, **PRICED)
    last = pl.Series(bars.dates)[end]
    before = pl.col("test_end") <= last
    assert one.folds.filter(before).height >= 1
    assert one.folds.filter(before).equals(two.folds.filter(before))
    known = one.returns.between(None, bars.dates[end])
    assert known.values.tobytes() == two.returns.between(None, bars.dates[end]).values.tobytes()
    # The same data cut off instead of replaced; the fold that begins next is another matter.
    three = walk_forward(momentum, bars.between(None, bars.dates[end]), GRID, **WINDOWS, **PRICED)
    assert three.folds.equals(one.folds.filter(before))
    assert three.returns.values.tobytes() == known.values.tobytes()


def test_the_first_of_equals_wins():
    bars = make_bars(np.full((60, 2), 100.0) * np.exp(np.sin(np.arange(60)) / 100)[:, None])
    out = walk_forward(hold, bars, {"pick": ["B", "A"]}, train=20, test=10, **FREE)
    assert set(out.folds["pick"]) == {"B"}


class TestCommonBars:
    """The variants of a fold are scored on the same bars, so that luck on a handful of returns does not win."""

    def test_a_lookback_close_to_train_cannot_win_by_luck(self):
        # Pure noise. Scored on the 4 returns that it has, the longest of four lookbacks would win 12 of 30 first folds.
        def signed(bars, *, lag):
            close = bars.close.values
            return Panel(np.sign(close[lag:] - close[:-lag]) / 4, bars.dates[lag:], bars.symbols)

        wins = 0
        lucky = 0
        for seed in range(30):
            bars = make_bars(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, (160, 4)), axis=0)))
            out = walk_forward(signed, bars, {"lag": [5, 10, 20, 95]}, train=100, test=30, **FREE)
            wins += out.folds["lag"][0] == 95
            first = out.scores.filter(pl.col("fold") == 1)
            assert first["in_sample"].is_null().to_list() == [False, False, False, True]
            assert first["bars"].to_list() == [79, 79, 79, 0]
            reason = "returns on 4 of 100 training bars, fewer than half"
            assert first["reason"].to_list() == [None, None, None, reason]
            few = simulate(signed(bars, lag=95), bars, **FREE).returns.between(None, bars.dates[99])
            assert len(few) == 4
            lucky += m.sharpe(few).value > first["in_sample"].max()
            # The second training window, bars 30 to 129, holds 34 of its returns; still fewer than half.
            assert out.scores.filter(pl.col("fold") == 2)["bars"].to_list() == [100, 100, 100, 0]
        assert wins == 0
        assert lucky > 30 / 4

    def test_scores_are_of_the_same_bars(self):
        bars = random_bars(3)
        out = walk_forward(momentum, bars, {"lag": [5, 50], "every": [1]}, train=100, test=40, **FREE)
        # The lag of 50 decides first at bar 50 and has returns from bar 51 on: 49 of 100 bars; then all from bar 40 on.
        assert out.scores["bars"].to_list()[:6] == [94, 0, 89, 89, 100, 100]
        returns = simulate(momentum(bars, lag=5, every=1), bars, **FREE).returns
        assert out.scores["in_sample"][2] == m.sharpe(returns.between(bars.dates[51], bars.dates[139])).value

    @pytest.mark.parametrize(("lag", "fits"), [(49, True), (50, False)])
    def test_half_is_enough(self, lag, fits):
        out = walk_forward(momentum, random_bars(), {"lag": [5, lag], "every": [1]}, train=100, test=40, **FREE)
        assert out.scores["bars"].to_list()[:2] == ([50, 50] if fits else [94, 0])

    def test_no_variant_with_half_names_the_fold(self):
        with pytest.raises(
            DataError,
            match=r"Fold 1 \(training 2020-01-01 to 2020-04-09\): no variant has returns on half of the training "
            r"window, and at most on 39 of its 100 bars\. Hint: lengthen `train` or shorten the lookback",
        ):
            walk_forward(momentum, random_bars(), {"lag": [60, 80], "every": [1]}, **WINDOWS, **FREE)

    def test_a_ruined_variant_does_not_shorten_the_bars(self):
        # Short five times from bar 5 on, ruined on bar 15; by its dates it has 14 of 20 bars. The other has
        # returns from bar 1 on.
        close = np.r_[np.full(15, 100.0), np.full(45, 300.0)] * np.exp(0.001 * np.sin(np.arange(60)))

        def short(bars, *, size):
            first = 5 if size > 1 else 0
            return Panel(np.full((60 - first, 1), -size), bars.dates[first:], bars.symbols)

        out = walk_forward(short, make_bars(close), {"size": [5.0, 0.1]}, train=20, test=10, **FREE)
        assert out.scores["bars"].to_list()[:2] == [0, 19]
        assert out.scores["reason"].to_list()[:2] == ["ruined before the end of the training window", None]


class TestObjective:
    def test_any_function_higher_is_better(self):
        bars = random_bars(2)
        seen = []

        def least_volatile(returns):
            seen.append(returns)
            return -float(returns.values.std())

        out = walk_forward(momentum, bars, GRID, **WINDOWS, **FREE, objective=least_volatile)
        assert out.settings["objective"] == "least_volatile"
        assert all(isinstance(panel, Panel) and panel.shape[1] == 1 and len(panel) <= 100 for panel in seen)
        best = out.scores.sort("in_sample", descending=True).group_by("fold", maintain_order=True).first().sort("fold")
        assert best["in_sample"].to_list() == out.folds["in_sample"].to_list()

    def test_without_frequency(self):
        bars = make_bars(random_bars().close.values, frequency=None)
        with pytest.raises(InputError, match="bars per year"):
            walk_forward(momentum, bars, GRID, **WINDOWS, **FREE)
        out = walk_forward(momentum, bars, GRID, **WINDOWS, **FREE, objective=m.total_return)
        assert out.folds.height == 5

    def test_undefined_cannot_win(self):
        # `flat` holds nothing: its Sharpe ratio is undefined although its returns are.
        def maybe(bars, *, size):
            return Panel(np.full(bars.shape, size / bars.shape[1]), bars.dates, bars.symbols)

        bars = make_bars(100 * np.exp(-0.001 * np.arange(60) + 0.0005 * np.sin(np.arange(60))))
        out = walk_forward(maybe, bars, {"size": [0.0, 1.0]}, train=20, test=10, **FREE)
        assert set(out.folds["size"]) == {1.0}
        assert (out.folds["in_sample"] < 0).all()
        flat = out.scores.filter(pl.col("size") == 0)
        assert flat["in_sample"].null_count() == out.folds.height
        assert set(flat["reason"]) == {"sharpe is undefined"}

    def test_no_winner_names_the_fold(self):
        def nothing(bars, *, lag):
            return Panel(np.zeros(bars.shape), bars.dates, bars.symbols)

        with pytest.raises(
            DataError, match=r"Fold 1 \(training 2020-01-01 to 2020-04-09\) has no winner: sharpe .* 2 variants"
        ):
            walk_forward(nothing, random_bars(), {"lag": [5, 10]}, **WINDOWS, **FREE)

    def test_a_name_is_no_function(self):
        with pytest.raises(KindError, match=r"`objective` must be a function, .*'sharpe'.*`ql\.metrics\.sharpe`"):
            walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, objective="sharpe")
        with pytest.raises(KindError, match=r"`objective` must be a function, received int"):
            walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, objective=3)

    def test_a_ruined_variant_cannot_win(self):
        # Short five times a symbol that doubles: gone on bar 30. Until then, on a falling price, it led.
        close = np.r_[100 * np.exp(-0.005 * np.arange(30) + 0.001 * np.sin(np.arange(30))), np.full(40, 300.0)]
        close[30:] *= np.exp(0.001 * np.sin(np.arange(40)) + 0.0005 * np.arange(40))

        def short(bars, *, size):
            return Panel(np.full(bars.shape, -size), bars.dates, bars.symbols)

        run = functools.partial(walk_forward, short, make_bars(close), {"size": [5.0, 0.1]}, train=15, test=10, **FREE)
        out = run(objective=m.total_return)
        assert out.folds["size"].to_list()[:2] == [5.0, 5.0]
        assert set(out.folds["size"].to_list()[3:]) == {0.1}
        # The book held the variant that was ruined, and ends with it.
        assert out.result.ruined is not None
        assert out.folds["out_of_sample"].to_list()[-1] is None
        assert np.isnan(out.returns.values[-1, 0])
        # An objective that knows nothing of ruin is not asked about it.
        seen = []
        run(objective=lambda returns: seen.append(returns) or 1.0)
        assert all((panel.values > -1).all() for panel in seen)
        stops = np.array([panel.dates[-1] for panel in seen])
        assert (stops < out.result.ruined).sum() >= 2


class TestParameters:
    def test_columns_of_any_kind(self):
        bars = random_bars(0, 80)

        def strategy(bars, **params):
            return momentum(bars, lag=5)

        grid = {"text": ["x"], "number": [1, 2.5], "mixed": [1, "a"], "thing": [(1, 2), None], "flag": [True]}
        out = walk_forward(strategy, bars, grid, train=30, test=20, **FREE)
        row = out.folds.select(list(grid)).row(0)
        assert row == ("x", 1.0, "1", "(1, 2)", True)
        assert out.trials == 8
        json.dumps(out.settings, allow_nan=False)

    def test_settings(self):
        out = walk_forward(momentum, random_bars(), {"lag": np.array([5, 20])}, **WINDOWS, **FREE)
        assert out.settings["grid"]["space"] == {"lag": [5, 20]}
        expected = {"strategy": "momentum", "objective": "sharpe", "train": 100, "test": 40, "purge": 3, "trials": 2}
        assert expected.items() <= out.settings.items()
        assert out.settings["simulation"]["fill"] == "next_close"

    def test_progress(self):
        seen = []
        walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, progress=lambda *step: seen.append(step))
        assert seen == [(i, 6) for i in range(1, 7)]

    def test_each_variant_runs_once_and_the_winners_are_asked_again(self):
        calls = []

        def counted(bars, *, lag):
            calls.append(lag)
            return momentum(bars, lag=lag)

        out = walk_forward(counted, random_bars(), {"lag": [5, 20, 40]}, **WINDOWS, **FREE)
        assert calls == [5, 20, 40, *sorted(set(out.folds["lag"]))]

    def test_every_variant_is_a_trial_on_record(self, tmp_path):
        out = walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, study="wf", log=tmp_path)
        log = TrialLog(tmp_path)
        assert log.trials("wf").count == 6
        runs = log.runs("wf")
        first = out.scores.filter(pl.col("fold") == 1)
        assert runs.sort("number")["in_sample.1"].to_list() == first["in_sample"].to_list()
        batch = log.batches("wf").row(0, named=True)
        assert (batch["kind"], batch["status"], batch["planned"]) == ("walk_forward", "done", 6)
        kept = log.artifacts(Batch(batch["batch"], "wf"))
        assert pl.read_parquet(log.read(kept["sha256"][0])).equals(out.folds)
        # The same again, and the same variants in a sweep, are the same trials.
        walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, study="wf", log=tmp_path)
        assert log.trials("wf").count == 6

    def test_a_walk_forward_that_fails_says_so_on_record(self, tmp_path):
        def broken(bars, *, lag):
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            walk_forward(broken, random_bars(), {"lag": [5]}, **WINDOWS, **FREE, study="wf", log=tmp_path)
        assert TrialLog(tmp_path).batches("wf")["status"].to_list() == ["failed"]

    def test_without_a_study_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("QUANTLAB_STUDIES")
        walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, study=None)
        assert not list(tmp_path.iterdir())

    def test_threads_change_nothing(self):
        one, two = (
            walk_forward(momentum, random_bars(), GRID, **WINDOWS, **FREE, study=None, workers=n) for n in (1, 2)
        )
        assert one.scores.equals(two.scores)
        np.testing.assert_array_equal(one.returns.values, two.returns.values)

    def test_frames_and_empty_rows(self):
        bars = random_bars()
        expected = walk_forward(momentum, bars, GRID, **WINDOWS, **FREE)

        def framed(bars, *, lag, every):
            dense = np.full(bars.shape, np.nan)
            sparse = momentum(bars, lag=lag, every=every)
            dense[np.searchsorted(bars.dates, sparse.dates)] = sparse.values
            return Panel(dense, bars.dates, bars.symbols).to_frame().lazy()

        out = walk_forward(framed, bars, GRID, **WINDOWS, **FREE)
        assert out.returns.values.tobytes() == expected.returns.values.tobytes()


class TestRefusals:
    def run(self, strategy, bars=None, grid=None, **options):
        bars = random_bars() if bars is None else bars
        return walk_forward(strategy, bars, grid or {"lag": [5]}, **{**WINDOWS, **FREE, **options})

    def test_bars(self):
        with pytest.raises(KindError, match="`bars` must be Bars"):
            self.run(momentum, bars=random_bars().close)

    def test_too_few_bars(self):
        with pytest.raises(InputError, match="needs 143 bars and has 120"):
            self.run(momentum, bars=random_bars(0, 120))

    def test_unknown_parameter(self):
        with pytest.raises(InputError, match="did you mean lag"):
            self.run(momentum, grid={"lags": [5]})

    def test_a_parameter_named_like_a_column(self):
        with pytest.raises(InputError, match="fold has the name of a column"):
            self.run(lambda bars, fold: None, grid={"fold": [5]})

    @pytest.mark.parametrize("name", ["bars", "reason", "in_sample"])
    def test_a_parameter_named_like_a_column_of_scores(self, name):
        with pytest.raises(InputError, match=f"{name} has the name of a column"):
            self.run(lambda panel, **rest: None, grid={name: [5]})

    @pytest.mark.parametrize("values", [[math.nan, math.nan], [1.0, np.float32("nan"), math.nan]])
    def test_nan_twice(self, values):
        with pytest.raises(InputError, match="holds nan twice for lag"):
            self.run(momentum, grid={"lag": values})

    @pytest.mark.parametrize("value", [np.arange(3), random_bars(0, 10).close, pl.Series([1, 2])])
    def test_values_that_are_arrays(self, value):
        with pytest.raises(KindError, match=f"must hold plain values for lag, received {type(value).__name__}"):
            self.run(momentum, grid={"lag": [1, value]})

    def test_no_panel(self):
        with pytest.raises(KindError, match=r"<lambda>\(lag=5\) must return a Panel .*, returned ndarray"):
            self.run(lambda bars, lag: bars.close.values)

    def test_other_symbols(self):
        with pytest.raises(LabelError, match=r"\(lag=5\) returned other symbols .*4"):
            self.run(lambda bars, lag: momentum(bars).select(["A", "B"]))

    def test_other_dates(self):
        def shifted(bars, *, lag):
            return Panel(np.ones((1, 4)) / 4, ["2019-12-31"], bars.symbols)

        with pytest.raises(LabelError, match=r"\(lag=5\): `weights` decide on 2019-12-31, which is no date"):
            self.run(shifted)

    def test_booleans(self):
        with pytest.raises(KindError, match=r"\(lag=5\): `weights` must be numbers, received a bool Panel"):
            self.run(lambda bars, lag: bars.close > 0)

    def test_policy_errors_come_through(self):
        with pytest.raises(InputError, match="`fill`"):
            self.run(momentum, fill="next_tick")
