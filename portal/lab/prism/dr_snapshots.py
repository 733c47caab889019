"""Snapshots of protection domains on the wire (reference 6.5)."""

from __future__ import annotations

from itertools import islice

from portal.lab.clock import SECOND
from portal.lab.prism import wire
from portal.lab.prism.cluster import V2, PrismCluster
from portal.lab.prism.domains import find
from portal.lab.prism.model import DrSnapshot, ProtectionDomain
from portal.lab.prism.protection import GROUP, VM, show_group, show_vm
from portal.lab.prism.retention import delete, newest, plan_expiry
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request


def find_snapshot(domain: ProtectionDomain, snapshot_id: str) -> DrSnapshot:
    """Return a snapshot; `Refusal` 404 when it is not there."""
    if snapshot_id not in domain.snapshots:
        raise Refusal(f"Snapshot {snapshot_id} does not exist in {domain.name}", 404)
    return domain.snapshots[snapshot_id]


def show(domain: ProtectionDomain, snapshot: DrSnapshot, located: str | None = None) -> Json:
    """One snapshot; ``located`` is the remote site that holds it."""
    files = {
        thing.uuid: [f"/ctr/.acropolis/vmdisk/{disk.uuid}" for disk in thing.disks]
        for thing in snapshot.things
    }
    members = snapshot.members
    return {
        "snapshot_id": snapshot.id,
        "snapshot_uuid": snapshot.uuid,
        "protection_domain_name": domain.name,
        "snapshot_create_time_usecs": snapshot.created_at,
        "snapshot_expiry_time_usecs": snapshot.expires_at,
        "state": snapshot.state,
        "remote_site_names": snapshot.remote_sites,
        "located_remote_site_name": located,
        "oob_schedule_ids": [] if snapshot.is_received else [int(snapshot.schedule_id)],
        "consistency_groups": sorted({member.consistency_group for member in members}),
        "vms": [show_vm(each, files[each.uuid]) for each in members if each.kind == VM],
        "volume_groups": [
            show_group(each, files[each.uuid]) for each in members if each.kind == GROUP
        ],
        "nfs_files": [],
        "missing_entities": [
            {"entity_name": each.name, "entity_type": each.kind, "cg_name": each.consistency_group}
            for each in snapshot.missing
        ],
        "size_in_bytes": snapshot.size_bytes,
        "exclusive_usage_in_bytes": -1 if snapshot.state == "SCHEDULED" else 0,
    }


def _listing(shown: list[Json], request: Request) -> Answer:
    """Newest first."""
    shown.sort(key=lambda each: int(each["snapshot_create_time_usecs"]), reverse=True)
    if wanted := set(request.names("oob_schedule_ids")):
        shown = [each for each in shown if wanted & set(map(str, each["oob_schedule_ids"]))]
    count = request.number("count", len(shown))
    return wire.listing(shown[:count], request, total=0)


@V2("GET", "/protection_domains/dr_snapshots")
def snapshot_list(cluster: PrismCluster, request: Request) -> Answer:
    count = request.number("count", len(cluster.timeline))
    shown = [show(domain, each) for domain, each in islice(newest(cluster), count)]
    return _listing(shown, request)


@V2("GET", "/protection_domains/{name}/dr_snapshots")
def domain_snapshot_list(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    return _listing([show(domain, each) for each in domain.snapshots.values()], request)


@V2("DELETE", "/protection_domains/{name}/dr_snapshots/{id}")
def snapshot_delete(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    delete(cluster, domain, find_snapshot(domain, request["id"]))
    return wire.done(cluster, is_delete=True)


@V2("POST", "/protection_domains/{name}/dr_snapshots/{id}/retain")
def snapshot_retain(cluster: PrismCluster, request: Request) -> Answer:
    """``value`` is a retention in microseconds from creation (6.1, mark S); -1 is for ever."""
    domain = find(cluster, request["name"])
    snapshot = find_snapshot(domain, request["id"])
    if snapshot.state == "SCHEDULED":
        raise Refusal(f"Snapshot {snapshot.id} is being created")
    if request.object.get("value") == -1:
        snapshot.expires_at, snapshot.state = None, "RETAIN_FOREVER"
        return Answer({"value": True})
    retention = wire.count_of(request.object, "value", 0)
    if retention < SECOND:
        raise Refusal("value must be a retention in microseconds", 400)
    snapshot.expires_at, snapshot.state = snapshot.created_at + retention, "AVAILABLE"
    plan_expiry(cluster, domain, snapshot)
    return Answer({"value": True})
