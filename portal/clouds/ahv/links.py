"""What a cluster is like for disaster recovery: Remote Sites, containers, who lives where.

Reference 2.2 and 7. Whether two clusters can talk is told by the status of the Remote Site;
there is no call to test it.

Limits of bandwidth are read as bytes a second. The reference leaves the unit open (13.5); AOS
keeps the same setting of a remote site as ``maxBytesPerSec`` in its own configuration, and the
policy that replaces it is a list of the same limits. Windows are read as times of the sender's
day in microseconds, the unit of all times in v2 (mark I); in seconds where the number is that
small; days with Sunday first (mark I).
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.clouds.ahv import wire
from portal.clouds.ahv.cluster import Cluster
from portal.clouds.api import Bandwidth, Identity, Link, SiteFacts, Window

STATUS_PREFIX = "relationship_"
MEGABYTE, DAY, MICROSECONDS = 2**20, 86_400, 1_000_000
EVERY_DAY = 127


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
        links=tuple(
            _link(each, _zone(told)) for each in links if not each.get("marked_for_removal")
        ),
        containers=tuple(sorted(names.values())),
        placed=_placed(cluster, names),
        is_read_only=cluster.is_read_only(),
    )


def _zone(told: Mapping[str, Any]) -> str:
    """The cluster's own; UTC where it names none that is known."""
    try:
        return ZoneInfo(wire.text(told, "timezone") or "UTC").key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def _link(item: Mapping[str, Any], zone: str) -> Link:
    """Both spellings of the addresses are met (7); the status comes in any case."""
    ports = item.get("remote_ip_ports") or item.get("remote_ip_address_ports") or {}
    latency = item.get("latency_in_usecs")
    bandwidth = _bandwidth(item, zone)
    return Link(
        name=wire.text(item, "name"),
        addresses={str(each): int(port or 0) for each, port in ports.items()},
        status=wire.text(item, "status").lower().removeprefix(STATUS_PREFIX),
        capabilities=tuple(str(each) for each in item.get("capabilities") or ()),
        containers={str(a): str(b) for a, b in (item.get("vstore_name_map") or {}).items()},
        throttle=_words(bandwidth) if bandwidth else "",
        is_compressed=bool(item.get("compression_enabled")),
        latency_seconds=float(latency) / MICROSECONDS if latency else None,
        bandwidth=bandwidth,
    )


def _bandwidth(item: Mapping[str, Any], zone: str) -> Bandwidth | None:
    """The policy where one is switched on, else the old cap; None where neither limits."""
    policy = item.get("bandwidth_policy")
    if not (item.get("bandwidth_policy_enabled") and isinstance(policy, dict)):
        limit = int(wire.number(item, "max_bps") or 0)
        return Bandwidth("max_bps", limit, zone) if limit > 0 else None
    return Bandwidth(
        wire.text(policy, "policy_name") or "a policy",
        max(0, int(wire.number(policy, "default_bandwidth_limit") or 0)),
        zone,
        tuple(_window(each) for each in policy.get("bandwidth_configurations") or ()),
    )


def _window(item: Mapping[str, Any]) -> Window:
    mask = item.get("days_selected")
    mask = EVERY_DAY if mask is None else int(mask)
    return Window(
        _second(item.get("start_time")),
        _second(item.get("end_time")),
        tuple(sorted((bit + 6) % 7 for bit in range(7) if mask >> bit & 1)),
        max(0, int(wire.number(item, "bandwidth_limit") or 0)),
    )


def _second(told: Any) -> int:
    number = int(told or 0)
    return (number if number <= DAY else number // MICROSECONDS) % DAY


def _words(bandwidth: Bandwidth) -> str:
    """Both readings are shown: whoever knows the unit of the limits to be another sees it."""
    limits = [
        f"{_limit(each.limit)} {_clock(each.begins)} to {_clock(each.ends)} on {_days(each.days)}"
        for each in bandwidth.windows
    ]
    limits.append(f"{_limit(bandwidth.limit)} {'otherwise' if limits else 'at all times'}")
    where = f" ({bandwidth.zone})" if bandwidth.windows else ""
    return f"{bandwidth.name}, {'; '.join(limits)}{where}"


def _limit(limit: int) -> str:
    return f"{limit:,} bytes/s ({limit / MEGABYTE:.1f} MB/s)" if limit else "no limit"


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


def _days(days: tuple[int, ...]) -> str:
    if len(days) == len(calendar.day_abbr):
        return "all days"
    return ", ".join(calendar.day_abbr[each] for each in days) or "no day"


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
