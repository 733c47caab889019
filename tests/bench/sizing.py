"""What one unit costs, for the sizing table of portal/deployment/README.md. PostgreSQL only.

Each figure is what a worker, the database or a web process spends on one backup, one poll, one
page. The table multiplies them; a machine that is busy with other work gives larger times, not
larger counts or bytes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator, Iterator

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from portal.models import Account, Role, RoleGrant, User
from tests.bench.bulk_backup import back_up
from tests.bench.bulk_scene import account_at, forget, lab_of, worker_of_ours
from tests.bench.figure import Figure

MANY = 300
LONG_SECONDS = 20.0
PAGES = 40


def measure(rounds: int) -> Iterator[Figure]:
    if connection.vendor != "postgresql":
        return
    short = yield from _of_backups()
    with lab_of(MANY, 0, LONG_SECONDS) as (lab, place):
        account = account_at(place)
        with worker_of_ours() as worker:
            run = back_up(account, lab, worker)
        polls = MANY * (run.seconds - LONG_SECONDS * 0.1) / settings.ENGINE_POLL_SECONDS
        yield Figure(
            "a task that waits, CPU a poll, ms", ((run.cpu_seconds - short) * 1000 / polls,)
        )
        forget(account)


def _of_backups() -> Generator[Figure, None, float]:
    """Yield what a backup costs; return the worker's CPU seconds of all."""
    with lab_of(MANY, 0, 0) as (lab, place):
        account = account_at(place)
        with worker_of_ours() as worker:
            # The first makes what protects each desktop.
            back_up(account, lab, worker)
            before = _bytes()
            run = back_up(account, lab, worker)
            grown = {name: size - before[name] for name, size in _bytes().items()}
            yield Figure("connections of a worker", (float(_connections()),))
        yield Figure("a backup, CPU of the worker, ms", (run.cpu_seconds * 1000 / MANY,))
        yield Figure("a backup, calls to the cloud", (run.calls / MANY,))
        for name, size in sorted(grown.items(), key=lambda each: -each[1])[:4]:
            yield Figure(f"a backup, bytes in {name}", (size / MANY,))
        yield Figure("a backup, bytes in all", (sum(grown.values()) / MANY,))
        yield from _of_pages(account)
        forget(account)
    return run.cpu_seconds


def _bytes() -> dict[str, int]:
    """Bytes of each table of ours, indexes included."""
    with connection.cursor() as cursor:
        names = [model._meta.db_table for model in apps.get_models()]
        cursor.execute(
            "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name",
            [names],
        )
        return dict(cursor.fetchall())


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _of_pages(account: Account) -> Iterator[Figure]:
    """Time of a page in the process that makes it, without the network."""
    user = User.objects.create_user("bench@example.org", "a-long-enough-password")
    RoleGrant.objects.create(
        user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=account.organization.customer
    )
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    for name in ("volumes:volume_list", "reporting:task_list"):
        times = []
        for _ in range(PAGES):
            begun = time.perf_counter()
            answer = client.get(reverse(name, args=[account.pk]))
            times.append(time.perf_counter() - begun)
            if answer.status_code != 200:
                raise AssertionError(f"{name}: {answer.status_code}")
        yield Figure(f"{name}, ms", (statistics.median(times) * 1000,))
    RoleGrant.objects.filter(user=user).delete()
    user.delete()
