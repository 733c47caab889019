"""Copies: incremental snapshots, found again by their name and tag."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from portal.clouds.api import CloudBusy, CloudRefused, Copy, Mark, NotFound, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.session import AzureSession


def copy_name(token: str) -> str:
    return f"{wire.OUR_PREFIX}{token}"


class Copies:
    """Our snapshots in one subscription."""

    def __init__(self, session: AzureSession, operations: Operations) -> None:
        self._session = session
        self._operations = operations

    def ensure(self, disk_id: str, location: str, token: str, mark: Mark) -> Operation | Copy:
        """Snapshot a disk into its own group and region."""
        wanted = wire.sibling(disk_id, wire.SNAPSHOT, copy_name(token))
        try:
            return self._made(self.read(wanted))
        except NotFound:
            pass
        body: dict[str, Any] = {
            "location": location,
            "tags": wire.mark_tags(mark, token),
            "properties": {
                "incremental": True,
                "creationData": {"createOption": "Copy", "sourceResourceId": disk_id},
            },
        }
        return self._operations.begin("snapshots.begin_create_or_update", wanted, body)

    def _made(self, snapshot: wire.Json) -> Operation | Copy:
        if not wire.is_ours(snapshot):
            raise CloudRefused(f"The name {snapshot['name']} is taken by a snapshot of another.")
        if not wire.is_settled(snapshot):
            return self._operations.watch(wire.id_of(snapshot))
        if wire.provisioning(snapshot).lower() != "succeeded":
            return self.delete(snapshot)
        return wire.copy(snapshot)

    def find(self, copy_id: str) -> Copy:
        """Return a complete copy. One that is not yet is waited for, one that failed refused."""
        snapshot = self.read(copy_id)
        if error := wire.copy_error(snapshot):
            raise CloudRefused(f"The snapshot {snapshot['name']} could not be completed: {error}")
        if not wire.is_settled(snapshot) or wire.percent(snapshot) < 100:
            raise CloudBusy(f"The snapshot {snapshot['name']} is not complete yet.")
        if wire.provisioning(snapshot).lower() != "succeeded":
            raise CloudRefused(f"The snapshot {snapshot['name']} could not be completed.")
        return wire.copy(snapshot)

    def ensure_none(self, token: str, copy_id: str) -> Operation | None:
        """Delete by id, or by the token in its tags; only what carries our mark."""
        snapshot = self._look(token, copy_id)
        if snapshot is None:
            return None
        if not wire.is_ours(snapshot):
            raise CloudRefused(
                f"{snapshot['name']} was not made by Standby, so it is not deleted.",
                advice="Delete it at Azure if it is no longer needed.",
            )
        if not wire.is_settled(snapshot):
            return self._operations.watch(wire.id_of(snapshot))
        return self.delete(snapshot)

    def _look(self, token: str, copy_id: str) -> wire.Json | None:
        if copy_id:
            # That it is gone is said by the list alone: what is taken for deleted is never
            # looked for again, and it costs money for ever.
            with suppress(NotFound):
                return self.read(copy_id)
        for each in self.all():
            is_named = copy_id and wire.id_of(each) == copy_id.lower()
            if is_named or wire.tags(each).get(wire.TOKEN_TAG) == token:
                return each
        return None

    def look(self, copy_id: str) -> wire.Json | None:
        """GET a snapshot that may not be there."""
        try:
            return self.read(copy_id)
        except NotFound:
            return None

    def all(self) -> list[wire.Json]:
        """GET every snapshot of the subscription."""
        return self._session.call(lambda client: wire.list_all(client, wire.SNAPSHOT))

    def delete(self, snapshot: wire.Json) -> Operation:
        """DELETE a snapshot; one that is still being copied may go (7.2)."""
        return self._operations.begin("snapshots.begin_delete", wire.id_of(snapshot))

    def read(self, copy_id: str) -> wire.Json:
        """GET a snapshot."""
        return self._session.call(lambda client: wire.read(client, copy_id))
