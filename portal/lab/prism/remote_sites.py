"""Remote sites (reference 7). What is on the other side is told by its address."""

from __future__ import annotations

from portal.lab.prism import wire
from portal.lab.prism.cluster import V2, PrismCluster
from portal.lab.prism.dr_snapshots import show as show_snapshot
from portal.lab.prism.model import RemoteSite, new_uuid
from portal.lab.prism.pairing import remote_of, status_of
from portal.lab.prism.replications import pending
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request

LATENCY_USECS = 12_000
READ_ONLY = {"status", "uuid", "latency_in_usecs", "stats", "usage_stats", "replication_links"}


def _show(cluster: PrismCluster, site: RemoteSite) -> Json:
    """Both spellings of the addresses are sent, as clients read one or the other (7)."""
    status, other = status_of(cluster, site), remote_of(cluster, site)
    kvm = "kKvm"
    networks = [
        {"src_hypervisor_type": kvm, "src_network_name": ours,
         "dest_hypervisor_type": kvm, "dest_network_name": theirs}
        for ours, theirs in site.networks.items()
    ]  # fmt: skip
    return {
        "compression_enabled": True,
        "proxy_enabled": False,
        "ssh_enabled": False,
        "max_bps": None,
        "bandwidth_policy_enabled": False,
        "bandwidth_policy": None,
        **site.spec,
        "name": site.name,
        "uuid": site.uuid,
        "remote_ip_ports": site.addresses,
        "remote_ip_address_ports": site.addresses,
        "capabilities": site.capabilities,
        "vstore_name_map": site.containers,
        "network_mapping": {"uuid": site.uuid, "l2_network_mappings": networks},
        "status": status,
        "latency_in_usecs": LATENCY_USECS if status != "UNREACHABLE" else None,
        "cluster_id": other.identity.uuid if other else None,
        "cluster_incarnation_id": 1,
        "metro_ready": False,
        "marked_for_removal": False,
        "replication_links": [],
        "stats": {},
        "usage_stats": {},
    }


def _find(cluster: PrismCluster, name: str) -> RemoteSite:
    if name not in cluster.remote_sites:
        raise Refusal(f"Remote site {name} does not exist", 404)
    return cluster.remote_sites[name]


@V2("GET", "/remote_sites")
def site_list(cluster: PrismCluster, request: Request) -> Answer:
    names = request.names("names")
    sites = cluster.remote_sites.values()
    shown = [_show(cluster, each) for each in sites if not names or each.name in names]
    return wire.listing(shown, request)


@V2("GET", "/remote_sites/{name}")
def site_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_show(cluster, _find(cluster, request["name"])))


def _read(cluster: PrismCluster, request: Request, uuid: str) -> RemoteSite:
    """Return the site that was sent; it must be reachable (7)."""
    body, name = request.object, request.text("name")
    addresses = body.get("remote_ip_ports") or body.get("remote_ip_address_ports") or {}
    mapping = (body.get("network_mapping") or {}).get("l2_network_mappings") or []
    site = RemoteSite(
        name, uuid, {str(each): wire.count_of(addresses, each, 0) for each in addresses},
        dict(body.get("vstore_name_map") or {}),
        list(body.get("capabilities") or ["DISASTER_RECOVERY"]),
        {each["src_network_name"]: each["dest_network_name"] for each in mapping},
        {key: value for key, value in body.items() if key not in READ_ONLY},
    )  # fmt: skip
    if status_of(cluster, site) == "UNREACHABLE":
        raise Refusal(f"Remote site {name} is not reachable")
    return site


@V2("POST", "/remote_sites")
def site_create(cluster: PrismCluster, request: Request) -> Answer:
    if request.text("name") in cluster.remote_sites:
        raise Refusal(f"Remote site {request.text('name')} already exists")
    site = _read(cluster, request, new_uuid())
    cluster.remote_sites[site.name] = site
    _notify(cluster)
    return Answer(_show(cluster, site), 201)


@V2("PUT", "/remote_sites")
def site_update(cluster: PrismCluster, request: Request) -> Answer:
    """Replaces the whole site; the name is in the body, not in the path."""
    old = _find(cluster, request.text("name"))
    site = _read(cluster, request, old.uuid)
    cluster.remote_sites[site.name] = site
    _notify(cluster)
    return Answer(_show(cluster, site))


@V2("DELETE", "/remote_sites/{name}")
def site_delete(cluster: PrismCluster, request: Request) -> Answer:
    site = _find(cluster, request["name"])
    if pending(cluster, site=site.name) or any(
        each.site == site.name
        for domain in cluster.protection_domains.values()
        for each in domain.replications.values()
    ):
        raise Refusal(f"Remote site {site.name} is in use by replications")
    del cluster.remote_sites[site.name]
    _notify(cluster)
    return wire.done(cluster, is_delete=True)


def _notify(cluster: PrismCluster) -> None:
    """Replications of either side may stop, or go on."""
    for each in cluster.lab.clusters.values():
        each.link_changed()


def _located(cluster: PrismCluster, site: RemoteSite) -> list[Json]:
    """Copies of ours that the other side holds (6.5: what the route lists is ambiguous)."""
    other = remote_of(cluster, site)
    return [
        show_snapshot(domain, snapshot, site.name)
        for domain in (other.protection_domains.values() if other else ())
        for snapshot in domain.snapshots.values()
        if snapshot.is_received and snapshot.id.startswith(f"{cluster.name}:")
    ]


@V2("GET", "/remote_sites/dr_snapshots")
def located_list(cluster: PrismCluster, request: Request) -> Answer:
    sites = cluster.remote_sites.values()
    return wire.listing([each for site in sites for each in _located(cluster, site)], request)


@V2("GET", "/remote_sites/{name}/dr_snapshots")
def site_located_list(cluster: PrismCluster, request: Request) -> Answer:
    return wire.listing(_located(cluster, _find(cluster, request["name"])), request)


@V2("GET", "/remote_sites/{name}/pending_replications")
def site_pending_list(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(pending(cluster, site=_find(cluster, request["name"]).name))
