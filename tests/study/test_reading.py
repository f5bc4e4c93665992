"""Reading a sweep: the best variants and what they are worth, parameters one by one, and how stable an optimum is."""

import math
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab import metrics as m
from quantlab.core import InputError, KindError
from quantlab.study._draws import random_grid
from quantlab.study._grid import product
from quantlab.study._levels import coarse, levels_of
from quantlab.study._reading import marginal, top
from quantlab.study._space import integers, log_uniform, uniform
from quantlab.study._stability import stability

FULL = {"a": [1, 2, 3], "b": ["x", "y"]}


def table_of(grid, sharpe, **columns):
    """A sweep's table: variants of a grid with their Sharpe ratios; None failed."""
    rows = list(product(grid)) if isinstance(grid, dict) else list(grid)
    done = [value is not None for value in sharpe]
    filled = {"skew": -0.5, "kurtosis": 5.0, "bars": 1260} | columns
    spread = {
        name: values if isinstance(values, list) else [values if there else None for there in done]
        for name, values in filled.items()
    }
    return pl.DataFrame(
        {"variant": range(len(rows))}
        | {name: [row[name] for row in rows] for name in rows[0]}
        | {"status": ["done" if there else "failed" for there in done]}
        | {"reason": [None if there else "ValueError: no" for there in done]}
        | {"sharpe": pl.Series(sharpe, dtype=pl.Float64)}
        | spread
    )


def empty(table):
    return table.clear()


class TestTop:
    def test_by_hand(self):
        table = table_of({"a": [1, 2, 3]}, [0.4, 1.2, 0.7], volatility=[0.1, 0.2, 0.3])
        best = top(table, ["a"], 2, trials=50, periods=252)
        assert best.select("variant", "a", "sharpe", "volatility").rows() == [(1, 2, 1.2, 0.2), (2, 3, 0.7, 0.3)]
        row = best.row(0, named=True)
        ratio = 1.2 / math.sqrt(252)
        error = math.sqrt((1 + 0.5 * ratio + ratio**2) / 1259)
        variance = np.var([0.4, 1.2, 0.7], ddof=1) / 252
        normal = NormalDist()
        euler = 0.5772156649015329
        bar = math.sqrt(variance) * (
            (1 - euler) * normal.inv_cdf(1 - 1 / 50) + euler * normal.inv_cdf(1 - 1 / (50 * math.e))
        )
        p = 1 - normal.cdf(ratio / error)
        expected = {
            "sharpe_se": error * math.sqrt(252),
            "sharpe_low": 1.2 - 1.959964 * error * math.sqrt(252),
            "sharpe_high": 1.2 + 1.959964 * error * math.sqrt(252),
            "psr": 1 - p,
            "dsr": normal.cdf((ratio - bar) / error),
            "expected_max": bar * math.sqrt(252),
            "p_value": p,
            "p_holm": 50 * p,
            "p_sidak": 1 - (1 - p) ** 50,
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)

    def test_holm_counts_those_that_are_not_shown(self):
        table = table_of({"a": [1, 2, 3]}, [1.4, 2.4, 1.7], skew=0.0, kurtosis=3.0)
        ratios = [value / math.sqrt(252) for value in (2.4, 1.7, 1.4)]
        p = [1 - NormalDist().cdf(ratio / math.sqrt((1 + ratio**2 / 2) / 1259)) for ratio in ratios]
        best = top(table, ["a"], by="bars", trials=20, periods=252)
        assert best.sort("p_value")["p_holm"].to_list() == pytest.approx([20 * p[0], 19 * p[1], 18 * p[2]], rel=1e-6)
        assert top(table, ["a"], 1, by="kurtosis", trials=20, periods=252)["p_holm"][0] == pytest.approx(18 * p[2])

    def test_columns(self):
        table = table_of(FULL, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], volatility=0.1)
        statistics = ["sharpe_se", "sharpe_low", "sharpe_high", "psr", "dsr", "expected_max"]
        statistics += ["p_value", "p_holm", "p_sidak"]
        rest = ["skew", "kurtosis", "bars"]
        best = top(table, ["a", "b"], trials=6, periods=252)
        assert best.columns == ["variant", "a", "b", "sharpe", *statistics, *rest, "volatility"]
        best = top(table, ["a", "b"], by="volatility", trials=6, periods=252)
        assert best.columns == ["variant", "a", "b", "volatility", "sharpe", *statistics, *rest]

    def test_the_interval_is_that_of_the_metric(self):
        returns = np.random.Generator(np.random.Philox(4)).standard_t(4, 600) * 0.01 + 0.001
        estimate = m.sharpe(returns, periods=252)
        shape = {"skew": float(m.skew(returns)), "kurtosis": float(m.kurtosis(returns)), "bars": 600}
        row = top(table_of({"a": [1]}, [estimate.value], **shape), ["a"], trials=1, periods=252).row(0, named=True)
        assert row["sharpe"] == estimate.value
        assert (row["sharpe_se"], row["sharpe_low"], row["sharpe_high"]) == pytest.approx(
            (estimate.se, estimate.low, estimate.high), rel=1e-12
        )
        # One trial was not selected among others.
        assert row["dsr"] == row["psr"]
        assert row["expected_max"] == 0.0
        assert row["p_value"] == row["p_holm"] == pytest.approx(1 - row["psr"], rel=1e-9)

    @pytest.mark.parametrize(
        ("by", "descending", "first"),
        [
            ("sharpe", None, 1),
            ("sharpe", False, 0),
            ("max_drawdown", None, 2),
            ("volatility", None, 0),
            ("volatility", True, 2),
            ("turnover", None, 2),
            ("max_drawdown_duration", None, 1),
            ("score", None, 0),
        ],
    )
    def test_which_end_is_best(self, by, descending, first):
        table = table_of(
            {"a": [1, 2, 3]},
            [0.1, 0.5, 0.3],
            max_drawdown=[-0.5, -0.3, -0.1],
            volatility=[0.1, 0.2, 0.3],
            turnover=[9.0, 5.0, 2.0],
            max_drawdown_duration=[30, 10, 20],
            score=[7, 1, 3],
        )
        best = top(table, ["a"], by=by, descending=descending, trials=3, periods=252)
        assert best["variant"][0] == first
        assert best["sharpe"].to_list() == table["sharpe"][best["variant"].to_list()].to_list()

    def test_failed_variants_and_missing_metrics(self):
        table = table_of({"a": [1, 2, 3, 4]}, [None, 0.5, math.nan, 0.4], calmar=[None, None, 1.0, 2.0])
        best = top(table, ["a"], trials=4, periods=252)
        assert best["a"].to_list() == [2, 4]
        best = top(table, ["a"], by="calmar", trials=4, periods=252)
        assert best["a"].to_list() == [4, 3]
        # The third has a Calmar ratio and no Sharpe ratio.
        assert best.row(1, named=True)["psr"] is None
        assert best.row(1, named=True)["p_sidak"] is None
        assert "status" not in best.columns

    def test_a_stale_number_of_a_failed_variant_does_not_count(self):
        table = table_of({"a": [1, 2]}, [5.0, 0.5]).with_columns(status=pl.Series(["failed", "done"]))
        best = top(table, ["a"], trials=2, periods=252)
        assert best["a"].to_list() == [2]

    def test_equals_keep_their_order(self):
        table = table_of({"a": [1, 2, 3, 4]}, [0.5, 0.7, 0.7, 0.7])
        assert top(table, ["a"], 3, trials=4, periods=252)["variant"].to_list() == [1, 2, 3]
        assert top(table, ["a"], descending=False, trials=4, periods=252)["variant"].to_list() == [0, 1, 2, 3]

        many = table_of({"a": list(range(60))}, [0.5, 0.7] * 30)
        assert top(many, ["a"], 60, trials=60, periods=252)["variant"].to_list() == [*range(1, 60, 2), *range(0, 60, 2)]

    @pytest.mark.parametrize(
        "table", [empty(table_of({"a": [1]}, [0.1])), table_of({"a": [1, 2]}, [None, None])], ids=["empty", "failed"]
    )
    def test_nothing_to_rank(self, table):
        best = top(table, ["a"], trials=2, periods=252)
        assert best.height == 0
        assert {"a", "sharpe", "dsr", "p_holm", "bars"} <= set(best.columns)

    def test_all_null_columns(self):
        table = table_of({"a": [1]}, [None]).with_columns(pl.lit(None).alias("sharpe"), pl.lit(None).alias("bars"))
        assert table.schema["sharpe"] == pl.Null
        assert top(table, ["a"], trials=1, periods=252).height == 0

    def test_what_has_no_standard_error(self):
        table = table_of({"a": [1, 2, 3]}, [0.5, 0.6, 0.7], bars=[1, 500, 500], skew=[0.0, None, 0.0])
        best = top(table, ["a"], trials=3, periods=252)
        assert best["psr"].is_null().to_list() == [False, True, True]
        assert best["sharpe_se"].is_null().to_list() == [False, True, True]

    def test_two_returns(self):
        # A kurtosis of 1, which rounding takes below it.
        table = table_of({"a": [1]}, [0.5], bars=2, skew=0.0, kurtosis=1 - 2**-53)
        assert top(table, ["a"], trials=1, periods=252)["psr"][0] > 0.5

    def test_the_variance_of_the_trials(self):
        table = table_of({"a": [1, 2]}, [0.5, 0.7])
        options = {"trials": 20, "periods": 252}
        found = top(table, ["a"], variance=0.01, **options)["expected_max"][0]
        assert found == pytest.approx(float(m.expected_maximum_sharpe(20, 0.01)) * math.sqrt(252), rel=1e-12)
        # One Sharpe ratio alone has no variance: that of trials without skill stands in.
        found = top(table.head(1), ["a"], **options)["expected_max"][0]
        assert found == pytest.approx(float(m.expected_maximum_sharpe(20, 1 / 1259)) * math.sqrt(252), rel=1e-12)
        # No spread, nothing to expect of the best.
        assert top(table.with_columns(sharpe=0.5), ["a"], **options)["expected_max"][0] == 0.0

    def test_more_trials_leave_less(self):
        table = table_of({"a": [1, 2]}, [0.9, 1.1])
        few, many = (top(table, ["a"], trials=n, periods=252).row(0, named=True) for n in (2, 200))
        assert few["psr"] == many["psr"]
        assert few["dsr"] > many["dsr"]
        assert few["p_holm"] < many["p_holm"]
        assert few["p_sidak"] < many["p_sidak"]

    def test_the_size_of_the_corrected_p_values(self):
        # Noise: the best of 20 independent trials has a corrected p-value under 5 % in 5 % of all searches.
        draws = np.random.Generator(np.random.Philox(12))
        searches, trials, bars = 400, 20, 250
        rejected = {"p_value": 0, "p_holm": 0, "p_sidak": 0}
        for _ in range(searches):
            returns = draws.normal(0, 0.01, (trials, bars))
            ratios = (returns.mean(axis=1) / returns.std(axis=1, ddof=1) * math.sqrt(252)).tolist()
            table = table_of({"a": list(range(trials))}, ratios, skew=0.0, kurtosis=3.0, bars=bars)
            row = top(table, ["a"], 1, trials=trials, periods=252).row(0, named=True)
            for name in rejected:
                rejected[name] += row[name] < 0.05
        # Three standard deviations of 400 draws at 5 % are 3.3 %.
        assert 0.017 < rejected["p_sidak"] / searches < 0.083
        assert rejected["p_holm"] <= rejected["p_sidak"]
        assert rejected["p_value"] / searches == pytest.approx(1 - 0.95**20, abs=0.075)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"by": "sharp"}, InputError, "`by` must be a metric of the sweep, received 'sharp'.*did you mean sharpe"),
            ({"by": "zzz"}, InputError, "it has sharpe, skew, kurtosis, bars"),
            ({"by": "a"}, InputError, "`by` must be a metric"),
            ({"by": "reason"}, InputError, "`by` must be a metric"),
            ({"trials": 1}, InputError, "`trials` is 1, and the table holds 3 Sharpe ratios"),
            ({"trials": 3.0}, KindError, "`trials` must be an integer"),
            ({"periods": 0}, InputError, "periods"),
            ({"variance": math.nan}, InputError, "`variance` must be a finite number"),
            ({"variance": -1.0}, InputError, "`variance` must be at least 0"),
            ({"k": 0}, InputError, "`k` must be an integer >= 1"),
            (
                {"parameters": ["a", "lookback"]},
                InputError,
                "`table` has no column lookback; it has variant, a, status",
            ),
            ({"parameters": "a"}, KindError, "`parameters` must be a list of names"),
            ({"table": [1]}, KindError, "`table` must be a Polars DataFrame, received list"),
            ({"table": table_of({"a": [1, 2, 3]}, [1.0] * 3).drop("skew")}, InputError, "received 'skew'"),
        ],
    )
    def test_refuses(self, options, error, message):
        given_ = {
            "table": table_of({"a": [1, 2, 3]}, [0.1, 0.2, 0.3]),
            "parameters": ["a"],
            "trials": 3,
            "periods": 252,
        }
        options = given_ | options
        with pytest.raises(error, match=message):
            top(options.pop("table"), options.pop("parameters"), **options)

    def test_a_parameter_with_the_name_of_a_statistic(self):
        with pytest.raises(InputError, match="psr is a parameter and a column of the answer"):
            top(table_of({"psr": [1]}, [0.1]), ["psr"], trials=1, periods=252)


class TestLevels:
    def labels(self, values, **options):
        return levels_of(pl.DataFrame({"x": pl.Series(values, **options)}), "x")

    @pytest.mark.parametrize(
        ("values", "labels", "ordered"),
        [
            ([252, 63, 252], ("63", "252"), True),
            ([0.1 + 0.2, 0.3, 0.5], ("0.3", "0.30000000000000004", "0.5"), True),
            ([0.1, 0.25, 1e6, 1e-5], ("1e-05", "0.1", "0.25", "1000000"), True),
            ([2**53, 63], ("63", "9007199254740992"), True),
            ([1234.0, 1235.0], ("1234", "1235"), True),
            (["b", "a", "b"], ("b", "a"), False),
            ([True, False], ("True", "False"), False),
            ([None, 0.1, 0.2], ("None", "0.1", "0.2"), False),
            ([[1, 2], [1, 3]], ("[1, 2]", "[1, 3]"), False),
            ([math.nan, 1.0], ("nan", "1.0"), False),
        ],
    )
    def test_values(self, values, labels, ordered):
        found = self.labels(values)
        assert found.labels == labels
        assert found.ordered is ordered
        # Sorted where it is ordered; that of the first appearance else.
        order = sorted(set(values)) if ordered else values
        assert found.codes.tolist() == [list(dict.fromkeys(map(repr, order))).index(repr(value)) for value in values]

    def test_dates_are_ordered_and_objects_are_not(self):
        days = pl.Series(["2024-01-03", "2024-01-02"]).str.to_date()
        assert self.labels(days).labels == ("2024-01-02", "2024-01-03")
        assert self.labels(days).ordered
        mixed = self.labels([1, "1", (1, 2)], dtype=pl.Object)
        assert mixed.labels == ("1", "'1'", "(1, 2)")
        assert self.labels([1, True, 1.0, 1], dtype=pl.Object).codes.tolist() == [0, 1, 2, 0]
        assert not mixed.ordered

    def test_bins(self):
        values = list(range(100))
        found = coarse(self.labels(values))
        assert found.binned
        assert len(found) == 8
        assert set(np.bincount(found.codes).tolist()) == {12, 13}
        assert found.labels[0] == "0 to 12"
        assert (found.low[-1], found.high[-1]) == (87.0, 99.0)
        assert not coarse(self.labels([1, 2, 3])).binned
        # Thirty values, each of them tried five times, are a grid.
        assert not coarse(self.labels(list(range(30)) * 5)).binned
        assert coarse(self.labels(list(range(30)) * 4)).binned
        assert coarse(self.labels(list(range(31)) * 50)).binned
        assert not coarse(self.labels(list("abcdefghijkl"))).binned

    @given(st.lists(st.one_of(st.floats(-5, 5), st.integers(-3, 3).map(float)), min_size=1, max_size=80))
    def test_bins_hold_everything_once_and_in_order(self, values):
        found = coarse(self.labels(values, dtype=pl.Float64))
        for code in range(len(found)):
            inside = np.array(values)[found.codes == code]
            assert inside.size
            assert (inside.min(), inside.max()) == (found.low[code], found.high[code])
        assert (found.low[1:] > found.high[:-1]).all()


class TestMarginal:
    def test_by_hand(self):
        table = table_of(FULL, [1.0, 2.0, 3.0, None, 5.0, 9.0])
        found = marginal(table, ["a", "b"], "sharpe")
        assert found.columns == [
            "parameter", "value", "low", "high", "binned", "mean", "median", "std", "min", "max", "count", "missing",
            "explained", "chance",
        ]  # fmt: skip
        assert found["parameter"].to_list() == ["a"] * 3 + ["b"] * 2
        assert found["value"].to_list() == ["1", "2", "3", "x", "y"]
        assert found["low"].to_list() == found["high"].to_list() == [1.0, 2.0, 3.0, None, None]
        assert found["mean"].to_list() == [1.5, 3.0, 7.0, 3.0, 5.5]
        assert found["median"].to_list() == [1.5, 3.0, 7.0, 3.0, 5.5]
        assert found["min"].to_list() == [1.0, 3.0, 5.0, 1.0, 2.0]
        assert found["max"].to_list() == [2.0, 3.0, 9.0, 5.0, 9.0]
        assert found["count"].to_list() == [2, 1, 2, 3, 2]
        assert found["missing"].to_list() == [0, 1, 0, 0, 1]
        assert found["std"].to_list() == pytest.approx([0.5**0.5, None, 8**0.5, 2.0, 24.5**0.5])
        # Mean 4; total 9 + 4 + 1 + 1 + 25 = 40; a: 2·6.25 + 1 + 2·9 = 31.5; b: 3·1 + 2·2.25 = 7.5.
        assert found["explained"].to_list() == pytest.approx([31.5 / 40] * 3 + [7.5 / 40] * 2)
        assert found["chance"].to_list() == [2 / 4] * 3 + [1 / 4] * 2
        assert not found["binned"].any()

    def test_against_scipy(self):
        from scipy.stats import f_oneway

        draws = np.random.Generator(np.random.Philox(3)).normal(size=60)
        table = table_of({"a": [1, 2, 3], "b": list(range(4)), "c": list(range(5))}, draws.tolist())
        for name, groups in (("a", 3), ("b", 4), ("c", 5)):
            samples = [table.filter(pl.col(name) == value)["sharpe"].to_numpy() for value in range(6)]
            f = f_oneway(*[sample for sample in samples if sample.size]).statistic
            explained = marginal(table, [name])["explained"][0]
            # F is η² against what it leaves, each by its degrees of freedom.
            assert explained / (1 - explained) * (60 - groups) / (groups - 1) == pytest.approx(f, rel=1e-10)

    def test_effects_without_interaction_add_up(self):
        effect = {"a": {1: 0.1, 2: 0.5, 3: 0.2}, "b": {"x": 0.0, "y": 0.3}}
        sharpe = [effect["a"][row["a"]] + effect["b"][row["b"]] for row in product(FULL)]
        found = marginal(table_of(FULL, sharpe), ["a", "b"])
        assert found["explained"].unique(maintain_order=True).sum() == pytest.approx(1.0)

    def test_chance_is_what_noise_shows(self):
        draws = np.random.Generator(np.random.Philox(6))
        grid = {"a": list(range(6)), "b": [1, 2]}
        found = [marginal(table_of(grid, draws.normal(size=12).tolist()), ["a"]).row(0, named=True) for _ in range(400)]
        # The mean of 400 values of a standard deviation near .18.
        assert np.mean([row["explained"] for row in found]) == pytest.approx(found[0]["chance"], abs=0.03)

    def test_numbers_of_a_random_grid_are_binned(self):
        grid = random_grid({"x": uniform(0, 1), "n": integers(1, 3)}, 200, seed=1)
        table = table_of(grid, [variant["x"] for variant in grid])
        found = marginal(table, ["x", "n"])
        assert found["binned"].to_list() == [True] * 8 + [False] * 3
        assert found["count"].to_list()[:8] == [25] * 8
        assert found["mean"].to_list()[:8] == sorted(found["mean"].to_list()[:8])
        assert found["explained"][0] > 0.97
        assert found["explained"][-1] < 0.1

    def test_other_metrics_and_categories(self):
        table = table_of(FULL, [0.0] * 6, turnover=[6, 5, 4, 3, 2, 1])
        assert marginal(table, ["b"], "turnover")["mean"].to_list() == [4.0, 3.0]
        assert marginal(table, ["a", "b"])["explained"].is_null().all()

    def test_what_differs_by_rounding_alone_does_not_vary(self):
        found = marginal(table_of({"a": [1, 2], "b": [1, 2]}, [0.3, 0.1 + 0.2, 0.3, 0.3]), ["a"])
        assert found["explained"].to_list() == [None, None]

    def test_a_value_with_which_all_failed_is_no_group(self):
        found = marginal(table_of(FULL, [1.0, 2.0, None, math.inf, 5.0, 9.0]), ["a"])
        assert found["count"].to_list() == [2, 0, 2]
        assert found["missing"].to_list() == [0, 2, 0]
        assert found["mean"].to_list() == [1.5, None, 7.0]
        assert found["chance"].to_list() == [1 / 3] * 3

    @pytest.mark.parametrize(
        ("table", "count"),
        [
            (empty(table_of(FULL, [0.1] * 6)), []),
            (table_of(FULL, [None] * 6), [0, 0, 0]),
            (table_of({"a": [1], "b": [1]}, [0.5]), [1]),
        ],
        ids=["empty", "failed", "one row"],
    )
    def test_corners(self, table, count):
        found = marginal(table, ["a"])
        assert found["count"].to_list() == count
        assert found["explained"].is_null().all()
        assert found["std"].is_null().all()
        assert found.schema == marginal(table_of(FULL, [1.0, 2.0, 3.0, None, 5.0, 9.0]), ["a"]).schema

    def test_refuses(self):
        table = table_of(FULL, [0.1] * 6)
        with pytest.raises(InputError, match=r"`metric` must be a metric.*received 'sortino'"):
            marginal(table, ["a"], "sortino")
        with pytest.raises(InputError, match="`table` has no column c"):
            marginal(table, ["c"])


def by_brute_force(table, parameters, ordered):
    """Neighbors by the words of the docstring: one step to the next value tried with the same other parameters."""
    rows = table.select(parameters).rows()
    found = []
    for one in rows:
        near = set()
        for at, name in enumerate(parameters):
            line = [
                place
                for place, other in enumerate(rows)
                if all(one[i] == other[i] for i in range(len(parameters)) if i != at) and other[at] != one[at]
            ]
            if name in ordered:
                below = [place for place in line if rows[place][at] < one[at]]
                above = [place for place in line if rows[place][at] > one[at]]
                line = [max(below, key=lambda place: rows[place][at])] if below else []
                line += [min(above, key=lambda place: rows[place][at])] if above else []
            near |= set(line)
        found.append(sorted(near))
    return found


class TestStability:
    def test_by_hand(self):
        table = table_of({"a": [1, 2, 3], "b": ["x", "y", "z"]}, [1.0, 2.0, 3.0, 4.0, 9.0, 5.0, 6.0, None, 8.0])
        answer = stability(table, ["a", "b"]).sort("variant")
        assert answer["method"].unique().to_list() == ["steps"]
        # b is a category, so that every variant is near both others of its a; a leads one step up and one down.
        assert answer["neighbors"].to_list() == [3, 3, 3, 4, 3, 4, 2, 3, 2]
        assert answer["neighbors_missing"].to_list() == [0, 0, 0, 0, 1, 0, 1, 0, 1]
        found = answer.rows(named=True)
        # (1, x) is near (1, y), (1, z) and (2, x).
        assert found[0]["neighbors_mean"] == pytest.approx((2 + 3 + 4) / 3)
        assert found[0]["neighbors_worst"] == 2.0
        assert found[0]["neighborhood_mean"] == pytest.approx((1 + 2 + 3 + 4) / 4)
        # (2, y), the peak, is near (1, y), (2, x), (2, z) and (3, y), which failed.
        peak = found[4]
        assert (peak["neighbors"], peak["neighbors_missing"]) == (3, 1)
        assert peak["neighbors_mean"] == pytest.approx((2 + 4 + 5) / 3)
        assert peak["neighborhood_mean"] == pytest.approx((9 + 2 + 4 + 5) / 4)
        # The median of 1 2 3 4 9 5 6 8 is 4.5.
        assert peak["plateau"] == pytest.approx(((2 + 4 + 5) / 3 - 4.5) / (9 - 4.5))
        # The one that failed has neighbors and no value.
        assert found[7]["neighbors"] == 3
        assert found[7]["stability_rank"] is None
        assert found[7]["neighborhood_mean"] is None

    def test_a_plateau_beats_a_peak(self):
        sharpe = [0.0, 1.3, 0.0, 0.1, 0.8, 1.0, 0.9, 0.1, 0.0]
        found = stability(table_of({"a": list(range(9))}, sharpe), ["a"])
        assert found["a"][0] == 5
        assert found["stability_rank"].to_list() == list(range(1, 10))
        assert found["neighborhood_mean"].to_list() == sorted(found["neighborhood_mean"].to_list(), reverse=True)
        # Flat around, as high as its neighbors: 1. Its neighbors at the median: 0.
        flat = stability(table_of({"a": list(range(7))}, [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0]), ["a"]).sort("a")
        assert flat["plateau"][5] == 1.0
        lone = stability(table_of({"a": list(range(5))}, [0.0, 0.0, 2.0, 0.0, 0.0]), ["a"]).sort("a")
        assert lone["plateau"][2] == 0.0
        assert lone["plateau"][0] is None
        # At the median itself, whatever the neighbors are.
        middle = stability(table_of({"a": [1, 2, 3]}, [0.0, 1.0, 5.0]), ["a"]).sort("a")
        assert middle["plateau"].to_list() == [0.0, None, 0.0]

    def test_less_is_better_of_some(self):
        table = table_of({"a": [1, 2, 3, 4]}, [0.0] * 4, volatility=[0.1, 0.2, 0.3, 0.5])
        found = stability(table, ["a"], "volatility")
        assert found["a"].to_list() == [1, 2, 3, 4]
        assert found["neighbors_worst"].to_list() == [0.2, 0.3, 0.5, 0.3]
        found = stability(table, ["a"], "volatility", descending=True)
        assert found["a"].to_list() == [4, 3, 2, 1]
        assert found["neighbors_worst"].to_list() == [0.3, 0.2, 0.1, 0.2]

    @given(st.data())
    def test_steps_are_those_of_the_words(self, data):
        grid = {"a": [5, 1, 3, 9], "b": ["x", "y", "z"], "c": [0.5, 0.1]}
        every = list(product(grid))
        kept = data.draw(st.lists(st.sampled_from(range(24)), min_size=12, max_size=24, unique=True))
        rows = [every[place] for place in kept]
        sharpe = [float(place**2 % 17) for place in range(len(rows))]
        table = table_of(rows, sharpe)
        near = by_brute_force(table, ["a", "b", "c"], {"a", "c"})
        found = stability(table, ["a", "b", "c"]).sort("variant")
        assert found["method"][0] == "steps"
        assert found["neighbors"].to_list() == [len(each) for each in near]
        for row, each in zip(found.iter_rows(named=True), near, strict=True):
            if each:
                assert row["neighbors_mean"] == pytest.approx(np.mean([sharpe[place] for place in each]))
                assert row["neighbors_worst"] == min(sharpe[place] for place in each)
            else:
                assert row["neighbors_mean"] is None
                assert row["plateau"] is None
                assert row["neighborhood_mean"] == row["sharpe"]

    @given(st.permutations(range(12)))
    def test_the_order_of_rows_does_not_matter(self, order):
        table = table_of({"a": [1, 2, 3], "b": [0.1, 0.2], "c": ["x", "y"]}, [float(i * i % 7) for i in range(12)])
        for options in ({}, {"nearest": 3}):
            found = stability(table[list(order)], ["a", "b", "c"], **options).sort("variant").drop("stability_rank")
            expected = stability(table, ["a", "b", "c"], **options).sort("variant").drop("stability_rank")
            for name in ("neighbors", "neighbors_mean", "neighbors_worst", "plateau"):
                assert found[name].to_list() == pytest.approx(expected[name].to_list(), abs=1e-12)

    def test_random_grids_have_nearest_variants(self):
        grid = random_grid({"x": uniform(0, 1), "y": log_uniform(0.01, 1)}, 150, seed=5)
        sharpe = [1 - abs(v["x"] - 0.3) for v in grid]
        found = stability(table_of(grid, sharpe), ["x", "y"])
        assert found["method"].unique().to_list() == ["nearest"]
        # Two for each parameter, and a fifth where it is as near as the fourth.
        assert set(found["neighbors"].to_list()) <= {4, 5}
        assert abs(found["x"][0] - 0.3) < 0.1

    def test_nearest_by_brute_force(self):
        rows = list(random_grid({"x": integers(1, 9), "y": uniform(0, 1), "k": ["p", "q"]}, 40, seed=2))
        sharpe = [float(place % 7) for place in range(40)]
        found = stability(table_of(rows, sharpe), ["x", "y", "k"], nearest=3).sort("variant")

        def ranks(name):
            values = np.array([row[name] for row in rows])
            return np.array([((values < v).sum() + ((values == v).sum() - 1) / 2) / 39 for v in values])

        x, y = ranks("x"), ranks("y")
        k = np.array([row["k"] for row in rows])
        for place in range(40):
            apart = np.sqrt((x - x[place]) ** 2 + (y - y[place]) ** 2 + (k != k[place]))
            apart[place] = np.inf
            near = np.flatnonzero(apart <= np.sort(apart)[2] + 1e-12)
            assert found["neighbors"][place] == near.size
            assert found["neighbors_mean"][place] == pytest.approx(np.mean([sharpe[i] for i in near]))

    def test_a_category_apart_counts_as_far_as_the_ends_of_a_range(self):
        # From the first, the second is 1 away in k, the third 0.75 in x and in y: 1.06.
        rows = [{"x": 1, "y": 1, "k": "p"}, {"x": 1, "y": 1, "k": "q"}, {"x": 2, "y": 2, "k": "p"}]
        found = stability(table_of(rows, [0.0, 1.0, 2.0]), ["x", "y", "k"], nearest=1).sort("variant")
        assert found["neighbors_mean"][0] == 1.0

    def test_equally_near_are_all_near(self):
        # Around the middle of 3 x 3 four are equally near, and one is asked for.
        table = table_of({"a": [1, 2, 3], "b": [1, 2, 3]}, [float(i) for i in range(9)])
        found = stability(table, ["a", "b"], nearest=1).sort("variant")
        assert found["neighbors"].to_list() == [2, 3, 2, 3, 4, 3, 2, 3, 2]
        assert found["method"][0] == "nearest"

    @pytest.mark.parametrize("options", [{}, {"nearest": 5}])
    def test_corners(self, options):
        rows = stability(empty(table_of(FULL, [0.1] * 6)), ["a", "b"], **options)
        assert rows.height == 0
        full = stability(table_of(FULL, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ["a", "b"], **options)
        assert rows.schema == full.schema
        alone = stability(table_of({"a": [1]}, [0.5]), ["a"], **options)
        assert alone.select("neighbors", "neighbors_mean", "plateau", "stability_rank").row(0) == (0, None, None, 1)
        failed = stability(table_of(FULL, [None] * 6), ["a", "b"], **options)
        assert failed["stability_rank"].is_null().all()
        assert failed["neighbors"].to_list() == [0] * 6
        assert set(failed["neighbors_missing"].to_list()) <= {2, 3, 5}
        assert failed["variant"].to_list() == list(range(6))

    def test_half_of_a_grid_still_has_steps(self):
        half = product({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}).where(lambda a, b: a <= b)
        assert stability(table_of(half, [0.5] * 10), ["a", "b"])["method"][0] == "steps"
        diagonal = product({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}).where(lambda a, b: a == b)
        assert stability(table_of(diagonal, [0.5] * 4), ["a", "b"])["method"][0] == "nearest"

    def test_refuses(self):
        table = table_of({"neighbors": [1, 2]}, [0.1, 0.2])
        with pytest.raises(InputError, match="neighbors is a parameter and a column of the answer"):
            stability(table, ["neighbors"])
        with pytest.raises(InputError, match=r"received 'sharp'.*did you mean sharpe"):
            stability(table, ["neighbors"], "sharp")
        with pytest.raises(InputError, match="`nearest` must be an integer >= 1"):
            stability(table_of({"a": [1]}, [0.1]), ["a"], nearest=0)


def test_no_table_is_changed():
    table = table_of(FULL, [0.1, 0.2, None, 0.4, 0.5, 0.6])
    before = table.clone()
    top(table, ["a", "b"], trials=6, periods=252)
    marginal(table, ["a", "b"])
    stability(table, ["a", "b"])
    assert table.equals(before)
