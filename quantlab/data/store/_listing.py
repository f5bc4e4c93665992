"""What a store holds, as tables for people: its datasets, and the versions of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from quantlab.core import StoreError
from quantlab.data.store import _versions

_DATASETS: dict[str, Any] = {
    "name": pl.String,
    "symbols": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "rows": pl.Int64,
    "fields": pl.List(pl.String),
    "bar": pl.String,
    "adjusted": pl.String,
    "calendar": pl.String,
    "source": pl.String,
    "tables": pl.List(pl.String),
    "version": pl.Int64,
    "hash": pl.String,
    "problem": pl.String,
}
_VERSIONS: dict[str, Any] = {
    "version": pl.Int64,
    "committed_at": pl.Datetime("us", "UTC"),
    "change": pl.String,
    "rows": pl.Int64,
    "symbols": pl.Int64,
    "last": pl.Date,
    "size": pl.Int64,
    "hash": pl.String,
    "problem": pl.String,
}


def datasets(folder: Any) -> pl.DataFrame:
    """Return one row per dataset; one that cannot be read has its problem for facts."""
    return pl.DataFrame([_dataset(folder, name) for name in folder.names()], schema=_DATASETS)


def versions(folder: Any, name: str) -> pl.DataFrame:
    """Return one row per version of a dataset, the oldest first; a damaged one has its problem for facts."""
    rows = []
    for number in folder.numbers(name):
        try:
            rows.append(_version(folder, name, number))
        except FileNotFoundError:
            continue  # pruned meanwhile
        except StoreError as error:
            rows.append({"version": number, "problem": error.message})
    return pl.DataFrame(rows, schema=_VERSIONS)


def _dataset(folder: Any, name: str) -> dict[str, Any]:
    try:
        facts = _versions.find(folder, name)
    except StoreError as error:
        return {"name": name, "problem": error.message}
    same = ("rows", "bar", "adjusted", "calendar", "source", "version")
    return {key: getattr(facts, key) for key in same} | {
        "name": name,
        "symbols": len(facts.symbols),
        "first": _day(facts.first),
        "last": _day(facts.last),
        "fields": list(facts.fields),
        "tables": list(facts.tables),
        "hash": facts.hash[:12],
    }


def _version(folder: Any, name: str, number: int) -> dict[str, Any]:
    facts = _versions.read(folder, name, number)
    same = ("version", "committed_at", "change", "rows")
    return {key: getattr(facts, key) for key in same} | {
        "symbols": len(facts.symbols),
        "last": _day(facts.last),
        "size": sum(part.size for part in facts.parts),
        "hash": facts.hash[:12],
    }


def _day(date: Any) -> Any:
    return date.date() if isinstance(date, datetime) else date
