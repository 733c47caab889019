"""Calls while operations of one cloud account are waited for: of many as many as of few."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from uuid import UUID

from portal.audit import SYSTEM
from portal.models import Account, Task
from tests.bench.bulk_scene import account_at, calls_of, forget, lab_of, until, worker_of_ours
from tests.bench.figure import Figure
from volumes import services
from volumes.selection import Selection

FEW, MANY = 10, 200
# So long an operation takes, and so long the calls are counted while all of them wait.
LONG_SECONDS, WATCHED_SECONDS = 60.0, 10.0
# One poll more may fall into the time of the one than of the other.
CONSTANT = 1.3


def measure(rounds: int) -> Iterator[Figure]:
    """Once, whatever ``rounds`` says: it takes as long as an operation does."""
    with lab_of(MANY, 0, LONG_SECONDS) as (lab, place):
        account = account_at(place)
        desktops = tuple(account.resources.order_by("name").values_list("pk", flat=True))
        with worker_of_ours():
            few = _calls(account, lab, desktops[:FEW], FEW)
            many = _calls(account, lab, desktops[FEW:], MANY)
            until(lambda: not Task.objects.active().exists())
        forget(account)
    yield Figure("calls while 200 operations wait ÷ 10", (many / few,), CONSTANT)
    yield Figure("calls a second while 200 operations wait", (many / WATCHED_SECONDS,))


def _calls(
    account: Account, lab: subprocess.Popen[str], desktops: tuple[UUID, ...], waiting: int
) -> int:
    """Back them up, wait until so many wait, and count."""
    services.backup_selection(SYSTEM, account, Selection(ids=desktops), name="Bench")
    until(lambda: _waiting() == waiting)
    before = calls_of(lab)
    time.sleep(WATCHED_SECONDS)
    if _waiting() != waiting:
        raise AssertionError("some have ended meanwhile")
    return calls_of(lab) - before


def _waiting() -> int:
    return Task.objects.active().exclude(operation="").count()
