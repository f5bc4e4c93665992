"""The table [account] of a configuration, and the values that it stands for.

Symbols in foreign currencies need a Panel of rates, and are for Python.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from quantlab.cli._table import Table, Text, accepted, demand_keys, given, is_number
from quantlab.execution import Account, Interest, NoMargin, PortfolioMargin, RegT, Tiers

_SHARED = ("factors", "minimum_equity", "buffer")
_MARGIN = {
    "reg_t": (
        *("initial_long", "initial_short", "maintenance_long", "maintenance_short"),
        *("low_price", "low_per_share", "low_fraction", "high_per_share"),
        *_SHARED,
    ),
    "portfolio": ("shock", "concentrated", "rest", "largest", *_SHARED),
    "none": (),
}


class MarginTable(Table):
    """A margin model, with the arguments of its value."""

    model: Literal["reg_t", "portfolio", "none"] = Field(description='"reg_t", "portfolio" or "none"')
    initial_long: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    initial_short: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    maintenance_long: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    maintenance_short: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    low_price: float | None = Field(default=None, ge=0, description="currency per share, zero or more")
    low_per_share: float | None = Field(default=None, ge=0, description="currency per share, zero or more")
    low_fraction: float | None = Field(default=None, ge=0, description="a fraction of the value, zero or more")
    high_per_share: float | None = Field(default=None, ge=0, description="currency per share, zero or more")
    shock: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    concentrated: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    rest: float | None = Field(default=None, ge=0, le=1, description="a fraction of the value, 0 to 1")
    largest: int | None = Field(default=None, ge=0, description="a whole number of positions, 0 or more")
    factors: dict[str, float] | None = Field(
        default=None, description="a table of symbols and factors on the requirement: {TQQQ = 3.0}"
    )
    minimum_equity: float | None = Field(default=None, ge=0, description="currency, zero or more")
    buffer: float | None = Field(default=None, ge=0, lt=1, description="a fraction of the requirement, below 1")

    @model_validator(mode="after")
    def _fits(self) -> MarginTable:
        demand_keys(self, "account.margin", _MARGIN[self.model])
        accepted(self.value)
        return self

    def value(self) -> RegT | PortfolioMargin | NoMargin:
        """Return the model."""
        rest: Any = given(self, *_MARGIN[self.model])
        return {"reg_t": RegT, "portfolio": PortfolioMargin, "none": NoMargin}[self.model](**rest)


def _model_alone(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


def _rate(value: Any) -> Any:
    """A rate, bands of rates, or dates of either."""
    if isinstance(value, dict):
        if not value or any(isinstance(inner, dict) for inner in value.values()):
            raise ValueError("no rates")
        return {key: _rate(inner) for key, inner in value.items()}
    if isinstance(value, list):
        pairs = [band for band in value if isinstance(band, list) and len(band) == 2 and all(map(is_number, band))]
        if not value or len(pairs) < len(value):
            raise ValueError("no bands")
        return tuple(tuple(band) for band in value)
    if not is_number(value):
        raise ValueError("no rate")
    return value


_RATE = (
    "a fraction per year, bands such as [[0, 0.06], [100_000, 0.055]], or a table of dates with either: "
    '{"2024-01-01" = 0.06, "2024-09-19" = 0.055}'
)


def _rate_of(kind: str, value: Any) -> Any:
    """A rate that Interest takes: the key is named when it does not."""
    rate = _rate(value)
    accepted(lambda: Interest(**{kind: _rates_of(rate)}))
    return rate


class InterestTable(Table):
    """What cash costs and earns."""

    debit: Annotated[Any, BeforeValidator(partial(_rate_of, "debit"))] = Field(default=0.0, description=_RATE)
    credit: Annotated[Any, BeforeValidator(partial(_rate_of, "credit"))] = Field(default=0.0, description=_RATE)
    short: Annotated[Any, BeforeValidator(partial(_rate_of, "short"))] = Field(default=0.0, description=_RATE)
    day_count: float = Field(default=360.0, gt=0, description="days of a year, above zero")

    def value(self) -> Interest:
        """Return the rates."""
        kinds = (_rates_of(self.debit), _rates_of(self.credit), _rates_of(self.short))
        return Interest(*kinds, day_count=self.day_count)


def _rates_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rates_of(inner) for key, inner in value.items()}
    return Tiers(*value) if isinstance(value, tuple) else value


def _lot(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and value not in ("whole", "fractional")):
        raise ValueError("not a lot")
    return value


class AccountTable(Table):
    """The account that trades."""

    cash: float = Field(default=1_000_000.0, gt=0, allow_inf_nan=False, description="currency, above zero")
    lot: Annotated[str | float, BeforeValidator(_lot)] = Field(
        default="whole",
        description='"whole" (whole shares), "fractional", or the number of shares in a lot, above zero',
    )
    margin: Annotated[MarginTable, BeforeValidator(_model_alone)] = Field(
        default=MarginTable(model="reg_t"),
        description='"reg_t", "portfolio", "none", or a table such as {model = "reg_t", maintenance_long = 0.3}',
    )
    buying_power: Literal["scale", "reject", "strict"] = Field(
        default="scale", description='"scale", "reject" or "strict"'
    )
    interest: InterestTable | None = Field(
        default=None, description="a table such as {debit = 0.06, credit = 0.03, short = 0.0}"
    )
    currency: Text = Field(default="USD", description='the code of a currency, as text: "USD"')

    @model_validator(mode="after")
    def _positive(self) -> AccountTable:
        if not isinstance(self.lot, str) and not 0 < self.lot < float("inf"):
            raise ValueError("`account.lot` must be above zero")
        return self

    def value(self) -> Account:
        """Return the account."""
        lot = {"whole": 1.0, "fractional": None}[self.lot] if isinstance(self.lot, str) else float(self.lot)
        return Account(
            cash=self.cash,
            lot=lot,
            margin=self.margin.value(),
            buying_power=self.buying_power,
            interest=None if self.interest is None else self.interest.value(),
            currency=self.currency,
        )
