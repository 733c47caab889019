"""Create Backup of chosen volumes, of all that match, of all of some kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from backups.models import Backup, VolumePolicy
from portal.models import AuditEntry, Resource, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import DESKTOP, DRIVE, PROFILE, a_volume, under_way
from volumes.selection import Selection

SignIn = Callable[[User], Client]


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _create(world: World) -> str:
    return f"/accounts/{world.account.pk}/volumes/backups/create/"


def _all(world: World) -> str:
    return f"/accounts/{world.account.pk}/volumes/backups/all/"


def test_one_volume_is_one_task(world: World, admin: Client) -> None:
    volume = a_volume(world.account)
    answer = admin.post(_create(world), {"volume": volume.pk, "name": "Before"})
    assert answer.status_code == 302
    backup = Backup.objects.get()
    assert (backup.name, backup.resource, backup.type) == ("Before", volume, "M")
    assert Task.objects.get().kind == "create_volume_backup"
    assert AuditEntry.objects.get().action == "backup.create"


def test_several_are_one_task_that_starts_the_others(world: World, admin: Client) -> None:
    chosen = [a_volume(world.account, name=f"EP-{n}") for n in range(3)]
    admin.post(_create(world), {"volume": [each.pk for each in chosen], "name": "Before"})
    task = Task.objects.get()
    assert (task.kind, task.title, task.args["count"]) == (
        "backup_volumes", "Backup 3 volumes", 3,
    )  # fmt: skip
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail["volumes"]) == ("volumes.backup", 3)


def test_all_that_match_are_meant_by_their_filters(world: World, admin: Client) -> None:
    for number in range(3):
        a_volume(world.account, name=f"EP-{number}")
    a_volume(world.account, DRIVE, name="PDR-1")
    dialog = admin.get(_create(world), {"all": "1", "kind": PROFILE}).text
    assert "All 3 volumes that match" in dialog
    admin.post(_create(world), {"all": "1", "kind": PROFILE, "name": "Before"})
    task = Task.objects.get()
    assert Selection.from_json(task.args["selection"]).rows(world.account).count() == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Give the backup a name."), (" ", "Give the backup a name."),
        ("x" * 101, "at most 100"), ("a\x07b", "control characters"),
    ],
)  # fmt: skip
def test_a_bad_name_is_said_beside_it_and_the_choice_is_kept(
    world: World, admin: Client, name: str, said: str
) -> None:
    volume = a_volume(world.account)
    answer = admin.post(_create(world), {"volume": volume.pk, "name": name})
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{volume.pk}" checked' in answer.text
    assert not Task.objects.exists()


@pytest.mark.parametrize("volume", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_without_a_volume_it_is_refused_and_the_name_is_kept(
    world: World, admin: Client, volume: str
) -> None:
    answer = admin.post(_create(world), {"volume": volume, "name": "Before"})
    assert answer.status_code == 422
    assert "Choose at least one volume." in answer.text
    assert 'value="Before"' in answer.text


def test_a_strangers_volume_is_none(world: World, elsewhere: World, admin: Client) -> None:
    foreign = a_volume(elsewhere.account)
    answer = admin.post(_create(world), {"volume": foreign.pk, "name": "Before"})
    assert answer.status_code == 422
    assert "EP-sofia" not in answer.text
    assert not Backup.objects.exists()


def test_a_double_click_starts_one(world: World, admin: Client) -> None:
    volume = a_volume(world.account)
    admin.post(_create(world), {"volume": volume.pk, "name": "Before"})
    again = admin.post(_create(world), {"volume": volume.pk, "name": "Before"})
    assert again.status_code == 422
    assert "is busy" in again.text
    assert Backup.objects.count() == 1


def test_who_will_be_left_out_is_said_before(world: World, admin: Client) -> None:
    busy, full, fine = (a_volume(world.account, name=f"EP-{n}") for n in range(3))
    under_way(busy)
    VolumePolicy.objects.create(account=world.account, kind=PROFILE, keep_manual=1)
    BackupFactory(resource=full)
    ids = [str(each.pk) for each in (busy, full, fine)]
    dialog = admin.get(_create(world), {"volume": ids}).text
    assert "2 of 3 will be skipped" in dialog
    assert "1 busy with another task." in dialog
    assert "1 at their number of manual backups" in dialog


def test_the_cap_refuses_a_single_one(world: World, admin: Client) -> None:
    volume = a_volume(world.account)
    VolumePolicy.objects.create(account=world.account, kind=PROFILE, keep_manual=1)
    BackupFactory(resource=volume)
    answer = admin.post(_create(world), {"volume": volume.pk, "name": "Before"})
    assert answer.status_code == 422
    assert "1 may be kept" in answer.text


def test_the_picker_finds_and_keeps_what_is_chosen_without_script(
    world: World, admin: Client
) -> None:
    chosen = a_volume(world.account, name="EP-chosen")
    found = a_volume(world.account, name="EP-found")
    a_volume(world.account, name="EP-other")
    given = {"volume": chosen.pk, "find": "found", "look": "1", "name": "Half typed"}
    answer = admin.post(_create(world), given)
    assert answer.status_code == 200
    assert f'value="{chosen.pk}" checked' in answer.text
    assert f'value="{found.pk}"' in answer.text
    assert "EP-other" not in answer.text
    assert 'value="Half typed"' in answer.text
    assert not Task.objects.exists()


def test_backup_all_means_assigned_desktops_unless_more_is_chosen(
    world: World, admin: Client
) -> None:
    a_volume(world.account, DESKTOP, name="pd-1")
    a_volume(world.account, DESKTOP, name="pd-none", user_name="")
    a_volume(world.account, PROFILE, name="EP-1")
    dialog = admin.get(_all(world)).text
    assert "1 Persistent Desktop" in dialog
    assert "Backup all persistent user volumes" in dialog
    admin.post(_all(world), {"kinds": [DESKTOP], "name": "Nightly"})
    assert Task.objects.get().args["count"] == 1
    Task.objects.all().delete()
    admin.post(_all(world), {"kinds": [DESKTOP, PROFILE], "name": "Nightly"})
    assert Task.objects.get().args["count"] == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kinds": [], "name": "Nightly"}, "Choose at least one type."),
        ({"kinds": ["sandbox"], "name": "Nightly"}, "is not one of the available choices"),
        ({"kinds": [DRIVE], "name": "Nightly"}, "No volume is chosen"),
        ({"kinds": [DESKTOP], "name": ""}, "Give the backup a name."),
    ],
)
def test_backup_all_says_what_is_wrong(
    world: World, admin: Client, given: dict[str, object], said: str
) -> None:
    a_volume(world.account, DESKTOP, name="pd-1")
    answer = admin.post(_all(world), given)
    assert answer.status_code == 422
    assert said in answer.text
    assert not Task.objects.exists()


def test_customer_support_may_and_an_auditor_may_not(
    world: World, support: User, auditor: User, sign_in: SignIn
) -> None:
    volume = a_volume(world.account)
    given = {"volume": volume.pk, "name": "Before"}
    assert sign_in(auditor).post(_create(world), given).status_code == 403
    assert not Task.objects.exists()
    assert sign_in(support).post(_create(world), given).status_code == 302
    assert Resource.objects.get(pk=volume.pk).last_backup_status == "creating"
