"""Grids that are drawn: how they spread, how they are repeated, and what they refuse."""

import json
import math
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError
from quantlab.execution import Costs
from quantlab.study import _draws
from quantlab.study._draws import latin_hypercube, random_grid
from quantlab.study._grid import product
from quantlab.study._space import Choice, integers, log_uniform, uniform

BOTH = pytest.mark.parametrize("draw", [random_grid, latin_hypercube])
SPACE = {"lookback": integers(21, 252), "top": uniform(0.1, 0.5), "rank": ["a", "b"], "decay": log_uniform(0.01, 1.0)}


def column(grid, name):
    return np.array([variant[name] for variant in grid])


class TestSpace:
    def test_quantiles_by_hand(self):
        assert [uniform(1, 3).at(u) for u in (0.0, 0.25, 0.5)] == [1.0, 1.5, 2.0]
        assert [log_uniform(1, 16).at(u) for u in (0.0, 0.25, 0.5)] == [1.0, 2.0, 4.0]
        assert [integers(2, 9, step=3).at(u) for u in (0.0, 0.34, 0.67, 0.999)] == [2, 5, 8, 8]
        assert [Choice(("x", "y")).at(u) for u in (0.0, 0.49, 0.5, 0.99)] == ["x", "x", "y", "y"]
        assert integers(5, 5).size == 1
        assert uniform(0, 1).size is log_uniform(1, 2).size is None

    @given(st.floats(0, 1, exclude_max=True))
    def test_every_value_is_within_its_bounds(self, u):
        assert 0.1 <= uniform(0.1, 0.3).at(u) <= 0.3
        assert 0.1 <= log_uniform(0.1, 0.3).at(u) <= 0.3
        assert integers(-3, 8, step=2).at(u) in range(-3, 9, 2)

    def test_text(self):
        shown = [uniform(0.1, 0.5), log_uniform(1e-3, 1), integers(1, 9), integers(1, 9, step=2), Choice((1, "x"))]
        assert repr(shown) == (
            "[uniform(0.1, 0.5), log_uniform(0.001, 1), integers(1, 9), integers(1, 9, step=2), [1, 'x']]"
        )
        assert uniform(1, 2) == uniform(1.0, 2.0) != log_uniform(1, 2)

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: uniform(2, 1), InputError, "uniform must have `low` below `high`, received 2 and 1"),
            (lambda: uniform(2, 2), InputError, r"write \[2\] for a single value"),
            (lambda: uniform(0, math.inf), InputError, "`high` must be a finite number"),
            (lambda: uniform("0", 1), KindError, "`low` must be a number"),
            (lambda: log_uniform(0, 1), InputError, "log_uniform must have `low` above 0, received 0"),
            (lambda: log_uniform(2, 1), InputError, "log_uniform must have `low` below"),
            (lambda: integers(3, 2), InputError, "`low` <= `high`, received 3 and 2"),
            (lambda: integers(1.0, 2), KindError, "`low` must be an integer"),
            (lambda: integers(1, 2, step=0), InputError, "`step` must be an integer >= 1"),
        ],
    )
    def test_refuses(self, call, error, message):
        with pytest.raises(error, match=message):
            call()


@BOTH
class TestBoth:
    def test_as_many_as_asked_all_different_within_bounds(self, draw):
        grid = draw(SPACE, 500, seed=3)
        assert len(grid) == 500
        assert len({tuple(variant.values()) for variant in grid}) == 500
        assert grid.parameters == ("lookback", "top", "rank", "decay")
        assert {type(value) for value in grid[0].values()} == {int, float, str}
        assert column(grid, "lookback").min() >= 21
        assert column(grid, "lookback").max() <= 252
        assert set(column(grid, "rank")) == {"a", "b"}

    def test_the_same_seed_gives_the_same_grid(self, draw):
        assert draw(SPACE, 50, seed=3) == draw(SPACE, 50, seed=3)
        assert draw(SPACE, 50, seed=3) != draw(SPACE, 50, seed=4)

    def test_a_fresh_seed_is_kept(self, draw):
        grid = draw(SPACE, 5)
        seed = grid.describe()["seed"]
        assert grid == draw(SPACE, 5, seed=seed) != draw(SPACE, 5)

    def test_the_whole_space_can_be_drawn(self, draw):
        space = {"a": [1, 2, 3], "b": integers(0, 3)}
        grid = draw(space, 12, seed=1)
        assert sorted(map(tuple, (v.values() for v in grid))) == [(a, b) for a in (1, 2, 3) for b in range(4)]
        with pytest.raises(InputError, match=r"The space has 12 different variants, and `n` is 13\."):
            draw(space, 13, seed=1)

    def test_a_column_that_depends_on_another(self, draw):
        space = {
            "lookback": [63, 252],
            "skip": lambda lookback: [0, lookback // 12],
            "lag": lambda skip, lookback: integers(skip, lookback),
        }
        grid = draw(space, 60, seed=2)
        assert len(grid) == 60
        assert all(v["skip"] in (0, v["lookback"] // 12) for v in grid)
        assert all(v["skip"] <= v["lag"] <= v["lookback"] for v in grid)
        assert {v["skip"] for v in grid} == {0, 5, 21}

    def test_a_condition_draws_on(self, draw):
        whole = draw(SPACE, 100, seed=5)
        grid = whole.where(lambda lookback, top: lookback * top < 40)
        assert len(grid) == 100
        assert all(v["lookback"] * v["top"] < 40 for v in grid)
        passed = [v for v in whole if v["lookback"] * v["top"] < 40]
        assert 20 < len(passed) < 100
        assert list(grid)[: len(passed)] == passed
        twice = grid.where(lambda rank: rank == "a")
        assert len(twice) == 100
        assert all(v["lookback"] * v["top"] < 40 and v["rank"] == "a" for v in twice)

    def test_after_a_slice_a_condition_only_drops(self, draw):
        part = draw(SPACE, 100, seed=5)[:50]
        assert len(part.where(lambda rank: rank == "a")) == sum(v["rank"] == "a" for v in part)

    def test_a_condition_that_almost_nothing_passes(self, draw, monkeypatch):
        monkeypatch.setattr(_draws, "_PATIENCE", 2_000)
        grid = draw({"a": integers(1, 30), "b": integers(1, 30)}, 20, seed=1)
        few = r"Of 2,000 draws in a row none was a new variant that passes: 3 were found, and `n` is 20\."
        with pytest.raises(InputError, match=few):
            grid.where(lambda a, b: a * b < 4 and a < 3 and b < 3)
        with pytest.raises(InputError, match="none was a new variant that passes: 0 were found"):
            grid.where(lambda a: a < 0)

    def test_a_dependent_space_that_is_too_small(self, draw, monkeypatch):
        monkeypatch.setattr(_draws, "_PATIENCE", 2_000)
        with pytest.raises(InputError, match="none was a new variant: 3 were found, and `n` is 4"):
            draw({"a": [1, 2], "b": lambda a: list(range(a))}, 4, seed=1)

    def test_doubles_do_not_wear_out_patience(self, draw, monkeypatch):
        # In all there are more draws in vain than patience, in a row there are fewer.
        monkeypatch.setattr(_draws, "_PATIENCE", 150)
        assert len(draw({"a": integers(1, 40)}, 40, seed=3)) == 40

    @pytest.mark.parametrize(
        ("space", "n", "error", "message"),
        [
            ({}, 1, InputError, "empty"),
            ([1], 1, KindError, "dict of lists"),
            ({"a": uniform(0, 1)}, 0, InputError, "`n` must be an integer >= 1"),
            ({"a": uniform(0, 1)}, 2.0, KindError, "`n` must be an integer"),
            ({"a": 3}, 1, KindError, r"`grid` must hold a list for a, received 3"),
            ({"a": []}, 1, InputError, "no value for a"),
            ({"a": [1, 1]}, 1, InputError, "holds 1 twice for a"),
            ({"a": [1], "b": lambda c: [1]}, 1, InputError, "function of b looks at c, which is no parameter"),
            ({"a": lambda b: [1], "b": [1]}, 1, InputError, "function of a looks at b, which comes later"),
            ({"a": [1], "b": lambda a: a}, 1, KindError, "function of b must return a list at a=1, received 1"),
            ({"a": [1], "b": lambda a: 1 / 0}, 1, InputError, "function of b raised ZeroDivisionError at a=1"),
        ],
    )
    def test_refuses(self, draw, space, n, error, message):
        with pytest.raises(error, match=message):
            draw(space, n, seed=1)

    def test_conditions_are_checked(self, draw):
        grid = draw(SPACE, 5, seed=1)
        with pytest.raises(InputError, match=r"`where` looks at lookbak, which is no parameter.*mean lookback"):
            grid.where(lambda lookbak: True)
        with pytest.raises(KindError, match="must return True or False, and returned None at top="):
            grid.where(lambda top: None)
        with pytest.raises(InputError, match="`where` raised ZeroDivisionError at top="):
            grid.where(lambda top: top / 0 > 1)

    def test_records(self, draw):
        grid = draw({"a": integers(1, 9), "b": uniform(0, 1), "c": lambda a: [a], "d": [Costs()]}, 3, seed=11)
        record = grid.where(lambda a, b: a > b).describe()
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert record["seed"] == 11
        assert record["variants"] == 3
        assert record["kind"] == ("random" if draw is random_grid else "latin_hypercube")
        assert record["where"] == [{"function": "<lambda>", "of": ["a", "b"]}]
        assert record["space"]["a"] == {"distribution": "integers", "low": 1, "high": 9, "step": 1}
        assert record["space"]["c"] == {"function": "<lambda>", "of": ["a"]}
        assert record["space"]["d"][0]["kind"] == "Costs"

    def test_it_can_be_sent_to_another_process(self, draw):
        grid = draw(SPACE, 5, seed=1)
        assert pickle.loads(pickle.dumps(grid)) == grid

    def test_grids_of_all_kinds_add_up(self, draw):
        grid = draw({"a": integers(1, 9)}, 4, seed=1) + product({"a": [1, 2, 3, 4, 5, 6, 7, 8, 9]})
        assert sorted(v["a"] for v in grid) == list(range(1, 10))


def test_fewer_random_draws_are_the_first_of_more():
    space = {"a": integers(1, 60), "b": [1, 2]}
    few, many = random_grid(space, 20, seed=9), random_grid(space, 110, seed=9)
    assert few == many[:20]
    # So it is after doubles and refusals, of which there are many here.
    low = few.where(lambda a: a < 30)
    assert low == random_grid(space, 50, seed=9).where(lambda a: a < 30)[:20]
    assert [variant for variant in many if variant["a"] < 30][:20] == list(low)


def test_random_draws_are_spread_as_they_should_be():
    from scipy.stats import kstest

    grid = random_grid({"u": uniform(-1, 1), "l": log_uniform(1e-3, 10), "i": integers(1, 5)}, 4_000, seed=8)
    assert kstest(column(grid, "u"), "uniform", args=(-1, 2)).pvalue > 0.01
    assert kstest(np.log10(column(grid, "l")), "uniform", args=(-3, 4)).pvalue > 0.01
    counts = Counter(column(grid, "i").tolist())
    # 800 of each are expected, and the standard deviation is 25.
    assert all(abs(counts[i] - 800) < 100 for i in range(1, 6))
    assert abs(np.corrcoef(column(grid, "u"), np.log(column(grid, "l")))[0, 1]) < 0.05


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_a_latin_hypercube_has_one_draw_in_each_stratum(n):
    grid = latin_hypercube({"u": uniform(0, 1), "l": log_uniform(1, 100), "i": integers(0, n - 1)}, n, seed=4)
    assert sorted((column(grid, "u") * n).astype(int)) == list(range(n))
    assert sorted((np.log10(column(grid, "l")) / 2 * n).astype(int)) == list(range(n))
    assert sorted(column(grid, "i")) == list(range(n))
    if n == 100:
        # The strata of one parameter say nothing about those of another.
        assert abs(np.corrcoef(column(grid, "u"), column(grid, "i"))[0, 1]) < 0.3
