"""One order of a strategy: from words and shares to the engine's numbers, by the rules of ``_prepare_orders``.

Errors name the symbol and the date.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._event_batch import Asked
from quantlab.backtest._prepare_orders import _INSIDE, _TAKES, LIVES, PRICES, TYPES
from quantlab.backtest._prepare_world import Axes, Lot
from quantlab.core import Bars, DataError, InputError, KindError
from quantlab.core._labels import DAY, check_dates, show
from quantlab.execution._kernel_types import (
    GOOD_TILL_DATE,
    LIMIT_OPEN,
    MARKET,
    MARKET_OPEN,
    TRAIL,
)


class OpenOrder(NamedTuple):
    """An order that can still be filled.

    Attributes
    ----------
    id : int
    symbol : str
    shares : float, what is left of it, signed
    type : str
    limit, stop : float, currency, NaN where not used; of a trailing order ``stop`` is where it stands now
    """

    id: int
    symbol: str
    shares: float
    type: str
    limit: float
    stop: float


class BarFill(NamedTuple):
    """A fill since the close before.

    Attributes
    ----------
    symbol : str
    shares : float, signed
    price : float, the symbol's currency
    commission : float, the symbol's currency
    kind : str, rebalance, order, or what sent it: stop_loss, take_profit, trailing, time_stop, margin_call, buy_in
    order : int or None, id of the explicit order
    """

    symbol: str
    shares: float
    price: float
    commission: float
    kind: str
    order: int | None


class OrderForm:
    """Turns what a strategy asks for into an ``Asked``, and counts what it had to round.

    Parameters
    ----------
    bars : Bars
    axes : Axes, their canonical labels
    lot : Lot, what orders are counted in
    """

    def __init__(self, bars: Bars, axes: Axes, lot: Lot) -> None:
        self.bars, self.axes, self.lot = bars, axes, lot
        self.place = {name: i for i, name in enumerate(axes.symbols)}
        self._groups: dict[Hashable, int] = {}
        self._rounded: dict[tuple[str, int], list[int]] = {}

    def asset(self, symbol: Any, t: int) -> int:
        """Return the canonical column of a symbol."""
        found = self.place.get(symbol) if isinstance(symbol, str) else None
        if found is None:
            near = get_close_matches(symbol, self.axes.symbols, n=1) if isinstance(symbol, str) else []
            raise DataError(
                f"The order of {symbol} on {show(self.axes.dates[t])} is for a symbol that {self.bars.name} does not "
                "have.",
                hint=f"did you mean {near[0]}?" if near else "orders are for symbols of the bars.",
            )
        return found

    def refuse(self, asset: int, t: int, sentence: str, hint: str | None = None) -> DataError:
        """Return the error of an order."""
        return DataError(
            f"The order of {self.axes.symbols[asset]} on {show(self.axes.dates[t])} {sentence}.", hint=hint
        )

    def float_of(self, value: Any, what: str, asset: int, t: int) -> float:
        """Return a number as a float, or raise KindError."""
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise KindError(
                f"The {what} of {self.axes.symbols[asset]} on {show(self.axes.dates[t])} must be a number, received "
                f"{type(value).__name__}."
            )
        return float(value)

    def number(self, value: Any, what: str, asset: int, t: int) -> float:
        """Return a finite float, or raise."""
        found = self.float_of(value, what, asset, t)
        if not math.isfinite(found):
            where = f"{self.axes.symbols[asset]} on {show(self.axes.dates[t])}"
            raise DataError(f"The {what} of {where} is missing or infinite ({found}).")
        return found

    def units(self, shares: float, asset: int, t: int, *, note: bool = True) -> float:
        """Return shares in units, whole lots toward zero, and remember what that changed."""
        wanted = shares / self.lot.unit
        units = wanted
        if self.lot.step > 0.0:
            units = math.copysign(math.floor(abs(wanted) / self.lot.step + 1e-9) * self.lot.step, wanted)
        if units == 0.0:
            if wanted != 0.0:
                self.remember("below_one_lot", asset, t)
            return 0.0
        if note and abs(units - wanted) > 1e-9 * max(abs(wanted), self.lot.step):
            self.remember("rounded_order", asset, t)
        return units

    def remember(self, rule: str, asset: int, t: int) -> None:
        """Count a finding of an asset."""
        self._rounded.setdefault((rule, asset), [t, 0])[1] += 1

    def findings(self) -> list[Finding]:
        """Return what was rounded or not sent, as ``simulate_orders`` says it."""
        words = {
            "rounded_order": ("info", "an order for no whole number of lots was rounded toward zero"),
            "below_one_lot": ("warning", "an order for less than one lot was not sent"),
            "empty_decision": ("info", "rows without any weight take no decision: the book drifts on"),
        }
        return [
            Finding(
                rule,
                words[rule][0],
                show(self.axes.dates[t]),
                self.axes.symbols[asset] if asset >= 0 else "",
                n,
                words[rule][1],
            )
            for (rule, asset), (t, n) in sorted(self._rounded.items(), key=lambda item: (item[0][0], item[0][1]))
        ]

    def market(self, asset: int, units: float, *, group: Hashable = None, reduce_only: bool = False) -> Asked:
        """Return a market order."""
        nan = np.nan
        return Asked(asset, MARKET, LIVES["day"], -1, self.group(group), int(reduce_only), units, nan, nan, nan, nan)

    def group(self, name: Hashable) -> int:
        """Return the number of a group, -1 without one."""
        return -1 if name is None else self._groups.setdefault(name, len(self._groups))

    def explicit(
        self,
        asset: int,
        units: float,
        t: int,
        *,
        type: str,  # noqa: A002  # the word of the order's column
        prices: tuple[Any, Any, Any, Any],
        tif: str,
        until: Any,
        group: Hashable,
        reduce_only: bool,
    ) -> Asked:
        """Return a checked order; ``prices`` are limit, stop, trail and trail_fraction."""
        kind = self._word(type, TYPES, "type", asset, t)
        life = self._word(tif, LIVES, "tif", asset, t)
        self._demand_fields(kind, type, asset, t)
        found = self._prices(kind, type, prices, asset, t)
        last = self._until(life, until, asset, t)
        if not isinstance(reduce_only, (bool, np.bool_)):
            raise self.refuse(asset, t, f"has a reduce_only that is neither true nor false: {reduce_only!r}")
        if group is not None and (isinstance(group, bool) or not isinstance(group, (int, np.integer, str))):
            raise self.refuse(asset, t, f"has the group {group!r}, which is no whole number and no text")
        named = None if group is None else str(group)
        return Asked(asset, kind, life, last, self.group(named), int(reduce_only), units, *found)

    def _word(self, word: Any, known: dict[str, int], what: str, asset: int, t: int) -> int:
        if not isinstance(word, str) or word not in known:
            raise InputError(
                f"The order of {self.axes.symbols[asset]} on {show(self.axes.dates[t])} has the {what} {word!r}.",
                hint=f"it is one of {', '.join(known)}.",
            )
        return known[word]

    def _demand_fields(self, kind: int, word: str, asset: int, t: int) -> None:
        fields: tuple[str, ...] = ()
        if kind in (MARKET_OPEN, LIMIT_OPEN):
            fields = ("open",)
        elif kind in _INSIDE:
            fields = ("high", "low")
        if missing := [name for name in fields if getattr(self.bars, name) is None]:
            raise InputError(
                f"The order of {self.axes.symbols[asset]} on {show(self.axes.dates[t])} is of type {word}, and "
                f"{self.bars.name} has no {' and no '.join(missing)}.",
                hint="bars with closes alone take market and on-close orders.",
            )

    def _prices(
        self, kind: int, word: str, prices: tuple[Any, Any, Any, Any], asset: int, t: int
    ) -> tuple[float, float, float, float]:
        takes = _TAKES.get(kind, ())
        found = [np.nan] * 4
        for column, (name, value) in enumerate(zip(PRICES, prices, strict=True)):
            if value is None:
                continue
            if name not in takes:
                words = ", ".join(each for each, number in TYPES.items() if name in _TAKES.get(number, ()))
                raise self.refuse(
                    asset, t, f"has a {name}, which the type {word} does not take", f"types that do: {words}."
                )
            found[column] = self.number(value, f"{name} price" if name in ("limit", "stop") else name, asset, t)
            if found[column] <= 0.0:
                raise self.refuse(asset, t, f"has a {name} that is not above zero")
        if found[3] >= 1.0:
            raise self.refuse(asset, t, "has a trail_fraction of 1 or more")
        if kind == TRAIL:
            if (prices[2] is None) == (prices[3] is None):
                raise self.refuse(
                    asset,
                    t,
                    "is a trailing stop and needs either a trail (currency) or a trail_fraction",
                    "0.05 in `trail_fraction` is 5 % below the best price.",
                )
        else:
            for name in takes:
                if np.isnan(found[PRICES.index(name)]):
                    raise self.refuse(asset, t, f"needs a {name} price", f"pass `{name}=`.")
        return found[0], found[1], found[2], found[3]

    def _until(self, life: int, until: Any, asset: int, t: int) -> int:
        if life != GOOD_TILL_DATE:
            if until is not None:
                hint = 'pass `tif="gtd"`.'
                raise self.refuse(asset, t, "has a date `until`, which only the tif gtd takes", hint)
            return -1
        if until is None:
            raise self.refuse(asset, t, 'has the tif "gtd" and no date', "pass `until=`.")
        moment = check_dates([until], what="`until`")
        days = self.axes.sessions if moment.dtype == DAY else self.axes.dates
        last = int(np.searchsorted(days, moment[0], side="right")) - 1
        if last <= t:
            raise self.refuse(
                asset, t, "ends before it meets a bar", "`until` is the last day that it may be filled on."
            )
        return last
