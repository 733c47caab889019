"""Snapshots on their way to another cluster (reference 6.5, 6.6).

One snapshot of a domain at a time travels to a site; the others are pending. Bytes move
with the clock, while the link is up and nobody has paused it, as fast as the site's bandwidth
policy lets them. The first one to a site is
full, later ones are small. What arrives stands under an inactive domain of the same
name, with the id ``<sending cluster>:<number>``.
"""

from __future__ import annotations

from collections.abc import Callable

from portal.lab.clock import SECOND
from portal.lab.prism.arrival import land
from portal.lab.prism.cluster import DUE, LINK_CHANGED, RESUME, PrismCluster
from portal.lab.prism.domains import consider_removal
from portal.lab.prism.model import DrSnapshot, Link, ProtectionDomain, RemoteSite, Replication
from portal.lab.prism.pairing import is_established, remote_of
from portal.lab.prism.throttle import limit_of, next_change

# What a later replication moves, as a share of everything.
INCREMENT = 0.05

# Told when a snapshot has arrived with which its domain moves to the other side.
MOVED: list[Callable[[PrismCluster, ProtectionDomain, Replication], None]] = []


def enqueue(
    cluster: PrismCluster,
    domain: ProtectionDomain,
    snapshot: DrSnapshot,
    site: str,
    *,
    moves_domain: bool = False,
) -> None:
    """Send a snapshot to a site, after those that are on their way."""
    cluster.counters.replication += 1
    domain.links.setdefault(site, Link())
    key = str(cluster.counters.replication)
    domain.replications[key] = Replication(
        key, site, snapshot.id, max(1, snapshot.size_bytes), moves_domain=moves_domain
    )
    _start_next(cluster, domain, site)


def _start_next(cluster: PrismCluster, domain: ProtectionDomain, site: str) -> None:
    """Start the first pending one to a site, unless one is running or none can."""
    here = [each for each in domain.replications.values() if each.site == site]
    if any(each.started_at is not None and not each.is_aborted for each in here):
        return
    waiting = next((each for each in here if each.started_at is None), None)
    if waiting is None or waiting.retry_at > cluster.now:
        return
    if not _is_ready(cluster, domain, waiting):
        waiting.retry_at = cluster.now + int(cluster.timing.replication_retry_seconds * SECOND)
        _plan(cluster, "retry", waiting.retry_at, domain, waiting)
        return
    waiting.started_at = waiting.since = cluster.now
    link = domain.links[site]
    link.started_at = cluster.now
    if link.sent:
        waiting.total_bytes = max(1, int(waiting.total_bytes * INCREMENT))
    if cluster.lab.faults.strike_replication("replication_aborted", cluster.name, domain.name):
        waiting.fails_at = waiting.total_bytes // 2
    _move(cluster, domain, waiting)
    _share(cluster, site)


def _is_ready(cluster: PrismCluster, domain: ProtectionDomain, pending: Replication) -> bool:
    """Whether the other side can take it: reachable, paired, containers mapped (10.18)."""
    site, snapshot = cluster.remote_sites.get(pending.site), domain.snapshots[pending.snapshot_id]
    if cluster.lab.faults.strike_replication("remote_unreachable", cluster.name, domain.name):
        return False
    if site is None or not is_established(cluster, site):
        return False
    other = remote_of(cluster, site)
    theirs = {container.name for container in other.containers.values()} if other else set()
    return all(
        site.containers.get(cluster.containers[disk.container].name) in theirs
        for thing in snapshot.things
        for disk in thing.disks
        if disk.container in cluster.containers
    )


# Time


def _move(cluster: PrismCluster, domain: ProtectionDomain, running: Replication) -> None:
    """Go on from what has arrived, and plan the end; or stand still."""
    running.due_at, running.since = None, cluster.now
    site = cluster.remote_sites.get(running.site)
    if running.is_paused or site is None or not is_established(cluster, site):
        return
    goal = running.total_bytes if running.fails_at is None else running.fails_at
    running.bytes_per_second = _speed(cluster, site)
    seconds = max(0, goal - running.done_bytes) / running.bytes_per_second
    running.due_at = cluster.now + int(seconds * SECOND)
    _plan(cluster, "replication", running.due_at, domain, running)


def _speed(cluster: PrismCluster, site: RemoteSite) -> float:
    """Of what the policy lets through, what travels to the site has equal parts."""
    most = cluster.timing.replication_bytes_per_second
    limit = limit_of(cluster, site, cluster.now)
    return min(most, limit / max(1, len(_on_the_way(cluster, site.name)))) if limit else most


def _on_the_way(cluster: PrismCluster, site: str) -> list[tuple[ProtectionDomain, Replication]]:
    return [
        (domain, each)
        for domain in cluster.protection_domains.values()
        for each in domain.replications.values()
        if each.site == site
        and each.started_at is not None
        and not each.is_paused
        and not each.is_aborted
    ]


def _share(cluster: PrismCluster, name: str) -> None:
    """Have all that travels to a throttled site go on at its new part, until that changes."""
    site = cluster.remote_sites.get(name)
    if site is None or not (site.spec.get("bandwidth_policy") or site.spec.get("max_bps")):
        return
    moving = _on_the_way(cluster, name)
    for domain, each in moving:
        _stop(cluster, each)
        _move(cluster, domain, each)
    if moving and (change := next_change(cluster, site)) != site.shared_until:
        site.shared_until = change
        cluster.lab.agenda.add(change, cluster.name, "throttle", name)


def _limit_changed(cluster: PrismCluster, name: str) -> None:
    site = cluster.remote_sites.get(name)
    if site and site.shared_until <= cluster.now:
        _share(cluster, name)


def done_bytes(cluster: PrismCluster, running: Replication) -> int:
    """Return how many bytes have arrived by now."""
    if running.due_at is None or running.is_aborted:
        return running.done_bytes
    passed = (cluster.now - running.since) / SECOND
    moved = int(passed * running.bytes_per_second)
    return min(running.total_bytes, running.done_bytes + moved)


def _stop(cluster: PrismCluster, running: Replication) -> None:
    running.done_bytes = done_bytes(cluster, running)
    running.due_at, running.since = None, cluster.now


def pause(
    cluster: PrismCluster, domain: ProtectionDomain, running: Replication, *, is_paused: bool
) -> None:
    """Let it stand still, or go on."""
    _stop(cluster, running)
    running.is_paused = is_paused
    if running.started_at is not None:
        _move(cluster, domain, running)
    _share(cluster, running.site)


def _plan(
    cluster: PrismCluster, kind: str, at: int, domain: ProtectionDomain, about: Replication
) -> None:
    cluster.lab.agenda.add(at, cluster.name, kind, f"{domain.name}\n{about.id}")


def _look_up(cluster: PrismCluster, key: str) -> tuple[ProtectionDomain, Replication] | None:
    name, _, number = key.partition("\n")
    domain = cluster.protection_domains.get(name)
    if domain is None or number not in domain.replications:
        return None
    return domain, domain.replications[number]


def _come_due(cluster: PrismCluster, key: str) -> None:
    found = _look_up(cluster, key)
    # A due time that was moved or taken away left this entry behind.
    if found is None or found[1].due_at is None or found[1].due_at > cluster.now:
        return
    domain, running = found
    running.done_bytes = running.total_bytes if running.fails_at is None else running.fails_at
    running.due_at = None
    if running.fails_at is not None or not land(cluster, domain, running):
        abort(cluster, domain, running)
    else:
        _finish(cluster, domain, running)


def abort(cluster: PrismCluster, domain: ProtectionDomain, running: Replication) -> None:
    """Break it off; it is listed as aborted for a while."""
    _stop(cluster, running)
    running.is_aborted, running.started_at = True, running.started_at or cluster.now
    running.retry_at = cluster.now + int(cluster.timing.aborted_shown_seconds * SECOND)
    cluster.tell(
        f"Replication aborted for Protection Domain {domain.name}",
        [domain.name, running.site, running.snapshot_id],
        domain.name,
    )
    _plan(cluster, "retry", running.retry_at, domain, running)
    _start_next(cluster, domain, running.site)
    _share(cluster, running.site)


def _retry(cluster: PrismCluster, key: str) -> None:
    """Start what was waiting for its site; drop from the list what was aborted."""
    found = _look_up(cluster, key)
    if found is None or found[1].retry_at > cluster.now:
        return
    domain, about = found
    if about.is_aborted:
        del domain.replications[about.id]
        consider_removal(cluster, domain)
    _start_next(cluster, domain, about.site)


def _finish(cluster: PrismCluster, domain: ProtectionDomain, done: Replication) -> None:
    link = domain.links[done.site]
    link.ended_at, link.last_snapshot_id = cluster.now, done.snapshot_id
    link.sent.append(done.snapshot_id)
    del domain.replications[done.id]
    cluster.tell(
        "Replication completed for Protection Domain",
        [domain.name, done.site, done.snapshot_id],
        domain.name,
    )
    if done.moves_domain:
        for follow in MOVED:
            follow(cluster, domain, done)
    _start_next(cluster, domain, done.site)
    _share(cluster, done.site)
    consider_removal(cluster, domain)


def _link_changed(cluster: PrismCluster) -> None:
    for domain in cluster.protection_domains.values():
        for each in list(domain.replications.values()):
            if each.is_aborted:
                continue
            if each.started_at is None:
                each.retry_at = cluster.now
                _start_next(cluster, domain, each.site)
            else:
                _stop(cluster, each)
                _move(cluster, domain, each)

    for name in cluster.remote_sites:
        _share(cluster, name)


def _resume(cluster: PrismCluster) -> None:
    for domain in cluster.protection_domains.values():
        for each in domain.replications.values():
            if each.due_at is not None:
                _plan(cluster, "replication", each.due_at, domain, each)
            if each.retry_at:
                _plan(cluster, "retry", each.retry_at, domain, each)
    for site in cluster.remote_sites.values():
        if site.shared_until:
            cluster.lab.agenda.add(site.shared_until, cluster.name, "throttle", site.name)


DUE["replication"] = _come_due
DUE["retry"] = _retry
DUE["throttle"] = _limit_changed
RESUME.append(_resume)
LINK_CHANGED.append(_link_changed)
