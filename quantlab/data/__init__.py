"""Market data: from a vendor's files to Parquet on disk to aligned ``Bars``, and what is wrong with them.

The way data take: ``ingest`` or ``pull`` bring files or a ``Source`` into a ``Store``; ``check`` lists what looks wrong
there, ``decide`` and ``Store.review`` keep what a person decided; ``Store.bars`` loads aligned Bars, adjusted on the
way (``adjust``), with what was quarantined missing. ``schemas`` defines the tables at rest.

Beside it: ``calendars`` (sessions and hours), ``universe`` (who belonged, existed and could be traded, then),
``events`` (what was published, and when it was known), ``compare`` (two vendors), ``synthetic`` (markets with known
truth), ``samples`` (data without a network).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Public name -> where it is defined. Loaded at first use: a script that only reads bars needs a fifth of this room.
_HOME = {
    "Change": "quantlab.data.store._upsert",
    "ImportReport": "quantlab.data.ingestion._import_report",
    "Manifest": "quantlab.data.store._manifest",
    "Patience": "quantlab.data.ingestion._patience",
    "Pruned": "quantlab.data.store._prune",
    "PullReport": "quantlab.data.ingestion._pull",
    "Store": "quantlab.data.store._store",
    "adjust": "quantlab.data.adjustment._adjust",
    "adjustment_factors": "quantlab.data.adjustment._adjust",
    "check": "quantlab.data.checks._check",
    "compare": "quantlab.data.adjustment._compare",
    "decide": "quantlab.data.checks._review",
    "ingest": "quantlab.data.ingestion._import",
    "pull": "quantlab.data.ingestion._pull",
    "quality": "quantlab.data.checks._quality",
    "quality_of_series": "quantlab.data.checks._series",
}
_PARTS = ("calendars", "events", "samples", "schemas", "sources", "synthetic", "universe")

__all__ = [
    "Change",
    "ImportReport",
    "Manifest",
    "Patience",
    "Pruned",
    "PullReport",
    "Store",
    "adjust",
    "adjustment_factors",
    "calendars",
    "check",
    "compare",
    "decide",
    "events",
    "ingest",
    "pull",
    "quality",
    "quality_of_series",
    "samples",
    "schemas",
    "sources",
    "synthetic",
    "universe",
]

if TYPE_CHECKING:
    from quantlab.data import calendars, events, samples, schemas, sources, synthetic, universe
    from quantlab.data.adjustment._adjust import adjust, adjustment_factors
    from quantlab.data.adjustment._compare import compare
    from quantlab.data.checks._check import check
    from quantlab.data.checks._quality import quality
    from quantlab.data.checks._review import decide
    from quantlab.data.checks._series import quality_of_series
    from quantlab.data.ingestion._import import ingest
    from quantlab.data.ingestion._import_report import ImportReport
    from quantlab.data.ingestion._patience import Patience
    from quantlab.data.ingestion._pull import PullReport, pull
    from quantlab.data.store._manifest import Manifest
    from quantlab.data.store._prune import Pruned
    from quantlab.data.store._store import Store
    from quantlab.data.store._upsert import Change


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        found: Any = import_module(f"quantlab.data.{name}")
    elif name in _HOME:
        found = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'quantlab.data' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
