"""The tables [backtest], [exits] and [rebalancing] of a configuration, and the values that they stand for.

A key has the name of the value's argument, and its default. What a number may be is told by the value itself, too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from quantlab.cli._table import Table, given, is_number
from quantlab.execution import Exits, Fill
from quantlab.portfolio import Rebalancing


def _delisting(value: Any) -> Any:
    if value in ("table", "last_price") or (is_number(value) and -1 <= value <= 10):
        return value
    raise ValueError("no policy")


class BacktestTable(Table):
    """How orders are filled."""

    fill: Literal["next_open", "next_close", "vwap", "same_close"] = Field(
        default="next_open", description='"next_open", "next_close", "vwap" or "same_close"'
    )
    delay: int = Field(default=1, ge=1, description="a whole number of bars, 1 or more")
    sizing: Literal["decision", "fill"] = Field(default="decision", description='"decision" or "fill"')
    participation: float | None = Field(
        default=None, gt=0, le=1, description="a fraction of the bar's volume, above 0 and at most 1"
    )
    carry: int = Field(default=0, ge=0, description="a whole number of bars, 0 or more")
    unlisted: Literal["raise", "cash"] = Field(default="raise", description='"raise" or "cash"')
    untradable: Literal["keep", "make_room"] = Field(default="keep", description='"keep" or "make_room"')
    delisting: Annotated[Any, BeforeValidator(_delisting)] = Field(
        default="table", description='"table", "last_price" or a return such as -0.3, from -1 to 10'
    )
    strict: bool = Field(default=False, description="true or false")

    @model_validator(mode="after")
    def _fits(self) -> BacktestTable:
        more = [name for name in ("delay", "sizing", "participation", "carry") if name in self.model_fields_set]
        if self.fill == "vwap" and more:
            raise ValueError(f'`backtest.fill` "vwap" is an estimate that takes no `{more[0]}`')
        if self.carry and self.participation is None:
            raise ValueError("`backtest.carry` needs `participation`: without a limit nothing is left over")
        return self

    def value(self) -> str | Fill:
        """Return where orders are filled."""
        if self.fill == "vwap":
            return self.fill
        rest: Any = given(self, "delay", "sizing", "participation", "carry")
        return Fill(self.fill, **rest)


class ExitTable(Table):
    """When a position is closed on its own account."""

    stop_loss: float | None = Field(default=None, gt=0, lt=1, description="a fraction of the entry price, 0 to 1")
    take_profit: float | None = Field(default=None, gt=0, description="a fraction of the entry price, above zero")
    trailing: float | None = Field(default=None, gt=0, lt=1, description="a fraction of the best price, 0 to 1")
    time_stop: int | None = Field(default=None, ge=1, description="a whole number of bars, 1 or more")
    entry_bar: bool = Field(default=True, description="true or false")
    reentry: Literal["next_decision", "after_flat"] = Field(
        default="next_decision", description='"next_decision" or "after_flat"'
    )

    def value(self) -> Exits:
        """Return the exits."""
        rest: Any = given(self, *type(self).model_fields)
        return Exits(**rest)


class RebalancingTable(Table):
    """How far a decision goes towards its target weights."""

    band: float = Field(default=0.0, ge=0, description="a fraction of equity, zero or more")
    relative_band: float = Field(default=0.0, ge=0, description="a fraction of the target, zero or more")
    to: Literal["target", "edge"] = Field(default="target", description='"target" or "edge"')
    part: float = Field(default=1.0, gt=0, le=1, description="a fraction of the way, above 0 and at most 1")
    turnover: float | None = Field(default=None, gt=0, description="a fraction of equity, above zero")
    smallest: float = Field(default=0.0, ge=0, description="currency, zero or more")
    check: Literal["decision", "bar"] = Field(default="decision", description='"decision" or "bar"')

    def value(self) -> Rebalancing:
        """Return the rule."""
        rest: Any = given(self, *type(self).model_fields)
        return Rebalancing(**rest)
