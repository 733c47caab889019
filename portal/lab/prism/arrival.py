"""A replicated snapshot arrives: under an inactive domain of the same name (reference 6.5)."""

from __future__ import annotations

import copy

from portal.lab.prism.cluster import PrismCluster
from portal.lab.prism.model import (
    DrSnapshot,
    ProtectionDomain,
    RemoteSite,
    Replication,
    Vm,
    VolumeGroup,
)
from portal.lab.prism.pairing import remote_of
from portal.lab.prism.retention import hold, plan_expiry, prune


def land(cluster: PrismCluster, domain: ProtectionDomain, done: Replication) -> bool:
    """Put a copy of the snapshot on the other cluster. False: it does not take it."""
    site, snapshot = cluster.remote_sites[done.site], domain.snapshots.get(done.snapshot_id)
    other = remote_of(cluster, site)
    if other is None or snapshot is None:
        return False
    twin = other.protection_domains.setdefault(
        domain.name, ProtectionDomain(domain.name, is_active=False)
    )
    if twin.is_active or twin.is_marked_for_removal:
        return False
    arrived = copy.deepcopy(snapshot)
    arrived.id = f"{cluster.name}:{snapshot.id}"
    arrived.is_received, arrived.remote_sites = True, []
    for vm in arrived.vms:
        _translate(cluster, other, site, vm)
    for group in arrived.groups:
        _translate_disks(cluster, other, site, group)
    hold(other, twin, arrived)
    plan_expiry(other, twin, arrived)
    if keep := _kept_there(domain, snapshot, done.site):
        prune(other, twin, keep, arrived.schedule_id)
    return True


def _kept_there(domain: ProtectionDomain, snapshot: DrSnapshot, site: str) -> int | None:
    schedule = domain.schedules.get(snapshot.schedule_id)
    return schedule.keep_remote.get(site) if schedule else None


def _translate_disks(
    cluster: PrismCluster, other: PrismCluster, site: RemoteSite, thing: Vm | VolumeGroup
) -> None:
    for disk in thing.disks:
        if disk.container in cluster.containers:
            name = site.containers[cluster.containers[disk.container].name]
            disk.container = other.container(name).uuid


def _translate(cluster: PrismCluster, other: PrismCluster, site: RemoteSite, vm: Vm) -> None:
    """Containers by the site's map; networks by name, a card without one is disconnected."""
    _translate_disks(cluster, other, site, vm)
    theirs = {network.name: network.uuid for network in other.networks.values()}
    for card in vm.nics:
        network = cluster.networks.get(card.network_uuid)
        name = site.networks.get(network.name, network.name) if network else ""
        card.is_connected = card.is_connected and name in theirs
        card.network_uuid = theirs.get(name, "")
    vm.host_uuid = None
