"""The account that a book runs in: cash, lots, margin, interest, currencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.execution import _interest
from quantlab.execution import _kernel_types as k
from quantlab.execution._currencies import Currencies
from quantlab.execution._demand import choice, pairs, positive, text
from quantlab.execution._interest import Interest
from quantlab.execution._margin import Margin, NoMargin, PortfolioMargin, RegT
from quantlab.execution._value import Value

BUYING_POWER = {"scale": k.SCALE, "reject": k.REJECT, "strict": k.STRICT}
_REGT = RegT()


@dataclass(frozen=True, slots=True, eq=False)
class Account(Value):
    """The account that a book runs in.

    Parameters
    ----------
    cash : float > 0, currency
        The capital at the start.
    lot : float > 0, shares, or None
        Orders are whole multiples of it, rounded toward zero: 1.0 trades whole shares. None trades any fraction.
    margin : RegT | PortfolioMargin | NoMargin
    buying_power : "scale" | "reject" | "strict"
        What happens to a decision that the margin does not allow: the part that opens positions is scaled to what it
        allows, is not sent, or stops the run with an error. "reject" sends nothing of that close that opens or enlarges
        a position, weights and explicit orders alike, the one that would have fitted included; what reduces is sent.
    interest : Interest, mapping of currency codes to Interest, or None
        What cash costs and earns. One Interest holds for every currency; None is free.
    currency : str
        The code of the account's own currency, in which equity is counted.
    currencies : Currencies, optional
        Symbols that trade in another currency. Left out, all trade in the account's.

    Raises
    ------
    InputError
        When cash or lot is not positive and finite, a policy is unknown, or a currency has no Interest.
    KindError
        When a part has another type.

    Examples
    --------
    >>> Account(cash=1_000_000).margin == RegT()
    True
    >>> Account(lot=None, margin=NoMargin(), interest=Interest(debit=0.06, credit=0.03)).lot is None
    True
    """

    cash: float = 1_000_000.0
    lot: float | None = 1.0
    margin: Margin = _REGT
    buying_power: str = "scale"
    interest: Any = None
    currency: str = "USD"
    currencies: Currencies | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cash", positive(self.cash, "Account cash", "currency"))
        if self.lot is not None:
            object.__setattr__(self, "lot", positive(self.lot, "Account lot", "shares; None trades fractions"))
        if not isinstance(self.margin, (RegT, NoMargin, PortfolioMargin)):
            raise KindError(
                f"Account margin must be RegT, PortfolioMargin or NoMargin, received {type(self.margin).__name__}.",
                hint="write `ql.RegT()`.",
            )
        choice(self.buying_power, tuple(BUYING_POWER), "Account buying_power")
        text(self.currency, "Account currency")
        if self.currencies is not None and not isinstance(self.currencies, Currencies):
            raise KindError(
                f"Account currencies must be Currencies or None, received {type(self.currencies).__name__}."
            )
        self._check_interest()

    def _check_interest(self) -> None:
        if isinstance(self.interest, (Mapping, tuple)):
            hint = 'write `{"USD": Interest(debit=0.06), "EUR": Interest(debit=0.04)}`.'
            entries = pairs(self.interest, "Account interest", hint)
            for code, interest in entries:
                text(code, "A currency of Account interest")
                if not isinstance(interest, Interest):
                    raise KindError(f"Account interest of {code} must be Interest, received {type(interest).__name__}.")
            object.__setattr__(self, "interest", tuple(sorted(entries)))
            lacking = [code for code in self.codes if code not in dict(entries)]
            if lacking:
                raise InputError(
                    f"Account interest says nothing of {lacking[0]}.",
                    hint=f'add `"{lacking[0]}": Interest()` if it neither costs nor earns.',
                )
        elif self.interest is not None and not isinstance(self.interest, Interest):
            raise KindError(
                f"Account interest must be Interest, a mapping or None, received {type(self.interest).__name__}.",
                hint="write `ql.execution.Interest(debit=0.06)`.",
            )

    @property
    def codes(self) -> tuple[str, ...]:
        """The currencies, that of the account first."""
        return (self.currency,) if self.currencies is None else self.currencies.codes(self.currency)

    def units(self) -> tuple[float, float]:
        """Return ``Terms.unit`` and ``Terms.step``: shares per unit, and units per lot (0 trades fractions)."""
        if self.lot is None:
            return 1.0, 0.0
        return (1.0, self.lot) if self.lot >= 1 and self.lot == round(self.lot) else (self.lot, 1.0)

    def numbers(self, symbols: tuple[str, ...]) -> dict[str, Any]:
        """Return the fields of ``Terms`` that depend on the account alone, by name.

        ``unit, step, currency, margin_model, margin_long, margin_short, buying_power, convert, conversion_cost``.
        """
        unit, step = self.units()
        long, short = self.margin.factor_rows(symbols)
        foreign = self.currencies
        place = np.zeros(len(symbols), dtype=np.int64)
        return {
            "unit": unit,
            "step": step,
            "currency": place if foreign is None else foreign.columns(symbols, self.currency),
            "margin_model": self.margin.model,
            "margin_long": long,
            "margin_short": short,
            "buying_power": BUYING_POWER[self.buying_power],
            "convert": int(foreign is not None and foreign.policy == "convert"),
            "conversion_cost": 0.0 if foreign is None else foreign.cost.fraction,
        }

    def fx(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.fx``, (1|T, C)."""
        return np.ones((1, 1)) if self.currencies is None else self.currencies.fx(dates, self.currency)

    def interest_bands(self, dates: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return ``Terms.thresholds`` (C, 3, K), ``World.interest`` (1|T, C, 3, K) and ``Terms.interest_days``."""
        if isinstance(self.interest, tuple):
            known = dict(self.interest)
            return _interest.bands([known[code] for code in self.codes], dates)
        return _interest.bands([self.interest] * len(self.codes), dates)
