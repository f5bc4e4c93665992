"""Grids that are written down: their variants in order, what may stand in them, and what is refused."""

import datetime
import functools
import itertools
import json
import math
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError, Panel
from quantlab.execution import Bps, Costs
from quantlab.study._grid import Grid, as_grid, product, variants, zipped
from quantlab.study._space import integers, uniform

LISTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.lists(st.one_of(st.integers(-9, 9), st.text(max_size=2)), min_size=1, max_size=4, unique=True),
    min_size=1,
)


def strategy(bars, *, lookback=252, skip=21, top=0.3):
    """Never called here."""


class Undecided:
    """What equals nothing and differs from nothing, as an array does."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return np.zeros(2)


class TestProduct:
    def test_the_last_parameter_changes_fastest(self):
        assert list(product({"skip": (0, 21), "top": np.array([0.1, 0.2])})) == [
            {"skip": 0, "top": 0.1},
            {"skip": 0, "top": 0.2},
            {"skip": 21, "top": 0.1},
            {"skip": 21, "top": 0.2},
        ]

    @given(LISTS)
    def test_it_is_that_of_itertools(self, lists):
        grid = product(lists)
        expected = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
        assert list(grid) == expected == [grid[i] for i in range(len(grid))]
        assert [grid[-i - 1] for i in range(len(grid))] == expected[::-1]
        assert grid.parameters == tuple(lists)

    @given(LISTS, st.slices(30), st.slices(30))
    def test_slices_are_those_of_a_list(self, lists, outer, inner):
        grid = product(lists)
        assert list(grid[outer][inner]) == list(grid)[outer][inner]
        assert len(grid[outer][inner]) == len(list(grid)[outer][inner])
        assert [*reversed([grid[outer][i] for i in range(len(grid[outer]))])] == list(grid)[outer][::-1]

    def test_ten_million_variants_are_not_made(self):
        import tracemalloc

        thousand = list(range(1000))
        tracemalloc.start()
        grid = product({"a": thousand, "b": thousand, "c": list(range(10))})
        chunk = grid[5_000_000:9_000_000:1000][10:20]
        assert len(grid) == 10_000_000
        assert grid[-1] == {"a": 999, "b": 999, "c": 9}
        assert grid[1_234_567] == {"a": 123, "b": 456, "c": 7}
        assert [variant["b"] for variant in chunk] == list(range(0, 1000, 100))
        assert next(iter(grid)) == {"a": 0, "b": 0, "c": 0}
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # One slot of a list for each variant would be 80 MB.
        assert peak < 2_000_000

    def test_what_comes_after_a_dependent_list_is_not_made(self):
        thousand = list(range(1000))
        grid = product({"a": [1, 2], "b": lambda a: [0, a], "c": thousand, "d": thousand})
        assert len(grid) == 4_000_000
        assert grid[3_999_999] == {"a": 2, "b": 2, "c": 999, "d": 999}
        assert grid[1_000_000] == {"a": 1, "b": 1, "c": 0, "d": 0}

    def test_values_are_those_of_python(self):
        grid = product({"n": np.arange(2), "x": [np.float32(0.5)], "s": pl.Series(["u"]), "f": [np.True_]})
        assert {type(value) for value in grid[0].values()} == {int, float, str, bool}
        days = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
        assert product({"day": days})[1] == {"day": datetime.date(2024, 1, 3)}
        assert product({"at": days.astype("datetime64[ns]")})[0] == {"at": datetime.datetime(2024, 1, 2)}

    def test_values_that_are_no_numbers(self):
        costs = [Costs(), Costs(slippage=Bps(5))]
        grid = product({"costs": costs, "score": [None, math.nan, (1, 2), "x", len]})
        assert len(grid) == 10
        assert grid[5]["costs"] is costs[1]
        assert grid[9] == {"costs": costs[1], "score": len}

    def test_a_variant_is_the_readers_own(self):
        grid = product({"a": [1]})
        grid[0]["a"] = 2
        assert grid[0] == {"a": 1}

    @pytest.mark.parametrize(
        ("grid", "error", "message"),
        [
            ({}, InputError, "`grid` is empty"),
            ([("skip", [1])], KindError, "dict of lists, received list"),
            ({1: [1]}, KindError, "names of parameters as its keys, received 1"),
            ({"skip": 21}, KindError, r"a list for skip, received 21\. Hint: write \[21\]"),
            ({"skip": None}, KindError, r"a list for skip.*write \[None\]"),
            ({"skip": "21"}, KindError, r"a list for skip.*write \['21'\]"),
            ({"skip": np.array(3)}, KindError, "a list for skip"),
            ({"skip": {1, 2}}, KindError, "a list for skip.*order"),
            ({"skip": (i for i in range(2))}, KindError, "a list for skip"),
            ({"skip": integers(1, 9)}, KindError, r"received integers\(1, 9\)\. Hint: draw a random grid"),
            ({"skip": []}, InputError, "`grid` holds no value for skip"),
            ({"skip": [1, 2, 1]}, InputError, r"holds 1 twice for skip.*counts as a trial"),
            ({"skip": [1, 1.0]}, InputError, r"holds 1 and its equal 1\.0 for skip"),
            ({"skip": [math.nan, float("nan")]}, InputError, "holds nan twice for skip"),
            ({"skip": [[1, 2]]}, KindError, "plain values for skip, received list. Hint: write a tuple"),
            ({"skip": [np.zeros(2)]}, KindError, "received ndarray"),
            ({"skip": np.zeros((2, 2))}, KindError, "received ndarray"),
            ({"skip": [([1],)]}, KindError, "received tuple"),
            ({"skip": [Panel([[1.0]], ["2024-01-02"], ["A"])]}, KindError, "received Panel"),
            ({"skip": [Undecided()]}, KindError, "received Undecided"),
            ({"skip": [np.datetime64("NaT")]}, KindError, "missing date"),
            ({f"p{i}": range(10) for i in range(400)}, InputError, "over 1e400 variants"),
        ],
    )
    def test_refuses(self, grid, error, message):
        with pytest.raises(error, match=message):
            product(grid)


class TestDependentLists:
    def test_by_hand(self):
        grid = product({"lookback": [63, 252], "skip": lambda lookback: [0, lookback // 12], "top": [0.1, 0.2]})
        assert [tuple(variant.values()) for variant in grid] == [
            (63, 0, 0.1),
            (63, 0, 0.2),
            (63, 5, 0.1),
            (63, 5, 0.2),
            (252, 0, 0.1),
            (252, 0, 0.2),
            (252, 21, 0.1),
            (252, 21, 0.2),
        ]
        assert len(grid) == 8
        assert grid[-3] == {"lookback": 252, "skip": 0, "top": 0.2}

    def test_branches_differ_in_length_and_depend_on_each_other(self):
        grid = product({"a": [1, 2, 3], "b": lambda a: list(range(a)), "c": lambda b, a: [a * 10 + b], "d": ["x", "y"]})
        expected = [{"a": a, "b": b, "c": a * 10 + b, "d": d} for a in (1, 2, 3) for b in range(a) for d in ("x", "y")]
        assert list(grid) == expected == [grid[i] for i in range(12)]

    def test_arguments_with_defaults_and_all_of_them(self):
        grid = product(
            {"a": [1, 2], "b": lambda a, share=10: [a * share], "c": lambda **params: [sum(params.values())]}
        )
        assert list(grid) == [{"a": 1, "b": 10, "c": 11}, {"a": 2, "b": 20, "c": 22}]
        assert list(product({"a": lambda: [1, 2]})) == [{"a": 1}, {"a": 2}]
        assert product({"a": [4], "b": lambda a=5: [a]})[0] == {"a": 4, "b": 4}
        assert product({"a": [4], "b": functools.partial(lambda a, n: [a + n], n=1)})[0] == {"a": 4, "b": 5}

    @pytest.mark.parametrize(
        ("function", "error", "message"),
        [
            (lambda lookbak: [1], InputError, "The function of skip looks at lookbak.*did you mean lookback"),
            (lambda zzz: [1], InputError, "looks at zzz, which is no parameter.*it can look at lookback"),
            (lambda top: [1], InputError, "looks at top, which comes later.*move top before it"),
            (lambda skip: [1], InputError, "looks at skip, which comes later"),
            (lambda lookback: [lookback / 0], InputError, "function of skip raised ZeroDivisionError at lookback=63"),
            (lambda lookback: [undefined], InputError, "raised NameError at lookback=63"),  # noqa: F821
            (lambda lookback: 5, KindError, "function of skip must return a list at lookback=63, received 5"),
            (lambda lookback: [], InputError, "returned no value at lookback=63.*`where` leaves"),
            (lambda lookback: [0, lookback - 63], InputError, "returned 0 twice at lookback=63"),
            (lambda lookback: uniform(0, 1), KindError, r"received uniform\(0, 1\)"),
            (lambda lookback: [[1]], KindError, "plain values at lookback=63"),
        ],
    )
    def test_refuses(self, function, error, message):
        with pytest.raises(error, match=message):
            product({"lookback": [63, 252], "skip": function, "top": [1]})

    def test_arguments_that_cannot_be_read(self):
        with pytest.raises(KindError, match="The arguments of the function of b cannot be read: max"):
            product({"a": [1], "b": max})

    def test_an_error_of_its_own_kind_passes(self):
        class Odd(Exception):
            pass

        def fails(a):
            raise Odd("mine")

        with pytest.raises(Odd, match="mine"):
            product({"a": [1], "b": fails})


class TestWhere:
    def test_by_hand(self):
        grid = product({"a": [1, 2, 3], "b": [1, 2, 3]}).where(lambda a, b: a < b)
        assert list(grid) == [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 2, "b": 3}]
        assert len(grid) == 3
        assert grid[-1] == {"a": 2, "b": 3}
        assert list(grid.where(lambda b: b == 3)) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
        assert list(grid[1:]) == list(grid)[1:]

    @given(LISTS, st.slices(30), st.integers(2, 3), st.integers(0, 2))
    def test_conditions_slices_and_conditions_again(self, lists, rows, modulus, rest):
        def passes(**params):
            return len(repr(params)) % modulus == rest

        expected = [variant for variant in list(product(lists))[rows] if passes(**variant)]
        if not expected:
            with pytest.raises(InputError, match="`where` lets none"):
                product(lists)[rows].where(passes)
            return
        grid = product(lists)[rows].where(passes)
        assert list(grid) == expected
        assert list(grid.where(lambda **params: True)[::-1]) == expected[::-1]

    def test_of_numpy_bools(self):
        assert len(product({"a": [1, 2]}).where(lambda a: np.int64(a) > 1)) == 1

    @pytest.mark.parametrize(
        ("condition", "error", "message"),
        [
            (lambda lookbak: True, InputError, "`where` looks at lookbak, which is no parameter.*mean lookback"),
            (lambda lookback: lookback / 0 > 1, InputError, "`where` raised ZeroDivisionError at lookback=63"),
            (lambda lookback: None, KindError, "`where` must return True or False, and returned None at lookback=63"),
            (lambda lookback: 1, KindError, "returned 1 at"),
            (lambda lookback: lookback < 0, InputError, "`where` lets none of the 4 variants pass"),
            ("skip < lookback", KindError, "`where` must be a function of parameters, received str"),
            (lambda lookback, /: True, InputError, "looks at lookback"),
        ],
    )
    def test_refuses(self, condition, error, message):
        with pytest.raises(error, match=message):
            product({"lookback": [63, 252], "skip": [0, 21]}).where(condition)


class TestZipped:
    def test_by_hand(self):
        grid = zipped({"a": [1, 1, 2], "b": np.array([3, 4, 4])})
        assert list(grid) == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 4}]
        assert grid[1:][0] == {"a": 1, "b": 4}
        assert type(grid[0]["b"]) is int

    @pytest.mark.parametrize(
        ("grid", "error", "message"),
        [
            ({"a": [1, 2], "b": [1]}, InputError, "2 values for a and 1 for b"),
            ({"a": [1, 2, 1], "b": [3, 4, 3]}, InputError, "The grid holds a=1, b=3 twice"),
            ({"a": [math.nan, math.nan]}, InputError, "holds a=nan twice"),
            ({"a": [1], "b": lambda a: [1]}, KindError, "a list for b, received a function"),
            ({"a": 1}, KindError, "a list for a"),
            ({"a": [], "b": []}, InputError, "no value for a"),
            ({}, InputError, "empty"),
        ],
    )
    def test_refuses(self, grid, error, message):
        with pytest.raises(error, match=message):
            zipped(grid)


class TestSum:
    def test_doubles_stand_there_once(self):
        one = product({"a": [1, 2], "b": ["x"]})
        two = product({"b": ["x", "y"], "a": [2.0, 3]})
        grid = one + two
        assert list(grid) == [
            {"a": 1, "b": "x"},
            {"a": 2, "b": "x"},
            {"a": 3, "b": "x"},
            {"a": 2, "b": "y"},
            {"a": 3, "b": "y"},
        ]
        assert list(grid[1]) == ["a", "b"]
        assert type(grid[1]["a"]) is int
        assert grid + one == grid
        nan = product({"a": [math.nan]})
        assert len(nan + product({"a": [float("nan")]})) == 1

    def test_refuses(self):
        with pytest.raises(InputError, match="must have the same parameters, and b, c stand in one alone"):
            product({"a": [1], "b": [1]}) + product({"a": [1], "c": [1]})
        with pytest.raises(InputError, match="and b stands in one alone"):
            product({"a": [1], "b": [1]}) + product({"a": [1]})
        with pytest.raises(TypeError, match="unsupported operand"):
            product({"a": [1]}) + {"a": [2]}


class TestGrid:
    def test_equality(self):
        grid = product({"a": [1, 2], "b": [1, 2]})
        assert grid == product({"a": [1, 2], "b": [1, 2]})
        assert grid == zipped({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2]})
        assert hash(grid) == hash(zipped({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2]}))
        assert grid[:2] == product({"a": [1], "b": [1, 2]})
        assert product({"a": [math.nan]}) == product({"a": [float("nan")]})
        assert grid != product({"b": [1, 2], "a": [1, 2]})
        assert grid != product({"a": [1, 2], "b": [2, 1]})
        assert grid != grid[:3]
        assert grid != list(grid)

    def test_it_is_frozen(self):
        with pytest.raises(AttributeError):
            product({"a": [1]}).parameters = ("b",)

    def test_a_place_that_is_none(self):
        grid = product({"a": [1, 2]})
        for place in (2, -3):
            with pytest.raises(IndexError, match=f"has 2 variants, and {place} is none of them"):
                grid[place]
        assert grid[np.int64(1)] == {"a": 2}
        assert len(grid[5:]) == 0
        with pytest.raises(TypeError):
            grid["a"]

    def test_it_can_be_sent_to_another_process(self):
        grid = product({"a": [1, 2], "costs": [Costs()]}).where(lambda a: a > 1)
        assert pickle.loads(pickle.dumps(grid)) == grid

    @pytest.mark.parametrize(
        ("grid", "text"),
        [
            (product({"a": [1], "b": ["x", None]}), "Grid(2 variants: a=[1], b=['x', None])"),
            (product({"a": range(10)}), "Grid(10 variants: a=[0, 1, 2, ..., 9])"),
            (product({"a": [1]}), "Grid(1 variant: a=[1])"),
            (product({"a": [1], "b": lambda a: [a]}), "Grid(1 variant: a=[1], b=<lambda>(a))"),
            (zipped({"a": [1, 2], "b": [3, 4]}), "Grid(2 variants: zipped a=[1, 2], b=[3, 4])"),
            (product({"a": [1, 2, 3]}).where(lambda a: a > 1), "Grid(2 variants: a=[1, 2, 3], where a)"),
            (product({"a": [1, 2, 3]})[1:], "Grid(2 variants: a=[1, 2, 3], [1:])"),
            (product({"a": [1, 2, 3]})[::2], "Grid(2 variants: a=[1, 2, 3], [::2])"),
            (product({"a": [1]}) + product({"a": [2]}), "Grid(2 variants: a=[1]; and a=[2])"),
        ],
    )
    def test_repr(self, grid, text):
        assert repr(grid) == text

    def test_a_long_repr_is_cut(self):
        assert len(repr(product({f"parameter_{i}": [1, 2] for i in range(30)}))) < 240

    @pytest.mark.parametrize(
        ("grid", "kind"),
        [
            (product({"a": [1, math.nan], "costs": [Costs(slippage=Bps(5))]}), "product"),
            (product({"a": [1], "b": lambda a: [a], "day": [datetime.date(2024, 1, 2)]}), "product"),
            (zipped({"a": [1, (2, 3)], "b": [3, len]}), "zipped"),
            (product({"a": [1, 2]}).where(lambda a: a > 1), "where"),
            (product({"a": [1, 2]})[1:], "slice"),
            (product({"a": [1]}) + product({"a": [2]}), "sum"),
        ],
    )
    def test_records_are_json(self, grid, kind):
        record = grid.describe()
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert record["kind"] == kind
        assert record["variants"] == len(grid)
        assert record["parameters"] == list(grid.parameters)

    def test_records_by_hand(self):
        grid = product({"lookback": [63, 252], "skip": lambda lookback: [0, lookback // 12]})
        base = {
            "kind": "product",
            "space": {"lookback": [63, 252], "skip": {"function": "<lambda>", "of": ["lookback"]}},
        }
        names = ["lookback", "skip"]
        assert grid.describe() == {"variants": 4, "parameters": names, **base}
        left = grid.where(lambda skip: skip > 0)[:1]
        assert left.describe() == {
            "variants": 1,
            "parameters": names,
            "kind": "slice",
            "rows": [0, 1, 1],
            "of": {"kind": "where", "condition": {"function": "<lambda>", "of": ["skip"]}, "of": base},
        }

    def test_a_record_is_the_readers_own(self):
        grid = product({"a": [1]})
        grid.describe()["space"]["a"].append(2)
        assert grid.describe()["space"] == {"a": [1]}


def test_a_dict_is_a_product_and_a_grid_itself():
    grid = product({"a": [1, 2]})
    assert as_grid(grid) is grid
    assert as_grid({"a": [1, 2]}) == grid
    assert isinstance(as_grid({"a": [1, 2]}), Grid)
    with pytest.raises(KindError, match="dict of lists, received list"):
        as_grid([1])


def test_variants_are_those_that_the_strategy_takes():
    assert variants({"skip": (0, 21)}, strategy) == [{"skip": 0}, {"skip": 21}]
    assert variants(zipped({"skip": [0], "fill": ["next_open"]}), strategy, reserved=["fill"]) == [
        {"skip": 0, "fill": "next_open"}
    ]
    with pytest.raises(InputError, match=r"does not take the parameter lookbak.*did you mean lookback"):
        variants({"lookbak": [1]}, strategy)
