"""``quantlab data ...``: bring prices into a store, look at what is there, find what is wrong, decide about it.

Here stand the commands and their options; the work is done in ``quantlab.data``, the printing in ``_show_data``, the
decisions in ``_review``.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from datetime import date as date_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quantlab.core import InputError

if TYPE_CHECKING:
    from quantlab.data import Store

FINDINGS = 3

data = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Datasets in a store: bring prices in (import, pull, sample), look at them (list, versions, compare), "
        "find what is wrong with them (check) and decide about it (review)."
    ),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]
StorePath = Annotated[str, typer.Option("--store", help="The store: a folder, or a URL such as s3://bucket/prefix.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
HOME = "data"


@data.command("sample", short_help="Fill a store with sample data, offline.")
def sample(
    store: Annotated[Path, typer.Option(help="The folder of the store; made if it is missing.")] = Path(HOME),
    debug: Debug = False,
) -> None:
    """Fill a store with sample data, offline, and say what they are and what they are not."""
    from quantlab.cli import _show
    from quantlab.data import Store, samples

    with _show.progress() as progress:
        step = progress("sample data", 1)
        written = samples.fill(Store(store))
        step()
    _show.samples(_show.console(), written, store)


@data.command("import", short_help="Bring files of prices into a store.")
def import_(
    path: Annotated[str, typer.Argument(metavar="PATH", help='A CSV or Parquet file, a folder, or "prices/*.csv".')],
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="What to call it in the store.")],
    store: StorePath = HOME,
    calendar: Annotated[
        str | None, typer.Option(help="Whose sessions the dates are: XNYS, XLON, ..., 24/7. Else: what they fit.")
    ] = None,
    adjusted: Annotated[
        str | None,
        typer.Option(help="none (as traded), split, total_return or unknown. Else: what the file proves."),
    ] = None,
    bar: Annotated[str | None, typer.Option(help="Length of a bar: 1d, 1min, 5min, 1h. Else: the steps.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Which column is a field: close=Last. May be repeated."),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option(help='The symbol of a file without a column for it; in a folder "daily_{symbol}.csv".'),
    ] = None,
    date_format: Annotated[str | None, typer.Option(help="%m/%d/%Y, %d.%m.%Y, epoch_s, epoch_ms, ...")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Whose clock times show: America/New_York.")] = None,
    stamp: Annotated[str | None, typer.Option(help="Whether times name the start or the end of a bar.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between two fields; \\t for a tab.")] = None,
    decimal: Annotated[str | None, typer.Option(help='The mark before decimals: "." or ",".')] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files: utf-8 (usual), cp1252, ...")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(metavar="VALUE", help="Another value that means unknown: 0, -999, ...")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only rows with this value in this column.")
    ] = None,
    wide: Annotated[
        str | None, typer.Option(metavar="close", help="The table has a date and one column per symbol: its close.")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=UNIT", help='Unusual units: close="index points".')
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where the data come from; by default the path.")] = None,
    note: Annotated[str, typer.Option(help="What a user must know of them.")] = "",
    update: Annotated[bool, typer.Option("--update", help="Add to the dataset and correct it.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write the dataset anew; old versions stay.")] = False,
    debug: Debug = False,
) -> None:
    """Store the prices of files as a dataset, and say what was understood.

    What the files do not prove is not guessed. The adjustment is then stored as unknown, with a question; a symbol,
    time zone or calendar that cannot be known is asked for before anything is written. Rows that cannot be bars are
    kept in table rejects; files that cannot be read are listed, and the others are taken (exit code 3).
    """
    from quantlab.cli import _show, _show_data
    from quantlab.data.ingestion._import import ingest

    if update and replace:
        raise InputError("--update and --replace exclude each other.")
    layout: dict[str, Any] = {
        "columns": _pairs(column, "--column", "close=Last"),
        "where": _pairs(where, "--where", "source=A"),
        "missing": tuple(missing or ()),
        "separator": "\t" if separator == "\\t" else separator,
        "symbol": symbol,
        "date_format": date_format,
        "time_zone": time_zone,
        "stamp": stamp,
        "decimal": decimal,
        "encoding": encoding,
        "wide": wide,
    }
    with _show.progress() as progress:
        step = progress(f"import {path}", 0)
        report = ingest(
            path,
            store=_store(store),
            dataset=dataset,
            calendar=calendar,
            adjusted=adjusted,
            bar=bar,
            source=source,
            note=note,
            units=_pairs(unit, "--unit", "close=points"),
            mode="update" if update else "replace" if replace else "new",
            **layout,
        )
        step()
    _show_data.imported(_show.console(), report, store)
    _end(report.clean)


@data.command("pull", short_help="Bring a dataset up to date from a source.")
def pull(
    name: Name,
    source: Annotated[str, typer.Option(help="yfinance, csv:PATH, parquet:PATH, or samples:NAME.")],
    symbols: Annotated[str | None, typer.Option(metavar="A,B", help="Which; by default those of the dataset.")] = None,
    symbols_from: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with one symbol per line; # begins a remark.")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="DAY", help="First day of symbols that are new.")] = None,
    end: Annotated[
        str | None, typer.Option(metavar="DAY", help="Last day; by default the last session that is over.")
    ] = None,
    store: StorePath = HOME,
    overlap: Annotated[int, typer.Option(help="Stored sessions to ask for again and compare.")] = 5,
    chunk: Annotated[
        int | None, typer.Option(help="Symbols per commit; by default 25, and of files all at once.")
    ] = None,
    on_restated: Annotated[
        str,
        typer.Option(help="A symbol whose stored days come back changed: refetch all of it, report, or accept."),
    ] = "refetch",
    tries: Annotated[int, typer.Option(help="Requests for a symbol, with growing pauses between them.")] = 5,
    calendar: Annotated[str | None, typer.Option(help="Whose sessions, where the source does not know.")] = None,
    debug: Debug = False,
) -> None:
    """Bring a dataset up to date from a source; run it again and it goes on where it stopped.

    Only sessions that are over are asked for. The last stored sessions are asked for again: a vendor that has changed
    them is reported, and its history fetched anew. What could not be fetched is listed (exit code 3).
    """
    from quantlab.cli import _show, _show_data
    from quantlab.data.ingestion._patience import Patience
    from quantlab.data.ingestion._pull import pull as run

    chosen = _symbols(symbols, symbols_from)
    with _show.progress() as progress:
        report = run(
            _store(store),
            name,
            _source(source, calendar),
            chosen,
            start,
            end,
            overlap=overlap,
            chunk=chunk,
            on_restated=on_restated,
            calendar=calendar,
            patience=Patience(tries=tries),
            progress=progress,
            clock=lambda: datetime.now(UTC),
        )
    _show_data.pulled(_show.console(), report)
    _end(report.clean)


@data.command("check", short_help="List what looks wrong in a dataset.")
def check(
    name: Name,
    store: StorePath = HOME,
    fail_on: Annotated[
        str, typer.Option(help="Open findings of this severity or worse end with exit code 3: error, warning, info.")
    ] = "error",
    rule: Annotated[list[str] | None, typer.Option(help="Only findings of this rule. May be repeated.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Only findings of this symbol. May be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every finding, not the first of each rule.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the findings to a file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, and nothing else.")] = False,
    known_at: Annotated[str | None, typer.Option(metavar="MOMENT", help="Check what the store knew then.")] = None,
    debug: Debug = False,
) -> None:
    """List what looks wrong in a dataset: gaps, spikes, missed splits, stale prices, refused rows, ...

    A finding is a place to look at, not a verdict; nothing is changed. Exit code 3 when findings are open at or above
    --fail-on. Decide about them with `quantlab data review`.
    """
    from quantlab.cli import _review, _show, _show_data
    from quantlab.data.checks._check import check as run

    levels = ("error", "warning", "info")
    if fail_on not in levels:
        raise InputError(f"--fail-on must be one of {', '.join(levels)}, received {fail_on!r}.")
    place = _store(store)
    with _show.progress() as progress:
        step = progress(f"check {name}", 0)
        found = run(place, name, known_at=known_at)  # type: ignore[arg-type]
        step()
    whole = found
    found = _review.chosen(whole, rule, symbol, place.describe(name, known_at=known_at))
    out = _show.console()
    if csv is not None:
        _review.export(found, csv)
    if json:
        typer.echo(found.write_json())
    else:
        _show_data.found(out, name, found, everything=everything or bool(rule), others=whole.height - found.height)
        if csv is not None:
            _show.path(out, "Findings", csv)
    bad = levels[: levels.index(fail_on) + 1]
    _end(not any(row[1] in bad for row in found.filter(status="open").select("status", "severity").iter_rows()))


@data.command("review", short_help="Decide about findings, or list decisions.")
def review(
    name: Name,
    store: StorePath = HOME,
    rule: Annotated[str, typer.Option(help="The rule of the findings; * for all.")] = "*",
    symbol: Annotated[str | None, typer.Option(help="The symbol; every symbol when it is left out.")] = None,
    date: Annotated[str | None, typer.Option(metavar="DAY", help="The first day.")] = None,
    end: Annotated[str | None, typer.Option(metavar="DAY", help="The last day; by default the first.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="It is genuine: do not list it as open again.")] = False,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Load these bars as missing from now on.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the decision of this rule and day back.")] = False,
    note: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Decide also where no finding is.")] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE.csv", help="Write the open findings to decide about them in a file."),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option("--apply", metavar="FILE.csv", help="Take over the column `decision` of such a file."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Decide about findings; without a decision, list those that were taken.

    One at a time: --rule spike --symbol CHD --date 2014-05-19 --quarantine. Many at once: --export FILE.csv, write
    accept or quarantine into its column `decision`, --apply FILE.csv. Decisions are part of the dataset, and every one
    is a version: what was loaded before stays readable.
    """
    from quantlab.cli import _review, _show, _show_data

    place = _store(store)
    out = _show.console()
    if sum((accept, quarantine, withdraw, export is not None, apply is not None)) > 1:
        raise InputError("--accept, --quarantine, --withdraw, --export and --apply exclude each other.")
    if export is not None:
        count = _review.export_open(place, name, export)
        _show.line(out, f"{count:,} open findings. Write accept or quarantine into column `decision`, then --apply.")
        _show.path(out, "Findings", export)
        return
    if accept or quarantine or withdraw:
        decision = "accept" if accept else "quarantine" if quarantine else "withdrawn"
        decided = _review.single(place, name, rule, symbol, date, end, decision, note)
    elif apply is not None:
        decided = _review.from_file(place, name, apply)
    else:
        _show_data.decisions(out, name, place.table(name, "review"))
        return
    if withdraw:
        _review.demand_decided(place.table(name, "review"), decided)
    elif not anyway:
        _review.demand_findings(place, name, decided)
    change = place.review(name, decided)
    _show_data.reviewed(out, name, decided, change)
    for where, rule_ in _review.still_quarantined(place.table(name, "review"), decided):
        _show.line(out, f"{where}: still quarantined by rule {rule_}.")


@data.command("list", short_help="List the datasets of a store.")
def list_(store: StorePath = HOME, debug: Debug = False) -> None:
    """List the datasets of a store."""
    from quantlab.cli import _show, _show_data

    _show_data.datasets(_show.console(), _store(store))


@data.command("versions", short_help="List the versions of a dataset.")
def versions(name: Name, store: StorePath = HOME, debug: Debug = False) -> None:
    """List the versions of a dataset: any of them can be read with `store.bars(name, known_at=...)`."""
    from quantlab.cli import _show, _show_data

    _show_data.versions(_show.console(), name, _store(store).versions(name))


@data.command("compare", short_help="List the days on which two datasets disagree.")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A dataset.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    store: StorePath = HOME,
    field: Annotated[list[str] | None, typer.Option(help="close (usual), open, high, low, volume.")] = None,
    tolerance: Annotated[float, typer.Option(help="Relative; smaller differences are none.")] = 1e-3,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol. May be repeated.")] = None,
    adjust: Annotated[
        str | None, typer.Option(help="Compare after adjustment: split or total_return. Else: as they are stored.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every disagreement.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write them to a file.")] = None,
    debug: Debug = False,
) -> None:
    """List the days on which two datasets disagree, and on whose side the odd value is."""
    from quantlab.cli import _review, _show, _show_data
    from quantlab.data.adjustment._compare import compare as run

    place = _store(store)
    out = _show.console()
    # All symbols: what a whole market does together is told from them.
    one, other = (_adjusted(place, each, adjust, out) for each in (a, b))
    for name in symbol or ():
        _review.demand_symbol(name, {*one.symbols, *other.symbols}, f"Of {a} and {b} none", "has")
    found = run(one, other, fields=tuple(field or ("close",)), tolerance=tolerance)
    if symbol:
        found = _review.about(found, symbol)
    if csv is not None:
        _review.export(found, csv)
    _show_data.compared(out, a, b, found, everything=everything)
    if csv is not None:
        _show.path(out, "Days", csv)


@data.command("prune", short_help="Free old versions of a dataset.")
def prune(
    name: Name,
    before: Annotated[
        str,
        typer.Option(
            metavar="DAY",
            help="Free what was no longer in force when this day began (UTC): what was committed on it stays.",
        ),
    ],
    store: StorePath = HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be freed, and free nothing.")] = False,
    debug: Debug = False,
) -> None:
    """Free old versions of a dataset; the newest always stays."""
    import polars as pl

    from quantlab.cli import _show

    moment = _moment(before)
    if dry_run:
        versions = _store(store).versions(name).sort("version")
        held = versions.filter(pl.col("committed_at") <= moment)["version"]
        gone = versions.filter(pl.col("version") < held[-1])["version"].to_list() if held.len() else []
        said = f": {', '.join(str(number) for number in gone)}" if gone else ""
        _show.line(_show.console(), f"{name}: would free {len(gone):,} version{'s'[: len(gone) != 1]}{said}.")
        return
    freed = _store(store).prune(name, before=moment)
    kept = f"{name}: freed {len(freed.versions):,} versions and {freed.files:,} files, {freed.size / 2**20:,.1f} MiB."
    _show.line(_show.console(), kept)


def _store(path: str) -> Store:
    from quantlab.data import Store

    return Store(path)


def _adjusted(store: Store, name: str, adjust: str | None, out: Any) -> Any:
    """The bars of a dataset, adjusted if they can be; that they cannot is said."""
    from quantlab.cli import _show

    if adjust not in (None, "none", "split", "total_return"):
        raise InputError(f"--adjust must be one of none, split, total_return, received {adjust!r}.")
    try:
        return store.bars(name, adjust=adjust)
    except InputError as error:
        if adjust is None:
            raise
        _show.line(out, f"{name} is compared as it is stored: {error.message}")
        return store.bars(name)


def _moment(text: str) -> Any:
    """The beginning of a day in UTC; anything else as it was written."""
    try:
        return datetime.combine(date_.fromisoformat(text), time.min, tzinfo=UTC)
    except ValueError:
        return text


def _end(clean: bool) -> None:
    if not clean:
        raise typer.Exit(FINDINGS)


def _pairs(texts: list[str] | None, option: str, example: str) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} needs the form {example}, received {text!r}.")
        pairs[name] = value
    return pairs


def _symbols(texts: str | None, file: Path | None) -> tuple[str, ...] | None:
    if texts is not None and file is not None:
        raise InputError("--symbols and --symbols-from exclude each other.")
    if texts is not None:
        names = [text.strip() for text in texts.split(",")]
    elif file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        names = [line.partition("#")[0].strip() for line in lines]
    else:
        return None
    names = [name for name in names if name]
    if not names:
        raise InputError(f"{'--symbols' if file is None else file} names no symbol.")
    return tuple(dict.fromkeys(names))


def _source(text: str, calendar: str | None) -> Any:
    from quantlab.data import sources

    kind, _, rest = text.partition(":")
    if kind == "yfinance" and not rest:
        return sources.YFinance(calendar=calendar or "XNYS")
    if kind in ("csv", "parquet") and rest:
        made = sources.Csv if kind == "csv" else sources.Parquet
        return made(rest, calendar=calendar)
    if kind == "samples":
        return sources.Samples(rest or "sample")
    raise InputError(
        f"There is no source {text!r}.", hint="there are yfinance, csv:PATH, parquet:PATH and samples:NAME."
    )
