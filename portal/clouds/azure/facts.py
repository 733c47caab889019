"""A region as disaster recovery sees it: regions, sizes offered, quotas (reference 7.8, 7.9)."""

from __future__ import annotations

from azure.mgmt.compute import ComputeManagementClient

from portal.clouds.api import Identity, Quota, SignInRefused, SiteFacts
from portal.clouds.azure import wire
from portal.clouds.azure.session import AzureSession
from portal.clouds.azure.sizes import Sizes

LOCATIONS_VERSION = "2022-12-01"
# Counters a restore in the region, or its replicas, would use; families are too many to show.
COUNTERS = {
    "cores": "vCPUs",
    "virtualmachines": "Virtual machines",
    "standardsnapshotcount": "Snapshots",
    "premiumdiskcount": "Premium disks",
    "standardssddiskcount": "Standard SSD disks",
}


def site_facts(session: AzureSession, sizes: Sizes, identity: Identity, region: str) -> SiteFacts:
    """Ask for the regions of the subscription, and for the sizes and quotas of this one."""
    path = f"/subscriptions/{session.subscription}/locations"
    listed = session.get(path, LOCATIONS_VERSION).get("value") or []
    return SiteFacts(
        identity=identity,
        regions=tuple(sorted(str(each.get("name", "")) for each in listed)),
        sizes=sizes.offered(region) if region else {},
        quotas=_quotas(session, region) if region else (),
    )


def _quotas(session: AzureSession, region: str) -> tuple[Quota, ...]:
    """A role that may not read them costs the quotas alone; `identify` warns of it."""

    def usages(client: ComputeManagementClient) -> list[wire.Json]:
        return [item.as_dict() for item in client.usage.list(region)]

    try:
        listed = session.call(usages)
    except SignInRefused:
        return ()
    found = {}
    for usage in listed:
        name = str((usage.get("name") or {}).get("value") or "").lower()
        if name in COUNTERS:
            used, limit = int(usage.get("currentValue") or 0), int(usage.get("limit") or 0)
            found[name] = Quota(COUNTERS[name], used, limit)
    return tuple(found[name] for name in COUNTERS if name in found)
