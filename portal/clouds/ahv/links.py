"""What a cluster is like for disaster recovery: Remote Sites, containers, who lives where.

Reference 2.2 and 7. Whether two clusters can talk is told by the status of the Remote Site;
there is no call to test it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from portal.clouds.ahv import wire
from portal.clouds.ahv.cluster import Cluster
from portal.clouds.api import Identity, Link, SiteFacts

STATUS_PREFIX = "relationship_"


def site_facts(cluster: Cluster, identity: Identity) -> SiteFacts:
    """GET the cluster, its containers, Remote Sites, machines and volume groups; try the rights."""
    told = wire.obj(cluster.describe().body)
    names = {
        wire.text(each, "storage_container_uuid"): wire.text(each, "name")
        for each in wire.entities(cluster.http.get("/storage_containers").body)
    }
    links = wire.entities(cluster.http.get("/remote_sites", full_details="true").body)
    address = wire.text(told, "cluster_external_ipaddress")
    return SiteFacts(
        identity=identity,
        addresses=(address,) if address else (),
        links=tuple(_link(each) for each in links if not each.get("marked_for_removal")),
        containers=tuple(sorted(names.values())),
        placed=_placed(cluster, names),
        is_read_only=cluster.is_read_only(),
    )


def _link(item: Mapping[str, Any]) -> Link:
    """Both spellings of the addresses are met (7); the status comes in any case."""
    ports = item.get("remote_ip_ports") or item.get("remote_ip_address_ports") or {}
    latency = item.get("latency_in_usecs")
    return Link(
        name=wire.text(item, "name"),
        addresses={str(each): int(port or 0) for each, port in ports.items()},
        status=wire.text(item, "status").lower().removeprefix(STATUS_PREFIX),
        capabilities=tuple(str(each) for each in item.get("capabilities") or ()),
        containers={str(a): str(b) for a, b in (item.get("vstore_name_map") or {}).items()},
        throttle=_throttle(item),
        is_compressed=bool(item.get("compression_enabled")),
        latency_seconds=float(latency) / 1_000_000 if latency else None,
    )


def _throttle(item: Mapping[str, Any]) -> str:
    """The unit of the limits is not documented (13.5): their numbers are shown as they are."""
    policy = item.get("bandwidth_policy")
    if item.get("bandwidth_policy_enabled") and isinstance(policy, dict):
        name = wire.text(policy, "policy_name") or "a policy"
        limit = wire.number(policy, "default_bandwidth_limit")
        windows = len(policy.get("bandwidth_configurations") or ())
        return f"{name}, by default {limit or 'unlimited'}, {windows} time windows"
    limit = wire.number(item, "max_bps")
    return f"at most {limit}" if limit else ""


def _placed(cluster: Cluster, names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """In which containers the disks of each machine and volume group are."""
    found: dict[str, set[str]] = defaultdict(set)
    for vm in cluster.vms():
        for disk in vm.disks:
            found[vm.uuid].add(names.get(disk.container, disk.container))
    for group in cluster.groups():
        for container in group.containers:
            found[group.uuid].add(names.get(container, container))
    return {uuid: tuple(sorted(each - {""})) for uuid, each in found.items()}
