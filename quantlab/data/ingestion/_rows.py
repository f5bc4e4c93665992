"""Rows as read, judged: which become bars, which become actions, and which are rejected by which rule.

Nothing is repaired. A row that cannot be a bar keeps its values in the table of rejects.

================ =====================================================================================================
rule             what it says
================ =====================================================================================================
fields           the line has another number of fields than the header
not_a_date       the date cannot be read; ``missing_date`` there is none, ``no_time`` a day among moments,
                 ``no_such_time`` an hour that the clock skipped
ambiguous_date   day and month cannot be told apart
missing_symbol   there is no symbol; ``bad_symbol`` it holds control characters
not_a_number     a price, volume, dividend or split is text that is no number
price            a price is zero, negative or infinite
volume           the volume is negative or infinite
member           the membership is neither true nor false
duplicate        the date and symbol stand twice, with different values: none of them can be chosen
dividend, split  the dividend is negative or infinite, the split not a positive number; the bar itself is kept
================ =====================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from quantlab.data.schemas import TABLES

PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume", "adj_close", "member", "dividend", "split")
RULES = (
    *("fields", "not_a_date", "missing_date", "no_time", "no_such_time", "ambiguous_date", "missing_symbol"),
    *("bad_symbol", "not_a_number", "price", "volume", "member", "duplicate", "dividend", "split"),
)
# What a row is known by: the file it came from, and its place in it.
PLACE = ("part", "row")


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of an import, sorted out.

    Attributes
    ----------
    bars : DataFrame
        Long, sorted by symbol and date, unique; the columns of table bars that the files have.
    dividends : DataFrame
        ``symbol``, ``date``, ``dividend``, ``split`` of the rows that have one.
    rejected : DataFrame
        ``part``, ``row``, ``rule``.
    doubled : int
        Rows left out because another one says the same.
    blank : int
        Rows left out because they hold no value at all.
    """

    bars: pl.DataFrame
    dividends: pl.DataFrame
    rejected: pl.DataFrame
    doubled: int
    blank: int


def judge(rows: pl.DataFrame) -> Judged:
    """Return the rows sorted out.

    Parameters
    ----------
    rows : DataFrame
        ``part``, ``row``, ``symbol``, ``date``, ``rule`` (null: fine so far), and any of ``VALUES``.
    """
    rows = _named(rows)
    rows = rows.with_columns(_verdict(rows.columns).alias("rule"))
    rejected = [rows.filter(pl.col("rule").is_not_null()).select(*PLACE, "rule")]
    good = rows.filter(pl.col("rule").is_null()).drop("rule").sort("symbol", "date")
    good, doubled, clash = _single(good)
    rejected.append(clash)
    good, events, refused = _events(good)
    rejected.extend(refused)
    fields = [name for name in TABLES["bars"].schema if name in good.columns and name not in ("date", "symbol")]
    held = good.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in fields if name != "member"))
    blank = good.height - held.height
    bars = held.select("date", "symbol", *fields)
    if "adj_close" in fields:
        # The vendor's own adjustment is evidence, not a price: a zero there costs the row nothing.
        usable = (pl.col("adj_close") > 0) & pl.col("adj_close").is_finite()
        bars = bars.with_columns(pl.when(usable).then("adj_close").alias("adj_close"))
    return Judged(bars, events, pl.concat(rejected), doubled, blank)


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """Symbols as an Enum in the order of their names: sorting codes is many times as fast as sorting texts."""
    names = rows["symbol"].drop_nulls().unique().sort()
    bad = names.filter(names.str.contains(r"[\x00-\x1f\x7f-\x9f]"))
    symbol, rule = pl.col("symbol"), pl.col("rule")
    missing = symbol.is_null() & rule.is_null()
    control = symbol.is_in(bad.implode()) & rule.is_null() if bad.len() else pl.lit(False)
    return rows.with_columns(
        pl.when(missing).then(pl.lit("missing_symbol")).when(control).then(pl.lit("bad_symbol")).otherwise(rule)
        .alias("rule"),
        symbol.cast(pl.Enum(names)),
    )  # fmt: skip


def _verdict(columns: list[str]) -> pl.Expr:
    """The rule that each row breaks, the rules of reading first."""
    verdict: Any = pl.when(pl.col("rule").is_not_null()).then("rule")
    broken = [((pl.col(name) <= 0) | pl.col(name).is_infinite()).fill_null(False) for name in PRICES if name in columns]
    if broken:
        verdict = verdict.when(pl.any_horizontal(broken)).then(pl.lit("price"))
    if "volume" in columns:
        verdict = verdict.when((pl.col("volume") < 0) | pl.col("volume").is_infinite()).then(pl.lit("volume"))
    decided: pl.Expr = verdict.otherwise(None)
    return decided


def _single(good: pl.DataFrame) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """One row per date and symbol: of equal rows the first stays, of unequal ones none."""
    same = (pl.col("date") == pl.col("date").shift()) & (pl.col("symbol") == pl.col("symbol").shift())
    twin = good.select((same | same.shift(-1)).fill_null(False).alias("twin")).to_series()
    if not twin.any():
        return good, 0, _nothing()
    values = [name for name in VALUES if name in good.columns]
    twins = good.filter(twin)
    groups = twins.group_by("symbol", "date").agg(
        pl.struct(values).n_unique().alias("kinds") if values else pl.lit(1).alias("kinds"),
        pl.first("part", "row"),
    )
    clashing = twins.join(groups.filter(pl.col("kinds") > 1), on=["symbol", "date"], how="semi")
    kept = twins.join(groups.filter(pl.col("kinds") == 1).select("part", "row"), on=["part", "row"], how="semi")
    rest = pl.concat([good.filter(~twin), kept]).sort("symbol", "date")
    doubled = twins.height - clashing.height - kept.height
    return rest, doubled, clashing.select(*PLACE, pl.lit("duplicate").alias("rule"))


def _events(good: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[pl.DataFrame]]:
    """Dividends and splits out of the rows of bars; a zero dividend and a split of 0 or 1 are none."""
    refused = []
    for name, usual in (("dividend", (0.0,)), ("split", (0.0, 1.0))):
        if name not in good.columns:
            good = good.with_columns(pl.lit(None, dtype=pl.Float64).alias(name))
        column = pl.col(name)
        odd = ((column < 0) | column.is_infinite()).fill_null(False)
        found = good.filter(odd)
        if found.height:
            refused.append(found.select(*PLACE, pl.lit(name).alias("rule")))
        good = good.with_columns(pl.when(odd | column.is_in(usual)).then(None).otherwise(column).alias(name))
    events = good.filter(pl.col("dividend").is_not_null() | pl.col("split").is_not_null())
    return good, events.select("symbol", "date", "dividend", "split"), refused


def actions_of(events: pl.DataFrame) -> pl.DataFrame:
    """Return dividends and splits as rows of table actions."""
    day = pl.col("date").cast(pl.Date)
    parts = [
        events.filter(pl.col(kind).is_not_null()).select(
            pl.col("symbol").cast(pl.String), day.alias("date"), pl.lit(kind).alias("kind"), pl.col(kind).alias("value")
        )
        for kind in ("dividend", "split")
    ]
    return pl.concat(parts).sort("symbol", "date", "kind")


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"part": pl.UInt32, "row": pl.UInt32, "rule": pl.String})
