"""Backup of 1,000 desktops at once, by one worker with its default settings.

Against what the provider allows: so many calls, 100 ms each, 25 in flight. And where the
operation takes long, against the time of a single one. Worker, lab and database share the
machine, so all of their CPU is in the figures; that of the worker is printed, HTTP included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection

from portal.audit import SYSTEM
from portal.models import Account, CloudAccount, Customer, Heartbeat, Organization, Resource, Task
from tests.bench.figure import Figure
from volumes import services
from volumes.selection import Selection

ROOT = Path(__file__).resolve().parents[2]
MANY = 1000
CALL_SECONDS, IN_FLIGHT = 0.1, 25
LONG_SECONDS = 6.0
MOST_SECONDS = 600
GIB = 2**30


@dataclass(frozen=True)
class Run:
    """One bulk backup: how long it took, calls made meanwhile, CPU seconds of the worker."""

    seconds: float
    calls: int
    cpu_seconds: float


def measure() -> Iterator[Figure]:
    first, again = _runs(CALL_SECONDS, 0)
    for name, run in (("first", first), ("second", again)):
        ideal = run.calls * CALL_SECONDS / IN_FLIGHT
        yield Figure(f"{name} backup of 1,000 desktops ÷ ideal", run.seconds / ideal, 1.15)
        yield Figure(f"{name} backup, calls each", run.calls / MANY)
        yield Figure(f"{name} backup, CPU of the worker each, ms", run.cpu_seconds)
    long, _ = _runs(0, LONG_SECONDS)
    # The CPU of 7,000 calls and of the lab that answers them, on the same two cores, is all of it.
    yield Figure("1,000 operations of 6 s ÷ one", long.seconds / LONG_SECONDS)


def _runs(delay: float, operation_seconds: float) -> list[Run]:
    """Back all of them up twice: the second finds what protects them in place."""
    with a_lab(delay, operation_seconds) as (lab, place):
        account = an_account(place)
        with a_worker() as worker:
            runs = [back_up(account, lab, worker) for _ in range(2)]
        forget(account)
    return runs


@contextmanager
def a_lab(
    delay: float, seconds: float, many: int = MANY
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A lab in a process of its own, with so many desktops; see `tests.lab_host`."""
    command = [sys.executable, "-m", "tests.lab_host", str(many), str(delay), str(seconds)]
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
def a_worker() -> Iterator[subprocess.Popen[bytes]]:
    """A cluster with its default settings, that has begun to beat."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "DATABASE_URL": _database_url(),
            "STANDBY_DATA_DIR": folder,
            "SECRETS_KEYS": ",".join(settings.SECRETS_KEYS),
        }
        Heartbeat.objects.all().delete()
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--grace", "1"], cwd=ROOT, env=environment
        )
        try:
            _until(Heartbeat.objects.exists)
            yield worker
        finally:
            worker.terminate()
            worker.wait()


def _database_url() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    base, _, query = os.environ["TEST_DATABASE_URL"].partition("?")
    return f"{base.rpartition('/')[0]}/{name}?{query}"


def _until(is_so: object) -> None:
    assert callable(is_so)
    latest = time.monotonic() + MOST_SECONDS
    while not is_so():
        if time.monotonic() > latest:
            raise TimeoutError("the worker does not get on")
        time.sleep(0.05)


def an_account(place: dict[str, str]) -> Account:
    """An account with all of the lab's desktops."""
    customer = Customer.objects.create(name="Bench")
    organization = Organization.objects.create(customer=customer, name="Bench")
    cloud_account = CloudAccount.objects.create(
        customer=customer, name="lab", kind="ahv", endpoint=place["endpoint"],
        secrets={"user": "admin", "password": "lab-password"}, ca_pem=place["ca"], max_tasks=MANY,
    )  # fmt: skip
    account = Account.objects.create(
        organization=organization, name="Bench", cloud_account=cloud_account
    )
    Resource.objects.bulk_create(
        Resource(
            account=account, cloud_account=cloud_account, kind=Resource.Kind.PERSISTENT_DESKTOP,
            external_id=uuid, name=f"pd-{number:04}", user_name=f"user-{number}",
            size_bytes=40 * GIB,
        )
        for number, uuid in enumerate(place["desktops"])
    )  # fmt: skip
    return account


def back_up(account: Account, lab: subprocess.Popen[str], worker: subprocess.Popen[bytes]) -> Run:
    """Back all of an account's desktops up, by one bulk task."""
    # Nothing of the run before is left to follow up.
    _until(lambda: not Task.objects.active().exists())
    calls, cpu = _calls(lab), _cpu_seconds(worker.pid)
    started_at = time.monotonic()
    task = services.backup_selection(SYSTEM, account, Selection(), name="Bench")
    _until(lambda: not Task.objects.active().filter(pk=task.pk).exists())
    seconds = time.monotonic() - started_at
    task.refresh_from_db()
    if task.memory.get("done") != account.resources.count():
        raise AssertionError(f"not all are done: {task.memory}")
    return Run(seconds, _calls(lab) - calls, _cpu_seconds(worker.pid) - cpu)


def _calls(lab: subprocess.Popen[str]) -> int:
    assert lab.stdin
    lab.stdin.write("calls\n")
    lab.stdin.flush()
    return int(_line(lab.stdout))


def _cpu_seconds(pid: int) -> float:
    """CPU used so far by a process and all below it."""
    ticks = 0
    for process in [pid, *_below(pid)]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        # user, system, and both of children that have ended
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _below(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *_below(child)]
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
