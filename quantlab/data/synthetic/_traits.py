"""``Traits``: what the names of a synthetic market are like, in units that one can look up for real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from quantlab.core import InputError
from quantlab.core._arguments import real


@dataclass(frozen=True, slots=True)
class Traits:
    """The marginals of a synthetic market.

    Parameters
    ----------
    volatility : float in (0, 5], fraction per year
        Median over names of the volatility of log returns.
    spread : float in [0, 2]
        Standard deviation over names of the logarithm of volatility: 0.35 puts two thirds of the names between 0.7
        and 1.4 times the median.
    tails : float > 2
        Degrees of freedom of the Student t shocks; ``math.inf`` is normal. Daily stock returns have 3 to 5.
    correlation : float in [0, 1)
        Between the returns of any two names, all of it through one market factor.
    drift : float in [-5, 5], log return per year
        Of every name.
    price : float > 0, currency per share
        Median first price; two thirds of the names begin between 0.6 and 1.6 times it.
    turnover : float > 0, currency per day
        Median over names of the value traded on a quiet day.

    Raises
    ------
    InputError, KindError
        For a number out of its range, or something that is no number.

    Notes
    -----
    The defaults are of the size of those of large US stocks. For what is common to most markets see R. Cont (2001),
    "Empirical properties of asset returns: stylized facts and statistical issues", Quantitative Finance 1,
    DOI 10.1080/713665670.

    Examples
    --------
    >>> Traits(volatility=0.2, tails=math.inf).tails
    inf
    """

    volatility: float = 0.3
    spread: float = 0.35
    tails: float = 4.0
    correlation: float = 0.25
    drift: float = 0.06
    price: float = 50.0
    turnover: float = 20e6

    def __post_init__(self) -> None:
        for name in ("price", "turnover"):
            between(getattr(self, name), name=name, above=0.0)
        between(self.volatility, name="volatility", above=0.0, high=5.0)
        between(self.spread, name="spread", low=0.0, high=2.0)
        between(self.correlation, name="correlation", low=0.0, below=1.0)
        between(self.drift, name="drift", low=-5.0, high=5.0)
        if self.tails != math.inf:
            between(self.tails, name="tails", above=2.0)


def between(
    value: float,
    *,
    name: str,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """Return ``value`` as a float in its range (``low`` and ``high`` inclusive), or raise naming it."""
    number = real(value, name=name)
    rules = (
        (low, f"at least {low}", low is None or number >= low),
        (above, f"above {above}", above is None or number > above),
        (high, f"at most {high}", high is None or number <= high),
        (below, f"below {below}", below is None or number < below),
    )
    if not all(good for _, _, good in rules):
        wanted = " and ".join(text for bound, text, _ in rules if bound is not None)
        raise InputError(f"`{name}` must be {wanted}, received {number:g}.")
    return number
