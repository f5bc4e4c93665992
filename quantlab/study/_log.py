"""``TrialLog``: what was tried, with which parameters and on which data, what came of it, and how often.

A *study* is a named line of research. A *batch* is one invocation that tries variants for it, and a *run* is one of
these variants. Every variant counts, because a winner is judged by how many it was chosen from.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantlab.core import InputError, KindError, StoreError
from quantlab.core._lazy import lazy
from quantlab.data.store import _clock
from quantlab.study import _artifacts, _log_abandoned, _log_read, _log_write
from quantlab.study._log_by_hand import OpenRun
from quantlab.study._log_database import Database
from quantlab.study._log_trials import Trials, trials
from quantlab.study._log_values import words
from quantlab.study._run import RUN_STATUSES, Batch, Run, run_key

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa
else:
    pl = lazy("polars")

# A batch of a process that cannot be seen from here is believed to run for so long after its last sign of life.
_PATIENCE = timedelta(days=1)


class TrialLog:
    """The log of trials in a folder, or in a PostgreSQL database.

    Parameters
    ----------
    place : path or str, optional
        A folder, which need not exist, for ``trials.db`` (SQLite) and ``artifacts/`` in it. Or ``sqlite:///file.db``,
        or ``postgresql://user@host/database`` (the extra ``postgres``). By default ``$QUANTLAB_STUDIES``, else the
        folder ``studies``.
    artifacts : path, optional
        The folder for artifacts. By default ``artifacts`` beside the SQLite file; PostgreSQL has no default.
    clock : callable () -> datetime, optional
        Says what time it is; by default the system's clock.

    Raises
    ------
    InputError
        For an address that cannot be one.
    StoreError
        When a file stands in the place of the folder. Every method raises it when the database cannot be reached, is
        of another version or no trial log, or when the disk refuses; nothing of that call is written then.

    Notes
    -----
    Any number of processes may write at the same time. Each call is one transaction: after a crash it is there, or it
    is not. A batch or run that says "running" while its process is dead is marked as "abandoned" when the log is next
    read; where the process cannot be seen (another machine or container, a restart) one day after its last sign of
    life.

    Keep the SQLite file on a disk of this machine: its write-ahead log does not work over a network.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> log = TrialLog(mkdtemp())
    >>> batch = log.begin("momentum", kind="sweep", strategy="twelve_one", planned=2)
    >>> log.record(batch, [
    ...     Run(key="a", number=0, params={"lookback": 126}, metrics={"sharpe": 0.4}),
    ...     Run(key="b", number=1, params={"lookback": 252}, metrics={"sharpe": 0.7}),
    ... ])
    >>> log.end(batch)
    >>> log.runs("momentum").select("run", "lookback", "sharpe").rows()
    [(1, 126, 0.4), (2, 252, 0.7)]

    The same configuration again is the same trial:

    >>> with log.run("momentum", params={"lookback": 252}, key="b") as run:
    ...     run.metric("sharpe", 0.7)
    >>> log.trials("momentum").count
    2
    """

    def __init__(
        self, place: Any = None, *, artifacts: Any = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        if place is None:
            place = os.environ.get("QUANTLAB_STUDIES") or "studies"
        if not isinstance(place, str | os.PathLike):
            raise KindError(f"`place` must be a folder or the URL of a database, received {type(place).__name__}.")
        self._clock = clock or _clock.now
        if isinstance(place, str) and "://" in place:
            self._database = Database(place, self._clock)
        else:
            folder = Path(place).expanduser()
            if _is_file(folder):
                raise StoreError(
                    f"{folder} is a file.", hint=f'a trial log is a folder; for one file write "sqlite:///{folder}".'
                )
            self._database = Database(folder / "trials.db", self._clock)
        file = self._database.file
        self._artifacts = Path(artifacts).expanduser().absolute() if artifacts is not None else None
        if self._artifacts is None and file is not None:
            self._artifacts = file.with_name("artifacts")

    def __repr__(self) -> str:
        return f"TrialLog {self._database.place}"

    @property
    def folder(self) -> Path:
        """Where the files of studies lie: beside the SQLite file; for PostgreSQL beside the artifacts, else
        ``studies``.
        """
        file = self._database.file
        if file is not None:
            return file.parent
        return Path("studies").absolute() if self._artifacts is None else self._artifacts.parent

    def begin(
        self,
        study: str,
        *,
        kind: str,
        strategy: str = "",
        code_hash: str | None = None,
        data_hash: str | None = None,
        settings: Mapping[str, Any] | None = None,
        planned: int | None = None,
        seed: int | None = None,
    ) -> Batch:
        """Open a batch, and its study where that is new.

        Parameters
        ----------
        study : str
            Any text that is not blank.
        kind : "sweep" | "walk_forward" | "single"
        strategy : str
            Its name.
        code_hash, data_hash : str, optional
            Of the strategy and of the bars.
        settings : mapping, optional
            Costs, account, fill, grid, ...; kept as the nearest JSON. The environment (versions, platform) is added by
            itself.
        planned : int >= 0, optional
            How many variants there are to be.
        seed : int in [0, 2**63), optional

        Returns
        -------
        Batch
        """
        opening = _log_write.Opening(
            study=study,
            kind=kind,
            strategy=strategy,
            code_hash=code_hash,
            data_hash=data_hash,
            settings=settings,
            planned=planned,
            seed=seed,
        )
        with self._database.writing() as connection:
            return Batch(_log_write.begin(connection, opening, self._database.now()), study)

    def record(self, batch: Batch | int, runs: Iterable[Run]) -> None:
        """Add runs to a batch, all of them or none; one whose key it has already takes the place of the old.

        No runs at all are a sign of life.
        """
        number = _log_read.number_of(batch)
        rows = _log_write.rows(runs, self._database.now())
        with self._database.writing() as connection:
            _log_write.record(connection, number, rows, self._database.now())

    def end(self, batch: Batch | int, *, status: str = "done", reason: str | None = None) -> None:
        """Close a batch as "done", "interrupted", "abandoned" or "failed"; what still runs in it is abandoned."""
        with self._database.writing() as connection:
            _log_write.end(connection, _log_read.number_of(batch), status, reason, self._database.now())

    @contextmanager
    def run(
        self,
        study: str,
        *,
        params: Mapping[str, Any] | None = None,
        strategy: str = "",
        code_hash: str | None = None,
        data_hash: str | None = None,
        settings: Mapping[str, Any] | None = None,
        seed: int | None = None,
        key: str | None = None,
    ) -> Iterator[OpenRun]:
        """Track one run by hand, in a batch of its own.

        When the block ends, the run is "done"; after an exception, which goes on, it is "failed" with that reason;
        after Ctrl-C it is "abandoned". If the process dies it becomes "abandoned" too.

        Parameters
        ----------
        study, strategy, code_hash, data_hash, settings, seed
            As of :meth:`begin`.
        params : mapping of str to value, optional
            As of ``Run``.
        key : str, optional
            By default :func:`run_key` of the rest when both hashes are given. Without them nobody can say that two
            runs had the same configuration, and so each is a trial of its own.

        Yields
        ------
        OpenRun
            ``metric(name, value)``, ``metrics({...})``, ``tag(name, value)``, ``note(text)``, ``artifact(file)``.
        """
        given = dict(params or {})
        if key is None and code_hash is not None and data_hash is not None:
            key = run_key(given, code_hash=code_hash, data_hash=data_hash, settings=settings, seed=seed)
        opening = _log_write.Opening(
            study=study,
            kind="single",
            strategy=strategy,
            code_hash=code_hash,
            data_hash=data_hash,
            settings=settings,
            planned=1,
            seed=seed,
        )
        key = secrets.token_hex(32) if key is None else key
        first = Run(key=key, number=0, params=given, status="running", started=self._clock(), seed=seed)
        with self._database.writing() as connection:
            batch, number = _log_write.open_run(connection, opening, first, self._database.now())
        handle = OpenRun(self, number, Batch(batch, study), key)
        with handle.closing():
            yield handle

    def studies(self) -> pl.DataFrame:
        """Return one row per study, the oldest first.

        Returns
        -------
        polars.DataFrame
            ``study``, ``batches``, ``runs`` and ``trials`` (how many), ``created`` and ``last`` (UTC; the last sign of
            life).
        """
        with self._reading() as connection:
            return _log_read.studies(connection)

    def batches(self, study: str | None = None) -> pl.DataFrame:
        """Return one row per batch, the oldest first.

        Returns
        -------
        polars.DataFrame
            ``batch``, ``study``, ``kind``, ``strategy``, ``status``, ``reason``, ``planned``, ``runs`` and of them
            ``done``, ``abandoned`` and ``failed``, ``seed``, ``code_hash``, ``data_hash``, ``settings`` and
            ``environment`` (JSON), ``created``, ``heartbeat`` and ``finished`` (UTC).
        """
        with self._reading() as connection:
            return _log_read.batches(connection, study)

    def runs(
        self,
        study: str | None = None,
        *,
        batch: Batch | int | None = None,
        status: str | Sequence[str] | None = None,
        where: pl.Expr | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Return one row per run, the oldest first, with a column for each parameter and each metric.

        Parameters
        ----------
        study : str, optional
            By default all.
        batch : Batch | int, optional
        status : str or sequence of str, optional
            "done", "failed", "abandoned" or "running".
        where : polars.Expr, optional
            On the columns of the result: ``pl.col("sharpe") > 1``.
        tags : mapping of str to str, optional
            Runs that have all of these.

        Returns
        -------
        polars.DataFrame
            ``run``, ``batch``, ``study``, ``key``, ``number``, ``status``, ``reason``, ``seed``, ``created``,
            ``started`` and ``finished`` (UTC), ``duration`` (seconds), then the parameters and the metrics in the order
            in which they first appear.

            A parameter has the type of its values (Int64, Float64, Boolean, String, Date, Datetime; whole and other
            numbers together Float64), and is text where they have several types or one that no column has. A metric is
            Float64, and null where a run has none or it is NaN. Where the name of a parameter or metric is taken, it
            is ``param.name`` or ``metric.name``: a fixed column keeps its name, then a metric, then a parameter.
        """
        wanted = [status] if isinstance(status, str) else status
        for each in wanted or ():
            if each not in RUN_STATUSES:
                raise InputError(f"`status` must be among {', '.join(RUN_STATUSES)}, received {each!r}.")
        number = None if batch is None else _log_read.number_of(batch)
        with self._reading() as connection:
            frame = _log_read.runs(connection, study=study, batch=number, status=wanted, tags=tags)
        try:
            return frame if where is None else frame.filter(where)
        except pl.exceptions.PolarsError as error:
            raise InputError(
                f"`where` does not fit the runs: {str(error).splitlines()[0]}.",
                hint=f"they have the columns {', '.join(frame.columns)}.",
            ) from error

    def params(self, run: int) -> dict[str, Any]:
        """Return the parameters of a run as they went in, ready for ``strategy(bars, **log.params(7))``."""
        with self._reading() as connection:
            return _log_read.params(connection, _log_read.demand(connection, "run", run))

    def compare(self, runs: Sequence[int], *, differing: bool = True) -> pl.DataFrame:
        """Return what sets runs apart: one row per fact, one column per run.

        Parameters
        ----------
        runs : sequence of int
            Their numbers.
        differing : bool
            Leave out facts that all of them share.

        Returns
        -------
        polars.DataFrame
            ``kind`` ("batch", "run", "param", "setting", "environment", "metric"), ``name`` (settings within settings
            with dots), and a column of text named by the number of each run; null where a run has no such thing.
        """
        with self._reading() as connection:
            return _log_read.compare(connection, runs, differing=differing)

    def trials(self, study: str, *, metric: str = "sharpe") -> Trials:
        """Return how many configurations a study has tried, and a metric of theirs.

        Statistics that correct for the choice among trials take these: see ``Trials`` for what counts.
        """
        with self._reading() as connection:
            return trials(connection, study, metric)

    def abandon(self, *, older_than: timedelta) -> int:
        """Mark batches as abandoned whose process cannot be seen from here, after this time without a sign of life.

        Those of dead processes are marked in any case, and those of processes that are seen to live never.

        Returns
        -------
        int
            How many were marked.
        """
        if not isinstance(older_than, timedelta):
            raise KindError(f"`older_than` must be a timedelta, received {older_than!r}.")
        with self._database.reading() as connection:
            seen = _log_abandoned.lost(connection, self._before(older_than))
        if not seen:
            return 0
        with self._database.writing() as connection:
            return _log_abandoned.mark(connection, seen)

    def tag(self, target: int | str, tags: Mapping[str, str] | None = None, /, **more: str) -> None:
        """Set tags of a run (its number) or a study (its name): ``log.tag(7, stage="paper")``; a known one changes."""
        with self._database.writing() as connection:
            _log_write.tag(connection, _log_read.tagged(connection, target), {**(tags or {}), **more})

    def tags(self, target: int | str) -> dict[str, str]:
        """Return the tags of a run or a study, by name."""
        with self._reading() as connection:
            return _log_read.tags(connection, _log_read.tagged(connection, target))

    def note(self, target: int | str, text: str) -> None:
        """Add a note to a run (its number) or a study (its name)."""
        with self._database.writing() as connection:
            _log_write.note(connection, _log_read.tagged(connection, target), text, self._database.now())

    def notes(self, target: int | str) -> pl.DataFrame:
        """Return the notes of a run or a study, the oldest first: ``created`` (UTC), ``text``."""
        with self._reading() as connection:
            return _log_read.notes(connection, _log_read.tagged(connection, target))

    def artifact(self, target: int | Batch, thing: Any, *, name: str | None = None, kind: str = "file") -> str:
        """Keep a file with a run (its number) or a batch.

        Parameters
        ----------
        target : int | Batch
        thing : path or bytes
        name : str, optional
            By default the name of the file. What the target has under this name already is replaced.
        kind : str
            What it is: "tearsheet", "model", ...

        Returns
        -------
        str
            SHA-256 of the bytes, for :meth:`read`. The same bytes are stored once.
        """
        if name is None and not isinstance(thing, str | os.PathLike):
            raise InputError("`name` must be given for bytes.", hint='`name="tearsheet.html"`.')
        data = _artifacts.content(thing)
        facts: dict[str, Any] = {"name": words(Path(thing).name if name is None else name, "`name`")}
        facts |= {"kind": words(kind, "`kind`"), "size": len(data)}
        with self._reading() as connection:
            place = _log_read.holder(connection, target)
        # Before the row that names it: a crash in between leaves a file that nobody asks for.
        sha256 = _artifacts.keep(self._folder(), data)
        with self._database.writing() as connection:
            _log_write.attach(connection, place, {**facts, "sha256": sha256}, self._database.now())
        return sha256

    def artifacts(self, target: int | Batch) -> pl.DataFrame:
        """Return the artifacts of a run or a batch: ``name``, ``kind``, ``sha256``, ``size`` (bytes), ``created``."""
        with self._reading() as connection:
            return _log_read.artifacts(connection, _log_read.holder(connection, target))

    def read(self, sha256: str) -> bytes:
        """Return the bytes of an artifact; StoreError when the file is gone or is not what was kept."""
        return _artifacts.load(self._folder(), sha256)

    def to_mlflow(self, study: str, *, tracking_uri: str | os.PathLike[str], experiment: str | None = None) -> int:
        """Export the runs of a study that have ended to MLflow (the extra ``mlflow``).

        Parameters
        ----------
        study : str
        tracking_uri : str or path
            Of a tracking server, a database or a folder.
        experiment : str, optional
            By default the name of the study.

        Returns
        -------
        int
            How many runs were added: those that are there already stay as they are. Artifacts stay at home.

        Raises
        ------
        MissingLibraryError
            When mlflow is not installed.
        StoreError
            When MLflow refuses.
        """
        from quantlab.study import _log_export, _mlflow

        with self._reading() as connection:
            found = _log_export.finished(connection, study)
        return _mlflow.export(found, experiment=experiment or study, tracking_uri=os.fspath(tracking_uri))

    def _measure(self, run: int, metrics: Mapping[str, Any]) -> None:
        with self._database.writing() as connection:
            _log_write.measure(connection, run, metrics, self._database.now())

    def _close(self, run: OpenRun, status: str, batch_status: str, reason: str | None) -> None:
        with self._database.writing() as connection:
            now = self._database.now()
            _log_write.close(connection, run.id, status, reason, now)
            _log_write.end(connection, run.batch.id, batch_status, reason, now)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees what is dead as abandoned."""
        with self._database.reading() as connection:
            seen = _log_abandoned.lost(connection, self._before(_PATIENCE))
            if not seen:
                yield connection
                return
        with self._database.writing() as connection:
            _log_abandoned.mark(connection, seen)
        with self._database.reading() as connection:
            yield connection

    def _before(self, age: timedelta) -> int:
        return self._database.now() - age // timedelta(microseconds=1)

    def _folder(self) -> Path:
        if self._artifacts is None:
            raise InputError(
                f"{self!r} has no folder for artifacts.", hint='`TrialLog("postgresql://...", artifacts="folder")`.'
            )
        return self._artifacts


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Not for us to see: who asks for what is in it is told.
        return False
