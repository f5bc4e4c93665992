"""What the rules find in the real files of the folder QUANTLAB_REAL_DATA; used by make_quality.py.

Only counts, symbols and dates of defects leave this file: prices of vendors do not.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from quantlab.core import Bars, Frequency, Panel
from quantlab.data import quality, schemas
from quantlab.data.checks._series import quality_of_series

AV, WIKI, KAGGLE = "us_equity_av_raw_1999_2021", "sp500_wiki_adj_2013_2018", "sp500_kaggle5yr_2013_2018"
LEAN, ETF, VIX = "lean_us_daily_raw", "etf_adj_1999_2017", "vix_daily_1990_2026"
MACRO, FRED = "macro_fred_daily_1990_2025", "fred_md_202310"
ADJUSTED = {AV: "none", WIKI: "total_return", KAGGLE: "split", LEAN: "none", ETF: "total_return", VIX: "none"}
CLEAN = (date(2010, 1, 4), date(2019, 12, 31), 60)  # of AV: first and last day, and how many symbols

# File, what the data's README says, symbol, first and last day, and the rules that may name it; or why none can.
NAMED: tuple[tuple, ...] = (
    (AV, "ANTM is another company before 2001-10-30", "ANTM", "2001-10-30", "ticker_reuse"),
    (AV, "ANTM: 2:1 split booked 2002-03-18, no price move", "ANTM", "2002-03-18", "split_no_move"),
    (AV, "ANTM: 2:1 split of 2005-06-02 not booked", "ANTM", "2005-06-02", "unrecorded_split"),
    (AV, "KSU 2000-07-13: dividend of 181", "KSU", "2000-07-13", "spinoff_dividend"),
    (AV, "JCI 2007-07-02: spin-off as dividend and split", "JCI", "2007-07-02", "spinoff_dividend"),
    (AV, "LDOS 2013-09-30: spin-off as dividend and split", "LDOS", "2013-09-30", "spinoff_dividend"),
    (AV, "TMUS 2013-05-01: dividend beside a reverse split", "TMUS", "2013-05-01", "spinoff_dividend"),
    (AV, "HLT 2017-01-04: spin-off as dividend and split", "HLT", "2017-01-04", "spinoff_dividend"),
    (AV, "RTX 2020-04-03: spin-off as dividend and split", "RTX", "2020-04-03", "spinoff_dividend"),
    (AV, "WDC 2020-07-17: adjusted close jumps without an event", "WDC", "2020-07-17", "adjusted_step"),
    (AV, "TMUS 2013-05-01: adjusted close", "TMUS", "2013-05-01", "adjusted_step"),
    (AV, "TRMB 2007-02-23: adjusted close", "TRMB", "2007-02-23", "adjusted_step"),
    (AV, "ZBRA 2003-08-21: adjusted close", "ZBRA", "2003-08-21", "adjusted_step"),
    (AV, "ZBRA 2004-08-25: adjusted close", "ZBRA", "2004-08-25", "adjusted_step"),
    (AV, "HPQ 2015-11-02 spin-off", "HPQ", "2015-11-02", "spinoff_dividend"),
    (AV, "EBAY 2015-07-20 spin-off", "EBAY", "2015-07-20", "spinoff_dividend"),
    (AV, "BAX 2015-07-01 spin-off", "BAX", "2015-07-01", "spinoff_dividend"),
    (AV, "NI 2015-07-02 spin-off", "NI", "2015-07-02", "spinoff_dividend"),
    (AV, "APTV 2017-11-16: another price", "APTV", "2017-11-16", "spike"),
    (AV, "APTV 2017-11-21: another price", "APTV", "2017-11-21", "spike"),
    (AV, "APTV 2017-11-28 to 12-01: another price", "APTV", "2017-11-28", "level_run"),
    (AV, "one-day gaps: SPGI", "SPGI", "2006-02-21", "gap"),
    (AV, "one-day gaps: VIAC", "VIAC", "2007-05-08", "gap"),
    (AV, "one-day gaps: KIM", "KIM", "2006-05-25", "gap"),
    (AV, "one-day gaps: RHI", "RHI", "2006-07-14", "gap"),
    (AV, "VAR ends 2021-04-16", "VAR", "2021-04-16", "ends_early"),
    (AV, "GLW 2013-10-23: the close before, repeated", "GLW", "2013-10-23", "carried"),
    (AV, "NKE 2014-09-26: the close before, repeated", "NKE", "2014-09-26", "carried"),
    (AV, "AAPL 2000-09-29 is genuine: info only", "AAPL", "2000-09-29", "extreme_move"),
    (AV, "HIG 2008-12-05 is genuine: info only", "HIG", "2008-12-05", "extreme_move"),
    (AV, "survivorship: today's members only", None, None, "which symbols are not in a file cannot be seen in it"),
    (WIKI, "OHLC violations around 2016-11-30", "FITB", "2016-11-30", "price_order"),
    (WIKI, "LPRAX: a fund under a member's name, no volume", "LPRAX", "2013-03-05", "unknown_volume"),
    (WIKI, "INCO: no volume", "INCO", "2013-07-05", "repeat zero_volume"),
    (WIKI, "UBSFY: no volume", "UBSFY", "2015-06-17", "repeat zero_volume"),
    (WIKI, "MET 2017-08-07: spin-off not adjusted", "MET", "2017-08-07", "unrecorded_action"),
    (WIKI, "HPE 2017-04-03: spin-off not adjusted", "HPE", "2017-04-03", "unrecorded_action unrecorded_split"),
    (WIKI, "HPE 2017-09-01: spin-off not adjusted", "HPE", "2017-09-01", "unrecorded_action unrecorded_split"),
    (WIKI, "CB 2016-01-15: ACE takes the ticker over", "CB", "2016-01-15",
     "unrecorded_action ticker_reuse"),
    (WIKI, "COP ends 2013-04-29", "COP", "2013-04-29", "ends_early"),
    (WIKI, "WLP and ANTM are one company", "WLP", "2014-12-03", "identical"),
    (WIKI, "TYC and JCI carry one series", "TYC", "2014-12-03", "identical"),
    (WIKI, "LIFE and WLP: dates as m/d/Y", None, None, "the dates were read before; imports refuse mixed ones"),
    (KAGGLE, "CHD 2014-05-19: OHLC violation", "CHD", "2014-05-19", "price_order"),
    (KAGGLE, "LNT 2016-05-19: close halved", "LNT", "2016-05-19", "spike"),
    (KAGGLE, "SPG 2014-05-28: OHLC violation", "SPG", "2014-05-28", "price_order"),
    (KAGGLE, "closes of 2017-09-14 that revert", "MRO", "2017-09-14", "spike"),
    (KAGGLE, "2014-08-04 copies the bar before", "A", "2014-08-04", "repeat"),
    (KAGGLE, "2014-07-18 copies the bar before", "ABT", "2014-07-18", "repeat"),
    (KAGGLE, "up to 8 symbols missing early in 2013", None, "gap", "gap"),
    (LEAN, "WM is Waste Management from 2009-08-05", "WM", "2009-08-05", "ticker_reuse"),
    (LEAN, "BNO: an earlier owner of the ticker", "BNO", "2010-06-02", "ticker_reuse"),
    (LEAN, "USO: an earlier owner of the ticker", "USO", "2006-04-10", "ticker_reuse"),
    (LEAN, "EEM: an earlier owner of the ticker", "EEM", "2003-04-11", "ticker_reuse"),
    (LEAN, "FB: an earlier owner of the ticker", "FB", "2012-05-18", "ticker_reuse"),
    (LEAN, "AAPL 7:1 of 2014-06-09 (no actions given)", "AAPL", "2014-06-09", "unrecorded_split"),
    (VIX, "rows with high or low inside the others", "VIX", "1992-02-11", "price_order"),
    (MACRO, "sp500_price is one number until 2015-11", "sp500_price", "1990-01-01", "back_filled"),
    (MACRO, "breakeven inflation is back-filled", "breakeven_inflation_10y", "1990-01-01", "back_filled"),
    (MACRO, "dollar index is back-filled", "trade_weighted_dollar_index", "1990-01-01", "back_filled"),
    (MACRO, "CPI stands on its reference month", "cpi", "1990-01-01", "reference_dated"),
    (MACRO, "unemployment stands on its reference month", "unemployment_rate", "1990-01-01", "reference_dated"),
    (FRED, "months stand on their first day", None, "1959-01-01", "reference_dated"),
)  # fmt: skip


def measure(folder: Path) -> dict:
    """Counts per file and rule, which known defects are found, and the bars to plant defects into."""
    files, findings = [], {}
    clean: tuple[Bars, Panel] | None = None
    for name in ADJUSTED:
        frame = pl.read_parquet(folder / f"{name}.parquet")
        bars, actions, adj_close = market(frame, name)
        findings[name] = quality(bars, actions=actions, adj_close=adj_close)
        files.append(_facts(name, frame.height, findings[name]))
        if name == AV and adj_close is not None:
            clean = _clean(bars, actions, adj_close)
    for name in (MACRO, FRED):
        frame = pl.read_parquet(folder / f"{name}.parquet")
        findings[name] = quality_of_series(frame.with_columns(pl.exclude("date").cast(pl.Float64)))
        files.append(_facts(name, frame.height, findings[name]))
    bars = clean[0]  # type: ignore[index]
    facts = {
        "symbols": len(bars.symbols),
        "first": str(bars.dates[0]),
        "last": str(bars.dates[-1]),
        "years": round(float((~np.isnan(bars.close.values)).sum()) / 252),
    }
    return {"files": files, "named": [_named(row, findings) for row in NAMED], "clean": clean, "clean_facts": facts}


def market(frame: pl.DataFrame, name: str) -> tuple[Bars, pl.DataFrame, Panel | None]:
    """Bars, actions and adjusted closes of one file."""
    frequency = Frequency.daily("XNYS")
    if "symbol" not in frame.columns:
        frame = frame.with_columns(symbol=pl.lit("VIX"))
    held = [field for field in ("open", "high", "low", "close", "volume") if field in frame.columns]
    panels = {
        field: Panel.from_long(frame.select("date", "symbol", pl.col(field).cast(pl.Float64)), field,
                               frequency=frequency)
        for field in held
    }  # fmt: skip
    bars = Bars(**panels, name=name, adjusted=ADJUSTED[name])
    actions, adj_close = schemas.empty("actions"), None
    if "dividend_amount" in frame.columns:
        none = {"pay_date": pl.lit(None, pl.Date), "note": pl.lit(None, pl.String)}
        actions = pl.concat(
            frame.filter(pl.col(column) != nothing).select("symbol", "date", kind=pl.lit(kind), value=column, **none)
            for column, kind, nothing in (("split_coefficient", "split", 1), ("dividend_amount", "dividend", 0))
        )
        adj_close = Panel.from_long(frame.select("date", "symbol", "adjusted_close"), "adjusted_close")
    return bars, actions, adj_close


def _clean(bars: Bars, actions: pl.DataFrame, adj_close: Panel) -> tuple[Bars, Panel]:
    """The first symbols by name with a bar on every day of the stretch, and all their actions."""
    first, last, number = CLEAN
    part = bars.between(first, last)
    full = [name for name, here in zip(part.symbols, ~np.isnan(part.close.values).any(axis=0), strict=True) if here]
    chosen = sorted(full)[:number]
    held = actions.filter(pl.col("symbol").is_in(chosen) & pl.col("date").is_between(first, last))
    part = part.select(chosen)
    panels = {name: getattr(part, name) for name in part.fields}
    return Bars(**panels, name=bars.name, adjusted="none", actions=held), adj_close.between(first, last).select(chosen)


def _facts(name: str, rows: int, found: pl.DataFrame) -> dict:
    counts = dict(found.group_by("rule").len().sort("rule").rows())
    return {"name": name, "rows": rows, "counts": counts}


def _named(row: tuple, findings: dict[str, pl.DataFrame]) -> dict:
    file, defect, symbol, day, rules = row
    if day is None:
        return {"file": file, "defect": defect, "by": "", "why": rules}
    found = findings[file].filter(pl.col("rule").is_in(rules.split()))
    if day == "gap":
        found = found.filter(pl.col("date") < date(2013, 5, 1))
    else:
        asked = date.fromisoformat(day)
        found = found.filter(
            pl.col("symbol").eq_missing(pl.lit(symbol)),
            pl.col("date") <= asked,
            pl.col("end").fill_null(pl.col("date")) >= asked,
        )
    by = "" if found.height == 0 else f"`{found['rule'][0]}` {found['date'][0]}"
    return {"file": file, "defect": defect, "by": by, "why": "" if by else "no rule named it"}
