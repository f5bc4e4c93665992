"""``Patience``: how often and how long to wait for a source that may answer later."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quantlab.core._arguments import integer, real
from quantlab.core.rng import generator

_LONGEST = 300.0  # seconds; Yahoo lifts its refusals within minutes


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to wait when a source may answer later.

    Parameters
    ----------
    tries : int >= 1
        Requests for a symbol in all.
    first : float, seconds
        Before the second try; each further wait is twice as long, at most five minutes, times 0.5 to 1.5 by chance.
    seed : int
        Of that chance.
    sleep : callable (seconds)
        Waits; a test passes its own.
    """

    tries: int = 5
    first: float = 2.0
    seed: int = 0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        integer(self.tries, name="tries", low=1)
        real(self.first, name="first")

    def wait(self, tries: int) -> None:
        """Wait after the given number of tries."""
        length = min(self.first * 2.0 ** (tries - 1), _LONGEST)
        self.sleep(length * (0.5 + float(generator(self.seed, tries).random())))
