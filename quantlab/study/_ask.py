"""Calling a strategy: the one place where the user's own code may raise anything, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from quantlab.core import QuantlabError

R = TypeVar("R")


class Failure:
    """Why a variant has no numbers.

    Attributes
    ----------
    reason : str, one line
    """

    def __init__(self, error: BaseException) -> None:
        lines = str(error).strip().splitlines()
        first = lines[0] if lines else ""
        kind = type(error).__name__
        self.reason = first if isinstance(error, QuantlabError) else f"{kind}: {first}" if first else kind


def ask(work: Callable[[], R]) -> R | Failure:
    """Return what the work returns, or why it failed. Ctrl-C and the end of the process are no failures of it.

    Examples
    --------
    >>> ask(lambda: 1), ask(lambda: 1 / 0).reason
    (1, 'ZeroDivisionError: division by zero')
    """
    try:
        return work()
    except Exception as error:
        return Failure(error)
