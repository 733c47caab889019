"""The header's widget: what runs, what has ended, and taking it off (R161)."""

from __future__ import annotations

from django.test import Client

from portal.models import AuditEntry, Task
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, failed_task, running_task, text_of, url

TRAY = HTMX | {"HX-Target": "task-tray"}


def test_opening_the_list_renews_the_count_and_the_poll(world: World, reader: Client) -> None:
    address = url("task_widget", world.account)
    assert "every " not in text_of(reader, address, **HTMX)
    running_task(world.sandbox)
    text = text_of(reader, address, **HTMX)
    assert "every 2s" in text
    assert "1 <span" in text


def test_the_list_shows_title_state_entity_and_time(world: World, admin: Client) -> None:
    running_task(world.sandbox, subject="Before 12.4")
    failed_task(world.utility_server, title="Backup util")
    text = text_of(admin, url("task_widget", world.account), **TRAY)
    for part in ("Backup Sandbox", "Before 12.4", "Running", "42%", "Backup util", "Failed"):
        assert part in text
    assert "meridian-sandbox" in text
    assert "0 s" in text


def test_an_acknowledged_task_leaves_the_widget_and_stays_on_the_tasks_page(
    world: World, admin: Client
) -> None:
    task = failed_task(world.sandbox, subject="Noted")
    text = admin.post(url("task_acknowledge", world.account, task.pk), headers=TRAY)
    assert "Noted" not in text.content.decode()
    assert "Noted" in text_of(admin, url("task_list", world.account))
    assert AuditEntry.objects.get(action="task.acknowledge").target_id == str(task.pk)


def test_without_script_acknowledging_leads_back_to_the_task(world: World, admin: Client) -> None:
    task = failed_task(world.sandbox)
    answer = admin.post(url("task_acknowledge", world.account, task.pk))
    assert answer.headers["Location"] == url("task_detail", world.account, task.pk)


def test_a_task_under_way_stays_in_the_widget(world: World, admin: Client) -> None:
    task = running_task(world.sandbox)
    address = url("task_acknowledge", world.account, task.pk)
    assert "stays in the widget" in admin.post(address, follow=True).content.decode()
    task.refresh_from_db()
    assert task.acknowledged_at is None
    assert admin.get(address).status_code == 405


def test_all_ended_ones_are_acknowledged_at_once(
    world: World, elsewhere: World, admin: Client, reader: Client
) -> None:
    running = running_task(world.sandbox)
    failed_task(world.utility_server)
    TaskFactory(account=world.account)
    TaskFactory(account=elsewhere.account)
    address = url("task_acknowledge_all", world.account)
    assert reader.post(address).status_code == 403
    admin.post(address)
    assert list(Task.objects.filter(account=world.account).in_widget()) == [running]
    assert Task.objects.filter(account=elsewhere.account).in_widget().count() == 1
    assert AuditEntry.objects.get(action="task.acknowledge_all").detail == {"count": 2}


def test_those_who_only_read_get_no_button(world: World, reader: Client) -> None:
    failed_task(world.sandbox)
    assert "/acknowledge/" not in text_of(reader, url("task_widget", world.account), **TRAY)
