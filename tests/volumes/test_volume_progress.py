"""The indicator above the Backups section: it comes, counts and goes away (R065)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import Account, Task, User
from tests.people import World
from tests.reporting.many import backup_of_many
from tests.volumes.backup_pages import DESKTOP, DRIVE, HTMX, a_volume, being_made

SignIn = Callable[[User], Client]
LIVE = 'data-live="volume_progress:"'


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


def _page(client: Client, account: Account) -> str:
    return str(client.get(reverse("volumes:volume_backup_list", args=[account.pk])).text)


def _poll(client: Client, account: Account) -> str:
    address = reverse("portal:account_live", args=[account.pk])
    return str(client.get(address, {"part": "volume_progress:"}, headers=HTMX).text)


def _indicator(text: str) -> str:
    return text.partition('id="volume-progress"')[2].partition('aria-labelledby="backups"')[0]


def test_there_is_none_while_nothing_runs(world: World, reader: Client) -> None:
    backup_of_many(world.account, "done failed", state="done")
    page = _page(reader, world.account)
    assert LIVE not in page
    assert "Creating backups" not in page
    assert "every " not in page


def test_many_are_counted_with_the_time_that_is_left(world: World, reader: Client) -> None:
    task = backup_of_many(world.account, "done done done failed canceled running queued queued")
    task.started_at = timezone.now() - timedelta(minutes=10, seconds=5)
    task.save()
    page = _page(reader, world.account)
    indicator = _indicator(page)
    for part in (
        LIVE, "Creating backups", "“Nightly”", "5 of 8 volumes", "about 6 min left",
        'value="5" max="8"', "3 succeeded", "1 running · 2 waiting", "1 failed",
        reverse("reporting:task_detail", args=[world.account.pk, task.pk]),
    ):  # fmt: skip
        assert part in indicator
    assert page.index("volume-progress") < page.index('aria-labelledby="backups"')
    assert "in progress</strong>" not in indicator, "its own are not counted twice"
    assert page.count('data-hx-trigger="every 2s"') == 1


def test_before_the_first_has_ended_no_time_is_promised(world: World, reader: Client) -> None:
    backup_of_many(world.account, "running queued queued")
    indicator = _indicator(_page(reader, world.account))
    assert "0 of 3 volumes" in indicator
    assert " left" not in indicator
    assert "failed" not in indicator


def test_what_failed_at_once_is_no_pace(world: World, reader: Client) -> None:
    backup_of_many(world.account, "failed running queued")
    indicator = _indicator(_page(reader, world.account))
    assert "1 of 3 volumes" in indicator
    assert " left" not in indicator


def test_single_ones_are_counted_apart(world: World, reader: Client) -> None:
    being_made(a_volume(world.account))
    assert "1 backup in progress" in _indicator(_page(reader, world.account))
    being_made(a_volume(world.account, DRIVE), state=Task.State.QUEUED)
    backup_of_many(world.account, "running queued")
    indicator = _indicator(_page(reader, world.account))
    assert "2 backups in progress" in indicator
    assert "0 of 2 volumes" in indicator


def test_servers_and_restores_do_not_count(world: World, reader: Client) -> None:
    being_made(a_volume(world.account))
    Task.objects.update(kind="restore_volume_backup")
    assert LIVE not in _page(reader, world.account)


def test_it_follows_and_goes_away_by_itself(world: World, reader: Client) -> None:
    task = backup_of_many(world.account, "running queued")
    assert "0 of 2 volumes" in _poll(reader, world.account)
    children = task.children.order_by("created_at")
    Task.objects.filter(pk=children[0].pk).update(state="done")
    text = _poll(reader, world.account)
    assert "1 of 2 volumes" in text
    assert 'data-hx-swap-oob="true"' in text
    assert LIVE in text
    assert "every 2s" in text
    Task.objects.update(state="done", memory={"done": 2})
    text = _poll(reader, world.account)
    assert 'id="volume-progress"' in text
    assert "Creating backups" not in text
    assert LIVE not in text
    assert "every " not in text


def test_after_what_has_been_requested_it_is_there(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    volume = a_volume(world.account, DESKTOP)
    admin = sign_in(account_admin)
    address = reverse("volumes:volume_backup_create", args=[world.account.pk])
    sent = {"volume": str(volume.pk), "from": "backups", "name": "By hand"}
    text = admin.post(address, sent, follow=True).text
    assert "1 backup in progress" in _indicator(text)
    assert Backup.objects.get().name == "By hand"


def test_each_account_has_its_own(world: World, elsewhere: World, reader: Client) -> None:
    being_made(a_volume(elsewhere.account))
    backup_of_many(elsewhere.account, "running queued")
    assert LIVE not in _page(reader, world.account)
    assert "Creating backups" not in _poll(reader, world.account)


def test_queries_do_not_grow_with_what_runs(world: World, reader: Client) -> None:
    backup_of_many(world.account, "running")
    being_made(a_volume(world.account))

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            _poll(reader, world.account)
        return len(captured)

    with_few = count()
    for _ in range(3):
        parent = backup_of_many(world.account, "")
        for number in range(10):
            child = being_made(a_volume(world.account, name=f"{parent.pk}-{number}")).task
            assert child
            Task.objects.filter(pk=child.pk).update(parent=parent)
    assert count() == with_few
