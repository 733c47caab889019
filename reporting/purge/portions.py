"""One batch after another of a type: how far it came is plain JSON, for the task's memory."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from portal.audit import SYSTEM, Actor, record
from reporting.models import DataAvailability
from reporting.purge.batches import referring_to, remove_batch
from reporting.purge.rules import SIGN_INS, Due, Source, due

# A batch as long as this keeps nobody waiting; its size goes after it.
AIM_SECONDS = {"postgresql": 0.02, "sqlite": 0.01}
FIRST = 500
MOST = {"postgresql": 20_000, "sqlite": 1000}
# Smaller ones do not help: where they take long, it is not their rows, but a busy machine. A row
# that others refer to takes fifty times as long.
LEAST, LEAST_REFERRED = {"postgresql": 5000, "sqlite": 1000}, 250


@dataclass(frozen=True)
class Progress:
    """How far a purge of one type has come.

    ``source`` counts its tables; what is older than ``since`` is gone from the present one.
    ``pause`` is for how many seconds other writers should have the database now.
    """

    source: int = 0
    since: str | None = None
    removed: int = 0
    size: int = FIRST
    pause: float = 0
    cutoff: str | None = None
    is_over: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@transaction.atomic(savepoint=False)
def purge_portion(
    data_type: str,
    progress: Progress,
    now: datetime,
    *,
    account: UUID | None = None,
    actor: Actor = SYSTEM,
) -> Progress:
    """Remove the next batch of what was too old at ``now``; the last portion tells the trail.

    The period is read each time: when staff have made it longer meanwhile, what it covers stays.
    """
    availability = DataAvailability.objects.filter(pk=data_type).first()
    if availability is None:
        return replace(progress, is_over=True)
    wanted = due(availability, now)
    ahead = _portion(wanted, progress, account)
    if ahead.is_over and (wanted.cutoff or ahead.removed):
        record(
            actor, "records.purge", label=str(availability), type=data_type,
            removed=ahead.removed, cutoff=ahead.cutoff, only_account=str(account or ""),
        )  # fmt: skip
    return ahead


@transaction.atomic(savepoint=False)
def sign_ins_portion(progress: Progress, now: datetime) -> Progress:
    """Remove the next batch of sign-ins that had run out at ``now``."""
    return _portion(Due(now, SIGN_INS), progress, None)


def _portion(wanted: Due, progress: Progress, account: UUID | None) -> Progress:
    source = wanted.sources[progress.source]
    rows = wanted.free_rows(source, account)
    begun_at = time.perf_counter()
    batch = remove_batch(source, rows, progress.size, progress.since)
    took = time.perf_counter() - begun_at
    progress = replace(progress, cutoff=wanted.cutoff.isoformat() if wanted.cutoff else None)
    progress = replace(
        progress,
        since=batch.ahead.isoformat() if batch.ahead else None,
        removed=progress.removed + batch.removed,
        size=_next_size(source, progress.size, took),
        pause=_pause(took),
    )
    if batch.ahead:
        return progress
    is_over = progress.source + 1 == len(wanted.sources)
    return replace(progress, source=progress.source + 1, is_over=is_over)


def _next_size(source: Source, size: int, took: float) -> int:
    """As many as the next batch can do in the time it should take; at most twice as many."""
    wanted = size * min(1.5, max(0.5, AIM_SECONDS[connection.vendor] / took))
    least = LEAST_REFERRED if referring_to(source.model) else LEAST[connection.vendor]
    return int(min(MOST[connection.vendor], max(min(least, 2 * size), wanted)))


def _pause(took: float) -> float:
    """SQLite has one writer, and those that wait are in no line: they get as long a turn."""
    return took if connection.vendor == "sqlite" else 0
