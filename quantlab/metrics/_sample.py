"""What every metric does first and last: returns through the door, and a value made into an ``Estimate``.

Returns are simple, per bar, and declared as such: nothing is guessed from their values. Rows with NaN are dropped and
counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeAlias, cast

import numpy as np

from quantlab.core import DataError, Frequency, InputError, KindError, PanelLike, as_panel
from quantlab.core._labels import show as show_date
from quantlab.metrics._estimate import Estimate, normal_quantile

Returns: TypeAlias = "PanelLike | np.ndarray"
P = ParamSpec("P")

# A simple return is a quotient of prices less one, so its rounding error is a few times 2.2e-16 whatever its size. A
# spread below this is rounding and not variation.
RESIDUE = 1e-14
NO_INTERVAL = "interval: ql.bootstrap"


class Metric(Protocol[P]):
    """A metric: a plain function of returns, with its array form beside it.

    Attributes
    ----------
    points : callable
        ``points(matrix, periods, **options) -> (B,)``: the metric of each row of a (B, T) float64 matrix without NaN,
        vectorized, NaN where undefined.
    annual : bool
        Whether the value depends on bars per year.
    extreme : bool
        Whether it is an extreme of the path, which only a percentile interval suits.
    """

    points: Callable[..., np.ndarray]
    annual: bool
    extreme: bool
    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Estimate:
        """Return the metric of one series."""


def metric(
    points: Callable[..., np.ndarray], *, annual: bool = False, extreme: bool = False
) -> Callable[[Callable[P, Estimate]], Metric[P]]:
    """Return a decorator that puts ``points`` and its two flags on a metric function."""

    def decorate(function: Callable[P, Estimate]) -> Metric[P]:
        result = cast("Metric[P]", function)
        result.points, result.annual, result.extreme = points, annual, extreme
        return result

    return decorate


@dataclass(frozen=True, slots=True)
class Sample:
    """Returns of one series without their NaN rows.

    Parameters
    ----------
    values : (n,) float64
    dates : (n,) datetime64, or None when a bare array came in
    dropped : int, rows that were NaN
    frequency : Frequency or None
    """

    values: np.ndarray
    dates: np.ndarray | None
    dropped: int
    frequency: Frequency | None

    @property
    def row(self) -> np.ndarray:
        """The values as a (1, n) matrix for ``points``."""
        return self.values[np.newaxis]

    def date(self, row: int) -> str:
        """The date of an observation, or its number."""
        return f"observation {row}" if self.dates is None else show_date(self.dates[row])

    def lacks(self, minimum: int) -> str:
        """Why no metric is defined on this series, or ""."""
        if self.values.size == 0:
            return "there are no observations" if self.dropped == 0 else f"all {self.dropped} observations are missing"
        if self.values.size < minimum:
            return f"needs {minimum} observations, has {self.values.size}"
        gone = np.flatnonzero(self.values <= -1.0)
        if gone.size:
            return f"ruined: the return is {self.values[gone[0]]:.1%} on {self.date(int(gone[0]))}"
        return ""


def sample(returns: Returns, *, name: str = "returns") -> Sample:
    """Return one series of returns through the door.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
    name : str
        What to call it in an error.

    Raises
    ------
    InputError
        When there is more than one column or dimension.
    KindError
        When the values are not numbers.
    DataError
        When a return is infinite.
    """
    if isinstance(returns, np.ndarray):
        if returns.ndim != 1:
            raise InputError(
                f"`{name}` must be a one-column Panel or an array of one dimension, received {returns.ndim}.",
                hint="take one column: `returns[:, 0]`.",
            )
        if returns.dtype.kind not in "iuf":
            raise KindError(f"`{name}` must be numbers, received {returns.dtype}.")
        values, dates, frequency = returns.astype(np.float64), None, None
    else:
        panel = as_panel(returns, name=name)
        if panel.shape[1] != 1:
            raise InputError(
                f"`{name}` must have one column, received {panel.shape[1]}.",
                hint="use `ql.metrics.table(returns)` for all of them, or `returns.select(symbol)` for one.",
            )
        if panel.values.dtype == bool:
            raise KindError(f"`{name}` must be numbers, received bool.")
        values, dates, frequency = panel.values[:, 0], panel.dates, panel.frequency
    keep = ~np.isnan(values)
    out = Sample(
        np.ascontiguousarray(values[keep]),
        None if dates is None else dates[keep],
        int(values.size - keep.sum()),
        frequency,
    )
    wild = np.flatnonzero(np.isinf(out.values))
    if wild.size:
        raise DataError(f"`{name}` is infinite on {out.date(int(wild[0]))}.", hint="a missing return is NaN.")
    return out


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of an Estimate before its value: name, sample, unit, convention."""

    name: str
    sample: Sample
    level: float
    unit: str
    convention: str
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        normal_quantile(self.level)

    def _make(self, value: float, **rest: Any) -> Estimate:
        details = {"dropped": self.sample.dropped, **self.details, **rest.pop("details", {})}
        return Estimate(
            self.name,
            value,
            level=self.level,
            n=rest.pop("n", self.sample.values.size),
            unit=self.unit,
            convention=self.convention,
            details=details,
            **rest,
        )

    def undefined(self, reason: str) -> Estimate:
        """The Estimate without a value."""
        return self._make(math.nan, reason=reason)

    def bare(self, value: float, why: str = NO_INTERVAL, **details: Any) -> Estimate:
        """The Estimate with a value and no interval."""
        if not math.isfinite(value):
            return self.undefined("the value exceeds the range of float64")
        return self._make(value, details={"no_interval": why, **details})

    def normal(self, value: float, se: float, method: str, **details: Any) -> Estimate:
        """The Estimate with the interval value ± quantile * se."""
        half = normal_quantile(self.level) * se
        return self.between(value, se, value - half, value + half, method, **details)

    def between(
        self, value: float, se: float, low: float, high: float, method: str, *, n: int | None = None, **details: Any
    ) -> Estimate:
        """The Estimate with an interval."""
        if not all(math.isfinite(number) for number in (value, se, low, high)):
            return self.bare(value, "the interval exceeds the range of float64", **details)
        n = self.sample.values.size if n is None else n
        return self._make(value, se=se, low=low, high=high, method=method, n=n, details=details)


def ruined(matrix: np.ndarray) -> np.ndarray:
    """Whether each row (B, T) contains a return of -100 % or less, as (B,) bool."""
    return matrix.min(axis=1) <= -1.0 if matrix.shape[1] else np.zeros(matrix.shape[0], dtype=bool)


def settle(values: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return the values with NaN where ``bad`` or not finite."""
    return np.where(bad | ~np.isfinite(values), np.nan, values)
