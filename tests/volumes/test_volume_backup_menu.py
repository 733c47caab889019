"""The kebab next to a backup: what can be done with it, and why not (R077, R081, R088)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import (
    HTMX,
    KINDS,
    a_volume,
    being_made,
    failed,
    missed,
    under_way,
)

SignIn = Callable[[User], Client]


def url(backup: Backup, name: str = "menu") -> str:
    return reverse(f"volumes:volume_backup_{name}", args=[backup.account_id, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _menu(client: Client, backup: Backup) -> str:
    answer = client.get(url(backup), headers=HTMX)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_backup_can_be_restored_pinned_and_deleted(
    world: World, admin: Client, kind: str
) -> None:
    backup = BackupFactory(resource=a_volume(world.account, kind))
    menu = _menu(admin, backup)
    for name in ("restore", "delete", "pin"):
        assert f'"{url(backup, name)}"' in menu
    for word in ("Restore", "Pin", "Delete", "Manual 1 of 10 · only good copy"):
        assert word in menu
    assert "disabled" not in menu
    assert ">Backup<" not in menu


def test_a_pinned_one_is_unpinned(world: World, admin: Client) -> None:
    menu = _menu(admin, BackupFactory(resource=a_volume(world.account), is_pinned=True))
    assert "Unpin" in menu


def test_while_a_task_is_on_the_volume_it_says_which(world: World, admin: Client) -> None:
    backup = BackupFactory(resource=a_volume(world.account))
    task = under_way(backup.resource)
    menu = _menu(admin, backup)
    assert menu.count("disabled") == 2
    assert menu.count(f"“{task}” is under way") == 2
    assert url(backup, "restore") not in menu
    assert url(backup, "delete") not in menu


def test_in_a_session_restore_alone_is_out_of_reach(world: World, admin: Client) -> None:
    backup = BackupFactory(resource=a_volume(world.account, attached_to="frame-worker-17"))
    menu = _menu(admin, backup)
    assert menu.count("disabled") == 1
    assert "is attached to frame-worker-17: sofia.lindqvist is in a session" in menu
    assert f'"{url(backup, "delete")}"' in menu


@pytest.mark.parametrize("made", [failed, missed])
def test_what_failed_or_was_missed_is_backed_up_again(
    world: World, admin: Client, made: Callable[..., Backup]
) -> None:
    backup = made(a_volume(world.account))
    menu = _menu(admin, backup)
    again = reverse("volumes:volume_backup_create", args=[world.account.pk])
    assert f"{again}?volume={backup.resource_id}&amp;from=backups" in menu
    assert ">Backup<" in menu.replace("</svg>", ">")
    assert url(backup, "restore") not in menu
    assert url(backup, "pin") not in menu
    assert f'"{url(backup, "delete")}"' in menu


@pytest.mark.parametrize("made", [failed, missed])
def test_backup_again_backs_up_that_volume_alone(
    world: World, admin: Client, made: Callable[..., Backup]
) -> None:
    a_volume(world.account, name="EP-other")
    backup = made(a_volume(world.account))
    again = reverse("volumes:volume_backup_create", args=[world.account.pk])
    dialog = admin.get(again, {"volume": str(backup.resource_id), "from": "backups"}, headers=HTMX)
    assert "EP-sofia" in dialog.text
    address = dialog.text.partition('data-hx-post="')[2].partition('"')[0].replace("&amp;", "&")
    sent = {"volume": str(backup.resource_id), "name": "By hand"}
    answer = admin.post(address, sent, headers=HTMX)
    assert answer.headers["HX-Redirect"] == reverse(
        "volumes:volume_backup_list", args=[world.account.pk]
    )
    task = Task.objects.get(kind="create_volume_backup", state="queued")
    assert (task.resource, task.subject) == (backup.resource, "By hand")


def test_one_under_way_leads_to_its_task(world: World, admin: Client) -> None:
    backup = being_made(a_volume(world.account))
    menu = _menu(admin, backup)
    assert reverse("reporting:task_detail", args=[world.account.pk, backup.task_id]) in menu
    assert url(backup, "delete") not in menu


def test_one_that_is_gone_has_no_entries(world: World, admin: Client) -> None:
    backup = BackupFactory(resource=a_volume(world.account), status="deleted")
    assert "<li>" not in _menu(admin, backup)


def test_of_servers_and_of_other_accounts_it_is_404(
    world: World, elsewhere: World, admin: Client
) -> None:
    for resource in (a_volume(elsewhere.account), world.sandbox):
        backup = BackupFactory(resource=resource)
        forged = reverse("volumes:volume_backup_menu", args=[world.account.pk, backup.pk])
        assert admin.get(forged).status_code == 404


@pytest.mark.parametrize(("person", "status"), [("support", 200), ("auditor", 403),
                                                ("stranger", 404), ("neighbour", 404)])  # fmt: skip
def test_who_may_open_it(
    world: World, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    backup = BackupFactory(resource=a_volume(world.account))
    assert sign_in(request.getfixturevalue(person)).get(url(backup)).status_code == status


def test_other_methods_are_405(world: World, admin: Client) -> None:
    backup = BackupFactory(resource=a_volume(world.account))
    for method in ("post", "put", "patch", "delete"):
        assert getattr(admin, method)(url(backup)).status_code == 405
