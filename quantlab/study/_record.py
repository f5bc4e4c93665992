"""What stays of a sweep: its trials in the log, its rows on a shelf."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.core._atomic import write_atomic
from quantlab.core._lazy import lazy
from quantlab.study._grid import Grid
from quantlab.study._identity import code_hash, settings_hash
from quantlab.study._job import CHARGES, METRICS, Job
from quantlab.study._log import TrialLog
from quantlab.study._run import Batch, Run
from quantlab.study._schedule import Finished
from quantlab.study._shelf import FORMAT, Shelf, one_per_key, schema
from quantlab.study._strategy import name_of
from quantlab.study._variant import plain, variant_key

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

_NUMBERS = (*METRICS, "bars", "final_equity", *CHARGES)


class Record:
    """Rows of a sweep while it runs, in memory alone.

    Parameters
    ----------
    grid : Grid
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._parts: list[pl.DataFrame] = []

    @property
    def folder(self) -> Path | None:
        """Where the rows are kept, None in memory."""
        return None

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def keys(self, grid: Grid) -> Sequence[str]:
        """Return a key for each variant."""
        return [str(number) for number in range(len(grid))]

    def finished(self) -> set[str]:
        """Return the keys of variants that need not run again."""
        return set()

    def begin(self, count: int) -> None:
        """Say that so many variants are going to run."""

    def put(self, finished: Finished) -> None:
        """Take rows."""
        self._parts.append(finished.rows.table)

    def stop(self, status: str, reason: str | None = None) -> None:
        """Say that the sweep ends before its time."""

    def trials(self) -> int | None:
        """Return how many trials the study has had so far, None without a study."""
        return None

    def rows(self) -> pl.DataFrame:
        """Return all rows, in no order."""
        return pl.concat(self._parts) if self._parts else pl.DataFrame(schema=schema())

    def table(self, grid: Grid, keys: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a grid in its order, with its parameters."""
        order = pl.DataFrame({"key": pl.Series(keys, dtype=pl.String)}).with_row_index("variant")
        rows = order.join(self.rows(), on="key", how="left", maintain_order="left")
        columns = [rows["variant"].cast(pl.Int64), *parameter_columns(grid)]
        return pl.DataFrame([*columns, *rows.drop("variant", "key").iter_columns()])


class LoggedRecord(Record):
    """Rows of a sweep in the log and on a shelf.

    Parameters
    ----------
    study : str
    log : TrialLog
    job : Job
    grid : Grid
    """

    def __init__(self, study: str, log: TrialLog, job: Job, grid: Grid) -> None:
        super().__init__(grid)
        self._study, self._log, self._job = study, log, job
        self._identity = identity_of(job)
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", study).strip("-.")[:40]
        folder = f"{slug}-{hashlib.sha256(study.encode()).hexdigest()[:8]}" if slug != study else slug
        self.place: Path = log.folder / "sweeps" / folder / self._identity.name
        self._shelf = Shelf(self.place)
        self._batch: Batch | None = None
        self._open = False

    def __exit__(self, *error: object) -> None:
        if self._batch is not None and self._open and error[0] is None:
            self._log.end(self._batch)

    @property
    def folder(self) -> Path | None:
        return self.place

    def keys(self, grid: Grid) -> Sequence[str]:
        return trial_keys(self._identity.name, grid)

    def finished(self) -> set[str]:
        done = set(self._shelf.rows().filter(pl.col("status") == "done")["key"])
        return done & self._shelf.keys_with_returns() if self._job.keep else done

    def begin(self, count: int) -> None:
        known = self._identity
        about = {"code": known.code, "data": known.data, "data_name": self._job.bars.name, "settings": known.settings}
        if not (self.place / "sweep.json").exists():
            write_atomic(self.place / "sweep.json", json.dumps(about, indent=2, sort_keys=True).encode())
        self._batch = self._log.begin(
            self._study,
            kind="sweep",
            strategy=name_of(self._job.strategy),
            code_hash=known.code,
            data_hash=known.data,
            settings={**known.settings, "grid": self._grid.describe()},
            planned=count,
        )
        self._open = True

    def put(self, finished: Finished) -> None:
        if self._batch is None:
            raise InputError("This record has not begun.", hint="call `begin` first.")
        # First the log: whatever has a row is counted, however this process ends.
        chunk = finished.chunk
        each = finished.seconds / max(len(chunk.keys), 1)
        rows = finished.rows.table.iter_rows(named=True)
        self._log.record(
            self._batch,
            [
                Run(
                    key=row["key"],
                    number=number,
                    params=params,
                    metrics={name: row[name] for name in _NUMBERS if row[name] is not None},
                    status=row["status"],
                    reason=row["reason"],
                    duration=each,
                )
                for number, params, row in zip(chunk.numbers, chunk.variants, rows, strict=True)
            ],
        )
        self._shelf.put(finished.rows)
        self._parts.append(finished.rows.table.filter(pl.col("status") == "failed"))

    def stop(self, status: str, reason: str | None = None) -> None:
        if self._batch is not None:
            self._open = False
            self._log.end(self._batch, status=status, reason=reason)

    def trials(self) -> int | None:
        return self._log.trials(self._study).count

    def rows(self) -> pl.DataFrame:
        # What failed was run again, and may have failed for another reason than before.
        return one_per_key([*self._parts, self._shelf.rows()])

    @property
    def shelf(self) -> Shelf:
        """Where rows and returns lie."""
        return self._shelf


def record_of(study: Any, log: Any, job: Job, grid: Grid) -> Record:
    """Return the record of a sweep; without a study it is kept in memory.

    Raises
    ------
    KindError, InputError
        For a study that is no text or blank, or a log without a study.
    """
    if study is None:
        if log is not None:
            raise InputError("`log` says where studies are, and `study` is None.", hint="name the study.")
        return Record(grid)
    if not isinstance(study, str):
        raise KindError(f"`study` must be the name of a study or None, received {type(study).__name__}.")
    if not study.strip():
        raise InputError("`study` is blank.", hint='name the line of research: `study="momentum"`.')
    return LoggedRecord(study, log if isinstance(log, TrialLog) else TrialLog(log), job, grid)


@dataclass(frozen=True, slots=True)
class Identity:
    """What every number of a job depends on beside its parameters: hashes of code and data, the settings, and a name
    for all three.
    """

    code: str
    data: str
    settings: dict[str, Any]
    name: str


def identity_of(job: Job) -> Identity:
    """Return what the numbers of a job depend on."""
    code, data, settings = code_hash(job.strategy), job.bars.content_hash, settings_of(job)
    whole = settings_hash({"format": FORMAT, "code": code, "data": data, "settings": settings})
    return Identity(code, data, settings, whole[:32])


def trial_keys(name: str, variants: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the keys of variants by the name of an identity: the same configuration is the same trial everywhere."""
    base = hashlib.sha256(name.encode())
    out = []
    for variant in variants:
        digest = base.copy()
        digest.update(variant_key(variant).encode())
        out.append(digest.hexdigest())
    return out


def settings_of(job: Job) -> dict[str, Any]:
    """Return everything beside code, data and parameters that numbers depend on, in plain JSON."""
    terms = job.terms
    values = {"costs": terms.costs, "account": terms.account, "exits": terms.exits, "rebalance": terms.rebalance}
    return {
        **{name: None if value is None else value.parameters() for name, value in values.items()},
        "fill": terms.fill if isinstance(terms.fill, str) else terms.fill.parameters(),
        "unlisted": terms.unlisted,
        "untradable": terms.untradable,
        "delisting": terms.delisting,
        "bars_per_year": job.periods,
    }


def parameter_columns(grid: Grid) -> Iterator[pl.Series]:
    """Yield one column per parameter: numbers, booleans and texts as they are, the rest as text.

    The type of a column follows from all of its values: whole numbers among others are floats, anything else is text.
    """
    for name in grid.parameters:
        values = [_shown(variant[name]) for variant in grid]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1:
            cast: Any = float if kinds == {int, float} else str
            values = [None if value is None else cast(value) for value in values]
        yield pl.Series(name, values)


def _shown(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, frozenset)):
        return repr(value)
    written = plain(value)
    return written if isinstance(written, str) else json.dumps(written)
