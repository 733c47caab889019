"""Who may see and do what on every page of this app."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import Task
from tests.factories import NotificationFactory
from tests.people import World
from tests.reporting.pages import HTMX, failed_task, text_of, url

LISTS = [
    "overview", "task_list", "notification_list", "audit_list", "session_list",
    "session_log_list", "report_list",
]  # fmt: skip
FRAGMENTS = ["task_widget"]
CHANGES = ["task_cancel", "task_retry", "task_acknowledge"]


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_read_by_auditors_and_hidden_from_strangers(
    name: str, world: World, reader: Client, outsider: Client
) -> None:
    address = url(name, world.account)
    page = text_of(reader, address)
    part = text_of(reader, address, **HTMX)
    assert "<html" in page
    assert "<html" not in part
    assert outsider.get(address).status_code == 404
    assert reader.post(address).status_code == 405
    assert Client().get(address).status_code == 302


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_lead_to_the_list_when_opened_as_pages(
    name: str, world: World, reader: Client, outsider: Client
) -> None:
    address = url(name, world.account)
    assert reader.get(address).headers["Location"] == url("task_list", world.account)
    assert reader.get(address, headers=HTMX).status_code == 200
    assert outsider.get(address, headers=HTMX).status_code == 404


@pytest.mark.parametrize("name", CHANGES)
def test_changing_a_task_needs_the_right_to_manage_tasks(
    name: str, world: World, reader: Client, outsider: Client
) -> None:
    task = failed_task(world.sandbox)
    address = url(name, world.account, task.pk)
    assert reader.post(address).status_code == 403
    assert outsider.post(address).status_code == 404
    task.refresh_from_db()
    assert task.acknowledged_at is None
    assert Task.objects.count() == 1


def test_a_task_is_found_only_under_its_own_account(
    world: World, elsewhere: World, admin: Client, reader: Client
) -> None:
    theirs = failed_task(elsewhere.sandbox)
    assert reader.get(url("task_detail", world.account, theirs.pk)).status_code == 404
    for name in CHANGES:
        assert admin.post(url(name, world.account, theirs.pk)).status_code == 404


def test_a_notification_is_dismissed_only_under_its_own_account(
    world: World, elsewhere: World, admin: Client
) -> None:
    theirs = NotificationFactory(account=elsewhere.account)
    address = url("notification_dismiss", world.account, theirs.pk)
    assert admin.post(address).status_code == 404
    assert admin.get(address).status_code == 405
    assert not theirs.dismissals.exists()
