"""Purge of 1,000,000 of 5,000,000 entries of the audit trail, as the daily task does it.

Against one plain DELETE of as many rows, measured in the same run. Meanwhile another connection
inserts entries, as people's work does, and once more with an export that holds a snapshot.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection, connections, transaction

from portal.engine import clock
from portal.engine.requests import start
from portal.engine.runner import Runner
from portal.models import AuditEntry, Task
from reporting.models import DataType
from reporting.purge.workflow import PURGE
from tests.bench.figure import Figure

ROWS, OLD = 5_000_000, 1_000_000
INSERTS_A_SECOND = 200
NOW = datetime(2026, 1, 15, tzinfo=UTC)
CUTOFF = datetime(2024, 1, 15, tzinfo=UTC)
LONGEST_MS = 50
PG_SPEED, PG_SLOWED, PG_SNAPSHOT = 0.4, 2, 1.5
CHUNK = 250_000


@dataclass
class Inserter:
    """Another connection that writes entries at a steady pace, and how long each one took."""

    took: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self.ended.wait(1 / INSERTS_A_SECOND):
                begun_at = time.perf_counter()
                AuditEntry.objects.create(action="bench.insert", at=NOW, detail={"n": 1})
                self.took.append(time.perf_counter() - begun_at)
        finally:
            connections.close_all()

    @property
    def median(self) -> float:
        return statistics.median(self.took)


def measure(rounds: int) -> Iterator[Figure]:
    is_postgresql = connection.vendor == "postgresql"
    _fill(ROWS - OLD, since=CUTOFF + timedelta(seconds=1))
    made = [_round(with_snapshot=is_postgresql) for _ in range(rounds)]
    speed, longest, slowed = (
        (PG_SPEED, LONGEST_MS, PG_SLOWED) if is_postgresql else (None, None, None)
    )
    yield Figure("speed of the purge ÷ one DELETE", _each(made, "speed"), speed, "at least")
    yield Figure("longest transaction of the purge, ms", _each(made, "longest_ms"), longest)
    yield Figure("transactions of the purge, p50, ms", _each(made, "usual_ms"))
    yield Figure("insert during the purge ÷ without, p50", _each(made, "slowed"), slowed)
    if is_postgresql:
        name = "purge under an open snapshot ÷ without"
        yield Figure(name, _each(made, "held"), PG_SNAPSHOT)
    _clear()


def _each(made: list[Round], name: str) -> tuple[float, ...]:
    return tuple(getattr(each, name) for each in made)


@dataclass(frozen=True)
class Round:
    """Seconds of one DELETE, of a purge, and of one under a snapshot; of its longest batch."""

    plain: float
    purged: float
    under_snapshot: float
    longest_ms: float
    usual_ms: float
    quiet_ms: float
    busy_ms: float

    @property
    def speed(self) -> float:
        return self.plain / self.purged

    @property
    def slowed(self) -> float:
        return self.busy_ms / self.quiet_ms

    @property
    def held(self) -> float:
        return self.under_snapshot / self.purged


def _round(*, with_snapshot: bool) -> Round:
    """What is compared is measured close together; each on as many rows, freshly made."""
    _fill_old()
    plain = _timed(_delete)
    _fill_old()
    with _inserting() as quiet:
        time.sleep(2)
    with _inserting() as busy:
        purged, each = _purge()
    _fill_old()
    held = 0.0
    if with_snapshot:
        with _snapshot(), _inserting():
            held, more = _purge()
        each += more
    return Round(
        plain,
        purged,
        held,
        1000 * max(each),
        1000 * statistics.median(each),
        1000 * quiet.median,
        1000 * busy.median,
    )


def _timed(work: Callable[[], None]) -> float:
    begun_at = time.perf_counter()
    work()
    return time.perf_counter() - begun_at


@transaction.atomic
def _delete() -> None:
    rows = AuditEntry.objects.filter(at__lt=CUTOFF)
    rows._raw_delete(rows.db)


class _Then:
    """A clock that stands at the moment of the purge, and passes as real time does."""

    def __init__(self) -> None:
        self.real = clock.SystemClock()
        self.apart = NOW - self.real.now()

    def now(self) -> datetime:
        return self.real.now() + self.apart

    def idle(self, until: datetime) -> None:
        self.real.idle(until - self.apart)


def _purge() -> tuple[float, list[float]]:
    """Run the daily task; return its seconds, and those of each of its transactions."""
    then = _Then()
    with clock.using(then):
        task = start(PURGE, title="Bench")
    with _timing() as log:
        seconds = _timed(lambda: _drive(then))
    task.refresh_from_db()
    if task.state != Task.State.DONE or task.memory[DataType.AUDIT_TRAIL]["removed"] != OLD:
        raise AssertionError(f"not all are gone: {task.state} {task.memory}")
    return seconds, log.seconds


def _drive(then: clock.Clock) -> None:
    Runner(clock=then).run(seconds=3600)


class _Log(logging.Handler):
    """Reads off the log of statements how long each transaction lasted, commit included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.begun_at = 0.0
        self.seconds: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        sql = str(getattr(record, "sql", ""))
        if sql.startswith("BEGIN"):
            self.begun_at = record.created - getattr(record, "duration", 0)
        elif sql == "COMMIT":
            self.seconds.append(record.created - self.begun_at)


@contextmanager
def _timing() -> Iterator[_Log]:
    log, handler = logging.getLogger("django.db.backends"), _Log()
    level, passes = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate, connection.force_debug_cursor = False, True
    try:
        yield handler
    finally:
        connection.force_debug_cursor, log.propagate = False, passes
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def _inserting() -> Iterator[Inserter]:
    inserter = Inserter()
    thread = threading.Thread(target=inserter.run)
    thread.start()
    try:
        yield inserter
    finally:
        inserter.ended.set()
        thread.join()


@contextmanager
def _snapshot() -> Iterator[None]:
    """Another connection reads, as an export does, and goes on to see what it saw at first."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM portal_auditentry WHERE id < 1000")
            yield
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def _fill_old() -> None:
    """A million entries from before the cutoff, and the table as autovacuum leaves it."""
    AuditEntry.objects.filter(action="bench.insert").delete()
    Task.objects.filter(kind=PURGE).delete()
    AuditEntry.objects.filter(action="records.purge").delete()
    missing = OLD - AuditEntry.objects.filter(at__lt=CUTOFF).count()
    _fill(missing, since=CUTOFF - timedelta(seconds=missing + 1))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE portal_auditentry")
            cursor.execute("CHECKPOINT")


# A row a second, made by the database.
_INTO = (
    "INSERT INTO portal_auditentry (at, actor_label, first_name, last_name, email, api_client, "
    "action, target_type, target_id, target_label, result, source, request_id, detail) "
)
_REST = (
    ", 'Hana Kovar', 'Hana', 'Kovar', 'hana@radiology.example', '', 'backup.create', 'resource', "
    "'0b6f6d0e-4b52-4a9e-9a65-3f0a7f3f4c11', 'util-01', 'done', '192.0.2.7', '5f6c2a', "
)
_DETAIL = """'{"backup": "0b6f6d0e", "name": "Before update"}'"""
FILL = {
    "postgresql": "{into} SELECT %s::timestamptz + n * interval '1 second' {rest} {detail}::jsonb "
    "FROM generate_series(%s, %s) AS n",
    "sqlite": "WITH RECURSIVE c(n, last) AS (SELECT %s, %s UNION ALL SELECT n + 1, last FROM c "
    "WHERE n < last) {into} SELECT strftime('%%Y-%%m-%%d %%H:%%M:%%S', %s, '+' || n || "
    "' seconds') {rest} {detail} FROM c",
}


def _fill(count: int, *, since: datetime) -> None:
    """Entries a second apart, from then on."""
    then = since.strftime("%Y-%m-%d %H:%M:%S")
    sql = FILL[connection.vendor].format(into=_INTO, rest=_REST, detail=_DETAIL)
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count) - 1
        is_postgresql = connection.vendor == "postgresql"
        values: list[str | int] = (
            [then + "+00", first, last] if is_postgresql else [first, last, then]
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, values)


def _clear() -> None:
    Task.objects.filter(kind=PURGE).delete()
    rows = AuditEntry.objects.all()
    rows._raw_delete(rows.db)
