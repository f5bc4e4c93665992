"""One file of prices: its rows as they were, and what they mean as dates, symbols and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from quantlab.core import DataError
from quantlab.data.ingestion import _columns, _csv, _dates, _numbers
from quantlab.data.ingestion._columns import Columns
from quantlab.data.ingestion._dates import Stamps
from quantlab.data.ingestion._layout import Layout

TEXT, PARQUET = (".csv", ".txt", ".tsv"), (".parquet", ".pq")
_TICKER = re.compile(r"[A-Z][A-Z0-9]{0,5}([.\-][A-Z0-9]{1,3})?")
# What the columns of a wide table are called once they are rows.
_WIDE = ("(names of columns)", "(their values)")
_NUMERIC = ("open", "high", "low", "close", "volume", "adj_close", "dividend", "split")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file as read: its rows as they were, and what they mean."""

    source: str
    raw: pl.DataFrame
    lines: np.ndarray | None
    ragged: tuple[tuple[int, str], ...]
    columns: Columns
    stamps: Stamps
    rows: pl.DataFrame
    symbol: str | None


def part_of(file: Path, layout: Layout, *, alone: bool) -> Part:
    """Return one file as read.

    Parameters
    ----------
    file : Path
    layout : Layout
    alone : bool
        Whether it is the only file: its name is then a symbol only if it looks like one.

    Raises
    ------
    DataError
        When it cannot be read, or be understood without a guess.
    OSError
        When the system refuses.
    """
    if not file.exists():
        raise DataError(f"{file.name} is a link to nothing.")
    if not file.is_file():
        raise DataError(f"{file.name} is no regular file.")
    lines: np.ndarray | None = None
    ragged: tuple[tuple[int, str], ...] = ()
    if _is_parquet(file):
        raw = _parquet(file)
    else:
        text = _csv.read(file, layout)
        raw, lines, ragged = text.frame, text.lines, text.ragged
    if layout.wide is not None:
        raw, lines, columns = _lengthened(raw, lines, layout, file.name)
    else:
        columns = _columns.recognize(
            raw.columns, layout, file.name, like_tickers=_tickers(raw), like_wide=_looks_wide(raw)
        )
    if layout.where:
        mask = _where(raw, layout, file.name)
        raw = raw.filter(mask)
        lines = lines[mask.to_numpy()] if lines is not None else np.flatnonzero(mask.to_numpy()) + 1
    if raw.height == 0 and not ragged:
        raise DataError(f"{file.name} has no rows" + (" where " + _said(layout) if layout.where else "") + ".")
    stamps = _stamps(raw, columns, layout, file.name)
    symbol = None if "symbol" in columns.of else _symbol(file, layout, alone=alone)
    return Part(
        file.name, raw, lines, ragged, columns, stamps, _values(raw, columns, stamps, symbol, layout, file), symbol
    )


def ending(file: Path) -> str:
    """Return what a file's name ends in: ".csv" of A.csv and of A.csv.gz."""
    return Path(file.stem).suffix if file.suffix.lower() == ".gz" else file.suffix


def _looks_wide(raw: pl.DataFrame) -> bool:
    """Whether there is one known name, and two or more unknown ones over numbers."""
    unknown = [name for name in raw.columns if name.strip() and not _columns.known([name])]
    if len(unknown) < 2 or len(raw.columns) - len(unknown) != 1:
        return False
    sample = raw.select(pl.col(unknown).drop_nulls().first())
    return all(not _numbers.numbers(sample[name].cast(pl.String), ".")[1].any() for name in unknown)


def _lengthened(
    raw: pl.DataFrame, lines: np.ndarray | None, layout: Layout, what: str
) -> tuple[pl.DataFrame, np.ndarray | None, Columns]:
    """A table of one column per symbol as rows of a date, a symbol and a value."""
    told = layout.columns.get("date")
    names = [name for name in raw.columns if (name == told if told else _columns.is_date(name))]
    if len(names) != 1:
        raise DataError(
            f"{what} has {len(names)} columns for date; it has {', '.join(raw.columns[:8])}.",
            hint="say which: --column date=NAME.",
        )
    others = [name for name in raw.columns if name not in names and name.strip()]
    if not others:
        raise DataError(f"{what} has no column beside {names[0]}.", hint="a wide table has one column per symbol.")
    text = any(raw.schema[name] == pl.String for name in others)
    long = raw.select(*names, pl.col(others).cast(pl.String if text else pl.Float64)).unpivot(
        others, index=names, variable_name=_WIDE[0], value_name=_WIDE[1]
    )
    of = {"date": names[0], "symbol": _WIDE[0], str(layout.wide): _WIDE[1]}
    return long, None if lines is None else np.tile(lines, len(others)), Columns(of, {}, ())


def _is_parquet(file: Path) -> bool:
    if file.suffix.lower() in PARQUET:
        return True
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def _parquet(file: Path) -> pl.DataFrame:
    size = file.stat().st_size
    if size == 0:
        raise DataError(f"{file.name} is empty (0 bytes).")
    with file.open("rb") as opened:
        first = opened.read(4)
        opened.seek(max(size - 4, 0))
        last = opened.read(4)
    if first != b"PAR1":
        raise DataError(f"{file.name} is no Parquet file: it begins with {first!r}.", hint="give it its own ending.")
    if last != b"PAR1":
        raise DataError(f"{file.name} is cut off: a Parquet file ends in PAR1.", hint="copy or fetch it again.")
    try:
        return pl.read_parquet(file, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file.name} is damaged: {reason}.", hint="copy or fetch it again.") from error


def _where(raw: pl.DataFrame, layout: Layout, what: str) -> pl.Series:
    mask = pl.repeat(True, raw.height, dtype=pl.Boolean, eager=True)
    for column, text in layout.where.items():
        if column not in raw.columns:
            raise DataError(f"{what} has no column {column!r} to choose rows by; it has {', '.join(raw.columns[:8])}.")
        mask &= (raw[column].cast(pl.String) == text).fill_null(False)
    return mask


def _said(layout: Layout) -> str:
    return ", ".join(f"{column} is {text}" for column, text in layout.where.items())


def _tickers(raw: pl.DataFrame) -> bool:
    """Whether a column called Name holds tickers: short, in capitals, without blanks."""
    for name in raw.columns:
        if name.strip().lower() == "name" and raw[name].dtype == pl.String:
            values = raw[name].drop_nulls().unique()
            return values.len() > 0 and bool(values.str.contains(r"^[A-Z0-9.\-^=/]{1,10}$").all())
    return False


def _symbol(file: Path, layout: Layout, *, alone: bool) -> str:
    base = file.name[: -len(".gz")] if file.suffix.lower() == ".gz" else file.name
    stem = base[: -len(ending(file))] if ending(file) else base
    told = layout.symbol
    if told and "{symbol}" in told:
        before, _, after = told.partition("{symbol}")
        pattern = re.escape(before) + "(.+?)" + re.escape(after)
        match = re.fullmatch(pattern, file.name) or re.fullmatch(pattern, base) or re.fullmatch(pattern, stem)
        if match is None:
            raise DataError(f"{file.name} does not look like {told}.", hint="{symbol} stands for the symbol.")
        return match[1]
    if told and alone:
        return told
    if told:
        raise DataError(
            f"{file.name} cannot be {told} like every other file.",
            hint='say where the symbol stands in the file names: --symbol "daily_{symbol}.csv".',
        )
    if alone and not _TICKER.fullmatch(stem):
        raise DataError(
            f"{file.name} has no column for the symbol, and its name is no ticker.", hint="say it: --symbol NAME."
        )
    return stem


def _stamps(raw: pl.DataFrame, columns: Columns, layout: Layout, what: str) -> Stamps:
    column = raw[columns.of["date"]]
    zone = layout.time_zone or columns.time_zone
    told = Layout(date_format=layout.date_format, time_zone=zone)
    if column.dtype.is_integer() or column.dtype.is_float():
        column = column.cast(pl.Int64, strict=False).cast(pl.String)
    elif isinstance(column.dtype, (pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    if "time" in columns.of and "ms_since_midnight" not in columns.of:
        days = column.cast(pl.String).str.strip_chars()
        clock = _clock(raw[columns.of["time"]])
        both = pl.DataFrame({"day": days, "clock": clock}).select(pl.concat_str("day", "clock", separator=" "))
        return _dates.parse(both.to_series(), told, what)
    if column.dtype == pl.String:
        stamps = _dates.parse(column, told, what)
    elif column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        stamps = _dates.typed(column, told, what)
    else:
        raise DataError(f"{what}: column {columns.of['date']} holds {column.dtype} and not dates.")
    if "ms_since_midnight" in columns.of:
        clock = raw[columns.of["ms_since_midnight"]]
        return _dates.of_day_and_clock(stamps, clock, zone, told, what)
    return stamps


def _clock(column: pl.Series) -> pl.Series:
    """Clock times as text: 93000 and 0930 get their colons."""
    if column.dtype == pl.Time:
        return column.dt.to_string("%H:%M:%S%.f")
    text = column.cast(pl.String).str.strip_chars()
    bare = text.str.contains(r"^\d{3,6}$")
    padded = text.str.zfill(6) if bool((text.str.len_chars() > 4).any()) else text.str.zfill(4) + "00"
    colons = padded.str.slice(0, 2) + ":" + padded.str.slice(2, 2) + ":" + padded.str.slice(4, 2)
    return text.zip_with(~bare.fill_null(False), colons)


def _values(
    raw: pl.DataFrame, columns: Columns, stamps: Stamps, symbol: str | None, layout: Layout, file: Path
) -> pl.DataFrame:
    """The rows of one file as dates, symbols and numbers, each with the rule that it breaks."""
    priced = [columns.of[field] for field in _NUMERIC if field in columns.of]
    priced += [columns.raw_close] if columns.raw_close is not None else []
    texts = [raw[name] for name in priced if raw[name].dtype == pl.String]
    decimal = _numbers.decimal_mark(texts, layout.decimal, file.name)
    out: dict[str, pl.Series] = {}
    wrong = unclear = pl.repeat(False, raw.height, dtype=pl.Boolean, eager=True)
    for field in _NUMERIC:
        if field in columns.of:
            out[field], bad = _number(raw[columns.of[field]], columns.of[field], decimal, layout, file.name)
            wrong = wrong | bad
    if columns.raw_close is not None:
        raw_close, bad = _number(raw[columns.raw_close], columns.raw_close, decimal, layout, file.name)
        wrong = wrong | bad
        raw_close = raw_close.set(~(raw_close > 0).fill_null(False), None)
        for field in ("open", "high", "low"):
            if field in out and not layout.columns.get(field):
                # In this order a high that is the close stays it to the last digit.
                out[field] = (out[field] / raw_close) * out["close"]
    if "member" in columns.of:
        out["member"], unclear = _member(raw[columns.of["member"]])
    names = raw[columns.of["symbol"]].cast(pl.String).str.strip_chars() if symbol is None else None
    frame = pl.DataFrame(
        {"date": stamps.values, "rule": stamps.rules, "wrong": wrong, "unclear": unclear, **out}
        | ({"symbol": names} if names is not None else {})
    )
    name = pl.when(pl.col("symbol") != "").then("symbol") if names is not None else pl.lit(symbol, dtype=pl.String)
    broken = pl.when("wrong").then(pl.lit("not_a_number")).when("unclear").then(pl.lit("member")).otherwise(None)
    rule = pl.coalesce("rule", broken)
    return (
        frame.with_columns(name.alias("symbol"), rule.alias("rule"))
        .drop("wrong", "unclear")
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.UInt32))
    )


def _number(column: pl.Series, name: str, decimal: str, layout: Layout, what: str) -> tuple[pl.Series, pl.Series]:
    never = pl.repeat(False, column.len(), dtype=pl.Boolean, eager=True)
    if isinstance(column.dtype, (pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        mark = _numbers.mark_of(column, decimal) if layout.decimal is None else decimal
        values, bad = _numbers.numbers(column, mark, layout.missing)
    elif column.dtype.is_numeric():
        values, bad = column.cast(pl.Float64).fill_nan(None), never
    elif column.dtype == pl.Null:
        values, bad = column.cast(pl.Float64), never
    else:
        raise DataError(f"{what}: column {name} holds {column.dtype} and not numbers.")
    for text in layout.missing:
        marker = pl.Series([text]).cast(pl.Float64, strict=False)[0]
        if marker is not None:
            values = values.to_frame("v").select(pl.when(pl.col("v") != marker).then("v")).to_series()
    return values, bad


def _member(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    if column.dtype == pl.Boolean:
        return column, column.is_null()
    text = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    truth = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}
    values = text.replace_strict(truth, default=None, return_dtype=pl.Boolean)
    return values, values.is_null()
