"""A task's page: steps with those still to come, the cloud's own words, what can be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.test import Client
from django.utils import timezone

from portal.models import CloudAccount, Task
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, failed_task, record, running_task, text_of, url


def page(client: Client, task: Task, **headers: str) -> str:
    assert task.account
    return text_of(client, url("task_detail", task.account, task.pk), **headers)


def test_a_running_task_shows_begun_and_planned_steps_and_asks_again(
    world: World, reader: Client
) -> None:
    steps = [
        record("look", "Check the server", "done"),
        record("shut_down", "Shut the guest down", "skipped"),
        record("copy", "Copy the disk", "running", operation="op-4711 {signed}"),
    ]
    task = running_task(world.sandbox, steps=steps, attempts=3)
    text = page(reader, task)
    for part in ("Check the server", "Not needed", "op-4711", "42%", "Not run yet"):
        assert part in text
    assert "{signed}" not in text
    assert text.index("Copy the disk") < text.index("Check the copy")
    assert f'data-live="task:{task.pk}"' in text
    assert str(task.pk) in text
    assert 'href="' + f"/accounts/{world.account.pk}/sandbox/" in text


def test_a_step_that_waits_says_when_it_looks_again(world: World, reader: Client) -> None:
    at = datetime(2099, 7, 1, 11, 3, 10, tzinfo=UTC)
    task = running_task(world.sandbox, next_wake_at=at)
    # The account is in London, an hour ahead in summer.
    assert "12:03:10" in page(reader, task)


def test_a_failed_task_shows_the_clouds_words_and_what_to_do(world: World, admin: Client) -> None:
    steps = [
        record("copy", "Copy the disk", "failed", failures=2),
        record("power_back", "Power on again", "done", cleanup=True),
    ]
    text = page(admin, failed_task(world.sandbox, steps=steps))
    for part in ("the container is full", "Make room in the container.", "kNoSpace", "2 failed"):
        assert part in text
    assert "(clean-up)" in text
    assert "Retry" in text
    assert "data-live" not in text


def test_those_who_only_read_are_offered_nothing(world: World, reader: Client) -> None:
    text = page(reader, failed_task(world.sandbox))
    assert "/retry/" not in text
    assert "/acknowledge/" not in text
    assert "/cancel/" not in page(reader, running_task(world.utility_server))


def test_a_queued_task_says_what_it_waits_for(world: World, reader: Client) -> None:
    CloudAccount.objects.filter(pk=world.cloud_account.pk).update(max_tasks=1)
    running_task(world.utility_server)
    before = timezone.now() - timedelta(minutes=1)
    TaskFactory(account=world.account, state=Task.State.QUEUED, created_at=before)
    task = running_task(world.sandbox, state=Task.State.QUEUED, step="", percent=0)
    text = page(reader, task)
    assert "At most 1 task run there at a time, and 1 is under way" in text
    assert "1 of this account is before this one" in text


def test_a_queued_task_with_a_free_place_waits_for_a_worker(world: World, reader: Client) -> None:
    task = running_task(world.sandbox, state=Task.State.QUEUED, step="", percent=0)
    assert "Starts as soon as a worker looks" in page(reader, task)


def test_the_fragment_is_the_task_alone(world: World, reader: Client) -> None:
    text = page(reader, failed_task(world.sandbox), **HTMX)
    assert "<html" not in text
    assert "<h1" not in text


def test_a_task_of_a_kind_this_release_no_longer_has_is_still_shown(
    world: World, admin: Client
) -> None:
    steps = [record("gone", "What it did then", "running")]
    task = running_task(world.sandbox, kind="make_coffee", steps=steps)
    text = page(admin, task)
    assert "What it did then" in text
    assert "/cancel/" not in text


def test_text_from_a_cloud_is_shown_and_never_run(world: World, reader: Client) -> None:
    text = page(reader, failed_task(world.sandbox, error_detail="<script>alert(1)</script>"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_task_that_needs_no_cloud_is_shown_like_any_other(world: World, reader: Client) -> None:
    task = running_task(world.sandbox, cloud_account=None, state=Task.State.QUEUED)
    assert "Starts as soon as a worker looks" in page(reader, task)
    assert "Queued" in text_of(reader, url("task_list", world.account))
