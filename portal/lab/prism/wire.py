"""The shapes of Prism Element's JSON (reference 1.3 to 1.6, 3.2, 8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from portal.lab.clock import SECOND
from portal.lab.prism.model import Disk, Nic, Task, Vm
from portal.lab.routing import Answer, Refusal, Request

if TYPE_CHECKING:
    from portal.lab.prism.cluster import PrismCluster

Json = dict[str, Any]


def error_body(message: str, code: int = 1202) -> Json:
    """The error body of v2 (1.6); the help address is the constant real clusters send."""
    return {
        "message": message,
        "detailed_message": None,
        "error_code": {"code": code, "help_url": "http://my.nutanix.com"},
    }


def listing(entities: Sequence[Json], request: Request | None = None, total: int = -1) -> Answer:
    """An envelope of everything (1.4); ``total`` 0 is what sub-lists of domains really say."""
    return Answer(envelope(entities, total=total, start=1, request=request))


def envelope(
    entities: Sequence[Json], *, total: int = -1, start: int = 1, request: Request | None = None
) -> Json:
    """The envelope of lists."""
    query = request.query if request else {}
    total = len(entities) if total < 0 else total
    return {
        "metadata": {
            "grand_total_entities": total,
            "total_entities": total,
            "filter_criteria": query.get("filter_criteria") or query.get("filter"),
            "sort_criteria": query.get("sort_criteria"),
            "page": None,
            "count": len(entities),
            "start_index": start if entities else None,
            "end_index": start + len(entities) - 1 if entities else None,
            "search_string": query.get("search_string"),
            "next_cursor": None,
            "previous_cursor": None,
        },
        "entities": list(entities),
    }


def page(entities: Sequence[Json], request: Request) -> Answer:
    """An envelope of one page: ``count`` and ``page``, or ``length`` and ``offset`` (1.4)."""
    count = request.number("length", request.number("count", len(entities)))
    first = request.number("offset", max(0, request.number("page", 1) - 1) * count)
    shown = entities[first : first + count]
    return Answer(envelope(shown, total=len(entities), start=first + 1, request=request))


def submitted(task: Task, status: int = 201) -> Answer:
    """What a call answers that started a task."""
    return Answer({"task_uuid": task.uuid}, status)


def done(cluster: PrismCluster, *, is_delete: bool = False) -> Answer:
    """What a call answers that has nothing to say; deletes differ by dialect (1.5)."""
    if is_delete and cluster.dialect.boolean_delete == "204":
        return Answer(None, 204)
    return Answer({"value": True})


Attached = dict[str, list[tuple[str, int]]]


def attached_groups(cluster: PrismCluster) -> Attached:
    """The volume groups of each VM, with their index on its bus: for showing many VMs."""
    found: Attached = {}
    for group in cluster.volume_groups.values():
        for uuid, index in group.vms.items():
            found.setdefault(uuid, []).append((group.uuid, index))
    return found


def vm(cluster: PrismCluster, vm: Vm, request: Request, groups: Attached | None = None) -> Json:
    """A VM; disks and NICs only when asked for."""
    shown: Json = {
        "allow_live_migrate": True,
        "gpus_assigned": False,
        "boot": {"uefi_boot": False},
        "ha_priority": 0,
        "machine_type": "pc",
        "vm_features": {"AGENT_VM": False, "VGA_CONSOLE": True},
        "cbr_not_capable_reason": "",
        **vm.other,
        "uuid": vm.uuid,
        "name": vm.name,
        "description": vm.description,
        "power_state": vm.power_state,
        "num_vcpus": vm.vcpus,
        "num_cores_per_vcpu": vm.cores,
        "memory_mb": vm.memory_mb,
        "host_uuid": vm.host_uuid,
        "timezone": vm.timezone,
        "vm_logical_timestamp": vm.logical_timestamp,
    }
    if request.flag("include_vm_disk_config"):
        shown["vm_disk_info"] = disks(cluster, vm, groups)
    if request.flag("include_vm_nic_config"):
        shown["vm_nics"] = [nic(cluster, card) for card in vm.nics]
    return shown


def disks(cluster: PrismCluster, vm: Vm, groups: Attached | None = None) -> list[Json]:
    """``vm_disk_info``: CD-ROMs, disks, and attached volume groups as one entry each."""
    shown = [_cdrom(disk) for disk in vm.cdroms]
    shown += [disk_info(cluster, disk) for disk in vm.disks]
    groups = attached_groups(cluster) if groups is None else groups
    for group, index in groups.get(vm.uuid, ()):
        address = {
            "device_bus": "scsi",
            "device_index": 100 + index,
            "volume_group_uuid": group,
        }
        shown.append({"disk_address": address, "is_cdrom": False, "is_empty": False})
    return shown


def disk_info(cluster: PrismCluster, disk: Disk) -> Json:
    """One disk with content."""
    container = cluster.containers.get(disk.container)
    folder = container.name if container else disk.container
    source = None
    if disk.source and cluster.dialect.shows_source_disk:
        source = {"vmdisk_uuid": disk.source}
    return {
        "disk_address": {
            "device_bus": disk.bus,
            "device_index": disk.index,
            "disk_label": disk.address,
            "vmdisk_uuid": disk.uuid,
            "device_uuid": disk.uuid,
            "ndfs_filepath": f"/{folder}/.acropolis/vmdisk/{disk.uuid}",
            "volume_group_uuid": None,
        },
        "is_cdrom": False,
        "is_empty": False,
        "flash_mode_enabled": False,
        "is_scsi_passthrough": True,
        "is_hot_remove_enabled": True,
        "is_thin_provisioned": False,
        "shared": False,
        "size": disk.size_bytes,
        "storage_container_uuid": disk.container,
        "source_disk_address": source,
    }


def _cdrom(disk: Disk) -> Json:
    return {
        "disk_address": {
            "device_bus": disk.bus,
            "device_index": disk.index,
            "disk_label": disk.address,
        },
        "is_cdrom": True,
        "is_empty": True,
    }


def nic(cluster: PrismCluster, card: Nic) -> Json:
    """One NIC."""
    network = cluster.networks.get(card.network_uuid)
    return {
        "mac_address": card.mac,
        "nic_uuid": card.uuid,
        "network_uuid": card.network_uuid,
        "network_name": network.name if network else None,
        "model": card.model,
        "ip_address": card.ip,
        "ip_addresses": [card.ip] if card.ip else [],
        "vlan_mode": "Access",
        "is_connected": card.is_connected,
    }


def task(cluster: PrismCluster, task: Task) -> Json:
    """A task (8). States are capitalised; ``complete_time_usecs`` is null while it runs."""
    has_failed = task.status == "Failed"
    return {
        "uuid": task.uuid,
        "cluster_uuid": cluster.identity.uuid,
        "parent_task_uuid": None,
        "operation_type": task.operation,
        "display_name": task.operation,
        "message": task.error if has_failed else "",
        "progress_status": task.status,
        "percentage_complete": percent(task, cluster.now),
        "create_time_usecs": task.created_at,
        "start_time_usecs": task.started_at,
        "complete_time_usecs": task.ended_at,
        "last_updated_time_usecs": task.ended_at or task.started_at or task.created_at,
        "entity_list": [
            {"entity_type": kind, "entity_id": uuid, "entity_name": None}
            for kind, uuid in task.entities
        ],
        "meta_request": {"method_name": task.operation},
        "meta_response": {
            "error_code": 1 if has_failed else 0,
            "error_detail": task.error or None,
        },
        "subtask_uuid_list": [],
    }


def percent(task: Task, now: int) -> int:
    """How far a task is, 0 to 100, by its time."""
    if task.ended_at is not None:
        return 100
    if task.started_at is None or task.seconds <= 0:
        return 0
    return min(99, int((now - task.started_at) * 100 / (task.seconds * SECOND)))


def sort(entities: Iterable[Json], key: str | None, order: str | None) -> list[Json]:
    """Sort by a field, if one is named."""
    listed = list(entities)
    if not key:
        return listed
    is_descending = (order or "").lower().startswith("desc")
    return sorted(listed, key=lambda item: str(item.get(key) or ""), reverse=is_descending)


def count_of(body: Json, name: str, default: int) -> int:
    """Return a whole number of a body, 0 or more."""
    given = body.get(name)
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise Refusal(f"{name} must be a number", 400)
    try:
        number = int(given)
    except ValueError:
        raise Refusal(f"{name} must be a number", 400) from None
    if number < 0:
        raise Refusal(f"{name} must not be negative", 400)
    return number
