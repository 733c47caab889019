"""What the control API can do to a cluster: machines, volume groups, disks, links, dialect."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from portal.lab.control import DONE, change, common_routes
from portal.lab.prism.cluster import PrismCluster
from portal.lab.prism.model import Disk, Vm, VolumeGroup
from portal.lab.routing import Answer, Refusal, Request, Routes
from portal.lab.store import freeze

CONTROL: Routes[PrismCluster] = common_routes()


@CONTROL("GET", "/")
def state_show(cluster: PrismCluster, request: Request) -> Answer:
    """This cluster: what is there, by name and id."""
    domains = cluster.protection_domains.values()
    return Answer({
        "cluster": cluster.name,
        "now": cluster.lab.clock.now().isoformat(),
        "scale": cluster.lab.clock.scale,
        "vms": [_show_vm(vm) for vm in cluster.vms.values()],
        "volume_groups": [_show_group(group) for group in cluster.volume_groups.values()],
        "protection_domains": {
            domain.name: {"active": domain.is_active, "snapshots": list(domain.snapshots)}
            for domain in domains
        },
        "active_tasks": [task.operation for task in cluster.active_tasks()],
        "cut_links": sorted(sorted(pair) for pair in cluster.lab.cut_links),
        "dialect": asdict(cluster.dialect),
        "timing": asdict(cluster.timing),
        "guests": asdict(cluster.guests),
    })  # fmt: skip


# Machines, volume groups, and what their disks hold


def _show_disks(thing: Vm | VolumeGroup) -> list[dict[str, Any]]:
    return [{**freeze(disk), "address": disk.address} for disk in thing.disks]


def _show_vm(vm: Vm) -> dict[str, Any]:
    return {
        "uuid": vm.uuid,
        "name": vm.name,
        "power_state": vm.power_state,
        "vcpus": vm.vcpus,
        "memory_mb": vm.memory_mb,
        "description": vm.description,
        "guest_shutdown_seconds": vm.guest_shutdown_seconds,
        "disks": _show_disks(vm),
    }


def _show_group(group: VolumeGroup) -> dict[str, Any]:
    return {
        "uuid": group.uuid,
        "name": group.name,
        "description": group.description,
        "attached_to": list(group.vms),
        "disks": _show_disks(group),
    }


@CONTROL("POST", "/vms")
def vm_create(cluster: PrismCluster, request: Request) -> Answer:
    """The arguments of ``PrismCluster.add_vm``; it is there at once."""
    try:
        return Answer(_show_vm(cluster.add_vm(**request.object)), 201)
    except TypeError as error:
        raise Refusal(str(error), 400) from None


@CONTROL("POST", "/volume_groups")
def group_create(cluster: PrismCluster, request: Request) -> Answer:
    """The arguments of ``PrismCluster.add_volume_group``; it is there at once."""
    try:
        return Answer(_show_group(cluster.add_volume_group(**request.object)), 201)
    except TypeError as error:
        raise Refusal(str(error), 400) from None


@CONTROL("GET", "/vms/{uuid}")
def vm_show(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show_vm(cluster.vm(request["uuid"])))


@CONTROL("DELETE", "/vms/{uuid}")
def vm_delete(cluster: PrismCluster, request: Request) -> Answer:
    """Gone at once, without a task."""
    del cluster.vms[cluster.vm(request["uuid"]).uuid]
    return DONE


@CONTROL("POST", "/vms/{uuid}/guest")
def guestchange(cluster: PrismCluster, request: Request) -> Answer:
    """``{"shutdown_seconds": 20}``; null is a guest that never shuts down."""
    if "shutdown_seconds" not in request.object:
        raise Refusal("shutdown_seconds is required", 400)
    cluster.vm(request["uuid"]).guest_shutdown_seconds = request.object["shutdown_seconds"]
    return DONE


@CONTROL("GET", "/volume_groups/{uuid}")
def group_show(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show_group(cluster.group(request["uuid"])))


@CONTROL("POST", "/volume_groups/{uuid}/attach")
def group_attach(cluster: PrismCluster, request: Request) -> Answer:
    """``{"vm": uuid}``; null detaches. At once, without a task."""
    group, vm = cluster.group(request["uuid"]), request.object.get("vm")
    group.vms = {cluster.vm(str(vm)).uuid: 0} if vm else {}
    return Answer(_show_group(group))


@CONTROL("DELETE", "/volume_groups/{uuid}")
def group_delete(cluster: PrismCluster, request: Request) -> Answer:
    """Gone at once, attached or not."""
    del cluster.volume_groups[cluster.group(request["uuid"]).uuid]
    return DONE


@CONTROL("GET", "/vms/{uuid}/disks/{disk}/content")
def vm_disk_read(cluster: PrismCluster, request: Request) -> Answer:
    return Answer({"content": _disk(cluster.vm(request["uuid"]), request["disk"]).content})


@CONTROL("POST", "/vms/{uuid}/disks/{disk}/content")
def vm_disk_write(cluster: PrismCluster, request: Request) -> Answer:
    """What the guest writes: ``{"content": text}``."""
    _disk(cluster.vm(request["uuid"]), request["disk"]).content = request.text("content")
    return DONE


@CONTROL("GET", "/volume_groups/{uuid}/disks/{disk}/content")
def group_disk_read(cluster: PrismCluster, request: Request) -> Answer:
    return Answer({"content": _disk(cluster.group(request["uuid"]), request["disk"]).content})


@CONTROL("POST", "/volume_groups/{uuid}/disks/{disk}/content")
def group_disk_write(cluster: PrismCluster, request: Request) -> Answer:
    _disk(cluster.group(request["uuid"]), request["disk"]).content = request.text("content")
    return DONE


def _disk(thing: Vm | VolumeGroup, key: str) -> Disk:
    """Return a disk by its uuid or by its address."""
    for disk in thing.disks:
        if key in (disk.uuid, disk.address):
            return disk
    raise Refusal(f"{thing.name} has no disk {key}", 404)


# Snapshots, links, dialect and timing


@CONTROL("DELETE", "/protection_domains/{name}/dr_snapshots/{id}")
def dr_snapshot_delete(cluster: PrismCluster, request: Request) -> Answer:
    """Gone at once, also while it is being replicated."""
    domain = cluster.protection_domains.get(request["name"])
    if domain is None or domain.snapshots.pop(request["id"], None) is None:
        raise Refusal("There is no such snapshot", 404)
    return DONE


@CONTROL("DELETE", "/snapshots/{uuid}")
def snapshot_delete(cluster: PrismCluster, request: Request) -> Answer:
    if cluster.snapshots.pop(request["uuid"], None) is None:
        raise Refusal("There is no such snapshot", 404)
    return DONE


@CONTROL("POST", "/link")
def linkchange(cluster: PrismCluster, request: Request) -> Answer:
    """``{"site": other cluster, "up": false}`` cuts the network between the two."""
    other, is_up = request.text("site"), request.object.get("up")
    if other not in cluster.lab.clusters or other == cluster.name:
        raise Refusal(f"There is no other cluster {other}", 404)
    if not isinstance(is_up, bool):
        raise Refusal("up must be true or false", 400)
    cluster.lab.link(cluster.name, other, is_up=is_up)
    return DONE


@CONTROL("POST", "/dialect")
def dialectchange(cluster: PrismCluster, request: Request) -> Answer:
    return change(cluster.dialect, request)


@CONTROL("POST", "/timing")
def timingchange(cluster: PrismCluster, request: Request) -> Answer:
    return change(cluster.timing, request)


@CONTROL("POST", "/guests")
def guests_set(cluster: PrismCluster, request: Request) -> Answer:
    """The fields of ``Guests``: what all guests do from now on."""
    return change(cluster.guests, request)


@CONTROL("POST", "/identity")
def identitychange(cluster: PrismCluster, request: Request) -> Answer:
    """``version``, ``is_upgrading``, ``environment`` (PE or PC), ``is_viewer``, and others."""
    return change(cluster.identity, request)
