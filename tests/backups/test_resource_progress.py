"""The progress of a task on a system: asks again while it runs, tells the panel once at its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from portal.models import Resource, Task, User
from tests.backups.pages import HTMX, running_backup
from tests.people import World

SignIn = Callable[[User], Client]


def url(resource: Resource, task: Task | None) -> str:
    assert task
    return reverse("backups:resource_progress", args=[resource.account_id, resource.pk, task.pk])


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


def test_it_asks_again_while_the_task_runs(world: World, reader: Client) -> None:
    backup = running_backup(world.sandbox)
    response = reader.get(url(world.sandbox, backup.task), headers=HTMX)
    text = response.content.decode()
    assert "every 2s" in text
    assert "Copy the disk" in text
    assert "HX-Trigger" not in response


@pytest.mark.parametrize("state", ["done", "failed", "canceled"])
def test_at_the_end_it_stops_asking_and_tells_the_panel(
    world: World, reader: Client, state: str
) -> None:
    backup = running_backup(world.sandbox, state=state)
    response = reader.get(url(world.sandbox, backup.task), headers=HTMX)
    assert "every 2s" not in response.content.decode()
    assert response["HX-Trigger"] == "settled, tasks-changed"


@pytest.mark.parametrize(
    ("state", "words"),
    [("queued", "Queued"), ("failing", "Failed, cleaning up"),
     ("canceling", "Canceling, cleaning up")],
)  # fmt: skip
def test_it_says_what_is_going_on(world: World, reader: Client, state: str, words: str) -> None:
    backup = running_backup(world.sandbox, state=state)
    text = reader.get(url(world.sandbox, backup.task), headers=HTMX).content.decode()
    assert words in text


def test_without_script_its_page_is_that_of_the_system(world: World, reader: Client) -> None:
    backup = running_backup(world.sandbox)
    response = reader.get(url(world.sandbox, backup.task))
    assert response["Location"] == reverse("backups:sandbox_detail", args=[world.account.pk])


def test_a_task_of_another_system_or_tenant_is_404(
    world: World, elsewhere: World, reader: Client, stranger: User, sign_in: SignIn
) -> None:
    backup = running_backup(world.sandbox)
    assert reader.get(url(world.utility_server, backup.task)).status_code == 404
    assert sign_in(stranger).get(url(world.sandbox, backup.task)).status_code == 404
    assert reader.post(url(world.sandbox, backup.task)).status_code == 405


def test_asking_is_cheap(
    world: World, reader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    backup = running_backup(world.sandbox)
    # Session and person, the account and its rights, the system, the task.
    with django_assert_num_queries(6):
        reader.get(url(world.sandbox, backup.task), headers=HTMX)
