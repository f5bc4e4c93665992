"""From the data file to aligned matrices: a reshape where the rows are a full rectangle, else a scatter; never a pivot.

Rows are sorted by date and symbol, and (date, symbol) is unique. So if T dates times N symbols equals the number of
rows, the values already lie in C order. Otherwise one flat index, computed once, places every field.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from quantlab.data import _manifest


def read(
    path: Path,
    *,
    span: tuple[date, date] | None,
    symbols: tuple[str, ...],
    wanted: tuple[str, ...],
    fields: tuple[str, ...],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the dates of the span and, by field, the matrix of the wanted symbols.

    Parameters
    ----------
    path : Path
        Data file.
    span : (first, last) inclusive, or None for all
    symbols : tuple of str
        All the symbols of the file, sorted.
    wanted : tuple of str
        Of these the ones to read, sorted.
    fields : tuple of str
        Columns to read.

    Returns
    -------
    dates : (T,) datetime64[D]
        Every date in the span on which any symbol of the dataset has a row.
    matrices : dict of field to (T, N)
        float64, NaN where there is no row or no value; ``member`` is bool, False where there is no row.
    """
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    if scan.collect_schema()["symbol"] != pl.Enum(symbols):
        raise _manifest.damaged(path.parent.name, "its symbols are not those of the data file")
    if span is not None:
        scan = scan.filter(pl.col("date").is_between(*span))
    days = None
    rows = scan
    if wanted != symbols:
        # A symbol's missing day must stay a missing value, so the dates come from the whole dataset.
        days = scan.select(pl.col("date").unique().sort()).collect()["date"].to_numpy()
        rows = scan.filter(pl.col("symbol").is_in(pl.Series(wanted, dtype=pl.Enum(symbols))))
    labels = rows.select("date", "symbol").collect()
    dates, codes = labels["date"].to_numpy(), labels["symbol"].to_physical().to_numpy()
    if wanted != symbols:
        codes = np.searchsorted(symbols, wanted).searchsorted(codes)
    first = np.flatnonzero(dates[1:] != dates[:-1]) + 1  # the rows that begin a new date
    starts = np.concatenate([np.zeros(min(dates.size, 1), np.int64), first])
    if days is None:
        days = dates[starts]
    shape = (days.size, len(wanted))
    place = None
    if dates.size != shape[0] * shape[1] or (codes.reshape(shape) != np.arange(shape[1], dtype=codes.dtype)).any():
        row_codes = np.repeat(days.searchsorted(dates[starts]), np.diff(starts, append=dates.size))
        place = row_codes * shape[1] + codes
    # One column at a time: measured 20 % faster than all at once, at a peak of 560 instead of 800 MiB (7.5 M rows).
    return days, {name: _matrix(rows.select(name).collect()[name], place, shape) for name in fields}


def _matrix(column: pl.Series, place: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    if column.null_count():
        column = column.fill_null(np.nan)  # 1.7 times as fast as to leave the nulls to `to_numpy`
    values = column.to_numpy()
    if place is None:
        return values.reshape(shape)
    boolean = values.dtype == bool
    out = np.full(shape[0] * shape[1], False if boolean else np.nan, dtype=bool if boolean else np.float64)
    out[place] = values
    return out.reshape(shape)
