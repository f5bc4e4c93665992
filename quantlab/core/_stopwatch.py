"""How long something took. A duration is for people and for pacing; no number of a result may depend on it."""

from __future__ import annotations

import time


def seconds() -> float:
    """Return seconds since some moment, for differences alone."""
    return time.perf_counter()
