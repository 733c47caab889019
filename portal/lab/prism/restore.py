"""Restores from snapshots of protection domains (reference 6.7).

With ``replace`` the member is put back in place, under its own uuid; else a copy is made,
with a uuid of its own and the name ``prefix + name``. Volume groups come back detached.
"""

from __future__ import annotations

import copy
from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.domains import find, find_active
from portal.lab.prism.dr_snapshots import find_snapshot
from portal.lab.prism.model import (
    DrSnapshot,
    Member,
    Nic,
    ProtectionDomain,
    Task,
    Vm,
    VolumeGroup,
    new_uuid,
)
from portal.lab.prism.power import turn
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request

RESTORE = "EntityRestore"
POWERS = {"Powered On": "on", "Powered Off": "off"}


@V2("POST", "/protection_domains/{name}/restore_entities")
def restore_entities(cluster: PrismCluster, request: Request) -> Answer:
    """Answers a task or ``{"value": true}``, by dialect; the work is the same."""
    domain, body = find(cluster, request["name"]), request.object
    snapshot_id = body.get("snapshot_id") or body.get("snapshotId")
    if not snapshot_id:
        raise Refusal("The field snapshot_id is required", 400)
    snapshot = _usable(domain, str(snapshot_id))
    params = {
        "domain": domain.name,
        "snapshot": snapshot.id,
        "uuids": _selected(snapshot, body),
        "replaces": bool(body.get("replace")),
        "vm_prefix": body.get("vm_name_prefix") or "",
        "group_prefix": body.get("vg_name_prefix") or "",
    }
    is_hidden = not cluster.dialect.restore_returns_task
    task = _submit(cluster, params, is_hidden=is_hidden)
    return Answer({"value": True}) if is_hidden else wire.submitted(task, 200)


def _usable(domain: ProtectionDomain, snapshot_id: str) -> DrSnapshot:
    snapshot = find_snapshot(domain, snapshot_id)
    if snapshot.state in ("SCHEDULED", "EXPIRED"):
        raise Refusal(f"Snapshot {snapshot_id} is {snapshot.state}")
    return snapshot


def _submit(cluster: PrismCluster, params: dict[str, Any], *, is_hidden: bool = False) -> Task:
    seconds = cluster.timing.restore_entities_seconds
    locked = [(_kind(cluster, uuid), uuid) for uuid in params["uuids"]]
    entities = locked if params["replaces"] else []
    return cluster.submit(RESTORE, entities, seconds, params, is_hidden=is_hidden)


def _kind(cluster: PrismCluster, uuid: str) -> str:
    return "VOLUME_GROUP" if uuid in cluster.volume_groups else "VM"


def _selected(snapshot: DrSnapshot, body: Json) -> list[str]:
    """Return uuids of what is asked for; nothing named is refused: its meaning is unknown."""
    names, uuids = body.get("vm_names") or [], body.get("vm_uuids") or []
    groups = body.get("volume_group_uuids") or []
    if not (names or uuids or groups):
        raise Refusal("vm_names, vm_uuids or volume_group_uuids is required", 400)
    found = [vm.uuid for vm in snapshot.vms if vm.uuid in uuids or vm.name in names]
    found += [group.uuid for group in snapshot.groups if group.uuid in groups]
    if len(found) < len(names) + len(uuids) + len(groups):
        raise Refusal(f"Snapshot {snapshot.id} does not hold all of these entities")
    return found


def restore_all(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> Task:
    """Put everything in a snapshot back in place."""
    uuids = [thing.uuid for thing in snapshot.things]
    params = {
        "domain": domain.name, "snapshot": snapshot.id, "uuids": uuids, "replaces": True,
        "vm_prefix": "", "group_prefix": "",
    }  # fmt: skip
    return _submit(cluster, params)


def _check(cluster: PrismCluster, task: Task) -> None:
    params = task.params
    domain = find(cluster, params["domain"])
    snapshot = _usable(domain, params["snapshot"])
    for group in snapshot.groups:
        present = cluster.volume_groups.get(group.uuid)
        if params["replaces"] and group.uuid in params["uuids"] and present and present.vms:
            raise Refusal(f"Volume group {present.name} is attached")


def _finish(cluster: PrismCluster, task: Task) -> None:
    _check(cluster, task)
    params = task.params
    domain = find(cluster, params["domain"])
    snapshot = find_snapshot(domain, params["snapshot"])
    members = {member.uuid: member for member in snapshot.members}
    made: list[tuple[str, str]] = []
    for vm in snapshot.vms:
        if vm.uuid in params["uuids"]:
            back = _restore_vm(cluster, vm, members[vm.uuid], params)
            made.append(("VM", back.uuid))
    for group in snapshot.groups:
        if group.uuid in params["uuids"]:
            made.append(("VOLUME_GROUP", _restore_group(cluster, group, params).uuid))
    task.entities = made
    cluster.tell(
        f"Restored {len(made)} entities of protection domain {domain.name}",
        [domain.name, snapshot.id],
        domain.name,
    )


def _restore_vm(cluster: PrismCluster, held: Vm, member: Member, params: dict[str, Any]) -> Vm:
    vm = copy.deepcopy(held)
    for disk in [*vm.disks, *vm.cdroms]:
        disk.uuid, disk.source = new_uuid(), ""
    if not params["replaces"]:
        vm.uuid, vm.name = new_uuid(), params["vm_prefix"] + held.name
        vm.nics = [
            Nic(new_uuid(), cluster.new_mac(), card.network_uuid, None, card.is_connected)
            for card in held.nics
        ]
    elif vm.uuid in cluster.vms:
        vm.logical_timestamp = cluster.vms[vm.uuid].logical_timestamp + 1
    cluster.vms[vm.uuid] = vm
    turn(cluster, vm, POWERS.get(member.power_on_recovery, held.power_state))
    return vm


def _restore_group(cluster: PrismCluster, held: VolumeGroup, params: dict[str, Any]) -> VolumeGroup:
    group = copy.deepcopy(held)
    group.vms, group.iscsi_clients = {}, []
    group.modified_at = cluster.now
    for disk in group.disks:
        disk.uuid, disk.source = new_uuid(), ""
    if not params["replaces"]:
        group.uuid, group.name = new_uuid(), params["group_prefix"] + held.name
    cluster.volume_groups[group.uuid] = group
    return group


@V2("POST", "/protection_domains/{name}/rollback")
def rollback(cluster: PrismCluster, request: Request) -> Answer:
    """The whole active domain back in place (6.1, mark S)."""
    domain = find_active(cluster, request["name"])
    restore_all(cluster, domain, _usable(domain, request.text("value")))
    return Answer({"value": True})


@V2("GET", "/protection_domains/{name}/pending_actions")
def pending_actions(cluster: PrismCluster, request: Request) -> Answer:
    """A bare array: restores that have not ended."""
    domain = find(cluster, request["name"])
    restores = [
        {
            "name": vm.name,
            "path_prefix": None,
            "replace_entity": task.params["replaces"],
            "snapshot_id": task.params["snapshot"],
        }
        for task in cluster.active_tasks()
        if task.action == RESTORE and task.params["domain"] == domain.name
        for vm in domain.snapshots[task.params["snapshot"]].vms
        if vm.uuid in task.params["uuids"]
    ]
    entry = {
        "protection_domain_name": domain.name,
        "pending_vms_restore": restores,
        "to_be_removed_snapshots": [],
    }
    return Answer([entry] if restores else [])


ACTIONS[RESTORE] = Action(_finish, check=_check)
