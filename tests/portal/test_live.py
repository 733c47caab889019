"""The one poll of a page: what it asks for, what it is told, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from portal.models import Account, Task, User
from tests.backups.pages import running_backup
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.pages import running_task

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


def _asked(client: Client, account: Account | None, *parts: object) -> Any:
    address = (
        reverse("portal:account_live", args=[account.pk]) if account else reverse("portal:live")
    )
    return client.get(address, {"part": [str(part) for part in parts]}, headers=HTMX)


def _ends(task: Task | None, state: str = "done") -> None:
    assert task
    Task.objects.filter(pk=task.pk).update(state=state)


PAGES = ["reporting:overview", "reporting:task_list", "backups:sandbox_detail",
         "backups:utility_server_list"]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_page_polls_once_and_only_while_something_moves(
    page: str, world: World, reader: Client
) -> None:
    address = reverse(page, args=[world.account.pk])
    assert "every " not in reader.get(address).text
    running_backup(world.sandbox)
    running_backup(world.utility_server)
    text = reader.get(address).text
    assert text.count('data-hx-trigger="every 2s"') == text.count('"every ') == 1
    assert "data-live=" in text


def test_rows_are_told_together_and_only_the_living_live_on(world: World, reader: Client) -> None:
    ended, running = running_task(world.sandbox), running_task(world.utility_server)
    _ends(ended, "failed")
    text = _asked(reader, world.account, f"row:{ended.pk}", f"row:{running.pk}").text
    for task in (ended, running):
        assert f'id="status-{task.pk}" data-hx-swap-oob="true"' in text
        assert f'id="duration-{task.pk}" data-hx-swap-oob="true"' in text
    assert f'data-live="row:{running.pk}"' in text
    assert f'data-live="row:{ended.pk}"' not in text
    assert 'id="task-widget" data-hx-swap-oob="true"' in text
    assert "every 2s" in text


def test_the_poll_ends_when_all_has_ended(world: World, reader: Client) -> None:
    task = running_task(world.sandbox)
    _ends(task)
    text = _asked(reader, world.account, f"row:{task.pk}").text
    assert '<div id="poll" hidden></div>' in text


def test_a_page_that_only_counts_asks_less_often(world: World, reader: Client) -> None:
    running_task(world.sandbox)
    assert "every 5s" in _asked(reader, world.account).text


@pytest.mark.parametrize(
    ("state", "words"),
    [("queued", "Queued"), ("failing", "Failed, cleaning up"), ("running", "Copy the disk"),
     ("canceling", "Canceling, cleaning up")],
)  # fmt: skip
def test_progress_says_what_goes_on_at_every_place(
    world: World, reader: Client, state: str, words: str
) -> None:
    task = running_backup(world.sandbox, state=state).task
    assert task
    places = [f"progress:{place}.{task.pk}" for place in ("note", "row")]
    answer = _asked(reader, world.account, *places, f"system:{task.pk}")
    assert answer.text.count(words) == 2
    assert f'id="progress-row-{task.pk}" data-hx-swap-oob="true"' in answer.text
    assert "HX-Trigger" not in answer


def test_at_the_end_of_a_task_its_systems_panel_is_told(world: World, reader: Client) -> None:
    one, other = running_backup(world.sandbox).task, running_backup(world.utility_server).task
    assert one and other  # noqa: PT018
    _ends(one)
    answer = _asked(reader, world.account, f"system:{one.pk}", f"system:{other.pk}")
    assert answer["HX-Trigger"] == f"settled-{world.sandbox.pk}"
    text = reader.get(reverse("backups:sandbox_detail", args=[world.account.pk])).text
    assert f'data-hx-trigger="settled-{world.sandbox.pk} from:body"' in text


def test_the_overview_reloads_when_one_of_its_tasks_has_ended(world: World, reader: Client) -> None:
    ended, running = running_task(world.sandbox), running_task(world.utility_server)
    part = f"overview:{ended.pk},{running.pk}"
    assert "HX-Trigger" not in _asked(reader, world.account, part)
    _ends(ended)
    answer = _asked(reader, world.account, part)
    assert answer["HX-Trigger"] == "settled"
    assert f'data-live="overview:{running.pk}"' in answer.text


def test_an_opened_task_and_the_tray_are_told_too(world: World, reader: Client) -> None:
    task = running_task(world.sandbox)
    text = _asked(reader, world.account, f"task:{task.pk}", "tray").text
    assert f'id="task-{task.pk}" data-hx-swap-oob="true" data-live="task:{task.pk}"' in text
    assert 'id="task-tray"' in text


def test_cloud_accounts_are_told_to_those_who_may_see_them(
    world: World, org_admin: User, auditor: User, sign_in: SignIn
) -> None:
    row = world.cloud_account
    task = TaskFactory(account=None, cloud_account=row, kind="sync_inventory", state="running")
    parts = [f"cloud_account:{row.pk}", f"cloud_task:{task.pk}"]
    seen = _asked(sign_in(org_admin), None, *parts)
    assert 'id="cloud-account-state"' in seen.text
    assert f'id="task-{task.pk}"' in seen.text
    assert "every 2s" in seen.text
    assert "HX-Trigger" not in seen
    hidden = _asked(sign_in(auditor), world.account, *parts).text
    assert "cloud-account-state" not in hidden
    assert str(task.pk) not in hidden
    _ends(task)
    settled = _asked(sign_in(org_admin), None, *parts)
    assert settled["HX-Trigger"] == "settled"
    assert '<div id="poll" hidden></div>' in settled.text


def test_it_tells_nothing_of_other_accounts_and_of_nonsense(
    world: World, elsewhere: World, reader: Client
) -> None:
    theirs = running_task(elsewhere.sandbox)
    kinds = ("row", "task", "system", "overview", "cloud_task", "cloud_account")
    parts = [f"{kind}:{theirs.pk}" for kind in kinds] + [f"progress:row.{theirs.pk}"]
    answer = _asked(reader, world.account, *parts, "row:x", "row", "nonsense:1", "", "progress:\0")
    assert answer.status_code == 200
    assert str(theirs.pk) not in answer.text.replace(f"overview:{theirs.pk}", "")
    assert _asked(reader, elsewhere.account).status_code == 404


def test_without_script_its_address_leads_to_the_page(world: World, reader: Client) -> None:
    answer = reader.get(reverse("portal:account_live", args=[world.account.pk]))
    assert answer["Location"] == reverse("reporting:overview", args=[world.account.pk])
    assert reader.get(reverse("portal:live"))["Location"] == "/"


def test_asking_is_cheap_however_much_moves(
    world: World, reader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tasks = [running_task(world.sandbox), running_task(world.utility_server)]
    tasks += [running_task(world.sandbox, is_exclusive=False) for _ in range(10)]
    # Session and person, the account and its rights, the tasks, the count.
    with django_assert_num_queries(6):
        _asked(reader, world.account, *(f"row:{task.pk}" for task in tasks))


def test_a_signed_out_poll_is_told_so_and_gets_no_page(world: World) -> None:
    answer = _asked(Client(), world.account)
    assert (answer.status_code, answer.text) == (401, "Signed out.")


def test_a_poll_does_not_count_as_looking_at_the_account(world: World, reader: Client) -> None:
    assert "account" not in _asked(reader, world.account).cookies
    overview = reader.get(reverse("reporting:overview", args=[world.account.pk]))
    assert overview.cookies["account"].value == str(world.account.pk)
