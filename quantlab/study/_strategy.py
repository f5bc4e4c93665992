"""What a strategy is: a function of bars and named parameters; whether it takes those of a grid, and its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from quantlab import metrics
from quantlab.core import InputError, KindError

# Arguments of the engine that a grid may hold, although no strategy takes them.
RESERVED = ("costs", "account", "fill", "exits", "rebalance")


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


def demand_taken(strategy: Callable[..., Any], names: Sequence[str], *, reserved: Sequence[str] = ()) -> None:
    """Raise unless a strategy can be called with bars and the parameters of a grid, and needs nothing else.

    Parameters
    ----------
    strategy : function ``(bars, **params)``
    names : the parameters of the grid
    reserved : names that belong to the engine
        They need not be taken by the strategy, and must not be: nobody could tell whose they are.

    Raises
    ------
    KindError
        When the strategy is no function, or one whose parameters cannot be read.
    InputError
        When it does not take bars or a parameter, needs one that is not in the grid, or takes a reserved one itself.

    Examples
    --------
    >>> demand_taken(lambda bars, lookback: None, ["lookback", "costs"], reserved=RESERVED)
    """
    first, rest = _signature(strategy)
    if first.kind is inspect.Parameter.VAR_KEYWORD:
        raise InputError(f"{name_of(strategy)} must take the bars as its first argument.")
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    usable = [p.name for p in rest if p.kind in named]
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in rest)
    for name in names:
        if name in reserved:
            if name in usable:
                raise InputError(
                    f"{name_of(strategy)} takes {name} itself, and in a grid {name} is also an argument of the engine.",
                    hint="give the strategy's parameter another name.",
                )
        elif name not in usable and (not anything or name == first.name):
            near = get_close_matches(name, [*usable, *reserved], n=1)
            listed = ", ".join(usable) or "nothing"
            hint = f"did you mean {near[0]}?" if near else f"it takes {listed}."
            raise InputError(f"{name_of(strategy)} does not take the parameter {name} of the grid.", hint=hint)
    for p in rest:
        if p.default is not inspect.Parameter.empty or p.name in names:
            continue
        if p.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise InputError(f"{name_of(strategy)} takes {p.name} by position alone; a grid passes it by name.")
        if p.name in usable:
            raise InputError(
                f"{name_of(strategy)} needs {p.name}, which is not in the grid.",
                hint=f"add it to the grid, or bind it: `functools.partial({name_of(strategy)}, {p.name}=...)`.",
            )


def _signature(strategy: Callable[..., Any]) -> tuple[inspect.Parameter, list[inspect.Parameter]]:
    """The first parameter of a strategy, which is for the bars, and the others."""
    if not callable(strategy):
        raise KindError(f"`strategy` must be a function of bars, received {type(strategy).__name__}.")
    try:
        parameters = list(inspect.signature(strategy).parameters.values())
    except ValueError as error:
        raise KindError(
            f"`strategy` must be a function whose parameters can be read, received {name_of(strategy)}.",
            hint="wrap it: `def strategy(bars, *, lookback): ...`.",
        ) from error
    if not parameters:
        raise InputError(f"{name_of(strategy)} must take the bars as its first argument, and takes none.")
    return parameters[0], parameters[1:]
