"""Sizes and kinds of disks, and where this subscription may use them (reference 7.9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from portal.lab.azure import wire
from portal.lab.azure.model import REGIONS, Restriction, Vm
from portal.lab.azure.refusals import ArmRefusal, invalid
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
ZONES = ("1", "2", "3")
STORAGE = {
    "disks": (
        "Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS",
        "PremiumV2_LRS", "UltraSSD_LRS",
    ),
    "snapshots": ("Standard_LRS", "Premium_LRS", "Standard_ZRS"),
}  # fmt: skip
_FILTER = re.compile(r"^\s*location\s+eq\s+'([^']*)'\s*$", re.IGNORECASE)
_SPELLED = {"westeurope": "WestEurope", "northeurope": "NorthEurope"}


@arm("GET", f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/skus", "Microsoft.Compute/skus/read")
def sku_list(cloud: AzureCloud, request: Request) -> Answer:
    """An entry for each size and region; the only filter is ``location eq 'westeurope'``."""
    given = request.query.get("$filter", "")
    found = _FILTER.match(given)
    if given and not found:
        raise invalid(f"The filter '{given}' is not supported.", "$filter", "InvalidFilter")
    region = found.group(1).replace(" ", "").lower() if found else ""
    regions = [each for each in REGIONS if region in ("", each)]
    shown = [_size(cloud, name, each) for each in regions for name in SIZES]
    shown += [
        _entry(cloud, kind, name, each)
        for each in regions for kind, names in STORAGE.items() for name in names
    ]  # fmt: skip
    return wire.page(cloud, request, shown)


def _entry(cloud: AzureCloud, kind: str, name: str, region: str) -> dict[str, Any]:
    # Real entries spell regions in several ways.
    region = _SPELLED[region] if cloud.dialect.upper_groups else region
    return {
        "resourceType": kind,
        "name": name,
        "tier": "Standard" if kind == "virtualMachines" else name.split("_")[0],
        "locations": [region],
        "locationInfo": [{"location": region, "zones": list(ZONES), "zoneDetails": []}],
        "capabilities": [],
        "restrictions": [],
    }


def _size(cloud: AzureCloud, name: str, region: str) -> dict[str, Any]:
    family, cores, memory = SIZES[name]
    return _entry(cloud, "virtualMachines", name, region) | {
        "size": name.removeprefix("Standard_"),
        "family": family,
        "capabilities": [
            {"name": "vCPUs", "value": str(cores)},
            {"name": "MemoryGB", "value": str(memory)},
            {"name": "MaxDataDiskCount", "value": str(2 * cores)},
            {"name": "PremiumIO", "value": "True"},
            {"name": "HyperVGenerations", "value": "V1,V2"},
        ],
        "restrictions": [_restriction(each) for each in _bearing(cloud, name, region)],
    }


def _restriction(found: Restriction) -> dict[str, Any]:
    """A restriction of zones leaves ``values`` to the region, as real ones do."""
    zones = {"zones": list(found.zones)} if found.zones else {}
    return {
        "type": "Zone" if found.zones else "Location",
        "values": [found.location],
        "restrictionInfo": {"locations": [found.location], **zones},
        "reasonCode": found.reason,
    }


def _bearing(cloud: AzureCloud, size: str, region: str) -> list[Restriction]:
    every = cloud.limits.restrictions
    return [each for each in every if each.size == size and each.location == region]


def restrict(
    cloud: AzureCloud, size: str, location: str, zones: list[str] | None = None,
    reason: str = "NotAvailableForSubscription",
) -> None:  # fmt: skip
    """Withhold a size in a region, or in some of its zones, from the subscription."""
    cloud.limits.restrictions.append(Restriction(size, location, zones or [], reason))


def require_size(cloud: AzureCloud, vm: Vm) -> None:
    """Refuse a size that is unknown here or withheld where the VM is to be."""
    if vm.size not in SIZES:
        raise invalid(f"The value '{vm.size}' provided for the VM size is not valid.", "vmSize")
    for found in _bearing(cloud, vm.size, vm.location):
        if not found.zones or set(vm.zones) & set(found.zones):
            where = f"zone '{vm.zones[0]}' of " if found.zones else ""
            raise ArmRefusal(
                409, "SkuNotAvailable",
                f"The requested VM size '{vm.size}' is currently not available in {where}location "
                f"'{vm.location}'. Please try another size or deploy to a different location or "
                "different zone.",
            )  # fmt: skip


def require_capacity(cloud: AzureCloud, vm: Vm) -> None:
    """Let a VM not start where the region has no room for its size (reference 7.5)."""
    if vm.size in cloud.limits.exhausted.get(vm.location, []):
        zonal = bool(vm.zones)
        raise ArmRefusal(
            409, "ZonalAllocationFailed" if zonal else "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity for the requested VM size in "
            f"this {'zone' if zonal else 'region'}.",
        )  # fmt: skip


def require_storage(kind: str, name: str) -> None:
    """Refuse a kind of disk or snapshot that does not exist."""
    if name not in STORAGE[kind]:
        raise invalid(
            f"The value '{name}' of parameter sku.name is not one of {', '.join(STORAGE[kind])}.",
            "sku.name",
        )
