"""The one place of this room that reads the clock: the moment of a commit is a fact of the world, not a result."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)
