"""A task of a cloud account itself: its steps, and Cancel for whoever may see the account."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import AuditEntry, Task, User
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, SignIn, record


@pytest.fixture
def task(world: World) -> Task:
    steps = [record("list", "List machines and volumes", "running", operation="op-17")]
    made: Task = TaskFactory(
        account=None, cloud_account=world.cloud_account, kind="sync_inventory", step="list",
        title="Synchronise inventory", state=Task.State.RUNNING, steps=steps, subject="",
    )  # fmt: skip
    return made


@pytest.fixture
def admin(org_admin: User, sign_in: SignIn) -> Client:
    return sign_in(org_admin)


def _url(task: Task, name: str = "cloud_account_task") -> str:
    return reverse(f"reporting:{name}", args=[task.cloud_account_id, task.pk])


def test_its_page_shows_steps_and_moves(task: Task, world: World, admin: Client) -> None:
    text = admin.get(_url(task)).text
    for part in ("List machines and volumes", "op-17", "Cancel task", "Failed tries of this step"):
        assert part in text
    assert world.cloud_account.name in text
    assert f'data-live="cloud_task:{task.pk}"' in text
    assert text.count('data-hx-trigger="every 2s"') == 1


def test_a_queued_one_says_what_it_waits_for(task: Task, admin: Client) -> None:
    Task.objects.update(state=Task.State.QUEUED, step="", steps=[])
    assert "Starts as soon as a worker looks" in admin.get(_url(task)).text


def test_it_is_cancelled_and_that_is_written_down(task: Task, world: World, admin: Client) -> None:
    address = _url(task, "cloud_account_task_cancel")
    assert "stops at the next look" in admin.get(address, headers=HTMX).text
    assert admin.post(address)["Location"] == _url(task)
    task.refresh_from_db()
    assert task.cancel_requested_at
    entry = AuditEntry.objects.get(action="task.cancel")
    assert (entry.customer, entry.account) == (world.customer, None)
    again = admin.post(address)
    assert again.status_code == 422
    assert "already being cancelled" in again.text
    assert "can no longer be stopped" in admin.get(address).text


def test_those_who_may_not_see_the_account_see_no_task(
    task: Task, account_admin: User, stranger: User, sign_in: SignIn
) -> None:
    for person in (account_admin, stranger):
        for name in ("cloud_account_task", "cloud_account_task_cancel"):
            assert sign_in(person).get(_url(task, name)).status_code == 404


def test_a_task_of_an_account_has_no_page_here(world: World, admin: Client) -> None:
    assert admin.get(_url(TaskFactory(account=world.account))).status_code == 404
