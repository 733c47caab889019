"""Cancel: asked for first, refused where it can no longer be, written in the audit trail."""

from __future__ import annotations

from django.test import Client

from portal.models import AuditEntry, Task
from tests.people import World
from tests.reporting.pages import HTMX, failed_task, running_task, text_of, url


def test_the_dialog_says_what_becomes_of_it_and_changes_nothing(
    world: World, admin: Client
) -> None:
    task = running_task(world.sandbox)
    text = text_of(admin, url("task_cancel", world.account, task.pk), **HTMX)
    assert "No backup is created" in text
    assert '<dialog class="dialog" id="dialog"' in text
    task.refresh_from_db()
    assert task.cancel_requested_at is None


def test_cancelling_asks_the_engine_and_is_audited(
    world: World, admin: Client, account_admin: object
) -> None:
    task = running_task(world.sandbox)
    answer = admin.post(url("task_cancel", world.account, task.pk))
    assert answer.headers["Location"] == url("task_detail", world.account, task.pk)
    task.refresh_from_db()
    assert task.cancel_requested_at is not None
    entry = AuditEntry.objects.get(action="task.cancel")
    assert (entry.actor, entry.account, entry.result) == (
        account_admin, world.account, "requested",
    )  # fmt: skip
    assert entry.source == "127.0.0.1"


def test_pressing_it_twice_is_refused_the_second_time(world: World, admin: Client) -> None:
    address = url("task_cancel", world.account, running_task(world.sandbox).pk)
    admin.post(address)
    answer = admin.post(address, headers=HTMX)
    assert answer.status_code == 422
    assert "already being cancelled" in answer.content.decode()
    assert AuditEntry.objects.filter(action="task.cancel").count() == 1


def test_a_task_past_the_point_of_no_return_cannot_be_cancelled(
    world: World, admin: Client
) -> None:
    task = running_task(world.sandbox, kind="delete_backup", step="remove")
    address = url("task_cancel", world.account, task.pk)
    assert "can no longer be stopped" in text_of(admin, address, **HTMX)
    assert admin.post(address).status_code == 422
    task.refresh_from_db()
    assert task.cancel_requested_at is None


def test_an_ended_task_cannot_be_cancelled(world: World, admin: Client) -> None:
    task = failed_task(world.sandbox)
    answer = admin.post(url("task_cancel", world.account, task.pk))
    assert answer.status_code == 422
    assert "already ended" in answer.content.decode()
    assert not AuditEntry.objects.filter(action="task.cancel").exists()


def test_a_task_of_an_unknown_kind_is_refused_with_the_reason(world: World, admin: Client) -> None:
    task: Task = running_task(world.sandbox, kind="make_coffee")
    answer = admin.post(url("task_cancel", world.account, task.pk))
    assert answer.status_code == 422
    assert "no longer has this kind" in answer.content.decode()
