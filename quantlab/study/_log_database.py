"""Where a trial log is: an SQLite file or a PostgreSQL database, opened for each call and closed after it.

Every call is one transaction, so that a crash, a kill or a full disk leaves all of it or nothing. No connection
outlives a call: a log may be used from threads and after a fork, and its file is closed when nobody writes.

SQLite runs with a write-ahead log, so that readers and the writer do not wait for each other; a writer takes the write
lock at its beginning (BEGIN IMMEDIATE) and waits for up to a minute when another has it. New tables are made under a
lock on the folder: changing to the write-ahead log is the one step that SQLite does not wait for.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantlab.core import InputError, MissingLibraryError, QuantlabError, StoreError
from quantlab.core._lazy import lazy
from quantlab.study._log_values import micros

if TYPE_CHECKING:
    import sqlalchemy as sa

    from quantlab.study import _log_tables as t
else:
    sa = lazy("sqlalchemy")
    t = lazy("quantlab.study._log_tables")

_WAIT = 60.0
# Any number: PostgreSQL makes those who name the same one wait for each other.
_LOCK = 7_102_030_501


class Database:
    """A log's tables.

    Parameters
    ----------
    address : pathlib.Path or str
        An SQLite file, or ``sqlite:///file`` or ``postgresql://...``.
    clock : callable () -> datetime

    Attributes
    ----------
    place : str
        The file, or the URL without its password.
    file : pathlib.Path or None
        Of SQLite.
    """

    def __init__(self, address: str | Path, clock: Callable[[], datetime]) -> None:
        self._url = _parsed(address) if isinstance(address, str) else sa.URL.create("sqlite", database=str(address))
        self._clock = clock
        self._engines: dict[str, sa.Engine] = {}
        self._seen: Any = None
        self.file: Path | None = None
        if self._url.get_backend_name() == "sqlite":
            self.place = self._url.database or ""
            self.file = Path(self.place).absolute()
            self._url = self._url.set(database=str(self.file))
        else:
            # Put together from its harmless parts: a query may hold a password too.
            parts = ("postgresql", self._url.username, None, self._url.host, self._url.port, self._url.database)
            self.place = sa.URL.create(*parts).render_as_string()

    def now(self) -> int:
        """The present moment, in microseconds."""
        return micros(self._clock(), "clock")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write; the tables are made when there are none.

        Raises
        ------
        StoreError
            When the database cannot be reached, is not a log of this version, or refuses. Nothing is written then.
        """
        with self._told("written"):
            self._demand()
            with self._engine("write").begin() as connection:
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one state. A log that does not exist yet reads as empty, and is not made.

        Raises
        ------
        StoreError
            As :meth:`writing`.
        """
        with self._told("read"):
            if self._exists():
                with self._engine("read").begin() as connection:
                    yield connection
                return
            engine = sa.create_engine("sqlite://")
            try:
                with engine.begin() as connection:
                    t.metadata.create_all(connection)
                    yield connection
            finally:
                engine.dispose()

    def _engine(self, use: str) -> sa.Engine:
        if use not in self._engines:
            self._engines[use] = self._sqlite(use) if self.file else self._postgresql(use)
        return self._engines[use]

    def _sqlite(self, use: str) -> sa.Engine:
        engine = sa.create_engine(
            self._url, poolclass=sa.NullPool, hide_parameters=True, connect_args={"timeout": _WAIT}
        )

        # The driver begins transactions at moments of its own unless it is told not to.
        @sa.event.listens_for(engine, "connect")
        def _connected(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys = ON")

        @sa.event.listens_for(engine, "begin")
        def _begun(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if use == "write" else "BEGIN")

        return engine

    def _postgresql(self, use: str) -> sa.Engine:
        level = "READ COMMITTED" if use == "write" else "REPEATABLE READ"
        try:
            return sa.create_engine(self._url, poolclass=sa.NullPool, hide_parameters=True, isolation_level=level)
        except ModuleNotFoundError as error:
            raise MissingLibraryError(
                "A trial log in PostgreSQL needs psycopg, which is not installed.",
                hint='`pip install "quantlab[postgres]"`.',
            ) from error

    def _exists(self) -> bool:
        """Whether there are tables of this version; raise when there is something else."""
        if self.file is not None and not self.file.exists():
            folder = next(above for above in self.file.parents if above.exists())
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{folder} is a file")
            return False
        seen = self._identity()
        if self._seen != seen:
            with self._engine("read").begin() as connection:
                if not self._is_ours(connection):
                    return False
            self._seen = seen
        return True

    def _demand(self) -> None:
        """Make the tables where there are none."""
        if self._exists():
            return
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(), self._engine("write").begin() as connection:
            if self.file is None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            if not self._is_ours(connection):
                t.metadata.create_all(connection)
                row = {"version": t.VERSION, "log": secrets.token_hex(16), "created": self.now()}
                connection.execute(sa.insert(t.schema), row)
        self._seen = self._identity()

    def _identity(self) -> Any:
        """What changes when another file takes the place of this one."""
        if self.file is None:
            return self._url
        facts = self.file.stat()
        return facts.st_dev, facts.st_ino

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the folder, and have the write-ahead log; for PostgreSQL nothing of it."""
        if self.file is None:
            yield
            return
        # The folder and not the file: closing any handle of the file would take this process's locks on it away.
        handle = os.open(self.file.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not self.file.exists() or self.file.stat().st_size == 0:
                with contextlib.closing(sqlite3.connect(self.file, timeout=_WAIT)) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
            yield
        finally:
            os.close(handle)

    def _is_ours(self, connection: sa.Connection) -> bool:
        """Whether the tables are there; raise when they are of another version, or of another program."""
        names = sa.inspect(connection).get_table_names()
        if t.schema.name in names:
            version = connection.execute(sa.select(t.schema.c.version)).scalar()
            if version == t.VERSION:
                return True
            raise StoreError(
                f"The trial log {self.place} has layout version {version}, and this quantlab reads version "
                f"{t.VERSION}.",
                hint="open it with the quantlab that wrote it, or begin a new log in another place.",
            )
        foreign = [name for name in names if self.file is not None or name.startswith(t.PREFIX)]
        if foreign:
            raise StoreError(
                f"{self.place} is a database of another program: it has tables such as {foreign[0]} and is no trial "
                f"log.",
                hint="begin the log in another place.",
            )
        return False

    @contextlib.contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Errors of the database and the disk, as one sentence."""
        try:
            yield
        except QuantlabError:
            raise
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self._sentence(error, done) from error

    def _sentence(self, error: Exception, done: str) -> StoreError:
        reason = " ".join(str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).split())
        hint = None
        if "not a database" in reason or "malformed" in reason:
            return StoreError(
                f"{self.place} is not a database, or is damaged: {reason}.",
                hint="put a backup in its place, or begin a new log elsewhere.",
            )
        if isinstance(error, OSError) or "unable to open" in reason:
            hint = "is its folder a folder, and may you write there?"
        elif "readonly" in reason:
            hint = "even a reader must be allowed to write there, since SQLite notes who reads."
        elif "locked" in reason:
            reason = f"another process has held its lock for {_WAIT:.0f} seconds"
        elif any(word in reason for word in ("full", "I/O error", "No space")):
            hint = "make room on the disk, or look after it; nothing of this call was written."
        elif "connection" in reason and not self.file:
            return StoreError(f"The trial log {self.place} cannot be reached: {reason.rstrip('.')}.")
        return StoreError(f"The trial log {self.place} cannot be {done}: {reason.rstrip('.')}.", hint=hint)


def _parsed(url: str) -> sa.URL:
    """The URL for SQLAlchemy, with the drivers that quantlab uses. Its text is in no error: it may hold a password."""
    wanted = 'give a folder, "sqlite:///file.db" or "postgresql://user@host/database".'
    scheme = url.partition("://")[0]
    try:
        if scheme != "sqlite" and url.count("@") > 1:
            # A password with this sign would be cut in two, and its end shown as the name of the server.
            raise ValueError
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise InputError(
            f"A trial log cannot be at this {scheme}:// address: it is malformed.",
            hint=f"{wanted} In a password @ is written %40, : is %3A and / is %2F.",
        ) from None
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if scheme not in ("sqlite", "sqlite+pysqlite"):
        raise InputError(f"A trial log cannot be at {scheme}://.", hint=wanted)
    if parsed.query or parsed.database in (None, "", ":memory:") or str(parsed.database).startswith("file:"):
        raise InputError("A trial log outlives its process, and this SQLite address names no file.", hint=wanted)
    return parsed.set(drivername="sqlite")
