"""Data disks: copies, and restores that make a new disk in the old one's place.

The old disk is kept, tagged ``standby-undo=<token>``, until the restore is over; the new one
is ``standby-data-<token>`` (Azure renames no disk) and carries the old one's tags, by which
the desktop platform knows whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from portal.clouds.api import CloudRefused, Copy, Mark, Operation, Volume
from portal.clouds.azure import wire
from portal.clouds.azure.copies import Copies
from portal.clouds.azure.disks import Disks, is_made, is_named, is_set_aside, require_free
from portal.clouds.azure.servers import Servers


def new_volume_name(token: str) -> str:
    return f"{wire.OUR_PREFIX}data-{token}"


def listed(disks: Iterable[wire.Json]) -> list[wire.Json]:
    """The data disks that belong to somebody; of a restore under way, one of the two."""
    theirs = [each for each in disks if not wire.is_os_disk(each) and not wire.is_ours(each)]
    made = {str(each["name"]).lower() for each in theirs if is_made(each)}
    prefix = new_volume_name("")
    return [
        each
        for each in theirs
        if wire.KIND_TAG in wire.tags(each)
        and new_volume_name(wire.tags(each).get(wire.UNDO_TAG, "")).lower() not in made
        and (is_made(each) or not str(each["name"]).lower().startswith(prefix))
    ]


class Volumes:
    """The data disks of one subscription."""

    def __init__(self, disks: Disks, copies: Copies, servers: Servers) -> None:
        self._disks = disks
        self._copies = copies
        self._servers = servers

    def volume(self, volume_id: str) -> Volume:
        return wire.volume(self._read(volume_id))

    def ensure_detached(self, volume_id: str) -> Operation | None:
        """Off each machine in turn: a shared disk may have several."""
        disk = self._read(volume_id)
        if waiting := self._disks.settled(disk):
            return waiting
        for machine in wire.holders(disk):
            return self._servers.detach(self._servers.read(machine), wire.id_of(disk))
        return None

    def ensure_copy(self, volume_id: str, token: str, mark: Mark) -> Operation | Copy:
        disk = self._read(volume_id)
        return self._copies.ensure(wire.id_of(disk), str(disk["location"]), token, mark)

    def ensure_undo(self, volume_id: str, token: str) -> Operation | None:
        return self._disks.set_aside(self._read(volume_id), token)

    def ensure_restored(self, volume_id: str, copy_id: str, token: str) -> Operation | Volume:
        """The new disk is looked for first: made is made, whatever became of the old one."""
        name = new_volume_name(token)
        new = self._disks.look(wire.sibling(volume_id, wire.DISK, name))
        if new is not None:
            if waiting := self._disks.settled(new):
                return waiting
            return wire.volume(new) if is_made(new) else self._disks.delete(new)
        old = self._read(volume_id)
        if not is_set_aside(old, token):
            raise CloudRefused("The present disk has not been set aside, so it is not replaced.")
        require_free(old)
        return self._disks.settled(old) or self._disks.make(old, copy_id, name)

    def ensure_undone(self, volume_id: str, token: str) -> Operation | None:
        """Never without the old disk: the new one would be the last."""
        new = self._disks.look(wire.sibling(volume_id, wire.DISK, new_volume_name(token)))
        if new is None:
            return None
        if self._disks.look(volume_id) is None:
            raise CloudRefused(
                f"The former disk is no longer at Azure; {new['name']}, made from the backup, "
                "is kept."
            )
        require_free(new)
        return self._disks.drop(new)

    def ensure_no_undo(self, token: str) -> Operation | None:
        disks = self._disks.all()
        old = next((each for each in disks if is_set_aside(each, token)), None)
        if old is None:
            return None
        if waiting := self._disks.settled(old):
            return waiting
        new = next((each for each in disks if is_named(each, new_volume_name(token))), None)
        if new is not None and (waiting := self._disks.settled(new)):
            return waiting
        if new is None or not is_made(new):
            return self._disks.drop(new) or self._disks.lift(old)
        require_free(old)
        return self._disks.delete(old)

    def _read(self, volume_id: str) -> wire.Json:
        disk = self._disks.read(volume_id)
        if wire.is_os_disk(disk):
            raise CloudRefused(f"{disk['name']} holds an operating system; it is no data disk.")
        return disk
