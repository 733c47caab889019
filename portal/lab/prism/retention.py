"""How long snapshots of protection domains are kept (reference 6.5, 6.8)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from portal.lab.clock import SECOND
from portal.lab.prism.cluster import DUE, RESUME, PrismCluster
from portal.lab.prism.domains import consider_removal
from portal.lab.prism.model import DrSnapshot, ProtectionDomain
from portal.lab.routing import Refusal

# An expired snapshot stays listed as EXPIRED until it is collected.
COLLECTED_AFTER = 600 * SECOND
# The timeline forgets the snapshots that are gone when it has grown by so many.
TIDIED_EVERY = 10_000


def plan_expiry(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> None:
    """Have a snapshot expire by this cluster's clock; without an expiry it stays for ever."""
    if snapshot.expires_at is not None:
        _plan(cluster, "expiry", max(cluster.now, snapshot.expires_at), domain, snapshot)


def _plan(
    cluster: PrismCluster, kind: str, at: int, domain: ProtectionDomain, snapshot: DrSnapshot
) -> None:
    cluster.lab.agenda.add(at, cluster.name, kind, f"{domain.name}\n{snapshot.id}")


def hold(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> None:
    """Have a domain hold a snapshot."""
    domain.snapshots[snapshot.id] = snapshot
    insort(cluster.timeline, (snapshot.created_at, domain.name, snapshot.id))
    if len(cluster.timeline) % TIDIED_EVERY == 0:
        cluster.timeline[:] = _timeline(cluster)


def _timeline(cluster: PrismCluster) -> list[tuple[int, str, str]]:
    return sorted(
        (snapshot.created_at, domain.name, snapshot.id)
        for domain in cluster.protection_domains.values()
        for snapshot in domain.snapshots.values()
    )


def newest(cluster: PrismCluster) -> Iterator[tuple[ProtectionDomain, DrSnapshot]]:
    """The snapshots of all domains, newest first."""
    last = None
    for entry in reversed(cluster.timeline):
        domain = cluster.protection_domains.get(entry[1])
        snapshot = domain.snapshots.get(entry[2]) if domain else None
        if domain is not None and snapshot is not None and entry != last:
            yield domain, snapshot
        last = entry


def _expire(cluster: PrismCluster, key: str) -> None:
    """At its expiry a snapshot is marked; a while later it goes, unless it is on its way."""
    name, _, number = key.partition("\n")
    domain = cluster.protection_domains.get(name)
    snapshot = domain.snapshots.get(number) if domain else None
    if domain is None or snapshot is None or snapshot.expires_at is None:
        return
    if snapshot.expires_at > cluster.now:
        return
    snapshot.state = "EXPIRED"
    collected_at = snapshot.expires_at + COLLECTED_AFTER
    if collected_at > cluster.now or is_travelling(domain, snapshot):
        _plan(cluster, "expiry", max(collected_at, cluster.now + SECOND), domain, snapshot)
    else:
        drop(cluster, domain, snapshot)


def is_travelling(domain: ProtectionDomain, snapshot: DrSnapshot) -> bool:
    """Whether a snapshot is being replicated, or waits for it."""
    return any(
        each.snapshot_id == snapshot.id and not each.is_aborted
        for each in domain.replications.values()
    )


def delete(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> None:
    """Delete by hand; refused while it is being made or replicated (6.8, marks S and I)."""
    if snapshot.state == "SCHEDULED":
        raise Refusal(f"Snapshot {snapshot.id} is being created")
    if is_travelling(domain, snapshot):
        raise Refusal(f"Snapshot {snapshot.id} is being replicated")
    drop(cluster, domain, snapshot)


def drop(cluster: PrismCluster, domain: ProtectionDomain, snapshot: DrSnapshot) -> None:
    """Remove a snapshot from its domain."""
    del domain.snapshots[snapshot.id]
    consider_removal(cluster, domain)


def prune(cluster: PrismCluster, domain: ProtectionDomain, keep: int, schedule: str) -> None:
    """Keep the newest ``keep`` snapshots of a recurring schedule."""
    mine = [each for each in domain.snapshots.values() if each.schedule_id == schedule]
    mine.sort(key=lambda each: each.created_at, reverse=True)
    for old in mine[keep:]:
        if not is_travelling(domain, old):
            drop(cluster, domain, old)


def _resume(cluster: PrismCluster) -> None:
    cluster.timeline = _timeline(cluster)
    for domain in cluster.protection_domains.values():
        for snapshot in domain.snapshots.values():
            if snapshot.state != "SCHEDULED":
                plan_expiry(cluster, domain, snapshot)


DUE["expiry"] = _expire
RESUME.append(_resume)
