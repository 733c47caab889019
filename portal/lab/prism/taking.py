"""Snapshots of protection domains are taken (reference 6.4).

A schedule fires at its time; what its members hold then is what the snapshot holds. It
is SCHEDULED at first, available a little later, and is then sent to the remote sites.
"""

from __future__ import annotations

import copy

from portal.lab.clock import SECOND
from portal.lab.prism.cluster import DUE, RESUME, PrismCluster
from portal.lab.prism.model import DrSnapshot, ProtectionDomain, Schedule, new_uuid
from portal.lab.prism.replication import enqueue
from portal.lab.prism.retention import hold, plan_expiry, prune

PERIODS = {
    "SECONDLY": 1,
    "MINUTELY": 60,
    "HOURLY": 3600,
    "DAILY": 86400,
    "WEEKLY": 7 * 86400,
    # The days of a month (``values``) are not modelled.
    "MONTHLY": 30 * 86400,
}
MOVES = "moves_domain"


def add_schedule(cluster: PrismCluster, domain: ProtectionDomain, schedule: Schedule) -> None:
    """Have a schedule fire when it is due."""
    domain.schedules[schedule.id] = schedule
    _plan(cluster, "schedule", max(schedule.due_at, cluster.now), domain, schedule.id)


def new_schedule_id(cluster: PrismCluster) -> str:
    """Return a number no other schedule of the cluster has."""
    cluster.counters.schedule += 1
    return str(cluster.counters.schedule)


def _plan(cluster: PrismCluster, kind: str, at: int, domain: ProtectionDomain, key: str) -> None:
    cluster.lab.agenda.add(at, cluster.name, kind, f"{domain.name}\n{key}")


def _fire(cluster: PrismCluster, key: str) -> None:
    name, _, number = key.partition("\n")
    domain = cluster.protection_domains.get(name)
    schedule = domain.schedules.get(number) if domain else None
    if domain is None or schedule is None or schedule.due_at > cluster.now:
        return
    if domain.is_active and not schedule.spec.get("suspended"):
        take(cluster, domain, schedule)
    if schedule.is_oob:
        del domain.schedules[schedule.id]
        return
    period = PERIODS[schedule.spec["type"]] * (schedule.every_nth or 1)
    while schedule.due_at <= cluster.now:
        schedule.due_at += period * SECOND
    _plan(cluster, "schedule", schedule.due_at, domain, schedule.id)
    if schedule.keep_local:
        prune(cluster, domain, schedule.keep_local, schedule.id)


def take(cluster: PrismCluster, domain: ProtectionDomain, schedule: Schedule) -> DrSnapshot:
    """Begin a snapshot; members that are gone are listed as missing."""
    cluster.counters.snapshot += 1
    expires_at = None
    if schedule.retention_seconds is not None:
        expires_at = cluster.now + schedule.retention_seconds * SECOND
    available_at = cluster.now + int(cluster.timing.domain_snapshot_seconds * SECOND)
    taken = DrSnapshot(
        str(cluster.counters.snapshot), new_uuid(), cluster.now, available_at, expires_at,
        schedule.id, remote_sites=list(schedule.remote_sites),
    )  # fmt: skip
    for member in domain.members:
        vm, group = cluster.vms.get(member.uuid), cluster.volume_groups.get(member.uuid)
        if vm is not None:
            member.name = vm.name
            taken.vms.append(copy.deepcopy(vm))
        elif group is not None:
            member.name = group.name
            taken.groups.append(copy.deepcopy(group))
        (taken.missing if vm is None and group is None else taken.members).append(copy.copy(member))
    taken.moves_domain = bool(schedule.spec.get(MOVES))
    hold(cluster, domain, taken)
    _plan(cluster, "snapshot", available_at, domain, taken.id)
    return taken


def _is_available(cluster: PrismCluster, key: str) -> None:
    name, _, number = key.partition("\n")
    domain = cluster.protection_domains.get(name)
    taken = domain.snapshots.get(number) if domain else None
    if domain is None or taken is None or taken.state != "SCHEDULED":
        return
    taken.state = "RETAIN_FOREVER" if taken.expires_at is None else "AVAILABLE"
    cluster.tell(
        f"Snapshot {taken.id} created for protection domain {domain.name}",
        [domain.name, taken.id],
        domain.name,
    )
    plan_expiry(cluster, domain, taken)
    for site in taken.remote_sites:
        enqueue(cluster, domain, taken, site, moves_domain=taken.moves_domain)


def _resume(cluster: PrismCluster) -> None:
    for domain in cluster.protection_domains.values():
        for schedule in domain.schedules.values():
            _plan(cluster, "schedule", schedule.due_at, domain, schedule.id)
        for taken in domain.snapshots.values():
            if taken.state == "SCHEDULED":
                _plan(cluster, "snapshot", taken.available_at, domain, taken.id)


DUE["schedule"] = _fire
DUE["snapshot"] = _is_available
RESUME.append(_resume)
