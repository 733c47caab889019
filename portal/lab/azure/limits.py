"""Usages and quotas: counters of what the lab holds (reference 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.lab.azure import wire
from portal.lab.azure.model import REGIONS, Disk, Snapshot, Vm
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm
from portal.lab.azure.skus import SIZES
from portal.lab.routing import Answer, Refusal, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

DEFAULT_QUOTAS = {
    "availabilitySets": 2500,
    "cores": 100,
    "virtualMachines": 25000,
    "virtualMachineScaleSets": 2500,
    "standardDSv5Family": 100,
    "standardESv5Family": 100,
    "standardBSFamily": 100,
    "StandardDiskCount": 50000,
    "StandardSSDDiskCount": 50000,
    "PremiumDiskCount": 50000,
    "PremiumV2DiskCount": 1000,
    "UltraSSDDiskCount": 1000,
    "StandardSnapshotCount": 50000,
    "PremiumSnapshotCount": 50000,
    "ZRSSnapshotCount": 50000,
}
NAMES = {
    "availabilitySets": "Availability Sets",
    "cores": "Total Regional vCPUs",
    "virtualMachines": "Virtual Machines",
    "virtualMachineScaleSets": "Virtual Machine Scale Sets",
    "standardDSv5Family": "Standard DSv5 Family vCPUs",
    "standardESv5Family": "Standard ESv5 Family vCPUs",
    "standardBSFamily": "Standard BS Family vCPUs",
}


@arm(
    "GET",
    f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/locations/{{location}}/usages",
    "Microsoft.Compute/locations/usages/read",
)
def usage_list(cloud: AzureCloud, request: Request) -> Answer:
    region = request["location"].lower()
    if region not in REGIONS:
        raise ArmRefusal(
            404, "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{region}'.",
        )  # fmt: skip
    return wire.page(cloud, request, [
        {
            "unit": "Count",
            "currentValue": used(cloud, region, name),
            "limit": quota(cloud, region, name),
            "name": {"value": name, "localizedValue": NAMES.get(name, name)},
        }
        for name in DEFAULT_QUOTAS
    ])  # fmt: skip


def quota(cloud: AzureCloud, region: str, name: str) -> int:
    """The limit of a counter in a region."""
    return cloud.limits.quotas.get(region, {}).get(name, DEFAULT_QUOTAS[name])


def set_quota(cloud: AzureCloud, region: str, name: str, limit: int) -> None:
    """Set the limit of a counter; what is there already stays. Case is ignored."""
    known = {each.lower(): each for each in DEFAULT_QUOTAS}
    if region not in REGIONS or name.lower() not in known or limit < 0:
        raise Refusal(f"There is no counter {name} in {region}, or no limit {limit}", 400)
    cloud.limits.quotas.setdefault(region, {})[known[name.lower()]] = limit


def used(cloud: AzureCloud, region: str, name: str) -> int:
    """What a counter stands at; machines count also while they are deallocated."""
    here = [vm for vm in cloud.vms.values() if vm.location == region]
    if name == "virtualMachines":
        return len(here)
    if name == "cores" or name.endswith("Family"):
        sizes = [SIZES[vm.size] for vm in here if vm.size in SIZES]
        return sum(cores for family, cores, _ in sizes if name in ("cores", family))
    if name.endswith("SnapshotCount"):
        snapshots = [each for each in cloud.snapshots.values() if each.location == region]
        return sum(_snapshot_counter(each) == name for each in snapshots)
    disks = [each for each in cloud.disks.values() if each.location == region]
    return sum(_disk_counter(each) == name for each in disks)


def _disk_counter(disk: Disk) -> str:
    return f"{disk.sku.split('_')[0]}DiskCount"


def _snapshot_counter(snapshot: Snapshot) -> str:
    tier, _, redundancy = snapshot.sku.partition("_")
    return f"{'ZRS' if redundancy == 'ZRS' else tier}SnapshotCount"


def _require(cloud: AzureCloud, region: str, name: str, more: int) -> None:
    present, limit = used(cloud, region, name), quota(cloud, region, name)
    if more > 0 and present + more > limit:
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"Operation could not be completed as it results in exceeding approved "
            f"{NAMES.get(name, name)} quota. Additional details - Deployment Model: Resource "
            f"Manager, Location: {region}, Current Limit: {limit}, Current Usage: {present}, "
            f"Additional Required: {more}, (Minimum) New Limit Required: {present + more}.",
        )  # fmt: skip


def require_disk_quota(cloud: AzureCloud, disk: Disk) -> None:
    """Refuse one disk too many."""
    _require(cloud, disk.location, _disk_counter(disk), 1)


def require_snapshot_quota(cloud: AzureCloud, snapshot: Snapshot) -> None:
    """Refuse one snapshot too many."""
    _require(cloud, snapshot.location, _snapshot_counter(snapshot), 1)


def require_cores(cloud: AzureCloud, vm: Vm, before: str = "") -> None:
    """Refuse a VM, or its change from the size ``before``, that goes beyond a quota."""
    family, cores, _ = SIZES[vm.size]
    old_family, old_cores, _ = SIZES.get(before, ("", 0, 0))
    _require(cloud, vm.location, "cores", cores - old_cores)
    _require(cloud, vm.location, family, cores - (old_cores if family == old_family else 0))
    if not before:
        _require(cloud, vm.location, "virtualMachines", 1)
