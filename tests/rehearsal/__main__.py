"""`make rehearse`: a production set-up on one machine, and what happens to it.

PostgreSQL over TCP, gunicorn with two processes behind nginx, both as portal/deployment has them,
two worker clusters on hosts of their own (network namespaces), the lab as the cloud, people who
read pages all the while. A host's cable is pulled and put back; web and workers are restarted
one after the other; the disk of the database fills up. Prints what it saw; ends with 1 if any
of it is wrong. Root only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet

from tests.postgres import PrivateServer, running
from tests.rehearsal import network
from tests.rehearsal.disk import Disk

LEASE_SECONDS = 5


def environment(url: str, folder: Path) -> dict[str, str]:
    """A production one: nothing of the shell's but the path."""
    return {
        "PATH": os.environ["PATH"],
        # A database that does not answer any more is noticed in seconds.
        "DATABASE_URL": f"{url}?connect_timeout=5&tcp_user_timeout=10000",
        "SECRET_KEY": os.urandom(40).hex(),
        "SECRETS_KEYS": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "standby.example.org",
        "TRUST_PROXY": "true",
        "EMAIL_URL": "dummymail://",
        "STANDBY_DATA_DIR": str(folder / "data"),
        "WORKERS": "1",
        "ENGINE_LEASE_SECONDS": str(LEASE_SECONDS),
        "ENGINE_POLL_SECONDS": "1",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONUNBUFFERED": "1",
        "STANDBY_REHEARSAL": os.environ["STANDBY_REHEARSAL"],
    }


def _listen_to_the_end() -> None:
    """Whoever ends it, all of it ends in order. A shell's background job ignores SIGINT."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def inside() -> None:
    """On the hub: set up, then tell the story."""
    _listen_to_the_end()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standby-rehearsal-")))
        disk = stack.enter_context(Disk.mounted())
        database = PrivateServer(address=network.HUB, network=network.NETWORK, place=disk.place)
        stack.enter_context(running(database))
        given = environment(database.url, folder)
        admin = psycopg.connect(f"{database.url.rpartition('/')[0]}/postgres", autocommit=True)
        with closing(admin):
            admin.execute("CREATE DATABASE standby")
        for words in (
            ["check", "--deploy", "--fail-level=WARNING"], ["migrate", "--verbosity=0"],
            ["createcachetable"], ["collectstatic", "--noinput", "--verbosity=0"],
            ["migrate", "--check"],
        ):  # fmt: skip
            subprocess.run([sys.executable, "manage.py", *words], env=given, check=True)
        os.environ.clear()
        os.environ.update(given)
        import django

        django.setup()
        from tests.rehearsal.story import tell

        tell(folder, given, database, disk)


def main() -> int:
    """Make the network, and run on its hub."""
    _listen_to_the_end()
    if reason := network.why_not():
        print(f"The rehearsal was skipped. {reason}")
        return 0
    with network.network():
        command = [sys.executable, "-m", "tests.rehearsal", "--inside"]
        return subprocess.run(network.on("hub", command), check=False).returncode


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside()
    else:
        sys.exit(main())
