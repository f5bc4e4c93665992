"""Datasets at rest: numbered versions of immutable Parquet parts, in a folder or an object store.

The way data take: ``Store`` (``_store``) has long frames checked (``_table`` bars, ``_tables`` the others), cut into
parts (``_parts``) and committed as a version (``_commit``, ``_versions``); an update first finds what is new
(``_upsert``). ``_manifest`` is what a version says of itself, ``_files`` and ``_objects`` are the two kinds of place,
``_clock`` says when. Reading: ``_choose`` finds the parts that a range needs, ``_scatter`` places their rows, ``_load``
makes Bars of them. ``_listing`` shows what there is, ``_prune`` frees what is old, ``_names`` knows legal names.
"""

from quantlab.data.store._manifest import Manifest
from quantlab.data.store._prune import Pruned
from quantlab.data.store._store import Store
from quantlab.data.store._upsert import Change

__all__ = ["Change", "Manifest", "Pruned", "Store"]
