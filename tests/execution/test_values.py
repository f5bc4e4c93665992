"""What every value of the room promises: equality by content, a hash, a description in JSON, and that it stays as it
is.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from quantlab import execution
from quantlab.core import Panel
from quantlab.execution import (
    Account,
    Almgren,
    Borrow,
    Bps,
    Costs,
    Currencies,
    Exits,
    Fees,
    Fill,
    Interest,
    NoMargin,
    PerShare,
    PerTrade,
    PortfolioMargin,
    Proportional,
    RegT,
    Spread,
    SquareRootImpact,
    Tiered,
    Tiers,
    VolatilitySlippage,
    VolumeShare,
    us_equity_fees,
)
from quantlab.portfolio import Rebalancing

DAYS = ["2024-01-02", "2024-01-03"]


def panel(value=0.01):
    return Panel([[value, 0.02], [0.01, np.nan]], DAYS, ["A", "B"])


# Two of each that must be equal, and one that must not.
VALUES = {
    "Account": lambda x: Account(
        5.0 + x, None, RegT(factors={"T": 3.0}), "reject", {"USD": Interest(0.05)}, "USD", None
    ),
    "Almgren": lambda x: Almgren(shares_outstanding=panel(1e9 + x), spread=Bps(2)),
    "Borrow": lambda x: Borrow(panel(0.01 + x), convention="dealer", recall=True),
    "Bps": lambda x: Bps(5 + x),
    "Costs": lambda x: Costs(PerShare(0.005), Spread(panel(0.01)), Borrow(0.03 + x), us_equity_fees()),
    "Currencies": lambda x: Currencies({"A": "EUR"}, Panel([[1.1 + x], [1.2]], DAYS, ["EUR"]), "hold", Bps(1)),
    "Exits": lambda x: Exits(stop_loss=0.1 + x, reentry="after_flat"),
    "Fees": lambda x: Fees([("2024-01-01", 0.001 + x, 0.0, None, 0.0)]),
    "Fill": lambda x: Fill("vwap", prices=panel(1.0 + x)),
    "Interest": lambda x: Interest({"2024-01-01": Tiers((0, 0.06), (100_000, 0.055 + x))}, -0.001, day_count=365),
    "NoMargin": lambda x: NoMargin() if x == 0 else RegT(),
    "PerShare": lambda x: PerShare(0.005 + x, 1.0, 0.01),
    "PerTrade": lambda x: PerTrade(4.95 + x),
    "PortfolioMargin": lambda x: PortfolioMargin(shock=0.15 + x),
    "Proportional": lambda x: Proportional(0.001 + x),
    "Rebalancing": lambda x: Rebalancing(band=0.02 + x),
    "RegT": lambda x: RegT(changes={"2020-03-16": RegT(maintenance_long=0.3 + x)}),
    "Spread": lambda x: Spread(panel(0.01 + x), default=Bps(9)),
    "SquareRootImpact": lambda x: SquareRootImpact(0.9 + x),
    "Tiered": lambda x: Tiered((0, PerShare(0.0035)), (300_000, Bps(2 + x))),
    "Tiers": lambda x: Tiers((0, 0.01), (10, 0.02 + x)),
    "VolatilitySlippage": lambda x: VolatilitySlippage(0.1 + x),
    "VolumeShare": lambda x: VolumeShare(0.1 + x),
}


def test_the_table_has_every_public_value():
    public = {name for name in execution.__all__ if dataclasses.is_dataclass(getattr(execution, name))}
    assert public | {"Rebalancing"} == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_equal_by_content_and_travel(name):
    make = VALUES[name]
    one, same, other = make(0.0), make(0.0), make(0.001)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one.parameters() != other.parameters()
    for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert copied == one
        assert hash(copied) == hash(one)


@pytest.mark.parametrize("name", VALUES)
def test_values_do_not_change(name):
    value = VALUES[name](0.0)
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1.0)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("name", VALUES)
def test_parameters_are_plain_json(name):
    value = VALUES[name](0.0)
    found = value.parameters()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == ["kind", *(field.name for field in dataclasses.fields(value))]
    assert found["kind"] == type(value).__name__ == name


@pytest.mark.parametrize("name", sorted(set(VALUES) - {"Tiered", "Tiers"}))
def test_replace_takes_the_fields_as_they_are_kept(name):
    """A sweep over one field must not stumble over the others."""
    value = VALUES[name](0.0)
    assert dataclasses.replace(value) == value


def test_values_of_different_kinds_differ():
    assert PerTrade(0.001) != Bps(0.001)
    assert hash(PerTrade(0.001)) != hash(Bps(0.001))
    assert Bps(5) != 5
    assert (Bps(5) == None) is False  # noqa: E711


def test_a_panel_stands_for_its_content():
    found = Borrow(panel()).parameters()["rate"]
    assert found == {"kind": "Panel", "shape": [2, 2], "sha256": found["sha256"]}
    renamed = Panel(panel().values, DAYS, ["A", "C"])
    later = Panel(panel().values, ["2024-01-02", "2024-01-04"], ["A", "B"])
    hashes = {Borrow(rate).parameters()["rate"]["sha256"] for rate in (panel(), panel(0.011), renamed, later)}
    assert len(hashes) == 4
    # Another bit pattern of NaN, and zero with a sign, are the same content.
    odd = np.array([[0.0, 1.0]])
    signed = np.array([[-0.0, 1.0]])
    assert Borrow(Panel(odd, DAYS[:1], ["A", "B"])) == Borrow(Panel(signed, DAYS[:1], ["A", "B"]))


@pytest.mark.parametrize("name", ["Tiered", "Tiers"])
def test_the_text_of_tiers_makes_them_again(name):
    value = VALUES[name](0.0)
    assert eval(repr(value), vars(execution)) == value
