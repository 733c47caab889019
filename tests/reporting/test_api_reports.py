"""Records by the API (R143): pages that join, spans, frequencies, CSV, and who may read."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from portal.engine import clock
from portal.models import AuditEntry
from reporting import exports
from reporting.models import DataType, Frequency, UsageStatistic, UserActivity
from reporting.records import DATA_SETS
from tests.factories import AuditEntryFactory
from tests.people import World
from tests.reporting.api_calls import Program, assert_problem

pytestmark = pytest.mark.django_db
READ = ("session-reports", "audit-trail", "sessions", "usage", "user-activity", "disk-usage",
        "elasticity", "session-trail")  # fmt: skip


@pytest.fixture
def program(world: World) -> Program:
    return Program(world.customer, "auditor", "Nightly export")


def _path(world: World, name: str) -> str:
    return f"/accounts/{world.account.pk}/reports/{name}"


def _all(program: Program, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every row, a page at a time."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = program.get(path, cursor=cursor, limit=2, **query)
        assert answer.status_code == 200, answer.content
        told = answer.json()
        rows += told["items"]
        if told["next"] is None:
            return rows
        cursor = told["next"]


@pytest.fixture
def entries(world: World, program: Program) -> list[AuditEntry]:
    """Five of one moment an hour ago, and one of yesterday."""
    hour_ago = clock.now() - timedelta(hours=1)
    made = [
        AuditEntryFactory(account=world.account, action="backup.pin", at=hour_ago, detail={"n": n})
        for n in range(5)
    ]
    yesterday = clock.now() - timedelta(days=1, hours=1)
    formula = {"action": "backup.unpin", "target_label": "=1+1"}
    return [AuditEntryFactory(account=world.account, **formula, at=yesterday), *made]


def test_pages_of_a_trail_join(world: World, program: Program, entries: list[AuditEntry]) -> None:
    rows = _all(program, _path(world, "audit-trail"))
    assert [row["action"] for row in rows] == ["backup.unpin", *["backup.pin"] * 5]
    assert rows[0]["entity_name"] == "=1+1"
    assert [row["details"] for row in rows[1:]] == [{"n": n} for n in range(5)]
    assert rows[0]["date_time"] == f"{entries[0].at:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert list(rows[0]) == [column.name for column in DATA_SETS[DataType.AUDIT_TRAIL].columns]


def test_a_span_is_days_of_the_accounts_zone(
    world: World, program: Program, entries: list[AuditEntry]
) -> None:
    day = entries[0].at.astimezone(world.account.zone).date()
    path = _path(world, "audit-trail")
    assert len(_all(program, path, **{"from": day, "to": day})) >= 1
    assert _all(program, path, to=day - timedelta(days=1)) == []
    assert _all(program, path, **{"from": "9999-12-31"}) == []
    assert len(_all(program, path, **{"from": "0001-01-01", "to": "9999-12-31"})) == 6


def test_figures_come_by_frequency_and_pages_of_them_join(world: World, program: Program) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for frequency, length in ((Frequency.DAY, 1), (Frequency.HOUR, 1 / 24)):
        for number in range(5):
            begin = start + number * timedelta(days=length)
            UsageStatistic.objects.create(
                account=world.account, frequency=frequency, system="sandbox", pool="",
                instance_type="", period_start=begin, period_end=begin + timedelta(days=length),
                used_seconds=1800,
            )  # fmt: skip
    path = _path(world, "usage")
    days = _all(program, path)
    assert [row["hours"] for row in days] == [0.5] * 5
    assert {row["frequency"] for row in days} == {"day"}
    hours = _all(program, path, frequency="hour")
    assert [row["period_start"][:13] for row in hours] == [f"2026-11-01T0{n}" for n in range(5)]
    assert_problem(program.get(path, frequency="week"), 422, "frequency")
    assert_problem(program.get(_path(world, "audit-trail"), frequency="day"), 422, "frequency")
    cursor = program.get(path, limit=1).json()["next"]
    assert_problem(program.get(path, cursor=cursor, frequency="hour"), 404, "cursor")
    assert_problem(program.get(_path(world, "sessions"), cursor=cursor), 404, "cursor")


def test_users_are_added_up_over_pages(world: World, program: Program) -> None:
    begin = clock.now() - timedelta(days=2)
    for name in ("ada", "bo", "cy", "dee", "eve"):
        for number in range(2):
            day = begin + timedelta(days=number)
            UserActivity.objects.create(
                account=world.account, user_name=name, period_start=day,
                period_end=day + timedelta(days=1), session_count=1, used_seconds=3600,
                first_seen_at=day, last_seen_at=day,
            )  # fmt: skip
    rows = _all(program, _path(world, "user-activity"))
    assert [row["user"] for row in rows] == ["ada", "bo", "cy", "dee", "eve"]
    assert {(row["session_count"], row["total_hours"]) for row in rows} == {(2, 2.0)}


def test_as_csv_it_is_the_file_of_the_page_with_its_note_in_the_trail(
    world: World, program: Program, entries: list[AuditEntry]
) -> None:
    answer = program.get(_path(world, "audit-trail"), format="csv", limit=1)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "meridian-account_audit-trail_" in answer["Content-Disposition"]
    assert "X-RateLimit-Remaining" in answer.headers
    text = b"".join(answer.streaming_content).decode()
    header, *lines = csv.reader(text.splitlines())
    assert header == [column.name for column in DATA_SETS[DataType.AUDIT_TRAIL].columns]
    assert [line[header.index("action")] for line in lines][:6] == [each.action for each in entries]
    assert lines[0][header.index("entity_name")] == "'=1+1"
    note = AuditEntry.objects.get(action="report.export")
    assert (note.actor_label, note.api_client) == ("API key Nightly export", str(program.key.pk))


def test_too_many_files_at_once_are_refused_with_the_time_to_wait(
    world: World, program: Program
) -> None:
    streams = [
        program.get(_path(world, "audit-trail"), format="csv") for _ in range(exports.AT_ONCE)
    ]
    answer = program.get(_path(world, "audit-trail"), format="csv")
    assert_problem(answer, 503, "downloads")
    assert answer["Retry-After"] == "60"
    for stream in streams:
        assert b"".join(stream.streaming_content).startswith(b"date_time,")
    last = program.get(_path(world, "audit-trail"), format="csv")
    assert last.status_code == 200
    assert list(last.streaming_content)


@pytest.mark.parametrize("name", READ)
def test_each_type_is_read_within_the_keys_reach_alone(
    world: World, elsewhere: World, program: Program, name: str
) -> None:
    assert program.get(_path(world, name)).json() == {"items": [], "next": None}
    for account in (elsewhere.account.pk, uuid4()):
        assert_problem(program.get(f"/accounts/{account}/reports/{name}"), 404)
    broker = Program(world.account, "session_broker")
    assert_problem(broker.get(_path(world, name)), 403)
