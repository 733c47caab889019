"""Local snapshots of VMs (reference 4): take, clone, restore in place, delete.

Attached volume groups are not in them. They are never replicated.
"""

from __future__ import annotations

import copy

from portal.lab.prism import wire
from portal.lab.prism.clones import submit_clone
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.model import Task, VmSnapshot, new_uuid
from portal.lab.prism.power import turn
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request

KIND = "SNAPSHOT"
CREATE, DELETE, RESTORE = "VmSnapshotCreate", "VmSnapshotDelete", "VmRestore"


def _show(cluster: PrismCluster, snapshot: VmSnapshot) -> Json:
    everything = Request(
        "GET", "", {"include_vm_disk_config": "true", "include_vm_nic_config": "true"}
    )
    return {
        "uuid": snapshot.uuid,
        "snapshot_name": snapshot.name,
        "vm_uuid": snapshot.vm.uuid,
        "group_uuid": snapshot.group_uuid,
        "created_time": snapshot.created_at,
        "deleted": False,
        "logical_timestamp": snapshot.logical_timestamp,
        "vm_create_spec": wire.vm(cluster, snapshot.vm, everything),
    }


def _find(cluster: PrismCluster, uuid: str) -> VmSnapshot:
    if uuid not in cluster.snapshots:
        raise Refusal(f"Snapshot with uuid {uuid} does not exist", 404)
    return cluster.snapshots[uuid]


@V2("GET", "/snapshots")
def snapshot_list(cluster: PrismCluster, request: Request) -> Answer:
    wanted = request.query.get("vm_uuid")
    found = [each for each in cluster.snapshots.values() if wanted in (None, each.vm.uuid)]
    return wire.listing([_show(cluster, each) for each in found], request)


@V2("GET", "/snapshots/{uuid}")
def snapshot_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show(cluster, _find(cluster, request["uuid"])))


@V2("POST", "/snapshots")
def snapshot_create(cluster: PrismCluster, request: Request) -> Answer:
    """Several specs in one call are one point in time across their VMs."""
    specs = [
        {"vm": spec.get("vm_uuid"), "name": spec.get("snapshot_name"),
         "uuid": spec.get("uuid") or new_uuid()}
        for spec in request.items("snapshot_specs")
    ]  # fmt: skip
    for spec in specs:
        cluster.vm(str(spec["vm"]))
    entities = [(KIND, str(spec["uuid"])) for spec in specs]
    entities += [("VM", str(spec["vm"])) for spec in specs]
    seconds = cluster.timing.snapshot_seconds
    return wire.submitted(cluster.submit(CREATE, entities, seconds, {"specs": specs}))


def _check_create(cluster: PrismCluster, task: Task) -> None:
    for spec in task.params["specs"]:
        cluster.vm(spec["vm"])
        if spec["uuid"] in cluster.snapshots:
            raise Refusal(f"A snapshot with uuid {spec['uuid']} already exists")


def _finish_create(cluster: PrismCluster, task: Task) -> None:
    _check_create(cluster, task)
    group = new_uuid()
    for spec in task.params["specs"]:
        frozen = copy.deepcopy(cluster.vm(spec["vm"]))
        name = spec["name"] or f"snapshot-{cluster.now}"
        taken = VmSnapshot(spec["uuid"], name, frozen, group, cluster.now)
        cluster.snapshots[taken.uuid] = taken


@V2("DELETE", "/snapshots/{uuid}")
def snapshot_delete(cluster: PrismCluster, request: Request) -> Answer:
    uuid = _find(cluster, request["uuid"]).uuid
    seconds = cluster.timing.delete_seconds
    return wire.submitted(cluster.submit(DELETE, [(KIND, uuid)], seconds, {"snapshot": uuid}))


def _finish_delete(cluster: PrismCluster, task: Task) -> None:
    del cluster.snapshots[_find(cluster, task.params["snapshot"]).uuid]


@V2("POST", "/snapshots/{uuid}/clone")
def snapshot_clone(cluster: PrismCluster, request: Request) -> Answer:
    snapshot = _find(cluster, request["uuid"])
    return submit_clone(cluster, request, (KIND, snapshot.uuid))


@V2("POST", "/vms/{uuid}/restore")
def vm_restore(cluster: PrismCluster, request: Request) -> Answer:
    """In place; the VM is powered off and stays off."""
    vm, snapshot = cluster.vm(request["uuid"]), _find(cluster, request.text("snapshot_uuid"))
    if snapshot.vm.uuid != vm.uuid:
        raise Refusal(f"Snapshot {snapshot.name} is not one of VM {vm.name}")
    params = {
        "vm": vm.uuid,
        "snapshot": snapshot.uuid,
        "restores_nics": bool(request.object.get("restore_network_configuration")),
    }
    entities = [("VM", vm.uuid), (KIND, snapshot.uuid)]
    seconds = cluster.timing.restore_seconds
    return wire.submitted(cluster.submit(RESTORE, entities, seconds, params))


def _finish_restore(cluster: PrismCluster, task: Task) -> None:
    vm = cluster.vm(task.params["vm"])
    frozen = _find(cluster, task.params["snapshot"]).vm
    vm.disks = [disk.clone() for disk in frozen.disks]
    vm.vcpus, vm.cores, vm.memory_mb = frozen.vcpus, frozen.cores, frozen.memory_mb
    if task.params["restores_nics"]:
        vm.nics = copy.deepcopy(frozen.nics)
    turn(cluster, vm, "off")


ACTIONS |= {
    CREATE: Action(_finish_create, check=_check_create),
    DELETE: Action(_finish_delete),
    RESTORE: Action(_finish_restore),
}
