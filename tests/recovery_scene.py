"""A resource with disaster recovery on, at both sites of a fresh lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backups import services
from backups.models import Backup, Replica
from disaster_recovery import configuration
from disaster_recovery.services import replicate_backup
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import Account, CloudAccount, Infrastructure, InstanceType, Resource, Task
from tests.scene import Scene, build
from tests.volume_scene import VolumeScene, build_volume

SERVER = Resource.Kind.SANDBOX
PRIMARY_CLUSTER, SECONDARY_CLUSTER = "ahv-lon-01", "ahv-dub-02"
SECONDARY_REGION = "northeurope"


@dataclass
class RecoveryScene:
    """A server, a desktop or a profile whose account replicates to a second site."""

    base: Scene | VolumeScene
    lab: Lab

    @property
    def scene(self) -> Scene:
        return self.base if isinstance(self.base, Scene) else self.base.scene

    @property
    def resource(self) -> Resource:
        self.base.resource.refresh_from_db()
        return self.base.resource

    @property
    def account(self) -> Account:
        return Account.objects.get(pk=self.base.resource.account_id)

    @property
    def is_ahv(self) -> bool:
        return self.account.infrastructure == Infrastructure.AHV

    @property
    def content(self) -> str:
        return self.scene.site.contents(self.resource.external_id)[0]

    def write(self, content: str) -> None:
        self.base.write(content)

    # Doing

    def enable(self, **chosen: Any) -> Task:
        """Switch disaster recovery on, by its task."""
        return self.drive(self.begin_to_enable(**chosen))

    def begin_to_enable(self, **chosen: Any) -> Task:
        account = self.account
        secondary = account.cloud_account
        if self.is_ahv:
            secondary = CloudAccount.objects.get(
                name=SECONDARY_CLUSTER, customer=account.organization.customer_id
            )
        assert secondary is not None
        task = configuration.enable(
            SYSTEM, account, cloud_account=secondary,
            site="" if self.is_ahv else SECONDARY_REGION, target_rpo_hours=24, **chosen,
        )  # fmt: skip
        return self.scene.allow_time(task)

    def backup(self, name: str = "A backup") -> Backup:
        """Make a backup and let everything that follows it run."""
        backup = self.begin_backup(name)
        self.drive(backup.task)
        backup.refresh_from_db()
        return backup

    def begin_backup(self, name: str = "A backup") -> Backup:
        resource = self.resource
        if resource.is_volume:
            backup = services.create_volume_backup(SYSTEM, resource, name=name)
        else:
            backup = services.create_backup(SYSTEM, resource, name=name, may_power_off=True)
        self.scene.allow_time(backup.task)
        return backup

    def replicate(self, backup: Backup) -> Replica:
        replica = Replica.objects.get(task=self.drive(self.begin_to_replicate(backup)))
        replica.refresh_from_db()
        return replica

    def begin_to_replicate(self, backup: Backup) -> Task:
        backup = Backup.objects.get(pk=backup.pk)
        return self.scene.allow_time(replicate_backup(SYSTEM, backup).task)

    def restore(self, backup: Backup, *, from_replica: bool) -> Task:
        return self.drive(self.begin_to_restore(backup, from_replica=from_replica))

    def begin_to_restore(self, backup: Backup, *, from_replica: bool) -> Task:
        backup = Backup.objects.get(pk=backup.pk)
        task = services.restore_backup(SYSTEM, backup, from_replica=from_replica)
        return self.scene.allow_time(task)

    def delete(self, backup: Backup) -> Task:
        return self.drive(self.begin_to_delete(backup))

    def begin_to_delete(self, backup: Backup) -> Task:
        backup = Backup.objects.get(pk=backup.pk)
        return self.scene.allow_time(services.delete_backup(SYSTEM, backup))

    def drive(self, task: Task | None) -> Task:
        """Run until nothing is due any more."""
        assert task is not None
        Runner(clock=self.scene.clock, threads=4).run(seconds=30 * 86400)
        task.refresh_from_db()
        return task

    # Looking

    def replica_of(self, backup: Backup) -> Replica:
        return backup.replicas.there().get()

    def replica_content(self, replica: Replica) -> str:
        """What a replica holds, at the other site."""
        if not self.is_ahv:
            return str(self.lab.azure.snapshots[replica.external_id].content)
        cluster = self.lab.clusters[SECONDARY_CLUSTER]
        if "/" not in replica.external_id:
            return str(cluster.vms[replica.external_id].disks[0].content)
        domain, _, number = replica.external_id.partition("/")
        (thing,) = cluster.protection_domains[domain].snapshots[number].things
        return str(thing.disks[0].content)

    def everything(self) -> set[str]:
        """Ids of all there is at both sites, but for what lasts as long as a resource does."""
        self.scene.site.advance(60)
        if not self.is_ahv:
            return self.scene.site.everything()
        return {f"{name} {thing}" for name in self.lab.clusters for thing in _at(self.lab, name)}


def _at(lab: Lab, name: str) -> set[str]:
    cluster = lab.clusters[name]
    lasting = {f"standby-pd-{pk.hex}" for pk in Resource.objects.values_list("pk", flat=True)}
    found = {*cluster.vms, *cluster.volume_groups}
    for domain in cluster.protection_domains.values():
        found |= {f"{domain.name}/{number}" for number in domain.snapshots}
        if domain.name not in lasting:
            found.add(domain.name)
    return found


def build_recovery(
    server: LabServer, lab: Lab, *, kind: str, what: str, is_on: bool = True
) -> RecoveryScene:
    """Make it at the lab and here, with a second site; ``is_on``: replicating to it already."""
    if what == SERVER:
        base: Scene | VolumeScene = build(server, lab, kind=kind)
    else:
        base = build_volume(server, lab, kind=kind, volume=what)
    made = RecoveryScene(base, lab)
    if kind == Infrastructure.AHV:
        _register_second(made, server)
    else:
        vm = made.scene.resource
        Resource.objects.filter(pk=vm.pk).update(vm_size="Standard_D4s_v5", vcpus=4)
    if is_on:
        task = made.enable()
        assert task.state == Task.State.DONE, task.error
    return made


def _register_second(made: RecoveryScene, server: LabServer) -> None:
    """The other cluster as a cloud account, with the instance types that are in use."""
    first = made.scene.resource.cloud_account
    second = CloudAccount.objects.create(
        customer=first.customer, name=SECONDARY_CLUSTER, kind=first.kind,
        endpoint=server.urls[SECONDARY_CLUSTER], secrets=first.secrets, ca_pem=first.ca_pem,
    )  # fmt: skip
    InstanceType.objects.create(cloud_account=second, name="AHV", vcpus=2, memory_mb=8192)
