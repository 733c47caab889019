"""What is at both clouds at the end, out of the lab's own state, in the product's words for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.plan import DUBLIN, LONDON

if TYPE_CHECKING:
    from portal.lab import Lab
    from portal.lab.prism import PrismCluster


@dataclass
class Site:
    """One cluster or subscription: what each thing and copy holds, by its id in lower case.

    ``domains`` are protection domains that are neither being removed nor somebody else's.
    """

    contents: dict[str, str] = field(default_factory=dict)
    power: dict[str, bool] = field(default_factory=dict)
    attached: dict[str, set[str]] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    # Ids of copies as other clusters name them: those of snapshots that were received.
    names: dict[str, str] = field(default_factory=dict)
    # What is half-made, or left of something: always wrong.
    loose: set[str] = field(default_factory=set)


def read(state: Path) -> dict[str, Site]:
    """Both clusters by name, and the subscription as "azure"."""
    from portal.lab import Lab

    lab = Lab.empty(state_file=state)
    try:
        found = {name: _cluster(lab.clusters[name]) for name in (LONDON, DUBLIN)}
        return {**found, "azure": _azure(lab)}
    finally:
        lab.close()


def _cluster(cluster: PrismCluster) -> Site:
    site = Site(loose={f"snapshot {pk}" for pk in cluster.snapshots})
    for vm in cluster.vms.values():
        site.contents[vm.uuid] = vm.disks[0].content if vm.disks else ""
        site.power[vm.uuid] = vm.power_state == "on"
    for group in cluster.volume_groups.values():
        site.contents[group.uuid] = group.content
        site.attached[group.uuid] = set(group.vms)
    for domain in cluster.protection_domains.values():
        if not domain.is_marked_for_removal:
            site.domains.add(domain.name)
        for number, snapshot in domain.snapshots.items():
            things = snapshot.things
            key = f"{domain.name}/{number}"
            site.contents[key] = things[0].disks[0].content if things else ""
            site.names[f"{domain.name}/{number.rpartition(':')[2]}"] = key
    return site


def _azure(lab: Lab) -> Site:
    cloud, site = lab.azure, Site()
    for key, vm in cloud.vms.items():
        site.contents[key] = cloud.disks[vm.os_disk.disk_id.lower()].content
        site.power[key] = vm.power == "running"
    for key, disk in cloud.disks.items():
        holder = disk.managed_by.lower()
        is_os = holder in cloud.vms and cloud.vms[holder].os_disk.disk_id.lower() == key
        if not is_os:
            site.contents[key] = disk.content
            site.attached[key] = {holder} if holder else set()
    for key, snapshot in cloud.snapshots.items():
        site.contents[key] = snapshot.content
    site.loose = {key for key, nic in cloud.nics.items() if not nic.vm}
    return site
