"""Putting a backup's disks in place of a server's, and taking that back.

Which disks were there before cannot be told from the server once they are gone, nor
from `source_disk_address`: it may be null, and a server restored from this backup
before has disks that are clones of it and yet must be replaced. So the undo copy keeps
the memory: its description lists, in a line of ours, the vmdisk uuids present when it
was made, and, once an undoing has begun, those that have to go again. With that both
directions are one thing, `_swap`: take out what is listed, fill what is then empty.
"""

from __future__ import annotations

from portal.clouds.ahv import copies
from portal.clouds.ahv.cluster import Cluster, busy_with
from portal.clouds.ahv.copies import Made
from portal.clouds.ahv.wire import Task, Vm, VmDisk
from portal.clouds.api import CloudRefused, Mark, Operation, PowerState

PRESENT = "standby:disks"
REPLACED = "standby:replaced"


def ensure_undo(cluster: Cluster, server_id: str, token: str, mark: Mark) -> Operation | None:
    """Clone the server, and note in the clone which disks the server has."""

    def note(server: Vm) -> str:
        return _note(PRESENT, server.disks)

    made = copies.ensure(cluster, server_id, Made.undo(token), mark, note)
    return made if isinstance(made, Operation) else None


def ensure_restored(cluster: Cluster, server_id: str, copy_id: str, token: str) -> Operation | None:
    """Replace the disks noted in the undo copy by clones of the copy's."""
    tasks = cluster.running_tasks()
    undo = _undo(cluster, token)
    before = _noted(undo, PRESENT) if undo else None
    if undo is None or before is None:
        raise CloudRefused("The present disks were not set aside, so nothing was replaced.")
    server, copy = cluster.vm(server_id), cluster.vm(copy_id)
    _check_kept([disk for disk in server.disks if disk.uuid in before.values()], undo)
    return _swap(cluster, tasks, server, set(before.values()), copy)


def ensure_undone(cluster: Cluster, server_id: str, token: str) -> Operation | None:
    """Replace what came in since `ensure_undo` by clones of the disks kept there."""
    tasks = cluster.running_tasks()
    undo = _undo(cluster, token)
    before = _noted(undo, PRESENT) if undo else None
    if undo is None or before is None:
        return None
    server = cluster.vm(server_id)
    replaced = _noted(undo, REPLACED)
    if replaced is None:
        if busy := busy_with(tasks, server.uuid, undo.uuid):
            return busy
        new = [disk for disk in server.disks if _came_in(disk, before)]
        if not new and set(before.values()) <= {disk.uuid for disk in server.disks}:
            return None
        return _begin_undoing(cluster, undo, new)
    return _swap(cluster, tasks, server, set(replaced.values()), undo)


def ensure_no_undo(cluster: Cluster, token: str) -> Operation | None:
    """Delete the undo copy."""
    return copies.ensure_none(cluster, Made.undo(token))


def _undo(cluster: Cluster, token: str) -> Vm | None:
    return next(iter(copies.find(cluster, Made.undo(token))), None)


def _swap(
    cluster: Cluster, tasks: list[Task], server: Vm, leaving: set[str], source: Vm
) -> Operation | None:
    """Detach the disks in ``leaving``, then attach clones of the source's where nothing is."""
    taken = {disk.address for disk in server.disks}
    out = [disk for disk in server.disks if disk.uuid in leaving]
    into = [disk for disk in source.disks if disk.address not in taken]
    if busy := busy_with(tasks, server.uuid):
        return busy
    if not out and not into:
        return None
    if server.power != PowerState.OFF:
        raise CloudRefused(f"{server.name} must be off while its disks are replaced.")
    return cluster.detach(server.uuid, out) if out else cluster.attach_clones(server.uuid, into)


def _check_kept(out: list[VmDisk], undo: Vm) -> None:
    """Detaching destroys: whatever goes must be in the undo copy."""
    kept = {disk.address: disk.size_bytes for disk in undo.disks}
    for disk in out:
        if kept.get(disk.address) != disk.size_bytes:
            raise CloudRefused(
                f"The disk {disk.address} changed after it was set aside, so it is not replaced."
            )


def _came_in(disk: VmDisk, before: dict[str, str]) -> bool:
    """Whether the restore put this disk in. Elsewhere than before only clones can be its."""
    if disk.uuid in before.values():
        return False
    return disk.address in before or bool(disk.source)


def _begin_undoing(cluster: Cluster, undo: Vm, new: list[VmDisk]) -> Operation:
    """Note what has to go, before the first disk moves: fresh disks look like restored ones."""
    lines = undo.description.splitlines()
    return cluster.describe_vm(undo.uuid, "\n".join([*lines[:2], _note(REPLACED, new), *lines[2:]]))


def _note(head: str, disks: list[VmDisk] | tuple[VmDisk, ...]) -> str:
    return " ".join([head, *(f"{disk.address}={disk.uuid}" for disk in disks)])


def _noted(undo: Vm, head: str) -> dict[str, str] | None:
    """Return address -> vmdisk uuid from a line of ours, None when there is no such line."""
    for line in undo.description.splitlines():
        word, *pairs = line.split()
        if word == head:
            return dict(pair.split("=", 1) for pair in pairs)
    return None
