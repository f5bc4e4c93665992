"""Interest on cash: rates by date and by the size of the balance.

A balance pays each band's rate on the part of it that lies in the band. Free cash is what is left of a currency's cash
when the value of its shorts is set aside; see "Financing" in docs/engine.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.execution._dated import demand_start, spread_out, table
from quantlab.execution._demand import number, positive
from quantlab.execution._value import Value

KINDS = ("debit", "credit", "short")
_HINT = 'write `{"2024-01-01": 0.0533, "2024-09-19": 0.0483}`.'


@dataclass(frozen=True, slots=True, eq=False, init=False, repr=False)
class Tiers(Value):
    """Yearly rates by the size of a balance; each rate holds for the part of the balance in its band.

    Parameters
    ----------
    *bands : (float, float)
        Lower end of the band (currency, ascending from 0) and its rate (fraction per year).

    Raises
    ------
    InputError
        When lower ends do not ascend from 0 or a rate is 1 or more.
    KindError
        When a band is no pair of numbers.

    Examples
    --------
    No interest on the first 10,000, 3.33 % on what is above:

    >>> Tiers((0, 0), (10_000, 0.0333))
    Tiers((0.0, 0.0), (10000.0, 0.0333))
    """

    bands: tuple[tuple[float, float], ...]

    def __init__(self, *bands: tuple[float, float]) -> None:
        found = []
        for band in bands:
            if not isinstance(band, (tuple, list)) or len(band) != 2:
                raise KindError(
                    f"A band of Tiers must be a pair of its lower end and its rate, received {band!r}.",
                    hint="write `Tiers((0, 0.06), (100_000, 0.055))`.",
                )
            found.append((number(band[0], "Tiers lower end", "currency"), _rate(band[1], "Tiers rate", signed=True)))
        ends = [end for end, _ in found]
        if not ends or ends[0] != 0 or any(a >= b for a, b in pairwise(ends)):
            raise InputError(f"The lower ends of Tiers must ascend from 0 (currency), received {ends}.")
        object.__setattr__(self, "bands", tuple(found))

    def __repr__(self) -> str:
        return f"Tiers({', '.join(repr(band) for band in self.bands)})"


@dataclass(frozen=True, slots=True, eq=False)
class Interest(Value):
    """What cash costs and earns, by calendar days.

    amount * rate * days / day_count, at every close for the nights since the last, with the rates of the close before.

    Parameters
    ----------
    debit : float | Tiers | mapping of dates to these, >= 0, fraction per year
        Paid on what is borrowed.
    credit : float | Tiers | mapping of dates to these, fraction per year
        Earned on free cash; negative where the bank takes interest for keeping it.
    short : float | Tiers | mapping of dates to these, fraction per year
        Earned on the value of shorts, which their proceeds secure; negative likewise. The fee for the shares is
        :class:`Borrow`.
    day_count : float > 0, days of a year
        360 for US dollars and euros, 365 for pounds sterling.

    Raises
    ------
    InputError
        When a debit rate is negative, a rate is 1 or more or not finite; from ``bands``, for a date before the first
        entry of a mapping.
    KindError
        When a rate is none of these.

    Notes
    -----
    An entry of a mapping holds from its date on. What lies before the first is not guessed.

    Interactive Brokers pays and charges by tiers as done here, over 360 days in US dollars (its page of interest
    examples); it pays on short proceeds only from 100,000 US dollars on.

    Examples
    --------
    A debit of 5,000 at 6 % for 30 days costs 5,000 * 0.06 * 30 / 360 = 25.00.

    >>> Interest(debit=0.06).debit
    0.06
    >>> Interest(credit={"2024-01-01": 0.0433, "2024-09-19": Tiers((0, 0), (10_000, 0.0383))}).credit[1]
    ('2024-09-19', Tiers((0.0, 0.0), (10000.0, 0.0383)))
    """

    debit: Any = 0.0
    credit: Any = 0.0
    short: Any = 0.0
    day_count: float = field(default=360.0, kw_only=True)

    def __post_init__(self) -> None:
        for kind in KINDS:
            given, what = getattr(self, kind), f"Interest {kind}"
            signed = kind != "debit"
            if isinstance(given, (Mapping, tuple)):
                entry = partial(_entry, signed=signed)
                object.__setattr__(self, kind, table(given, what, _HINT, entry))
                if not getattr(self, kind):
                    raise InputError(f"{what} is a mapping without dates.", hint=_HINT)
            else:
                object.__setattr__(self, kind, _entry(given, what, signed=signed))
        object.__setattr__(self, "day_count", positive(self.day_count, "Interest day_count", "days of a year"))

    def thresholds(self) -> list[np.ndarray]:
        """Lower ends of the bands of debit, credit and short: those of all dates together, ascending from 0."""
        return [
            np.unique([end for _, entry in _entries(getattr(self, kind)) for end, _ in _bands(entry)]) for kind in KINDS
        ]

    def rates(self, dates: np.ndarray, width: int) -> np.ndarray:
        """Return the rate of each band of ``thresholds`` on each date, (1|T, 3, width); 0 in bands that do not exist.

        Raises
        ------
        InputError
            For a date before the first entry of a mapping.
        """
        found = []
        for kind, ends in zip(KINDS, self.thresholds(), strict=True):
            entries = _entries(getattr(self, kind))
            rows = np.zeros((len(entries), width))
            for row, (_, entry) in zip(rows, entries, strict=True):
                lower, rate = (np.array(part) for part in zip(*_bands(entry), strict=True))
                row[: ends.size] = rate[np.searchsorted(lower, ends, side="right") - 1]
            if len(entries) == 1 and entries[0][0] == "":
                found.append(rows)
            else:
                hint = "state the rate from the first date on."
                place = demand_start([start for start, _ in entries], dates, f"Interest {kind}", hint)
                found.append(spread_out(rows, place))
        most = max(rows.shape[0] for rows in found)
        return np.stack([np.broadcast_to(rows, (most, width)) for rows in found], axis=1)


def bands(interests: Sequence[Interest | None], dates: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return ``Terms.thresholds``, ``World.interest`` and ``Terms.interest_days`` of one Interest per currency.

    Parameters
    ----------
    interests : sequence of C Interest or None
        None neither pays nor earns.
    dates : (T,) datetime64

    Returns
    -------
    thresholds : (C, 3, K), currency
        Infinite where a kind has fewer bands than another.
    rates : (1|T, C, 3, K), fraction per year
        Where currencies count days differently they are scaled to the day count of the first.
    day_count : float

    Raises
    ------
    InputError
        For a date before the first entry of a mapping.

    Examples
    --------
    >>> day = np.array(["2024-01-02"], dtype="datetime64[D]")
    >>> thresholds, rates, days = bands([Interest(debit=Tiers((0, 0.06), (100_000, 0.055)))], day)
    >>> thresholds[0]
    array([[     0., 100000.],
           [     0.,     inf],
           [     0.,     inf]])
    >>> rates[0, 0, 0]
    array([0.06 , 0.055])
    """
    known = [Interest() if interest is None else interest for interest in interests]
    ends = [interest.thresholds() for interest in known]
    width = max(lower.size for kinds in ends for lower in kinds)
    thresholds = np.full((len(known), len(KINDS), width), np.inf)
    for currency, kinds in enumerate(ends):
        for kind, lower in enumerate(kinds):
            thresholds[currency, kind, : lower.size] = lower
    day_count = next((interest.day_count for interest in interests if interest is not None), 360.0)
    rates = [interest.rates(dates, width) * (day_count / interest.day_count) for interest in known]
    most = max(rows.shape[0] for rows in rates)
    return thresholds, np.stack([np.broadcast_to(rows, (most, *rows.shape[1:])) for rows in rates], axis=1), day_count


def _entries(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The dated entries of a kind; one without dates stands under an empty date."""
    return kind if isinstance(kind, tuple) else (("", kind),)


def _bands(entry: float | Tiers) -> tuple[tuple[float, float], ...]:
    return entry.bands if isinstance(entry, Tiers) else ((0.0, entry),)


def _entry(given: Any, what: str, *, signed: bool) -> float | Tiers:
    if not isinstance(given, Tiers):
        return _rate(given, what, signed=signed)
    for _, rate in given.bands:
        _rate(rate, what, signed=signed)
    return given


def _rate(given: Any, what: str, *, signed: bool) -> float:
    rate = number(given, what, "a fraction per year", signed=signed)
    if abs(rate) >= 1:
        raise InputError(
            f"{what} must be below 1 (a fraction per year), received {given}.", hint="write 0.055 for 5.5 %."
        )
    return rate
