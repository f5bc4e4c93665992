"""What groups or exposures do not explain on a date; row t uses row t alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from quantlab.core import _labels
from quantlab.core._arguments import demand_labels, numbers
from quantlab.core._door import PanelLike
from quantlab.core._errors import DataError, InputError, KindError, LabelError
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.xs import _cross_kernels as kernels
from quantlab.core.xs._strips import strips

_DENSE = 4096  # codes of a narrower span need no sorting; the sums of so many groups fit into the processor's cache


@shared
def demean(data: PanelLike, *, groups: PanelLike | Mapping[str, str | None] | None = None) -> Panel:
    """Return the values minus the mean of their date, or of their group on that date.

    Parameters
    ----------
    data : PanelLike (T, N)
    groups : PanelLike (T, N), whole numbers | mapping symbol -> group name, optional
        A Panel of codes changes with time, as sectors do; a mapping is the same on every date. NaN or None: no group.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where the value is missing, where the symbol has no group, and throughout a group that holds an infinite
        value. A group of one gives 0.

    Raises
    ------
    LabelError
        When the codes have other labels than the data, or the mapping lacks a symbol.
    DataError
        When a code is not a whole number.

    Examples
    --------
    >>> data = Panel([[1.0, 3.0, 5.0]], ["2024-01-02"], ["A", "B", "C"])
    >>> demean(data, groups={"A": "tech", "B": "tech", "C": "oil"}).values
    array([[-1.,  1.,  0.]])
    """
    panel = numbers(data)
    if groups is None:
        codes, count = np.zeros((1, panel.shape[1]), dtype=np.int64), 1
    elif isinstance(groups, Mapping):
        codes, count = _named_groups(panel, groups)
    else:
        codes, count = _coded_groups(panel, numbers(groups, name="groups"))
    return panel._like(kernels.demeaned(panel.values, codes, count))


@shared
def neutralize(
    data: PanelLike,
    *,
    exposures: PanelLike | Sequence[PanelLike] | Mapping[str, PanelLike],
    weights: PanelLike | None = None,
) -> Panel:
    """Return the residual of each date's cross-sectional regression on the exposures.

    y - X (X'WX)^-1 X'W y, where X holds a constant and the exposures of that date.

    Parameters
    ----------
    data : PanelLike (T, N)
    exposures : PanelLike (T, N), or a sequence or mapping of them
        Bool ones (sector dummies) count 1 and 0. They need not be independent: one that is, on a date, a combination of
        the constant and of earlier ones (less than 1e-12 of it is left) is passed over on that date, which does not
        change the residual.
    weights : PanelLike (T, N), >= 0, optional
        Regression weights, such as market capitalisation or its root; by default all equal.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN where the value, an exposure or the weight is missing or the weight is zero; the fit uses the other symbols.
        The whole date is NaN where these are no more than the independent columns (the fit would be perfect and say
        nothing), or one value is infinite. Where the exposures explain everything but rounding, 0.

    Raises
    ------
    InputError
        When there is no exposure.
    LabelError
        When an exposure or the weights have other labels than the data.
    DataError
        When a weight is negative or infinite.

    Examples
    --------
    >>> days, names = ["2024-01-02"], ["A", "B", "C"]
    >>> neutralize(Panel([[1.0, 2.0, 6.0]], days, names), exposures=Panel([[1.0, 2.0, 3.0]], days, names)).values
    array([[ 0.5, -1. ,  0.5]])
    """
    panel = numbers(data)
    factors = []
    for name, exposure in _named_exposures(exposures):
        factor = numbers(exposure, name=name)
        demand_labels(panel, factor, name=name)
        factors.append(factor.values)
    heavy = _weights(panel, weights)
    out = np.empty(panel.shape)
    for rows in strips(panel.shape):
        stack = np.stack([factor[rows] for factor in factors])
        weight = np.ones(stack.shape[1:]) if heavy is None else heavy[rows].copy()
        kernels.residuals(panel.values[rows], stack, weight, out[rows])
    return panel._like(out)


def _named_groups(panel: Panel, groups: Mapping[str, str | None]) -> tuple[np.ndarray, int]:
    lost = [symbol for symbol in panel.symbols if symbol not in groups]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise LabelError(f"`groups` has no entry for {lost[0]}{more}.", hint="map a symbol without a group to None.")
    number: dict[str, int] = {}
    codes = np.empty((1, panel.shape[1]), dtype=np.int64)
    for column, symbol in enumerate(panel.symbols):
        group = groups[symbol]
        codes[0, column] = -1 if group is None else number.setdefault(group, len(number))
    return codes, max(len(number), 1)


def _coded_groups(panel: Panel, groups: Panel) -> tuple[np.ndarray, int]:
    demand_labels(panel, groups, name="groups")
    values = groups.values
    present = ~np.isnan(values)
    _demand_each(groups, ~present | (np.floor(values) == values) & np.isfinite(values), "groups", "a whole number")
    codes = np.full(values.shape, -1, dtype=np.int64)
    if not present.any():
        return codes, 1
    low, high = float(values[present].min()), float(values[present].max())
    if high - low < _DENSE:
        np.subtract(values, low, out=codes, where=present, casting="unsafe")
        return codes, int(high - low) + 1
    known, inverse = np.unique(values[present], return_inverse=True)
    codes[present] = inverse
    return codes, known.size


def _named_exposures(
    exposures: PanelLike | Sequence[PanelLike] | Mapping[str, PanelLike],
) -> list[tuple[str, PanelLike]]:
    if isinstance(exposures, (Panel, pl.DataFrame, pl.LazyFrame)):
        return [("exposures", exposures)]
    if isinstance(exposures, Mapping):
        named = [(f"exposures[{name!r}]", exposure) for name, exposure in exposures.items()]
    elif isinstance(exposures, Sequence) and not isinstance(exposures, (str, bytes)):
        named = [(f"exposures[{place}]", exposure) for place, exposure in enumerate(exposures)]
    else:
        raise KindError(f"`exposures` must be a Panel or a sequence of Panels, received {type(exposures).__name__}.")
    if not named:
        raise InputError("`exposures` is empty.", hint="use `ql.xs.demean` to take out the mean alone.")
    return named


def _weights(panel: Panel, weights: PanelLike | None) -> np.ndarray | None:
    if weights is None:
        return None
    heavy = numbers(weights, name="weights")
    demand_labels(panel, heavy, name="weights")
    fine = np.isnan(heavy.values) | (heavy.values >= 0.0) & (heavy.values < np.inf)
    _demand_each(heavy, fine, "weights", "zero or more and finite")
    return heavy.values


def _demand_each(panel: Panel, fine: np.ndarray, name: str, rule: str) -> None:
    if fine.all():
        return
    rows, columns = np.nonzero(~fine)
    row, column = int(rows[0]), int(columns[0])
    more = f" and {rows.size - 1} more" if rows.size > 1 else ""
    raise DataError(
        f"`{name}` of {panel.symbols[column]} {_labels.show(panel.dates[row])}{more} is {panel.values[row, column]:g}; "
        f"it must be {rule}."
    )
