"""Where a trial log can be, and in which words it refuses what it is not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

import quantlab
from quantlab.core import InputError, KindError, MissingLibraryError, StoreError
from quantlab.study import _log_tables
from quantlab.study._log import TrialLog
from quantlab.study._run import Run

from .conftest import ESCAPED, PASSWORD

ROOT = Path(quantlab.__file__).resolve().parents[1]


def fill(log: TrialLog) -> TrialLog:
    batch = log.begin("s", kind="sweep")
    log.record(batch, [Run(key="k", metrics={"sharpe": 0.5})])
    log.end(batch)
    return log


def execute(place: str, *statements: str) -> None:
    """Change a log behind its back."""
    if "://" in place:
        engine = sa.create_engine(place.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    else:
        with closing(sqlite3.connect(Path(place, "trials.db"))) as connection, connection:
            for statement in statements:
                connection.execute(statement)


def test_the_default_is_a_folder_here_or_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QUANTLAB_STUDIES", raising=False)
    fill(TrialLog())
    assert (tmp_path / "studies" / "trials.db").is_file()
    monkeypatch.setenv("QUANTLAB_STUDIES", str(tmp_path / "other"))
    fill(TrialLog())
    assert (tmp_path / "other" / "trials.db").is_file()
    monkeypatch.setenv("QUANTLAB_STUDIES", "sqlite:///third.db")
    assert fill(TrialLog()).artifact(1, b"x", name="x")
    assert (tmp_path / "third.db").is_file()
    assert (tmp_path / "artifacts").is_dir()


def test_a_log_stays_where_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = fill(TrialLog("mine"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert log.runs().height == 1
    assert repr(log) == "TrialLog mine/trials.db"
    assert log.artifact(1, b"x", name="x")
    assert (tmp_path / "mine" / "artifacts").is_dir()


@pytest.mark.parametrize("name", ["a?b=c", "100%25", "a#b", "a b", "ü☃", "a:b@c"])
def test_a_folder_may_have_any_name(tmp_path, name):
    fill(TrialLog(tmp_path / name))
    assert (tmp_path / name / "trials.db").is_file()


def test_reading_makes_nothing(place, tmp_path):
    log = TrialLog(place)
    assert log.studies().height == 0
    with pytest.raises(InputError, match="There is no study 's'; there is none yet"):
        log.trials("s")
    assert list(tmp_path.iterdir()) == []
    if "://" in place:
        # It would stand there already.
        execute(place, "CREATE TABLE trials_schema (version int)")


def test_an_empty_file_becomes_a_log(tmp_path):
    (tmp_path / "trials.db").touch()
    log = TrialLog(tmp_path)
    assert log.studies().height == 0
    assert fill(log).studies().height == 1


def test_a_log_that_is_deleted_begins_anew(tmp_path):
    log = fill(TrialLog(tmp_path))
    (tmp_path / "trials.db").unlink()
    assert log.studies().height == 0
    assert fill(log).runs()["run"].to_list() == [1]


def test_sqlite_has_a_write_ahead_log_and_foreign_keys(tmp_path):
    fill(TrialLog(tmp_path))
    with closing(sqlite3.connect(tmp_path / "trials.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    # Nobody writes, so nothing is beside it.
    assert [path.name for path in tmp_path.iterdir()] == ["trials.db"]


def test_another_version_is_refused(place):
    log = fill(TrialLog(place))
    execute(place, "UPDATE trials_schema SET version = 7")
    for use in (TrialLog(place).studies, lambda: TrialLog(place).begin("s", kind="sweep")):
        with pytest.raises(StoreError) as caught:
            use()
        assert caught.value.message == (
            f"The trial log {log._database.place} has layout version 7, and this quantlab reads version "
            f"{_log_tables.VERSION}."
        )
        assert "begin a new log in another place" in caught.value.hint


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "trials.db")) as connection, connection:
        connection.execute("CREATE TABLE songs (title text)")
    before = (tmp_path / "trials.db").read_bytes()
    log = TrialLog(tmp_path)
    for use in (log.studies, lambda: fill(log)):
        with pytest.raises(StoreError, match=r"trials\.db is a database of another program: it has tables such as so"):
            use()
    assert (tmp_path / "trials.db").read_bytes() == before


def test_postgresql_may_hold_other_tables_of_other_names(postgresql):
    place = postgresql("shared")
    execute(place, "CREATE TABLE songs (title text)")
    assert fill(TrialLog(place)).studies().height == 1
    other = postgresql("taken")
    execute(other, "CREATE TABLE trials_songs (title text)")
    with pytest.raises(StoreError, match="database of another program: it has tables such as trials_songs"):
        fill(TrialLog(other))


@pytest.mark.parametrize("content", [b"date,symbol,close\n" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "trials.db").write_bytes(content)
    log = TrialLog(tmp_path)
    for use in (log.studies, lambda: fill(log)):
        with pytest.raises(StoreError, match=r"trials\.db is not a database, or is damaged: .* Hint: put a backup"):
            use()
    assert (tmp_path / "trials.db").read_bytes() == content


def test_a_file_in_the_place_of_the_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(StoreError, match=r"file is a file\. Hint: a trial log is a folder; for one file write"):
        TrialLog(file)
    for place in (file / "studies", f"sqlite:///{file}/x.db"):
        for use in (TrialLog(place).studies, lambda place=place: fill(TrialLog(place))):
            with pytest.raises(StoreError, match=r"The trial log .* cannot be (read|written): .*file is a file\."):
                use()


DENIED = """
import os, sys
from quantlab.core import StoreError
from quantlab.study._log import TrialLog

place = sys.argv[1]
log = TrialLog(place + "/there")
log.end(log.begin("s", kind="sweep"))
# Loaded while it still may be.
log.studies()
for folder in (place, place + "/there"):
    os.chmod(folder, 0o555)
os.mkdir(place + "-closed", 0)
if os.geteuid() == 0:
    os.setuid(65534)
for path in ("/there", "/absent", "-closed/in"):
    for use in (TrialLog.studies, lambda log: log.begin("s", kind="sweep")):
        try:
            print(use(TrialLog(place + path)).height)
        except StoreError as error:
            print(error)
"""


def test_where_nobody_may_write():
    # Not in the folder of the test: only its owner may look into that.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        place = Path(name, "log")
        place.mkdir()
        done = subprocess.run([sys.executable, "-c", DENIED, str(place)], cwd=ROOT, capture_output=True, text=True)
        for folder in (place / "there", place):
            folder.chmod(0o755)
        Path(name, "log-closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace(str(place), "*").splitlines()
    reader, asked = "even a reader must be allowed to write there", "is its folder a folder, and may you write there?"
    assert [line.partition(" Hint: ")[0] for line in said] == [
        "The trial log */there/trials.db cannot be read: attempt to write a readonly database.",
        "The trial log */there/trials.db cannot be written: attempt to write a readonly database.",
        "0",
        "The trial log */absent/trials.db cannot be written: Permission denied.",
        "The trial log *-closed/in/trials.db cannot be read: Permission denied.",
        "The trial log *-closed/in/trials.db cannot be written: Permission denied.",
    ]
    assert [reader in said[0], reader in said[1], *(asked in line for line in said[3:])] == [True] * 5


@pytest.mark.parametrize(
    "place",
    [
        "mysql://user:hush@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "sqlite:///file:x?uri=1",
    ],
)
def test_an_address_that_cannot_be(place):
    with pytest.raises(InputError, match=r'Hint: give a folder, "sqlite:///file.db" or "postgresql://') as caught:
        TrialLog(place)
    assert "hush" not in str(caught.value)


def test_an_address_must_be_text():
    with pytest.raises(KindError, match="`place` must be a folder or the URL of a database, received int"):
        TrialLog(3)


def test_a_password_is_told_to_nobody(postgresql):
    place = postgresql("secret")
    log = fill(TrialLog(place))
    port = sa.make_url(place).port
    assert repr(log) == f"TrialLog postgresql://quantlab@127.0.0.1:{port}/secret"
    texts = [repr(log)]
    wrong = [
        place.replace(ESCAPED, ESCAPED + "x"),
        place.replace("secret", "nowhere"),
        place.replace("quantlab", "nobody"),
        # Nobody listens on the port of multiplexing.
        place.replace(str(port), "1"),
        f"postgresql://quantlab@127.0.0.1:{port}/nowhere?password={ESCAPED}",
    ]
    for address in wrong:
        with pytest.raises(
            StoreError, match=r"^The trial log postgresql://\w+@127.* cannot be reached: conn"
        ) as caught:
            TrialLog(address).studies()
        texts += [str(caught.value), repr(TrialLog(address)), str(caught.value.__cause__)]
    for address in (f"postgresql://quantlab:{PASSWORD}@127.0.0.1:{port}/x", f"postgresql://q:{ESCAPED}@h:port/db"):
        with pytest.raises(
            InputError, match="A trial log cannot be at this postgresql:// address: it is malfo"
        ) as caught:
            TrialLog(address)
        texts.append(str(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    for text in texts:
        assert PASSWORD not in text
        assert ESCAPED not in text


def test_both_spellings_of_postgresql(postgresql):
    place = postgresql("spelled")
    fill(TrialLog(place))
    for scheme in ("postgres://", "postgresql+psycopg://"):
        assert TrialLog(place.replace("postgresql://", scheme)).studies().height == 1


def test_a_server_that_goes_away_is_one_sentence(postgresql):
    place = postgresql("gone")
    log = fill(TrialLog(place))
    execute(place.replace("/gone", "/postgres"), "SELECT 1")
    engine = sa.create_engine(
        place.replace("postgresql://", "postgresql+psycopg://").replace("/gone", "/postgres"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE gone")
    with pytest.raises(StoreError, match=r'cannot be reached: .*database "gone" does not exist\.$'):
        log.runs()


def test_postgresql_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingLibraryError, match=r'needs psycopg.*`pip install "quantlab\[postgres\]"`'):
        TrialLog("postgresql://user@host/db").studies()


def test_importing_the_log_does_not_import_sqlalchemy():
    code = "import sys, quantlab.study._log; sys.exit('sqlalchemy' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_lock_that_is_not_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("quantlab.study._log_database._WAIT", 0.0)
    log = fill(TrialLog(tmp_path))
    with closing(sqlite3.connect(tmp_path / "trials.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert log.runs().height == 1
        with pytest.raises(StoreError, match="cannot be written: another process has held its lock for 0 seconds"):
            log.tag(1, a="b")
    log.tag(1, a="b")


FULL = """
import resource, sys
from quantlab.core import StoreError
from quantlab.study._log import TrialLog
from quantlab.study._run import Run

log = TrialLog(sys.argv[1])
batch = log.begin("s", kind="sweep")
few = [Run(key=f"few {i}", metrics={f"m{j}": i + j / 7 for j in range(20)}) for i in range(10)]
many = [Run(key=f"many {i}", metrics={f"m{j}": i + j / 7 for j in range(20)}) for i in range(5000)]
log.record(batch, few)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
for attempt in range(2):
    try:
        log.record(batch, many)
    except StoreError as error:
        print(error)
print(log.runs().height)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.record(batch, many)
log.end(batch)
print(log.runs().height)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second, there, after = done.stdout.splitlines()
    assert first == second
    assert first.startswith(f"The trial log {tmp_path}/trials.db cannot be written: ")
    assert first.endswith(". Hint: make room on the disk, or look after it; nothing of this call was written.")
    assert (there, after) == ("10", "5010")
    assert TrialLog(tmp_path).runs().height == 5010
