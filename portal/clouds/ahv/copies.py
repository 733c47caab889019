"""Clones of a server made by us: the copy that is a backup, and the undo copy of a restore.

A clone is named and numbered by the token: ``standby-<token>`` with a version-5 uuid,
``standby-undo-<token>`` with another. A lost run's clone is found by them. Clusters that
do not honour the uuid of a clone (reference 3.3, mark S) are met by name alone.
When it exists it is marked: the first line of its description is `Mark.text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID, uuid5

from portal.clouds.ahv import wire
from portal.clouds.ahv.cluster import Cluster, busy_with, wait_for
from portal.clouds.ahv.wire import PREFIX, Task, Vm
from portal.clouds.api import CloudRefused, Mark, Operation, SignInRefused

NAMESPACE = UUID("5f0c6a53-77c5-4b0e-9a86-2d0b7c1f6d1e")
# The limit of a description is unknown (reference 3.5): of the inherited text, no more.
INHERITED_CHARACTERS = 500


@dataclass(frozen=True)
class Made:
    """A clone of ours: what it is called, whether or not it exists."""

    name: str
    uuid: str

    @classmethod
    def copy(cls, token: str) -> Made:
        return cls(f"{PREFIX}{token}", str(uuid5(NAMESPACE, f"{token}:copy")))

    @classmethod
    def clone(cls, token: str) -> Made:
        return cls(f"{PREFIX}clone-{token}", str(uuid5(NAMESPACE, f"{token}:clone")))

    @classmethod
    def undo(cls, token: str) -> Made:
        return cls(f"{PREFIX}undo-{token}", str(uuid5(NAMESPACE, f"{token}:undo")))


def find(cluster: Cluster, made: Made) -> list[Vm]:
    """Return the VMs that are this clone; more than one only where uuids are not honoured.

    Where they are, somebody else's VM of the same name is not ours.
    """
    named = cluster.vms(name=made.name)
    ours = [vm for vm in named if vm.uuid == made.uuid]
    if ours or (named and not cluster.honours_uuids):
        return ours or sorted(named, key=lambda vm: (not vm.description, vm.uuid))
    renamed = cluster.find_vm(made.uuid)
    return [renamed] if renamed else []


def ensure(
    cluster: Cluster,
    source_id: str,
    made: Made,
    mark: Mark,
    note: Callable[[Vm], str] | None = None,
) -> Operation | Vm:
    """Clone the source once, check the clone, mark it; answer it when all is done.

    ``note`` makes a line of ours from the source as it is then, kept below the mark.
    """
    tasks = cluster.running_tasks()
    found = find(cluster, made)
    if not found:
        return busy_with(tasks, made.uuid, source_id) or _clone(cluster, source_id, made)
    clone, *doubled = found
    if doubled:
        # A request thought lost was acted on late.
        return busy_with(tasks, doubled[0].uuid) or cluster.delete_vm(doubled[0].uuid)
    if busy := busy_with(tasks, clone.uuid):
        return busy
    if not clone.description.startswith(mark.text()):
        source = cluster.vm(source_id)
        _verify(clone, source)
        lines = [mark.text(), *([note(source)] if note else []), _inherited(clone)]
        return cluster.describe_vm(clone.uuid, "\n".join(lines).strip())
    return clone


def _clone(cluster: Cluster, source_id: str, made: Made) -> Operation:
    cluster.vm(source_id)  # NotFound, where the cluster's own answer to a clone may be a 500
    try:
        return cluster.clone(source_id, made.name, made.uuid)
    except SignInRefused:
        raise
    except CloudRefused:
        # Refused because an earlier request of ours got there meanwhile?
        if busy := busy_with(cluster.running_tasks(), made.uuid):
            return busy
        raise


def _inherited(clone: Vm) -> str:
    """Return what the clone's description holds besides lines of ours, shortened."""
    lines = [line for line in clone.description.splitlines() if not line.startswith("standby:")]
    return "\n".join(lines)[:INHERITED_CHARACTERS]


def _verify(clone: Vm, source: Vm) -> None:
    has = sorted(disk.size_bytes for disk in clone.disks)
    wants = sorted(disk.size_bytes for disk in source.disks)
    if has != wants:
        raise CloudRefused(
            f"The copy of {source.name} is not complete: it has {len(has)} disks of "
            f"{sum(has)} bytes, the server {len(wants)} of {sum(wants)} bytes.",
            advice="Look at the storage of the cluster, then try again.",
        )


def ensure_none(cluster: Cluster, made: Made, given_id: str = "") -> Operation | None:
    """Delete this clone, and the one whose id is given. None: neither is there nor coming."""
    tasks = cluster.running_tasks()
    targets = find(cluster, made)
    if given_id and given_id not in {vm.uuid for vm in targets}:
        given = cluster.find_vm(given_id)
        targets += [_surely_ours(given)] if given else []
    for vm in targets:
        if operation := busy_with(tasks, vm.uuid) or _delete(cluster, vm):
            return operation
    if busy := busy_with(tasks, made.uuid, *([given_id] if given_id else [])):
        return busy
    return None if cluster.honours_uuids else _nameless_clone(tasks)


def _surely_ours(vm: Vm) -> Vm:
    """Protects the customer's machines from an id that is not what it was thought to be."""
    if vm.name.startswith(PREFIX) or vm.description.startswith(wire.MARKED):
        return vm
    raise CloudRefused(
        f"{vm.name} was not made by Standby, so it is not deleted.",
        advice="Look at this virtual machine at the cluster; delete it there if it is a backup.",
    )


def _delete(cluster: Cluster, vm: Vm) -> Operation | None:
    try:
        return cluster.delete_vm(vm.uuid)
    except SignInRefused:
        raise
    except CloudRefused:  # gone meanwhile, by 404 or by 500?
        if cluster.find_vm(vm.uuid) is None:
            return None
        raise


def _nameless_clone(tasks: Iterable[Task]) -> Operation | None:
    """A clone in flight that may be ours, on a cluster that gives clones uuids of its own.

    Which VM it makes is not known before it ends, so any clone is waited for.
    """
    return next((wait_for(task) for task in tasks if "clone" in task.operation.lower()), None)
