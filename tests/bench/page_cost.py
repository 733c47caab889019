"""What every page costs, as a table: queries, milliseconds, bytes and requests.

For the administrator of an account with thousands of rows, on a server of the test's own. Bytes
are compressed, of the page alone: what else is loaded is the same for all, kept for good, and
asserted with the rest by tests/test_page_cost.py. Milliseconds are of the whole answer, the
middle one of three, and of what its queries take of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from portal.models import Role, RoleGrant, User
from tests.addresses import ours
from tests.bench.figure import Figure
from tests.filled import fill, forget
from tests.page_cost import ACCEPTED, is_page
from tests.people import make_world
from tests.things import make_things

# So many accounts, cloud accounts and servers, and five times as many volumes and backups.
ROWS, TURNS = 1000, 3
# What is left of 60 kB by the styles, the scripts and the icons: 30 kB.
DOCUMENT_KB = 30.0


def measure(rounds: int) -> Iterator[Figure]:
    world = make_world("Page cost")
    fill(world, range(ROWS))
    things = make_things(world)
    person = User.objects.create_user("page-cost@standby.example", "no password of anybody")
    RoleGrant.objects.create(user=person, role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer)
    largest = 0.0
    with override_settings(ALLOWED_HOSTS=[*settings.ALLOWED_HOSTS, "testserver"]):
        client = Client()
        client.force_login(person)
        print(f"  {'page':<44} {'queries':>7} {'ms':>6} {'of SQL':>6} {'kB':>6}")
        for address in ours():
            largest = max(largest, _print(client, address.name, things.path(address)))
    forget(world)
    yield Figure("largest page, kB compressed", (largest,), DOCUMENT_KB)


def _print(client: Client, name: str, path: str) -> float:
    """Print the line of a page; return its kB, 0 for what is no page."""
    taken, of_sql = [], []
    for _ in range(TURNS):
        spent: list[float] = []
        with connection.execute_wrapper(_watch(spent)):
            began = time.perf_counter()
            answer = client.get(path, headers=ACCEPTED)
            taken.append((time.perf_counter() - began) * 1000)
        of_sql.append(sum(spent) * 1000)
        if not is_page(answer):
            return 0.0
    size = len(answer.content) / 1000
    middle, sql = statistics.median(taken), statistics.median(of_sql)
    print(f"  {name:<44} {len(spent):>7} {middle:>6.0f} {sql:>6.0f} {size:>6.1f}", flush=True)
    return size


def _watch(spent: list[float]) -> Any:
    """Note the seconds of each statement."""

    def watched(execute: Any, *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            spent.append(time.perf_counter() - began)

    return watched
