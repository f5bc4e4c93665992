"""The tables of a dataset: their columns, types, units and keys, in one place; the docs page is made from it.

At rest every table is long. Missing is null. A ``date`` is a Date in datasets of daily bars and a moment in UTC
(Datetime, microseconds) in intraday ones: the *end* of the bar, which is when its row is known. Intervals are
half-open: ``start`` is the first day on which something holds, ``end`` the first on which it does not, null while it
still does.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["ACTION_KINDS", "DECISIONS", "TABLES", "VERSION", "Column", "Table", "empty"]

# Version of the layout on disk. A store of a newer version is refused, one of an older version says how to go on.
VERSION = 2

ACTION_KINDS = ("split", "dividend", "special_dividend", "spinoff", "conversion", "delisting")
# Those that pay currency per share.
CASH = ("dividend", "special_dividend")

# What a person decides about findings; a decision that was withdrawn does nothing any more.
DECISIONS = ("accept", "quarantine", "withdrawn")

MOMENT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    type : polars data type
    unit : str
        Unit or set of values.
    meaning : str
        With its rule for null.
    needed : bool
        Whether a frame must have it; an optional column that is left out is null throughout.
    """

    name: str
    type: pl.DataType
    unit: str
    meaning: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a dataset.

    Attributes
    ----------
    name : str
    key : tuple of str
        The columns whose values name a row; no two rows may agree in all of them.
    partition : "year" | "month" | None
        How the table is cut into files by its time column (bars by year when daily, by month when intraday), or not.
    columns : tuple of Column
    meaning : str
    """

    name: str
    key: tuple[str, ...]
    partition: str | None
    columns: tuple[Column, ...]
    meaning: str

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name to Polars type, in order."""
        return {column.name: column.type for column in self.columns}

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a frame must have."""
        return tuple(column.name for column in self.columns if column.needed)


_DATE = Column("date", pl.Date(), "session, or end of bar in UTC", "never null", needed=True)
_SYMBOL = Column("symbol", pl.String(), "text", "ticker or permanent id; never null", needed=True)
_NOTE = Column("note", pl.String(), "text", "free text of the owner")

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "bars",
            ("date", "symbol"),
            "year",
            (
                _DATE,
                _SYMBOL,
                Column("open", pl.Float64(), "currency per share, > 0", "first price of the bar; null: unknown"),
                Column("high", pl.Float64(), "currency per share, > 0", "highest price; null: unknown"),
                Column("low", pl.Float64(), "currency per share, > 0", "lowest price; null: unknown"),
                Column("close", pl.Float64(), "currency per share, > 0", "last price; null: no trade", needed=True),
                Column("volume", pl.Float64(), "shares, >= 0", "shares traded; null: unknown, 0: none"),
                Column("member", pl.Boolean(), "true or false", "in the universe at that close; never null"),
                Column(
                    "adj_close",
                    pl.Float64(),
                    "currency per share, > 0",
                    "the vendor's own adjusted close: kept as evidence, compared by `quality`, never used as a price",
                ),
            ),
            "Price bars as the vendor gave them; adjustment happens on read.",
        ),
        Table(
            "actions",
            ("symbol", "date", "kind"),
            None,
            (
                _SYMBOL,
                Column(
                    "date", pl.Date(), "session", "ex-date: the first on which the price is without it", needed=True
                ),
                Column("kind", pl.String(), " | ".join(ACTION_KINDS), "never null", needed=True),
                Column(
                    "value",
                    pl.Float64(),
                    "by kind",
                    "split: new shares per old, > 0; dividend and special_dividend: currency per share, > 0, in "
                    "the unit of the stored prices, in shares as they are after a split of the same date; spinoff: "
                    "fraction of the previous close that left, 0 to 1; conversion: shares of `into` per share, > 0, "
                    "both as the stored prices count them on that date, 1 for a change of symbol; delisting: return "
                    "from the last close to what holders got, >= -1",
                    needed=True,
                ),
                Column(
                    "into",
                    pl.String(),
                    "text",
                    "conversion: the symbol whose shares take over, not null; null for other kinds",
                ),
                Column("pay_date", pl.Date(), "day", "when cash is paid; null: unknown"),
                _NOTE,
            ),
            "Corporate actions. A stock merger is a conversion, its cash part a special_dividend of the same date; a "
            "merger for cash alone is a delisting.",
        ),
        Table(
            "borrow",
            ("symbol", "date"),
            None,
            (
                _SYMBOL,
                Column("date", pl.Date(), "session", "from this date on, until the symbol's next row", needed=True),
                Column(
                    "rate", pl.Float64(), "fraction of value per year", "fee on a short; null: unknown", needed=True
                ),
                Column("available", pl.Float64(), "shares, >= 0", "shares to be had; null: unknown, 0: none"),
            ),
            "What it costs to borrow a share, and how many can be had.",
        ),
        Table(
            "members",
            ("symbol", "start"),
            None,
            (
                _SYMBOL,
                Column("start", pl.Date(), "session", "first day as a member", needed=True),
                Column("end", pl.Date(), "session", "first day no longer one; null: still a member"),
            ),
            "The point-in-time universe; a symbol may join and leave many times.",
        ),
        Table(
            "reference",
            ("symbol", "field", "start"),
            None,
            (
                _SYMBOL,
                Column("field", pl.String(), "name, sector, exchange, id, ...", "what is said", needed=True),
                Column("value", pl.String(), "text", "null: unknown from `start` on", needed=True),
                Column("start", pl.Date(), "day", "first day on which it holds; null: always did"),
                Column("end", pl.Date(), "day", "first day on which it does not; null: still holds"),
            ),
            "Dated facts about symbols: name, sector, exchange, permanent id.",
        ),
        Table(
            "events",
            ("id", "field", "event_time", "available_time"),
            None,
            (
                Column("id", pl.String(), "text", "symbol, or name of a series", needed=True),
                Column("event_time", MOMENT, "UTC", "what it speaks of: period end, settlement, month", needed=True),
                Column("available_time", MOMENT, "UTC", "when it could first be known", needed=True),
                Column("field", pl.String(), "text", "eps, short_interest, cpi, ...", needed=True),
                Column("value", pl.Float64(), "by field", "null: withdrawn", needed=True),
            ),
            "Whatever is published about symbols or the world; restated values are further rows.",
        ),
        Table(
            "rejects",
            ("source", "line", "symbol", "date", "rule"),
            None,
            (
                Column("source", pl.String(), "file name", "where the row came from", needed=True),
                Column("line", pl.Int64(), "line, or row from 1", "null: the whole file"),
                Column("symbol", pl.String(), "text", "as found; null: unknown"),
                Column("date", pl.String(), "text", "as found; null: unknown"),
                Column("rule", pl.String(), "text", "why it was not taken", needed=True),
                Column("row", pl.String(), "JSON", "its values as found"),
            ),
            "Rows that an import could not take as bars: kept as found, never loaded.",
        ),
        Table(
            "review",
            ("rule", "symbol", "start"),
            None,
            (
                Column("rule", pl.String(), "a rule of `quality`, or *", "what the decision is about", needed=True),
                Column("symbol", pl.String(), "text", "null: every symbol on these dates"),
                Column("start", pl.Date(), "session", "first day", needed=True),
                Column("end", pl.Date(), "session", "last day, inclusive; null: the first day alone"),
                Column(
                    "decision",
                    pl.String(),
                    " | ".join(DECISIONS),
                    "accept: it is genuine, do not list it again; quarantine: load these bars as missing; "
                    "withdrawn: as if nobody had decided",
                    needed=True,
                ),
                _NOTE,
            ),
            "What a person decided about findings.",
        ),
    )
}


def whole(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return a frame with all the columns of a table in their order, those that it lacks null."""
    schema = TABLES[table].schema
    absent = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(list(schema))


def empty(table: str) -> pl.DataFrame:
    """Return a frame without rows in the schema of a table."""
    return pl.DataFrame(schema=TABLES[table].schema)
