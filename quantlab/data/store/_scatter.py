"""From parts to aligned matrices: a transposed block where the rows of a part are a full rectangle, else a scatter.

Rows are sorted by symbol and date, so the symbols of a part come as runs and need no hashing. Parts are taken one by
one: what is held besides the matrices is one part. A later part of a partition overwrites the cells of the earlier
ones. Never a pivot, which takes a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from quantlab.data.store import _parts
from quantlab.data.store._manifest import Part

# Above this share of the symbols it is faster to read them all than to filter row groups.
_MANY = 0.2
# Symbols that are turned at a time: measured a quarter faster than all at once, by the cache.
_STRIP = 512
_DAY = np.dtype("datetime64[D]")


def read(
    parts: Sequence[Part],
    place: Callable[[Part], Path],
    *,
    dates: np.ndarray,
    cut: bool,
    symbols: tuple[str, ...],
    known: int,
    fields: tuple[str, ...],
    parallel: int,
    refuse: Callable[[str], Exception],
) -> dict[str, np.ndarray]:
    """Return, by field, the matrix of dates by symbols.

    Parameters
    ----------
    parts : sequence of Part
        Of the bars, ordered by partition; within one, later parts win.
    place : callable (Part) -> Path
        A local file with the bytes of a part.
    dates : (T,) datetime64
        The rows of the result.
    cut : bool
        Whether the dataset has dates outside of them.
    symbols : tuple of N str, sorted
        The columns of the result.
    known : int
        Number of symbols of the dataset.
    fields : tuple of str
    parallel : int
        How many places to ask for at a time.
    refuse : callable (reason) -> error
        For parts that hold what they must not.

    Returns
    -------
    dict of field to (T, N) array
        float64, NaN where there is no row or no value; ``member`` is bool, False there.
    """
    shape = (dates.size, len(symbols))
    out = {name: np.empty(shape, bool if name == "member" else np.float64) for name in fields}
    axis = pl.Series(dates) if dates.dtype == _DAY else pl.Series(dates).dt.replace_time_zone("UTC")
    span = (axis[0], axis[-1])
    wanted = [part for part in parts if _parts.overlaps(part, *span)]
    some = symbols if len(symbols) < known else None
    where = {name: column for column, name in enumerate(symbols)}
    few = some if len(symbols) <= _MANY * known else None
    # By partition: its first and last row.
    bounds = {
        name: (int(axis.search_sorted(min(firsts))), int(axis.search_sorted(max(lasts), side="right")))
        for name, (firsts, lasts) in _ends(wanted).items()
    }

    def load(path: Path) -> pl.DataFrame:
        return _rows(path, fields, span if cut else None, few)

    done = 0
    before = None
    with closing(_ahead(wanted, place, load, parallel)) as ahead:
        for part, rows in ahead:
            low, high = bounds[part.partition]
            if part.partition != before:
                if done != low:
                    raise refuse("its dates are not those of its parts")
                done = high
            block = {name: matrix[low:high] for name, matrix in out.items()}
            _put(rows, block, dates[low:high], where, fields, part.partition != before, some is not None, refuse)
            before = part.partition
    if done != dates.size:
        raise refuse("its dates are not those of its parts")
    return out


def _ends(parts: Sequence[Part]) -> dict[str, tuple[list[Any], list[Any]]]:
    """By partition, the first and the last dates of its parts."""
    ends: dict[str, tuple[list[Any], list[Any]]] = {}
    for part in parts:
        firsts, lasts = ends.setdefault(part.partition, ([], []))
        firsts.append(part.first)
        lasts.append(part.last)
    return ends


def _ahead(
    parts: Sequence[Part], place: Callable[[Part], Path], load: Callable[[Path], pl.DataFrame], parallel: int
) -> Generator[tuple[Part, pl.DataFrame], None, None]:
    """Yield each part with its rows; meanwhile the next is read, and the bytes of those after it are compared."""
    with ThreadPoolExecutor(parallel) as compare, ThreadPoolExecutor(1) as read:
        compared = [compare.submit(place, part) for part in parts]

        def rows(number: int) -> pl.DataFrame:
            return load(compared[number].result())

        try:
            coming = [read.submit(rows, 0)] if parts else []
            for number, part in enumerate(parts):
                found = coming.pop().result()
                if number + 1 < len(parts):
                    coming.append(read.submit(rows, number + 1))
                yield part, found
        finally:
            for waiting in compared:
                waiting.cancel()


def _rows(
    path: Path, fields: Sequence[str], span: tuple[Any, Any] | None, some: tuple[str, ...] | None
) -> pl.DataFrame:
    rows = _parts.scan(path)
    have = rows.collect_schema()
    if span is not None:
        rows = rows.filter(pl.col("date").is_between(*span))
    if some is not None:
        rows = rows.filter(pl.col("symbol").is_in(list(some)))
    return rows.select("date", "symbol", *(name for name in fields if name in have)).collect()


def _put(
    rows: pl.DataFrame,
    block: dict[str, np.ndarray],
    dates: np.ndarray,
    where: dict[str, int],
    fields: tuple[str, ...],
    fresh: bool,
    partly: bool,
    refuse: Callable[[str], Exception],
) -> None:
    """Write the rows of a part to their places in the block of its partition."""
    starts, columns = _runs(rows["symbol"], where, partly, refuse)
    lengths = np.diff(starts, append=rows.height)
    lines = _lines(rows["date"], dates)
    if rows.height and (lines.min() < 0 or lines.max() >= dates.size):
        raise refuse("its dates are not those of its parts")
    length = int(lengths[0]) if lengths.size else 0
    rectangle = rows.height > 0 and bool((lengths == length).all())
    if rectangle:
        table = lines.reshape(-1, length)
        rectangle = bool((table == table[0]).all())
    keep = columns >= 0
    covers = rectangle and length == dates.size and int(keep.sum()) == len(where)
    if fresh:
        for name in fields:
            if not covers or name not in rows.columns:
                block[name].fill(False if name == "member" else np.nan)
    if rows.height == 0 or not keep.any():
        return
    if rectangle:
        down, across = _slice(lines[:length]), _slice(columns[keep])
    else:
        cells = lines * len(where) + np.repeat(columns, lengths)
        chosen = np.repeat(keep, lengths) if partly else None
        cells = cells if chosen is None else cells[chosen]
    for name in fields:
        if name not in rows.columns:
            continue
        values = _values(rows[name])
        if rectangle:
            matrix = values.reshape(-1, length)
            _turn(matrix if keep.all() else matrix[keep], block[name], down, across)
        else:
            block[name].reshape(-1)[cells] = values if chosen is None else values[chosen]


def _turn(matrix: np.ndarray, block: np.ndarray, down: slice | np.ndarray, across: slice | np.ndarray) -> None:
    """Write a matrix of symbols by dates into its rows and columns of a block of dates by symbols."""
    for start in range(0, len(matrix), _STRIP):
        strip = matrix[start : start + _STRIP].T
        if isinstance(across, slice):
            low = across.start + start
            block[down, low : low + strip.shape[1]] = strip
        elif isinstance(down, slice):
            block[down, across[start : start + _STRIP]] = strip
        else:
            block[np.ix_(down, across[start : start + _STRIP])] = strip


def _runs(
    names: pl.Series, where: dict[str, int], partly: bool, refuse: Callable[[str], Exception]
) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each symbol, and its column: -1 for one that was not asked for."""
    starts = names.ne_missing(names.shift()).arg_true().to_numpy().astype(np.int64)
    columns = np.array([where.get(name, -1) for name in names.gather(starts)], np.int64)
    if not partly and (columns < 0).any():
        raise refuse("its symbols are not those of its parts")
    return starts, columns


def _lines(days: pl.Series, dates: np.ndarray) -> np.ndarray:
    """The row of each date; a date that has none gets one that is out of bounds."""
    if dates.dtype == _DAY:
        # A table from day to row: three times as fast as to search.
        first = dates[0].astype(np.int64)
        numbers = dates.astype(np.int64) - first
        table = np.full(int(numbers[-1]) + 1, -1, np.int64)
        table[numbers] = np.arange(dates.size)
        asked = days.to_physical().to_numpy() - first
        outside = asked.size and (asked.min() < 0 or asked.max() >= table.size)
        return np.full(asked.size, -1) if outside else table[asked]
    moments = days.to_physical().to_numpy()
    axis = dates.astype(np.int64)
    found = axis.searchsorted(moments)
    return np.where(axis[np.minimum(found, axis.size - 1)] == moments, found, -1)


def _slice(places: np.ndarray) -> slice | np.ndarray:
    low, high = int(places[0]), int(places[-1])
    return slice(low, high + 1) if high - low + 1 == places.size and (np.diff(places) == 1).all() else places


def _values(column: pl.Series) -> np.ndarray:
    if column.dtype == pl.Boolean:
        return column.fill_null(False).to_numpy()
    if column.null_count():
        column = column.fill_null(np.nan)  # 1.7 times as fast as to leave the nulls to `to_numpy`
    return column.to_numpy()
