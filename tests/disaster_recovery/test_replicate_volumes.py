"""Replication of volumes from their list: the column, the menu, many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, Replica, note_latest, note_replication
from portal.models import Account, Resource, Task, User
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(world: World) -> Account:
    world.account.dr_enabled, world.account.dr_cloud_account = True, world.cloud_account
    world.account.dr_site = "ahv-dub-02"
    world.account.save()
    return world.account


@pytest.fixture
def person(account: Account, support: User, sign_in: object) -> Client:
    assert callable(sign_in)
    client = sign_in(support)
    assert isinstance(client, Client)
    return client


def _volume(account: Account, name: str, *, status: str = "") -> Resource:
    volume = ResourceFactory(
        account=account, kind="enterprise_profile", name=name, user_name=f"user of {name}"
    )
    backup = BackupFactory(resource=volume, external_id="standby-pd-1/1")
    note_latest(Resource.objects.filter(pk=volume.pk))
    if status:
        note_replication(backup, status)
    volume.refresh_from_db()
    return volume


def _list(account: Account) -> str:
    return reverse("volumes:volume_list", args=[account.pk])


def _many(account: Account) -> str:
    return reverse("disaster_recovery:volumes_replicate", args=[account.pk])


def test_the_column_says_how_the_latest_backup_is_replicated(
    account: Account, person: Client
) -> None:
    for word in Replica.Status.values:
        _volume(account, f"EP-{word}", status=word)
    old = _volume(account, "EP-old")
    Resource.objects.filter(pk=old.pk).update(last_replica_at=timezone.now() - timedelta(days=3))
    text = person.get(_list(account)).text
    for word in ("Replication Status", "In-progress", "Done", "Failed", "Replica of"):
        assert word in text
    moving = Resource.objects.get(name="EP-in_progress")
    assert f'data-live="volume:{moving.pk}"' in text


def test_without_disaster_recovery_there_is_neither_column_nor_address(
    account: Account, person: Client
) -> None:
    volume = _volume(account, "EP", status="done")
    Account.objects.update(dr_enabled=False)
    text = person.get(_list(account)).text
    assert "Replication Status" not in text
    assert "Replicate" not in text
    assert person.get(_many(account), {"volume": str(volume.pk)}).status_code == 404


def test_the_menu_replicates_the_latest_good_backup(account: Account, person: Client) -> None:
    volume = _volume(account, "EP", status="failed")
    menu = reverse("volumes:volume_menu", args=[account.pk, volume.pk])
    backup = Backup.objects.get(resource=volume)
    address = reverse("disaster_recovery:volume_backup_replicate", args=[account.pk, backup.pk])
    assert address in person.get(menu).text


def test_many_are_replicated_after_a_confirmation_that_says_what_is_left_out(
    account: Account, person: Client
) -> None:
    volumes = [_volume(account, f"EP-{n}") for n in range(3)]
    volumes.append(_volume(account, "EP-moving", status="in_progress"))
    volumes.append(
        ResourceFactory(account=account, kind="personal_drive", name="PDR", user_name="x")
    )
    chosen = {"volume": [*(str(each.pk) for each in volumes), "nonsense"]}
    text = person.get(_many(account), chosen).text
    assert "Replicate 3 backups?" in text
    assert "is being replicated already" in text
    assert "1 without a good backup" in text
    assert not Task.objects.filter(kind="replicate_backup").exists()
    person.post(_many(account), chosen)
    begun = Task.objects.filter(kind="replicate_backup").values_list("resource__name", flat=True)
    assert sorted(begun) == ["EP-0", "EP-1", "EP-2"]
    assert person.post(_many(account), chosen).status_code == 422


def test_volumes_of_others_are_never_meant(
    account: Account, elsewhere: World, person: Client
) -> None:
    Account.objects.filter(pk=elsewhere.account.pk).update(
        dr_enabled=True, dr_cloud_account=elsewhere.cloud_account
    )
    theirs = _volume(elsewhere.account, "EP-theirs")
    assert person.post(_many(account), {"volume": str(theirs.pk)}).status_code == 422
    assert not Task.objects.filter(kind="replicate_backup").exists()
