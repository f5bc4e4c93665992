"""Corporate actions on their way into ``adjust``: checked, and gathered to one event per symbol and date.

An event has a split ratio (1: none), the fraction that left as a spin-off (0: none), and the cash of its dividends,
special ones included, per share as the shares are after the split. Delistings and conversions change no price of their
column and are left out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from quantlab.core import DataError, InputError, KindError, LabelError
from quantlab.data.schemas import ACTION_KINDS, CASH

_TEXT = (pl.String, pl.Categorical, pl.Enum)
# Kind to (what is wrong, rule, way out).
_RULES: dict[str, tuple[pl.Expr, str, str]] = {
    "split": (
        ~(pl.col("value") > 0),
        "a split is the number of new shares per old one, above 0",
        "no split is 1 or null; where a vendor writes 0 for none, `pl.col(...).replace(0, None)`.",
    ),
    "dividend": (
        ~(pl.col("value") >= 0),
        "a dividend is currency per share, 0 or more",
        "no dividend is 0 or null.",
    ),
    "spinoff": (
        ~((pl.col("value") >= 0) & (pl.col("value") < 1)),
        "a spin-off is the fraction of the previous close that left, 0 or more and below 1",
        "value of what was distributed for one share, divided by the close before the ex-date.",
    ),
    "conversion": (
        ~(pl.col("value") > 0),
        "a conversion is the number of new shares per old one, above 0",
        "a change of symbol is 1; where holders got cash alone, book a delisting.",
    ),
}


def checked(actions: Any, *, by: Sequence[str] = ("symbol",)) -> pl.DataFrame:
    """Return a table of actions as it is, or raise naming its first offender.

    Parameters
    ----------
    actions : polars.DataFrame
        The columns of ``by``, ``date`` (Date), ``kind``, ``value``, in the units of the table "actions" of the schema;
        other columns are let through.
    by : sequence of str

    Raises
    ------
    KindError
        When it is no Polars frame, or a column has a wrong type.
    InputError
        When a column is missing or a kind unknown.
    LabelError
        When a symbol or date is missing, or a (symbol, date, kind) stands twice.
    DataError
        When a value is impossible.
    """
    if not isinstance(actions, pl.DataFrame):
        raise KindError(
            f"`actions` must be a Polars frame, received {type(actions).__name__}.",
            hint="its columns are symbol, date, kind, value: `ql.data.schemas.TABLES['actions']`.",
        )
    for name in (*by, "date", "kind", "value"):
        if name not in actions.columns:
            raise InputError(f"`actions` has no column `{name}` (it has {', '.join(actions.columns)}).")
    for name, good in (("date", (pl.Date,)), ("kind", _TEXT)):
        if actions.schema[name] not in good:
            raise KindError(f"Column {name} of `actions` must be {good[0]}, received {actions.schema[name]}.")
    if not (actions.schema["value"].is_numeric() or actions.height == 0):
        raise KindError(f"Column value of `actions` must be numbers, received {actions.schema['value']}.")
    for name in (*by, "date"):
        if actions[name].null_count():
            raise LabelError(f"`actions` has no {name} at row {int(actions[name].is_null().arg_max() or 0)}.")
    kind = pl.col("kind").cast(pl.String)
    odd = actions.filter(kind.is_null() | ~kind.is_in(ACTION_KINDS))
    if odd.height:
        raise InputError(
            f"The action of {_named(odd, by)} is of kind {odd['kind'][0]}; kinds are {', '.join(ACTION_KINDS)}."
        )
    keys = (*by, "date", "kind")
    twice = actions.filter(actions.select(keys).is_duplicated())
    if twice.height:
        raise LabelError(
            f"The {twice['kind'][0]} of {_named(twice[:1], by)} stands twice in `actions`.",
            hint="keep one row per symbol, date and kind; two dividends of one date add up.",
        )
    for name in ACTION_KINDS[:-1]:
        values(actions.filter(kind == name).cast({"value": pl.Float64}), name, by=by)
    _demand_alone(actions, by)
    return actions


def _demand_alone(actions: pl.DataFrame, by: Sequence[str]) -> None:
    """Refuse a split or spin-off on the day of a conversion: no price shows it, and the new shares would not know."""
    kind = pl.col("kind").cast(pl.String)
    beside = actions.filter(kind.is_in(("split", "spinoff"))).join(
        actions.filter(kind == "conversion").select(*by, "date"), on=[*by, "date"], how="semi", maintain_order="left"
    )
    if beside.height:
        raise DataError(
            f"The {beside['kind'][0]} of {_named(beside, by)} stands on the day of its conversion.",
            hint="put a split into the number of shares of the conversion, and book a spin-off as special_dividend.",
        )


def values(table: pl.DataFrame, kind: str, *, by: Sequence[str] = ("symbol",)) -> None:
    """Raise DataError naming the first impossible value of ``table``, whose column ``value`` holds one kind."""
    wrong, rule, hint = _RULES["dividend" if kind in CASH else kind]
    bad = table.filter((wrong | ~pl.col("value").is_finite()).fill_null(True))
    if bad.height:
        value = bad["value"][0]
        shown = "null" if value is None else f"{value:g}"
        raise DataError(f"The {kind.replace('_', ' ')} of {_named(bad, by)} is {shown}; {rule}.", hint=hint)


def gathered(actions: pl.DataFrame, *, by: Sequence[str] = ("symbol",)) -> pl.DataFrame:
    """Return one row per symbol and date of a checked table: ``split``, ``spinoff`` and ``cash``."""
    kind, value = pl.col("kind").cast(pl.String), pl.col("value").cast(pl.Float64)
    return (
        actions.filter(~kind.is_in(("conversion", "delisting")))
        .group_by(*by, "date")
        .agg(
            split=value.filter(kind == "split").product(),
            spinoff=value.filter(kind == "spinoff").sum(),
            cash=value.filter(kind.is_in(CASH)).sum(),
        )
    )


def _named(table: pl.DataFrame, by: Sequence[str]) -> str:
    """The first row's symbol and date, and how many more there are."""
    more = f" and {table.height - 1} more" if table.height > 1 else ""
    return f"{label(table, by)[0]} {table['date'][0]}{more}"


def label(table: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """What to call the symbol of each row in a message."""
    parts = [pl.col(name).cast(pl.String) for name in by]
    return table.select(pl.concat_str(parts, separator=" ", ignore_nulls=True).alias("label"))["label"].to_list()
