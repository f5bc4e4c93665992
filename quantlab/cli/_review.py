"""Findings as files, and decisions about them: what ``data check`` and ``data review`` share."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from quantlab.core import InputError, StoreError
from quantlab.core._atomic import write_atomic
from quantlab.data import schemas

if TYPE_CHECKING:
    from quantlab.data import Store

_DECISIONS = ("accept", "quarantine")


def chosen(found: pl.DataFrame, rules: Sequence[str] | None, symbols: Sequence[str] | None) -> pl.DataFrame:
    """Return the findings of these rules and symbols; a rule that does not exist is refused."""
    for rule in rules or ():
        _demand_rule(rule, found)
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


def single(
    store: Store, name: str, rule: str, symbol: str | None, day: str | None, end: str | None, decision: str, note: str
) -> pl.DataFrame:
    """Return one decision as a row of table review."""
    facts = store.describe(name)
    if rule != "*":
        _demand_rule(rule, None)
    if symbol is not None and symbol not in facts.symbols:
        raise InputError(f"Dataset {name} has no symbol {symbol}.", hint=_near(symbol, facts.symbols))
    if day is None:
        raise InputError("A decision needs its day.", hint="--date 2014-05-19, and --end for a run of days.")
    row = (rule, symbol, _day(day, "--date"), None if end is None else _day(end, "--end"), decision, note or None)
    return pl.DataFrame([row], schema=schemas.TABLES["review"].schema, orient="row")


def from_file(store: Store, name: str, path: Path) -> pl.DataFrame:
    """Return the decisions in a file of ``export_open``; rows without one are passed by."""
    symbols = store.describe(name).symbols
    try:
        frame = pl.read_csv(path, infer_schema=False)
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
        if decision not in _DECISIONS:
            raise InputError(f"{where}: a decision is accept or quarantine, received {row['decision']!r}.")
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
        raise InputError(f"There is no rule {rule!r}.", hint=_near(rule, sorted(known)))


def _near(text: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(text, known, n=1)
    return f"did you mean {near[0]}?" if near else None


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{where}: a day is written 2014-05-19, received {text!r}.") from error
