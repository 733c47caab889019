"""Pages, parts and programs while the database cannot: they say so, and go on afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import AuditEntry, Task, User
from portal.outages import OUTCOME, WORDS, Outage
from tests.backups.pages import HTMX
from tests.faults.conditions import locked, read_only
from tests.faults.relay import Relay, When
from tests.matrix.strides import is_whole
from tests.people import World
from tests.reporting.api_calls import Program, assert_problem

pytestmark = pytest.mark.django_db(transaction=True)

Condition = Callable[[], AbstractContextManager[None]]
CONDITIONS = {Outage.READ_ONLY: read_only, Outage.BUSY: locked}
ENTERED = {"name": "Before the update", "may_power_off": "yes"}
MANY = 1000
STRIDE = 1 if is_whole() else 7


@pytest.fixture
def person(world: World, account_admin: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(account_admin)
    return client


@pytest.fixture
def program(world: World) -> Program:
    program = Program(world.account, "account_administrator")
    program.client.raise_request_exception = False
    return program


def dialog(world: World) -> str:
    return reverse("backups:backup_create", args=[world.account.pk, world.sandbox.pk])


def api_path(world: World) -> str:
    return f"/accounts/{world.account.pk}/resources/{world.sandbox.pk}/backups"


def assert_page(answer: Any, outage: Outage) -> str:
    text: str = answer.content.decode()
    assert (answer.status_code, WORDS[outage].title in text) == (503, True), text
    assert int(answer["Retry-After"]) == WORDS[outage].retry_seconds
    assert "no-store" in answer["Cache-Control"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "<script" not in text
    return text


def assert_one_line(caplog: pytest.LogCaptureFixture, outage: Outage, count: int) -> None:
    lines = [record for record in caplog.records if record.name == "django.request"]
    assert [record.exc_info for record in lines] == [None] * count
    for record in lines:
        assert record.levelno == logging.ERROR
        assert record.getMessage().startswith(f"{WORDS[outage].title}: ")
        assert "\n" not in record.getMessage()


def nothing_happened() -> bool:
    return not (Backup.objects.exists() or Task.objects.exists() or AuditEntry.objects.exists())


@pytest.mark.parametrize("outage", CONDITIONS, ids=str)
def test_what_cannot_be_saved_is_said_and_nothing_is_half_done(
    outage: Outage, world: World, person: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with CONDITIONS[outage]():
        answer = person.post(dialog(world), ENTERED, headers=HTMX)
    text = answer.content.decode()
    # A toast, and nothing that could take the place of the form.
    assert text.strip().startswith('<div class="toast"')
    assert OUTCOME in assert_page(answer, outage)
    assert nothing_happened()
    with CONDITIONS[outage]():
        text = assert_page(person.post(dialog(world), ENTERED), outage)
    assert "<!DOCTYPE html>" in text
    assert OUTCOME in text
    assert_one_line(caplog, outage, 2)
    assert nothing_happened()
    assert person.post(dialog(world), ENTERED, headers=HTMX).status_code == 200
    assert Task.objects.count() == 1


@pytest.mark.parametrize("outage", CONDITIONS, ids=str)
def test_a_program_is_told_to_come_again_and_starts_once(
    outage: Outage, world: World, program: Program
) -> None:
    body, name = {"name": "Tonight", "may_power_off": True}, {"Idempotency-Key": "tonight-1"}
    with CONDITIONS[outage]():
        answer = program.post(api_path(world), body, **name)
    assert_problem(answer, 503, WORDS[outage].title)
    assert int(answer["Retry-After"]) == WORDS[outage].retry_seconds
    for _ in range(2):
        assert program.post(api_path(world), body, **name).status_code == 202
    assert Task.objects.count() == 1


def test_pages_can_be_read_while_nothing_can_be_written(world: World, person: Client) -> None:
    page = reverse("backups:sandbox_detail", args=[world.account.pk])
    with read_only():
        assert person.get(page).status_code == 200
        findings = person.get("/readyz")
    assert findings.status_code == 503
    assert "cannot be written to" in findings.json()["checks"]["database"]


def test_without_its_database_the_portal_says_so_and_goes_on_when_it_is_back(
    relay: Relay, world: World, person: Client, caplog: pytest.LogCaptureFixture
) -> None:
    page = reverse("backups:sandbox_detail", args=[world.account.pk])
    assert person.get(page).status_code == 200
    relay.go_down()
    for _ in range(2):
        text = assert_page(person.get(page), Outage.LOST)
        assert f'href="{page}"' in text
        assert OUTCOME not in text
    assert_one_line(caplog, Outage.LOST, 2)
    # It lives, though somebody is signed in, and does not say that it serves.
    assert person.get("/healthz").status_code == 200
    findings = person.get("/readyz")
    assert findings.status_code == 503
    assert "does not answer" in findings.json()["checks"]["database"]
    relay.come_back()
    assert person.get(page).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_cut_at_any_round_trip_is_done_as_a_whole_or_not_at_all(
    when: When,
    relay: Relay,
    world: World,
    program: Program,
    record_property: Callable[[str, object], None],
) -> None:
    body = {"name": "Tonight", "may_power_off": True}
    cases = 0
    for trip in range(0, MANY, STRIDE):
        for model in (Backup, Task, AuditEntry):
            model._default_manager.all().delete()
        cuts, name = relay.cuts, {"Idempotency-Key": f"{when}-{trip}"}
        relay.cut_at(trip, when)
        answer = program.post(api_path(world), body, **name)
        was_cut = relay.cuts > cuts
        relay.cut_at(MANY, when)
        counts = {model.__name__: model._default_manager.count() for model in (Backup, Task)}
        assert counts in ({"Backup": 0, "Task": 0}, {"Backup": 1, "Task": 1}), trip
        if was_cut:
            assert_problem(answer, 503, "cannot be reached", "as a whole or not at all")
            # Sent again as the answer says.
            answer = program.post(api_path(world), body, **name)
        assert answer.status_code == 202, trip
        assert (Task.objects.count(), Backup.objects.count()) == (1, 1), trip
        assert AuditEntry.objects.filter(action="backup.requested").count() <= 1
        if not was_cut:
            break
        cases += 1
    assert cases > 1
    record_property("matrix", f"API: connection cut {when} a round trip: {cases} cases")
