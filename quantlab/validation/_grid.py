"""A grid of parameters: what may stand in it, and its variants in order."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from quantlab import metrics
from quantlab.core import InputError, KindError, QuantlabError


def variants(grid: Mapping[str, Sequence[Any]], strategy: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return every combination of a grid, the last parameter changing fastest.

    Parameters
    ----------
    grid : mapping of parameter name to a sequence or array of values
    strategy : function ``(bars, **params)``
        Must take every parameter of the grid, and need no other.

    Raises
    ------
    KindError
        When the grid is no mapping, a parameter has no sequence of values, or a value is an array.
    InputError
        When the grid or a sequence is empty, a value stands twice, or the strategy does not take a parameter.

    Examples
    --------
    >>> variants({"a": [1, 2], "b": ["x"]}, lambda bars, a, b: None)
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    if not isinstance(grid, Mapping):
        raise KindError(f"`grid` must be a dict of lists, received {type(grid).__name__}.")
    if not grid:
        raise InputError("`grid` is empty.", hint='name what to try: `grid={"lookback": [126, 252]}`.')
    listed: dict[str, list[Any]] = {}
    for name, values in grid.items():
        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)):
            raise KindError(f"`grid` must hold a list for {name}, received {values!r}.", hint=f"write [{values!r}].")
        listed[name] = values.tolist() if isinstance(values, np.ndarray) else list(values)
        if not listed[name]:
            raise InputError(f"`grid` holds no value for {name}.")
        for place, value in enumerate(listed[name]):
            _demand_plain(value, name)
            if any(_same(value, earlier) for earlier in listed[name][:place]):
                raise InputError(f"`grid` holds {value!r} twice for {name}.", hint="every variant counts as a trial.")
    _demand_taken(strategy, list(grid))
    return [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]


def call(strategy: Callable[..., Any], params: Mapping[str, Any]) -> str:
    """Return the call of a variant as text, for messages."""
    return f"{name_of(strategy)}({', '.join(f'{name}={value!r}' for name, value in params.items())})"


def name_of(function: Callable[..., Any], *, unknown: str = "function") -> str:
    """Return the name of a function, through ``functools.partial``."""
    plain = function if hasattr(function, "__name__") else getattr(function, "func", None)
    return str(getattr(plain, "__name__", unknown))


def demand_function(value: Any, name: str) -> None:
    """Raise KindError unless the value is a function, with the metric that a text names as the way out."""
    if callable(value):
        return
    if isinstance(value, str):
        known = [key for key in metrics.__all__ if hasattr(getattr(metrics, key), "points")]
        near = get_close_matches(value.lower().replace(" ", "_"), known, n=1)
        hint = f"pass the function itself: `ql.metrics.{near[0] if near else 'sharpe'}`."
        raise KindError(f"`{name}` must be a function, received the text {value!r}.", hint=hint)
    raise KindError(f"`{name}` must be a function, received {type(value).__name__}.")


def _demand_plain(value: Any, name: str) -> None:
    """Raise KindError for a value that has no single answer to whether it equals another, such as an array."""
    try:
        bool(value == value)
        plain = not isinstance(value, np.ndarray)
    except (TypeError, ValueError, QuantlabError):
        plain = False
    if not plain:
        raise KindError(
            f"`grid` must hold plain values for {name}, received {type(value).__name__}.",
            hint="write a tuple, or a name that the strategy looks up.",
        )


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, or both NaN."""
    return bool(one == other) or bool(one != one and other != other)


def _demand_taken(strategy: Callable[..., Any], names: list[str]) -> None:
    if not callable(strategy):
        raise KindError(f"`strategy` must be a function of bars, received {type(strategy).__name__}.")
    parameters = list(inspect.signature(strategy).parameters.values())
    if not parameters:
        raise InputError(f"{name_of(strategy)} must take the bars as its first argument, and takes none.")
    first, rest = parameters[0], parameters[1:]
    if first.kind is inspect.Parameter.VAR_KEYWORD:
        raise InputError(f"{name_of(strategy)} must take the bars as its first argument.")
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    usable = [p.name for p in rest if p.kind in named]
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in rest):
        for name in names:
            if name not in usable:
                near = get_close_matches(name, usable, n=1)
                listed = ", ".join(usable) or "nothing"
                hint = f"did you mean {near[0]}?" if near else f"it takes {listed}."
                raise InputError(f"{name_of(strategy)} does not take the parameter {name} of the grid.", hint=hint)
    for p in rest:
        if p.name in usable and p.default is inspect.Parameter.empty and p.name not in names:
            raise InputError(
                f"{name_of(strategy)} needs {p.name}, which is not in the grid.",
                hint=f"add it to the grid, or bind it: `functools.partial({name_of(strategy)}, {p.name}=...)`.",
            )
