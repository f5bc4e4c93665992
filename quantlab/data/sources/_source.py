"""``Source``: what anything must offer to be pulled from, and ``Batch``, its answer, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol, runtime_checkable

import polars as pl

from quantlab.core import DataError, KindError, LabelError
from quantlab.data import schemas

_BARS = schemas.TABLES["bars"].schema


@dataclass(frozen=True, slots=True)
class Failure:
    """A symbol that a source could not give, and why.

    Attributes
    ----------
    symbol : str
    reason : str
        A sentence.
    transient : bool
        Whether asking again later may help: a limit of requests, a broken connection.
    """

    symbol: str
    reason: str
    transient: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """What a source answers.

    Parameters
    ----------
    bars : DataFrame
        Columns of table bars: ``date`` (Date, or Datetime in UTC for intraday bars), ``symbol``, ``close`` and any of
        the others; sorted by symbol and date, no (symbol, date) twice.
    actions : DataFrame, optional
        Table actions.
    rejects : DataFrame, optional
        Table rejects: rows that could not be taken.
    failures : tuple of Failure
        One per symbol that was asked for and is not in ``bars``, unless ``notes`` say why it has no bars.
    notes : tuple of str

    Raises
    ------
    KindError
        For a frame or column of a wrong type: a date column of clock times without a zone among them.
    LabelError
        When bars are unsorted, or a (symbol, date) stands twice.
    DataError
        When a price is not positive and finite, or a column is missing.

    Examples
    --------
    >>> Batch(pl.DataFrame({"date": [date(2024, 1, 2)], "symbol": ["A"], "close": [10.0]})).bars.height
    1
    """

    bars: pl.DataFrame
    actions: pl.DataFrame = field(default_factory=lambda: schemas.empty("actions"))
    rejects: pl.DataFrame = field(default_factory=lambda: schemas.empty("rejects"))
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("bars", "actions", "rejects"):
            frame = getattr(self, name)
            if not isinstance(frame, pl.DataFrame):
                raise KindError(f"`{name}` of a batch must be a Polars frame, received {type(frame).__name__}.")
            _columns(frame, name)
        _date(self.bars.schema["date"])
        symbols = self.bars["symbol"].cast(pl.String)
        object.__setattr__(self, "bars", self.bars.with_columns(symbols))
        _sorted(self.bars)
        _values(self.bars)


@runtime_checkable
class Source(Protocol):
    """What can be pulled from.

    Attributes
    ----------
    name : str
        What the dataset's source will say.
    calendar : str or None
        Whose sessions the dates are; None when the source does not know.
    adjusted : "unknown" | "none" | "split" | "total_return"
        How its prices are adjusted. A dividend among its actions is in the unit of its prices.
    bar : str
        "1d", "5min", "1h".
    units : mapping of field to unit
        Where it is not currency per share, or shares.
    """

    @property
    def name(self) -> str:
        """What the dataset's source will say."""

    @property
    def calendar(self) -> str | None:
        """Whose sessions the dates are."""

    @property
    def adjusted(self) -> str:
        """How prices are adjusted."""

    @property
    def bar(self) -> str:
        """Length of a bar."""

    @property
    def units(self) -> Mapping[str, str]:
        """Units that are not the usual ones."""

    def symbols(self) -> tuple[str, ...] | None:
        """Return what it has, sorted; None when it cannot be listed."""

    def fetch(self, symbols: Sequence[str], start: date | None, end: date | None) -> Batch:
        """Return the bars of ``symbols`` with ``start <= date <= end`` (None: as far as they go).

        The same question has the same answer as long as the vendor has not changed its data. A symbol that cannot be
        given is a ``Failure`` in the batch; an error is raised only where no symbol could be.
        """


def facts(source: Source) -> dict[str, Any]:
    """Return what a source says of itself."""
    return {
        "name": source.name,
        "calendar": source.calendar,
        "adjusted": source.adjusted,
        "bar": source.bar,
        "units": dict(source.units),
    }


def cut(frame: pl.DataFrame, symbols: Sequence[str], start: date | None, end: date | None) -> pl.DataFrame:
    """Return the rows of these symbols in [start, end], whole days of moments in UTC included."""
    day = pl.col("date").dt.date() if isinstance(frame.schema["date"], pl.Datetime) else pl.col("date")
    keep = pl.col("symbol").cast(pl.String).is_in(list(symbols))
    if start is not None:
        keep &= day >= start
    if end is not None:
        keep &= day <= end
    return frame.filter(keep)


def check(batch: Batch, symbols: Sequence[str], start: date | None, end: date | None) -> None:
    """Raise DataError where a batch answers something else than it was asked.

    A source is somebody's program: what it returns for other symbols or days must never reach a store.
    """
    foreign = batch.bars.filter(~pl.col("symbol").is_in(list(symbols)))
    if foreign.height:
        first = foreign.row(0, named=True)
        raise DataError(f"The source answers {first['symbol']} {first['date']}, which nobody asked for.")
    for name in ("bars", "actions"):
        frame = getattr(batch, name)
        outside = frame.join(cut(frame, symbols, start, end), on=_key(name), how="anti") if frame.height else frame
        if outside.height:
            first = outside.row(0, named=True)
            raise DataError(
                f"The source answers {name} of {first['symbol']} {first['date']}, outside of {start} to {end}."
            )
    named = {failure.symbol for failure in batch.failures} | set(batch.bars["symbol"].unique().to_list())
    noted = {word.strip(".,;:") for note in batch.notes for word in note.split()}
    silent = [symbol for symbol in symbols if symbol not in named | noted]
    if silent:
        raise DataError(f"The source says nothing of {silent[0]}: neither bars nor a failure nor a note.")


def _key(table: str) -> list[str]:
    return list(schemas.TABLES[table].key)


def _columns(frame: pl.DataFrame, table: str) -> None:
    schema = schemas.TABLES[table]
    for column in schema.needed:
        if column not in frame.columns:
            raise DataError(f"`{table}` of a batch has no column {column}; it has {', '.join(frame.columns)}.")
    for column in frame.columns:
        if column not in schema.schema:
            raise DataError(
                f"`{table}` of a batch has a column {column} that a store does not know.",
                hint=f"known are {', '.join(schema.schema)}.",
            )


def _date(kind: pl.DataType) -> None:
    if kind == pl.Date or (isinstance(kind, pl.Datetime) and kind.time_zone == "UTC"):
        return
    if isinstance(kind, pl.Datetime) and kind.time_zone is None:
        raise KindError(
            "`bars` of a batch have clock times without a time zone.",
            hint='`.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")`.',
        )
    raise KindError(f"The dates of a batch must be days or moments in UTC, received {kind}.")


def _sorted(bars: pl.DataFrame) -> None:
    same = pl.col("symbol") == pl.col("symbol").shift()
    wrong = bars.filter(
        (pl.col("symbol") < pl.col("symbol").shift()) | (same & (pl.col("date") <= pl.col("date").shift()))
    )
    if wrong.height:
        first = wrong.row(0, named=True)
        twice = bars.filter((pl.col("symbol") == first["symbol"]) & (pl.col("date") == first["date"])).height > 1
        what = "stands twice" if twice else "is not sorted by symbol and date"
        raise LabelError(f"In a batch {first['symbol']} {first['date']} {what}.", hint="sort, one row per bar.")


def _values(bars: pl.DataFrame) -> None:
    for name in ("open", "high", "low", "close", "adj_close", "volume"):
        if name not in bars.columns:
            continue
        if not bars.schema[name].is_numeric() and bars.schema[name] != pl.Null:
            raise KindError(f"Column {name} of a batch must be numbers, received {bars.schema[name]}.")
        value = pl.col(name).cast(pl.Float64).fill_nan(None)
        bad = bars.filter((value < 0 if name == "volume" else value <= 0) | value.is_infinite())
        if bad.height:
            first = bad.row(0, named=True)
            raise DataError(
                f"In a batch {name} of {first['symbol']} {first['date']} is {first[name]:g}.",
                hint="what is unknown is null; a row that cannot be a bar belongs in `rejects`.",
            )
