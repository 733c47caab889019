"""Working clones: a disk made from a snapshot of the server's OS disk, by way of Azure's storage.

Disk, snapshot and (while it is generalized) machine of a clone are all ``standby-clone-<token>``
and carry the tag ``standby-clone=<token>``, which no lasting copy has: neither is ever taken for
the other.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from portal.clouds.api import Clone, CloudBusy, Copy, Mark, NotFound, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.copies import Copies
from portal.clouds.azure.disks import Disks, is_made, require_free
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.servers import Servers
from portal.clouds.azure.session import AzureSession

_GROUPS = {wire.VM: "virtual_machines", wire.DISK: "disks", wire.SNAPSHOT: "snapshots"}


class Publishing:
    """The working clones of one subscription."""

    def __init__(
        self,
        session: AzureSession,
        operations: Operations,
        servers: Servers,
        copies: Copies,
        disks: Disks,
    ) -> None:
        self._session = session
        self._operations = operations
        self._servers = servers
        self._copies = copies
        self._disks = disks

    def ensure_clone(self, server_id: str, token: str, mark: Mark) -> Operation | Clone:
        """Snapshot, disk of it, and away with the snapshot."""
        vm = self._servers.read(server_id)
        name, source_id = wire.clone_name(token), wire.os_disk_id(vm)
        made = self._disks.look(wire.sibling(source_id, wire.DISK, name))
        if made is None:
            tags = wire.clone_tags(mark, token, wire.id_of(vm))
            return self._make(source_id, token, tags)
        wire.require_clone(made, token)
        if waiting := self._unfinished(made):
            return waiting
        snapshot = self._look(wire.sibling(source_id, wire.SNAPSHOT, name))
        if snapshot is None or not wire.is_clone(snapshot, token):
            return Clone(wire.id_of(made), name)
        return self._disks.settled(snapshot) or self._delete(snapshot)

    def _make(self, source_id: str, token: str, tags: dict[str, str]) -> Operation:
        name = wire.clone_name(token)
        source = self._disks.read(source_id)
        wanted = wire.sibling(source_id, wire.SNAPSHOT, name)
        snapshot = self._look(wanted)
        if snapshot is None:
            creation = {"createOption": "Copy", "sourceResourceId": source_id}
            body: dict[str, Any] = {
                "location": source["location"],
                "tags": tags,
                "properties": {"incremental": True, "creationData": creation},
            }
            return self._operations.begin("snapshots.begin_create_or_update", wanted, body)
        wire.require_clone(snapshot, token)
        if waiting := self._unfinished(snapshot):
            return waiting
        body = {
            "location": source["location"],
            "sku": {"name": (source.get("sku") or {}).get("name", "Premium_LRS")},
            "tags": tags,
            "properties": {
                "creationData": {"createOption": "Copy", "sourceResourceId": wire.id_of(snapshot)}
            },
        }
        if source.get("zones"):
            body["zones"] = list(source["zones"])
        disk_id = wire.sibling(source_id, wire.DISK, name)
        return self._operations.begin("disks.begin_create_or_update", disk_id, body)

    def _unfinished(self, item: wire.Json) -> Operation | None:
        """What to wait for before a snapshot or a disk can be used. None: it can."""
        if waiting := self._disks.settled(item):
            return waiting
        if not is_made(item):
            return self._delete(item)
        percent = wire.properties(item).get("completionPercent")
        if percent is not None and percent < 100:
            raise CloudBusy(f"{item['name']} is not complete yet.")
        return None

    def ensure_copy(self, clone_id: str, token: str, mark: Mark) -> Operation | Copy:
        """What `Copies` makes of any disk."""
        disk = self._disks.read(clone_id)
        return self._copies.ensure(wire.id_of(disk), str(disk["location"]), token, mark)

    def ensure_none(self, token: str) -> Operation | None:
        """The machine first, with its card; then the disk it held, then the snapshot."""
        for kind in _GROUPS:
            listed = self._session.call(partial(wire.list_all, kind=kind))
            for each in listed:
                if wire.is_clone(each, token):
                    return self._remove(each)
        return None

    def _remove(self, item: wire.Json) -> Operation:
        if not wire.is_settled(item):
            return self._operations.watch(wire.id_of(item), "Waiting for another operation")
        require_free(item)
        return self._delete(item)

    def _delete(self, item: wire.Json) -> Operation:
        group = _GROUPS[wire.kind_of(wire.id_of(item))]
        return self._operations.begin(f"{group}.begin_delete", wire.id_of(item))

    def _look(self, id_: str) -> wire.Json | None:
        try:
            return self._session.call(lambda client: wire.read(client, id_))
        except NotFound:
            return None
