"""From what a parameter of a random grid is drawn: a list, a range of numbers, a range on a logarithmic scale.

Each is the inverse of a distribution function: it turns a number of [0, 1) into a value, so that independent draws and
the strata of a hypercube go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from quantlab.core import InputError
from quantlab.core._arguments import integer, real
from quantlab.study._variant import plain


class Distribution(Protocol):
    """What a random grid needs of a distribution."""

    @property
    def size(self) -> int | None:
        """How many values it has; None for a continuum."""

    def at(self, u: float) -> Any:
        """Return the value below which the fraction ``u`` in [0, 1) of all draws lies."""

    def record(self) -> Any:
        """Return it as plain JSON."""


@dataclass(frozen=True, slots=True, repr=False)
class Choice:
    """One of some values, each as likely as the next."""

    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """How many values it has."""
        return len(self.values)

    def at(self, u: float) -> Any:
        """Return the value of a quantile."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def record(self) -> list[Any]:
        """Return it as plain JSON."""
        return [plain(value) for value in self.values]

    def __repr__(self) -> str:
        return repr(list(self.values))


@dataclass(frozen=True, slots=True, repr=False)
class Uniform:
    """Numbers from ``low`` to ``high``, each stretch of one length as likely as the next."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _set_bounds(self, "uniform")

    @property
    def size(self) -> None:
        """None: a continuum."""
        return

    def at(self, u: float) -> float:
        """Return the value of a quantile."""
        return min(self.low + (self.high - self.low) * u, self.high)

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"distribution": "uniform", "low": self.low, "high": self.high}

    def __repr__(self) -> str:
        return f"uniform({self.low:g}, {self.high:g})"


@dataclass(frozen=True, slots=True, repr=False)
class LogUniform:
    """Numbers from ``low`` > 0 to ``high``, each stretch of one ratio as likely as the next."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _set_bounds(self, "log_uniform")
        if self.low <= 0:
            raise InputError(f"log_uniform must have `low` above 0, received {self.low:g}.")

    @property
    def size(self) -> None:
        """None: a continuum."""
        return

    def at(self, u: float) -> float:
        """Return the value of a quantile."""
        return min(max(self.low * (self.high / self.low) ** u, self.low), self.high)

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"distribution": "log_uniform", "low": self.low, "high": self.high}

    def __repr__(self) -> str:
        return f"log_uniform({self.low:g}, {self.high:g})"


@dataclass(frozen=True, slots=True, repr=False)
class Integers:
    """Whole numbers ``low``, ``low + step``, ... up to ``high``, each as likely as the next."""

    low: int
    high: int
    step: int = 1

    def __post_init__(self) -> None:
        for name, least in (("low", -(2**63)), ("high", -(2**63)), ("step", 1)):
            object.__setattr__(self, name, integer(getattr(self, name), name=name, low=least))
        if self.high < self.low:
            raise InputError(f"integers must have `low` <= `high`, received {self.low} and {self.high}.")

    @property
    def size(self) -> int:
        """How many values it has."""
        return (self.high - self.low) // self.step + 1

    def at(self, u: float) -> int:
        """Return the value of a quantile."""
        return self.low + self.step * min(int(u * self.size), self.size - 1)

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"distribution": "integers", "low": self.low, "high": self.high, "step": self.step}

    def __repr__(self) -> str:
        return f"integers({self.low}, {self.high}{f', step={self.step}' if self.step != 1 else ''})"


def uniform(low: float, high: float) -> Uniform:
    """Return the distribution of numbers from ``low`` to ``high``, each stretch of one length as likely as the next.

    Parameters
    ----------
    low, high : float, low < high

    Raises
    ------
    InputError, KindError
        When a bound is no finite number, or ``low`` is not below ``high``.

    Examples
    --------
    >>> uniform(0.1, 0.5).at(0.25)
    0.2
    """
    return Uniform(low, high)


def log_uniform(low: float, high: float) -> LogUniform:
    """Return the distribution of numbers from ``low`` to ``high``, each stretch of one ratio as likely as the next.

    Parameters
    ----------
    low, high : float, 0 < low < high

    Raises
    ------
    InputError, KindError
        When a bound is no finite number, ``low`` is not above 0, or not below ``high``.

    Examples
    --------
    >>> log_uniform(0.01, 1.0).at(0.5)
    0.1
    """
    return LogUniform(low, high)


def integers(low: int, high: int, *, step: int = 1) -> Integers:
    """Return the distribution of the whole numbers ``low``, ``low + step``, ..., each as likely as the next.

    Parameters
    ----------
    low, high : int, low <= high
        Both are among them, ``high`` where a number of steps reaches it.
    step : int >= 1

    Raises
    ------
    InputError, KindError
        When a number is not whole or out of its range.

    Examples
    --------
    >>> [integers(21, 63, step=21).at(u) for u in (0.0, 0.5, 0.99)]
    [21, 42, 63]
    """
    return Integers(low, high, step)


def _set_bounds(value: Uniform | LogUniform, name: str) -> None:
    """Make both bounds floats, and demand that there is something between them."""
    for bound in ("low", "high"):
        object.__setattr__(value, bound, real(getattr(value, bound), name=bound))
    if value.low >= value.high:
        raise InputError(
            f"{name} must have `low` below `high`, received {value.low:g} and {value.high:g}.",
            hint=f"write [{value.low:g}] for a single value." if value.low == value.high else None,
        )
