"""One poll a page tells of all its running tasks, and ends with them."""

from __future__ import annotations

from django.test import Client

from portal.models import Task
from tests.people import World
from tests.reporting.pages import HTMX, running_task, text_of, url


def test_the_page_polls_once_for_all_running_tasks(world: World, reader: Client) -> None:
    tasks = [running_task(world.sandbox), running_task(world.utility_server)]
    text = text_of(reader, url("task_list", world.account), **HTMX)
    assert text.count('data-hx-trigger="every 2s"') == 1
    for task in tasks:
        assert f"task={task.pk}" in text


def test_the_poll_goes_on_for_those_that_still_run(world: World, reader: Client) -> None:
    ended, running = running_task(world.sandbox), running_task(world.utility_server)
    Task.objects.filter(pk=ended.pk).update(state=Task.State.DONE)
    address = f"{url('task_progress', world.account)}?task={ended.pk}&task={running.pk}"
    text = text_of(reader, address, **HTMX)
    assert f"?task={running.pk}" in text
    assert f"task={ended.pk}" not in text
    for task in (ended, running):
        assert f'id="status-{task.pk}" data-hx-swap-oob="true"' in text
        assert f'id="duration-{task.pk}" data-hx-swap-oob="true"' in text


def test_the_poll_ends_when_all_have_ended(world: World, reader: Client) -> None:
    task = running_task(world.sandbox)
    Task.objects.filter(pk=task.pk).update(state=Task.State.FAILED)
    text = text_of(reader, f"{url('task_progress', world.account)}?task={task.pk}", **HTMX)
    assert "data-hx-trigger" not in text
    assert "Failed" in text


def test_it_tells_nothing_of_other_accounts_and_of_nonsense(
    world: World, elsewhere: World, reader: Client
) -> None:
    theirs = running_task(elsewhere.sandbox)
    address = f"{url('task_progress', world.account)}?task={theirs.pk}&task=nonsense"
    assert str(theirs.pk) not in text_of(reader, address, **HTMX)
