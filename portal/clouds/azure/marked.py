"""Everything of ours in a region: snapshots and disks that carry our tags."""

from __future__ import annotations

from datetime import datetime

from portal.clouds.api import Mark, Marked, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.copies import Copies, copy_name
from portal.clouds.azure.disks import Disks

UNTOLD = 0.0


class Catalogue:
    """Looks at one subscription."""

    def __init__(self, copies: Copies, disks: Disks) -> None:
        self._copies = copies
        self._disks = disks

    def marked(self, site: str) -> list[Marked]:
        snapshots = [_snapshot(each) for each in self._copies.all() if _is_ours(each, site)]
        # A disk that a machine holds is in use, whatever it was once set aside for.
        disks = [
            _disk(each)
            for each in self._disks.all()
            if (_is_ours(each, site) or _is_set_aside(each, site)) and not wire.holders(each)
        ]
        return [*snapshots, *disks]

    def ensure_removed(self, thing: Marked) -> Operation | None:
        if wire.kind_of(thing.id) == wire.SNAPSHOT:
            return self._copies.ensure_none("", thing.id)
        disk = self._disks.look(thing.id)
        if disk is not None and not (wire.is_ours(disk) or wire.UNDO_TAG in wire.tags(disk)):
            return None
        return self._disks.drop(disk)


def _is_ours(item: wire.Json, site: str) -> bool:
    return wire.is_ours(item) and _is_at(item, site)


def _is_set_aside(item: wire.Json, site: str) -> bool:
    return wire.UNDO_TAG in wire.tags(item) and _is_at(item, site)


def _is_at(item: wire.Json, site: str) -> bool:
    return not site or str(item.get("location") or "").lower() == site.lower()


def _snapshot(snapshot: wire.Json) -> Marked:
    mark = wire.read_mark(snapshot)
    is_copy = str(snapshot["name"]).lower() == copy_name(mark.task)
    role = Marked.COPY if is_copy else Marked.PASSING
    return _marked(snapshot, role, mark)


def _disk(disk: wire.Json) -> Marked:
    is_undo = wire.UNDO_TAG in wire.tags(disk)
    return _marked(disk, Marked.UNDO if is_undo else Marked.PASSING, wire.read_mark(disk))


def _marked(item: wire.Json, role: str, mark: Mark) -> Marked:
    made = wire.properties(item).get("timeCreated")
    created = datetime.fromisoformat(str(made)).timestamp() if made else UNTOLD
    return Marked(wire.id_of(item), str(item["name"]), role, mark, wire.size_bytes(item), created)
