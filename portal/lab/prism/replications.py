"""Running and pending replications on the wire (reference 6.6)."""

from __future__ import annotations

from portal.lab.prism import wire
from portal.lab.prism.cluster import V2, PrismCluster
from portal.lab.prism.domains import find
from portal.lab.prism.model import ProtectionDomain, Replication
from portal.lab.prism.pairing import remote_of
from portal.lab.prism.replication import abort, done_bytes, pause
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request


def _show(cluster: PrismCluster, name: str, each: Replication, *, is_sender: bool = True) -> Json:
    done = done_bytes(cluster, each)
    left = max(0, each.total_bytes - done) / (
        each.bytes_per_second or cluster.timing.replication_bytes_per_second
    )
    return {
        "id": int(each.id),
        "protection_domain_name": name,
        "remote_site_name": each.site,
        "snapshot_id": each.snapshot_id,
        "completed_bytes": done,
        "completed_percentage": round(100 * done / each.total_bytes, 2),
        "replication_time_to_complete_secs": int(left),
        "start_replication_time_usecs": each.started_at,
        "paused": each.is_paused,
        "aborted": each.is_aborted,
        "sender": is_sender,
    }


def _sent(cluster: PrismCluster, names: list[str], sites: list[str]) -> list[Json]:
    return [
        _show(cluster, domain.name, each)
        for domain in cluster.protection_domains.values()
        for each in domain.replications.values()
        if each.started_at is not None
        and (not names or domain.name in names)
        and (not sites or each.site in sites)
    ]


def _received(cluster: PrismCluster, names: list[str]) -> list[Json]:
    """What is on its way to this cluster, as the sender knows it."""
    shown: list[Json] = []
    for other in cluster.lab.clusters.values():
        for domain in other.protection_domains.values() if other is not cluster else ():
            for each in domain.replications.values():
                site = other.remote_sites.get(each.site)
                if each.started_at is None or (names and domain.name not in names):
                    continue
                if site and remote_of(other, site) is cluster:
                    entry = _show(other, domain.name, each, is_sender=False)
                    shown.append({**entry, "remote_site_name": other.name})
    return shown


@V2("GET", "/protection_domains/replications")
def replication_list(cluster: PrismCluster, request: Request) -> Answer:
    names, sites = request.names("protection_domain_names"), request.names("remote_site_names")
    shown = _sent(cluster, names, sites) + ([] if sites else _received(cluster, names))
    return wire.listing(shown, request, total=0)


@V2("GET", "/protection_domains/{name}/replications")
def domain_replication_list(cluster: PrismCluster, request: Request) -> Answer:
    names = [find(cluster, request["name"]).name]
    return wire.listing(_sent(cluster, names, []) + _received(cluster, names), request, total=0)


def _running(cluster: PrismCluster, request: Request) -> tuple[ProtectionDomain, Replication]:
    domain = find(cluster, request["name"])
    found = domain.replications.get(request["id"])
    if found is None or found.is_aborted:
        raise Refusal(f"Replication {request['id']} is not running", 404)
    return domain, found


@V2("PUT", "/protection_domains/{name}/replications/{id}")
def replication_update(cluster: PrismCluster, request: Request) -> Answer:
    """``value`` is pause, resume or abort (6.1, mark S)."""
    domain, running = _running(cluster, request)
    action = request.text("value").lower()
    if action == "abort":
        abort(cluster, domain, running)
    elif action in ("pause", "resume"):
        pause(cluster, domain, running, is_paused=action == "pause")
    else:
        raise Refusal(f"Unknown action {action}", 400)
    return Answer({"value": True})


@V2("DELETE", "/protection_domains/{name}/replications/{id}")
def replication_delete(cluster: PrismCluster, request: Request) -> Answer:
    abort(cluster, *_running(cluster, request))
    return wire.done(cluster, is_delete=True)


def pending(cluster: PrismCluster, name: str | None = None, site: str | None = None) -> list[Json]:
    """The bare array of what waits for its turn or its site."""
    return [
        {
            "protection_domain_name": domain.name,
            "remote_site_name": each.site,
            "snapshot_id": each.snapshot_id,
        }
        for domain in cluster.protection_domains.values()
        for each in domain.replications.values()
        if each.started_at is None and name in (None, domain.name) and site in (None, each.site)
    ]


@V2("GET", "/protection_domains/{name}/pending_replications")
def pending_list(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(pending(cluster, find(cluster, request["name"]).name))


def show_links(cluster: PrismCluster, domain: ProtectionDomain) -> list[Json]:
    """``replication_links``: the only place that tells the total bytes."""
    shown: list[Json] = []
    for number, (site, link) in enumerate(sorted(domain.links.items())):
        running = next(
            (
                each
                for each in domain.replications.values()
                if each.site == site and each.started_at is not None and not each.is_aborted
            ),
            None,
        )
        shown.append({
            "id": str(number),
            "protection_domain_name": domain.name,
            "remote_site_name": site,
            "last_replication_start_time_in_usecs": link.started_at,
            "last_replication_end_time_in_usecs": link.ended_at,
            "last_successful_replication_snapshot_id": link.last_snapshot_id,
            "current_replicating_snapshot_id": running.snapshot_id if running else None,
            "current_replicating_snapshot_total_bytes": running.total_bytes if running else None,
            "current_replicating_snapshot_transmitted_bytes": (
                done_bytes(cluster, running) if running else None
            ),
            "stats": {},
        })  # fmt: skip
    return shown
