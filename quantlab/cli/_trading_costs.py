"""The table [costs] of a configuration, and the values that it stands for.

A key has the name of the value's argument, and its default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from quantlab.cli._table import Table, accepted, demand_keys, given
from quantlab.execution import (
    Almgren,
    Borrow,
    Bps,
    Commission,
    Costs,
    Fees,
    PerShare,
    PerTrade,
    Proportional,
    Slippage,
    Spread,
    SquareRootImpact,
    Tiered,
    VolatilitySlippage,
    VolumeShare,
    us_equity_fees,
)
from quantlab.execution._borrow import LARGEST_RATE

_BPS = "basis points, 0 to 10,000"
_COMMISSIONS = ("per_share", "bps", "per_trade", "tiers")
_SLIPPAGE = {
    "spread": ("spread_bps",),
    "volatility": ("multiple", "window"),
    "square_root": ("coefficient", "window", "spread_bps"),
    "volume_share": ("coefficient", "exponent", "window"),
    "almgren": ("gamma", "eta", "window", "spread_bps"),
}


class CommissionTable(Table):
    """Per share, in proportion to the trade's value, per order, or per share by the month's volume."""

    per_share: float | None = Field(default=None, ge=0, description="currency per share, zero or more")
    bps: float | None = Field(
        default=None, ge=0, lt=10_000, description="basis points of the trade's value, 0 to 10,000"
    )
    per_trade: float | None = Field(default=None, ge=0, description="currency per order, zero or more")
    tiers: list[list[float]] | None = Field(
        default=None,
        description="a list of pairs, shares a month and currency per share: [[0, 0.0035], [300_000, 0.002]]",
    )
    minimum: float = Field(default=0.0, ge=0, description="currency per order, zero or more")
    maximum: float | None = Field(
        default=None,
        ge=0,
        description="a fraction of the trade's value with `per_share`, currency per order with `bps`",
    )

    @model_validator(mode="after")
    def _one(self) -> CommissionTable:
        held = [f"`{name}`" for name in _COMMISSIONS if getattr(self, name) is not None]
        if len(held) != 1:
            one_of = ", ".join(f"`{name}`" for name in _COMMISSIONS[:-1])
            has = " and ".join(held) or "none"
            raise ValueError(f"`costs.commission` needs one of {one_of} or `{_COMMISSIONS[-1]}`, and has {has}")
        if self.per_trade is not None and self.model_fields_set & {"minimum", "maximum"}:
            raise ValueError("`costs.commission` with `per_trade` takes no `minimum` and no `maximum`")
        if self.tiers is not None and any(len(tier) != 2 for tier in self.tiers):
            raise ValueError("`costs.commission.tiers` must be pairs of shares a month and currency per share")
        accepted(self.value)
        return self

    def value(self) -> Commission:
        """Return what is charged."""
        limits: Any = {"minimum": self.minimum, "maximum": self.maximum}
        if self.per_share is not None:
            return PerShare(self.per_share, **limits)
        if self.per_trade is not None:
            return PerTrade(self.per_trade)
        if self.tiers is not None:
            return Tiered(*((start, PerShare(rate, **limits)) for start, rate in self.tiers))
        return Proportional(Bps(self.bps or 0.0).fraction, **limits)


class SlippageTable(Table):
    """A model of slippage, with the arguments of its value."""

    model: Literal["spread", "volatility", "square_root", "volume_share", "almgren"] = Field(
        description='"spread", "volatility", "square_root", "volume_share" or "almgren"'
    )
    spread_bps: float | None = Field(default=None, ge=0, lt=10_000, description=f"the full spread in {_BPS}")
    multiple: float | None = Field(default=None, ge=0, description="a multiple of the volatility, zero or more")
    coefficient: float | None = Field(default=None, ge=0, description="a factor, zero or more")
    exponent: float | None = Field(default=None, gt=0, description="a power above zero")
    gamma: float | None = Field(default=None, ge=0, description="a factor, zero or more")
    eta: float | None = Field(default=None, ge=0, description="a factor, zero or more")
    window: int | None = Field(default=None, ge=1, description="a whole number of bars, 1 or more")
    default_bps: float | None = Field(
        default=None, ge=0, lt=10_000, description=f"{_BPS}, where the model knows nothing yet"
    )

    @model_validator(mode="after")
    def _fits(self) -> SlippageTable:
        demand_keys(self, "costs.slippage", (*_SLIPPAGE[self.model], "default_bps"))
        accepted(self.value)
        return self

    def value(self) -> Slippage:
        """Return the model."""
        rest: Any = {} if self.default_bps is None else {"default": Bps(self.default_bps)}
        if self.model == "spread":
            return Spread(Bps(self.spread_bps or 0.0), **rest)
        if self.spread_bps is not None:
            rest["spread"] = Bps(self.spread_bps)
        rest |= given(self, *(name for name in _SLIPPAGE[self.model] if name != "spread_bps"))
        kinds: dict[str, Any] = {
            "volatility": VolatilitySlippage,
            "square_root": SquareRootImpact,
            "volume_share": VolumeShare,
            "almgren": Almgren,
        }
        found: Slippage = kinds[self.model](**rest)
        return found


class BorrowTable(Table):
    """The fee for borrowed shares."""

    rate: float | None = Field(
        default=None, ge=0, le=LARGEST_RATE, description="a fraction per year, 0 to 10, such as 0.005 for 0.5 %"
    )
    convention: Literal["mark", "dealer"] = Field(default="mark", description='"mark" or "dealer"')
    recall: bool = Field(default=False, description="true or false")
    day_count: float = Field(default=360.0, gt=0, description="days of a year, above zero")

    def value(self) -> Borrow:
        """Return the fee."""
        return Borrow(self.rate, convention=self.convention, recall=self.recall, day_count=self.day_count)


def _rate_alone(value: Any) -> Any:
    return value if isinstance(value, dict) or value is None else {"rate": value}


def _fees(value: Any) -> Any:
    if value is None or value == "us_equity":
        return value
    if isinstance(value, list) and value and all(isinstance(row, list) and len(row) == 5 for row in value):
        accepted(lambda: _rows_of(value))
        return value
    raise ValueError("no table of fees")


def _rows_of(rows: list[list[Any]]) -> Fees:
    # An infinite maximum is none.
    return Fees([(*row[:3], None if row[3] == float("inf") else row[3], row[4]) for row in rows])


class CostTable(Table):
    """What trading costs; what is left out is free."""

    commission: CommissionTable | None = Field(
        default=None, description="a table such as {per_share = 0.005, minimum = 1.0, maximum = 0.01} or {bps = 5}"
    )
    slippage_bps: float = Field(default=0.0, ge=0, lt=10_000, description=_BPS)
    slippage: SlippageTable | None = Field(
        default=None, description='a table such as {model = "square_root", window = 21, spread_bps = 4}'
    )
    borrow: Annotated[BorrowTable | None, BeforeValidator(_rate_alone)] = Field(
        default=None,
        description="a fraction per year, 0 to 10, such as 0.005 for 0.5 %, or a table such as "
        '{rate = 0.005, convention = "dealer"}',
    )
    fees: Annotated[Any, BeforeValidator(_fees)] = Field(
        default=None,
        description='"us_equity", or a list of rows: date, fraction of sales, currency per share sold and its maximum '
        "per order, currency per share traded",
    )

    @model_validator(mode="after")
    def _one(self) -> CostTable:
        if self.slippage is not None and "slippage_bps" in self.model_fields_set:
            raise ValueError("`costs` has both `slippage` and `slippage_bps`, and takes one of them")
        return self

    def value(self) -> Costs:
        """Return the costs."""
        fees = None
        if self.fees == "us_equity":
            fees = us_equity_fees()
        elif self.fees is not None:
            fees = _rows_of(self.fees)
        return Costs(
            commission=None if self.commission is None else self.commission.value(),
            slippage=Bps(self.slippage_bps) if self.slippage is None else self.slippage.value(),
            borrow=None if self.borrow is None else self.borrow.value(),
            fees=fees,
        )
