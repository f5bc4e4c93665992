"""``check``: the findings of a stored dataset, with what people decided about them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from quantlab.core import Bars, Panel
from quantlab.core._door import reindex
from quantlab.data.checks import _review
from quantlab.data.checks._findings import REJECTED, SCHEMA, Finding, table
from quantlab.data.checks._quality import quality

if TYPE_CHECKING:
    from quantlab.data.store._store import Store


def check(store: Store, name: str, *, known_at: datetime | None = None) -> pl.DataFrame:
    """Return the findings of a stored dataset, with their status.

    What ``quality`` says of the stored bars (quarantined ones too), their recorded actions and the vendor's adjusted
    close, and one finding per row that the import could not take. Two findings are of the dataset as a whole:
    ``unknown_adjusted``, nobody said how prices are adjusted, and ``members_without_bars``, the table of members names
    symbols that have none in the range of the bars. A decision in table ``review`` sets the status.

    Parameters
    ----------
    store : Store
    name : str
        The dataset.
    known_at : moment, optional
        Check what the store knew then.

    Returns
    -------
    polars.DataFrame
        As of ``quality``: ``rule``, ``symbol``, ``date`` (null for a refused row whose date cannot be read),
        ``severity``, ``detail``, ``action``, ``end``, and ``status``: "open", "accepted" or "quarantined". The dataset
        is clean when no row is open whose severity is "error" or "warning".

    Raises
    ------
    StoreError
        When there is no such dataset, or it is damaged.

    Examples
    --------
    >>> from datetime import date
    >>> from tempfile import mkdtemp
    >>> from quantlab.data import Store
    >>> store = Store(mkdtemp())
    >>> days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    >>> frame = pl.DataFrame({"date": days, "symbol": "A", "close": [10.0, 30.0, 10.1]})
    >>> _ = store.write("one", frame, calendar="XNYS", adjusted="none")
    >>> found = check(store, "one")
    >>> found.select("rule", "date", "status").row(0)
    ('spike', datetime.date(2024, 1, 3), 'open')
    >>> _ = store.review("one", _review.decide(found, "quarantine"))
    >>> check(store, "one")["status"].to_list(), store.bars("one").close.values[:, 0]
    (['quarantined'], array([10. ,  nan, 10.1]))
    """
    bars = store.bars(name, known_at=known_at, quarantine=False)
    adjusted = _adjusted(store.table(name, "bars", known_at=known_at), bars)
    found = quality(bars, adj_close=adjusted)
    refused = _refused(store.table(name, "rejects", known_at=known_at))
    stated = _of_the_dataset(bars, store.table(name, "members", known_at=known_at))
    every = pl.concat([found, refused, table(stated)]).sort("rule", "symbol", "date", "detail", nulls_last=False)
    return _review.status(every, store.table(name, "review", known_at=known_at))


def _of_the_dataset(bars: Bars, members: pl.DataFrame) -> list[Finding]:
    """What no single bar shows: an adjustment that nobody declared, and members that the dataset does not have."""
    found = []
    if bars.adjusted == "unknown":
        detail = "the dataset does not say how its prices are adjusted"
        found.append(Finding("unknown_adjusted", None, bars.dates[0], None, detail))
    first, last = (pl.lit(day.astype("datetime64[D]").item()) for day in bars.dates[[0, -1]])
    inside = members.filter(pl.col("start") <= last, pl.col("end").is_null() | (pl.col("end") > first))
    every = inside["symbol"].unique().sort()
    priced = np.array(bars.symbols, dtype=object)[~np.isnan(bars.close.values).all(axis=0)]
    absent = every.filter(~every.is_in(priced.tolist()))
    if absent.len():
        some = ", ".join(absent.head(4)) + (", ..." if absent.len() > 4 else "")
        detail = f"{absent.len():,} of {every.len():,} members have no bars ({some})"
        found.append(Finding("members_without_bars", None, bars.dates[0], None, detail))
    return found


def _adjusted(long: pl.DataFrame, bars: Bars) -> Panel | None:
    if "adj_close" not in long.columns or long["adj_close"].null_count() == long.height:
        return None
    panel = Panel.from_long(long.select("date", pl.col("symbol").cast(pl.String), "adj_close"), "adj_close")
    return reindex(panel, bars.dates, bars.symbols)


def _refused(rejects: pl.DataFrame) -> pl.DataFrame:
    line = pl.when(pl.col("line").is_null()).then(pl.lit("")).otherwise(pl.format(" line {}", "line"))
    day = pl.when(pl.col("date").is_null()).then(pl.lit("")).otherwise(pl.format(", date {}", "date"))
    row = pl.when(pl.col("row").is_null()).then(pl.lit("")).otherwise(pl.format(": {}", "row"))
    return rejects.select(
        "rule",
        "symbol",
        date=pl.col("date").str.to_date("%Y-%m-%d", strict=False, exact=True),
        severity=pl.lit(REJECTED.severity),
        detail=pl.concat_str([pl.col("source"), line, day, row]),
        action=pl.lit(REJECTED.action),
        end=pl.lit(None, pl.Date),
        status=pl.lit("open"),
    ).cast(SCHEMA)  # type: ignore[arg-type]
