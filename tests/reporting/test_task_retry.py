"""Retry: a failed task is requested again as a new one, by those who might have started it."""

from __future__ import annotations

from django.test import Client

from backups.models import Backup
from portal.engine import registry
from portal.models import AuditEntry, Resource, Task
from reporting.words import AFTER_CANCEL, BEFORE_RETRY, RIGHT_TO_START, TASK_KINDS
from tests.factories import BackupFactory
from tests.people import World
from tests.reporting.pages import HTMX, failed_task, running_task, text_of, url


def failed_backup(resource: Resource, **args: object) -> Task:
    """The task of a backup that failed."""
    task = failed_task(resource, subject="Before 12.4", args={"may_power_off": True} | args)
    BackupFactory(resource=resource, name="Before 12.4", task=task, status=Backup.Status.FAILED)
    return task


def test_the_dialog_says_what_happens_again(world: World, admin: Client) -> None:
    task = failed_backup(world.sandbox)
    text = text_of(admin, url("task_retry", world.account, task.pk), **HTMX)
    assert "powered off" in text
    assert Task.objects.count() == 1


def test_every_kind_of_an_account_has_words_and_a_right() -> None:
    of_no_page = {
        "test_cloud_account", "sync_inventory", "count_sessions", "purge_records",
        "terminate_account",
    }  # fmt: skip
    kinds = {kind for kind in registry.workflows if kind not in of_no_page}
    for words in (TASK_KINDS, RIGHT_TO_START, BEFORE_RETRY, AFTER_CANCEL):
        assert kinds <= set(words)


def test_retrying_a_backup_starts_a_new_task_and_leads_to_it(world: World, admin: Client) -> None:
    task = failed_backup(world.sandbox)
    answer = admin.post(url("task_retry", world.account, task.pk))
    again = Task.objects.exclude(pk=task.pk).get()
    assert answer.headers["Location"] == url("task_detail", world.account, again.pk)
    assert (again.state, again.subject, again.resource) == ("queued", "Before 12.4", world.sandbox)
    task.refresh_from_db()
    assert task.state == Task.State.FAILED
    entry = AuditEntry.objects.get(action="task.retry")
    assert entry.detail["task"] == str(again.pk)


def test_pressing_it_twice_starts_one_task(world: World, admin: Client) -> None:
    address = url("task_retry", world.account, failed_backup(world.sandbox).pk)
    admin.post(address)
    answer = admin.post(address)
    assert answer.status_code == 422
    assert "is busy" in answer.content.decode()
    assert Task.objects.active().count() == 1


def test_without_consent_to_the_power_off_a_running_server_is_left_alone(
    world: World, admin: Client
) -> None:
    task = failed_backup(world.sandbox, may_power_off=False)
    answer = admin.post(url("task_retry", world.account, task.pk))
    assert answer.status_code == 422
    assert "Accept that it is powered off" in answer.content.decode()
    assert not Task.objects.active().exists()


def test_only_failed_tasks_of_kinds_that_can_be_are_retried(world: World, admin: Client) -> None:
    running = running_task(world.sandbox)
    other = failed_task(world.utility_server, kind="sync_inventory")
    for task in (running, other):
        address = url("task_retry", world.account, task.pk)
        assert "Only a failed task" in text_of(admin, address, **HTMX)
        assert admin.post(address).status_code == 422
    assert not AuditEntry.objects.filter(action="task.retry").exists()
