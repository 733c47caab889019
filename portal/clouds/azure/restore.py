"""Restore by swapping the OS disk (reference 7.4). The old disk is kept, tagged, to the end.

Who is who: the disk tagged ``standby-undo=<token>`` is the old one; ``standby-os-<token>``
is the one made from the copy. Neither is deleted while a machine holds it, and the old one
only once the new one is in its place.
"""

from __future__ import annotations

from typing import Any

from portal.clouds.api import CloudRefused, NotFound, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.servers import Servers
from portal.clouds.azure.session import AzureSession

UPDATE_DISK = "disks.begin_update"


def new_disk_name(token: str) -> str:
    return f"{wire.OUR_PREFIX}os-{token}"


class Restore:
    """Swaps of OS disks in one subscription."""

    def __init__(self, session: AzureSession, operations: Operations, servers: Servers) -> None:
        self._session = session
        self._operations = operations
        self._servers = servers

    def ensure_undo(self, server_id: str, token: str) -> Operation | None:
        """Tag the present OS disk as the one to go back to."""
        vm = self._servers.read(server_id)
        if _holds_new(vm, token):
            return None
        disk = self._disk(wire.os_disk_id(vm))
        if _undoes(disk, token):
            return self._settled(disk)
        tags = wire.tags(disk) | {wire.UNDO_TAG: token}
        return self._settled(disk) or self._tag(disk, tags)

    def ensure_restored(self, server_id: str, copy_id: str, token: str) -> Operation | None:
        """Make a disk from the copy and put it in the old one's place."""
        vm = self._servers.read(server_id)
        if _holds_new(vm, token):
            return self._servers.under_way(vm)
        old = self._disk(wire.os_disk_id(vm))
        if not _undoes(old, token):
            raise CloudRefused("The present disk has not been set aside, so it is not replaced.")
        if waiting := self._servers.ensure_deallocated(vm):
            return waiting
        new = self._look(wire.sibling(wire.id_of(old), wire.DISK, new_disk_name(token)))
        if new is None:
            return self._make(old, copy_id, token)
        if waiting := self._settled(new):
            return waiting
        if wire.provisioning(new).lower() != "succeeded":
            return self._delete(new)
        return self._swap(vm, new)

    def ensure_undone(self, server_id: str, token: str) -> Operation | None:
        """Put the old disk back if the new one is in its place, and delete the new one."""
        vm = self._servers.read(server_id)
        if busy := self._servers.under_way(vm):
            return busy
        if _holds_new(vm, token):
            old = self._find_old(token)
            if old is None:
                raise CloudRefused(
                    f"The former disk of {vm['name']} is no longer at Azure; "
                    "it keeps the disk made from the backup."
                )
            return self._servers.ensure_deallocated(vm) or self._swap(vm, old)
        new_id = wire.sibling(wire.os_disk_id(vm), wire.DISK, new_disk_name(token))
        return self._drop_new(self._look(new_id))

    def ensure_no_undo(self, token: str) -> Operation | None:
        """Delete the old disk once it is replaced; lift its tag where it is in place."""
        disks = self._session.call(lambda client: wire.list_all(client, wire.DISK))
        old = next((each for each in disks if _undoes(each, token)), None)
        new = next((each for each in disks if each["name"].lower() == new_disk_name(token)), None)
        if old is None:
            return self._drop_new(new)
        if waiting := self._settled(old):
            return waiting
        if wire.managed_by(old):
            tags = {key: value for key, value in wire.tags(old).items() if key != wire.UNDO_TAG}
            return self._tag(old, tags)
        if new is None or not wire.managed_by(new):
            raise CloudRefused(
                f"The disk {old['name']} is kept: no machine holds its replacement.",
                advice="Attach it to the machine at Azure, or delete it there.",
            )
        return self._delete(old)

    def _drop_new(self, new: wire.Json | None) -> Operation | None:
        """Delete a disk that was made and never, or no longer, is in place."""
        if new is None or wire.managed_by(new):
            return None
        return self._settled(new) or self._delete(new)

    def _make(self, old: wire.Json, copy_id: str, token: str) -> Operation:
        """The new disk must equal the old one in size, SKU and zone, or it cannot be swapped in."""
        copy = self._session.call(lambda client: wire.read(client, copy_id))
        sizes = [int(wire.properties(each).get("diskSizeGB") or 0) for each in (old, copy)]
        body: dict[str, Any] = {
            "location": old["location"],
            "sku": {"name": (old.get("sku") or {}).get("name", "Premium_LRS")},
            "tags": wire.without_ours(wire.tags(old)),
            "properties": {
                "diskSizeGB": max(sizes),
                "creationData": {"createOption": "Copy", "sourceResourceId": copy_id},
            },
        }
        if old.get("zones"):
            body["zones"] = list(old["zones"])
        new_id = wire.sibling(wire.id_of(old), wire.DISK, new_disk_name(token))
        return self._operations.begin("disks.begin_create_or_update", new_id, body)

    def _swap(self, vm: wire.Json, disk: wire.Json) -> Operation:
        """Name and id together, and the createOption the machine has: else Azure refuses."""
        os_disk = {
            "createOption": wire.os_disk(vm).get("createOption"),
            "name": disk["name"],
            "managedDisk": {"id": disk["id"]},
        }
        body = {"properties": {"storageProfile": {"osDisk": os_disk}}}
        return self._operations.begin("virtual_machines.begin_update", wire.id_of(vm), body)

    def _find_old(self, token: str) -> wire.Json | None:
        disks = self._session.call(lambda client: wire.list_all(client, wire.DISK))
        return next((each for each in disks if _undoes(each, token)), None)

    def _tag(self, disk: wire.Json, tags: dict[str, str]) -> Operation:
        return self._operations.begin(UPDATE_DISK, wire.id_of(disk), {"tags": tags})

    def _delete(self, disk: wire.Json) -> Operation:
        return self._operations.begin("disks.begin_delete", wire.id_of(disk))

    def _settled(self, disk: wire.Json) -> Operation | None:
        return None if wire.is_settled(disk) else self._operations.watch(wire.id_of(disk))

    def _disk(self, disk_id: str) -> wire.Json:
        return self._session.call(lambda client: wire.read(client, disk_id))

    def _look(self, disk_id: str) -> wire.Json | None:
        try:
            return self._disk(disk_id)
        except NotFound:
            return None


def _holds_new(vm: wire.Json, token: str) -> bool:
    return str(wire.os_disk(vm).get("name", "")).lower() == new_disk_name(token)


def _undoes(disk: wire.Json, token: str) -> bool:
    return wire.tags(disk).get(wire.UNDO_TAG) == token
