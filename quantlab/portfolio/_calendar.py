"""When to decide: rebalance rules as row numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError, Panel
from quantlab.core._labels import check_dates
from quantlab.core.periods import period_ends

Rebalance = str | int | Sequence[Any] | np.ndarray


def decision_rows(panel: Panel, rebalance: Rebalance) -> np.ndarray:
    """Return the rows of ``panel`` on which a rule decides, (R,) int64, ascending.

    Parameters
    ----------
    panel : Panel (T, N)
    rebalance : "month_end" | "week_end" | "every n" | int | sequence of dates
        Named rules follow the panel's trading calendar. A number n decides on rows 0, n, 2n, ... A listed date that
        has no bar decides once, on the next bar; dates after the last bar are left out.

    Raises
    ------
    InputError
        For an unknown rule, a rule without a calendar, or an empty list.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> decision_rows(Panel([[1.0], [2.0], [3.0]], days, ["A"]), "every 2")
    array([0, 2])
    """
    if isinstance(rebalance, str):
        word, _, number = rebalance.partition(" ")
        if word == "every":
            if not number.isdecimal():
                raise InputError(f'`rebalance` must read "every n" with a whole number, received {rebalance!r}.')
            rebalance = int(number)
        return np.flatnonzero(period_ends(panel.dates, rebalance, panel.frequency))
    if isinstance(rebalance, (int, np.integer)):
        return np.flatnonzero(period_ends(panel.dates, int(rebalance), panel.frequency))
    if not isinstance(rebalance, (list, tuple, np.ndarray)):
        raise KindError(
            f"`rebalance` must be a rule, a whole number or a list of dates, received {rebalance!r}.",
            hint='"month_end", "week_end", "every 5", 5, or ["2024-01-31", ...].',
        )
    if len(rebalance) == 0:
        raise InputError("`rebalance` is an empty list of dates.", hint='name a rule such as "month_end".')
    wanted = check_dates(np.asarray(rebalance), what="`rebalance`").astype(panel.dates.dtype)
    rows = np.searchsorted(panel.dates, wanted, side="left")
    return np.unique(rows[rows < panel.dates.size])
