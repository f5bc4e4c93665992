"""What the ``data`` commands print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from quantlab.cli._show import MISSING, line, new_table

if TYPE_CHECKING:
    from quantlab.data import Store
    from quantlab.data.ingestion._import_report import ImportReport
    from quantlab.data.ingestion._pull import PullReport

_MANY = 20
_SEVERITIES = ("error", "warning", "info")


def imported(out: Console, report: ImportReport, store: str) -> None:
    """Print what an import understood, kept, refused, and asks."""
    columns = new_table("Columns", "Column", "Field", "Meaning")
    for row in report.understood.iter_rows():
        columns.add_row(*row)
    out.print(columns)
    line(out, f"{report.files:,} file{_s(report.files)}, {report.rows:,} rows, {report.bars:,} bars kept.")
    for label, fact in (
        ("Dates", report.dates),
        ("Bar", report.bar),
        ("Calendar", report.calendar),
        ("Adjusted", report.adjusted),
    ):
        _fact(out, label, fact.value, fact.evidence)
    if report.actions:
        _fact(out, "Actions", ", ".join(f"{count:,} {kind}s" for kind, count in report.actions.items()), "")
    for note in report.notes:
        _entry(out, "Note", note)
    if report.rejected:
        total = sum(report.rejected.values())
        rules = ", ".join(f"{count:,} by rule {rule}" for rule, count in report.rejected.items())
        _entry(out, "Rejected", f"{total:,} row{_s(total)}: {rules}. They stand in table rejects, as found.")
    for file in report.unread[:_MANY]:
        _entry(out, "Not read", f"{file.reason}{f' Hint: {file.hint}' if file.hint else ''}")
    if len(report.unread) > _MANY:
        _entry(out, "Not read", f"and {len(report.unread) - _MANY:,} files more.")
    for question in report.questions:
        _entry(out, "Question", question)
    if report.replaced:
        _entry(
            out,
            "Replaced",
            f"{report.replaced:,} stored value{_s(report.replaced)}; the version before has them still.",
        )
    what = "is now" if report.committed else "said all of this before: still"
    place = "" if store == "data" else f" --store {store}"
    line(
        out,
        f"{store}: {report.dataset} {what} version {report.version}: {report.symbols:,} symbol{_s(report.symbols)}, "
        f"{report.first} to {report.last}. Next: quantlab data check {report.dataset}{place}",
    )


def pulled(out: Console, report: PullReport) -> None:
    """Print what a pull did."""
    if report.restated.height:
        table = new_table("Restated by the vendor", "Symbol", "Date", "Field", ">Stored", ">Fetched", "Done")
        for row in report.restated.head(_MANY).iter_rows():
            table.add_row(row[0], str(row[1]), row[2], _number(row[3]), _number(row[4]), row[5])
        out.print(table)
        _rest(out, report.restated.height)
    if report.failures.height:
        table = new_table("Not fetched", "Symbol", ">Tries", "Reason")
        for symbol, reason, tries in report.failures.head(_MANY).iter_rows():
            table.add_row(symbol, str(tries), reason)
        out.print(table)
        _rest(out, report.failures.height)
    for note in report.notes[:_MANY]:
        _entry(out, "Note", note)
    if report.rejected:
        _entry(out, "Rejected", f"{report.rejected:,} rows. They stand in table rejects, as found.")
    line(
        out,
        f"{report.dataset} version {report.version}, sessions until {report.end}: {report.asked:,} symbols, "
        f"{report.current:,} up to date before, {report.failures.height:,} failed; {report.added:,} rows added, "
        f"{report.changed:,} values changed, {report.restated['symbol'].n_unique():,} symbols restated.",
    )


def found(out: Console, name: str, findings: pl.DataFrame, *, everything: bool, others: int = 0) -> None:
    """Print findings: one row per rule with its first example, or all of them; `others` were not asked for."""
    if findings.height == 0:
        rest = f" for what you asked; other rules or symbols have {others:,} finding{_s(others)}" if others else ""
        line(out, f"{name}: nothing found{rest}.")
        return
    order = pl.col("severity").replace_strict({word: rank for rank, word in enumerate(_SEVERITIES)}, default=9)
    groups = (
        findings.sort(pl.col("status") != "open", maintain_order=True)
        .group_by("rule", "severity", maintain_order=True)
        .agg(
            (pl.col("status") == "open").sum().alias("open"),
            (pl.col("status") != "open").sum().alias("decided"),
            pl.col("symbol").n_unique().alias("symbols"),
            pl.first("symbol", "date", "detail").name.prefix("first_"),
        )
        .sort(order, pl.col("open"), descending=[False, True])
    )
    table = new_table(f"Findings on {name}", "Severity", "Rule", ">Open", ">Decided", ">Symbols", "First")
    examples = []
    for row in groups.iter_rows(named=True):
        first = " ".join(str(row[key]) for key in ("first_symbol", "first_date") if row[key] is not None)
        numbers = (f"{row[key]:,}" for key in ("open", "decided", "symbols"))
        table.add_row(row["severity"], row["rule"], *numbers, first)
        examples.append((row["rule"], f"{first}: {row['first_detail']}" if first else row["first_detail"]))
    out.print(table)
    if not everything:
        for rule, example in examples:
            _entry(out, rule, example)
    if everything:
        _every(out, findings)
    tally = findings.filter(pl.col("status") == "open")["severity"].to_list()
    counts = ", ".join(f"{tally.count(word):,} {word}{_s(tally.count(word))}" for word in _SEVERITIES)
    more = "" if everything else " --all or --rule RULE lists them, --csv FILE writes them."
    line(out, f"Open: {counts}.{more}")


def decisions(out: Console, name: str, review: pl.DataFrame) -> None:
    """Print the decisions that were taken about a dataset."""
    if review.height == 0:
        line(out, f"{name}: no decision was taken. --help says how to take one.")
        return
    table = new_table(f"Decisions on {name}", "Decision", "Rule", "Symbol", "From", "To", "Note")
    for row in review.iter_rows(named=True):
        table.add_row(
            row["decision"], row["rule"], row["symbol"] or "*", str(row["start"]), str(row["end"] or row["start"]),
            row["note"] or "",
        )  # fmt: skip
    out.print(table)


def reviewed(out: Console, name: str, decided: pl.DataFrame, change: Any) -> None:
    """Print what a review changed."""
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(_tally(decided["decision"])))
    said = f"{name} is now version {change.version}." if change.committed else "All of it was decided so before."
    line(out, f"Decided: {counts}. {said}")


def datasets(out: Console, store: Store) -> None:
    """Print the datasets of a store."""
    frame = store.datasets()
    if frame.height == 0:
        line(out, f"Store {store.path} is empty. `quantlab data sample` or `quantlab data import` fills it.")
        return
    table = new_table(
        f"Store {store.path}", "Dataset", ">Symbols", ">Rows", "First", "Last", "Bar", "Adjusted", ">Version"
    )
    for row in frame.iter_rows(named=True):
        if row["problem"] is not None:
            table.add_row(row["name"], *[MISSING] * 7)
            continue
        table.add_row(
            row["name"], f"{row['symbols']:,}", f"{row['rows']:,}", str(row["first"]), str(row["last"]), row["bar"],
            row["adjusted"], str(row["version"]),
        )  # fmt: skip
    out.print(table)
    for row in frame.filter(pl.col("problem").is_not_null()).iter_rows(named=True):
        _entry(out, row["name"], row["problem"])


def versions(out: Console, name: str, frame: pl.DataFrame) -> None:
    """Print the versions of a dataset."""
    table = new_table(f"Versions of {name}", ">Version", "Committed (UTC)", ">Rows", "Last", ">MiB", "Change")
    for row in frame.iter_rows(named=True):
        if row["problem"] is not None:
            table.add_row(str(row["version"]), MISSING, MISSING, MISSING, MISSING, row["problem"])
            continue
        when = f"{row['committed_at']:%Y-%m-%d %H:%M:%S}"
        size = f"{row['size'] / 2**20:,.1f}"
        table.add_row(str(row["version"]), when, f"{row['rows']:,}", str(row["last"]), size, row["change"])
    out.print(table)


def compared(out: Console, a: str, b: str, frame: pl.DataFrame, *, everything: bool) -> None:
    """Print the disagreements of two datasets: their kinds, then the days."""
    if frame.height == 0:
        line(out, f"{a} and {b} agree.")
        return
    kinds = new_table(f"a is {a}, b is {b}", "Kind", ">Count", ">Symbols")
    groups = frame.group_by("kind").agg(pl.len(), pl.col("symbol").n_unique().alias("symbols")).sort("kind")
    for kind, count, symbols in groups.iter_rows():
        kinds.add_row(kind, f"{count:,}", f"{symbols:,}")
    out.print(kinds)
    shown = (
        frame if everything else frame.sort(pl.col("difference").abs(), descending=True, nulls_last=True).head(_MANY)
    )
    title = "Days" if everything else "The largest"
    table = new_table(title, "Symbol", "Date", "End", "Field", ">a", ">b", ">Difference", "Kind")
    for row in shown.iter_rows(named=True):
        table.add_row(
            row["symbol"] or "*", str(row["date"]), str(row["end"]), row["field"] or "", _number(row["a"]),
            _number(row["b"]), _percent(row["difference"]), row["kind"],
        )  # fmt: skip
    out.print(table)
    if not everything:
        _rest(out, frame.height)


def _every(out: Console, findings: pl.DataFrame) -> None:
    table = new_table("All of them", "Rule", "Symbol", "Date", "End", "Status", "Detail")
    for row in findings.iter_rows(named=True):
        end = "" if row["end"] is None or row["end"] == row["date"] else str(row["end"])
        table.add_row(row["rule"], row["symbol"] or "*", str(row["date"] or ""), end, row["status"], row["detail"])
    out.print(table)
    for rule, action in findings.select("rule", "action").unique(maintain_order=True).iter_rows():
        _entry(out, rule, action)


def _fact(out: Console, label: str, value: str, evidence: str) -> None:
    _entry(out, label, f"{value} ({evidence})" if evidence else value)


def _entry(out: Console, label: str, text: str) -> None:
    """A label and a text that wraps beside it."""
    body = Text(f"{label}: ", style="bold")
    body.append(text, style="not bold")
    out.print(Padding(body, (0, 0, 0, 0)))


def _rest(out: Console, count: int) -> None:
    if count > _MANY:
        line(out, f"and {count - _MANY:,} more.")


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.6g}"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.2f} %"


def _tally(words: Iterable[str]) -> list[tuple[str, int]]:
    listed = list(words)
    return [(word, listed.count(word)) for word in set(listed)]


def _s(count: int) -> str:
    return "" if count == 1 else "s"
