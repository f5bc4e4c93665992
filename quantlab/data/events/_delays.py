"""Releases that came later than their lag allows: the months in which the government was shut, with their dates.

A lag is for ordinary months. Where a release is known to have come later, its own day counts; where it came earlier
than the lag ends, the lag stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from quantlab.core import _labels as labels
from quantlab.data.events import _moments
from quantlab.data.events._lags import Lag

# Kind of lag, last month of the period, day of release, as dated on the releases of BLS, BEA and the Federal Reserve.
_SAID = """
employment            1995-12 1996-01-19
employment            2013-09 2013-10-22
employment            2025-09 2025-11-20
employment            2025-10 2025-12-16
employment            2025-11 2025-12-16
cpi                   1995-12 1996-02-01
cpi                   2013-09 2013-10-30
cpi                   2025-09 2025-10-24
cpi                   2025-10 2025-12-18
cpi                   2025-11 2025-12-18
industrial_production 2013-09 2013-10-28
industrial_production 2025-09 2025-12-03
industrial_production 2025-10 2025-12-23
industrial_production 2025-11 2025-12-23
quarterly             2025-09 2025-12-23
"""


def _read() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in _SAID.split("\n"):
        if line:
            kind, month, day = line.split()
            found.setdefault(kind, {})[month] = day
    return MappingProxyType(found)


DELAYS = _read()


def later(kind: str, days: np.ndarray, known: np.ndarray, lag: Lag) -> tuple[np.ndarray, str]:
    """Return when values of ``days`` were known, delays included, (n,) datetime64[us] in UTC; and what was moved.

    ``known`` is what the lag gives. A release keeps the clock time of its kind.
    """
    months = days.astype("datetime64[M]")
    if lag.since == "quarter":
        months = months + (2 - months.astype(np.int64) % 3).astype("timedelta64[M]")
    out, said = known.copy(), []
    for month, day in DELAYS.get(kind, {}).items():
        moment = _moments.local(np.array([day], dtype=labels.DAY), lag.minutes, lag.zone).astype(labels.MICROSECOND)[0]
        moved = (months == np.datetime64(month, "M")) & (known < moment)
        if moved.any():
            out[moved] = moment
            said.append(f"{month} on {day}")
    words = f"Later than that, for the government was shut: {', '.join(said)}." if said else ""
    return out, words
