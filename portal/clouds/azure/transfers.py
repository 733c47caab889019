"""Copies to another region and back: ``CopyStart``, complete when it says 100 (reference 7.2).

A replica is a snapshot ``standby-<token>`` in the other region, in the resource group of the
copy, where ``token`` is of the task that replicates. Azure copies the snapshots of a disk in
order of creation only. One that is sent anew, or after later ones, goes by a detour: a disk
made of it, and a snapshot of that disk, both called ``standby-way-<token>``, have a history of
their own; the whole of it travels then.
"""

from __future__ import annotations

from typing import Any

from portal.clouds.api import (
    CloudBusy,
    CloudRefused,
    Copy,
    Mark,
    Operation,
    Sent,
    SignInRefused,
    Target,
)
from portal.clouds.azure import wire
from portal.clouds.azure.copies import Copies, copy_name
from portal.clouds.azure.disks import Disks, is_made
from portal.clouds.azure.operations import Operations

# Where the zone-redundant kind is not offered, a copy is refused; this one is everywhere (7.1).
SKU = "Standard_LRS"
CROWDED_SECONDS = 60.0
CROWDED = "being copied"


def way_name(token: str) -> str:
    return f"{wire.OUR_PREFIX}way-{token}"


def _way_tags(mark: Mark, token: str) -> dict[str, str]:
    """Our mark without the token, by which copies are found."""
    return {k: v for k, v in wire.mark_tags(mark, token).items() if k != wire.TOKEN_TAG}


class Transfers:
    """Snapshots on their way between two regions of one subscription."""

    def __init__(self, operations: Operations, copies: Copies, disks: Disks) -> None:
        self._operations = operations
        self._copies = copies
        self._disks = disks

    def ensure_sent(self, copy_id: str, token: str, mark: Mark, to: Target) -> Operation | Sent:
        """Copy a snapshot to the region ``to.site``."""
        wanted = wire.sibling(copy_id, wire.SNAPSHOT, copy_name(token))
        there = self._copies.look(wanted)
        if there is not None:
            return self._arriving(there, is_tidy=not to.anew)
        self._copies.find(copy_id)
        source = self._detour(copy_id, token, mark) if to.anew else copy_id
        if isinstance(source, Operation):
            return source
        body = _snapshot(source, "CopyStart", to.site) | {"tags": wire.mark_tags(mark, token)}
        try:
            return self._operations.begin("snapshots.begin_create_or_update", wanted, body)
        except SignInRefused:
            raise
        except CloudRefused as refused:
            if CROWDED in str(refused):
                raise CloudBusy(str(refused), retry_after=CROWDED_SECONDS) from refused
            raise

    def _arriving(self, snapshot: wire.Json, *, is_tidy: bool) -> Operation | Sent:
        if not wire.is_ours(snapshot):
            raise CloudRefused(f"The name {snapshot['name']} is taken by a snapshot of another.")
        if not wire.is_settled(snapshot):
            return self._operations.watch(wire.id_of(snapshot), "Beginning to copy")
        if wire.provisioning(snapshot).lower() != "succeeded" or wire.copy_error(snapshot):
            return self._copies.delete(snapshot)
        if wire.percent(snapshot) < 100:
            return self._operations.watch_copy(wire.id_of(snapshot))
        size = wire.size_bytes(snapshot)
        return Sent(wire.id_of(snapshot), size, is_tidy=is_tidy)

    def _detour(self, copy_id: str, token: str, mark: Mark) -> Operation | str:
        """Return the id of a snapshot that holds the same and is of a disk of its own."""
        name = way_name(token)
        snapshot_id = wire.sibling(copy_id, wire.SNAPSHOT, name)
        snapshot = self._copies.look(snapshot_id)
        if snapshot is not None:
            if not wire.is_settled(snapshot):
                return self._operations.watch(snapshot_id)
            return snapshot_id if is_made(snapshot) else self._copies.delete(snapshot)
        disk_id = wire.sibling(copy_id, wire.DISK, name)
        disk = self._disks.look(disk_id)
        source = self._copies.read(copy_id)
        tags = {"tags": _way_tags(mark, token)}
        if disk is None:
            body = {
                "location": source["location"],
                "sku": {"name": SKU},
                "properties": {
                    "creationData": {"createOption": "Copy", "sourceResourceId": copy_id}
                },
            }
            return self._operations.begin("disks.begin_create_or_update", disk_id, body | tags)
        if waiting := self._disks.settled(disk):
            return waiting
        if not is_made(disk):
            return self._disks.delete(disk)
        body = _snapshot(disk_id, "Copy", str(source["location"])) | tags
        return self._operations.begin("snapshots.begin_create_or_update", snapshot_id, body)

    def ensure_received(self, sent_id: str) -> Copy:
        return self._copies.find(sent_id)

    def ensure_tidied(self, token: str) -> Operation | None:
        """Remove the detour, found by name whatever group it is in."""
        name = way_name(token)
        for snapshot in self._copies.all():
            if _is_named(snapshot, name):
                return self._settled_or_deleted(snapshot)
        for disk in self._disks.all():
            if _is_named(disk, name):
                return self._disks.settled(disk) or self._disks.delete(disk)
        return None

    def _settled_or_deleted(self, snapshot: wire.Json) -> Operation:
        if not wire.is_settled(snapshot):
            return self._operations.watch(wire.id_of(snapshot))
        return self._copies.delete(snapshot)

    def ensure_not_sent(self, token: str) -> Operation | None:
        """The copy on its way first: without its source it would be a failed one."""
        return self._copies.ensure_none(token, "") or self.ensure_tidied(token)

    def ensure_not_received(self, token: str, copy_id: str) -> Operation | None:
        return self._copies.ensure_none(token, copy_id)


def _is_named(item: wire.Json, name: str) -> bool:
    return str(item["name"]).lower() == name and wire.is_ours(item)


def _snapshot(source: str, option: str, location: str) -> dict[str, Any]:
    return {
        "location": location,
        "sku": {"name": SKU},
        "properties": {
            "incremental": True,
            "creationData": {"createOption": option, "sourceResourceId": source},
        },
    }
