"""Runs as one wide frame: a column for each parameter and each metric, in the types that their values have.

The rule of names: a parameter or a metric has its own name. Where that is the name of a fixed column, a parameter
``x`` becomes ``param.x`` and a metric ``metric.x``; a parameter that is called like a metric of the same frame becomes
``param.x`` as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Every whole number up to here is a float as well.
_EXACT = 2**53


def moments(*names: str) -> pl.Expr:
    """Return columns of microseconds as moments in UTC."""
    return pl.col(*names).cast(pl.Datetime("us", "UTC"))


def wide(
    fixed: pl.DataFrame, params: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]
) -> pl.DataFrame:
    """Return the fixed columns, then a column per parameter, then one per metric, in the order of first appearance."""
    taken = set(fixed.columns)
    measured = [
        pl.Series(_free(name, "metric.", taken), values, dtype=pl.Float64) for name, values in _columns(metrics).items()
    ]
    given = [typed(_free(name, "param.", taken), values) for name, values in _columns(params).items()]
    return fixed.with_columns(given + measured)


def typed(name: str, values: Sequence[Any]) -> pl.Series:
    """Return values as a column of the one type that they have, or as text where they differ."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and all(type(value) is not int or abs(value) <= _EXACT for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {date}:
        return pl.Series(name, values, dtype=pl.Date)
    if kinds == {datetime} and len(zoned := {value.tzinfo is None for value in values if value is not None}) == 1:
        if True in zoned:
            return pl.Series(name, values, dtype=pl.Datetime("us"))
        moved = [None if value is None else value.astimezone(UTC) for value in values]
        return pl.Series(name, moved, dtype=pl.Datetime("us", "UTC"))
    return pl.Series(name, [shown(value) for value in values], dtype=pl.String)


def shown(value: Any) -> str | None:
    """Return a value as text; null stays null."""
    return value if value is None or isinstance(value, str) else repr(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of each name, one per row, None where a row has none."""
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    return {name: [row.get(name) for row in rows] for name in names}


def _free(name: str, prefix: str, taken: set[str]) -> str:
    """The name, with the prefix as often as it takes to be no other column's; it is taken then."""
    while name in taken:
        name = prefix + name
    taken.add(name)
    return name
