"""A million entries of an audit trail as CSV against the database's own export of the same rows.

Its own: on PostgreSQL psycopg's COPY of the same columns as they are kept, line after line; on
SQLite the sqlite3 program in its CSV mode or, where there is none, Python's cursor and csv
module. Neither guards cells against formulas nor writes times as ISO 8601, which ours does. The
two take turns. Memory is that of the process, its growth from ten thousand rows to all of them.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.db.models import CharField, F, Value
from django.db.models.functions import Concat

from portal.bulk import as_text, insert_from
from portal.engine import clock
from portal.models import Account, AuditEntry, Customer, Organization
from reporting.availability import lines_of
from reporting.models import DataAvailability, DataType
from reporting.records import DATA_SETS, Span, csv_of, rows_of
from reporting.records.datasets import Rows
from tests.bench.figure import Figure

FEW, MANY = 10_000, 1_000_000
# performance.md, issue 7
OF_OWN = {"postgresql": 0.6, "sqlite": 0.25}
FIRST_BYTE_MS, GROWTH_MB = 200, 30

_TRAIL = DATA_SETS[DataType.AUDIT_TRAIL]
_OWN = (
    "at", "first_name", "last_name", "email", "actor_label", "action", "result", "target_type",
    "target_label", "target_id", "organization_label", "account_label", "detail", "source",
    "api_client", "request_id",
)  # fmt: skip


def measure(rounds: int) -> Iterator[Figure]:
    account = _account()
    _fill(account, MANY)
    few = _rows(account).filter(pk__in=_rows(account).values("pk")[:FEW])
    _first_and_all(few)
    _forget_peak()
    _first_and_all(few)
    before = _peak_mb()
    rows = _rows(account)
    own = _own_export(rows)
    own()
    _forget_peak()
    times: list[float] = []
    ratios: list[float] = []
    firsts: list[float] = []
    for _ in range(rounds):
        first, seconds, size = _first_and_all(rows)
        if not times:
            growth = _peak_mb() - before
        theirs = own()
        times.append(seconds)
        firsts.append(1000 * first)
        ratios.append(theirs / seconds)
    name = "CSV, 1,000,000 rows: speed ÷ database's own"
    yield Figure(name, tuple(ratios), OF_OWN[connection.vendor], "at least")
    yield Figure("CSV: first byte, ms", tuple(firsts), FIRST_BYTE_MS)
    yield Figure("CSV: memory, 10,000 to 1,000,000 rows, MB", (growth,), GROWTH_MB)
    yield Figure("CSV: thousand rows a second", tuple(MANY / 1000 / each for each in times))
    yield Figure("CSV: size of the file, MB", (size / 2**20,))
    yield Figure("Reports page's table with as many entries, ms", _table_ms(account, rounds))
    _forget(account)


def _table_ms(account: Account, rounds: int) -> tuple[float, ...]:
    """How long the lines of the Reports page take, of a year."""
    now = clock.now()
    span = Span((now - timedelta(days=365)).date(), now.date(), account.zone)
    return tuple(
        1000 * _timed(lambda: len(lines_of(account, span, "day", now))) for _ in range(rounds)
    )


def _rows(account: Account) -> Rows:
    availability = DataAvailability.objects.get(pk=DataType.AUDIT_TRAIL)
    return rows_of(_TRAIL, account, availability, None, clock.now())


def _first_and_all(rows: Rows) -> tuple[float, float, int]:
    """Return seconds to the first piece and to the last, and the size in bytes."""
    started_at, size, first = time.perf_counter(), 0, 0.0
    for piece in csv_of(_TRAIL, rows):
        first = first or time.perf_counter() - started_at
        size += len(piece)
    return first, time.perf_counter() - started_at, size


def _forget_peak() -> None:
    """Let the peak begin anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """The most memory this process has had since."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


# What the database does by itself


def _own_export(rows: Rows) -> Callable[[], float]:
    """Return a function that exports once and returns the seconds it took."""
    sql, params = rows.values_list(*map(F, _OWN)).query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            text = psycopg.ClientCursor(connection.connection).mogrify(sql, params)
            return lambda: _timed(lambda: _copy(text))
        literal = sql % tuple(map(_literal, params))
        if shutil.which("sqlite3"):
            cursor.execute("PRAGMA wal_checkpoint")
            return lambda: _timed(lambda: _program(literal))
    return lambda: _timed(lambda: _module(literal))


def _timed(do: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    do()
    return time.perf_counter() - started_at


def _copy(select: str) -> None:
    with (
        open(os.devnull, "wb") as nowhere,
        psycopg.ClientCursor(connection.connection) as cursor,
        cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)") as lines,
    ):
        for line in lines:
            nowhere.write(line)


def _program(select: str) -> None:
    name = str(connection.settings_dict["NAME"])
    command = ["sqlite3", "-csv", "-header", name, select]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _module(select: str) -> None:
    with open(os.devnull, "w", newline="") as nowhere, connection.cursor() as cursor:
        cursor.execute(select)
        csv.writer(nowhere).writerows(iter(cursor.cursor))


def _literal(value: Any) -> str:
    return f"'{str(value).replace(chr(39), chr(39) * 2)}'"


# Rows


def _account() -> Account:
    customer = Customer.objects.create(name="Bench")
    organization = Organization.objects.create(customer=customer, name="Bench, “the” hospital")
    return Account.objects.create(organization=organization, name="Radiology PACS")


def _fill(account: Account, count: int) -> None:
    """Double entries until there are so many."""
    now, organization = clock.now(), account.organization
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=now - timedelta(seconds=number), actor_label=f"Hana Oliveira {number}",
            first_name="Hana", last_name="Oliveira", email="hana@meridian.example",
            action="backup.create", result="requested", target_type="resource",
            target_id=f"9b2e6f0a-0000-4000-8000-{number:012x}", source=f"10.20.4.{number % 256}",
            target_label=f"pacs-sandbox-{number}", request_id=f"{number:032x}",
            detail={"name": f"Before update {number}", "task": f"{number:032x}"},
            account=account, organization=organization, customer=organization.customer,
        )
        for number in range(1_000)
    )  # fmt: skip
    entries = AuditEntry.objects.filter(account=account)
    kept = (
        "actor_label", "first_name", "last_name", "email", "action", "target_type", "target_id",
        "result", "customer", "organization", "account", "source", "request_id", "detail",
    )  # fmt: skip
    have = entries.count()
    while have < count:
        copied = {name: F(name) for name in kept}
        label = Concat("target_label", Value("-"), as_text("pk"), output_field=CharField())
        shift = F("at") - timedelta(seconds=have)
        rows = entries.filter(pk__in=entries.order_by("pk").values("pk")[: count - have])
        latest = entries.order_by("-pk").values_list("pk", flat=True)[0]
        changed = {"id": F("id") + latest, "target_label": label, "at": shift}
        insert_from(AuditEntry, rows, copied | changed)
        have = entries.count()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _forget(account: Account) -> None:
    AuditEntry.objects.all()._raw_delete(AuditEntry.objects.db)
    organization = account.organization
    account.delete()
    organization.delete()
    organization.customer.delete()
