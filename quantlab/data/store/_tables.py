"""What a frame for a table other than bars must be before it is stored: columns, types, keys and values, each refused
with the first offender's name.

Columns that the frame does not have stay away here, but for those of the key: in an update they are not touched, in a
new table they are null.
Nothing is repaired but the types: numbers become float64, text String, NaN null, moments UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from quantlab.core import DataError, InputError, KindError, LabelError
from quantlab.data import schemas
from quantlab.data.schemas import ACTION_KINDS, DECISIONS, MOMENT, TABLES, Column, Table
from quantlab.data.store import _table

# Needed, and yet null has a meaning in them; null in any other needed column is refused.
_MAY_BE_NULL = {("borrow", "rate"), ("events", "value"), ("reference", "value")}


@dataclass(frozen=True, slots=True)
class _Rule:
    """What every row must be: rows where ``bad`` is true are refused. ``shown`` is the column that is quoted."""

    bad: pl.Expr
    shown: str
    says: str


def checked(frame: Any, table: str, dataset: str) -> pl.DataFrame:
    """Return ``frame`` sorted by the table's key, in the types of the schema, with the columns that it has and the key.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
    table : str
        Of ``schemas.TABLES``, not "bars".
    dataset : str
        What to call it in an error.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    InputError
        For missing or unknown columns.
    KindError
        For a column of a wrong type, or anything but a Polars frame.
    LabelError
        For a null where the schema does not allow one, or a key that stands twice.
    DataError
        For a value outside of its range.
    """
    schema = TABLES[table]
    what = f"table {table} of dataset {dataset}"
    _table.frame_of(frame, f"{what[0].upper()}{what[1:]}")
    names = frame.collect_schema().names()
    _columns(names, schema, what)
    given = [column for column in schema.columns if column.name in names]
    whole = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    for column in given:
        _kind(whole.schema[column.name], column, what)
    # A column of the key that is left out is null throughout, which is a key like any other; a conversion without
    # `into` is refused, whether the column is there or not.
    asked = (*schema.key, "into") if _converts(whole, table) else schema.key
    absent = [column for column in schema.columns if column.name in asked and column not in given]
    rows = whole.select(
        *(_typed(whole.schema[column.name], column) for column in given),
        *(pl.lit(None, column.type).alias(column.name) for column in absent),
    )
    _nulls(rows, schema, what)
    for name in ("symbol", "id", "into"):
        if name in rows.columns and table != "rejects":
            _table.clean(rows[name], what)
    keys = list(schema.key)
    rows = rows.sort(keys, nulls_last=False, maintain_order=True)
    _single(rows, keys, what)
    for rule in [*_finite(rows), *_rules(table, rows)]:
        _demand(rows, rule, keys, what)
    return rows


def keys(frame: Any, table: str, dataset: str) -> pl.DataFrame:
    """Return the keys of rows that are to be withdrawn, each once, in the types of the schema.

    Parameters
    ----------
    frame : polars.DataFrame | polars.LazyFrame
        The needed columns of the table's key; an optional one that is left out is null. Others are not looked at.
    table : str
    dataset : str
        What to call it in an error.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    InputError
        For a table that there is not, bars, and a missing column.
    KindError
        For a column of a wrong type, or anything but a Polars frame.
    """
    if table == "bars" or table not in TABLES:
        hint = "a bar is put into quarantine by `store.review`, or corrected." if table == "bars" else None
        known = ", ".join(name for name in TABLES if name != "bars")
        raise InputError(f"Rows can be withdrawn from {known}, and `withdraw` names {table!r}.", hint=hint)
    schema = TABLES[table]
    what = f"table {table} of dataset {dataset}"
    _table.frame_of(frame, f"`withdraw` of {what}")
    names = frame.collect_schema().names()
    for name in schema.key:
        if name in schema.needed and name not in names:
            raise InputError(
                f"The rows to withdraw from {what} have no column `{name}` (they have {_table.few(names)}).",
                hint=f"a row is named by {', '.join(schema.key)}.",
            )
    columns = [column for column in schema.columns if column.name in schema.key]
    given = frame.select(name for name in schema.key if name in names)
    given = given.collect() if isinstance(given, pl.LazyFrame) else given
    for column in columns:
        if column.name in names:
            _kind(given.schema[column.name], column, what)
    return given.select(
        _typed(given.schema[column.name], column)
        if column.name in names
        else pl.lit(None, column.type).alias(column.name)
        for column in columns
    ).unique(maintain_order=True)


def without(rows: pl.DataFrame, gone: pl.DataFrame, table: str, dataset: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return stored rows without those of some keys, and these.

    Raises
    ------
    InputError
        When a key is not among them.
    """
    key = list(TABLES[table].key)
    absent = gone.join(rows, on=key, how="anti", nulls_equal=True, maintain_order="left")
    if absent.height:
        more = f" and {absent.height - 1} more" if absent.height > 1 else ""
        raise InputError(
            f"Table {table} of dataset {dataset} has no {_named(absent.row(0, named=True), key)}{more} to withdraw.",
            hint=f'`store.table("{dataset}", "{table}")` shows what it has.',
        )
    held = rows.join(gone, on=key, how="semi", nulls_equal=True, maintain_order="left")
    return rows.join(gone, on=key, how="anti", nulls_equal=True, maintain_order="left"), held


def whole(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows with all the columns of the table, those they lack null, sorted by its key."""
    return schemas.whole(rows, table).sort(TABLES[table].key, nulls_last=False)


def _converts(frame: pl.DataFrame, table: str) -> bool:
    """Whether a frame of actions has a conversion."""
    return table == "actions" and bool((frame["kind"].cast(pl.String) == "conversion").any())


def _columns(names: list[str], schema: Table, what: str) -> None:
    for needed in schema.needed:
        if needed not in names:
            near = [name for name in names if name.lower() == needed] or get_close_matches(needed, names, n=1)
            hint = f"it has the columns {', '.join(schema.schema)}; {', '.join(schema.needed)} are needed."
            if near and near[0] not in schema.schema:
                hint = f'rename it: `frame.rename({{"{near[0]}": "{needed}"}})`.'
            raise InputError(f"The frame for {what} has no column `{needed}` (it has {_table.few(names)}).", hint=hint)
    unknown = [name for name in names if name not in schema.schema]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        near = get_close_matches(unknown[0].lower(), schema.schema, n=1)
        hint = f"known are {', '.join(schema.schema)}; drop or rename the others."
        if near and near[0] not in names:
            hint = f'rename it: `frame.rename({{"{unknown[0]}": "{near[0]}"}})`.'
        raise InputError(f"The frame for {what} has a column the store does not know: {unknown[0]}{more}.", hint=hint)


def _kind(kind: pl.DataType, column: Column, what: str) -> None:
    """Refuse a column whose values would have to be guessed."""
    name, wanted = column.name, column.type
    if kind in (pl.Null, wanted):
        return
    says = f"Column {name} of {what} must be"
    if wanted == pl.String and kind not in _table.TEXT:
        hint = f"cast it: `pl.col('{name}').cast(pl.String)`."
        raise KindError(f"{says} text, received {kind}.", hint=hint)
    if wanted == pl.Float64 and not kind.is_numeric():
        hint = f"cast it: `pl.col('{name}').cast(pl.Float64)`."
        raise KindError(f"{says} numbers, received {kind}.", hint=hint)
    if wanted == pl.Int64 and not kind.is_integer():
        raise KindError(f"{says} whole numbers, received {kind}.", hint=f"cast it: `pl.col('{name}').cast(pl.Int64)`.")
    if wanted == pl.Date:
        raise KindError(f"{says} of type Date, received {kind}.", hint=_table.day(kind, name))
    if wanted == MOMENT:
        _table.moments(kind, name, what)


def _typed(kind: pl.DataType, column: Column) -> pl.Expr:
    if column.type == MOMENT and kind != pl.Null:
        return _table.utc(column.name)
    typed = pl.col(column.name).cast(column.type)
    return typed.fill_nan(None) if column.type == pl.Float64 else typed


def _nulls(rows: pl.DataFrame, schema: Table, what: str) -> None:
    for name in schema.needed:
        if (schema.name, name) in _MAY_BE_NULL:
            continue
        if nulls := rows[name].null_count():
            more = f" and {nulls - 1} more" if nulls > 1 else ""
            row = int(rows[name].is_null().arg_max() or 0)
            hint = f"drop or repair such rows: `frame.drop_nulls('{name}')`."
            raise LabelError(f"Column {name} of {what} is null at row {row}{more}.", hint=hint)


def _single(rows: pl.DataFrame, keys: list[str], what: str) -> None:
    twice = rows.filter(pl.struct(keys).is_duplicated()) if rows.height else rows
    if twice.height == 0:
        return
    count = twice.select(pl.struct(keys).n_unique()).item()
    more = f" and {count - 1} more" if count > 1 else ""
    same = twice.unique().height == count
    raise LabelError(
        f"Table {what.removeprefix('table ')} has {_named(twice.row(0, named=True), keys)}{more} twice, "
        f"with {'the same' if same else 'different'} values.",
        hint=f"keep one row of each: `frame.unique({keys}, keep='last')`."
        if same
        else f"one row per {', '.join(keys)} must be chosen: drop those that are wrong.",
    )


def _finite(rows: pl.DataFrame) -> list[_Rule]:
    floats = [name for name, kind in rows.schema.items() if kind == pl.Float64]
    return [_Rule(~pl.col(name).is_finite(), name, "a number must be finite") for name in floats]


def _rules(table: str, rows: pl.DataFrame) -> list[_Rule]:
    """The rules of a table of which the frame has the columns."""
    found = _RULES.get(table, dict)()
    return [rule for columns, rule in found.items() if set(columns) <= set(rows.columns)]


def _actions() -> Mapping[tuple[str, ...], _Rule]:
    kind, value = pl.col("kind"), pl.col("value")
    cash, converts, into = kind.is_in(["dividend", "special_dividend"]), kind == "conversion", pl.col("into")
    return {
        ("kind",): _Rule(~kind.is_in(ACTION_KINDS), "kind", f"a kind is one of {', '.join(ACTION_KINDS)}"),
        ("kind", "value"): _Rule(
            (kind == "split") & ~(value > 0), "value", "a split is a number of new shares per old one, above 0"
        ),
        ("value", "kind"): _Rule(cash & ~(value > 0), "value", "a dividend is an amount per share, above 0"),
        ("symbol", "kind", "value"): _Rule(
            (kind == "spinoff") & ~((value > 0) & (value < 1)),
            "value",
            "a spin-off is the fraction of the previous close that left, between 0 and 1",
        ),
        ("kind", "symbol", "value"): _Rule(
            converts & ~(value > 0), "value", "a conversion is a number of new shares per old one, above 0"
        ),
        ("kind", "into"): _Rule(
            converts & into.is_null(), "into", "a conversion names the symbol whose shares take over"
        ),
        ("symbol", "kind", "into"): _Rule(
            converts & (into == pl.col("symbol")),
            "into",
            "a conversion is into another symbol (a new ratio is a split)",
        ),
        ("into", "kind"): _Rule(~converts & into.is_not_null(), "into", "only a conversion is into another symbol"),
        ("date", "kind", "value"): _Rule(
            (kind == "delisting") & ~(value >= -1), "value", "a delisting is a return, at least -1"
        ),
    }


def _borrow() -> Mapping[tuple[str, ...], _Rule]:
    return {
        ("rate",): _Rule(pl.col("rate") < 0, "rate", "a borrow rate is a fraction per year, 0 or more"),
        ("available",): _Rule(pl.col("available") < 0, "available", "a number of shares is 0 or more"),
    }


def _interval() -> Mapping[tuple[str, ...], _Rule]:
    says = "an interval ends after its start (`end` is the first day on which it no longer holds)"
    return {("start", "end"): _Rule(pl.col("end") <= pl.col("start"), "end", says)}


def _review() -> Mapping[tuple[str, ...], _Rule]:
    decision = pl.col("decision")
    return {
        ("decision",): _Rule(
            ~decision.is_in(DECISIONS), "decision", f"a decision is {', '.join(DECISIONS[:-1])} or {DECISIONS[-1]}"
        ),
        ("start", "end"): _Rule(pl.col("end") < pl.col("start"), "end", "the last day is not before the first"),
    }


_RULES: dict[str, Callable[[], Mapping[tuple[str, ...], _Rule]]] = {
    "actions": _actions,
    "borrow": _borrow,
    "members": _interval,
    "reference": _interval,
    "review": _review,
}


def _demand(rows: pl.DataFrame, rule: _Rule, keys: list[str], what: str) -> None:
    found = rows.filter(rule.bad)
    if found.height == 0:
        return
    first = found.row(0, named=True)
    more = f" and {found.height - 1} more" if found.height > 1 else ""
    value = first[rule.shown]
    shown = "null" if value is None else f"{value:g}" if isinstance(value, float) else _table.day_text(value)
    raise DataError(
        f"In {what}, {rule.shown} of {_named(first, keys)}{more} is {shown}; {rule.says}.",
        hint="correct the row, or leave it out.",
    )


def _named(row: Mapping[str, Any], keys: list[str]) -> str:
    return " ".join(_table.day_text(row[name]) for name in keys if row[name] is not None)
