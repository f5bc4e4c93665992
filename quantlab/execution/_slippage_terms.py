"""``SlippageTerms``: slippage as the arrays that a fill reads.

The price of a fill is reference * (1 +- s), s = spread + impact * (shares / adv) ** power + impact2 * (shares / adv) **
power2. Row t holds what is known at the close of bar t; the engine reads the row of the decision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SlippageTerms(NamedTuple):
    """Slippage of one run, in the column order of the bars.

    Parameters
    ----------
    spread : (1|T, N), fraction of the price
    impact, impact2 : (1|T, N), fraction of the price at a trade of ``adv`` shares
    adv : (1|T, N), shares
    power, power2 : float

    Notes
    -----
    NaN in ``spread``, ``impact``, ``impact2`` or ``adv`` means: not known at that close. Terms that a model does not
    have are 0 with ``adv`` infinite, and are never NaN.
    """

    spread: np.ndarray
    impact: np.ndarray
    impact2: np.ndarray
    adv: np.ndarray
    power: float
    power2: float

    def unknown(self) -> np.ndarray:
        """Where the slippage of a trade is not known, (1|T, N) bool."""
        spread, impact, impact2, adv = (np.isnan(array) for array in self[:4])
        return spread | impact | impact2 | adv


def flat(fraction: float, columns: int) -> SlippageTerms:
    """Return the terms of a slippage that depends on nothing."""
    none = np.zeros((1, columns))
    return SlippageTerms(np.full((1, columns), fraction), none, none, np.full((1, columns), np.inf), 1.0, 1.0)
