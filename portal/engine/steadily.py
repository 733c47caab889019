"""Transactions of a runner that outlast the faults of the database.

A lock, a deadlock, a restart or a connection that broke says nothing about the work: it is
done again, with growing pauses, for as long as a restart takes. Whoever waits longer would
keep a place in the worker for nothing; its leases run out, and the work is claimed anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.db import Error, connection

from portal.engine.clock import Clock
from portal.outages import WORDS, gist, let_go, outage_of

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Together with a whole turn well below Q_CLUSTER["timeout"].
PATIENCE_SECONDS = 60
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0


def steadily(work: Callable[[], T], clock: Clock) -> T:
    """Do ``work``; while the database cannot, do it again. Raises what is left after a minute.

    The answer of a commit may be lost after it was made: ``work`` must be safe to do twice.
    """
    until: datetime | None = None
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return work()
        except Error as error:
            now = clock.now()
            until = until or now + timedelta(seconds=PATIENCE_SECONDS)
            outage = outage_of(error)
            # A part of a transaction cannot be repeated without the rest of it.
            if outage is None or now >= until or connection.in_atomic_block:
                raise
            log.warning(WORDS[outage].title, error=gist(error), again_in_seconds=pause)
        let_go()
        _wait(now + timedelta(seconds=pause), clock)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _wait(until: datetime, clock: Clock) -> None:
    while clock.now() < until:
        clock.idle(until)
