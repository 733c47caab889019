"""The control API: what no cloud would let a client do. Under ``/.lab/`` on every port.

No sign-in: the lab listens on loopback only. Calls here are neither logged nor faulted.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from portal.lab.faults import Fault
from portal.lab.prism import PrismCluster
from portal.lab.prism.model import Disk, Vm, VolumeGroup
from portal.lab.routing import Answer, Refusal, Request, Routes
from portal.lab.store import freeze

CONTROL: Routes[PrismCluster] = Routes()
DONE = Answer({"done": True})


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
    })  # fmt: skip


# The clock


def _clock(cluster: PrismCluster) -> Answer:
    clock = cluster.lab.clock
    return Answer({"now": clock.now().isoformat(), "scale": clock.scale})


@CONTROL("GET", "/clock")
def clock_show(cluster: PrismCluster, request: Request) -> Answer:
    return _clock(cluster)


@CONTROL("POST", "/clock")
def clock_set(cluster: PrismCluster, request: Request) -> Answer:
    """``{"advance": seconds}`` jumps, ``{"scale": lab seconds per real second}`` sets the pace."""
    body = request.object
    try:
        if "scale" in body:
            cluster.lab.clock.scale = _number(body["scale"])
        if "advance" in body:
            cluster.lab.clock.advance(_number(body["advance"]))
    except ValueError as error:
        raise Refusal(str(error), 400) from None
    return _clock(cluster)


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number is wanted")
    return float(given)


# Faults and the log of calls


def _show_fault(fault: Fault) -> dict[str, Any]:
    names = [each.name for each in fields(Fault) if each.name != "callback"]
    return {name: getattr(fault, name) for name in names}


@CONTROL("GET", "/faults")
def fault_list(cluster: PrismCluster, request: Request) -> Answer:
    return Answer([_show_fault(fault) for fault in cluster.lab.faults])


@CONTROL("POST", "/faults")
def fault_create(cluster: PrismCluster, request: Request) -> Answer:
    """The fields of `Fault`, without ``callback``: that works in the lab's process only."""
    try:
        fault = cluster.lab.faults.add(Fault(**request.object))
    except (TypeError, ValueError) as error:
        raise Refusal(str(error), 400) from None
    return Answer(_show_fault(fault), 201)


@CONTROL("DELETE", "/faults")
def fault_clear(cluster: PrismCluster, request: Request) -> Answer:
    cluster.lab.faults.clear()
    return DONE


@CONTROL("GET", "/calls")
def call_list(cluster: PrismCluster, request: Request) -> Answer:
    """Calls to every cluster, oldest first; ``?cluster=`` and ``?method=`` choose."""
    wanted = request.query
    return Answer([
        {**vars(call), "at": call.at.isoformat()}
        for call in cluster.lab.calls
        if wanted.get("cluster") in (None, call.cluster)
        and wanted.get("method") in (None, call.method)
    ])  # fmt: skip


@CONTROL("DELETE", "/calls")
def call_clear(cluster: PrismCluster, request: Request) -> Answer:
    cluster.lab.calls.clear()
    return DONE


# Machines, volume groups, and what their disks hold


def _show_disks(thing: Vm | VolumeGroup) -> list[dict[str, Any]]:
    return [{**freeze(disk), "address": disk.address} for disk in thing.disks]


def _show_vm(vm: Vm) -> dict[str, Any]:
    return {
        "uuid": vm.uuid,
        "name": vm.name,
        "power_state": vm.power_state,
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
def guest_set(cluster: PrismCluster, request: Request) -> Answer:
    """``{"shutdown_seconds": 20}``; null is a guest that never shuts down."""
    if "shutdown_seconds" not in request.object:
        raise Refusal("shutdown_seconds is required", 400)
    cluster.vm(request["uuid"]).guest_shutdown_seconds = request.object["shutdown_seconds"]
    return DONE


@CONTROL("GET", "/volume_groups/{uuid}")
def group_show(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show_group(cluster.group(request["uuid"])))


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
def link_set(cluster: PrismCluster, request: Request) -> Answer:
    """``{"site": other cluster, "up": false}`` cuts the network between the two."""
    other, is_up = request.text("site"), request.object.get("up")
    if other not in cluster.lab.clusters or other == cluster.name:
        raise Refusal(f"There is no other cluster {other}", 404)
    if not isinstance(is_up, bool):
        raise Refusal("up must be true or false", 400)
    cluster.lab.link(cluster.name, other, is_up=is_up)
    return DONE


@CONTROL("POST", "/dialect")
def dialect_set(cluster: PrismCluster, request: Request) -> Answer:
    return _set(cluster.dialect, request)


@CONTROL("POST", "/timing")
def timing_set(cluster: PrismCluster, request: Request) -> Answer:
    return _set(cluster.timing, request)


@CONTROL("POST", "/identity")
def identity_set(cluster: PrismCluster, request: Request) -> Answer:
    """``version``, ``is_upgrading``, ``environment`` (PE or PC), ``hypervisor``, and others."""
    return _set(cluster.identity, request)


def _set(settings: Any, request: Request) -> Answer:
    """Change the fields that are named; others stay."""
    for name, value in request.object.items():
        present = getattr(settings, name, None)
        if present is None:
            raise Refusal(f"There is no {name} here", 400)
        kinds = (int, float) if isinstance(present, float | int) else type(present)
        if isinstance(present, bool) != isinstance(value, bool) or not isinstance(value, kinds):
            raise Refusal(f"{name} can not be {value!r}", 400)
        setattr(settings, name, value)
    return Answer(asdict(settings))
