"""Tables of intervals by ticker, such as members and reference data, as tables by permanent id."""

from __future__ import annotations

from datetime import date

import polars as pl

from quantlab.core import DataError, InputError, KindError
from quantlab.data.universe._frames import checked, forward, more, no_null

UNKNOWN = "@unknown"
_EVER, _NEVER = date(1, 1, 1), date(9999, 12, 31)


def split(history: pl.DataFrame, frame: object, unknown: str) -> pl.DataFrame:
    """Return a table of intervals with ids in place of tickers, split where the ticker goes over to another company.

    ``history`` has id, symbol, start and end, no two rows of which have one ticker on one day.
    """
    if unknown not in ("raise", "keep"):
        raise InputError(f'`unknown` must be "raise" or "keep", received {unknown!r}.')
    if not isinstance(frame, pl.DataFrame):
        raise KindError(f"`frame` must be a Polars frame, received {type(frame).__name__}.")
    columns = {"symbol": pl.String(), "start": pl.Date(), "end": pl.Date()}
    rows = checked(frame, columns, name="frame", optional=("end",))
    no_null(rows, ("symbol",), name="frame")
    forward(rows, name="frame")
    rows = rows.select("symbol", _low("start"), _high("end")).with_row_index("__row")
    spans = history.select("symbol", "id", since=_low("start"), until=_high("end"))
    parts = (
        rows.join(spans, on="symbol")
        .with_columns(
            pl.max_horizontal("start", "since").alias("start"), pl.min_horizontal("end", "until").alias("end")
        )
        .filter(pl.col("start") < pl.col("end"))
        .select("__row", "symbol", "id", "start", "end")
    )
    lost = _uncovered(rows, parts)
    if lost.height and unknown == "raise":
        first = lost.sort("__row", "start").row(0, named=True)
        told = "the beginning" if first["start"] == _EVER else first["start"]
        raise DataError(
            f"{first['symbol']} from {told}{more(lost.height)} belongs to no company of the history.",
            hint='`unknown="keep"` calls such intervals `' + first["symbol"] + UNKNOWN + "`.",
        )
    named = pl.concat([parts, lost.with_columns(id=pl.col("symbol") + UNKNOWN).select(parts.columns)])
    named = named.sort("__row", "start").select(
        "__row",
        pl.col("id").alias("symbol"),
        pl.when(pl.col("start") > _EVER).then("start").alias("start"),
        pl.when(pl.col("end") < _NEVER).then("end").alias("end"),
    )
    rest = frame.drop("symbol", "start", "end", strict=False).with_row_index("__row")
    out = [*frame.columns, *(["end"] if "end" not in frame.columns else [])]
    return named.join(rest, on="__row", how="left", maintain_order="left").select(out)


def _uncovered(rows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The stretches of each interval on which nobody had the ticker.

    An interval that says "always" begins with the first company, if there is one.
    """
    order = parts.sort("__row", "start")
    begins = pl.col("end").shift(1).over("__row")
    between = order.with_columns(_from=begins).filter(pl.col("_from") < pl.col("start"))
    span = parts.group_by("__row").agg(first=pl.col("start").min(), last=pl.col("end").max())
    ends = rows.join(span, on="__row", how="left")
    whole = ends.filter(pl.col("first").is_null()).select("__row", "symbol", "start", "end")
    before = ends.filter((pl.col("start") > _EVER) & (pl.col("start") < pl.col("first")))
    after = ends.filter(pl.col("last") < pl.col("end"))
    return pl.concat(
        [
            whole,
            before.select("__row", "symbol", "start", pl.col("first").alias("end")),
            between.select("__row", "symbol", pl.col("_from").alias("start"), pl.col("start").alias("end")),
            after.select("__row", "symbol", pl.col("last").alias("start"), "end"),
        ]
    )


def _low(column: str) -> pl.Expr:
    return pl.col(column).fill_null(_EVER)


def _high(column: str) -> pl.Expr:
    return pl.col(column).fill_null(_NEVER)
