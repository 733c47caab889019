"""A cluster with a desktop and a drive, and the ways to protect them, for the tests of domains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import Copy, Mark, Operation
from portal.lab.prism import PrismCluster
from portal.lab.prism.model import ProtectionDomain
from tests.contract.carrying import carry
from tests.contract.sites import CLUSTER, GIB, PrismSite

RESOURCE = "0d9f7a0e-5f0b-4a43-8d3c-0a4a6f7d1c11"
DOMAIN = "standby-pd-0d9f7a0e5f0b4a438d3c0a4a6f7d1c11"
MARK = Mark("account-1", RESOURCE, "backup-1", "task-1", "P")


@dataclass
class Scene:
    """A desktop and a drive at one cluster; its lab's clock is also the driver's."""

    site: PrismSite
    cloud: AhvCloud

    def __post_init__(self) -> None:
        vm = self.cluster.add_vm(
            "desktop", description="frame: kind=desktop", size_bytes=GIB, content="old"
        )
        group = self.cluster.add_volume_group(
            "drive", description="frame: kind=drive user=ada", size_bytes=GIB, content="old"
        )
        self.desktop, self.drive = str(vm.uuid), str(group.uuid)

    @property
    def cluster(self) -> PrismCluster:
        return self.site.lab.clusters[CLUSTER]

    @property
    def domain(self) -> ProtectionDomain:
        return self.cluster.protection_domains[DOMAIN]

    @property
    def members(self) -> list[str]:
        return [member.uuid for member in self.domain.members]

    def calls(self) -> list[str]:
        """What was called since this was last asked."""
        done = self.site.calls()
        self.site.lab.calls.clear()
        return done

    def back_up(self, thing: str, task: str = "tok") -> Copy:
        return carry(self.site, self.cloud, self.backing_up(thing, task))

    def backing_up(self, thing: str, token: str) -> Callable[[object], Operation | Copy]:
        ensure = (
            self.cloud.ensure_desktop_copy
            if thing in self.cluster.vms
            else self.cloud.ensure_volume_copy
        )
        return lambda _: ensure(thing, token, MARK)

    def restore_drive(self, copy: Copy, volume: str = "", task: str = "undo") -> str:
        """Restore it to the end; return the uuid of the group that is in place now."""
        old, cloud = volume or self.drive, self.cloud
        carry(self.site, cloud, lambda _: cloud.ensure_volume_undo(old, task, MARK))
        made = carry(
            self.site, cloud, lambda _: cloud.ensure_volume_restored(old, copy.id, task, MARK)
        )
        carry(self.site, cloud, lambda _: cloud.ensure_no_volume_undo(old, task, MARK))
        return made.id

    def set_desktop_aside(self) -> None:
        cloud = self.cloud
        carry(self.site, cloud, lambda _: cloud.ensure_off(self.desktop))
        carry(self.site, cloud, lambda _: cloud.ensure_desktop_undo(self.desktop, "undo", MARK))
