"""Disks and NICs of VMs: specs, attach, detach, grow (reference 3.1, 3.3).

Detaching destroys. Disks of a VM that is not off can be neither attached nor detached:
stricter than a real cluster, which allows some of it on some buses.
"""

from __future__ import annotations

from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.model import Disk, Nic, Task, Vm, new_uuid
from portal.lab.routing import Answer, Refusal, Request

MAX_INDEX = 255
MIB = 2**20
ATTACH, DETACH, GROW = "VmDiskCreate", "VmDiskDelete", "VmDiskUpdate"
NIC_CREATE, NIC_DELETE = "VmNicCreate", "VmNicDelete"


def _submit_on_disks(cluster: PrismCluster, request: Request, operation: str) -> Answer:
    vm = cluster.vm(request["uuid"])
    params = {"vm": vm.uuid, "specs": request.items("vm_disks")}
    seconds = cluster.timing.disk_seconds
    return wire.submitted(cluster.submit(operation, [("VM", vm.uuid)], seconds, params))


@V2("POST", "/vms/{uuid}/disks/attach")
def disk_attach(cluster: PrismCluster, request: Request) -> Answer:
    return _submit_on_disks(cluster, request, ATTACH)


@V2("POST", "/vms/{uuid}/disks/detach")
def disk_detach(cluster: PrismCluster, request: Request) -> Answer:
    return _submit_on_disks(cluster, request, DETACH)


@V2("PUT", "/vms/{uuid}/disks/update")
def disk_update(cluster: PrismCluster, request: Request) -> Answer:
    return _submit_on_disks(cluster, request, GROW)


def _check_off(cluster: PrismCluster, task: Task) -> Vm:
    vm = cluster.vm(task.params["vm"])
    if vm.power_state != "off":
        raise Refusal(f"VM {vm.name} must be powered off to change its disks")
    return vm


def _check_attach(cluster: PrismCluster, task: Task) -> None:
    vm = _check_off(cluster, task)
    make_disks(cluster, [*vm.disks, *vm.cdroms], task.params["specs"])


def _begin_attach(cluster: PrismCluster, task: Task) -> None:
    """Clones hold what their source holds when the task starts."""
    vm = cluster.vm(task.params["vm"])
    made = make_disks(cluster, [*vm.disks, *vm.cdroms], task.params["specs"])
    task.params["made"] = [_frozen(disk) for disk in made]


def _finish_attach(cluster: PrismCluster, task: Task) -> None:
    vm = _check_off(cluster, task)
    vm.disks += [Disk(**frozen) for frozen in task.params["made"]]
    vm.disks.sort(key=lambda disk: (disk.bus, disk.index))
    vm.logical_timestamp += 1


def _frozen(disk: Disk) -> dict[str, Any]:
    return dict(vars(disk))


def make_disks(cluster: PrismCluster, taken: list[Disk], specs: list[dict[str, Any]]) -> list[Disk]:
    """Return new disks by these specs, at the addresses asked for or the next free ones."""
    made: list[Disk] = []
    for spec in specs:
        if spec.get("is_cdrom"):
            continue
        address = spec.get("disk_address") or {}
        bus = str(address.get("device_bus") or "scsi").lower()
        used = {disk.index for disk in [*taken, *made] if disk.bus == bus}
        free = next(number for number in range(MAX_INDEX) if number not in used)
        index = wire.count_of(address, "device_index", free)
        if index in used:
            raise Refusal(f"The disk address {bus}.{index} is in use")
        made.append(_make_disk(cluster, spec, bus, index))
    return made


def _make_disk(cluster: PrismCluster, spec: dict[str, Any], bus: str, index: int) -> Disk:
    if clone := spec.get("vm_disk_clone"):
        source = cluster.find_disk(_named_disk(clone.get("disk_address") or {}))
        disk = source.clone()
        disk.bus, disk.index = bus, index
        disk.size_bytes = max(disk.size_bytes, wire.count_of(clone, "minimum_size", 0))
        if container := clone.get("storage_container_uuid"):
            disk.container = cluster.container(container).uuid
        return disk
    create = spec.get("vm_disk_create")
    if not create:
        raise Refusal("A disk needs vm_disk_create or vm_disk_clone", 400)
    size = wire.count_of(create, "size", 0) or wire.count_of(create, "disk_size_mib", 0) * MIB
    if size <= 0:
        raise Refusal("A disk needs a size", 400)
    home = create.get("storage_container_uuid") or create.get("container_uuid")
    return Disk(new_uuid(), bus, index, size, "empty", cluster.container(home).uuid)


def _named_disk(address: dict[str, Any]) -> str:
    """Return the vmdisk uuid; the path of a disk file ends with it."""
    uuid = address.get("vmdisk_uuid") or str(address.get("ndfs_filepath") or "").rpartition("/")[2]
    if not uuid:
        raise Refusal("A disk address must name a vmdisk_uuid or an ndfs_filepath", 400)
    return str(uuid)


def _named(vm: Vm, specs: list[dict[str, Any]]) -> list[Disk]:
    """Return the disks these addresses mean; uuid and place must agree where both are given."""
    found = []
    for spec in specs:
        address = spec.get("disk_address") or {}
        uuid, index = address.get("vmdisk_uuid"), wire.count_of(address, "device_index", -1)
        bus = str(address.get("device_bus") or "scsi").lower()
        disks = [
            disk
            for disk in vm.disks
            if (uuid is None or disk.uuid == uuid)
            and (index < 0 or (disk.bus, disk.index) == (bus, index))
        ]
        if (uuid is None and index < 0) or len(disks) != 1:
            raise Refusal(f"VM {vm.name} has no disk at {bus}.{index} (vmdisk {uuid})", 404)
        found += disks
    return found


def _check_detach(cluster: PrismCluster, task: Task) -> None:
    _named(_check_off(cluster, task), task.params["specs"])


def _finish_detach(cluster: PrismCluster, task: Task) -> None:
    vm = _check_off(cluster, task)
    gone = {disk.uuid for disk in _named(vm, task.params["specs"])}
    vm.disks = [disk for disk in vm.disks if disk.uuid not in gone]
    vm.logical_timestamp += 1


def _grown(vm: Vm, specs: list[dict[str, Any]]) -> list[tuple[Disk, int]]:
    sizes = []
    for disk, spec in zip(_named(vm, specs), specs, strict=True):
        size = wire.count_of(spec.get("vm_disk_create") or {}, "size", disk.size_bytes)
        if size < disk.size_bytes:
            raise Refusal(f"The disk {disk.address} can not shrink")
        sizes.append((disk, size))
    return sizes


def _check_grow(cluster: PrismCluster, task: Task) -> None:
    _grown(cluster.vm(task.params["vm"]), task.params["specs"])


def _finish_grow(cluster: PrismCluster, task: Task) -> None:
    vm = cluster.vm(task.params["vm"])
    for disk, size in _grown(vm, task.params["specs"]):
        disk.size_bytes = size
    vm.logical_timestamp += 1


# NICs


def make_nics(cluster: PrismCluster, specs: list[dict[str, Any]]) -> list[Nic]:
    """Return new NICs by these specs."""
    made = []
    for spec in specs:
        network = spec.get("network_uuid")
        if network not in cluster.networks:
            raise Refusal(f"Network {network} does not exist", 404)
        made.append(
            Nic(
                new_uuid(),
                spec.get("mac_address") or cluster.new_mac(),
                network,
                spec.get("requested_ip_address"),
                spec.get("is_connected", True) is not False,
                spec.get("model") or "virtio",
            )
        )
    return made


@V2("GET", "/vms/{uuid}/nics")
def nic_list(cluster: PrismCluster, request: Request) -> Answer:
    cards = cluster.vm(request["uuid"]).nics
    return wire.listing([wire.nic(cluster, card) for card in cards], request)


@V2("POST", "/vms/{uuid}/nics")
def nic_create(cluster: PrismCluster, request: Request) -> Answer:
    vm = cluster.vm(request["uuid"])
    params = {"vm": vm.uuid, "specs": request.items("spec_list")}
    seconds = cluster.timing.nic_seconds
    return wire.submitted(cluster.submit(NIC_CREATE, [("VM", vm.uuid)], seconds, params))


@V2("DELETE", "/vms/{uuid}/nics/{mac}")
def nic_delete(cluster: PrismCluster, request: Request) -> Answer:
    vm = cluster.vm(request["uuid"])
    if not any(card.mac == request["mac"] for card in vm.nics):
        raise Refusal(f"VM {vm.name} has no NIC {request['mac']}", 404)
    params = {"vm": vm.uuid, "mac": request["mac"]}
    seconds = cluster.timing.nic_seconds
    return wire.submitted(cluster.submit(NIC_DELETE, [("VM", vm.uuid)], seconds, params))


def _finish_nic_create(cluster: PrismCluster, task: Task) -> None:
    cluster.vm(task.params["vm"]).nics += make_nics(cluster, task.params["specs"])


def _finish_nic_delete(cluster: PrismCluster, task: Task) -> None:
    vm = cluster.vm(task.params["vm"])
    vm.nics = [card for card in vm.nics if card.mac != task.params["mac"]]


ACTIONS[ATTACH] = Action(_finish_attach, check=_check_attach, begin=_begin_attach)
ACTIONS[DETACH] = Action(_finish_detach, check=_check_detach)
ACTIONS[GROW] = Action(_finish_grow, check=_check_grow)
ACTIONS[NIC_CREATE] = Action(_finish_nic_create)
ACTIONS[NIC_DELETE] = Action(_finish_nic_delete)
