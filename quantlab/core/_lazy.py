"""Modules that load at their first use: a process that starts from NumPy arrays reaches a backtest without loading
Polars (0.1 s).

Written as ``if TYPE_CHECKING: import polars as pl`` / ``else: pl = lazy("polars")``: type checkers see the module.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def lazy(name: str) -> Any:
    """Return a stand-in for a module; its attributes are the module's, which is imported when one is asked for.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> math = lazy("math")
    >>> math.floor(1.5)
    1
    """
    return _Module(name)


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
