"""Sizes, where they are offered, and quotas (reference 7.8, 7.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.lab.azure import wire
from portal.lab.azure.model import REGIONS, Disk, Snapshot, Vm
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm
from portal.lab.routing import Answer, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

# Size -> family, vCPUs, memory in GB.
SIZES = {
    "Standard_D2s_v5": ("standardDSv5Family", 2, 8),
    "Standard_D4s_v5": ("standardDSv5Family", 4, 16),
    "Standard_D8s_v5": ("standardDSv5Family", 8, 32),
    "Standard_E4s_v5": ("standardESv5Family", 4, 32),
    "Standard_B2ms": ("standardBSFamily", 2, 8),
}
DISK_SKUS = ("Standard_LRS", "StandardSSD_LRS", "Premium_LRS")
DEFAULT_QUOTAS = {
    "cores": 100,
    "virtualMachines": 25000,
    "standardDSv5Family": 100,
    "standardESv5Family": 100,
    "standardBSFamily": 100,
    "StandardDiskCount": 50000,
    "StandardSSDDiskCount": 50000,
    "PremiumDiskCount": 50000,
    "StandardSnapshotCount": 50000,
    "PremiumSnapshotCount": 50000,
}
NAMES = {
    "cores": "Total Regional vCPUs",
    "virtualMachines": "Virtual Machines",
}


# SKUs


@arm("GET", f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/skus", "Microsoft.Compute/skus/read")
def sku_list(cloud: AzureCloud, request: Request) -> Answer:
    """The only filter is the location: ``location eq 'westeurope'``."""
    wanted = request.query.get("$filter", "")
    region = wanted.partition("'")[2].rstrip("'").lower()
    regions = [each for each in REGIONS if region in ("", each)]
    shown = [_size(cloud, name, each) for each in regions for name in SIZES]
    shown += [_disk_sku(name, each) for each in regions for name in DISK_SKUS]
    return wire.page(cloud, request, shown)


def _size(cloud: AzureCloud, name: str, region: str) -> dict[str, Any]:
    family, cores, memory = SIZES[name]
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "size": name.removeprefix("Standard_"),
        "family": family,
        "locations": [region],
        "locationInfo": [{"location": region, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [
            {"name": "vCPUs", "value": str(cores)},
            {"name": "MemoryGB", "value": str(memory)},
            {"name": "PremiumIO", "value": "True"},
            {"name": "HyperVGenerations", "value": "V1,V2"},
        ],
        "restrictions": [_restriction(region)] if is_withheld(cloud, name, region) else [],
    }


def _restriction(region: str) -> dict[str, Any]:
    return {
        "type": "Location",
        "values": [region],
        "restrictionInfo": {"locations": [region]},
        "reasonCode": "NotAvailableForSubscription",
    }


def _disk_sku(name: str, region: str) -> dict[str, Any]:
    return {
        "resourceType": "disks",
        "name": name,
        "tier": name.split("_")[0],
        "locations": [region],
        "locationInfo": [{"location": region, "zones": [], "zoneDetails": []}],
        "capabilities": [],
        "restrictions": [],
    }


def is_withheld(cloud: AzureCloud, size: str, region: str) -> bool:
    """Whether a size is not offered to this subscription in a region."""
    return size in cloud.limits.withheld.get(region, [])


# Usages and quotas


@arm(
    "GET",
    f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/locations/{{location}}/usages",
    "Microsoft.Compute/locations/usages/read",
)
def usage_list(cloud: AzureCloud, request: Request) -> Answer:
    region = request["location"].lower()
    if region not in REGIONS:
        raise ArmRefusal(404, "NoRegisteredProviderFound", f"No such location: {region}.")
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


def used(cloud: AzureCloud, region: str, name: str) -> int:
    """What a counter stands at; machines count also while they are deallocated."""
    here = [vm for vm in cloud.vms.values() if vm.location == region]
    if name == "virtualMachines":
        return len(here)
    if name == "cores" or name.endswith("Family"):
        sizes = [SIZES[vm.size] for vm in here if vm.size in SIZES]
        return sum(cores for family, cores, _ in sizes if name in ("cores", family))
    kept = cloud.snapshots if name.endswith("SnapshotCount") else cloud.disks
    tier = name.removesuffix("SnapshotCount").removesuffix("DiskCount")
    things: list[Disk] = [each for each in kept.values() if each.location == region]
    return sum(each.sku.split("_")[0] == tier for each in things)


def _require(cloud: AzureCloud, region: str, name: str, more: int) -> None:
    present, limit = used(cloud, region, name), quota(cloud, region, name)
    if present + more > limit:
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"Operation could not be completed as it results in exceeding approved "
            f"{NAMES.get(name, name)} quota. Additional details - Deployment Model: Resource "
            f"Manager, Location: {region}, Current Limit: {limit}, Current Usage: {present}, "
            f"Additional Required: {more}, (Minimum) New Limit Required: {present + more}.",
        )  # fmt: skip


def require_disk_quota(cloud: AzureCloud, disk: Disk) -> None:
    """Refuse one disk too many."""
    _require(cloud, disk.location, f"{disk.sku.split('_')[0]}DiskCount", 1)


def require_snapshot_quota(cloud: AzureCloud, snapshot: Snapshot) -> None:
    """Refuse one snapshot too many."""
    _require(cloud, snapshot.location, f"{snapshot.sku.split('_')[0]}SnapshotCount", 1)


def require_size(cloud: AzureCloud, vm: Vm) -> None:
    """Refuse a size that is unknown, withheld, or beyond the quota of cores."""
    if vm.size not in SIZES or is_withheld(cloud, vm.size, vm.location):
        raise ArmRefusal(
            409, "SkuNotAvailable",
            f"The requested VM size {vm.size} is not available in location '{vm.location}'.",
        )  # fmt: skip
    family, cores, _ = SIZES[vm.size]
    for name in ("cores", family):
        _require(cloud, vm.location, name, cores)
