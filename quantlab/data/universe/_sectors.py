"""Dated facts about symbols, such as their sector: from dated lists, for one date, and as a Panel of groups.

A fact holds from the day on which it was known, not before: the sectors of a list of 2016 say nothing of 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl

from quantlab.core import Bars, DataError, InputError, Panel
from quantlab.data.schemas import TABLES
from quantlab.data.universe._frames import (
    checked,
    demand_met,
    distinct,
    forward,
    labels,
    more,
    no_null,
    one_day,
    row_span,
    vintages,
)
from quantlab.data.universe._membership import bar_days

_REFERENCE = TABLES["reference"].schema


def facts_from_snapshots(
    frame: pl.DataFrame,
    *,
    field: str,
    value: str | None = None,
    symbol: str = "symbol",
    date: str = "date",
    absent: Literal["end", "keep"] = "end",
) -> pl.DataFrame:
    """Return reference data from dated lists: what a list says holds from its day until a later list says otherwise.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per symbol and list.
    field : str
        What is said: "sector".
    value, symbol, date : str
        Columns: what it is (by default the column called as ``field``), text, and the day on which it was known.
    absent : "end" | "keep"
        Whether the fact ends, or goes on, where a later list does not have the symbol. It may have left the index with
        its sector unchanged, and its ticker may be another company's by now.

    Returns
    -------
    polars.DataFrame
        ``schemas.TABLES["reference"]``, one row per symbol and unchanged value, sorted.

    Raises
    ------
    InputError, KindError, DataError
        When a column is missing, of another type or null, a symbol stands twice in a list, or ``absent`` is another
        text.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2016, 1, 4), date(2019, 1, 2), date(2020, 1, 2)]
    >>> sectors = ["Telecom", "Communication", "Communication"]
    >>> lists = pl.DataFrame({"date": days, "symbol": ["T"] * 3, "sector": sectors})
    >>> facts_from_snapshots(lists, field="sector").drop("field").rows()
    [('T', 'Telecom', datetime.date(2016, 1, 4), datetime.date(2019, 1, 2)),
     ('T', 'Communication', datetime.date(2019, 1, 2), None)]
    """
    if absent not in ("end", "keep"):
        raise InputError(f'`absent` must be "end" or "keep", received {absent!r}.')
    value = value or field
    distinct(symbol=symbol, value=value, date=date)
    columns = {symbol: pl.String(), value: pl.String(), date: pl.Date()}
    rows = checked(frame, columns, name="frame").rename({symbol: "symbol", value: "value", date: "start"})
    rows = vintages(rows, until=None).sort("symbol", "start")
    no_null(rows, ("value",), name="frame")
    if absent == "keep":
        rows = rows.with_columns(end=pl.col("start").shift(-1).over("symbol"))
    # A row goes on with the fact of the row before where it says the same and follows without a gap.
    same = (pl.col("value") == pl.col("value").shift(1)) & (pl.col("start") == pl.col("end").shift(1))
    run = (~same.over("symbol").fill_null(False)).cum_sum()
    facts = (
        rows.with_columns(run=run)
        .group_by("symbol", "run", maintain_order=True)
        .agg(pl.col("value").first(), pl.col("start").first(), pl.col("end").last())
    )
    return facts.select("symbol", pl.lit(field).alias("field"), "value", "start", "end")


def sector_at(
    reference: pl.DataFrame, day: Any, *, field: str = "sector", symbols: Sequence[str] | None = None
) -> dict[str, str | None]:
    """Return the sector of each symbol on a day, as ``groups`` of the functions of ``ql.core.xs`` take it.

    Parameters
    ----------
    reference : polars.DataFrame
        ``schemas.TABLES["reference"]``.
    day : day
    field : str
        Another field of dated facts: "exchange".
    symbols : sequence of str, optional
        Those to answer for, None where unknown. By default those that have a value on that day.

    Returns
    -------
    dict of str to str or None

    Raises
    ------
    LabelError
        When no symbol of the table is one of ``symbols``.
    DataError
        When a symbol has two values on one day: the first is named.

    Examples
    --------
    >>> row = {"symbol": ["A"], "field": ["sector"], "value": ["Energy"], "start": [None], "end": [None]}
    >>> sector_at(pl.DataFrame(row), "2024-01-02", symbols=["A", "B"])
    {'A': 'Energy', 'B': None}
    """
    moment = one_day(day, "day")
    rows = _facts(reference, field)
    if symbols is not None:
        demand_met(rows["symbol"], symbols, name="reference", others="symbols")
    rows = rows.filter(
        (pl.col("start").is_null() | (pl.col("start") <= moment)) & (pl.col("end").is_null() | (pl.col("end") > moment))
    )
    known: dict[str, str | None] = dict(rows.select("symbol", "value").iter_rows())
    if symbols is None:
        return {symbol: value for symbol, value in known.items() if value is not None}
    return {symbol: known.get(symbol) for symbol in symbols}


def sector_names(reference: pl.DataFrame, *, field: str = "sector") -> tuple[str, ...]:
    """Return the names of the sectors by their codes in :func:`sectors`: sorted, each once.

    Parameters
    ----------
    reference : polars.DataFrame
        ``schemas.TABLES["reference"]``.
    field : str
        As in :func:`sector_at`.
    """
    return tuple(_facts(reference, field)["value"].drop_nulls().unique().sort().to_list())


def sectors(reference: pl.DataFrame, like: Panel | Bars, *, field: str = "sector") -> Panel:
    """Return the sector of each symbol on each date, as whole numbers: ``groups`` for the functions of ``ql.core.xs``.

    Parameters
    ----------
    reference : polars.DataFrame
        ``schemas.TABLES["reference"]``: symbol, field, value, start, end.
    like : Panel or Bars (T, N)
        Whose dates and symbols the result takes.
    field : str
        Another field of dated facts: "exchange".

    Returns
    -------
    Panel (T, N), codes of :func:`sector_names`
        NaN where the sector is unknown. Row t uses the facts that hold on its date. The numbers stand for names and
        depend on all that the table holds; equal numbers on one date mean equal sectors.

    Raises
    ------
    InputError, KindError
        When a column is missing or of another type, or the table has no row of the field.
    LabelError
        When no symbol of those rows is one of ``like``: examples of both sides are named.
    DataError
        When a symbol has two values on one day, or an interval ends where it starts or before: the first is named.

    Examples
    --------
    >>> from quantlab.core import xs
    >>> score = Panel([[1.0, 3.0, 9.0]], ["2024-01-02"], ["A", "B", "C"])
    >>> rows = [("A", "sector", "Energy"), ("B", "sector", "Energy"), ("C", "sector", "Utilities")]
    >>> reference = pl.DataFrame(rows, schema=["symbol", "field", "value"], orient="row")
    >>> xs.demean(score, groups=sectors(reference, score)).values
    array([[-1.,  1.,  0.]])
    """
    panel = labels(like)
    rows = _facts(reference, field)
    code = {name: number for number, name in enumerate(sector_names(reference, field=field))}
    if not code:
        fields = checked(reference, {"field": pl.String()}, name="reference")["field"].unique().sort().to_list()
        raise InputError(f"`reference` has no rows of the field {field!r}; it has {', '.join(fields) or 'none'}.")
    demand_met(rows["symbol"], panel.symbols, name="reference")
    place = {symbol: column for column, symbol in enumerate(panel.symbols)}
    rows = rows.filter(pl.col("symbol").is_in(list(place)) & pl.col("value").is_not_null())
    first, past = row_span(bar_days(panel), rows["start"], rows["end"])
    codes = np.full((len(panel.symbols), len(panel)), np.nan)
    for symbol, value, begin, end in zip(rows["symbol"], rows["value"], first.tolist(), past.tolist(), strict=True):
        codes[place[symbol], begin:end] = code[value]
    return panel._like(np.ascontiguousarray(codes.T))


def _facts(reference: object, field: str) -> pl.DataFrame:
    """The rows of one field, no two of which speak of one symbol on one day."""
    rows = checked(reference, _REFERENCE, name="reference", optional=("start", "end"))
    rows = rows.filter(pl.col("field") == field)
    no_null(rows, ("symbol",), name="reference")
    forward(rows, name="reference")
    rows = rows.sort("symbol", "start", nulls_last=False)
    ever, never = pl.date(1, 1, 1), pl.date(9999, 12, 31)
    reach = pl.col("end").fill_null(never).shift(1).over("symbol")
    met = rows.with_columns(_other=pl.col("value").shift(1).over("symbol")).filter(
        reach.is_not_null() & (pl.col("start").fill_null(ever) < reach)
    )
    if met.height:
        first = met.row(0, named=True)
        since = "" if first["start"] is None else f" on {first['start']}"
        raise DataError(
            f"{first['symbol']}{more(met.height)} has two values of {field}{since}: {first['_other']} and "
            f"{first['value']}.",
            hint="end one where the other starts.",
        )
    return rows
