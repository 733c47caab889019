"""Managed disks as restores need them: made from a copy, tagged, deleted, found again."""

from __future__ import annotations

from typing import Any

from portal.clouds.api import CloudRefused, NotFound, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.session import AzureSession


class Disks:
    """The disks of one subscription."""

    def __init__(self, session: AzureSession, operations: Operations) -> None:
        self._session = session
        self._operations = operations

    def read(self, disk_id: str) -> wire.Json:
        """GET a disk."""
        return self._session.call(lambda client: wire.read(client, disk_id))

    def look(self, disk_id: str) -> wire.Json | None:
        """GET a disk that may not be there."""
        try:
            return self.read(disk_id)
        except NotFound:
            return None

    def all(self) -> list[wire.Json]:
        """GET every disk of the subscription."""
        return self._session.call(lambda client: wire.list_all(client, wire.DISK))

    def settled(self, disk: wire.Json) -> Operation | None:
        """Return what to wait for while somebody's operation on the disk is under way."""
        return None if wire.is_settled(disk) else self._operations.watch(wire.id_of(disk))

    def set_aside(self, disk: wire.Json, token: str) -> Operation | None:
        """Tag a disk as the one that a restore can go back to. None: it is."""
        if waiting := self.settled(disk):
            return waiting
        if is_set_aside(disk, token):
            return None
        return self._tag(disk, wire.tags(disk) | {wire.UNDO_TAG: token})

    def lift(self, disk: wire.Json) -> Operation:
        """Take that tag away; nothing else tells such a disk from before."""
        kept = {key: value for key, value in wire.tags(disk).items() if key != wire.UNDO_TAG}
        return self._tag(disk, kept)

    def _tag(self, disk: wire.Json, tags: dict[str, str]) -> Operation:
        return self._operations.begin("disks.begin_update", wire.id_of(disk), {"tags": tags})

    def make(self, old: wire.Json, copy_id: str, name: str) -> Operation:
        """Make a disk from a copy that can stand where ``old`` stands: size, SKU, zone, tags."""
        copy = self._session.call(lambda client: wire.read(client, copy_id))
        sizes = [int(wire.properties(each).get("diskSizeGB") or 0) for each in (old, copy)]
        if sizes[1] > sizes[0]:
            raise CloudRefused(
                f"The backup holds a disk of {sizes[1]} GiB, {old['name']} has {sizes[0]} GiB.",
                advice=f"Enlarge the disk {old['name']} to {sizes[1]} GiB at Azure, "
                "then restore again.",
            )
        body: dict[str, Any] = {
            "location": old["location"],
            "sku": {"name": (old.get("sku") or {}).get("name", "Premium_LRS")},
            "tags": wire.without_ours(wire.tags(old)),
            "properties": {
                "diskSizeGB": sizes[0],
                "creationData": {"createOption": "Copy", "sourceResourceId": copy_id},
            },
        }
        if old.get("zones"):
            body["zones"] = list(old["zones"])
        new_id = wire.sibling(wire.id_of(old), wire.DISK, name)
        return self._operations.begin("disks.begin_create_or_update", new_id, body)

    def drop(self, disk: wire.Json | None) -> Operation | None:
        """Delete a disk that nothing holds. None: it is not there, or in use."""
        if disk is None or wire.holders(disk):
            return None
        return self.settled(disk) or self.delete(disk)

    def delete(self, disk: wire.Json) -> Operation:
        """Azure itself refuses it for a disk that a machine holds."""
        return self._operations.begin("disks.begin_delete", wire.id_of(disk))


def is_set_aside(disk: wire.Json, token: str) -> bool:
    return wire.tags(disk).get(wire.UNDO_TAG) == token


def is_made(disk: wire.Json) -> bool:
    return wire.provisioning(disk).lower() == "succeeded"


def is_named(disk: wire.Json, name: str) -> bool:
    return str(disk["name"]).lower() == name.lower()


def require_free(disk: wire.Json) -> None:
    """A disk that a machine holds is neither replaced nor removed under it."""
    if held_by := wire.holders(disk):
        machine = wire.group_and_name(held_by[0])[1]
        raise CloudRefused(
            f"The disk {disk['name']} is attached to {machine}.",
            advice=f"Detach it from {machine} at Azure, then try again.",
        )
