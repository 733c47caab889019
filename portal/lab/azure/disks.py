"""Managed disks (reference 2.1, 7.3)."""

from __future__ import annotations

from typing import Any

from portal.lab.azure import bodies, limits, operations, skus, wire
from portal.lab.azure.access import require_linked
from portal.lab.azure.cloud import STEPS, UNDO, AzureCloud, resource_id
from portal.lab.azure.model import GIB, Disk, Operation, Snapshot, new_id
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm, compute
from portal.lab.routing import Answer, Request

VHD_FOOTER_BYTES = 512
ACCESS_ACTION = "Microsoft.Compute/{}/beginGetAccess/action"


@arm(
    "GET", f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/disks", "Microsoft.Compute/disks/read"
)
def disk_list(cloud: AzureCloud, request: Request) -> Answer:
    return wire.page(cloud, request, (wire.disk(cloud, each) for each in cloud.disks.values()))


@compute("GET", "disks", "disks/read")
def disk_list_group(cloud: AzureCloud, request: Request) -> Answer:
    found = bodies.in_group(cloud.disks.values(), request)
    return wire.page(cloud, request, (wire.disk(cloud, each) for each in found))


@compute("GET", "disks/{name}", "disks/read")
def disk_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(wire.disk(cloud, cloud.disk(_id(request))))


@compute("PUT", "disks/{name}", "disks/write")
def disk_put(cloud: AzureCloud, request: Request) -> Answer:
    """Create, or change what may change. The same body again makes nothing new."""
    id_ = _id(request)
    bodies.check_name(request["name"])
    if again := operations.replayed(cloud, request, id_):
        return again
    present = cloud.disks.get(id_.lower())
    # One that could not be made is made anew.
    if present is not None and present.provisioning != "Failed":
        return _change(cloud, request, present)
    disk = Disk(id_, request["name"], **bodies.tracked(cloud, request))
    properties = bodies.properties(request)
    bodies.read_creation(disk, properties)
    disk.sku = bodies.sku(request, "Premium_LRS")
    skus.require_storage("disks", disk.sku)
    _fill(cloud, disk, properties)
    if present is None:
        limits.require_disk_quota(cloud, disk)
    disk.os_type = str(properties.get("osType") or disk.os_type)
    disk.generation = str(properties.get("hyperVGeneration") or disk.generation)
    cloud.disks[id_.lower()] = disk
    seconds = cloud.timing.disk_seconds
    operation = cloud.begin("disk_put", "PUT", disk, seconds, said=operations.said(request))
    body = wire.disk(cloud, disk, is_first=True)
    return operations.accepted(cloud, operation, request, body)


def _fill(cloud: AzureCloud, disk: Disk, properties: dict[str, Any]) -> None:
    """By createOption: nothing, what is uploaded later, or what the source holds."""
    if disk.create_option == "Empty":
        disk.size_gb = bodies.size_gb(properties, required=True)
    elif disk.create_option == "Upload":
        size = bodies.part(properties, "creationData").get("uploadSizeBytes")
        # 512 bytes of it are the footer of a VHD.
        if isinstance(size, bool) or not isinstance(size, int) or size <= VHD_FOOTER_BYTES:
            raise invalid("Required parameter 'uploadSizeBytes' is missing (null).",
                          "creationData.uploadSizeBytes")  # fmt: skip
        disk.size_gb = max(1, -(-(size - VHD_FOOTER_BYTES) // GIB))
        disk.is_awaiting = True
    elif disk.create_option == "Copy":
        _take_after(disk, _usable_source(cloud, disk), properties)
    else:
        raise invalid(f"The lab makes no disk with createOption {disk.create_option}.")


def _usable_source(cloud: AzureCloud, disk: Disk) -> Disk:
    """Return the source of a copy: complete, in the same region, and open to the caller."""
    source = bodies.source_of(cloud, disk)
    kind = "snapshots" if isinstance(source, Snapshot) else "disks"
    require_linked(cloud, ACCESS_ACTION.format(kind), disk.id, source.id)
    if source.location != disk.location:
        raise invalid(
            f"Disk {disk.name} cannot be created in {disk.location}: its source {source.id} is in "
            f"{source.location}.",
            "sourceResourceId",
        )
    if isinstance(source, Snapshot):
        require_complete(source)
    return source


def require_complete(snapshot: Snapshot) -> None:
    """409 while bytes are missing: nothing is made of such a snapshot, and nothing read."""
    if snapshot.copied < 100 or snapshot.provisioning != "Succeeded":
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"The snapshot {snapshot.name} is not complete: it is {snapshot.provisioning}, its "
            f"background copy at {snapshot.copied:.0f} percent.",
        )  # fmt: skip


def _take_after(disk: Disk, source: Disk, properties: dict[str, Any]) -> None:
    disk.content, disk.source_unique_id = source.content, source.unique_id
    disk.os_type, disk.generation = source.os_type, source.generation
    disk.size_gb = bodies.size_gb(properties, required=False) or source.size_gb
    if disk.size_gb < source.size_gb:
        raise invalid(
            f"The disk size {disk.size_gb} GB is smaller than its source's {source.size_gb} GB.",
            "diskSizeGB",
        )


def _change(cloud: AzureCloud, request: Request, disk: Disk) -> Answer:
    bodies.require_same_source(disk, request)
    cloud.require_idle(disk.id)
    properties = bodies.properties(request)
    size = bodies.size_gb(properties, required=False)
    if size and size < disk.size_gb:
        raise invalid("A disk cannot be made smaller.", "diskSizeGB")
    params: dict[str, Any] = {"size_gb": size or disk.size_gb, "said": operations.said(request)}
    if "tags" in request.object:
        params["tags"] = bodies.tags(request)
    operation = cloud.begin("disk_change", "PUT", disk, cloud.timing.disk_seconds, **params)
    return operations.accepted(cloud, operation, request, wire.disk(cloud, disk))


@compute("PATCH", "disks/{name}", "disks/write")
def disk_patch(cloud: AzureCloud, request: Request) -> Answer:
    return _change(cloud, request, cloud.disk(_id(request)))


def finish_change(cloud: AzureCloud, operation: Operation) -> None:
    """Tags and size of a disk or a snapshot; what is gone meanwhile stays gone."""
    held = cloud.find(operation.target)
    if isinstance(held, Disk):
        held.size_gb = operation.params.get("size_gb", held.size_gb)
        held.tags = dict(operation.params.get("tags", held.tags))


@compute("DELETE", "disks/{name}", "disks/delete")
def disk_delete(cloud: AzureCloud, request: Request) -> Answer:
    disk = cloud.disks.get(_id(request).lower())
    if disk is None:
        return Answer(None, 204)
    if again := operations.replayed(cloud, request, disk.id):
        return again
    _require_free(disk)
    seconds = cloud.timing.delete_seconds
    operation = cloud.begin(
        "disk_delete", "DELETE", disk, seconds, said=operations.said(request)
    )  # fmt: skip
    return operations.accepted(cloud, operation, request)


def _require_free(disk: Disk) -> None:
    if disk.managed_by:
        raise ArmRefusal(
            409, "OperationNotAllowed", f"Disk {disk.name} is attached to VM {disk.managed_by}."
        )
    require_closed(disk)


def require_closed(thing: Disk) -> None:
    """409 while somebody may read or write the bytes themselves."""
    if thing.has_access:
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"There is an active shared access signature outstanding for {thing.name}. Call "
            "EndGetAccess first.",
        )  # fmt: skip


def _finish_delete(cloud: AzureCloud, operation: Operation) -> None:
    disk = cloud.disk(operation.target)
    _require_free(disk)
    del cloud.disks[disk.id.lower()]


def _finish_put(cloud: AzureCloud, operation: Operation) -> None:
    cloud.disk(operation.target)


def _forget_put(cloud: AzureCloud, operation: Operation) -> None:
    """A disk that could not be made stays as a failed resource, as real ones do."""
    disk = cloud.disks.get(operation.target.lower())
    if disk is not None:
        disk.content = ""


@compute("POST", "disks/{name}/beginGetAccess", "disks/beginGetAccess/action")
def disk_get_access(cloud: AzureCloud, request: Request) -> Answer:
    return get_access(cloud, request, cloud.disk(_id(request)))


@compute("POST", "disks/{name}/endGetAccess", "disks/endGetAccess/action")
def disk_end_access(cloud: AzureCloud, request: Request) -> Answer:
    return end_access(cloud, request, cloud.disk(_id(request)))


def get_access(cloud: AzureCloud, request: Request, thing: Disk) -> Answer:
    """Open a disk or a snapshot for reading; the address leads nowhere in the lab."""
    holder = cloud.vms.get(thing.managed_by.lower())
    if holder is not None and holder.power != "deallocated":
        raise ArmRefusal(
            409, "OperationNotAllowed", f"Disk {thing.name} is attached to VM {holder.name}, "
            "which is not deallocated.",
        )  # fmt: skip
    output = {"accessSAS": f"{cloud.base}/.sas/{new_id()}"}
    operation = cloud.begin("open", "POST", thing, cloud.timing.disk_seconds, output=output)
    return operations.accepted(cloud, operation, request)


def end_access(cloud: AzureCloud, request: Request, thing: Disk) -> Answer:
    """Close it again."""
    operation = cloud.begin("close", "POST", thing, cloud.timing.disk_seconds)
    return operations.accepted(cloud, operation, request)


def _set_access(has_access: bool) -> Any:
    def step(cloud: AzureCloud, operation: Operation) -> None:
        thing = cloud.find(operation.target)
        if isinstance(thing, Disk):
            thing.has_access = has_access
            # What was open for an upload has had it.
            thing.is_awaiting = thing.is_awaiting and has_access

    return step


def _id(request: Request) -> str:
    return resource_id(request["group"], "disks", request["name"], request["subscription"])


STEPS |= {
    "disk_put": _finish_put,
    "disk_change": finish_change,
    "disk_delete": _finish_delete,
    "open": _set_access(True),
    "close": _set_access(False),
}
UNDO["disk_put"] = _forget_put
