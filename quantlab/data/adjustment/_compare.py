"""``compare``: the days on which two vendors disagree, and what kind of disagreement each is.

It uses hindsight (a bad value is one because the next bars take it back), so its table judges data and must never
become a signal. The arithmetic of one series stands in ``_disagreement``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import Bars, InputError, KindError, LabelError, Panel
from quantlab.core._arguments import integer, real
from quantlab.core._door import date_series, reindex
from quantlab.core._labels import show
from quantlab.data.adjustment import _disagreement

__all__ = ["compare"]

_PRICES = ("open", "high", "low", "close")
_CROWD = 20  # symbols from which a market can be told from a stock
_WINDOW = 21  # bars around a day whose median is what one vendor's volume usually is of the other's

# symbol, first row, last row, days, field, a, b, difference, kind
_Row = tuple[str | None, int, int, int, str | None, float | None, float | None, float | None, str]


def compare(
    a: Bars,
    b: Bars,
    *,
    fields: str | Sequence[str] = "close",
    tolerance: float = 1e-3,
    tick: float = 0.01,
    volume_tolerance: float = 0.5,
    within: int = 3,
    levels: bool | None = None,
) -> pl.DataFrame:
    """Return the days on which two vendors disagree, one row each.

    ================== ===============================================================================================
    kind               what it says
    ================== ===============================================================================================
    adjustment         the ratio of the two changes and stays so: a dividend, split, spin-off or restatement that one
                       side has in its prices and the other has not, or not alike
    bad value in a     a disagreement that ends within ``within`` bars, and which a's own jump and return make 20 times
                       as likely to be its error as b's
    bad value in b     the same for b
    bad value          the same where the moves of the two do not tell
    unsettled          too few bars follow to tell
    volume             the volumes differ by more than their usual ratio explains
    missing in a, b    a run of dates without a close on one side; without a symbol: of the whole data set
    no symbol in a, b  the symbol is on one side only
    ================== ===============================================================================================

    Parameters
    ----------
    a, b : Bars
        Their common dates are compared: from the later first to the earlier last date.
    fields : str or sequence of str
        Of open, high, low, close, volume. Close is always compared. The other prices are compared beyond what the
        closes already say, so that a dividend is listed once.
    tolerance : float >= 0, relative
        Smaller differences are none. The default is 16,000 times the spacing of float32, half a cent on 5 dollars, and
        below 95 % of the dividends of the S&P 500's members from 1999 to 2021. Of two public sets of that index (2013
        to 2018), 97 % of all one-day changes agree within 1e-6.
    tick : float >= 0, currency
        Nor is a difference of at most this much of the lower price: two prices rounded to cents. 0 for prices that
        adjustment has made small.
    volume_tolerance : float >= 0, relative
        For volume: how much above its usual ratio, the median of 21 bars around, one side may be of the other (0.5:
        1.5 times).
    within : int >= 1, bars
        How long a bad value may last.
    levels : bool, optional
        Whether levels should be equal. By default they should when both declare the same adjustment, and it is not
        "unknown"; otherwise only changes from bar to bar should.

    Returns
    -------
    polars.DataFrame
        ``symbol``, ``date``, ``end`` (last day of it), ``days`` (how many bars), ``field``, ``a`` and ``b`` (the
        values on ``date``), ``difference`` (relative: how much higher a is than it should be beside b), ``kind``;
        sorted by symbol, date and field. With ``levels`` an adjustment ends when the two agree again. Null where a
        column does not apply. ``.group_by("kind").len()`` is a summary.

    Raises
    ------
    InputError
        When there is no common date, or a field is unknown or absent.
    KindError
        When ``a`` or ``b`` are not Bars.
    LabelError
        When there is no common symbol.

    Examples
    --------
    >>> from quantlab.core import as_bars
    >>> dates = np.datetime64("2024-01-02") + np.arange(12)
    >>> one, other = np.full((12, 1), 50.0), np.full((12, 1), 50.0)
    >>> one[3], other[:5] = 25.0, 49.0
    >>> a, b = (as_bars(Panel(close, dates, ["A"])) for close in (one, other))
    >>> for row in compare(a, b).select("date", "a", "b", "difference", "kind").rows():
    ...     print(row[0], row[1], row[2], round(row[3], 3), row[4])
    2024-01-05 25.0 49.0 -0.5 bad value in a
    2024-01-07 50.0 50.0 -0.02 adjustment
    """
    chosen = _checked(a, b, fields)
    limits = _Limits(
        _limit(tolerance, "tolerance"),
        _limit(tick, "tick"),
        _limit(volume_tolerance, "volume_tolerance"),
        integer(within, name="within", low=1),
        a.adjusted == b.adjusted != "unknown" if levels is None else bool(levels),
    )
    pair = _Pair(a, b, chosen)
    rows = pair.absent()
    for column in range(len(pair.symbols)):
        rows += _series(pair, column, limits)
    return _framed(rows, pair.dates)


@dataclass(frozen=True, slots=True)
class _Limits:
    tolerance: float
    tick: float
    volume: float
    within: int
    levels: bool

    def prices(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """By how much the logs may differ: one tick of the lower price, or the tolerance."""
        # A little more, since 10.01 and 10 are not exactly one cent apart in binary.
        return np.log1p(np.maximum(self.tolerance, self.tick / np.minimum(a, b)) * (1 + 1e-9))


def _limit(value: Any, name: str) -> float:
    number = real(value, name=name)
    if number < 0:
        raise InputError(f"`{name}` must be at least 0, received {value}.")
    return number


class _Pair:
    """Two Bars on the same dates and symbols."""

    def __init__(self, a: Bars, b: Bars, fields: tuple[str, ...]) -> None:
        first, last = max(a.dates[0], b.dates[0]), min(a.dates[-1], b.dates[-1])
        if a.dates.dtype != b.dates.dtype:
            raise InputError(f"{a.name} and {b.name} are not both daily or both intraday.")
        if first > last:
            raise InputError(
                f"{a.name} ({show(a.dates[0])} to {show(a.dates[-1])}) and {b.name} ({show(b.dates[0])} to "
                f"{show(b.dates[-1])}) have no dates in common."
            )
        common = set(a.symbols) & set(b.symbols)
        if not common:
            raise LabelError(
                f"{a.name} ({a.symbols[0]}, ...) and {b.name} ({b.symbols[0]}, ...) have no symbol in common.",
                hint="rename those of one side to the other's.",
            )
        every = np.union1d(a.dates, b.dates)
        self.dates = every[(every >= first) & (every <= last)]
        self.symbols = tuple(sorted(common))
        self.sides = (a, b)
        self.fields = {name: (self._on(a.demand(name)), self._on(b.demand(name))) for name in ("close", *fields)}
        self.known = tuple(~np.isnan(close) for close in self.fields["close"])
        self.market = _disagreement.market(*self.fields["close"], least=_CROWD)

    def _on(self, panel: Panel) -> np.ndarray:
        return reindex(panel, self.dates, self.symbols).values

    def absent(self) -> list[_Row]:
        """The symbols, dates and closes that one side has and the other has not."""
        rows: list[_Row] = []
        for name, here, there in (("a", 0, 1), ("b", 1, 0)):
            lone = sorted(set(self.sides[there].symbols) - set(self.symbols))
            rows += [(symbol, -1, -1, 0, None, None, None, None, f"no symbol in {name}") for symbol in lone]
            days = self.known[here].any(axis=1)
            # Of a single symbol nobody can say so.
            whole = ~days & self.known[there].any(axis=1) & (len(self.symbols) > 1)
            days |= len(self.symbols) == 1
            gaps = self.known[there] & ~self.known[here] & days[:, None]
            for mask, names in ((whole[:, None], (None,)), (gaps, self.symbols)):
                rows += [
                    (names[column], start, stop, stop - start + 1, None, None, None, None, f"missing in {name}")
                    for column, start, stop in _runs(mask)
                ]
        return rows


def _runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """The runs of True along time: column, first row, last row."""
    edge = np.diff(np.pad(mask, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    columns, starts = np.nonzero(edge == 1)
    stops = np.nonzero(edge == -1)[1] - 1
    return list(zip(columns.tolist(), starts.tolist(), stops.tolist(), strict=True))


def _series(pair: _Pair, column: int, limits: _Limits) -> list[_Row]:
    """The rows of one symbol."""
    symbol = pair.symbols[column]
    both = np.flatnonzero(pair.known[0][:, column] & pair.known[1][:, column])
    if both.size == 0:
        return []
    a, b = (close[both, column] for close in pair.fields["close"])
    market = pair.market[both]
    # A bad value moves both returns beside it, so the side that moves less says more about the stock.
    scale = min(_disagreement.scale(side, market) for side in (a, b))
    judge = _disagreement.Judge(a, b, market, scale)
    found, expected = _disagreement.breaks(a, b, limits.prices(a, b), judge, within=limits.within, levels=limits.levels)
    rows: list[_Row] = []
    for one in found:
        days = one.last - one.first + 1
        what = "close", float(a[one.first]), float(b[one.first]), float(np.expm1(one.size)), one.kind
        rows.append((symbol, int(both[one.first]), int(both[one.last]), days, *what))
    for field, matrices in pair.fields.items():
        if field == "close":
            continue
        mine, other = (matrix[both, column] for matrix in matrices)
        present = ~(np.isnan(mine) | np.isnan(other))
        at, mine, other = both[present], mine[present], other[present]
        if field == "volume":
            rows += _volumes(symbol, at, mine, other, limits.volume)
            continue
        judge = _disagreement.Judge(mine, other, market[present], scale)
        size = np.log(mine / other) - expected[present]
        for row in np.flatnonzero(np.abs(size) > limits.prices(mine, other)).tolist():
            rows.append(_one(symbol, at[row], field, mine[row], other[row], np.expm1(size[row]), judge(row, row)))
    return rows


def _volumes(symbol: str, at: np.ndarray, a: np.ndarray, b: np.ndarray, tolerance: float) -> list[_Row]:
    traded = (a > 0) & (b > 0)
    ratio = np.log(a[traded] / b[traded])
    usual = pl.Series(ratio).rolling_median(_WINDOW, min_samples=1, center=True).to_numpy()
    size = np.full(a.size, np.nan)
    size[traded] = ratio - usual
    # None on one side and some on the other: no ratio says how much.
    odd = (np.abs(size) > np.log1p(tolerance)) | (~traded & ((a > 0) | (b > 0)))
    return [_one(symbol, at[i], "volume", a[i], b[i], np.expm1(size[i]), "volume") for i in np.flatnonzero(odd)]


def _one(symbol: str, row: Any, field: str, a: Any, b: Any, difference: Any, kind: str) -> _Row:
    return symbol, int(row), int(row), 1, field, float(a), float(b), float(difference), kind


def _checked(a: Any, b: Any, fields: str | Sequence[str]) -> tuple[str, ...]:
    for name, side in (("a", a), ("b", b)):
        if not isinstance(side, Bars):
            raise KindError(f"`{name}` must be Bars, received {type(side).__name__}.", hint='`store.bars("name")`.')
    asked = (fields,) if isinstance(fields, str) else tuple(fields)
    for field in asked:
        if field not in (*_PRICES, "volume"):
            raise InputError(f"`fields` may name open, high, low, close and volume, received {field!r}.")
        for side in (a, b):
            side.demand(field)
    return tuple(dict.fromkeys(field for field in asked if field != "close"))


def _framed(rows: list[_Row], dates: np.ndarray) -> pl.DataFrame:
    names = ("symbol", "date", "end", "days", "field", "a", "b", "difference", "kind")
    columns: dict[str, list[Any]] = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    calendar = date_series(dates)
    texts, numbers = ("symbol", "field", "kind"), ("a", "b", "difference")
    frame = pl.DataFrame(
        columns,
        schema={name: pl.String if name in texts else pl.Float64 if name in numbers else pl.Int64 for name in names},
    )
    place = {name: frame[name].replace(-1, None) for name in ("date", "end")}
    frame = frame.with_columns(
        *(calendar.gather(place[name]).alias(name) for name in place),
        pl.col("days").replace(0, None),
        pl.col("difference").fill_nan(None),
    )
    return frame.sort("symbol", "date", "field", nulls_last=False, maintain_order=True)
