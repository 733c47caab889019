"""The emulated Azure subscription, as the contract sees it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portal.clouds.api import Connection
from portal.lab import Fault, Lab, LabServer
from portal.lab.azure import AzureCloud
from portal.lab.azure.cloud import resource_id
from portal.lab.azure.model import (
    CLIENT,
    GROUP,
    SECRET,
    SUBSCRIPTION,
    TENANT,
    Attachment,
    Snapshot,
    Vm,
)
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import CLOUD_CALL, empty_lab

NEVER_SECONDS = 6 * 3600.0


@dataclass
class AzureSite:
    """One subscription of the lab, answering in one manner."""

    lab: Lab
    server: LabServer
    numbers: Iterator[int]
    page_size: int = 0
    # The OS disk alone is backed up; data disks of a machine are volumes of their own.
    disks_kept: int = 1
    asks_guest_alone: bool = False
    power_path: str = "/start"
    copy_path: str = "/snapshots/"
    copy_method: str = "PUT"
    place: str = "westeurope"
    gone: str = resource_id(GROUP, "virtualMachines", "gone").lower()
    gone_copy: str = resource_id(GROUP, "snapshots", "gone").lower()

    @property
    def connection(self) -> Connection:
        url = self.server.urls["azure"]
        return Connection(
            kind="azure",
            endpoint=url,
            secrets={
                "tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET,
                "subscription": SUBSCRIPTION, "authority": url,
            },
            ca_pem=self.server.ca_pem,
            read_timeout=5.0,
        )  # fmt: skip

    @property
    def wrong_secrets(self) -> dict[str, str]:
        return {**self.connection.secrets, "client_secret": "guess"}

    @property
    def cloud(self) -> AzureCloud:
        return self.lab.azure

    def empty(self) -> None:
        empty_lab(self.lab)
        self.cloud.dialect.page_size = self.page_size

    def add_server(
        self, contents: Sequence[str], *, power: str = "off", shutdown_seconds: float | None = 20
    ) -> str:
        os_content, *data = contents
        vm = self.cloud.add_vm(
            f"server-{next(self.numbers)}",
            power="running" if power == "on" else "deallocated",
            size_gb=40,
            content=os_content,
            tags={"frame-kind": "utility-server"},
            shutdown_seconds=NEVER_SECONDS if shutdown_seconds is None else shutdown_seconds,
            data=[(size, content) for size, content in enumerate(data, 41)],
        )
        return vm.id.lower()

    def add_volume(self, name: str) -> str:
        disk = self.cloud.add_disk(name, size_gb=10, tags={"frame-kind": "enterprise-profile"})
        return disk.id.lower()

    def attach_volume(self, volume_id: str, server_id: str) -> str:
        vm, disk = self._vm(server_id), self.cloud.disks[volume_id]
        disk.managed_by = vm.id
        vm.data_disks.append(Attachment(disk.name, disk.id, "Attach", len(vm.data_disks)))
        return vm.name

    def write_volume(self, volume_id: str, content: str) -> None:
        self.cloud.disks[volume_id].content = content

    def _vm(self, server_id: str) -> Vm:
        return self.cloud.vms[server_id]

    def contents(self, thing_id: str) -> list[str]:
        if thing_id in self.cloud.vms:
            held = [each.disk_id.lower() for each in self._vm(thing_id).attachments]
            return [self.cloud.disks[disk].content for disk in held]
        if thing_id in self.cloud.snapshots:
            return [self.cloud.snapshots[thing_id].content]
        return [self.cloud.disks[thing_id].content]

    def write(self, server_id: str, contents: Sequence[str]) -> None:
        held = [each.disk_id.lower() for each in self._vm(server_id).attachments]
        for disk, content in zip(held, contents, strict=True):
            self.cloud.disks[disk].content = content

    def power(self, server_id: str) -> str:
        return "on" if self._vm(server_id).power == "running" else "off"

    def everything(self) -> set[str]:
        left = {
            key for key, disk in self.cloud.disks.items()
            if not disk.managed_by or "standby-undo" in disk.tags
        }  # fmt: skip
        cards = {key for key, nic in self.cloud.nics.items() if not nic.vm}
        return {*self.cloud.vms, *self.cloud.snapshots, *left, *cards}

    def guests_fail(self, reason: str) -> None:
        self.cloud.guests.sysprep, self.cloud.guests.detail = "fails", reason

    def add_copy(self, server_id: str, token: str) -> str:
        disk = self.cloud.disks[self._vm(server_id).os_disk.disk_id.lower()]
        name = f"standby-{token}"
        made = Snapshot(
            resource_id(GROUP, "snapshots", name), name, disk.location, sku="Standard_LRS",
            tags={"standby": "v1", "standby-token": token}, size_gb=disk.size_gb,
            content=disk.content, create_option="Copy", source_id=disk.id,
            os_type=disk.os_type, generation=disk.generation, root_unique_id=disk.unique_id,
        )  # fmt: skip
        self.cloud.snapshots[made.id.lower()] = made
        return made.id.lower()

    def calls(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.lab.calls]

    def strike(self, fault: Fault) -> Fault:
        added = replace(fault, path=CLOUD_CALL) if fault.path == ".*" else fault
        self.lab.faults.add(added)
        return added

    def fault_free(self) -> None:
        self.lab.faults.clear()

    def list_in_one(self) -> None:
        self.cloud.dialect.page_size = 0

    def advance(self, seconds: float) -> None:
        self.lab.clock.advance(seconds)


def azure(*, is_odd: bool = False) -> Callable[[Path], Iterator[AzureSite]]:
    """``is_odd``: small pages, capitals in ids, long addresses, and no Azure-AsyncOperation."""

    def open_site(directory: Path) -> Iterator[AzureSite]:
        lab = Lab.empty()
        if is_odd:
            dialect = lab.azure.dialect
            dialect.upper_groups = True
            dialect.signed_urls = dialect.location_only = True
        with LabServer(lab, directory=directory) as server, checked(lab):
            yield AzureSite(lab, server, itertools.count(1), page_size=2 if is_odd else 0)

    return open_site
