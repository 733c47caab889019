"""A volume of any kind at a fresh lab and its row here, and what must hold after every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backups import services
from backups.models import Backup
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import Resource, Task
from tests.clock import JumpClock
from tests.contract.sites import Site
from tests.scene import Scene, build

DESKTOP, PROFILE = Resource.Kind.PERSISTENT_DESKTOP, Resource.Kind.ENTERPRISE_PROFILE
DRIVE = Resource.Kind.PERSONAL_DRIVE
USER = "sofia.lindqvist@meridian.example"


@dataclass
class VolumeScene:
    """A volume with a user; a desktop is on."""

    scene: Scene
    resource: Resource
    server: str

    @property
    def site(self) -> Site:
        return self.scene.site

    @property
    def clock(self) -> JumpClock:
        return self.scene.clock

    def write(self, content: str) -> None:
        """What its user does to it between two backups."""
        self.resource.refresh_from_db()
        if self.resource.is_desktop:
            self.site.write(self.resource.external_id, [content])
        else:
            self.site.write_volume(self.resource.external_id, content)

    @property
    def content(self) -> str:
        self.resource.refresh_from_db()
        return self.site.contents(self.resource.external_id)[0]

    def backup(self, name: str = "A backup", **more: Any) -> Backup:
        self.resource.refresh_from_db()
        backup = services.create_volume_backup(SYSTEM, self.resource, name=name, **more)
        self.scene.allow_time(backup.task)
        return backup

    def have_backup(self) -> Backup:
        """A complete backup, really made."""
        backup = self.backup()
        self.drive(backup.task)
        backup.refresh_from_db()
        assert backup.is_ready, backup.error
        return backup

    def restore(self, backup: Backup) -> Task:
        self.resource.refresh_from_db()
        backup.refresh_from_db()
        return self.scene.allow_time(services.restore_backup(SYSTEM, backup))

    def delete(self, backup: Backup) -> Task:
        backup.refresh_from_db()
        return self.scene.allow_time(services.delete_backup(SYSTEM, backup))

    def drive(self, task: Task | None) -> Task:
        """Run a task to its end, in this process."""
        if task is None:
            raise AssertionError("no task")
        Runner(clock=self.clock, threads=4).run(seconds=30 * 86400)
        task.refresh_from_db()
        return task

    def assert_in_order(self, content: str) -> None:
        """What holds after every end: content, power, nothing lost, doubled or left over."""
        assert not Task.objects.active().exists()
        assert self.content == content, "it does not hold what it should"
        if self.resource.is_desktop:
            assert self.site.power(self.resource.external_id) == "on", "power was not put back"
        ready = Backup.objects.filter(resource=self.resource).ready()
        wanted = {self.server, self.resource.external_id}
        wanted |= set(ready.values_list("external_id", flat=True))
        # A domain that was removed lingers a little, marked.
        self.site.advance(60)
        assert self.site.everything() == wanted, "the cloud holds other things than it should"
        unsettled = [Backup.Status.CREATING, Backup.Status.DELETING]
        assert not Backup.objects.filter(resource=self.resource, status__in=unsettled).exists()


def build_volume(server: LabServer, lab: Lab, *, kind: str, volume: str) -> VolumeScene:
    """Make it at the lab and here; beside it stands a server, which could hold it."""
    scene = build(server, lab, power="on", kind=kind)
    machine = scene.resource
    if volume == DESKTOP:
        machine.kind, machine.user_name, machine.name = DESKTOP, USER, "pd-0388"
        machine.save()
        return VolumeScene(scene, machine, machine.external_id)
    name = "PD-s.lindqvist" if volume == DRIVE else "EP-s.lindqvist"
    external_id = scene.site.add_volume(name)
    scene.site.write_volume(external_id, "original")
    resource = Resource.objects.create(
        account=machine.account, cloud_account=machine.cloud_account, kind=volume,
        external_id=external_id, name=name, user_name=USER, size_bytes=10 * 2**30,
    )  # fmt: skip
    return VolumeScene(scene, resource, machine.external_id)
