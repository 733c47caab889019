"""What the API starts: as whom, with which right, once, and in which words it is refused."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from backups.models import Backup
from portal.engine import clock
from portal.models import AuditEntry, Resource, Task
from reporting.models import ApiRequest
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World
from tests.reporting.api_calls import BASE, Program, assert_problem
from tests.reporting.pages import SignIn, text_of, url

pytestmark = pytest.mark.django_db
NAMED = {"Idempotency-Key": "tonight-1"}


@pytest.fixture
def program(world: World) -> Program:
    return Program(world.account, "account_administrator", "Night shift")


@pytest.fixture
def profile(world: World) -> Resource:
    return ResourceFactory(
        account=world.account, kind="enterprise_profile", name="EP", user_name="ada"
    )


def _backups(resource: Resource) -> str:
    return f"/accounts/{resource.account_id}/resources/{resource.pk}/backups"


def test_a_backup_is_started_as_the_page_starts_it(world: World, program: Program) -> None:
    body = {"name": "By program", "description": "Before the update", "may_power_off": True}
    answer = program.post(_backups(world.sandbox), body)
    assert answer.status_code == 202
    task, backup = Task.objects.get(), Backup.objects.get()
    assert (backup.name, backup.description, backup.type) == (*list(body.values())[:2], "M")
    assert (task.kind, task.origin, task.requester) == ("create_backup", "api", "API key")
    assert task.args["may_power_off"] is True
    told = answer.json()
    assert (told["id"], told["backup_id"]) == (str(task.pk), str(backup.pk))
    assert (told["state"], told["subject"]) == ("queued", "By program")
    assert program.client.get(answer["Location"], headers=program.headers).json() == told


def test_the_trail_says_which_key_did_it(
    world: World, program: Program, account_admin: Any, sign_in: SignIn
) -> None:
    program.post(_backups(world.sandbox), {"name": "x", "keep_running": True})
    entry = AuditEntry.objects.get(action="backup.create")
    assert (entry.actor, entry.actor_label) == (None, "API key Night shift")
    assert (entry.api_client, entry.source) == (str(program.key.pk), "127.0.0.1")
    assert entry.account == world.account
    listed = text_of(sign_in(account_admin), url("audit_list", world.account))
    assert "API key Night shift" in listed


def test_a_volume_is_backed_up_whoever_uses_it(program: Program, profile: Resource) -> None:
    answer = program.post(_backups(profile), {"name": "EP tonight", "description": "why"})
    assert answer.status_code == 202
    backup = Backup.objects.get()
    assert (backup.resource, backup.description) == (profile, "why")
    assert Task.objects.get().kind == "create_volume_backup"


@pytest.mark.parametrize(
    ("role", "server", "volume"),
    [("account_administrator", 202, 202), ("support", 403, 202), ("auditor", 403, 403)],
)
def test_the_role_of_the_key_decides(
    world: World, profile: Resource, role: str, server: int, volume: int
) -> None:
    program = Program(world.account, role)
    body = {"name": "x", "may_power_off": True}
    assert program.post(_backups(world.sandbox), body).status_code == server
    assert program.post(_backups(profile), body).status_code == volume
    # The Sandbox is busy by then where the role may.
    publish = program.post(f"/accounts/{world.account.pk}/publish", {"may_power_off": True})
    assert publish.status_code == (409 if server == 202 else 403)


def test_what_cannot_be_is_said_in_words_and_changes_nothing(
    world: World, program: Program
) -> None:
    path = _backups(world.sandbox)
    body = assert_problem(program.post(path, {"name": "x"}), 409, "is running", "may_power_off")
    assert body["fields"][0]["field"] == "may_power_off"
    for number in range(10):
        BackupFactory(resource=world.sandbox, name=f"kept {number}")
    given = {"name": "x", "may_power_off": True}
    assert_problem(program.post(path, given), 409, "10 manual backups; 10 may be kept")
    assert program.post(f"/accounts/{world.account.pk}/publish", given).status_code == 422
    assert not Task.objects.active().exists()
    Resource.objects.filter(pk=world.utility_server.pk).update(is_missing=True)
    assert_problem(program.post(_backups(world.utility_server), given), 409, "no longer at")


def test_what_is_busy_is_named(world: World, program: Program) -> None:
    given = {"name": "x", "may_power_off": True}
    assert program.post(_backups(world.sandbox), given).status_code == 202
    assert_problem(program.post(_backups(world.sandbox), given), 409, "is busy", "Backup Sandbox")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " x"}, "name"),
        ({"name": "x\u0000"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "keep_running": "yes"}, "keep_running"),
        ({"name": "x", "description": "\u0007"}, "description"),
        ({"name": "x", "powr": True}, "powr"),
    ],
)
def test_a_wrong_body_is_refused_field_by_field(
    world: World, program: Program, body: dict[str, Any], field: str
) -> None:
    found = assert_problem(program.post(_backups(world.sandbox), body), 422)
    assert [each["field"] for each in found["fields"]] == [field]
    assert not Task.objects.exists()


def test_publishing_is_started_and_followed(world: World, program: Program) -> None:
    path = f"/accounts/{world.account.pk}/publish"
    assert_problem(program.post(path, {}), 409, "is running")
    told = program.post(path, {"may_power_off": True}).json()
    assert (told["kind"], told["title"]) == ("publish_sandbox", "Publish Sandbox")
    assert Backup.objects.get(pk=told["backup_id"]).type == "P"
    assert AuditEntry.objects.get(action="sandbox.publish").api_client == str(program.key.pk)


def test_an_account_without_a_sandbox_cannot_publish(world: World, program: Program) -> None:
    Resource.objects.filter(pk=world.sandbox.pk).delete()
    answer = program.post(f"/accounts/{world.account.pk}/publish", {"may_power_off": True})
    assert_problem(answer, 409, "no Sandbox")


def test_a_named_request_starts_its_task_once(world: World, program: Program) -> None:
    given = {"name": "x", "may_power_off": True}
    first = program.post(_backups(world.sandbox), given, **NAMED)
    again = program.post(_backups(world.sandbox), given, **NAMED)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again["Idempotency-Replayed"] == "true"
    assert AuditEntry.objects.filter(action="backup.create").count() == 1
    other = program.post(_backups(world.utility_server), given, **NAMED)
    assert_problem(other, 409, "another request")
    assert Task.objects.count() == 1


def test_json_may_come_in_another_encoding(world: World, program: Program) -> None:
    text = json.dumps({"name": "Ünï", "keep_running": True}).encode("utf-16")
    answer = program.client.post(
        f"{BASE}{_backups(world.sandbox)}",
        text,
        content_type="application/json",
        headers=program.headers | NAMED,
    )
    assert answer.status_code == 202, answer.content


def test_a_refused_request_leaves_its_name_free(world: World, program: Program) -> None:
    path = _backups(world.sandbox)
    assert program.post(path, {"name": "x"}, **NAMED).status_code == 409
    assert not ApiRequest.objects.exists()
    Resource.objects.filter(pk=world.sandbox.pk).update(power_state="off")
    assert program.post(path, {"name": "x"}, **NAMED).status_code == 202


def test_a_name_is_free_again_after_a_day_and_belongs_to_its_key(
    world: World, program: Program
) -> None:
    given = {"name": "x", "keep_running": True}
    first = program.post(_backups(world.sandbox), given, **NAMED).json()
    Task.objects.update(state=Task.State.DONE)
    other = Program(world.account, "account_administrator")
    second = other.post(_backups(world.sandbox), given, **NAMED).json()
    assert second["id"] != first["id"]
    Task.objects.update(state=Task.State.DONE)
    ApiRequest.objects.update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    third = program.post(_backups(world.sandbox), given, **NAMED).json()
    assert third["id"] not in {first["id"], second["id"]}


@pytest.mark.django_db(transaction=True)
def test_of_two_repeats_at_once_one_starts(world: World, program: Program) -> None:
    answers: list[Any] = []
    start = threading.Barrier(2)

    def send() -> None:
        start.wait()
        answers.append(
            program.post(_backups(world.sandbox), {"name": "x", "keep_running": True}, **NAMED)
        )
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.status_code for each in answers] == [202, 202]
    assert len({each.json()["id"] for each in answers}) == 1
    assert Task.objects.count() == 1
