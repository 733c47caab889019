"""Replication of volumes from their list: the column, the menu, many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, Replica, note_latest, note_replication
from disaster_recovery.many import ReplicateVolumes, replicate_selection
from portal import engine
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import (
    Account,
    AuditEntry,
    Infrastructure,
    Notification,
    Resource,
    Task,
    User,
)
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World
from tests.recovery_scene import build_recovery
from tests.volume_scene import PROFILE
from volumes.selection import Selection

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


def test_all_that_match_are_replicated_by_one_task(account: Account, person: Client) -> None:
    for n in range(3):
        _volume(account, f"EP-{n}")
    for kind in ("enterprise_profile", "personal_drive"):
        ResourceFactory(account=account, kind=kind, name="bare", user_name="x")
    chosen = {"all": "1", "kind": "enterprise_profile"}
    text = person.get(_many(account), chosen).text
    assert "All 4 volumes that match" in text
    assert "1 of 4 will be skipped" in text
    started = Task.objects.filter(kind="replicate_volumes")
    assert not started.exists()
    person.post(_many(account), chosen)
    parent = started.get()
    assert (parent.title, parent.state) == ("Replicate 4 volumes", "queued")
    assert AuditEntry.objects.get(action="volumes.replicate").detail["volumes"] == 4
    refused = person.post(_many(account), {"all": "1", "status": "failed"})
    assert (refused.status_code, started.count()) == (422, 1)
    assert "none matches" in refused.text


@pytest.mark.parametrize("kind", [Infrastructure.AHV, Infrastructure.AZURE])
def test_one_of_many_that_cannot_be_replicated_stops_no_other(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=PROFILE)
    good = scene.backup()
    account, volume = scene.account, scene.resource
    gone, _bare = (
        Resource.objects.create(
            account=account, cloud_account=volume.cloud_account, kind=PROFILE, name=name,
            external_id=name, user_name=name,
        )
        for name in ("gone", "bare")
    )  # fmt: skip
    lost = BackupFactory(
        resource=gone, site=good.site, created_at=good.created_at,
        external_id=f"{good.external_id.rpartition('/')[0]}/999999",
    )  # fmt: skip
    note_latest(Resource.objects.filter(pk=gone.pk))
    parent = scene.drive(replicate_selection(SYSTEM, account, Selection()))
    assert parent.state == Task.State.DONE, parent.error
    kept = {name: parent.memory.get(name) for name in ("done", "failed", "bare", "not_now")}
    assert kept == {"done": 1, "failed": 1, "bare": 1, "not_now": 0}
    good.refresh_from_db()
    lost.refresh_from_db()
    assert (good.replication_status, lost.replication_status) == ("done", "failed")
    assert scene.replica_content(scene.replica_of(good)) == "original"
    told = Notification.objects.get(task=parent)
    assert told.title == "Replicate 3 volumes: 1 done, 1 failed, 1 skipped"
    again = ReplicateVolumes().retry(parent, SYSTEM)
    assert again is not None
    assert Selection.from_json(again.args["selection"]).ids == (gone.pk,)


def test_cancelling_many_stops_what_is_under_way(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=Infrastructure.AHV, what=PROFILE)
    good = scene.backup()
    before = scene.everything()
    lab.faults.add(Fault("status", path="protection_domains", status=503, count=10**6))
    parent = replicate_selection(SYSTEM, scene.account, Selection())
    Runner(clock=scene.scene.clock, threads=4).run(seconds=30)
    engine.cancel(Task.objects.get(pk=parent.pk))
    lab.faults.clear()
    assert scene.drive(parent).state == Task.State.CANCELED
    assert set(parent.children.values_list("state", flat=True)) == {Task.State.CANCELED}
    good.refresh_from_db()
    assert good.is_ready
    assert scene.everything() == before
