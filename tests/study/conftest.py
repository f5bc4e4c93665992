"""A PostgreSQL server of the tests' own, and a clock that they can set."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

# With characters that a URL must escape, so that a password in an error would be seen in either spelling.
PASSWORD, ESCAPED = "s3cr:t@/x", "s3cr%3At%40%2Fx"


class Clock:
    """Ticks once a second, and whenever a test says so."""

    def __init__(self) -> None:
        self.moment = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[str], str]]:
    """``postgresql(name)`` makes an empty database and returns its URL.

    The server is private: a new cluster in a temporary folder, on a free port of this machine. Where PostgreSQL is not
    installed the tests are skipped, but not in CI.
    """
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(binaries[-1]) if binaries else shutil.which("initdb")
    if found is None:
        absent("PostgreSQL is not installed: it is Debian's package postgresql.")
    user: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root.
        if shutil.which("runuser") is None or subprocess.run(["id", "postgres"], capture_output=True).returncode:
            absent("PostgreSQL does not run as root, and there is no user postgres.")
        user = ["runuser", "-u", "postgres", "--"]
    with tempfile.TemporaryDirectory(prefix="quantlab-postgresql-") as name:
        folder, binary = Path(name), Path(found).resolve().parent
        (folder / "password").write_text(PASSWORD + "\n")
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        run = Server(folder, binary, user)
        run("initdb", "--username=quantlab", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # A test's database need not survive a power cut.
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "--wait", f"--log={folder / 'log'}", f"--options={options}", "start")
        try:
            address = f"postgresql://quantlab:{ESCAPED}@127.0.0.1:{port}"

            def create(name: str) -> str:
                run("createdb", "--host=127.0.0.1", f"--port={port}", "--username=quantlab", name)
                return f"{address}/{name}"

            yield create
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")


class Server:
    """Runs PostgreSQL's programs on one cluster, as a user who may."""

    def __init__(self, folder: Path, binary: Path, user: list[str]) -> None:
        self.folder, self.binary, self.user = folder, binary, user

    def __call__(self, program: str, *arguments: str) -> None:
        given = {"PGDATA": str(self.folder / "data"), "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"}
        with (self.folder / f"{program}.out").open("w+") as out:
            # Into a file: the server keeps what it is given open for as long as it lives.
            command = [*self.user, str(self.binary / program), *arguments]
            done = subprocess.run(command, cwd=self.folder, env=os.environ | given, stdout=out, stderr=out, check=False)
            out.seek(0)
            assert done.returncode == 0, out.read()


def absent(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"Required in CI. {reason}")
    pytest.skip(reason)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new log can be: in a folder, and in PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "studies")
    return request.getfixturevalue("postgresql")(f"log_{os.urandom(6).hex()}")
