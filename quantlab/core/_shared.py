"""Work done once: inside a scope, a pure function of Panels that is asked the same question gives the answer it has.

A thousand variants of a strategy ask for the same momentum of the same closes a hundred times. Functions marked with
``shared`` remember their answers while a ``Scope`` is open, and are plain functions otherwise. A question is the
function, the Panels by identity (they are immutable, and the scope keeps them alive) and the other arguments by value;
whatever else stands among the arguments is never remembered. Answers are given to all threads; two that ask the same
at once wait for one answer. What was not asked for the longest time is forgotten first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import BuiltinFunctionType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from quantlab.core._stopwatch import seconds

P = ParamSpec("P")
R = TypeVar("R")

_PLAIN = (bool, int, float, str, bytes, type(None), np.generic)


class _Answer:
    """An answer that is there, or that somebody works out."""

    __slots__ = ("asked", "event", "failed", "size", "value")

    def __init__(self, asked: tuple[Any, ...]) -> None:
        self.asked, self.event, self.value, self.size, self.failed = asked, threading.Event(), None, 0, False


class Scope:
    """Answers of shared functions.

    Parameters
    ----------
    limit : int, bytes
        What answers may take together; the arrays of Panels are counted.

    Attributes
    ----------
    seconds : float
        Time spent on answers that were not there.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.seconds, self._size = limit, 0.0, 0
        self._answers: OrderedDict[Any, _Answer] = OrderedDict()
        # Questions about an answer: without it nobody can ask them again.
        self._about: dict[int, list[Any]] = {}
        self._lock = threading.Lock()
        self._depth = threading.local()

    @contextmanager
    def open(self) -> Iterator[Scope]:
        """Remember answers of this thread's calls."""
        token = _open.set(self)
        try:
            yield self
        finally:
            _open.reset(token)

    def ask(self, question: Any, asked: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        """Return the answer to a question; ``asked`` are the Panels in it, which have to stay alive."""
        with self._lock:
            answer = self._answers.get(question)
            mine = answer is None
            if answer is None:
                answer = self._answers[question] = _Answer(asked)
                for panel in asked:
                    self._about.setdefault(id(panel), []).append(question)
            else:
                self._answers.move_to_end(question)
        if not mine:
            answer.event.wait()
            if not answer.failed:
                return answer.value
            return work()
        start, outer = seconds(), getattr(self._depth, "n", 0)
        self._depth.n = outer + 1
        try:
            answer.value = work()
        except BaseException:
            answer.failed = True
            with self._lock:
                self._answers.pop(question, None)
            raise
        finally:
            self._depth.n = outer
            if outer == 0:
                self.seconds += seconds() - start
            answer.event.set()
        self._keep(answer)
        return answer.value

    def _keep(self, answer: _Answer) -> None:
        size = size_of(answer.value)
        with self._lock:
            answer.size = size
            self._size += size
            while self._size > self.limit:
                # Answers that are being worked out have no size yet, and are never forgotten.
                oldest = next((question for question, old in self._answers.items() if old.size > 0), None)
                if oldest is None:
                    break
                self._forget(oldest)

    def _forget(self, question: Any) -> None:
        """Drop an answer and, since nothing can ask them again, the answers to questions about it."""
        answer = self._answers.pop(question, None)
        if answer is None:
            return
        self._size -= answer.size
        for later in self._about.pop(id(answer.value), ()):
            self._forget(later)


_open: ContextVar[Scope | None] = ContextVar("quantlab_shared", default=None)


def size_of(value: Any) -> int:
    """Return the bytes of arrays in a value, at least 64."""
    if isinstance(value, np.ndarray):
        return max(int(value.nbytes), 64)
    if isinstance(value, tuple):
        return max(sum(size_of(part) for part in value), 64)
    return size_of(values) if isinstance(values := getattr(value, "values", None), np.ndarray) else 64


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Return a pure function that inside an open scope works out the same answer once.

    The function must depend on its arguments alone and return something immutable, such as a Panel.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable

    Examples
    --------
    >>> from quantlab.core import Panel
    >>> asked = []
    >>> @shared
    ... def double(panel, *, times=2):
    ...     asked.append(times)
    ...     return panel * times
    >>> panel = Panel([[1.0]], ["2024-01-02"], ["A"])
    >>> with Scope(2**20).open():
    ...     double(panel).values, double(panel).values, len(asked)
    (array([[2.]]), array([[2.]]), 1)
    """

    @wraps(function)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        scope = _open.get()
        if scope is None:
            return function(*args, **kwargs)
        panels: list[Any] = []
        parts = [_part(value, panels) for value in args]
        for name in sorted(kwargs):
            parts.append(name)
            parts.append(_part(kwargs[name], panels))
        if None in parts:
            return function(*args, **kwargs)
        question = (function, tuple(parts))
        return scope.ask(question, tuple(panels), lambda: function(*args, **kwargs))

    return once


def _part(value: Any, panels: list[Any]) -> Any:
    """What stands for an argument in a question; None when nothing can."""
    if getattr(value, "_never_changes", False):
        panels.append(value)
        return ("panel", id(value))
    if isinstance(value, _PLAIN):
        # 1, 1.0 and True are equal, and so are 0.0 and -0.0; they are not the same question.
        return (type(value), value if value == value else "nan", str(value) if isinstance(value, float) else "")
    if isinstance(value, BuiltinFunctionType):
        # The operators of Panels.
        return ("function", value)
    if isinstance(value, tuple):
        inner = [_part(part, panels) for part in value]
        return None if None in inner else ("tuple", tuple(inner))
    return None
