"""Subscriptions, groups, providers, network cards: what surrounds compute."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab.azure.access import assign
from portal.lab.azure.model import GROUP, TENANT
from tests.lab.azure.conftest import AT_GROUP, AT_SUBSCRIPTION, COMPUTE, Client

PROVIDER = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute"


def _empty(size: int = 4) -> dict[str, Any]:
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": size}
    return {"location": "westeurope", "properties": properties}


def test_the_subscription_says_whose_it_is_and_where_it_may_be_used(azure: Client) -> None:
    (found,) = azure.list("/subscriptions")
    assert found == azure.get(AT_SUBSCRIPTION)
    assert found["tenantId"] == TENANT
    assert found["state"] == "Enabled"
    regions = [each["name"] for each in azure.list(f"{AT_SUBSCRIPTION}/locations")]
    assert regions == ["westeurope", "northeurope"]


def test_groups_are_those_that_hold_something(azure: Client) -> None:
    azure.cloud.add_disk("drive", group="rg-Other")
    names = [each["name"] for each in azure.list(f"{AT_SUBSCRIPTION}/resourceGroups")]
    assert names == [GROUP, "rg-Other"]
    assert azure.get(f"{AT_SUBSCRIPTION}/resourcegroups/RG-OTHER")["name"] == "rg-Other"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/providers/Microsoft.Compute/disks/drive"),
        ("GET", "/providers/Microsoft.Compute/disks"),
        ("PUT", "/providers/Microsoft.Compute/disks/drive"),
        ("DELETE", "/providers/Microsoft.Compute/disks/drive"),
    ],
)
def test_a_group_that_is_not_there_holds_nothing_and_takes_nothing(
    azure: Client, method: str, path: str
) -> None:
    body = _empty() if method == "PUT" else None
    missing = f"{AT_SUBSCRIPTION}/resourceGroups/rg-none{path}"
    assert azure.refused(method, missing, body) == (404, "ResourceGroupNotFound")
    assert "'rg-none'" in azure.why(method, missing, body)
    assert azure.cloud.disks == {}


def test_all_kinds_of_resources_are_in_one_list(azure: Client) -> None:
    azure.cloud.add_vm("vm", tags={"frame-kind": "production"})
    azure.cloud.add_disk("drive", group="rg-other")
    every = azure.list(f"{AT_SUBSCRIPTION}/resources")
    assert sorted(each["name"] for each in every) == ["drive", "vm", "vm_OsDisk"]
    here = azure.list(f"{AT_GROUP}/resources")
    assert [each["name"] for each in here] == ["vm", "vm_OsDisk"]
    assert here[0]["tags"] == {"frame-kind": "production"}
    only = {"$filter": "resourceType eq 'Microsoft.Compute/disks'"}
    assert [each["name"] for each in azure.list(f"{AT_GROUP}/resources", **only)] == ["vm_OsDisk"]
    wrong = {"$filter": "name eq 'vm'"}
    assert azure.refused("GET", f"{AT_GROUP}/resources", **wrong) == (400, "InvalidFilter")


def test_a_vm_has_a_card_with_an_address(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    azure.cloud.add_vm("other")
    assign(azure.cloud, AT_SUBSCRIPTION, ["Microsoft.Network/*/read"])
    (reference,) = azure.get(vm.id)["properties"]["networkProfile"]["networkInterfaces"]
    card = azure.get(reference["id"])
    assert card["properties"]["virtualMachine"]["id"] == vm.id
    (address,) = card["properties"]["ipConfigurations"]
    assert address["properties"]["privateIPAddress"].startswith("10.30.")
    cards = f"{AT_GROUP}/providers/Microsoft.Network/networkInterfaces"
    assert [each["name"] for each in azure.list(cards)] == ["vm-nic", "other-nic"]
    assert azure.refused("GET", f"{cards}/none") == (404, "ResourceNotFound")
    public = f"{AT_SUBSCRIPTION}/providers/Microsoft.Network/publicIPAddresses"
    assert azure.list(public) == []


def test_a_provider_that_is_not_registered_takes_no_calls(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    off = {"namespace": "Microsoft.Compute", "is_registered": False}
    azure.control("POST", "/providers", off)
    assert azure.get(PROVIDER)["registrationState"] == "NotRegistered"
    refusal = (409, "MissingSubscriptionRegistration")
    assert azure.refused("GET", f"{COMPUTE}/disks/drive") == refusal
    assert azure.refused("PUT", f"{COMPUTE}/disks/new", _empty()) == refusal
    assert azure.refused("POST", f"{PROVIDER}/register") == (403, "AuthorizationFailed")
    azure.get(f"{AT_SUBSCRIPTION}/providers/Microsoft.Network")
    azure.control("POST", "/providers", off | {"is_registered": True})
    assert azure.get(PROVIDER)["registrationState"] == "Registered"
    azure.get(f"{COMPUTE}/disks/drive")


def test_a_role_that_may_can_register_a_provider(azure: Client) -> None:
    azure.cloud.limits.unregistered.append("Microsoft.Compute")
    azure.control("POST", "/role", {"actions": ["Microsoft.Compute/register/action"]})
    answer = azure.ask("POST", f"{PROVIDER}/register")
    assert answer.json()["registrationState"] == "Registered"
    azure.list(f"{COMPUTE}/disks")


def test_the_sdk_gives_up_at_once_where_it_may_not_register(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    azure.cloud.limits.unregistered.append("Microsoft.Compute")
    with pytest.raises(ResourceExistsError) as raised:
        list(sdk.disks.list())
    assert raised.value.error is not None
    assert raised.value.error.code == "MissingSubscriptionRegistration"
    asked = [f"{call.method} {call.path}" for call in azure.lab.calls]
    assert f"POST {PROVIDER}/register" in asked


def test_the_secret_can_be_changed_and_expire(azure: Client) -> None:
    azure.control("POST", "/secret", {"secret": "another"})
    assert "AADSTS7000215" in azure.token().json()["error_description"]
    assert azure.token("another").ok
    azure.control("POST", "/secret", {"is_expired": True})
    assert "AADSTS7000222" in azure.token("another").json()["error_description"]
    azure.control("POST", "/secret", {"is_expired": False})
    assert azure.token("another").ok
