"""In which currency each symbol trades, and what a unit of it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.core import DataError, InputError, KindError, LabelError, as_panel
from quantlab.core._labels import show
from quantlab.execution._bps import Bps
from quantlab.execution._dated import one_row
from quantlab.execution._demand import choice, demand, more, pairs, text, values_at
from quantlab.execution._value import Value


@dataclass(frozen=True, slots=True, eq=False)
class Currencies(Value):
    """Symbols in foreign currencies, the exchange rates, and what happens to foreign cash.

    Parameters
    ----------
    of : mapping of symbols to currency codes
        Symbols that it does not name trade in the currency of the account; those that a run does not have are left out
        and listed.
    rates : PanelLike (T, C) > 0, currency of the account per unit of the code
        One column per code; row t is the rate at the close of t. It has every date of the bars; what it has beyond them
        is left out.
    policy : "convert" | "hold"
        At each close every foreign balance is changed into the currency of the account, or stays and earns and pays the
        interest of its own currency.
    cost : Bps
        Charged on what is changed.

    Raises
    ------
    InputError, KindError
        When a rate is not above zero, or something has another type.
    LabelError
        From ``fx``, that is, from a run: when a code of ``of`` has no column in ``rates``, or a date of the bars has no
        row.
    DataError
        From ``fx`` likewise, when a rate that is needed is missing: the code and date are named.

    Examples
    --------
    >>> from quantlab.core import Panel
    >>> days = ["2024-01-02", "2024-01-03"]
    >>> foreign = Currencies({"SAP": "EUR"}, Panel([[1.10], [1.09]], days, ["EUR"]))
    >>> foreign.codes("USD"), foreign.columns(("AAPL", "SAP"), "USD")
    (('USD', 'EUR'), array([0, 1]))
    >>> foreign.fx(np.array(days, dtype="datetime64[D]"), "USD")
    array([[1.  , 1.1 ],
           [1.  , 1.09]])
    """

    of: Any
    rates: Any
    policy: str = "convert"
    cost: Bps = Bps(0)  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        found: dict[str, str] = {}
        for symbol, code in pairs(self.of, "Currencies of", 'write `{"SAP": "EUR"}`.'):
            name = text(symbol, "A symbol of Currencies")
            found[name] = text(code, f"The currency of {name}")
        object.__setattr__(self, "of", tuple(sorted(found.items())))
        panel = as_panel(self.rates, name="rates")
        good = (panel.values > 0) & np.isfinite(panel.values)
        demand(good, panel, "Currencies rates", "an exchange rate must be above zero and finite")
        object.__setattr__(self, "rates", panel)
        choice(self.policy, ("convert", "hold"), "Currencies policy")
        if not isinstance(self.cost, Bps):
            raise KindError(f"Currencies cost must be Bps, received {type(self.cost).__name__}.")
        if self.cost.fraction >= 1:
            raise InputError(f"Currencies cost must be below 10,000 basis points, received {self.cost.value:g}.")

    def codes(self, base: str) -> tuple[str, ...]:
        """Return the currencies: that of the account first, then the others in order of their names."""
        return (base, *sorted({code for _, code in self.of} - {base}))

    def columns(self, symbols: tuple[str, ...], base: str) -> np.ndarray:
        """Return ``Terms.currency``, (N,) int64."""
        place = {code: column for column, code in enumerate(self.codes(base))}
        known = dict(self.of)
        return np.array([place[known.get(symbol, base)] for symbol in symbols], dtype=np.int64)

    def fx(self, dates: np.ndarray, base: str) -> np.ndarray:
        """Return ``World.fx``, (1|T, C); its first column is 1."""
        foreign = self.codes(base)[1:]
        lacking = [code for code in foreign if code not in self.rates.symbols]
        if lacking:
            symbol = next(symbol for symbol, code in self.of if code == lacking[0])
            raise LabelError(
                f"Currencies has no rates of {lacking[0]}, in which {symbol} trades.",
                hint=f"give `rates` a column {lacking[0]}: {base} per {lacking[0]}.",
            )
        rates = values_at(self.rates, dates, foreign, "Currencies rates")
        missing = np.isnan(rates)
        if missing.any():
            rows, columns = np.nonzero(missing)
            raise DataError(
                f"The rate of {foreign[columns[0]]} on {show(dates[rows[0]])}{more(rows.size)} is missing.",
                hint="a rate is needed on every date of the bars; carry the last one forward if that is what you mean.",
            )
        return one_row(np.hstack([np.ones((rates.shape[0], 1)), rates]))
