"""What the array functions of ``ts`` and ``xs`` demand of their arguments, and in which words they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from quantlab.core import _labels
from quantlab.core._door import PanelLike, as_panel
from quantlab.core._errors import InputError, KindError, LabelError
from quantlab.core._panel import Panel


def numbers(data: PanelLike, *, name: str = "data") -> Panel:
    """Return ``data`` as a float64 Panel; in a bool Panel True counts 1 and False 0."""
    panel = as_panel(data, name=name)
    return panel if panel.values.dtype == np.float64 else panel._like(panel.values.astype(np.float64))


def integer(value: Any, *, name: str, low: int) -> int:
    """Return ``value`` as an int >= ``low``, or raise naming it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise KindError(f"`{name}` must be an integer >= {low}, received {value!r}.")
    if value < low:
        raise InputError(f"`{name}` must be an integer >= {low}, received {value}.")
    return int(value)


def real(value: Any, *, name: str) -> float:
    """Return ``value`` as a finite float, or raise naming it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise KindError(f"`{name}` must be a number, received {value!r}.")
    if not math.isfinite(value):
        raise InputError(f"`{name}` must be a finite number, received {value}.")
    return float(value)


def rolling_window(window: Any, min_periods: Any, *, low: int = 1) -> tuple[int, int]:
    """Return the window and how many of its values must be present: all of them unless ``min_periods`` says fewer."""
    bars = integer(window, name="window", low=low)
    least = bars if min_periods is None else integer(min_periods, name="min_periods", low=1)
    if least > bars:
        raise InputError(f"`min_periods` must be at most `window` ({bars}), received {least}.")
    return bars, least


def demand_labels(data: Panel, other: Panel, *, name: str) -> None:
    """Raise LabelError naming the first place where the labels of ``other`` and ``data`` differ."""
    if not _labels.same_dates(other.dates, data.dates):
        kind, place = "dates", _labels.date_difference(other.dates, data.dates)
    elif other.symbols != data.symbols:
        kind, place = "symbols", _labels.difference(other.symbols, data.symbols)
    else:
        return
    raise LabelError(
        f"`{name}` and `data` differ in {kind}: {place}.", hint="bring it onto the data's labels: `a.align(data)`."
    )
