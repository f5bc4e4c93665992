"""One pull while it runs: fetch some symbols, compare them with what is stored, commit them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from quantlab.data import schemas
from quantlab.data.ingestion import _restated
from quantlab.data.ingestion._patience import Patience
from quantlab.data.sources._source import Batch, Source, check
from quantlab.data.store._store import Store


@dataclass
class Run:
    """One pull while it runs."""

    store: Store
    dataset: str
    source: Source
    patience: Patience
    tolerance: float
    policy: str
    calendar: str
    start: date | None
    end: date
    exists: bool
    version: int = 0
    added: int = 0
    changed: int = 0
    rejected: int = 0
    commits: int = 0
    restated: list[pl.DataFrame] = field(default_factory=list)
    failures: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def take(
    run: Run, windows: dict[str, date | None], held: dict[str, pl.DataFrame], step: Callable[[], None] | None
) -> None:
    """Fetch some symbols, compare them with what is stored, and commit them together."""
    bars: list[pl.DataFrame] = []
    actions: list[pl.DataFrame] = []
    rejects: list[pl.DataFrame] = []
    for start in sorted(set(windows.values()), key=lambda day: (day is not None, day)):
        names = [symbol for symbol, day in windows.items() if day == start]
        batch = _fetch(run, names, start)
        rejects.append(batch.rejects)
        for symbol in batch.bars["symbol"].unique(maintain_order=True):
            for got in _settled(run, symbol, batch, held.get(symbol)):
                bars.append(got.bars)
                actions.append(got.actions)
                rejects.append(got.rejects)
        for _ in names:
            if step is not None:
                step()
    refused = pl.concat([schemas.empty("rejects"), *rejects], how="diagonal")
    if bars or (refused.height and run.exists):
        _commit(run, bars, pl.concat([schemas.empty("actions"), *actions], how="diagonal"), refused)


def _settled(run: Run, symbol: str, batch: Batch, stored: pl.DataFrame | None) -> list[Batch]:
    """What of a symbol is to be written: what was fetched, its whole history, or nothing."""
    mine = _of(batch, symbol)
    if stored is None:
        return [mine]
    cells = _restated.differences(stored, mine.bars.filter(pl.col("date") <= stored["date"].max()), run.tolerance)
    between = pl.col("date").is_between(day_of(stored["date"].min()), day_of(stored["date"].max()))
    # Delistings and conversions are what the owner adds by hand: no source knows of them.
    told = ~pl.col("kind").is_in(("delisting", "conversion"))
    past = run.store.table(run.dataset, "actions", symbols=symbol).filter(between & told)
    cells = pl.concat([cells, _restated.action_differences(past, mine.actions.filter(between), run.tolerance)])
    if cells.height == 0:
        return [mine]
    policy = run.policy
    if policy == "refetch" and cells["field"].unique().to_list() == ["volume"]:
        policy = "accept"
    done = {"refetch": "refetched", "accept": "accepted", "report": "left"}[policy]
    written = [mine]
    if policy == "report":
        written = []
    elif policy == "refetch":
        whole = _whole(run, symbol)
        written = [] if whole is None else [whole]
        done = done if whole is not None else "left"
    # What the vendor has withdrawn stays until the owner withdraws it too: it may be the vendor that is wrong.
    gone = pl.col("fetched").is_null() & pl.col("field").is_in(past["kind"].unique().to_list())
    kept = cells.filter(gone)
    if policy != "report" and kept.height:
        shown = ", ".join(f"{row['field']} of {row['date']}" for row in kept.head(3).iter_rows(named=True))
        more = f" and {kept.height - 3:,} more" if kept.height > 3 else ""
        run.notes.append(
            f"{symbol}: the vendor has no {shown}{more} any more, and the store has: left as stored. "
            f'`store.update("{run.dataset}", withdraw={{"actions": rows}})` takes out rows of '
            f'`store.table("{run.dataset}", "actions", symbols="{symbol}")`.'
        )
    run.restated.append(cells.with_columns(pl.when(gone).then(pl.lit("left")).otherwise(pl.lit(done)).alias("done")))
    return written


def _whole(run: Run, symbol: str) -> Batch | None:
    """The whole history of a symbol again, or nothing when the source fails."""
    stored = run.store.table(run.dataset, "bars", symbols=symbol)
    first = day_of(stored["date"].min())
    batch = _fetch(run, [symbol], first if run.start is None else min(first, run.start))
    if batch.bars.height == 0:
        return None
    gone = stored.join(batch.bars, on=["symbol", "date"], how="anti").height
    if gone:
        run.notes.append(f"{symbol}: {gone:,} stored bars are not in the new history any more; they stay as they were.")
    return batch


def _fetch(run: Run, names: list[str], start: date | None) -> Batch:
    """Ask the source, again and later for what it could not give yet."""
    batches: list[Batch] = []
    left, tries = list(names), 0
    while left:
        batch = run.source.fetch(tuple(left), start, run.end)
        check(batch, left, start, run.end)
        tries += 1
        batches.append(batch)
        run.notes.extend(note for note in batch.notes if note not in run.notes)
        again = [failure.symbol for failure in batch.failures if failure.transient]
        over = tries >= run.patience.tries
        for failure in batch.failures:
            told = (failure.symbol, failure.reason, tries)
            if (over or not failure.transient) and told not in run.failures:
                run.failures.append(told)
        if over or not again:
            break
        left = again
        run.patience.wait(tries)
    return Batch(
        pl.concat([batch.bars for batch in batches], how="diagonal").sort("symbol", "date"),
        pl.concat([schemas.empty("actions"), *(batch.actions for batch in batches)], how="diagonal"),
        pl.concat([schemas.empty("rejects"), *(batch.rejects for batch in batches)], how="diagonal"),
    )


def _commit(run: Run, frames: list[pl.DataFrame], actions: pl.DataFrame, rejects: pl.DataFrame) -> None:
    # Two answers may name one row: the batch, and the whole history of one of its symbols.
    rejects = rejects.unique(schemas.TABLES["rejects"].key, keep="first", maintain_order=True)
    refused = rejects if rejects.height else None
    run.rejected += rejects.height
    bars = pl.concat(frames, how="diagonal") if frames else None
    if run.exists or bars is None:
        # An empty table would be new to a dataset without one: a version that says nothing.
        events = actions if actions.height else None
        change = run.store.update(run.dataset, bars, actions=events, rejects=refused)
        run.added += change.added
        run.changed += change.changed.height
        run.commits += change.committed
        run.version = change.version
        return
    made = run.store.write(
        run.dataset,
        bars,
        calendar=run.calendar,
        adjusted=run.source.adjusted,
        bar=run.source.bar,
        source=run.source.name,
        units={name: unit for name, unit in run.source.units.items() if name in bars.columns},
        actions=actions,
        rejects=refused,
    )
    run.exists, run.version = True, made.version
    run.added += bars.height + actions.height
    run.commits += 1


def _of(batch: Batch, symbol: str) -> Batch:
    mine = pl.col("symbol") == symbol
    return Batch(batch.bars.filter(mine), batch.actions.filter(mine))


def day_of(moment: Any) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
