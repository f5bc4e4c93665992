"""A user's function of parameters: values that depend on earlier ones, and conditions on a variant.

Its arguments are named as the parameters that it looks at. What goes wrong inside it is told with the values that it
was called with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.study._strategy import name_of

# What a short function of numbers can raise; anything else is no matter of its arguments, and passes.
_RAISED = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Dependent:
    """A function, and which parameters it takes.

    Parameters
    ----------
    function : callable
    takes : names of the parameters that it is called with
    role : what it is for, in messages: "`where`", "the function of skip"
    """

    function: Callable[..., Any]
    takes: tuple[str, ...]
    role: str

    def __call__(self, params: Mapping[str, Any]) -> Any:
        """Return what the function gives for a variant."""
        try:
            return self.function(**{name: params[name] for name in self.takes})
        except _RAISED as error:
            raise InputError(
                f"{said(self.role)} raised {type(error).__name__} at {self.at(params)}: {error}"
            ) from error

    def at(self, params: Mapping[str, Any]) -> str:
        """The values that it is called with, for messages."""
        return ", ".join(f"{name}={params[name]!r}" for name in self.takes) or "no parameter"

    def passes(self, params: Mapping[str, Any]) -> bool:
        """Return the answer of a condition, which must be True or False."""
        answer = self(params)
        if not isinstance(answer, (bool, np.bool_)):
            raise KindError(
                f"{said(self.role)} must return True or False, and returned {answer!r:.60} at {self.at(params)}."
            )
        return bool(answer)

    def record(self) -> dict[str, Any]:
        """Return the function as plain JSON: its name and the parameters that it takes."""
        return {"function": name_of(self.function), "of": list(self.takes)}

    def __repr__(self) -> str:
        return f"{name_of(self.function)}({', '.join(self.takes)})"


def dependent(function: Callable[..., Any], known: Sequence[str], *, role: str, later: Sequence[str] = ()) -> Dependent:
    """Return a function with the parameters that it takes, all of them where it takes ``**params``.

    Parameters
    ----------
    function : callable
        An argument that is no parameter must have a default, and keeps it.
    known : names of the parameters that it may look at
    role : what it is for, in messages
    later : names of parameters that have no value yet when it is called

    Raises
    ------
    KindError
        When it is no function, or one whose arguments cannot be read.
    InputError
        When it needs something that is no parameter, or comes later.

    Examples
    --------
    >>> dependent(lambda lookback, share=2: [0, lookback // share], ["lookback"], role="the function of skip").takes
    ('lookback',)
    """
    if not callable(function):
        raise KindError(f"{said(role)} must be a function of parameters, received {type(function).__name__}.")
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise KindError(
            f"The arguments of {role} cannot be read: {name_of(function)}.",
            hint="wrap it: `lambda lookback: ...`.",
        ) from error
    if any(argument.kind is inspect.Parameter.VAR_KEYWORD for argument in arguments):
        return Dependent(function, tuple(known), role)
    takes = []
    for argument in arguments:
        free = argument.default is inspect.Parameter.empty and argument.kind is not inspect.Parameter.VAR_POSITIONAL
        if argument.name in known and argument.kind is not inspect.Parameter.POSITIONAL_ONLY:
            takes.append(argument.name)
        elif free and argument.name in later:
            raise InputError(
                f"{said(role)} looks at {argument.name}, which comes later in the grid.",
                hint=f"move {argument.name} before it.",
            )
        elif free:
            near = get_close_matches(argument.name, known, n=1)
            there = f"it can look at {', '.join(known)}." if known else "no parameter comes before it."
            hint = f"did you mean {near[0]}?" if near else there
            raise InputError(f"{said(role)} looks at {argument.name}, which is no parameter of the grid.", hint=hint)
    return Dependent(function, tuple(takes), role)


def said(role: str) -> str:
    """Return a role as a sentence begins."""
    return role[:1].upper() + role[1:]
