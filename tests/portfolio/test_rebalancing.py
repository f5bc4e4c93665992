"""Rebalancing: what it holds, what it refuses, and the numbers of the engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution._kernel_types import Terms
from quantlab.portfolio import Rebalancing


def test_by_default_a_decision_goes_all_the_way():
    nothing = dict.fromkeys(("band", "relative_band", "to_edge", "smallest", "every_bar"), 0)
    assert Rebalancing().numbers() == nothing | {"part": 1.0, "turnover": math.inf}


def test_numbers():
    found = Rebalancing(
        band=0.02, relative_band=0.25, to="edge", part=0.5, turnover=0.1, smallest=500, check="bar"
    ).numbers()
    bands = {"band": 0.02, "relative_band": 0.25, "to_edge": 1, "every_bar": 1}
    assert found == bands | {"part": 0.5, "turnover": 0.1, "smallest": 500.0}
    assert set(found) <= set(Terms._fields)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"band": -0.01}, InputError, r"Rebalancing band must be zero or more \(a fraction of equity\)"),
        ({"relative_band": np.nan}, InputError, "Rebalancing relative_band must be zero or more"),
        ({"to": "middle"}, InputError, 'Rebalancing to must be "target" or "edge"'),
        ({"part": 0}, InputError, "Rebalancing part must be above zero"),
        ({"part": 1.1}, InputError, "Rebalancing part must be at most 1"),
        ({"turnover": 0}, InputError, "Rebalancing turnover must be above zero"),
        ({"smallest": math.inf}, InputError, r"Rebalancing smallest must be zero or more \(currency of the account\)"),
        ({"check": "daily"}, InputError, 'Rebalancing check must be "decision" or "bar"'),
        ({"band": "2%"}, KindError, "Rebalancing band must be a number"),
        ({"turnover": True}, KindError, "Rebalancing turnover must be a number"),
    ],
)
def test_numbers_are_checked(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        Rebalancing(**changes)


def test_everything_is_named():
    with pytest.raises(TypeError):
        Rebalancing(0.02)
