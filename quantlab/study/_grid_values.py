"""What may stand in a grid: names, lists of plain values, and when two values count as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError, QuantlabError
from quantlab.study._dependent import said
from quantlab.study._points import Point
from quantlab.study._space import Integers, LogUniform, Uniform
from quantlab.study._variant import python_value

_NAN = object()


def demand_names(grid: Any) -> list[str]:
    """Return the names of a mapping of parameters, or raise."""
    if not isinstance(grid, Mapping):
        raise KindError(f"`grid` must be a dict of lists, received {type(grid).__name__}.")
    if not grid:
        raise InputError("`grid` is empty.", hint='name what to try: `grid={"lookback": [126, 252]}`.')
    for name in grid:
        if not isinstance(name, str):
            raise KindError(f"`grid` must have names of parameters as its keys, received {name!r}.")
    return list(grid)


def listed(values: Any, name: str, *, role: str = "", at: str = "", once: bool = True) -> tuple[Any, ...]:
    """Return the values of one parameter as Python values, checked.

    Parameters
    ----------
    values : sequence or array
    name : of the parameter
    role : the function that gave the values, in messages; none when they stand in the grid
    at : what it was called with
    once : whether a value may stand there once alone
    """
    who, must, has = (said(role), "return", "returned") if role else ("`grid`", "hold", "holds")
    tail = f" at {at}" if role else f" for {name}"
    if isinstance(values, (Uniform, LogUniform, Integers)):
        raise KindError(f"{who} must {must} a list{tail}, received {values!r}.", hint="draw a random grid.")
    values = values.to_list() if callable(getattr(values, "to_list", None)) else values
    array = isinstance(values, np.ndarray) and values.ndim > 0
    if isinstance(values, (str, bytes)) or not (array or isinstance(values, Sequence)):
        one = values is None or isinstance(values, (str, bytes, int, float, np.generic))
        raise KindError(
            f"{who} must {must} a list{tail}, received {values!r:.60}.",
            hint=f"write [{values!r}]." if one else "write a list, whose order is the order of the variants.",
        )
    found = tuple(python_value(value) for value in values)
    if not found:
        raise InputError(f"{who} {has} no value{tail}.", hint="`where` leaves combinations out." if role else None)
    seen: dict[Any, Any] = {}
    for value in found:
        if not _is_plain(value):
            raise KindError(
                f"{who} must {must} plain values{tail}, received {type(value).__name__}.",
                hint="write a tuple, or a name that the strategy looks up.",
            )
        key = identity((value,))
        if once and key in seen:
            twice = f"{value!r} twice" if repr(value) == repr(seen[key]) else f"{seen[key]!r} and its equal {value!r}"
            raise InputError(f"{who} {has} {twice}{tail}.", hint="every variant counts as a trial.")
        seen[key] = value
    return found


def _is_plain(value: Any) -> bool:
    """Whether a value cannot change, and has a single answer to whether it equals another."""
    try:
        hash(value)
        bool(value == value)
    except (TypeError, ValueError, QuantlabError):
        return False
    return True


def identity(point: Point) -> Point:
    """Return a point that equals another exactly when their values are equal or both NaN."""
    return tuple(_NAN if value != value else value for value in point)
