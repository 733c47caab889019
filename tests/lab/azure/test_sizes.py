"""Sizes, where they are offered, and what there is no room for (reference 7.5, 7.9)."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab.azure.skus import restrict
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

SKUS = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/skus"
WEST, NORTH = "westeurope", "northeurope"
SIZE = "Standard_D4s_v5"


def _vm(azure: Client, size: str = SIZE, zones: tuple[str, ...] = ()) -> dict[str, Any]:
    disk = azure.cloud.add_disk("boot", os_type="Linux", zones=zones)
    os_disk = {"createOption": "Attach", "managedDisk": {"id": disk.id}}
    profiles = {"hardwareProfile": {"vmSize": size}, "storageProfile": {"osDisk": os_disk}}
    return {"location": WEST, "zones": list(zones), "properties": profiles}


def _sizes(azure: Client, **query: str) -> list[Any]:
    return [each for each in azure.list(SKUS, **query) if each["resourceType"] == "virtualMachines"]


@pytest.mark.parametrize("given", ["location eq 'westeurope'", "Location EQ 'West Europe'"])
def test_the_list_is_filtered_by_location_alone(azure: Client, given: str) -> None:
    found = azure.list(SKUS, **{"$filter": given})
    assert {tuple(each["locations"]) for each in found} == {(WEST,)}
    assert {each["resourceType"] for each in found} == {"virtualMachines", "disks", "snapshots"}
    assert len(azure.list(SKUS)) == 2 * len(found)
    wrong = {"$filter": "name eq 'Standard_D2s_v5'"}
    assert azure.refused("GET", SKUS, **wrong) == (400, "InvalidFilter")


def test_a_size_says_what_it_is(azure: Client) -> None:
    size = next(each for each in _sizes(azure) if each["name"] == SIZE)
    assert size["family"] == "standardDSv5Family"
    capabilities = {each["name"]: each["value"] for each in size["capabilities"]}
    assert capabilities["vCPUs"] == "4"
    assert capabilities["MemoryGB"] == "16"
    assert size["restrictions"] == []


def test_a_size_that_is_withheld_says_so_in_its_region_only(azure: Client) -> None:
    given = {"size": SIZE, "location": WEST, "reason": "QuotaId"}
    azure.control("POST", "/sizes/restrict", given)
    here, there = (
        each for region in (WEST, NORTH)
        for each in _sizes(azure, **{"$filter": f"location eq '{region}'"}) if each["name"] == SIZE
    )  # fmt: skip
    assert here["restrictions"] == [{
        "type": "Location", "values": [WEST], "restrictionInfo": {"locations": [WEST]},
        "reasonCode": "QuotaId",
    }]  # fmt: skip
    assert there["restrictions"] == []
    body = _vm(azure)
    path = f"{COMPUTE}/virtualMachines/new"
    assert azure.refused("PUT", path, body) == (409, "SkuNotAvailable")
    assert f"'{SIZE}' is currently not available in location '{WEST}'" in azure.why(
        "PUT", path, body
    )
    azure.control("DELETE", "/limits")
    azure.run("PUT", path, body)


@pytest.mark.parametrize(("zones", "is_refused"), [(("2",), True), (("1",), False), ((), False)])
def test_a_size_can_be_withheld_in_one_zone(
    azure: Client, zones: tuple[str, ...], is_refused: bool
) -> None:
    restrict(azure.cloud, SIZE, WEST, ["2", "3"])
    found = next(each for each in _sizes(azure) if each["name"] == SIZE)
    (restriction,) = found["restrictions"]
    assert restriction["type"] == "Zone"
    assert restriction["restrictionInfo"] == {"locations": [WEST], "zones": ["2", "3"]}
    body = _vm(azure, zones=zones)
    answer = azure.ask("PUT", f"{COMPUTE}/virtualMachines/new", body)
    assert (answer.status_code == 409) is is_refused
    if is_refused:
        assert "zone '2' of location" in answer.json()["error"]["message"]


def test_a_vm_is_not_changed_to_a_size_that_is_withheld_and_keeps_one_that_is(
    azure: Client,
) -> None:
    vm = azure.cloud.add_vm("vm", size=SIZE)
    restrict(azure.cloud, SIZE, WEST)
    restrict(azure.cloud, "Standard_E4s_v5", WEST)

    def change(size: str) -> dict[str, Any]:
        return {"properties": {"hardwareProfile": {"vmSize": size}}}

    assert azure.refused("PATCH", vm.id, change("Standard_E4s_v5")) == (409, "SkuNotAvailable")
    assert azure.refused("PATCH", vm.id, change("Standard_X1")) == (400, "InvalidParameter")
    azure.run("PATCH", vm.id, change(SIZE))


@pytest.mark.parametrize(
    ("zones", "code"), [((), "AllocationFailed"), (("1",), "ZonalAllocationFailed")]
)
def test_a_vm_for_which_there_is_no_room_stays_as_it_was(
    azure: Client, zones: tuple[str, ...], code: str
) -> None:
    vm = azure.cloud.add_vm("vm", size=SIZE, power="deallocated", zones=zones)
    azure.control("POST", "/sizes/exhaust", {"size": SIZE, "location": WEST})
    ended = azure.follow(azure.ask("POST", f"{vm.id}/start"))
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == code
    assert vm.power == "deallocated"
    azure.control("DELETE", "/limits")
    azure.run("POST", f"{vm.id}/start")
    assert vm.power == "running"


@pytest.mark.parametrize(
    ("kind", "sku"), [("disks", "Marble_LRS"), ("snapshots", "StandardSSD_LRS")]
)
def test_storage_that_does_not_exist_is_refused(azure: Client, kind: str, sku: str) -> None:
    disk = azure.cloud.add_disk("drive")
    creation = {"createOption": "Copy", "sourceResourceId": disk.id}
    body = {"location": WEST, "sku": {"name": sku}, "properties": {"creationData": creation}}
    assert azure.refused("PUT", f"{COMPUTE}/{kind}/new", body) == (400, "InvalidParameter")


def test_the_sdk_finds_where_a_size_may_be_used(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    restrict(azure.cloud, SIZE, NORTH)
    azure.cloud.dialect.page_size = 3
    azure.cloud.dialect.upper_groups = True
    usable = set()
    for each in sdk.resource_skus.list():
        if each.resource_type != "virtualMachines" or each.name != SIZE:
            continue
        withheld = {
            place for found in each.restrictions or []
            if found.type == "Location" and found.restriction_info
            for place in found.restriction_info.locations or []
        }  # fmt: skip
        usable |= {place.lower() for place in each.locations or []} - withheld
    assert usable == {WEST}


def test_the_sdk_says_why_a_vm_does_not_start(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.cloud.timing.start_seconds = 0
    azure.cloud.limits.exhausted[WEST] = [SIZE]
    azure.cloud.add_vm("vm", size=SIZE, power="deallocated")
    with pytest.raises(HttpResponseError) as raised:
        sdk.virtual_machines.begin_start("rg-research-vdi", "vm").result(5)
    assert raised.value.error is not None
    assert raised.value.error.code == "AllocationFailed"
