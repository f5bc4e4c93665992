"""``Panel``: an immutable labelled matrix, one row per bar and one column per symbol.

Operators demand equal labels; NaN is missing. Nothing here looks ahead unless asked to by name
(``shift(lookahead=True)``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from quantlab.core import _door, _labels
from quantlab.core._errors import InputError, KindError, LabelError
from quantlab.core._shared import shared
from quantlab.core.periods import Frequency, period_ends

if TYPE_CHECKING:
    import polars as pl

DateLike: TypeAlias = str | date | datetime | np.datetime64


class Panel:
    """An immutable labelled matrix.

    Parameters
    ----------
    values : array (T, N), float or bool
        Copied unless already a read-only, C-ordered float64 or bool array.
    dates : (T,) dates, strictly increasing
        Calendar days, or UTC times for intraday bars.
    symbols : sequence of N distinct strings
    frequency : Frequency, optional
        Bars per year and trading calendar; results carry it on.

    Attributes
    ----------
    values : numpy.ndarray (T, N), float64 or bool, C-ordered, read-only
    dates : numpy.ndarray (T,), datetime64[D] or datetime64[us] (UTC), read-only
    symbols : tuple of str
    frequency : Frequency or None

    Raises
    ------
    LabelError
        When a date or symbol is doubled, dates do not increase, or shapes disagree.
    KindError
        When values are neither numbers nor booleans.

    Notes
    -----
    NaN is missing. A comparison with NaN is False. Arithmetic on two Panels demands equal dates and symbols; the one
    exception is a one-column Panel (a market, a regime) with equal dates, which is spread over all columns.

    Examples
    --------
    >>> close = Panel([[10.0, 20.0], [11.0, 19.0]], ["2024-01-02", "2024-01-03"], ["A", "B"])
    >>> (close / close.shift(1) - 1).values.round(2)
    array([[  nan,   nan],
           [ 0.1 , -0.05]])
    """

    __slots__ = ("dates", "frequency", "symbols", "values")

    # Two questions about one Panel are the same question (``_shared``).
    _never_changes = True

    # Without it NumPy would take a Panel for one element, and `array * panel` would be an array of Panels.
    __array_ufunc__ = None

    values: np.ndarray
    dates: np.ndarray
    symbols: tuple[str, ...]
    frequency: Frequency | None

    def __init__(self, values: Any, dates: Any, symbols: Sequence[str], *, frequency: Frequency | None = None) -> None:
        matrix = _door.matrix(values)
        days = _labels.check_dates(dates)
        names = _labels.check_symbols(symbols)
        if matrix.shape != (days.size, len(names)):
            raise LabelError(
                f"`values` has shape {matrix.shape}, and the labels say {days.size} dates x {len(names)} symbols."
            )
        if frequency is not None and not isinstance(frequency, Frequency):
            raise KindError(f"`frequency` must be a Frequency, received {type(frequency).__name__}.")
        self._set(matrix, days, names, frequency)

    def _set(
        self, values: np.ndarray, dates: np.ndarray, symbols: tuple[str, ...], frequency: Frequency | None
    ) -> None:
        values.setflags(write=False)
        if dates.flags.writeable:
            # A view stays open to the owner of what it views.
            dates = dates if dates.base is None else dates.copy()
            dates.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dates", dates)
        object.__setattr__(self, "symbols", symbols)
        object.__setattr__(self, "frequency", frequency)

    @classmethod
    def _trusted(
        cls, values: np.ndarray, dates: np.ndarray, symbols: tuple[str, ...], frequency: Frequency | None
    ) -> Panel:
        """Wrap a fresh C-ordered matrix with labels taken from another Panel: no checks, no copy."""
        panel = cls.__new__(cls)
        panel._set(values, dates, symbols, frequency)
        return panel

    def _like(self, values: np.ndarray) -> Panel:
        return Panel._trusted(values, self.dates, self.symbols, self.frequency)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A Panel is immutable: `{name}` cannot be set.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A Panel is immutable: `{name}` cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.values, self.dates, self.symbols, self.frequency))

    # Shape and looks

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N): dates, symbols."""
        return self.values.shape

    def __len__(self) -> int:
        return self.dates.size

    def __repr__(self) -> str:
        return _door.text(self)

    def _repr_html_(self) -> str:
        return _door.html(self)

    # Rows and columns

    @shared
    def shift(self, lag: int = 1, *, lookahead: bool = False) -> Panel:
        """Return the Panel with every row moved ``lag`` bars later; the first ``lag`` rows become NaN (False for bool).

        A negative lag brings the future to the present. It is refused unless ``lookahead=True`` says that this is
        meant, as for the labels of a model.
        """
        if isinstance(lag, bool) or not isinstance(lag, (int, np.integer)):
            raise KindError(f"`lag` must be an integer, received {type(lag).__name__}.")
        if lag < 0 and not lookahead:
            raise InputError(
                f"A lag of {lag} moves the future to the present.",
                hint="pass `lookahead=True` if these are labels and never signals.",
            )
        out = np.full(self.values.shape, np.nan if self.values.dtype != bool else False, dtype=self.values.dtype)
        if lag >= 0:
            out[lag:] = self.values[: max(len(self) - lag, 0)]
        else:
            out[:lag] = self.values[-lag:]
        return self._like(out)

    @shared
    def between(self, start: DateLike | None = None, end: DateLike | None = None) -> Panel:
        """Return the rows with ``start <= date <= end``; None leaves that side open."""
        rows = _door.row_slice(self.dates, start, end)
        return Panel._trusted(self.values[rows], self.dates[rows], self.symbols, self.frequency)

    def select(self, symbols: str | Sequence[str]) -> Panel:
        """Return the columns of ``symbols``, in that order; an unknown one raises LabelError."""
        names = _labels.check_symbols([symbols] if isinstance(symbols, str) else symbols)
        place = {name: i for i, name in enumerate(self.symbols)}
        _door.demand_known(names, self.symbols)
        # `take` makes a matrix of its own; fancy indexing makes a view of a transposed one that stays writable.
        columns = np.array([place[name] for name in names], dtype=np.intp)
        return Panel._trusted(self.values.take(columns, axis=1), self.dates, names, self.frequency)

    @shared
    def where(self, mask: Panel, other: float = np.nan) -> Panel:
        """Return the values where ``mask`` is true and ``other`` elsewhere.

        ``mask`` is a bool Panel of equal labels or of one column.
        """
        if not isinstance(mask, Panel) or mask.values.dtype != bool:
            raise KindError("`mask` must be a bool Panel.", hint="compare first: `score.where(score > 0)`.")
        left, right, like = _matched(self, mask)
        return like._like(_fresh(np.where(right, left, other)))

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Panel:
        """Return ``function(values)``; it must keep the shape, and should act on each element by itself
        (``np.log``).
        """
        out = np.asanyarray(function(self.values))  # a masked array keeps its mask
        if out.shape != self.values.shape:
            raise InputError(f"`function` must keep the shape {self.values.shape}, and returned {out.shape}.")
        return self._like(_door.matrix(out))

    def pipe(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return ``function(self, *args, **kwargs)``, so that steps read in the order in which they happen."""
        return function(self, *args, **kwargs)

    @shared
    def resample(self, rule: str | int) -> Panel:
        """Return the rows at the ends of periods: ``"month_end"``, ``"week_end"``, or every n bars (rows 0, n, 2n,
        ...).

        Each kept row is as it stood at that bar; an unfinished last period has no row. Period ends follow the
        exchange's calendar, see :func:`quantlab.core.periods.period_ends`.
        """
        rows = period_ends(self.dates, rule, self.frequency)
        per_year: float | None = {"month_end": 12.0, "week_end": 52.0}.get(rule) if isinstance(rule, str) else None
        calendar = None if self.frequency is None else self.frequency.calendar
        if not isinstance(rule, str) and self.frequency is not None and self.frequency.periods is not None:
            per_year = self.frequency.periods / rule
        return Panel._trusted(self.values[rows], self.dates[rows], self.symbols, Frequency(per_year, calendar))

    def last(self) -> Panel:
        """Return the last row as a Panel of one row."""
        if len(self) == 0:
            raise InputError("The Panel is empty, so that it has no last row.")
        return Panel._trusted(self.values[-1:], self.dates[-1:], self.symbols, self.frequency)

    def align(self, other: Panel) -> Panel:
        """Return this Panel on the dates and symbols of ``other``; what it lacks becomes NaN (False for bool)."""
        return _door.reindex(self, other.dates, other.symbols)

    # Frames

    def to_frame(self) -> pl.DataFrame:
        """Return a wide Polars frame: ``date`` and one column per symbol."""
        return _door.to_frame(self)

    def to_long(self, name: str = "value") -> pl.DataFrame:
        """Return a long Polars frame: ``date``, ``symbol``, ``name``; missing values are left out."""
        return _door.to_long(self, name)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame | pl.LazyFrame, *, frequency: Frequency | None = None) -> Panel:
        """Return a Panel from a wide frame: one date column, every other column a symbol. Nulls become NaN."""
        return _door.from_frame(frame, frequency)

    @classmethod
    def from_long(cls, frame: pl.DataFrame | pl.LazyFrame, value: str, *, frequency: Frequency | None = None) -> Panel:
        """Return a Panel from a long frame with ``symbol``, one date column and the column ``value``.

        The values are scattered to their places; absent pairs are NaN. Symbols come sorted by name. A (date, symbol)
        that stands twice raises LabelError.
        """
        return _door.from_long(frame, value, frequency)

    # Operators

    @shared
    def _binary(self, other: object, function: Callable[[Any, Any], Any], *, swap: bool = False) -> Any:
        if isinstance(other, Panel):
            left, right, like = _matched(self, other)
        elif isinstance(other, (int, float, bool, np.number, np.bool_)):
            left, right, like = self.values, np.asarray(other), self
        elif isinstance(other, np.ndarray):
            raise KindError(
                "A Panel and a NumPy array do not combine: the array has no labels.",
                hint="give it some, `ql.Panel(array, panel.dates, panel.symbols)`, or use `panel.map`.",
            )
        else:
            return NotImplemented
        function = _EXACT.get(function, function)
        with np.errstate(all="ignore"):
            out = function(right, left) if swap else function(left, right)
        return like._like(_fresh(out))

    def _logical(self, other: object, function: Callable[[Any, Any], Any]) -> Any:
        for side in (self, other):
            kind = side.values.dtype if isinstance(side, Panel) else np.asarray(side).dtype
            if kind.kind != "b":
                raise KindError("`&`, `|` and `^` join bool Panels.", hint="compare first: `(a > 0) & (b > 0)`.")
        return self._binary(other, function)

    def __add__(self, other: object) -> Panel:
        return self._binary(other, operator.add)

    def __radd__(self, other: object) -> Panel:
        return self._binary(other, operator.add, swap=True)

    def __sub__(self, other: object) -> Panel:
        return self._binary(other, operator.sub)

    def __rsub__(self, other: object) -> Panel:
        return self._binary(other, operator.sub, swap=True)

    def __mul__(self, other: object) -> Panel:
        return self._binary(other, operator.mul)

    def __rmul__(self, other: object) -> Panel:
        return self._binary(other, operator.mul, swap=True)

    def __truediv__(self, other: object) -> Panel:
        return self._binary(other, operator.truediv)

    def __rtruediv__(self, other: object) -> Panel:
        return self._binary(other, operator.truediv, swap=True)

    def __pow__(self, other: object) -> Panel:
        return self._binary(other, operator.pow)

    def __lt__(self, other: object) -> Panel:
        return self._binary(other, operator.lt)

    def __le__(self, other: object) -> Panel:
        return self._binary(other, operator.le)

    def __gt__(self, other: object) -> Panel:
        return self._binary(other, operator.gt)

    def __ge__(self, other: object) -> Panel:
        return self._binary(other, operator.ge)

    def __eq__(self, other: object) -> Panel:  # type: ignore[override]
        return self._binary(other, operator.eq)

    def __ne__(self, other: object) -> Panel:  # type: ignore[override]
        return self._binary(other, operator.ne)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: object) -> Panel:
        return self._logical(other, operator.and_)

    def __or__(self, other: object) -> Panel:
        return self._logical(other, operator.or_)

    def __xor__(self, other: object) -> Panel:
        return self._logical(other, operator.xor)

    def __invert__(self) -> Panel:
        if self.values.dtype != bool:
            raise KindError("`~` inverts a bool Panel.", hint="compare first: `~(a > 0)`.")
        return self._like(~self.values)

    def __neg__(self) -> Panel:
        return self._like(-self.values.astype(np.float64))

    def __abs__(self) -> Panel:
        return self._like(np.abs(self.values.astype(np.float64)))

    def __bool__(self) -> bool:
        raise KindError("A Panel has no single truth value.", hint="reduce its `.values` with `.any()` or `.all()`.")


def _fresh(values: np.ndarray) -> np.ndarray:
    """A matrix that was just computed and that nobody else holds: no copy is needed."""
    values.setflags(write=False)
    return _door.matrix(values)


def _add(left: Any, right: Any) -> Any:
    # NumPy's sum of two booleans is their `or`: two indicators that agree would count as one.
    return np.add(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))


def _subtract(left: Any, right: Any) -> Any:
    # NumPy refuses to subtract booleans; the difference of two indicators is a number here.
    return np.subtract(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))


def _matched(left: Panel, right: Panel) -> tuple[np.ndarray, np.ndarray, Panel]:
    """The two matrices, ready for an elementwise operation, and the Panel whose labels the result takes."""
    if not _labels.same_dates(left.dates, right.dates):
        raise LabelError(
            f"The two Panels differ in dates: {_labels.date_difference(left.dates, right.dates)}.",
            hint="bring one onto the other's labels: `a.align(b)`.",
        )
    if left.symbols is not right.symbols and left.symbols != right.symbols:
        if 1 not in (len(left.symbols), len(right.symbols)):
            raise LabelError(
                f"The two Panels differ in symbols: {_labels.difference(left.symbols, right.symbols)}.",
                hint="bring one onto the other's labels: `a.align(b)`.",
            )
        like = left if len(right.symbols) == 1 else right
    else:
        like = left
    if like.frequency is None:
        known = left.frequency or right.frequency
        like = Panel._trusted(like.values, like.dates, like.symbols, known)
    return left.values, right.values, like


def _restore(values: np.ndarray, dates: np.ndarray, symbols: tuple[str, ...], frequency: Frequency | None) -> Panel:
    return Panel._trusted(values, dates, symbols, frequency)


# What the operators do instead of NumPy's.
_EXACT: dict[Callable[[Any, Any], Any], Callable[[Any, Any], Any]] = {operator.add: _add, operator.sub: _subtract}
