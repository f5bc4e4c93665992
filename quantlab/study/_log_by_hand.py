"""A run that is opened, measured and closed by hand: ``with log.run("momentum", params={...}) as run``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from quantlab.study._run import Batch

if TYPE_CHECKING:
    from quantlab.study._log import TrialLog


class OpenRun:
    """A run that goes on. What it is told is written at once, so that a crash loses none of it.

    Attributes
    ----------
    id : int
    batch : Batch
    key : str
    """

    __slots__ = ("_log", "batch", "id", "key")

    def __init__(self, log: TrialLog, number: int, batch: Batch, key: str) -> None:
        self._log = log
        self.id = number
        self.batch = batch
        self.key = key

    def __repr__(self) -> str:
        return f"OpenRun {self.id} of {self.batch.study}"

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the run at the end of a block, by how the block ends."""
        try:
            yield
        except Exception as error:
            self._log._close(self, "failed", "failed", f"{type(error).__name__}: {error}")
            raise
        except BaseException as error:
            # Ctrl-C says nothing about the strategy, and what it showed until then was seen.
            self._log._close(self, "abandoned", "interrupted", type(error).__name__)
            raise
        self._log._close(self, "done", "done", None)

    def metric(self, name: str, value: Any) -> None:
        """Set one metric."""
        self.metrics({name: value})

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Set metrics; one that has been set before takes the new value."""
        self._log._measure(self.id, values)

    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
        self._log.tag(self.id, {name: value})

    def note(self, text: str) -> None:
        """Add a note."""
        self._log.note(self.id, text)

    def artifact(self, thing: Any, *, name: str | None = None, kind: str = "file") -> str:
        """Attach a file or bytes, and return their SHA-256; see ``TrialLog.artifact``."""
        return self._log.artifact(self.id, thing, name=name, kind=kind)
