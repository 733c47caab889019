"""Usages count what the lab holds; quotas refuse what is one too many (reference 7.8)."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import Disk

from portal.lab.azure.limits import set_quota
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

WEST, NORTH = "westeurope", "northeurope"


def _used(azure: Client, region: str = WEST) -> dict[str, int]:
    path = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/locations/{region}/usages"
    return {each["name"]["value"]: each["currentValue"] for each in azure.list(path)}


def _disk(sku: str = "Premium_LRS", region: str = WEST) -> dict[str, Any]:
    creation = {"createOption": "Empty"}
    properties = {"creationData": creation, "diskSizeGB": 4}
    return {"location": region, "sku": {"name": sku}, "properties": properties}


def _snapshot(sku: str) -> dict[str, Any]:
    creation = {"createOption": "Copy", "sourceResourceId": f"{COMPUTE}/disks/drive"}
    return {"location": WEST, "sku": {"name": sku}, "properties": {"creationData": creation}}


def _resize(size: str) -> dict[str, Any]:
    return {"properties": {"hardwareProfile": {"vmSize": size}}}


def test_counters_stand_at_what_there_is(azure: Client) -> None:
    assert set(_used(azure).values()) == {0}
    azure.cloud.add_vm("one", size="Standard_D4s_v5", power="deallocated")
    azure.cloud.add_vm("two", size="Standard_B2ms", data=[(4, "data")])
    azure.cloud.add_vm("far", location=NORTH)
    used = _used(azure)
    assert used["virtualMachines"] == 2
    assert used["cores"] == 6
    assert used["standardDSv5Family"] == 4
    assert used["standardBSFamily"] == 2
    assert used["PremiumDiskCount"] == 3
    assert _used(azure, NORTH)["cores"] == 2


def test_disks_and_snapshots_are_counted_by_their_kind(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    for sku in ("Standard_LRS", "StandardSSD_ZRS", "Premium_ZRS", "UltraSSD_LRS", "PremiumV2_LRS"):
        azure.run("PUT", f"{COMPUTE}/disks/{sku}", _disk(sku))
    for sku in ("Standard_LRS", "Premium_LRS", "Standard_ZRS"):
        azure.run("PUT", f"{COMPUTE}/snapshots/{sku}", _snapshot(sku))
    used = _used(azure)
    assert used["PremiumDiskCount"] == 2
    for tier in ("Standard", "StandardSSD", "UltraSSD", "PremiumV2"):
        assert used[f"{tier}DiskCount"] == 1
    for kind in ("Standard", "Premium", "ZRS"):
        assert used[f"{kind}SnapshotCount"] == 1
    azure.run("DELETE", f"{COMPUTE}/snapshots/Standard_ZRS")
    assert _used(azure)["ZRSSnapshotCount"] == 0


def test_a_disk_too_many_is_refused_with_the_numbers(azure: Client) -> None:
    limit = {"location": WEST, "name": "premiumdiskcount", "limit": 1}
    azure.control("POST", "/quotas", limit)
    azure.run("PUT", f"{COMPUTE}/disks/one", _disk())
    assert azure.refused("PUT", f"{COMPUTE}/disks/two", _disk()) == (409, "OperationNotAllowed")
    said = azure.why("PUT", f"{COMPUTE}/disks/two", _disk())
    assert "exceeding approved PremiumDiskCount quota" in said
    assert "Current Limit: 1, Current Usage: 1, Additional Required: 1" in said
    azure.run("PUT", f"{COMPUTE}/disks/one", _disk())
    azure.run("PUT", f"{COMPUTE}/disks/two", _disk(region=NORTH))


def test_a_snapshot_too_many_is_refused(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    set_quota(azure.cloud, WEST, "StandardSnapshotCount", 0)
    body = _snapshot("Standard_LRS")
    assert azure.refused("PUT", f"{COMPUTE}/snapshots/s", body) == (409, "OperationNotAllowed")
    assert azure.cloud.snapshots == {}


def test_a_vm_too_many_cores_is_refused(azure: Client) -> None:
    disk = azure.cloud.add_disk("boot", os_type="Linux")
    set_quota(azure.cloud, WEST, "cores", 3)
    os_disk = {"createOption": "Attach", "managedDisk": {"id": disk.id}}
    body = {"location": WEST, "properties": {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"}, "storageProfile": {"osDisk": os_disk},
    }}  # fmt: skip
    path = f"{COMPUTE}/virtualMachines/new"
    assert "exceeding approved Total Regional vCPUs quota" in azure.why("PUT", path, body)
    body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D2s_v5"  # type: ignore[index]
    azure.run("PUT", path, body)


def test_a_change_of_size_is_weighed_by_what_it_adds(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", size="Standard_D4s_v5")
    set_quota(azure.cloud, WEST, "standardDSv5Family", 6)
    assert "Additional Required: 4" in azure.why("PATCH", vm.id, _resize("Standard_D8s_v5"))
    set_quota(azure.cloud, WEST, "standardDSv5Family", 3)
    azure.run("PATCH", vm.id, _resize("Standard_D2s_v5"))
    assert _used(azure)["standardDSv5Family"] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"location": "mars", "name": "cores", "limit": 1},
        {"location": WEST, "name": "corez", "limit": 1},
        {"location": WEST, "name": "cores", "limit": -1},
        {"location": WEST, "name": "cores", "limit": "many"},
    ],
)
def test_the_control_api_refuses_quotas_that_are_none(azure: Client, wrong: Any) -> None:
    answer = azure.http.post(f"{azure.base}/.lab/quotas", json=wrong, timeout=5)
    assert answer.status_code == 400
    assert azure.cloud.limits.quotas == {}


def test_another_region_has_no_usages(azure: Client) -> None:
    path = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/locations/mars/usages"
    assert azure.refused("GET", path) == (404, "NoRegisteredProviderFound")


def test_the_sdk_reads_usages_and_raises_on_a_quota(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    azure.cloud.add_vm("vm", size="Standard_D4s_v5")
    azure.cloud.dialect.page_size = 4
    found = {each.name.value: each for each in sdk.usage.list(WEST)}
    assert (found["cores"].current_value, found["cores"].limit) == (4, 100)
    assert found["cores"].name.localized_value == "Total Regional vCPUs"
    set_quota(azure.cloud, WEST, "PremiumDiskCount", 1)
    with pytest.raises(ResourceExistsError) as raised:
        sdk.disks.begin_create_or_update("rg-research-vdi", "one", Disk(_disk()), polling=False)
    assert raised.value.error is not None
    assert raised.value.error.code == "OperationNotAllowed"
