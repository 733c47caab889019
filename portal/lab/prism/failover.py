"""A whole protection domain changes sides (reference 6.1): activate, deactivate, migrate."""

from __future__ import annotations

import copy

from portal.lab.prism.cluster import V2, PrismCluster
from portal.lab.prism.domains import enlist, find, find_active
from portal.lab.prism.dr_snapshots import find_snapshot
from portal.lab.prism.model import DrSnapshot, ProtectionDomain, Replication, Schedule
from portal.lab.prism.pairing import remote_of
from portal.lab.prism.replication import MOVED
from portal.lab.prism.restore import restore_all
from portal.lab.prism.taking import MOVES, add_schedule, new_schedule_id
from portal.lab.prism.vms import remove_vm
from portal.lab.routing import Answer, Refusal, Request


@V2("POST", "/protection_domains/{name}/activate")
def activate(cluster: PrismCluster, request: Request) -> Answer:
    """Recover the domain here, from the newest snapshot or the one that ``value`` names."""
    domain = find(cluster, request["name"])
    if domain.is_active:
        raise Refusal(f"Protection domain {domain.name} is active already")
    wanted = request.object.get("value")
    usable = [each for each in domain.snapshots.values() if each.state != "EXPIRED"]
    if wanted:
        snapshot = find_snapshot(domain, str(wanted))
    elif usable:
        snapshot = max(usable, key=lambda each: each.created_at)
    else:
        raise Refusal(f"Protection domain {domain.name} has no snapshot to activate from")
    _activate(cluster, domain, snapshot)
    return Answer({"value": True})


def _activate(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> None:
    domain.is_active = True
    domain.members = []
    enlist(cluster, domain, copy.deepcopy(snapshot.members))
    restore_all(cluster, domain, snapshot)


@V2("POST", "/protection_domains/{name}/deactivate")
def deactivate(cluster: PrismCluster, request: Request) -> Answer:
    """Unregisters and deletes the domain's VMs and volume groups (10.4)."""
    _deactivate(cluster, find_active(cluster, request["name"]))
    return Answer({"value": True})


def _deactivate(cluster: PrismCluster, domain: ProtectionDomain) -> None:
    for member in domain.members:
        if member.uuid in cluster.vms:
            remove_vm(cluster, member.uuid)
        cluster.volume_groups.pop(member.uuid, None)
    domain.is_active = False
    domain.members, domain.schedules = [], {}


@V2("POST", "/protection_domains/{name}/migrate")
def migrate(cluster: PrismCluster, request: Request) -> Answer:
    """Snapshot, replicate, deactivate here, activate there; the answer lists what blocks it."""
    domain, site = find_active(cluster, request["name"]), request.text("value")
    if site not in cluster.remote_sites:
        raise Refusal(f"Remote site {site} does not exist")
    moving = Schedule(new_schedule_id(cluster), True, cluster.now, [site], spec={MOVES: True})
    add_schedule(cluster, domain, moving)
    return Answer({"metadata": {"count": 0}, "entities": []})


def _move(cluster: PrismCluster, domain: ProtectionDomain, done: Replication) -> None:
    other = remote_of(cluster, cluster.remote_sites[done.site])
    if other is None:
        return
    twin = other.protection_domains[domain.name]
    _deactivate(cluster, domain)
    _activate(other, twin, twin.snapshots[f"{cluster.name}:{done.snapshot_id}"])


MOVED.append(_move)
