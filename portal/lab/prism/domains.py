"""Protection domains: finding them, and letting them vanish (reference 6.8).

A domain that is deleted stays, marked, until its snapshots are gone and its
replications have ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from portal.lab.clock import SECOND
from portal.lab.prism.cluster import DUE, RESUME, PrismCluster
from portal.lab.prism.model import Member, ProtectionDomain
from portal.lab.routing import Refusal


def find(cluster: PrismCluster, name: str) -> ProtectionDomain:
    """Return a domain; `Refusal` 404 when it is not there."""
    if name not in cluster.protection_domains:
        raise Refusal(f"Protection domain {name} does not exist", 404)
    return cluster.protection_domains[name]


def find_active(cluster: PrismCluster, name: str) -> ProtectionDomain:
    """Return a domain that is active here and not being removed."""
    domain = find(cluster, name)
    if domain.is_marked_for_removal:
        raise Refusal(f"Protection domain {name} is marked for removal")
    if not domain.is_active:
        raise Refusal(f"Protection domain {name} is not active on this cluster")
    return domain


def holder(cluster: PrismCluster, uuid: str) -> ProtectionDomain | None:
    """Return the domain that a thing is in."""
    domain = cluster.protection_domains.get(cluster.put_into.get(uuid, ""))
    if domain is None or all(member.uuid != uuid for member in domain.members):
        return None
    return domain


def enlist(cluster: PrismCluster, domain: ProtectionDomain, members: Iterable[Member]) -> None:
    """Put things into a domain."""
    for member in members:
        domain.members.append(member)
        cluster.put_into[member.uuid] = domain.name


def renamed(cluster: PrismCluster, uuid: str, name: str) -> None:
    """Have the domain of a thing show its new name."""
    domain = holder(cluster, uuid)
    for member in domain.members if domain else ():
        if member.uuid == uuid:
            member.name = name


def consider_removal(cluster: PrismCluster, domain: ProtectionDomain) -> None:
    """Let a marked domain vanish soon, once nothing of it is left."""
    if not domain.is_marked_for_removal or domain.snapshots or domain.replications:
        return
    if domain.removed_at is None:
        domain.removed_at = cluster.now + int(cluster.timing.domain_removal_seconds * SECOND)
        cluster.lab.agenda.add(domain.removed_at, cluster.name, "domain", domain.name)


def _remove(cluster: PrismCluster, name: str) -> None:
    domain = cluster.protection_domains.get(name)
    if domain and domain.removed_at is not None and domain.removed_at <= cluster.now:
        del cluster.protection_domains[name]


def _resume(cluster: PrismCluster) -> None:
    for domain in cluster.protection_domains.values():
        cluster.put_into |= {member.uuid: domain.name for member in domain.members}
        if domain.removed_at is not None:
            cluster.lab.agenda.add(domain.removed_at, cluster.name, "domain", domain.name)


DUE["domain"] = _remove
RESUME.append(_resume)
