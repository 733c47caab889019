"""Records against sites: what is gone, what is unknown, and a catalogue made anew from marks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse

from backups import services
from backups.models import Backup, Replica
from disaster_recovery import reconciliation, settling
from disaster_recovery.models import Discrepancy
from portal.audit import SYSTEM
from portal.engine import clock
from portal.lab import Lab, LabServer
from portal.models import (
    AuditEntry,
    CloudAccount,
    Customer,
    Infrastructure,
    Notification,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)
from portal.refusals import Refused
from tests.recovery_scene import (
    PRIMARY_CLUSTER,
    SECONDARY_CLUSTER,
    SERVER,
    RecoveryScene,
    build_recovery,
)
from tests.volume_scene import DESKTOP, PROFILE

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
State, Kind = Discrepancy.State, Discrepancy.Kind


@pytest.fixture(
    params=[(cloud, what) for cloud in (AHV, AZURE) for what in (SERVER, DESKTOP, PROFILE)],
    ids=lambda each: "-".join(each),
)
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> RecoveryScene:
    kind, what = request.param
    return build_recovery(lab_server, lab, kind=kind, what=what)


@pytest.fixture
def person(scene: RecoveryScene, sign_in: Callable[[User], Client]) -> Client:
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    customer = scene.account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return sign_in(user)


def _compare(scene: RecoveryScene) -> Task:
    """Two hours later, when nothing is young any more."""
    scene.scene.clock.advance(7200)
    with clock.using(scene.scene.clock):
        task = reconciliation.reconcile(SYSTEM, scene.account)
    task = scene.drive(scene.scene.allow_time(task))
    assert task.state == Task.State.DONE, f"{task.error} {task.error_detail}"
    return task


def _drop(scene: RecoveryScene, copy_id: str, *, at_secondary: bool = False) -> None:
    """What a stranger deletes at the cloud."""
    if not scene.is_ahv:
        del scene.lab.azure.snapshots[copy_id]
        return
    cluster = scene.lab.clusters[SECONDARY_CLUSTER if at_secondary else PRIMARY_CLUSTER]
    domain, _, number = copy_id.partition("/")
    if number:
        del cluster.protection_domains[domain].snapshots[number]
    else:
        del cluster.vms[copy_id]


def _drop_all_of_ours(lab: Lab, name: str) -> None:
    """What a cluster that was set up anew no longer has; the other one cannot tell."""
    cluster = lab.clusters[name]
    for vm in [each for each in cluster.vms.values() if each.name.startswith("standby-")]:
        del cluster.vms[vm.uuid]
    for domain in cluster.protection_domains.values():
        domain.snapshots.clear()


def _forget_everything() -> None:
    """The database is lost, but for what people make anew: accounts, inventory, assignments."""
    Replica.objects.all().delete()
    Notification.objects.all().delete()
    Backup.objects.all().delete()
    Discrepancy.objects.all().delete()
    Task.objects.all().delete()


def _with_new_ids(scene: RecoveryScene) -> UUID:
    """Account and resources are made anew, as the inventory or a person makes them."""
    account, former = scene.account, scene.resource.pk
    old = account.pk
    account.pk, account.name = uuid4(), "Made anew"
    account.save(force_insert=True)
    for resource in Resource.objects.filter(account=old):
        before = resource.pk
        resource.words.all().delete()
        Resource.objects.filter(pk=before).delete()
        resource.pk, resource.account = uuid4(), account
        resource.save(force_insert=True)
        if before == former:
            scene.base.resource = resource
    type(account).objects.filter(pk=old).delete()
    return former


def test_records_and_sites_agree_after_ordinary_work(scene: RecoveryScene) -> None:
    scene.backup()
    scene.delete(scene.backup("Another"))
    task = _compare(scene)
    assert not Discrepancy.objects.exists(), list(Discrepancy.objects.values("name", "kind"))
    assert not Notification.objects.filter(task=task).exists()


def test_what_stays_of_a_volume_without_a_backup_is_not_left_over(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=PROFILE)
    other = build_recovery(lab_server, lab, kind=AHV, what=PROFILE)
    for each in (scene, other):
        assert each.delete(each.backup()).state == Task.State.DONE
    _compare(scene)
    standby = lab.clusters[SECONDARY_CLUSTER].protection_domains
    assert f"standby-pd-{scene.resource.pk.hex}" in standby
    assert not Discrepancy.objects.exists(), list(Discrepancy.objects.values("name", "kind"))


def test_a_backup_that_was_removed_at_its_site_can_only_come_from_its_replica(
    scene: RecoveryScene, person: Client
) -> None:
    backup = scene.backup()
    _drop(scene, backup.external_id)
    told = Notification.objects.get(task=_compare(scene))
    assert "Reconciliation found" in told.title
    # What a server's copy was sent by is left over without it.
    found = Discrepancy.objects.exclude(kind=Kind.LEFT_OVER).get()
    assert (found.kind, found.backup, found.is_unknown) == (Kind.MISSING_BACKUP, backup, False)
    backup.refresh_from_db()
    assert backup.missing_since is not None
    with pytest.raises(Refused, match="Force restore from replica") as refused:
        services.restore_backup(SYSTEM, Backup.objects.get(pk=backup.pk))
    assert refused.value.field == "from_replica"
    app = "volumes:volume_backup_restore" if scene.resource.is_volume else "backups:backup_restore"
    page = person.get(reverse(app, args=[scene.account.pk, backup.pk])).text
    assert "The local copy is no longer at" in page
    scene.write("changed")
    assert scene.restore(backup, from_replica=True).state == Task.State.DONE
    assert scene.content == "original"


def test_what_is_gone_at_both_sites_is_not_shown_as_good(scene: RecoveryScene) -> None:
    backup = scene.backup()
    _drop(scene, scene.replica_of(backup).external_id, at_secondary=True)
    _compare(scene)
    backup.refresh_from_db()
    assert (backup.is_ready, backup.replication_status) == (True, "failed")
    _drop(scene, backup.external_id)
    _compare(scene)
    backup.refresh_from_db()
    assert (backup.status, backup.resource.last_good_id) == (Backup.Status.FAILED, None)
    assert "removed there, and no replica is left" in backup.error


def test_the_catalogue_comes_back_from_the_secondary_alone(
    scene: RecoveryScene, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = scene.backup()
    local, replica = backup.external_id, scene.replica_of(backup).external_id
    _forget_everything()
    former = _with_new_ids(scene)
    _drop(scene, local)
    scene.write("changed")
    scene.scene.clock.advance(7200)
    call_command("rebuild_catalogue", account=str(scene.account.pk))
    said = capsys.readouterr().out
    assert "recorded 0 of backups, 1 of replicas" in said
    assert "former ids given back to 1 of its resources" in said
    scene.base.resource = Resource.objects.get(pk=former)
    made = Backup.objects.get()
    assert (made.is_pinned, made.missing_since is not None) == (True, True)
    assert scene.replica_of(made).external_id == replica
    scene.scene.clock.time = max(scene.scene.clock.time, scene.lab.clock.now())
    task = scene.restore(made, from_replica=True)
    assert task.state == Task.State.DONE, f"{task.error} {task.error_detail}"
    assert scene.content == "original"
    call_command("rebuild_catalogue", account=str(scene.account.pk))
    assert "recorded 0 of backups, 0 of replicas" in capsys.readouterr().out
    # And work goes on: nothing at the cluster is called after an id that nobody knows.
    again = scene.backup("After the rebuild")
    assert again.replication_status == Replica.Status.DONE, again.error


def test_the_catalogue_comes_back_from_both_sites_and_deletes_all_of_it(
    scene: RecoveryScene,
) -> None:
    before = scene.everything()
    backup = scene.backup()
    _forget_everything()
    scene.scene.clock.advance(7200)
    call_command("rebuild-catalogue", account=str(scene.account.pk))
    made = Backup.objects.get()
    assert (made.external_id, made.missing_since) == (backup.external_id, None)
    assert made.replicas.there().count() == 1
    scene.write("changed")
    assert scene.restore(made, from_replica=False).state == Task.State.DONE
    assert scene.content == "original"
    if scene.resource.kind != PROFILE:
        ended = scene.delete(made)
        assert ended.state == Task.State.DONE, ended.error
        assert scene.everything() == before


@pytest.mark.parametrize("what", [SERVER, DESKTOP, PROFILE])
def test_the_first_replication_after_a_rebuild_arrives_though_the_secondary_lost_all(
    what: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=what)
    scene.backup()
    _forget_everything()
    former = _with_new_ids(scene)
    _drop_all_of_ours(lab, SECONDARY_CLUSTER)
    scene.scene.clock.advance(7200)
    call_command("rebuild-catalogue", account=str(scene.account.pk))
    scene.base.resource = Resource.objects.get(pk=former)
    made = Backup.objects.get()
    assert not made.replicas.exists()
    scene.scene.clock.time = max(scene.scene.clock.time, lab.clock.now())
    replica = scene.replicate(made)
    assert replica.status == Replica.Status.DONE, replica.error
    assert scene.replica_content(replica) == "original"


def test_a_stray_is_shown_and_removed_by_choice(scene: RecoveryScene, person: Client) -> None:
    backup = scene.backup()
    replica = scene.replica_of(backup)
    Replica.objects.all().delete()
    note = Backup.objects.filter(pk=backup.pk)
    note.update(replication_status="")
    _compare(scene)
    found = Discrepancy.objects.get(external_id=replica.external_id)
    assert found.kind == Kind.REPLICA
    page = reverse("disaster_recovery:reconciliation", args=[scene.account.pk])
    assert found.name in person.get(page).text
    address = reverse(
        "disaster_recovery:discrepancy_settle", args=[scene.account.pk, found.pk, "delete"]
    )
    assert "for good" in person.get(address).text
    person.post(address)
    task = Task.objects.get(kind=settling.KIND)
    assert scene.drive(scene.scene.allow_time(task)).state == Task.State.DONE
    scene.scene.site.advance(60)
    if scene.is_ahv and "/" not in replica.external_id:
        assert replica.external_id not in scene.lab.clusters[SECONDARY_CLUSTER].vms
    elif not scene.is_ahv:
        assert replica.external_id not in scene.lab.azure.snapshots
    assert AuditEntry.objects.filter(action="recovery.remove_unknown").exists()
    assert person.post(address).status_code == 422
    _compare(scene)
    assert not Discrepancy.objects.filter(pk=found.pk, state=State.OPEN).exists()


def test_a_replica_without_a_record_is_adopted(scene: RecoveryScene, person: Client) -> None:
    backup = scene.backup()
    replica = scene.replica_of(backup)
    Replica.objects.all().delete()
    _compare(scene)
    found = Discrepancy.objects.get(external_id=replica.external_id)
    address = reverse(
        "disaster_recovery:discrepancy_settle", args=[scene.account.pk, found.pk, "adopt"]
    )
    person.post(address)
    assert scene.replica_of(backup).external_id == replica.external_id
    assert Backup.objects.count() == 1


def test_what_is_ignored_stays_ignored(scene: RecoveryScene, person: Client) -> None:
    scene.backup()
    Replica.objects.all().delete()
    _compare(scene)
    for found in Discrepancy.objects.open():
        settling.ignore(SYSTEM, found)
    task = _compare(scene)
    assert not Discrepancy.objects.open().exists()
    assert not Notification.objects.filter(task=task).exists()
    page = reverse("disaster_recovery:reconciliation", args=[scene.account.pk])
    assert "Records and sites agree" in person.get(page).text
    assert "Ignored" in person.get(page, {"show": "ignored"}).text


@pytest.mark.parametrize("kind", [AHV, AZURE])
@pytest.mark.parametrize("what", [SERVER, PROFILE])
def test_what_belongs_to_another_account_is_not_shown(
    kind: str, what: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=what)
    other = build_recovery(lab_server, lab, kind=kind, what=what)
    other.backup()
    other.replicate(other.backup("Sent twice"))
    _compare(scene)
    assert not Discrepancy.objects.exists(), list(Discrepancy.objects.values("name", "kind"))


def test_what_another_account_is_just_sending_is_not_shown(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER)
    other = build_recovery(lab_server, lab, kind=AHV, what=SERVER)
    backup = other.backup()
    # As between the arrival and the note of it, when that takes hours.
    Replica.objects.update(sent_id="", external_id="", status=Replica.Status.IN_PROGRESS)
    task = Replica.objects.get(backup=backup).task
    assert task
    Task.objects.filter(pk=task.pk).update(state=Task.State.QUEUED)
    scene.scene.clock.advance(7200)
    with clock.using(scene.scene.clock):
        reconciliation.reconcile(SYSTEM, scene.account)
    Task.objects.filter(pk=task.pk).update(next_wake_at=scene.scene.clock.now() + timedelta(days=1))
    scene.drive(scene.scene.allow_time(Task.objects.get(kind=reconciliation.KIND)))
    assert not Discrepancy.objects.filter(account=scene.account).exists()


def test_backups_at_a_cloud_account_that_was_left_are_not_taken_for_gone(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER)
    backup = scene.backup()
    left = CloudAccount.objects.get(name=SECONDARY_CLUSTER, customer=_customer(scene))
    Resource.objects.filter(pk=scene.resource.pk).update(cloud_account=left)
    _drop(scene, backup.external_id)
    _compare(scene)
    backup.refresh_from_db()
    assert (backup.is_ready, backup.missing_since) == (True, None)


def _customer(scene: RecoveryScene) -> Customer:
    return scene.account.organization.customer


def test_it_runs_daily_and_not_twice(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER)
    scene.backup()
    with clock.using(scene.scene.clock):
        reconciliation.reconcile_daily()
        reconciliation.reconcile_daily()
        assert Task.objects.filter(kind=reconciliation.KIND).count() == 1
        scene.drive(scene.scene.allow_time(Task.objects.get(kind=reconciliation.KIND)))
        scene.scene.clock.advance(86400)
        Task.objects.update(created_at=F("created_at") - timedelta(days=1))
        reconciliation.reconcile_daily()
    assert Task.objects.filter(kind=reconciliation.KIND).count() == 2
