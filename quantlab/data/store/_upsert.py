"""What an update changes: new rows are compared with the stored ones by their key.

A row whose key is new is added. At a known key, each column that the new frame has replaces the stored one, missing
values included; columns that it does not have stay. Rows that say nothing new are dropped. Rows that are withdrawn are
gone before new ones are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from quantlab.data.schemas import TABLES

# The symbol and the date by which a changed cell is listed.
_NAMED = {
    "bars": ("symbol", "date"),
    "actions": ("symbol", "date"),
    "borrow": ("symbol", "date"),
    "members": ("symbol", "start"),
    "reference": ("symbol", "start"),
    "events": ("id", "event_time"),
    "rejects": ("symbol", None),
    "review": ("symbol", "start"),
}


@dataclass(frozen=True, eq=False)
class Change:
    """What ``Store.update`` did.

    Attributes
    ----------
    version : int
        The newest version after it.
    added : int
        Rows whose key was not in the dataset, or that got a value in a field that the dataset did not have.
    unchanged : int
        Rows that the dataset had already, with the same values.
    changed : polars.DataFrame
        One row per stored value that was replaced: ``table``, ``symbol``, ``date`` (Date, or moments in UTC for
        intraday datasets), ``field``, ``before`` and ``after`` as text (null: missing; numbers read back exactly by
        ``.cast(pl.Float64)``).
    committed : bool
        Whether there is a new version; without any change there is none.
    withdrawn : mapping of table to polars.DataFrame
        The rows that were withdrawn, as they were.
    """

    version: int
    added: int
    unchanged: int
    changed: pl.DataFrame
    committed: bool
    withdrawn: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """New rows against stored ones: what is to be written, and the counts and cells to report.

    ``appended`` rows have a new key, ``gained`` ones a value in a new column alone, ``revised`` ones a changed value.
    """

    rows: pl.DataFrame
    appended: int
    gained: int
    revised: int
    unchanged: int
    cells: pl.DataFrame


def no_cells(moments: bool) -> pl.DataFrame:
    """Return an empty list of changed cells."""
    day = pl.Datetime("us", "UTC") if moments else pl.Date()
    kinds = dict.fromkeys(("table", "symbol", "date", "field", "before", "after"), pl.String())
    return pl.DataFrame(schema={**kinds, "date": day})


def compare(table: str, new: pl.DataFrame, old: pl.DataFrame, *, moments: bool) -> Difference:
    """Return what ``new`` changes in ``old``.

    Parameters
    ----------
    table : str
        Of ``schemas.TABLES``.
    new, old : polars.DataFrame
        With the columns of the table's key, each key once. A value in a column that ``old`` does not have is no
        correction.
    moments : bool
        Whether changed cells are listed by moment instead of by day.

    Returns
    -------
    Difference
        ``rows`` are the added and the changed rows, whole, in the order of ``new`` and with the columns of both.
    """
    key, names = list(TABLES[table].key), new.columns
    mark, mine = "\0known", "\0"
    fresh = [name for name in names if name not in old.columns]
    old = old.select(pl.all().name.suffix(mine)).with_columns(pl.lit(True).alias(mark))
    theirs = [name + mine for name in key]
    both = new.join(old, left_on=key, right_on=theirs, how="left", nulls_equal=True, maintain_order="left")
    known = pl.col(mark).fill_null(False)
    common = [name for name in names if name not in key and name not in fresh]
    differs = {name: known & pl.col(name).ne_missing(pl.col(name + mine)) for name in common}
    gains = [known & pl.col(name).is_not_null() for name in fresh]
    changed = pl.any_horizontal([*differs.values(), pl.lit(False)])
    gained = pl.any_horizontal([*gains, pl.lit(False)]) & ~changed
    flags = both.select(known=known, changed=changed, gained=gained)
    kept = [
        pl.col(name + mine).alias(name)
        for name in TABLES[table].schema
        if name not in names and name + mine in both.columns
    ]
    rows = both.filter(~flags["known"] | flags["changed"] | flags["gained"]).select([*names, *kept])
    symbol, day = _NAMED[table]
    kind = pl.Datetime("us", "UTC") if moments else pl.Date()
    shown = pl.lit(None, kind) if day is None else _as(both.schema[day], day, kind)
    cells = [
        both.filter(differs[name]).select(
            pl.lit(table).alias("table"),
            pl.col(symbol).cast(pl.String).alias("symbol"),
            shown.alias("date"),
            pl.lit(name).alias("field"),
            pl.col(name + mine).cast(pl.String).alias("before"),
            pl.col(name).cast(pl.String).alias("after"),
        )
        for name in differs
    ]
    appended = int((~flags["known"]).sum())
    gain, revised = int(flags["gained"].sum()), int(flags["changed"].sum())
    unchanged = new.height - appended - gain - revised
    return Difference(rows, appended, gain, revised, unchanged, pl.concat([no_cells(moments), *cells]))


def _as(kind: pl.DataType, name: str, wanted: pl.DataType) -> pl.Expr:
    if kind == wanted:
        return pl.col(name)
    if kind == pl.Date:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.col(name).dt.date()
