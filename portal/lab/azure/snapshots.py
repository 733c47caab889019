"""Snapshots, and their copies in the other region (reference 7.1, 7.2)."""

from __future__ import annotations

from typing import Any

from portal.lab.azure import bodies, limits, operations, skus, wire
from portal.lab.azure.access import require_linked
from portal.lab.azure.cloud import STEPS, UNDO, AzureCloud, resource_id
from portal.lab.azure.disks import (
    ACCESS_ACTION,
    end_access,
    finish_change,
    get_access,
    require_closed,
    require_complete,
)
from portal.lab.azure.model import Disk, Operation, Snapshot
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm, compute
from portal.lab.clock import SECOND
from portal.lab.routing import Answer, Request

_READ = "Microsoft.Compute/snapshots/read"
# At once, per subscription and region.
MAX_COPIES = 100
# Incremental snapshots of one disk.
MAX_INCREMENTS, MAX_RECENT, RECENT_SECONDS = 500, 7, 300


@arm("GET", f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/snapshots", _READ)
def snapshot_list(cloud: AzureCloud, request: Request) -> Answer:
    found = list(cloud.snapshots.values())
    return wire.page(cloud, request, (wire.snapshot(cloud, each) for each in found))


@compute("GET", "snapshots", "snapshots/read")
def snapshot_list_group(cloud: AzureCloud, request: Request) -> Answer:
    found = bodies.in_group(list(cloud.snapshots.values()), request)
    return wire.page(cloud, request, (wire.snapshot(cloud, each) for each in found))


@compute("GET", "snapshots/{name}", "snapshots/read")
def snapshot_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(wire.snapshot(cloud, cloud.snapshot(_id(request))))


@compute("PUT", "snapshots/{name}", "snapshots/write")
def snapshot_put(cloud: AzureCloud, request: Request) -> Answer:
    """``Copy`` of a disk or a snapshot of the region, ``CopyStart`` of one of the other."""
    id_ = _id(request)
    bodies.check_name(request["name"])
    if again := operations.replayed(cloud, request, id_):
        return again
    present = cloud.snapshots.get(id_.lower())
    # One that could not be made is made anew.
    if present is not None and present.provisioning != "Failed":
        return _change(cloud, request, present)
    snapshot = Snapshot(id_, request["name"], **bodies.tracked(cloud, request))
    properties = bodies.properties(request)
    bodies.read_creation(snapshot, properties)
    snapshot.sku = bodies.sku(request, "Standard_LRS")
    skus.require_storage("snapshots", snapshot.sku)
    snapshot.is_incremental = bool(properties.get("incremental", False))
    source = bodies.source_of(cloud, snapshot)
    kind = "snapshots" if isinstance(source, Snapshot) else "disks"
    require_linked(cloud, ACCESS_ACTION.format(kind), snapshot.id, source.id)
    if present is None:
        limits.require_snapshot_quota(cloud, snapshot)
    _take_after(snapshot, source)
    if snapshot.create_option == "CopyStart":
        _begin_copy(cloud, snapshot, source)
    elif snapshot.create_option == "Copy":
        _copy_here(cloud, snapshot, source)
    else:
        raise invalid(f"The lab makes no snapshot with createOption {snapshot.create_option}.")
    cloud.snapshots[id_.lower()] = snapshot
    seconds = cloud.timing.snapshot_seconds
    operation = cloud.begin("snapshot_put", "PUT", snapshot, seconds, said=operations.said(request))
    body = wire.snapshot(cloud, snapshot, is_first=True)
    return operations.accepted(cloud, operation, request, body)


def _take_after(snapshot: Snapshot, source: Disk) -> None:
    snapshot.size_gb, snapshot.source_unique_id = source.size_gb, source.unique_id
    snapshot.os_type, snapshot.generation = source.os_type, source.generation
    if isinstance(source, Snapshot):
        snapshot.root_unique_id, snapshot.point_at = source.root_unique_id, source.point_at
    else:
        snapshot.root_unique_id, snapshot.point_at = source.unique_id, snapshot.created_at


def _copy_here(cloud: AzureCloud, snapshot: Snapshot, source: Disk) -> None:
    if source.location != snapshot.location:
        raise invalid(
            f"The source {source.name} is in {source.location}; only CopyStart crosses regions.",
            "creationData.sourceResourceId",
        )
    if isinstance(source, Snapshot):
        require_complete(source)
    else:  # the increments of one disk are of one family
        _require_few(cloud, snapshot, source)
        for other in cloud.snapshots.values():
            if other.root_unique_id == source.unique_id and other.location == snapshot.location:
                snapshot.family = other.family
    # A point in time: what is written to the disk from now on is not in it.
    snapshot.content = source.content


def _require_few(cloud: AzureCloud, snapshot: Snapshot, disk: Disk) -> None:
    """Increments of one disk: not too many, and not too many at once (reference 7.1)."""
    if not snapshot.is_incremental:
        return
    family = [each for each in cloud.snapshots.values() if each.source_unique_id == disk.unique_id]
    made = [e.created_at for e in family if e.is_incremental and e.id != snapshot.id]
    recent = sum(at > cloud.now - RECENT_SECONDS * SECOND for at in made)
    if len(made) >= MAX_INCREMENTS or recent >= MAX_RECENT:
        limit = f"{MAX_INCREMENTS} in all, {MAX_RECENT} in {RECENT_SECONDS // 60} minutes"
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"The limit of incremental snapshots of disk {disk.name} is reached: {limit}.",
        )  # fmt: skip


def _begin_copy(cloud: AzureCloud, snapshot: Snapshot, source: Disk) -> None:
    """The rules of 7.2: incremental, complete, one at a time per disk, in order of creation."""
    if not isinstance(source, Snapshot):
        raise invalid("Entity not of expected type: a copy between regions starts from a snapshot.")
    if not (source.is_incremental and snapshot.is_incremental):
        raise invalid("CopyStart is supported for incremental snapshots only.", "incremental")
    require_complete(source)
    copies = [
        each for each in cloud.snapshots.values()
        if each.create_option == "CopyStart" and each.location == snapshot.location
    ]  # fmt: skip
    if sum(each.is_copying for each in copies) >= MAX_COPIES:
        raise ArmRefusal(
            409, "OperationNotAllowed", "Too many snapshots are being copied to this region."
        )
    siblings = [each for each in copies if each.root_unique_id == source.root_unique_id]
    if any(each.is_copying for each in siblings):
        raise ArmRefusal(
            409, "OperationNotAllowed",
            "Another snapshot of the same disk is being copied to this region.",
        )  # fmt: skip
    if any(each.point_at > source.point_at for each in siblings):
        raise ArmRefusal(
            409, "OperationNotAllowed",
            "Snapshots of a disk must be copied in the order in which they were created.",
        )  # fmt: skip
    snapshot.copied, snapshot.coming = 0.0, source.content
    if siblings:
        snapshot.family, snapshot.is_delta = siblings[0].family, True


def _finish_put(cloud: AzureCloud, operation: Operation) -> None:
    snapshot = cloud.snapshot(operation.target)
    snapshot.copied_at = cloud.now


def _forget_put(cloud: AzureCloud, operation: Operation) -> None:
    snapshot = cloud.snapshots.get(operation.target.lower())
    if snapshot is not None:
        snapshot.content, snapshot.coming = "", ""


def _change(cloud: AzureCloud, request: Request, snapshot: Snapshot) -> Answer:
    bodies.require_same_source(snapshot, request)
    params: dict[str, Any] = {"said": operations.said(request)}
    if "tags" in request.object:
        params["tags"] = bodies.tags(request)
    seconds = cloud.timing.disk_seconds
    operation = cloud.begin("snapshot_change", "PUT", snapshot, seconds, **params)
    return operations.accepted(cloud, operation, request, wire.snapshot(cloud, snapshot))


@compute("PATCH", "snapshots/{name}", "snapshots/write")
def snapshot_patch(cloud: AzureCloud, request: Request) -> Answer:
    return _change(cloud, request, cloud.snapshot(_id(request)))


@compute("DELETE", "snapshots/{name}", "snapshots/delete")
def snapshot_delete(cloud: AzureCloud, request: Request) -> Answer:
    snapshot = cloud.snapshots.get(_id(request).lower())
    if snapshot is None:
        return Answer(None, 204)
    if again := operations.replayed(cloud, request, snapshot.id):
        return again
    require_closed(snapshot)
    seconds = cloud.timing.delete_seconds
    operation = cloud.begin(
        "snapshot_delete", "DELETE", snapshot, seconds, said=operations.said(request)
    )
    return operations.accepted(cloud, operation, request)


def _finish_delete(cloud: AzureCloud, operation: Operation) -> None:
    cloud.advance_copies()
    del cloud.snapshots[cloud.snapshot(operation.target).id.lower()]
    cloud.advance_copies()


@compute("POST", "snapshots/{name}/beginGetAccess", "snapshots/beginGetAccess/action")
def snapshot_get_access(cloud: AzureCloud, request: Request) -> Answer:
    snapshot = cloud.snapshot(_id(request))
    require_complete(snapshot)
    return get_access(cloud, request, snapshot)


@compute("POST", "snapshots/{name}/endGetAccess", "snapshots/endGetAccess/action")
def snapshot_end_access(cloud: AzureCloud, request: Request) -> Answer:
    return end_access(cloud, request, cloud.snapshot(_id(request)))


def _id(request: Request) -> str:
    return resource_id(request["group"], "snapshots", request["name"], request["subscription"])


STEPS |= {
    "snapshot_put": _finish_put,
    "snapshot_change": finish_change,
    "snapshot_delete": _finish_delete,
}
UNDO["snapshot_put"] = _forget_put
