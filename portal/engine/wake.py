"""Wakes: the only thing django-q2 carries. Repeated or lost ones do no harm.

A wake starts a runner in a worker process; it goes on while work is due soon and
then ends. Each wake sent inside a transaction becomes visible with its commit.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import Error
from django_q.tasks import async_task

from portal.outages import WORDS, gist, outage_of

if TYPE_CHECKING:
    from django_q.models import Schedule

    from portal.engine.connections import Connections

log = structlog.get_logger(__name__)

# Well below Q_CLUSTER["timeout"], so that the queue never kills a runner at work.
RUN_SECONDS = 45
WAKE = "portal.engine.wake.run"
TICK = "portal.engine.wake.tick"


def wake_worker() -> None:
    """Tell a worker, with the caller's commit, that a task is due."""
    async_task(WAKE)


def run() -> None:
    """Entry point in a worker: run what is due; ask for another turn if some is left.

    When the database stays away it gives up; what it held is claimed anew, by the next wake.
    """
    from portal.engine.runner import Runner  # the web process never runs it

    try:
        if Runner(connections=kept_connections(os.getpid())).run(seconds=RUN_SECONDS):
            wake_worker()
    except Error as error:
        if not (outage := outage_of(error)):
            raise
        log.error("runner gives up", reason=WORDS[outage].title, error=gist(error))


@cache
def kept_connections(pid: int) -> Connections:
    """The drivers of this process, one turn after the other; not those of one it was forked of."""
    from portal.engine.clock import SystemClock
    from portal.engine.connections import Connections

    return Connections(SystemClock())


def tick() -> None:
    """Once a minute: the sweep that finds what a lost wake would have left lying."""
    from portal.engine.ticks import run_ticks

    run_ticks()
    run()


def ensure_tick() -> Schedule:
    """Make sure the minute's schedule exists, exactly once.

    The queue's table lets two workers that start at once make two. Each removes all but the
    first after its own is there, so the last of them leaves one.
    """
    from django_q.models import Schedule

    ours = Schedule.objects.filter(name="standby tick").order_by("pk")
    wanted = {
        "func": TICK,
        "schedule_type": Schedule.MINUTES,
        "minutes": 1,
        "repeats": -1,
        "cluster": settings.Q_CLUSTER["name"],
    }
    if not ours.update(**wanted):
        Schedule.objects.create(name="standby tick", **wanted)
    first, *others = ours
    for each in others:
        each.delete()
    return first
