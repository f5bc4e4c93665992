"""How far a sweep is: a bar with its rate and the time left, or a function that is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from quantlab.core import KindError


class Progress:
    """Counts what is done and says so."""

    def __init__(self, total: int, tell: Callable[[int, int], Any] | None) -> None:
        self._total, self._tell, self._done = total, tell, 0

    def start(self, done: int) -> None:
        """Begin with so many that were there already."""
        self._done = done
        if done:
            self._say()

    def add(self, count: int) -> None:
        """Count more."""
        self._done += count
        self._say()

    def _say(self) -> None:
        if self._tell is not None:
            self._tell(self._done, self._total)


@contextmanager
def progress_of(given: Any, total: int) -> Iterator[Progress]:
    """Open the progress that a user asked for: True or None a bar (None where somebody looks), False nothing.

    Raises
    ------
    KindError
        For anything but a bool, None or a function.
    """
    if given is not None and not isinstance(given, bool) and not callable(given):
        raise KindError(f"`progress` must be True, False or a function, received {type(given).__name__}.")
    if callable(given):
        yield Progress(total, given)
        return
    if given is False or (given is None and not _is_watched()):
        yield Progress(total, None)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("variants"), Rate(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("left"), TimeRemainingColumn()) as bar:
        task = bar.add_task("sweep", total=total)
        yield Progress(total, lambda done, _: bar.update(task, completed=done))


def _is_watched() -> bool:
    """Whether there is a terminal or a notebook to draw in."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return sys.stderr.isatty() or (running is not None and hasattr(running, "kernel"))
