"""Whether a vendor has changed what it said before: fetched rows against stored ones on the days that both cover."""

from __future__ import annotations

import polars as pl

FIELDS = ("open", "high", "low", "close", "volume")
SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "date": pl.Date(),
    "field": pl.String(),
    "stored": pl.Float64(),
    "fetched": pl.Float64(),
    "done": pl.String(),
}


def differences(stored: pl.DataFrame, fetched: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Return the cells in which bars differ, a bar that one side lacks by its close.

    Parameters
    ----------
    stored, fetched : DataFrame
        Bars of the same symbols and days.
    tolerance : float >= 0, relative

    Returns
    -------
    DataFrame
        ``SCHEMA`` without ``done``, sorted by symbol and date.
    """
    fields = [name for name in FIELDS if name in stored.columns and name in fetched.columns]
    return _compared(stored, fetched, fields, "close", tolerance)


def action_differences(stored: pl.DataFrame, fetched: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Return the actions that differ, or that one side lacks, in the same columns; ``field`` is their kind."""
    found = [_empty()]
    for kind in sorted({*stored["kind"].to_list(), *fetched["kind"].to_list()}):
        old, new = (
            side.filter(pl.col("kind") == kind).select("symbol", "date", pl.col("value").alias(kind))
            for side in (stored, fetched)
        )
        found.append(_compared(old, new, [kind], kind, tolerance))
    return pl.concat(found)


def _compared(
    stored: pl.DataFrame, fetched: pl.DataFrame, fields: list[str], mark: str, tolerance: float
) -> pl.DataFrame:
    cells = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in fields]
    sides = [side.select("symbol", "date", *cells, pl.lit(True).alias("here")) for side in (stored, fetched)]
    both = sides[0].join(sides[1], on=["symbol", "date"], how="full", coalesce=True, suffix="_new")
    found = [_empty()]
    for name in fields:
        old, new = pl.col(name), pl.col(f"{name}_new")
        equal = old.eq_missing(new) | ((old - new).abs() <= tolerance * old.abs().clip(new.abs())).fill_null(False)
        alone = pl.col("here").is_null() | pl.col("here_new").is_null()
        changed = ~equal & ~alone if name != mark else ~equal | alone
        found.append(
            both.filter(changed).select(
                pl.col("symbol").cast(pl.String),
                (pl.col("date").dt.date() if isinstance(both.schema["date"], pl.Datetime) else pl.col("date")),
                pl.lit(name).alias("field"),
                old.alias("stored"),
                new.alias("fetched"),
            )
        )
    return pl.concat(found).sort("symbol", "date", "field")


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema={name: kind for name, kind in SCHEMA.items() if name != "done"})
