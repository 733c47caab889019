"""The worst day: everything local is lost, and all kinds come back from their replicas.

And the days before it: a link that is down for an hour, a replication that breaks off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from backups import services
from backups.models import Backup, Replica
from disaster_recovery import daily
from disaster_recovery.configuration import CHECK
from portal.audit import SYSTEM
from portal.engine import clock as engine_clock
from portal.engine.connections import Connections
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Resource, Task
from tests.recovery_scene import (
    PRIMARY_CLUSTER,
    SECONDARY_CLUSTER,
    SERVER,
    RecoveryScene,
    build_recovery,
)
from tests.volume_scene import DESKTOP, DRIVE, PROFILE

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
Kind = Resource.Kind
RecordProperty = Callable[[str, object], None]


@dataclass
class Thing:
    """One resource of the account, and what it held when it was backed up."""

    resource: Resource
    content: str
    backup: Backup

    @property
    def external_id(self) -> str:
        self.resource.refresh_from_db()
        return self.resource.external_id


def _add(scene: RecoveryScene, kind: str) -> Resource:
    """One more resource of the scene's account."""
    site, first = scene.scene.site, scene.resource
    if kind in (PROFILE, DRIVE):
        external_id = site.add_volume(f"volume-{kind}")
        site.write_volume(external_id, "original")
    else:
        external_id = site.add_server(["original"], power="on")
    return Resource.objects.create(
        account=first.account, cloud_account=first.cloud_account, kind=kind,
        external_id=external_id, name=f"a-{kind}", user_name=f"user-{kind}",
        size_bytes=40 * 2**30, power_state="" if kind in (PROFILE, DRIVE) else "on",
    )  # fmt: skip


def _write(scene: RecoveryScene, resource: Resource, content: str) -> None:
    resource.refresh_from_db()
    if resource.kind in (PROFILE, DRIVE):
        scene.scene.site.write_volume(resource.external_id, content)
    else:
        scene.scene.site.write(resource.external_id, [content])


def _back_up(scene: RecoveryScene, resource: Resource) -> Thing:
    content = f"what {resource.name} held"
    _write(scene, resource, content)
    if resource.is_volume:
        backup = services.create_volume_backup(SYSTEM, resource, name="Before")
    else:
        backup = services.create_backup(SYSTEM, resource, name="Before", may_power_off=True)
    scene.scene.allow_time(backup.task)
    return Thing(resource, content, backup)


def _lose_everything_local(scene: RecoveryScene, things: list[Thing]) -> None:
    """Contents are overwritten, and every local copy is gone, as if it had never been."""
    for thing in things:
        _write(scene, thing.resource, "encrypted by a stranger")
        if scene.is_ahv:
            _drop_at_cluster(scene.lab, thing.backup.external_id)
        else:
            del scene.lab.azure.snapshots[thing.backup.external_id]


def _drop_at_cluster(lab: Lab, copy_id: str) -> None:
    cluster = lab.clusters[PRIMARY_CLUSTER]
    domain, _, number = copy_id.partition("/")
    if number:
        del cluster.protection_domains[domain].snapshots[number]
    else:
        del cluster.vms[copy_id]


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_everything_comes_back_when_all_local_copies_are_lost(
    kind: str, lab: Lab, lab_server: LabServer, record_property: RecordProperty
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=SERVER)
    others = [_add(scene, each) for each in (Kind.UTILITY_SERVER, DESKTOP, PROFILE, DRIVE)]
    things = [_back_up(scene, each) for each in (scene.resource, *others)]
    scene.drive(things[0].backup.task)
    for thing in things:
        thing.backup.refresh_from_db()
        assert thing.backup.replication_status == Replica.Status.DONE, thing.backup.error
    _lose_everything_local(scene, things)
    for thing in things:
        backup = Backup.objects.get(pk=thing.backup.pk)
        task = services.restore_backup(SYSTEM, backup, from_replica=True)
        task = scene.drive(scene.scene.allow_time(task))
        assert task.state == Task.State.DONE, f"{task.error} {task.error_detail}"
        assert scene.scene.site.contents(thing.external_id) == [thing.content]
        took = (task.ended_at or task.created_at) - task.created_at
        label = thing.resource.get_kind_display()
        line = f"{kind}: {label} restored from its replica in {took.seconds} s of lab time"
        record_property("disaster", line)


@pytest.fixture(params=[(AHV, SERVER), (AHV, PROFILE), (AZURE, SERVER)], ids="-".join)
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> RecoveryScene:
    kind, what = request.param
    return build_recovery(lab_server, lab, kind=kind, what=what)


def _cut(scene: RecoveryScene, *, is_up: bool) -> None:
    ends = (PRIMARY_CLUSTER, SECONDARY_CLUSTER) if scene.is_ahv else ("westeurope", "northeurope")
    scene.lab.link(*ends, is_up=is_up)


def test_a_link_that_is_cut_for_an_hour_needs_nobody(scene: RecoveryScene) -> None:
    backup = scene.begin_backup()
    scene.scene.drive_until(lambda: _is_being_sent(backup))
    _cut(scene, is_up=False)
    try:
        for _ in range(60):
            scene.scene.clock.advance(60)
            scene.scene.drive_until(lambda: True)
        replica = Replica.objects.get(backup=backup)
        assert replica.status == Replica.Status.IN_PROGRESS
    finally:
        _cut(scene, is_up=True)
    task = scene.drive(replica.task)
    assert task.state == Task.State.DONE, task.error
    replica.refresh_from_db()
    assert scene.replica_content(replica) == "original"
    assert not Notification.objects.filter(level="error").exists()
    took = (task.ended_at or task.created_at) - task.created_at
    assert took > timedelta(hours=1)


def _is_being_sent(backup: Backup) -> bool:
    replica = Replica.objects.filter(backup=backup).select_related("task").first()
    task = replica.task if replica else None
    return task is not None and task.step == "send" and bool(task.operation)


def test_a_replication_that_breaks_off_is_begun_again(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER)
    lab.faults.add(Fault("replication_aborted", count=1))
    backup = scene.backup()
    assert backup.replication_status == Replica.Status.DONE
    assert scene.replica_content(scene.replica_of(backup)) == "original"


def test_what_never_arrives_is_sent_anew(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=PROFILE)
    backup = scene.begin_backup()
    _run(scene, until=lambda: _lose(lab))
    _run(scene)
    replica = Replica.objects.get(backup=backup)
    assert replica.status == Replica.Status.DONE, replica.error
    assert scene.replica_content(replica) == "original"
    assert replica.task
    assert replica.sent_id != replica.task.memory["lost"]


def test_what_never_arrives_twice_is_given_up_though_a_runner_lives_for_a_moment(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=PROFILE)
    backup = scene.begin_backup()
    begun, lost = scene.scene.clock.now(), 0

    def lose() -> bool:
        nonlocal lost
        lost += _lose(lab)
        return not Task.objects.active().exists()

    _run(scene, until=lose)
    replica = Replica.objects.get(backup=backup)
    assert (replica.status, "has not arrived" in replica.error) == ("failed", True)
    assert lost == 2
    assert scene.scene.clock.now() - begun < timedelta(minutes=40)
    assert not _beside(lab)


def _run(scene: RecoveryScene, until: Callable[[], bool] | None = None) -> None:
    """Let runners come and go. The lab's time goes on between them, so none is there first."""
    clock = scene.scene.clock
    until = until or (lambda: not Task.objects.active().exists())
    begun, kept = clock.now(), Connections(clock)
    while not until() and clock.now() - begun < timedelta(hours=2):
        Runner(clock=clock, threads=4, connections=kept).run(seconds=0.001)
        clock.advance(5)
    kept.close()


def _lose(lab: Lab) -> bool:
    """Take away what has arrived at the secondary; say whether there was anything."""
    domains = lab.clusters[SECONDARY_CLUSTER].protection_domains.values()
    had = any(domain.snapshots for domain in domains)
    for domain in domains:
        domain.snapshots.clear()
    return had


def _beside(lab: Lab) -> list[str]:
    """What was restored at the primary to be sent anew."""
    groups = lab.clusters[PRIMARY_CLUSTER].volume_groups.values()
    return [each.name for each in groups if each.name.startswith("standby-new-")]


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_prerequisites_are_checked_daily_and_a_red_one_is_told(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=SERVER)
    with engine_clock.using(scene.scene.clock):
        daily.check_daily()
        assert not Task.objects.filter(kind=CHECK).exists()
        scene.scene.clock.advance(86400)
        daily.check_daily()
        daily.check_daily()
    task = Task.objects.get(kind=CHECK)
    sites = lab.clusters[PRIMARY_CLUSTER].remote_sites
    kept = dict(sites)
    if scene.is_ahv:
        sites.clear()
    else:
        Resource.objects.update(vm_size="Standard_D4s_v99")
    assert scene.drive(scene.scene.allow_time(task)).state == Task.State.DONE
    sites |= kept
    told = Notification.objects.get(task=task)
    assert (told.level, "not met any more" in told.title) == ("error", True)
    assert scene.account.dr_enabled
