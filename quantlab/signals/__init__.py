"""Signals: Bars to scores. A score is unitless, and higher means longer.

``_momentum`` holds momentum across names (``momentum``) and along a name's own past (``time_series_momentum``).

Timing: row t of a score uses only what is known at the close of bar t; a discovered test holds this for every public
function.
"""

from quantlab.signals._momentum import momentum, time_series_momentum

__all__ = ["momentum", "time_series_momentum"]
