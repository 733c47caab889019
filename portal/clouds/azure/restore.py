"""Restore by swapping the OS disk (reference 7.4). The old disk is kept, tagged, to the end.

Who is who: the disk tagged ``standby-undo=<token>`` is the old one; ``standby-os-<token>``
is the one made from the copy. Neither is deleted while a machine holds it, and the old one
only once the new one is in its place.
"""

from __future__ import annotations

from portal.clouds.api import CloudRefused, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.disks import Disks, is_made, is_named, is_set_aside
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.servers import Servers


def new_disk_name(token: str) -> str:
    return f"{wire.OUR_PREFIX}os-{token}"


class Restore:
    """Swaps of OS disks in one subscription."""

    def __init__(self, operations: Operations, servers: Servers, disks: Disks) -> None:
        self._operations = operations
        self._servers = servers
        self._disks = disks

    def ensure_undo(self, server_id: str, token: str) -> Operation | None:
        """Tag the present OS disk as the one to go back to."""
        vm = self._servers.read(server_id)
        if _holds_new(vm, token):
            return None
        return self._disks.set_aside(self._disks.read(wire.os_disk_id(vm)), token)

    def ensure_restored(self, server_id: str, copy_id: str, token: str) -> Operation | None:
        """Make a disk from the copy and put it in the old one's place."""
        vm = self._servers.read(server_id)
        if _holds_new(vm, token):
            return self._servers.under_way(vm)
        old = self._disks.read(wire.os_disk_id(vm))
        if not is_set_aside(old, token):
            raise CloudRefused("The present disk has not been set aside, so it is not replaced.")
        if waiting := self._servers.ensure_deallocated(vm):
            return waiting
        new = self._disks.look(wire.sibling(wire.id_of(old), wire.DISK, new_disk_name(token)))
        if new is None:
            return self._disks.make(old, copy_id, new_disk_name(token))
        if waiting := self._disks.settled(new):
            return waiting
        if not is_made(new):
            return self._disks.delete(new)
        return self._swap(vm, new)

    def ensure_undone(self, server_id: str, token: str) -> Operation | None:
        """Put the old disk back if the new one is in its place, and delete the new one."""
        vm = self._servers.read(server_id)
        if busy := self._servers.under_way(vm):
            return busy
        if _holds_new(vm, token):
            old = next((each for each in self._disks.all() if is_set_aside(each, token)), None)
            if old is None:
                raise CloudRefused(
                    f"The former disk of {vm['name']} is no longer at Azure; "
                    "it keeps the disk made from the backup."
                )
            return self._servers.ensure_deallocated(vm) or self._swap(vm, old)
        new_id = wire.sibling(wire.os_disk_id(vm), wire.DISK, new_disk_name(token))
        return self._disks.drop(self._disks.look(new_id))

    def ensure_no_undo(self, token: str) -> Operation | None:
        """Delete the old disk once it is replaced; lift its tag where it is in place."""
        disks = self._disks.all()
        old = next((each for each in disks if is_set_aside(each, token)), None)
        new = next((each for each in disks if is_named(each, new_disk_name(token))), None)
        if old is None:
            return self._disks.drop(new)
        if waiting := self._disks.settled(old):
            return waiting
        if wire.managed_by(old):
            return self._disks.lift(old)
        if new is None or not wire.managed_by(new):
            raise CloudRefused(
                f"The disk {old['name']} is kept: no machine holds its replacement.",
                advice="Attach it to the machine at Azure, or delete it there.",
            )
        return self._disks.delete(old)

    def _swap(self, vm: wire.Json, disk: wire.Json) -> Operation:
        """Name and id together, and the createOption the machine has: else Azure refuses."""
        os_disk = {
            "createOption": wire.os_disk(vm).get("createOption"),
            "name": disk["name"],
            "managedDisk": {"id": disk["id"]},
        }
        body = {"properties": {"storageProfile": {"osDisk": os_disk}}}
        return self._operations.begin("virtual_machines.begin_update", wire.id_of(vm), body)


def _holds_new(vm: wire.Json, token: str) -> bool:
    return str(wire.os_disk(vm).get("name", "")).lower() == new_disk_name(token)
