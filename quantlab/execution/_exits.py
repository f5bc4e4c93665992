"""When a position is closed on its own account."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from quantlab.core import InputError
from quantlab.execution._demand import choice, positive, truth, whole
from quantlab.execution._value import Value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Exits(Value):
    """When a position is closed on its own account, each by itself; how a bar decides stands in docs/engine.md.

    Parameters
    ----------
    stop_loss : float in (0, 1), fraction of the average entry price, or None
        A long is closed that far below its entry, a short that far above.
    take_profit : float > 0, fraction of the average entry price, or None
        A long is closed that far above its entry, a short that far below; a short's needs less than 1.
    trailing : float in (0, 1), fraction of the best price since the entry, or None
    time_stop : int >= 1, bars since the entry, or None
    entry_bar : bool
        Test stops on the bar of an entry at the open as well.
    reentry : "next_decision" | "after_flat"
        When a name that was closed may be entered again: at the next decision that wants it, or not before a decision
        did not want it or wanted the other side.

    Raises
    ------
    InputError, KindError
        When a number is out of its range or a word unknown.

    Notes
    -----
    Bars without high and low are tested at their close, and the exit is filled like any order on the next bar.

    Examples
    --------
    >>> Exits(stop_loss=0.1, time_stop=20).numbers()["time_stop"]
    20
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing: float | None = None
    time_stop: int | None = None
    entry_bar: bool = True
    reentry: str = "next_decision"

    def __post_init__(self) -> None:
        for name in ("stop_loss", "take_profit", "trailing"):
            if getattr(self, name) is None:
                continue
            distance = positive(getattr(self, name), f"Exits {name}", "a fraction of the price; None has none")
            if name != "take_profit" and distance >= 1:
                raise InputError(
                    f"Exits {name} must be below 1 (a fraction of the price), received {distance:g}.",
                    hint="write 0.1 for 10 %.",
                )
            object.__setattr__(self, name, distance)
        if self.time_stop is not None:
            object.__setattr__(
                self, "time_stop", whole(self.time_stop, "Exits time_stop", "bars; None has none", low=1)
            )
        object.__setattr__(self, "entry_bar", truth(self.entry_bar, "Exits entry_bar"))
        choice(self.reentry, ("next_decision", "after_flat"), "Exits reentry")

    def numbers(self) -> dict[str, Any]:
        """Return the fields of ``Terms`` that depend on it, by name; a price exit that is not there is infinite."""
        prices = {name: getattr(self, name) for name in ("stop_loss", "take_profit", "trailing")}
        return {name: math.inf if distance is None else distance for name, distance in prices.items()} | {
            "time_stop": 0 if self.time_stop is None else self.time_stop,
            "entry_bar": int(self.entry_bar),
            "reentry": int(self.reentry == "after_flat"),
        }
