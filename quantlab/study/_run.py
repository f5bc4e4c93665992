"""What a trial log is told: a batch, and the runs of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quantlab.study._log_values import canonical

KINDS = ("sweep", "walk_forward", "single")
BATCH_STATUSES = ("running", "done", "interrupted", "abandoned", "failed")
RUN_STATUSES = ("running", "done", "abandoned", "failed")


@dataclass(frozen=True, slots=True)
class Batch:
    """One invocation that tries variants, as ``TrialLog.begin`` gives it.

    Attributes
    ----------
    id : int
    study : str
    """

    id: int
    study: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One variant of a batch, and what came of it.

    Parameters
    ----------
    key : str
        Identifies the configuration: code, data, costs, account, ..., parameters. Two runs of one key are one trial,
        whenever they ran. See :func:`run_key`.
    number : int, optional
        Its place in the grid.
    params : mapping of str to value
        Numbers, bools, text, dates, None, and tuples, lists and dictionaries of these come back as they are; others as
        their ``repr``.
    metrics : mapping of str to number
        NaN and None are null. An infinity is kept.
    status : "done" | "failed" | "abandoned" | "running"
    reason : str, optional
        Why it failed.
    duration : float, seconds, optional
    started, finished : datetime with a time zone, optional
    seed : int, optional

    Examples
    --------
    >>> Run(key="4f1c", number=0, params={"lookback": 252}, metrics={"sharpe": 0.7}).status
    'done'
    """

    key: str
    number: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    status: str = "done"
    reason: str | None = None
    duration: float | None = None
    started: datetime | None = None
    finished: datetime | None = None
    seed: int | None = None


def run_key(
    params: Mapping[str, Any],
    *,
    code_hash: str,
    data_hash: str,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> str:
    """Return the SHA-256 that identifies a configuration.

    Parameters
    ----------
    params : mapping of str to value
    code_hash, data_hash : str
        Of the strategy and of the bars.
    settings : mapping, optional
        What else changes the numbers: costs, account, fill. Not the grid that the run is a part of.
    seed : int, optional

    Returns
    -------
    str
        64 hexadecimal digits. The order of names does not matter; 1 and 1.0 are two values, since a strategy may take
        them so.

    Examples
    --------
    >>> one = run_key({"top": 0.1, "skip": 21}, code_hash="c", data_hash="d")
    >>> one == run_key({"skip": 21, "top": 0.1}, code_hash="c", data_hash="d")
    True
    >>> one == run_key({"skip": 21, "top": 0.1}, code_hash="c", data_hash="d", settings={"fill": "next_open"})
    False
    """
    parts = {"code": code_hash, "data": data_hash, "settings": settings or {}, "params": params, "seed": seed}
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
