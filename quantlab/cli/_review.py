"""Findings as files, and decisions about them: what ``data check`` and ``data review`` share."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from quantlab.core import InputError, StoreError
from quantlab.core._atomic import write_atomic
from quantlab.data import schemas

if TYPE_CHECKING:
    from quantlab.data import Manifest, Store


def chosen(
    found: pl.DataFrame, rules: Sequence[str] | None, symbols: Sequence[str] | None, facts: Manifest
) -> pl.DataFrame:
    """Return the findings of these rules and symbols; a rule or symbol that does not exist is refused."""
    for rule in rules or ():
        _demand_rule(rule, found)
    have = {*facts.symbols, *found["symbol"].drop_nulls().to_list()}
    for symbol in symbols or ():
        demand_symbol(symbol, have, f"Dataset {facts.dataset}")
    if rules:
        found = found.filter(pl.col("rule").is_in(list(rules)))
    if symbols:
        found = found.filter(pl.col("symbol").is_in(list(symbols)))
    return found


def export(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all."""
    try:
        write_atomic(path, frame.write_csv().encode())
    except StoreError as error:
        raise InputError(error.message, hint=error.hint) from error


def export_open(store: Store, name: str, path: Path) -> int:
    """Write the open findings with empty columns ``decision`` and ``note``; return how many."""
    from quantlab.data.checks._check import check

    found = check(store, name).filter(pl.col("status") == "open", pl.col("date").is_not_null())
    blank = pl.lit(None, dtype=pl.String)
    columns = ["rule", "symbol", "date", "end", "severity", "detail", "action"]
    export(found.select(blank.alias("decision"), blank.alias("note"), *columns), path)
    return found.height


def about(found: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the disagreements about these symbols, and those about all symbols."""
    return found.filter(pl.col("symbol").is_in(list(symbols)) | pl.col("symbol").is_null())


def demand_symbol(symbol: str, have: Collection[str], where: str, word: str = "has no") -> None:
    """Refuse a symbol that is not there, with the nearest one that is."""
    if symbol not in have:
        raise InputError(f"{where} {word} symbol {symbol}.", hint=_near(symbol, sorted(have)))


def demand_findings(store: Store, name: str, decided: pl.DataFrame) -> None:
    """Refuse decisions about places at which no finding is.

    An acceptance must hold the first day of a finding, or it closes none; a quarantine some day of it.
    """
    from quantlab.data.checks._check import check
    from quantlab.data.checks._review import UNDATED

    first = pl.col("date").fill_null(UNDATED)
    found = check(store, name).with_columns(first.alias("date"), pl.col("end").fill_null(first).alias("end"))
    for row in decided.iter_rows(named=True):
        last = row["end"] or row["start"]
        own = found if row["rule"] == "*" else found.filter(pl.col("rule") == row["rule"])
        there = own if row["symbol"] is None else own.filter(pl.col("symbol") == row["symbol"])
        begin = pl.col("date") if row["decision"] == "accept" else pl.col("end")
        if there.filter(pl.col("date") <= last, begin >= row["start"]).height:
            continue
        what = "no finding" if row["rule"] == "*" else f"no finding of rule {row['rule']}"
        days = str(row["start"]) + (f" to {last}" if last != row["start"] else "")
        where = f"at {row['symbol']} {days}" if row["symbol"] is not None else f"on {days}"
        raise InputError(f"There is {what} {where} in {name}.", hint=_nearest(there, row))


def _nearest(there: pl.DataFrame, row: Mapping[str, Any]) -> str:
    """Where findings of that rule and symbol are, the nearest first."""
    days = there.sort((pl.col("date") - pl.lit(row["start"])).abs())["date"].unique(maintain_order=True)
    near = f"the nearest are on {', '.join(str(day) for day in days[:3])}; " if days.len() else ""
    return f"{near}--anyway decides all the same."


def still_quarantined(review: pl.DataFrame, decided: pl.DataFrame) -> list[tuple[str, str]]:
    """Places that were accepted and that a quarantine still covers, each with its rule."""
    last = pl.col("end").fill_null(pl.col("start"))
    held = review.filter(pl.col("decision") == "quarantine").with_columns(last.alias("end"))
    said: list[tuple[str, str]] = []
    for row in decided.filter(pl.col("decision") == "accept").iter_rows(named=True):
        over = held.filter(pl.col("start") <= (row["end"] or row["start"]), pl.col("end") >= row["start"])
        if row["symbol"] is not None:
            over = over.filter(pl.col("symbol").is_null() | (pl.col("symbol") == row["symbol"]))
        place = f"{row['symbol'] or 'every symbol'} {row['start']}"
        said.extend((place, rule) for rule in over["rule"].unique(maintain_order=True))
    return said


def demand_decided(review: pl.DataFrame, withdrawn: pl.DataFrame) -> None:
    """Refuse to withdraw a decision that was never taken."""
    row = withdrawn.row(0, named=True)
    standing = review.filter(pl.col("decision") != "withdrawn", pl.col("start") == row["start"])
    at = standing.filter(pl.col("symbol").eq_missing(pl.lit(row["symbol"], dtype=pl.String)))
    if at.filter(pl.col("rule") == row["rule"]).height == 0:
        rules = at["rule"].unique(maintain_order=True).to_list()
        hint = (
            f"there the decisions are about --rule {', '.join(rules)}." if rules else "`review` alone lists them all."
        )
        place = f"{row['symbol'] or 'every symbol'} {row['start']}"
        raise InputError(f"Nothing was decided about rule {row['rule']} at {place}.", hint=hint)


def single(
    store: Store, name: str, rule: str, symbol: str | None, day: str | None, end: str | None, decision: str, note: str
) -> pl.DataFrame:
    """Return one decision as a row of table review."""
    facts = store.describe(name)
    if rule != "*":
        _demand_rule(rule, None)
    if symbol is not None:
        demand_symbol(symbol, facts.symbols, f"Dataset {name}")
    if day is None:
        raise InputError("A decision needs its day.", hint="--date 2014-05-19, and --end for a run of days.")
    row = (rule, symbol, _day(day, "--date"), None if end is None else _day(end, "--end"), decision, note or None)
    return pl.DataFrame([row], schema=schemas.TABLES["review"].schema, orient="row")


def from_file(store: Store, name: str, path: Path) -> pl.DataFrame:
    """Return the decisions in a file of ``export_open``; rows without one are passed by."""
    symbols = store.describe(name).symbols
    try:
        with path.open("rb") as opened:
            head = opened.readline()
        # Spreadsheets of half of Europe save with semicolons.
        separator = ";" if head.count(b";") > head.count(b",") else ","
        frame = pl.read_csv(path, infer_schema=False, separator=separator)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {reason}.") from error
    for column in ("decision", "rule", "symbol", "date"):
        if column not in frame.columns:
            raise InputError(f"{path} has no column `{column}`; it has {', '.join(frame.columns)}.")
    rows = []
    for line, row in enumerate(frame.iter_rows(named=True), 2):
        decision = (row["decision"] or "").strip().lower()
        if not decision:
            continue
        where = f"{path} line {line}"
        if decision not in schemas.DECISIONS:
            raise InputError(f"{where}: a decision is accept, quarantine or withdrawn, received {row['decision']!r}.")
        if row["rule"] != "*":
            _demand_rule(row["rule"], None)
        if row["symbol"] is not None and row["symbol"] not in symbols:
            raise InputError(f"{where}: dataset {name} has no symbol {row['symbol']}.")
        end = row.get("end")
        last = None if not end else _day(end, where)
        rows.append((row["rule"], row["symbol"], _day(row["date"] or "", where), last, decision, row.get("note")))
    if not rows:
        raise InputError(
            f"{path} holds no decision.", hint="write accept or quarantine into its column `decision`, then apply it."
        )
    table = pl.DataFrame(rows, schema=schemas.TABLES["review"].schema, orient="row")
    key = ["rule", "symbol", "start"]
    # Two findings of a rule on a bar (its high and its low) are decided together.
    torn = table.group_by(key, maintain_order=True).agg(pl.col("decision").n_unique()).filter(pl.col("decision") > 1)
    if torn.height:
        rule, symbol, start, _ = torn.row(0)
        raise InputError(f"{path} both accepts and quarantines {rule} of {symbol or 'all symbols'} {start}.")
    return table.unique(key, keep="first", maintain_order=True)


def _demand_rule(rule: str, found: pl.DataFrame | None) -> None:
    from quantlab.data.checks._findings import RULES
    from quantlab.data.ingestion._rows import RULES as REFUSALS

    known = {*RULES, *REFUSALS, *([] if found is None else found["rule"].to_list())}
    if rule not in known:
        raise InputError(
            f"There is no rule {rule!r}; there are {', '.join(sorted(known))}.", hint=_near(rule, sorted(known))
        )


def _near(text: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(text, known, n=1)
    return f"did you mean {near[0]}?" if near else None


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{where}: a day is written 2014-05-19, received {text!r}.") from error
