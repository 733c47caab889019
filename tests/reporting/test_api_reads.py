"""What the API reads: what a key reaches, filters that hold, pages that join, and R147."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import Backup
from portal.models import Account, Resource
from tests.factories import AccountFactory, BackupFactory, ResourceFactory, TaskFactory
from tests.people import World
from tests.reporting.api_calls import Program, assert_problem

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def program(world: World) -> Program:
    """A Customer Auditor's key on the whole customer (R165)."""
    return Program(world.customer, "auditor")


def test_an_account_is_told_as_it_is(world: World, program: Program) -> None:
    published = BackupFactory(resource=world.sandbox, type="P", completed_at=MONDAY)
    told = program.get(f"/accounts/{world.account.pk}").json()
    assert told == {
        "id": str(world.account.pk),
        "name": "Meridian account",
        "organization_id": str(world.organization.pk),
        "organization": "Meridian organization",
        "kind": "ahv",
        "site": world.account.site,
        "time_zone": "Europe/London",
        "is_domain_joined": False,
        "has_disaster_recovery": False,
        "inserted_at": f"{world.account.created_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "last_publish": "2026-03-02T09:00:00.000000Z",
    }
    assert published.status == Backup.Status.READY


@pytest.mark.parametrize(
    ("level", "role", "accounts", "organizations"),
    [
        ("customer", "customer_administrator", ["Beside", "Meridian account", "Other"], 2),
        ("organization", "auditor", ["Beside", "Meridian account"], 1),
        ("account", "support", ["Meridian account"], 1),
    ],
)
def test_a_key_reaches_its_own_scope_alone(
    world: World, elsewhere: World, level: str, role: str, accounts: list[str], organizations: int
) -> None:
    AccountFactory(organization=world.organization, name="Beside")
    other = AccountFactory(organization__customer=world.customer, name="Other")
    program = Program(getattr(world, level), role)
    assert program.names("/accounts") == accounts
    assert len(program.names("/organizations")) == organizations
    beyond: list[Account] = [elsewhere.account, *([other] if level != "customer" else [])]
    for account in beyond:
        for path in ("", "/resources", "/backups", "/reports/audit-trail"):
            assert_problem(program.get(f"/accounts/{account.pk}{path}"), 404, "no such account")


def test_a_thing_of_another_account_is_not_there(
    world: World, elsewhere: World, program: Program
) -> None:
    backup = BackupFactory(resource=elsewhere.sandbox)
    for path in (f"backups/{backup.pk}", f"tasks/{backup.task_id}", f"backups/{uuid4()}"):
        assert_problem(program.get(f"/accounts/{world.account.pk}/{path}"), 404)


def test_a_broker_reads_nothing(world: World) -> None:
    broker = Program(world.customer, "session_broker")
    for path in ("/accounts", "/organizations", f"/accounts/{world.account.pk}/backups"):
        assert_problem(broker.get(path), 403, "Session broker")


def test_tasks_are_no_data_of_the_api_but_one_can_be_asked_about(
    world: World, program: Program
) -> None:
    """R147, R152 and R154: no such resources; what was started can be followed all the same."""
    base = f"/accounts/{world.account.pk}"
    for path in ("tasks", "tasks/", "notifications", "session-logs", "reports/tasks",
                 "reports/notifications", "reports/session-logs"):  # fmt: skip
        assert_problem(program.get(f"{base}/{path}"), 404, "no such address")
    task = TaskFactory(account=world.account, state="failed", error="Out of space.")
    told = program.get(f"{base}/tasks/{task.pk}").json()
    assert (told["state"], told["error"]) == ("failed", "Out of space.")


@pytest.fixture
def many(world: World) -> list[Backup]:
    """Twelve backups, two a moment, so that time alone does not order them."""
    return [
        BackupFactory(resource=world.sandbox, created_at=MONDAY + timedelta(hours=number // 2))
        for number in range(12)
    ]


def test_pages_join_without_a_gap_or_a_repeat(
    world: World, program: Program, many: list[Backup]
) -> None:
    path, seen, cursor = f"/accounts/{world.account.pk}/backups", [], ""
    while True:
        told = program.get(path, limit=5, cursor=cursor).json()
        seen += [each["id"] for each in told["items"]]
        if told["next"] is None:
            break
        cursor = told["next"]
        BackupFactory(resource=world.sandbox, name="made meanwhile")
    newest = sorted(many, key=lambda each: (each.created_at, each.pk), reverse=True)
    assert seen == [str(each.pk) for each in newest]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"type": "S"}, ["scheduled"]),
        ({"status": "failed"}, ["failed"]),
        ({"status": "deleted"}, ["deleted"]),
        ({"kind": "utility_server"}, ["of the server"]),
        ({"from": "2026-03-02T09:00:01Z"}, []),
        ({"from": "2026-03-02T10:00:00+01:00", "to": "2026-03-02T09:00:01Z"}, ["early"]),
        ({"to": "2026-03-02T09:00:00Z"}, []),
        ({"from": "0001-01-01T00:00:00+14:00", "to": "2026-03-02T09:00:01Z"}, ["early"]),
    ],
)
def test_backups_are_narrowed(
    world: World, program: Program, query: dict[str, str], names: list[str]
) -> None:
    if "from" not in query and "to" not in query:
        BackupFactory(resource=world.sandbox, name="scheduled", type="S")
        BackupFactory(resource=world.sandbox, name="failed", status="failed")
        BackupFactory(resource=world.sandbox, name="deleted", status="deleted")
        BackupFactory(resource=world.utility_server, name="of the server")
    BackupFactory(resource=world.sandbox, name="early", created_at=MONDAY)
    assert program.names(f"/accounts/{world.account.pk}/backups", **query) == names


def test_resources_are_those_of_the_pages_and_are_narrowed(world: World, program: Program) -> None:
    of = {"account": world.account, "kind": Resource.Kind.PERSISTENT_DESKTOP}
    ResourceFactory(**of, name="pd-1", user_name="ada")
    ResourceFactory(**of, name="pd-of-nobody")
    BackupFactory(resource=world.sandbox, status="failed")
    path = f"/accounts/{world.account.pk}/resources"
    assert program.names(path) == ["meridian-sandbox", "meridian-util-01", "pd-1"]
    assert program.names(path, kind="persistent_desktop") == ["pd-1"]
    assert program.names(path, status="failed") == ["meridian-sandbox"]
    assert program.names(path, status="none") == ["meridian-util-01", "pd-1"]


def test_names_and_organizations_narrow_accounts(world: World, program: Program) -> None:
    other = AccountFactory(organization__customer=world.customer, name="Other")
    assert program.names("/accounts", name="ERIDIAN") == ["Meridian account"]
    assert program.names("/accounts", organization_id=other.organization_id) == ["Other"]
    assert program.names("/organizations", name="meridian") == ["Meridian organization"]


def _cursor(*parts: str) -> str:
    """As somebody might make one up who knows how they are made."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        _cursor("created_at", "0001-01-01T00:00:00+14:00", str(uuid4())),
        _cursor("created_at", "9999-12-31T23:59:59-12:00", str(uuid4())),
        _cursor("created_at", "2026-03-02T09:00:00", str(uuid4())),
        _cursor("created_at", "2026-03-02T09:00:00Z", "7"),
        _cursor("name", "2026-03-02T09:00:00Z", str(uuid4())),
        _cursor("created_at"),
        _cursor(),
    ],
)
def test_a_cursor_made_up_is_no_page(world: World, program: Program, cursor: str) -> None:
    answer = program.get(f"/accounts/{world.account.pk}/backups", cursor=cursor)
    assert_problem(answer, 404, "cursor")


@pytest.mark.parametrize(
    ("at", "pk", "status"),
    [
        ("0001-01-01T00:00:00+14:00", "1", 404),
        ("2026-03-02", "1", 404),
        ("2026-03-02T09:00:00Z", "one", 404),
        ("2026-03-02T09:00:00Z", "9" * 30, 200),
        ("\x00", "1", 404),
    ],
)
def test_a_cursor_of_records_made_up_does_no_harm(
    world: World, program: Program, at: str, pk: str, status: int
) -> None:
    cursor = _cursor("audit_trail", "", at, pk)
    answer = program.get(f"/accounts/{world.account.pk}/reports/audit-trail", cursor=cursor)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ({"limit": 0}, 422, "limit"),
        ({"limit": 501}, 422, "limit"),
        ({"limit": "ten"}, 422, "limit"),
        ({"kind": "spaceship"}, 422, "kind"),
        ({"from": "yesterday"}, 422, "from"),
        ({"from": "1700000000"}, 422, "from"),
        ({"from": "2026-03-02T09:00:00"}, 422, "from"),
        ({"resource": "7"}, 422, "resource"),
        ({"knid": "sandbox"}, 422, "knid"),
        ({"cursor": "nonsense"}, 404, "cursor"),
        ({"cursor": "a b"}, 422, "cursor"),
    ],
)
def test_what_is_asked_wrongly_is_refused_and_named(
    world: World, program: Program, query: dict[str, Any], status: int, word: str
) -> None:
    answer = program.get(f"/accounts/{world.account.pk}/backups", **query)
    assert_problem(answer, status, word)


def test_a_longer_page_takes_no_more_queries(
    world: World, program: Program, many: list[Backup]
) -> None:
    paths = ("/accounts", f"/accounts/{world.account.pk}/backups",
             f"/accounts/{world.account.pk}/resources")  # fmt: skip
    for path in paths:
        counts = []
        for limit in (1, 500):
            with CaptureQueriesContext(connection) as queries:
                assert program.get(path, limit=limit).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 7, path
