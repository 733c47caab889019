"""Volume groups (reference 5): create, clone, attach, detach, iSCSI clients, disks.

What the reference leaves open: deleting a group that is attached is refused here.
"""

from __future__ import annotations

from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.domains import renamed
from portal.lab.prism.model import Disk, Task, VolumeGroup, new_uuid
from portal.lab.prism.vms import check_new
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request

KIND = "VOLUME_GROUP"
CREATE, UPDATE, DELETE, CLONE = "VgCreate", "VgUpdate", "VgDelete", "VgClone"
ATTACH, DETACH = "VgAttach", "VgDetach"
DISK_CREATE, DISK_DELETE, DISK_UPDATE = "VgDiskCreate", "VgDiskDelete", "VgDiskUpdate"
MIB = 2**20
MAX_INDEX = 255
FLAGS = {
    "is_shared": "is_shared",
    "flash_mode_enabled": "is_flash",
    "load_balance_vm_attachments": "is_balanced",
}


def show(cluster: PrismCluster, group: VolumeGroup, request: Request | None = None) -> Json:
    """A volume group; without ``include_disk_size`` (default true) its disks have no size."""
    has_sizes = request is None or request.flag("include_disk_size", True)
    attachments: list[Json] = [{"vm_uuid": uuid, "index": n} for uuid, n in group.vms.items()]
    attachments += [{"iscsi_initiator_name": name} for name in group.iscsi_clients]
    return {
        "uuid": group.uuid,
        "name": group.name,
        "description": group.description,
        "is_shared": group.is_shared,
        "flash_mode_enabled": group.is_flash,
        "load_balance_vm_attachments": group.is_balanced,
        "iscsi_target": group.iscsi_target or f"{group.name}-{group.uuid}",
        "logical_timestamp": group.logical_timestamp,
        "last_modified_timestamp_usecs": group.modified_at,
        "is_deleted": False,
        "enabled_authentications": [],
        "attachment_list": attachments,
        "disk_list": [_show_disk(cluster, disk, has_sizes) for disk in group.disks],
    }


def _show_disk(cluster: PrismCluster, disk: Disk, has_size: bool) -> Json:
    sizes = {}
    if has_size:
        sizes = {
            "vmdisk_size_bytes": disk.size_bytes,
            "vmdisk_size_mb": disk.size_bytes // MIB,
        }
    return {
        "index": disk.index,
        "vmdisk_uuid": disk.uuid,
        "vmdisk_path": None,
        "storage_container_uuid": disk.container,
        "storage_container_id": f"{cluster.identity.uuid}::{disk.container}",
        "flash_mode_enabled": False,
        **sizes,
    }


@V2("GET", "/volume_groups")
def group_list(cluster: PrismCluster, request: Request) -> Answer:
    groups = cluster.volume_groups.values()
    return wire.listing([show(cluster, group, request) for group in groups], request)


@V2("GET", "/volume_groups/{uuid}")
def group_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(show(cluster, cluster.group(request["uuid"]), request))


def _submit(
    cluster: PrismCluster, operation: str, uuid: str, params: dict[str, Any], *also: tuple[str, str]
) -> Task:
    seconds = cluster.timing.volume_group_seconds
    return cluster.submit(operation, [(KIND, uuid), *also], seconds, {"group": uuid, **params})


def _touched(cluster: PrismCluster, task: Task) -> VolumeGroup:
    group = cluster.group(task.params["group"])
    group.logical_timestamp += 1
    group.modified_at = cluster.now
    return group


# Create, change, delete, clone


@V2("POST", "/volume_groups")
def group_create(cluster: PrismCluster, request: Request) -> Answer:
    request.text("name")
    uuid = request.object.get("uuid") or new_uuid()
    return wire.submitted(_submit(cluster, CREATE, uuid, {"spec": request.object}))


def _new_disks(cluster: PrismCluster, specs: list[dict[str, Any]], taken: set[int]) -> list[Disk]:
    """Return new disks; older clients say ``create_spec`` and ``size_mb`` (5)."""
    made: list[Disk] = []
    for spec in specs:
        create = spec.get("create_config") or spec.get("create_spec") or {}
        size = wire.count_of(create, "size", 0) or wire.count_of(create, "size_mb", 0) * MIB
        if size <= 0:
            raise Refusal("A disk of a volume group needs a size", 400)
        used = taken | {disk.index for disk in made}
        free = next(number for number in range(MAX_INDEX) if number not in used)
        index = wire.count_of(spec, "index", free)
        if index in used:
            raise Refusal(f"The disk index {index} is in use")
        home = create.get("storage_container_uuid") or create.get("container_uuid")
        made.append(Disk(new_uuid(), "vg", index, size, "empty", cluster.container(home).uuid))
    return made


def _check_create(cluster: PrismCluster, task: Task) -> None:
    check_new(cluster, task.params["group"])
    _new_disks(cluster, task.params["spec"].get("disk_list") or [], set())


def _finish_create(cluster: PrismCluster, task: Task) -> None:
    _check_create(cluster, task)
    spec = task.params["spec"]
    group = VolumeGroup(
        task.params["group"], spec["name"], spec.get("description"),
        _new_disks(cluster, spec.get("disk_list") or [], set()), modified_at=cluster.now,
    )  # fmt: skip
    _set_flags(group, spec)
    cluster.volume_groups[group.uuid] = group


def _set_flags(group: VolumeGroup, spec: dict[str, Any]) -> None:
    for name, attribute in FLAGS.items():
        if spec.get(name) is not None:
            setattr(group, attribute, bool(spec[name]))
    group.iscsi_target = spec.get("iscsi_target") or group.iscsi_target


@V2("PUT", "/volume_groups/{uuid}")
def group_update(cluster: PrismCluster, request: Request) -> Answer:
    """Answers a task or the group, by dialect; the task runs in either case (5)."""
    group = cluster.group(request["uuid"])
    task = _submit(cluster, UPDATE, group.uuid, {"spec": request.object})
    if cluster.dialect.volume_group_put_returns_task:
        return wire.submitted(task, 200)
    changed = {name: value for name, value in request.object.items() if value is not None}
    return Answer({**show(cluster, group), **changed})


def _finish_update(cluster: PrismCluster, task: Task) -> None:
    group, spec = _touched(cluster, task), task.params["spec"]
    for name in ("name", "description"):
        if spec.get(name) is not None:
            setattr(group, name, str(spec[name]))
    renamed(cluster, group.uuid, group.name)
    _set_flags(group, spec)


@V2("DELETE", "/volume_groups/{uuid}")
def group_delete(cluster: PrismCluster, request: Request) -> Answer:
    group = cluster.group(request["uuid"])
    return wire.submitted(_submit(cluster, DELETE, group.uuid, {}))


def _check_delete(cluster: PrismCluster, task: Task) -> None:
    group = cluster.group(task.params["group"])
    if group.vms or group.iscsi_clients:
        raise Refusal(f"Volume group {group.name} is attached")


def _finish_delete(cluster: PrismCluster, task: Task) -> None:
    _check_delete(cluster, task)
    del cluster.volume_groups[task.params["group"]]


@V2("POST", "/volume_groups/{uuid}/clone")
def group_clone(cluster: PrismCluster, request: Request) -> Answer:
    source, spec = cluster.group(request["uuid"]), request.object
    is_given = cluster.dialect.honours_clone_uuid and bool(spec.get("uuid"))
    uuid = spec["uuid"] if is_given else new_uuid()
    if is_given and cluster.is_busy([uuid]):
        raise Refusal(f"An entity with uuid {uuid} is being created")
    params = {"group": uuid, "source": source.uuid, "name": spec.get("name")}
    named = [(KIND, uuid)] if is_given else []
    seconds = cluster.timing.volume_group_seconds
    return wire.submitted(cluster.submit(CLONE, [*named, (KIND, source.uuid)], seconds, params))


def _check_clone(cluster: PrismCluster, task: Task) -> None:
    cluster.group(task.params["source"])
    check_new(cluster, task.params["group"])


def _begin_clone(cluster: PrismCluster, task: Task) -> None:
    source = cluster.group(task.params["source"])
    task.params["made"] = [dict(vars(disk.clone())) for disk in source.disks]
    task.params["description"] = source.description
    task.params["name"] = task.params["name"] or f"{source.name}-clone"


def _finish_clone(cluster: PrismCluster, task: Task) -> None:
    check_new(cluster, task.params["group"])
    group = VolumeGroup(
        task.params["group"], task.params["name"], task.params["description"],
        [Disk(**disk) for disk in task.params["made"]], modified_at=cluster.now,
    )  # fmt: skip
    cluster.volume_groups[group.uuid] = group
    source = (KIND, task.params["source"])
    task.entities = [(KIND, group.uuid), source]


# Attach, detach, iSCSI


@V2("POST", "/volume_groups/{uuid}/attach")
def group_attach(cluster: PrismCluster, request: Request) -> Answer:
    group, vm = cluster.group(request["uuid"]), cluster.vm(request.text("vm_uuid"))
    index = wire.count_of(request.object, "index", 0)
    params = {"vm": vm.uuid, "index": index}
    return wire.submitted(_submit(cluster, ATTACH, group.uuid, params, ("VM", vm.uuid)))


def _check_attach(cluster: PrismCluster, task: Task) -> None:
    group, vm = cluster.group(task.params["group"]), cluster.vm(task.params["vm"])
    if vm.uuid in group.vms:
        raise Refusal(f"Volume group {group.name} is attached to VM {vm.name} already")
    if (group.vms or group.iscsi_clients) and not group.is_shared:
        raise Refusal(f"Volume group {group.name} is attached, and not shared")


def _finish_attach(cluster: PrismCluster, task: Task) -> None:
    _check_attach(cluster, task)
    _touched(cluster, task).vms[task.params["vm"]] = task.params["index"]


@V2("POST", "/volume_groups/{uuid}/detach")
def group_detach(cluster: PrismCluster, request: Request) -> Answer:
    group, uuid = cluster.group(request["uuid"]), request.text("vm_uuid")
    return wire.submitted(_submit(cluster, DETACH, group.uuid, {"vm": uuid}, ("VM", uuid)))


def _check_detach(cluster: PrismCluster, task: Task) -> None:
    group = cluster.group(task.params["group"])
    if task.params["vm"] not in group.vms:
        raise Refusal(f"Volume group {group.name} is not attached to VM {task.params['vm']}")


def _finish_detach(cluster: PrismCluster, task: Task) -> None:
    _check_detach(cluster, task)
    del _touched(cluster, task).vms[task.params["vm"]]


def _client(request: Request) -> str:
    """Return the initiator's name or address; clients write it in three ways (5)."""
    body = request.object
    client = body.get("iscsi_client") or {}
    name = (
        client.get("iscsi_initiator_name")
        or client.get("client_address")
        or body.get("iscsi_client_ip")
        or body.get("iscsi_initiator_name")
    )
    if not name:
        raise Refusal("An iSCSI client is required", 400)
    return str(name)


@V2("POST", "/volume_groups/{uuid}/open")
def group_open(cluster: PrismCluster, request: Request) -> Answer:
    group, client = cluster.group(request["uuid"]), _client(request)
    if client not in group.iscsi_clients:
        group.iscsi_clients.append(client)
    return Answer({"value": True})


@V2("POST", "/volume_groups/{uuid}/close")
def group_close(cluster: PrismCluster, request: Request) -> Answer:
    group, client = cluster.group(request["uuid"]), _client(request)
    if client in group.iscsi_clients:
        group.iscsi_clients.remove(client)
    return Answer({"value": True})


# Disks


@V2("POST", "/volume_groups/{uuid}/disks")
def disk_create(cluster: PrismCluster, request: Request) -> Answer:
    group = cluster.group(request["uuid"])
    return wire.submitted(_submit(cluster, DISK_CREATE, group.uuid, {"spec": request.object}))


def _finish_disk_create(cluster: PrismCluster, task: Task) -> None:
    group = _touched(cluster, task)
    group.disks += _new_disks(cluster, [task.params["spec"]], {disk.index for disk in group.disks})


@V2("PUT", "/volume_groups/{uuid}/disks")
def disk_update(cluster: PrismCluster, request: Request) -> Answer:
    group = cluster.group(request["uuid"])
    return wire.submitted(_submit(cluster, DISK_UPDATE, group.uuid, {"spec": request.object}))


def _disk(group: VolumeGroup, index: int) -> Disk:
    for disk in group.disks:
        if disk.index == index:
            return disk
    raise Refusal(f"Volume group {group.name} has no disk {index}", 404)


def _finish_disk_update(cluster: PrismCluster, task: Task) -> None:
    spec = task.params["spec"]
    disk = _disk(_touched(cluster, task), wire.count_of(spec, "index", 0))
    create = spec.get("create_config") or {}
    disk.size_bytes = max(disk.size_bytes, wire.count_of(create, "size", 0))


@V2("DELETE", "/volume_groups/{uuid}/disks/{index}")
def disk_delete(cluster: PrismCluster, request: Request) -> Answer:
    group, index = cluster.group(request["uuid"]), request["index"]
    if not index.isdecimal():
        raise Refusal("The index of a disk is a number", 400)
    _disk(group, int(index))
    return wire.submitted(_submit(cluster, DISK_DELETE, group.uuid, {"index": int(index)}))


def _finish_disk_delete(cluster: PrismCluster, task: Task) -> None:
    group = _touched(cluster, task)
    group.disks.remove(_disk(group, task.params["index"]))


ACTIONS |= {
    CREATE: Action(_finish_create, check=_check_create),
    UPDATE: Action(_finish_update),
    DELETE: Action(_finish_delete, check=_check_delete),
    CLONE: Action(_finish_clone, check=_check_clone, begin=_begin_clone),
    ATTACH: Action(_finish_attach, check=_check_attach),
    DETACH: Action(_finish_detach, check=_check_detach),
    DISK_CREATE: Action(_finish_disk_create),
    DISK_UPDATE: Action(_finish_disk_update),
    DISK_DELETE: Action(_finish_disk_delete),
}
