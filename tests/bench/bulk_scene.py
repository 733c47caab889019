"""What benches of whole backups share: a lab and a worker, each a process of its own, and rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from portal.models import Account, Heartbeat, Task
from tests.desktops import account_with_desktops
from tests.environment import database_url

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 600
GIB = 2**30


@contextmanager
def lab_of(
    desktops: int, delay: float, seconds: float
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A cluster that answers after ``delay`` and snapshots in ``seconds``; and where it is."""
    command = [sys.executable, "-m", "tests.lab_host", str(desktops), str(delay), str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as lab:
        yield lab, json.loads(_line(lab.stdout))
        assert lab.stdin
        lab.stdin.close()


def _line(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline()


@contextmanager
def worker_of_ours() -> Iterator[subprocess.Popen[bytes]]:
    """A cluster with its default settings, that has begun to beat."""
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_of_processes(folder)
        Heartbeat.objects.all().delete()
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--grace", "1"], cwd=ROOT, env=environment
        )
        try:
            until(Heartbeat.objects.exists)
            yield worker
        finally:
            worker.terminate()
            worker.wait()


def environment_of_processes(folder: str) -> dict[str, str]:
    """What a process of the product is given to work on the bench's database."""
    return os.environ | {
        "DATABASE_URL": database_url(),
        "LOG_LEVEL": "WARNING",
        "STANDBY_DATA_DIR": folder,
        "SECRETS_KEYS": ",".join(settings.SECRETS_KEYS),
    }


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, ten minutes at most."""
    latest = time.monotonic() + MOST_SECONDS
    while not is_so():
        if time.monotonic() > latest:
            raise TimeoutError("the worker does not get on")
        time.sleep(0.05)


def account_at(place: dict[str, Any]) -> Account:
    """An account at the lab, with its desktops."""
    machines = {f"pd-{number:04}": uuid for number, uuid in enumerate(place["desktops"])}
    return account_with_desktops(place["endpoint"], place["ca"], machines)


def calls_of(lab: subprocess.Popen[str]) -> int:
    """How many calls the lab has had so far."""
    assert lab.stdin
    lab.stdin.write("calls\n")
    lab.stdin.flush()
    return int(_line(lab.stdout))


def cpu_seconds(pid: int) -> float:
    """CPU used so far by a process and all below it."""
    ticks = 0
    for process in [pid, *below(pid)]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        # user, system, and both of children that have ended
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def largest_mib(pid: int) -> float:
    """What the largest process below one takes, in MiB."""
    sizes = [0]
    for process in below(pid):
        try:
            sizes.append(int(Path(f"/proc/{process}/statm").read_text().split()[1]))
        except OSError:  # it ended meanwhile
            continue
    return max(sizes) * os.sysconf("SC_PAGE_SIZE") / 2**20


def below(pid: int) -> list[int]:
    """The processes a process has started, and those that they have."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *below(child)]
    return found


def forget(account: Account) -> None:
    """Leave the database as it was found."""
    from backups.models import Backup
    from portal.models import AuditEntry, Notification

    Backup.objects.filter(account=account).delete()
    for model in (Notification, AuditEntry):
        model.objects.filter(account=account).delete()
    Task.objects.filter(account=account, parent__isnull=False).delete()
    Task.objects.filter(account=account).delete()
    account.resources.all().delete()
    customer = account.organization.customer
    cloud_account = account.cloud_account
    account.delete()
    if cloud_account:
        Task.objects.filter(cloud_account=cloud_account).delete()
        cloud_account.delete()
    customer.organizations.all().delete()
    customer.delete()
