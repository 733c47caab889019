"""Protection domains and their members (reference 6.1 to 6.3, 6.8).

Calls on domains answer at once; the work goes on in the background.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import V1, V2, PrismCluster
from portal.lab.prism.domains import consider_removal, enlist, find, find_active, holder
from portal.lab.prism.model import Member, ProtectionDomain
from portal.lab.prism.replications import show_links
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request

VM, GROUP = "vm", "volume_group"


def _show(cluster: PrismCluster, domain: ProtectionDomain) -> Json:
    running = [each for each in domain.replications.values() if each.started_at is not None]
    return {
        "name": domain.name,
        "active": domain.is_active,
        "marked_for_removal": domain.is_marked_for_removal,
        "annotations": domain.annotations,
        "vms": [show_vm(member) for member in domain.members if member.kind == VM],
        "volume_groups": [show_group(member) for member in domain.members if member.kind == GROUP],
        "nfs_files": [],
        "cron_schedules": [
            {**schedule.spec, "id": schedule.id, "pd_name": domain.name}
            for schedule in domain.schedules.values()
            if not schedule.is_oob
        ],
        "remote_site_names": sorted(domain.links),
        "replication_links": show_links(cluster, domain),
        "pending_replication_count": len(domain.replications) - len(running),
        "ongoing_replication_count": len(running),
        "next_snapshot_time_usecs": min(
            (schedule.due_at for schedule in domain.schedules.values()), default=None
        ),
        "total_user_written_bytes": 0,
        "min_snapshot_to_retain": None,
        "metro_avail": None,
        "sync_replications": None,
        "vstore_id": None,
        "hybrid_schedules_count": 0,
        "schedules_suspended": False,
        "stats": {},
        "usage_stats": {
            "dr.exclusive_snapshot_usage_bytes": str(
                sum(snapshot.size_bytes for snapshot in domain.snapshots.values())
            )
        },
    }


def show_vm(member: Member, files: list[str] | None = None) -> Json:
    """A member VM; its files only inside a snapshot."""
    return {
        "vm_id": member.uuid,
        "vm_name": member.name,
        "vm_handle": -1,
        "consistency_group": member.consistency_group,
        "app_consistent_snapshots": member.is_app_consistent,
        "vm_power_state_on_recovery": member.power_on_recovery,
        "vm_recoverability": [],
        "vm_files": files,
        "related_entity_uuids": [],
    }


def show_group(member: Member, files: list[str] | None = None) -> Json:
    """A member volume group."""
    return {
        "volume_group_uuid": member.uuid,
        "name": member.name,
        "consistency_group": member.consistency_group,
        "nfs_file_paths": files or [],
        "related_entity_uuids": [],
    }


@V2("GET", "/protection_domains")
def domain_list(cluster: PrismCluster, request: Request) -> Answer:
    names = request.names("names")
    found = [
        _show(cluster, domain)
        for domain in cluster.protection_domains.values()
        if not names or domain.name in names
    ]
    return wire.listing(found, request)


@V2("POST", "/protection_domains")
def domain_create(cluster: PrismCluster, request: Request) -> Answer:
    """The key is ``value``; what real clusters do with ``name`` is unknown, here it is refused."""
    name = request.text("value")
    if name in cluster.protection_domains:
        raise Refusal(f"Protection domain {name} already exists")
    annotations = [str(text) for text in request.object.get("annotations") or []]
    domain = ProtectionDomain(name, annotations=annotations)
    cluster.protection_domains[name] = domain
    return Answer(_show(cluster, domain), 201)


@V2("GET", "/protection_domains/{name}")
def domain_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show(cluster, find(cluster, request["name"])))


@V2("DELETE", "/protection_domains/{name}")
def domain_delete(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    domain.is_marked_for_removal = True
    domain.schedules.clear()
    domain.members.clear()
    consider_removal(cluster, domain)
    return wire.done(cluster, is_delete=True)


# Members


@V2("GET", "/protection_domains/unprotected_vms")
def unprotected_vms(cluster: PrismCluster, request: Request) -> Answer:
    names, uuids = request.names("vm_names"), request.names("vm_ids")
    shown = [
        {"uuid": vm.uuid, "vm_id": vm.uuid, "vm_name": vm.name, "power_state": vm.power_state}
        for vm in cluster.vms.values()
        if (not names or vm.name in names)
        and (not uuids or vm.uuid in uuids)
        and holder(cluster, vm.uuid) is None
    ]
    return wire.listing(shown, request)


def _add(
    cluster: PrismCluster,
    domain: ProtectionDomain,
    found: Iterable[tuple[str, str, str]],
    body: Json,
) -> None:
    """Add these (kind, uuid, name), all or none; a thing is in one domain at most."""
    fresh = []
    for kind, uuid, name in found:
        held = holder(cluster, uuid)
        if held is None:
            group = body.get("consistency_group_name") or name
            fresh.append(
                Member(kind, uuid, name, group, bool(body.get("app_consistent_snapshots")))
            )
        elif not (held is domain and body.get("ignore_dup_or_missing_vms")):
            raise Refusal(f"{name} is already protected by protection domain {held.name}")
    enlist(cluster, domain, fresh)


def _named_vms(
    cluster: PrismCluster, body: Json, *, ignores_missing: bool
) -> list[tuple[str, str, str]]:
    """Return (kind, uuid, name) of the VMs that ``names``, ``uuids`` or ``ids`` mean."""
    uuids = [*(body.get("uuids") or []), *(body.get("ids") or [])]
    names = body.get("names") or []
    found = []
    for wanted in [*uuids, *names]:
        by_name = (
            [vm for vm in cluster.vms.values() if vm.name == wanted] if wanted in names else []
        )
        vms = by_name or [vm for vm in [cluster.vms.get(wanted)] if vm]
        if not vms and not ignores_missing:
            raise Refusal(f"VM {wanted} does not exist")
        found += [(VM, vm.uuid, vm.name) for vm in vms]
    return found


@V2("POST", "/protection_domains/{name}/protect_vms")
def protect_vms(cluster: PrismCluster, request: Request) -> Answer:
    domain, body = find_active(cluster, request["name"]), request.object
    if not any(body.get(key) for key in ("names", "uuids", "ids")):
        raise Refusal("One of names, uuids and ids is required", 400)
    is_lenient = bool(body.get("ignore_dup_or_missing_vms"))
    _add(cluster, domain, _named_vms(cluster, body, ignores_missing=is_lenient), body)
    return Answer(_show(cluster, domain), 201)


@V2("POST", "/protection_domains/{name}/unprotect_vms")
def unprotect_vms(cluster: PrismCluster, request: Request) -> Answer:
    """The body is a bare array of names or uuids; none at all would mean every member (6.1)."""
    domain = find(cluster, request["name"])
    if request.body is None:
        _drop(domain, {member.uuid for member in domain.members if member.kind == VM})
        return Answer(_show(cluster, domain))
    if not isinstance(request.body, list):
        raise Refusal("The request body is not a JSON array", 400)
    wanted = set(map(str, request.body))
    members = [member for member in domain.members if wanted & {member.uuid, member.name}]
    if len(members) < len(wanted):
        raise Refusal(f"Protection domain {domain.name} does not hold all of these VMs")
    _drop(domain, {member.uuid for member in members})
    return Answer(_show(cluster, domain))


def _drop(domain: ProtectionDomain, uuids: set[str]) -> None:
    domain.members = [member for member in domain.members if member.uuid not in uuids]


@V1("POST", "/protection_domains/{name}/add_entities")
def add_entities(cluster: PrismCluster, request: Request) -> Answer:
    """The only way to protect a volume group (5.1); camelCase, as v1 is."""
    if not cluster.dialect.supports_volume_group_protection:
        raise Refusal("No such resource: add_entities", 404)
    domain, body = find_active(cluster, request["name"]), request.object
    vms = [cluster.vm(uuid) for uuid in _uuids(body, "vmIds")]
    groups = [cluster.group(uuid) for uuid in _uuids(body, "volumeGroupUuids")]
    if not vms and not groups:
        raise Refusal("vmIds or volumeGroupUuids is required", 400)
    found = [(VM, vm.uuid, vm.name) for vm in vms]
    if body.get("protectRelatedEntities"):
        ids = {vm.uuid for vm in vms}
        related = [each for each in cluster.volume_groups.values() if ids & set(each.vms)]
        groups += [each for each in related if each not in groups]
    found += [(GROUP, group.uuid, group.name) for group in groups]
    spec = {
        "consistency_group_name": body.get("consistencyGroupName"),
        "app_consistent_snapshots": body.get("appConsistentSnapshots"),
    }
    _add(cluster, domain, found, spec)
    return Answer({"value": True})


@V1("POST", "/protection_domains/{name}/remove_entities")
def remove_entities(cluster: PrismCluster, request: Request) -> Answer:
    """The mirror of add_entities (5.1, mark I)."""
    domain, body = find(cluster, request["name"]), request.object
    wanted = {*_uuids(body, "vmIds"), *_uuids(body, "volumeGroupUuids")}
    if wanted - {member.uuid for member in domain.members}:
        raise Refusal(f"Protection domain {domain.name} does not hold all of these entities")
    _drop(domain, wanted)
    return Answer({"value": True})


def _uuids(body: dict[str, Any], name: str) -> list[str]:
    return [str(uuid).rpartition("::")[2] for uuid in body.get(name) or []]


# Events


def _show_events(cluster: PrismCluster, request: Request, domain: str | None = None) -> Answer:
    """Newest first, at most ``count``."""
    since = request.number("start_time_in_usecs", 0)
    until = request.number("end_time_in_usecs", cluster.now)
    shown = [
        {
            "id": event.id,
            "message": event.message,
            "context_values": event.context,
            "created_time_stamp_in_usecs": event.at,
            "severity": "kInfo",
        }
        for event in reversed(list(cluster.events.values()))
        if since <= event.at <= until and domain in (None, event.domain)
    ]
    return wire.page(shown, request)


@V2("GET", "/events")
def event_list(cluster: PrismCluster, request: Request) -> Answer:
    return _show_events(cluster, request)


@V2("GET", "/protection_domains/{name}/events")
def domain_event_list(cluster: PrismCluster, request: Request) -> Answer:
    return _show_events(cluster, request, find(cluster, request["name"]).name)
