"""The key of a variant: what it tells apart, what it does not, and that every process finds the same."""

import datetime
import decimal
import enum
import functools
import math
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import KindError
from quantlab.execution import Account, Bps, Costs, Exits
from quantlab.study._variant import plain, python_value, variant_key

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


class Side(enum.Enum):
    LONG = 1
    SHORT = 2


class Loud(enum.Enum):
    LONG = 1


def key(value):
    return variant_key({"x": value})


def function(x, share=0.5):
    return x * share


DIFFERENT = [
    1,
    1.0,
    True,
    2**70,
    "1",
    b"1",
    None,
    False,
    0,
    0.0,
    math.nan,
    math.inf,
    -math.inf,
    0.1,
    0.1 + 2**-55,
    1j,
    "",
    (),
    [],
    {},
    set(),
    (1,),
    (1.0,),
    ((1,),),
    (1, 2),
    (2, 1),
    [1, 2],
    {1, 2},
    {"a": 1},
    {"a": 2},
    {1: 1},
    ...,
    "a,b",
    ("a", "b"),
    ("a,b",),
    datetime.date(2024, 1, 2),
    datetime.datetime(2024, 1, 2),
    datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
    datetime.time(1, 2),
    datetime.timedelta(days=1),
    "2024-01-02",
    decimal.Decimal(1),
    decimal.Decimal("1.0"),
    Side.LONG,
    Side.SHORT,
    Loud.LONG,
    Costs(),
    Costs(slippage=Bps(5)),
    Bps(5),
    Exits(),
    Exits(stop_loss=0.1),
    Account(cash=1e6),
    int,
    float,
    len,
    np.add,
    math.sqrt,
    function,
    functools.partial(function, share=0.5),
    functools.partial(function, share=1.5),
    lambda x: x,
    lambda x: -x,
    lambda x: x + 1,
    lambda x: x + 1.0,
    lambda x: x * 0.0,
    lambda x: x * -0.0,
    lambda x: x.real,
    lambda x: x.imag,
    lambda x, y=1: x,
    lambda x, y=2: x,
    lambda x, *, y=2: x,
    lambda x: [i for i in x if i],
    lambda x: [i for i in x if not i],
    "".join,
    ",".join,
]


def test_different_values_have_different_keys():
    keys = [key(value) for value in DIFFERENT]
    assert not [DIFFERENT[place] for place, each in enumerate(keys) if keys.index(each) != place]
    assert all(len(each) == 64 for each in keys)


@given(VALUES, VALUES)
def test_keys_are_equal_as_values_and_kinds_are(one, two):
    def same(a, b):
        if type(a) is not type(b):
            return False
        if isinstance(a, tuple):
            return len(a) == len(b) and all(map(same, a, b))
        return a == b or (a != a and b != b)

    assert (key(one) == key(two)) == same(one, two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.int8(5), 5),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.True_, True),
        (np.str_("x"), "x"),
        ((np.int64(1), (np.float64(2.5),)), (1, (2.5,))),
        (np.datetime64("2024-01-02"), datetime.date(2024, 1, 2)),
        (np.datetime64("2024-01"), datetime.date(2024, 1, 1)),
        (np.datetime64("2024-01-02T03:04", "ns"), datetime.datetime(2024, 1, 2, 3, 4)),
        (np.timedelta64(36, "h"), datetime.timedelta(days=1.5)),
        (-0.0, 0.0),
        (float("nan"), math.nan),
        (frozenset({"a", "b"}), {"b", "a"}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Costs(slippage=Bps(5)), Costs(slippage=Bps(5.0))),
        (functools.partial(function, 1), functools.partial(function, 1)),
    ],
)
def test_equal_values_have_equal_keys(one, two):
    assert key(one) == key(two)


def test_the_order_of_parameters_does_not_count_and_their_names_do():
    assert variant_key({"a": 1, "b": 2}) == variant_key({"b": 2, "a": 1}) != variant_key({"a": 2, "b": 1})
    assert variant_key({"a": 1}) != variant_key({"b": 1}) != variant_key({})


class TestFunctions:
    def make(self, share):
        def inner(x):
            return x * share

        return inner

    def test_what_it_closed_over_counts(self):
        assert key(self.make(1)) == key(self.make(1)) != key(self.make(2))
        with pytest.raises(KindError, match="x holds a DataFrame"):
            key(self.make(pl.DataFrame()))

    def test_where_it_stands_does_not(self):
        found = []
        for text in ("def f(x):\n    return x + 1", "\n\n\n# moved\ndef f(x):\n    return x + 1  # and annotated"):
            room = {"__name__": "notebook"}
            exec(compile(text, f"cell {len(found)}", "exec"), room)
            found.append(key(room["f"]))
        assert found[0] == found[1]

    def test_an_edit_does(self):
        found = set()
        for text in (
            "x + 1",
            "x + 2",
            "x - 1",
            "y + 1",
            "{1, 2} - x",
            "{1, 3} - x",
            "(lambda y: y)(x)",
            "x if x else 1",
        ):
            room = {"__name__": "notebook"}
            exec(f"def f(x):\n    return {text}", room)
            found.add(key(room["f"]))
        assert len(found) == 8

    def test_a_function_that_calls_itself(self):
        def down(x):
            return down(x - 1) if x else 0

        assert key(down) == key(down)

    def test_one_that_closed_over_what_has_no_value_yet(self):
        def early():
            return late

        before = key(early)
        late = 1
        assert key(early) != before

    def test_methods_and_compiled_functions(self):
        from quantlab.core import kernel

        costs = Costs()
        assert key(costs.numbers) == key(Costs().numbers) != key(Costs(slippage=Bps(1)).numbers)
        assert key(kernel(function)) == key(function)


@pytest.mark.parametrize(
    "value", [np.zeros(2), pl.DataFrame(), object(), iter([1]), (1, [object()]), {"a": object()}, memoryview(b"")]
)
def test_a_value_by_which_nothing_can_be_named(value):
    with pytest.raises(KindError, match=r"x holds a .*, by which no variant can be named"):
        key(value)


def test_refuses_what_is_no_variant():
    with pytest.raises(KindError, match="`params` must be a dict of parameters, received list"):
        variant_key([1])
    with pytest.raises(KindError, match="names of type str, received 1"):
        variant_key({1: 1})
    with pytest.raises(KindError, match="missing date"):
        key(np.datetime64("NaT"))
    with pytest.raises(KindError, match="finer than a microsecond"):
        key(np.datetime64(1, "ns"))
    with pytest.raises(KindError, match="x holds a longdouble"):
        key(np.longdouble(1))


SCRIPT = """
from quantlab.execution import Bps, Costs
from quantlab.study._variant import variant_key
found = lambda x: x in {"p", "q", "r", "s"}
print(variant_key({"b": {"x", "y", "z"}, "a": Costs(slippage=Bps(5)), "f": found, "n": 0.1}))
"""


def test_every_process_finds_the_same():
    found = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_the_key_is_the_one_of_the_first_day():
    # A change of this number orphans every variant that was ever kept under its key.
    params = {
        "lookback": 252,
        "top": 0.1,
        "flag": True,
        "none": None,
        "pair": (1, "x"),
        "day": datetime.date(2024, 1, 2),
    }
    assert variant_key(params) == "b86a96aae657da4d7eb95c072aa7b8e224423cad5d56a694b938b7874a7134ec"


def test_plain_values():
    assert plain((1, 0.5, True, None, "x", [math.inf], {1: np.int8(2)})) == [1, 0.5, True, None, "x", ["inf"], {"1": 2}]
    assert plain(Bps(5)) == Bps(5).parameters()
    assert plain(datetime.datetime(2024, 1, 2, 3)) == "2024-01-02T03:00:00"
    assert plain(Side.LONG) == "Side.LONG"
    assert plain(Costs) == "Costs"
    assert plain(2**70) == 2**70
    assert python_value("x") == "x"
    assert python_value(np.int8(2)) == 2
