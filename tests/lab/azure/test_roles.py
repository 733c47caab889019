"""Roles: what is missing is named, scopes are told apart (reference 7.11)."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import Snapshot

from portal.lab.azure.access import assign, assign_default, forbid
from portal.lab.azure.model import CLIENT, LEAST_PRIVILEGE, OTHER_SUBSCRIPTION
from tests.lab.azure.conftest import AT_GROUP, AT_SUBSCRIPTION, COMPUTE, Client

LOCATION = "westeurope"
SNAPSHOT_WRITE = "Microsoft.Compute/snapshots/write"
DISK_ACCESS = "Microsoft.Compute/disks/beginGetAccess/action"


def _snapshot_of(disk: str) -> dict[str, Any]:
    creation = {"createOption": "Copy", "sourceResourceId": disk}
    return {"location": LOCATION, "properties": {"creationData": creation, "incremental": True}}


CALLS: dict[str, tuple[str, str, Any]] = {
    "Microsoft.Compute/virtualMachines/read": ("GET", "virtualMachines/vm", None),
    "Microsoft.Compute/virtualMachines/instanceView/read": (
        "GET", "virtualMachines/vm/instanceView", None,
    ),
    "Microsoft.Compute/virtualMachines/write": ("PATCH", "virtualMachines/vm", {"tags": {}}),
    "Microsoft.Compute/virtualMachines/deallocate/action": (
        "POST", "virtualMachines/vm/deallocate", None,
    ),
    "Microsoft.Compute/virtualMachines/start/action": ("POST", "virtualMachines/vm/start", None),
    "Microsoft.Compute/virtualMachines/powerOff/action": (
        "POST", "virtualMachines/vm/powerOff", None,
    ),
    "Microsoft.Compute/disks/read": ("GET", "disks/drive", None),
    "Microsoft.Compute/disks/write": ("PATCH", "disks/drive", {"tags": {}}),
    "Microsoft.Compute/disks/delete": ("DELETE", "disks/drive", None),
    "Microsoft.Compute/disks/beginGetAccess/action": (
        "POST", "disks/drive/beginGetAccess", {"access": "Read", "durationInSeconds": 60},
    ),
    "Microsoft.Compute/snapshots/read": ("GET", "snapshots/none", None),
    SNAPSHOT_WRITE: ("PUT", "snapshots/one", _snapshot_of(f"{COMPUTE}/disks/drive")),
    "Microsoft.Compute/snapshots/delete": ("DELETE", "snapshots/none", None),
    "Microsoft.Compute/snapshots/beginGetAccess/action": (
        "POST", "snapshots/none/beginGetAccess", {"access": "Read", "durationInSeconds": 60},
    ),
}  # fmt: skip


@pytest.mark.parametrize("action", CALLS)
def test_a_missing_action_is_refused_and_named_with_its_scope(azure: Client, action: str) -> None:
    azure.cloud.add_vm("vm")
    azure.cloud.add_disk("drive")
    method, path, body = CALLS[action]
    azure.control("POST", "/role/forbid", {"actions": [action]})
    answer = azure.ask(method, f"{COMPUTE}/{path}", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
    said = answer.json()["error"]["message"]
    scope = "/".join(f"{COMPUTE}/{path}".split("/")[:9])
    assert f"'{action}' over scope '{scope}'" in said
    assert CLIENT in said


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("Microsoft.Compute/skus/read", "providers/Microsoft.Compute/skus"),
        (
            "Microsoft.Compute/locations/usages/read",
            f"providers/Microsoft.Compute/locations/{LOCATION}/usages",
        ),
        ("Microsoft.Resources/subscriptions/resourceGroups/read", "resourceGroups"),
        ("Microsoft.Authorization/locks/read", "providers/Microsoft.Authorization/locks"),
        (
            "Microsoft.Authorization/permissions/read",
            "providers/Microsoft.Authorization/permissions",
        ),
        ("Microsoft.Network/networkInterfaces/read", "providers/Microsoft.Network/"
         "networkInterfaces"),
    ],
)  # fmt: skip
def test_what_belongs_to_the_subscription_is_guarded_too(
    azure: Client, action: str, path: str
) -> None:
    forbid(azure.cloud, action)
    said = azure.why("GET", f"{AT_SUBSCRIPTION}/{path}")
    assert f"'{action}' over scope '{AT_SUBSCRIPTION}'" in said


def test_the_lab_starts_with_the_least_that_is_needed_and_no_more(azure: Client) -> None:
    (role,) = azure.control("GET", "/role")
    assert role["scope"] == AT_SUBSCRIPTION
    assert role["actions"] == list(LEAST_PRIVILEGE)
    assert not any("*" in action for action in role["actions"])
    vm = azure.cloud.add_vm("vm")
    public = f"{AT_SUBSCRIPTION}/providers/Microsoft.Network/publicIPAddresses"
    for method, path in (("POST", f"{vm.id}/restart"), ("GET", public)):
        assert azure.refused(method, path) == (403, "AuthorizationFailed")


def test_a_copy_needs_access_to_its_source(azure: Client) -> None:
    disk = azure.cloud.add_disk("drive")
    forbid(azure.cloud, DISK_ACCESS)
    path = f"{COMPUTE}/snapshots/one"
    answer = azure.ask("PUT", path, _snapshot_of(disk.id))
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "LinkedAuthorizationFailed"
    assert f"'{DISK_ACCESS}' on the linked scope(s) '{disk.id}'" in error["message"]
    assert azure.cloud.snapshots == {}


def test_a_disk_from_a_snapshot_needs_access_to_the_snapshot(azure: Client) -> None:
    disk = azure.cloud.add_disk("drive")
    azure.run("PUT", f"{COMPUTE}/snapshots/one", _snapshot_of(disk.id))
    forbid(azure.cloud, "Microsoft.Compute/snapshots/beginGetAccess/action")
    body = _snapshot_of(f"{COMPUTE}/snapshots/one")
    del body["properties"]["incremental"]
    assert azure.refused("PUT", f"{COMPUTE}/disks/new", body) == (403, "LinkedAuthorizationFailed")


@pytest.mark.parametrize(
    "action", ["Microsoft.Network/networkInterfaces/join/action", "Microsoft.Compute/disks/write"]
)
def test_a_swap_of_disks_needs_what_it_touches(azure: Client, action: str) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated")
    new = azure.cloud.add_disk("new", size_gb=64, os_type="Windows")
    forbid(azure.cloud, action)
    os_disk = {"createOption": "FromImage", "name": "new", "managedDisk": {"id": new.id}}
    body = {"properties": {"storageProfile": {"osDisk": os_disk}}}
    assert azure.refused("PATCH", vm.id, body) == (403, "LinkedAuthorizationFailed")
    assert action in azure.why("PATCH", vm.id, body)


@pytest.mark.parametrize(
    ("action", "path", "body"),
    [
        ("Microsoft.Compute/locations/diskOperations/read", "disks/drive", {"tags": {"a": "b"}}),
        ("Microsoft.Compute/locations/operations/read", "virtualMachines/vm", {"tags": {}}),
    ],
)
def test_without_the_polling_action_an_operation_starts_and_cannot_be_followed(
    azure: Client, action: str, path: str, body: Any
) -> None:
    azure.cloud.add_vm("vm")
    azure.cloud.add_disk("drive")
    forbid(azure.cloud, action)
    started = azure.ask("PATCH", f"{COMPUTE}/{path}", body)
    assert started.status_code in {200, 202}
    for header in ("Azure-AsyncOperation", "Location"):
        assert azure.refused("GET", started.headers[header]) == (403, "AuthorizationFailed")
    assert action in azure.why("GET", started.headers["Location"])


def test_a_role_on_the_group_is_enough_to_follow_an_operation_one_on_the_vm_is_not(
    azure: Client,
) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated")
    roles = azure.cloud.access.assignments
    roles.clear()
    assign(azure.cloud, AT_GROUP)
    azure.run("POST", f"{vm.id}/start")
    roles.clear()
    assign(azure.cloud, vm.id)
    started = azure.ask("POST", f"{vm.id}/deallocate")
    assert started.status_code == 202
    assert azure.refused("GET", started.headers["Location"]) == (403, "AuthorizationFailed")
    azure.lab.clock.advance(60)
    assert vm.power == "deallocated"


def test_a_role_reaches_down_from_its_scope_and_not_beside_it(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    azure.cloud.add_disk("drive", group="rg-other")
    azure.cloud.access.assignments.clear()
    assign(azure.cloud, AT_GROUP.upper())
    azure.get(f"{COMPUTE}/disks/drive")
    other = f"{AT_SUBSCRIPTION}/resourceGroups/rg-other/providers/Microsoft.Compute/disks/drive"
    assert azure.refused("GET", other) == (403, "AuthorizationFailed")
    longer = COMPUTE.replace("rg-research-vdi", "rg-research-vdi-2")
    assert azure.refused("GET", f"{longer}/disks/drive") == (403, "AuthorizationFailed")
    everywhere = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/disks"
    assert azure.refused("GET", everywhere) == (403, "AuthorizationFailed")


def test_roles_add_up_and_a_wildcard_has_its_exceptions(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    azure.control("DELETE", "/role?all=true")
    azure.control("POST", "/role", {"actions": ["Microsoft.Compute/*/read"]})
    azure.get(f"{COMPUTE}/disks/drive")
    azure.control("POST", "/role/forbid", {"actions": ["Microsoft.Compute/disks/read"]})
    assert azure.refused("GET", f"{COMPUTE}/disks/drive") == (403, "AuthorizationFailed")
    more = {"actions": ["microsoft.compute/DISKS/read"], "scope": AT_GROUP}
    azure.control("POST", "/role", more)
    azure.get(f"{COMPUTE}/disks/drive")


def test_the_permissions_of_a_scope_are_those_of_the_roles_that_reach_it(azure: Client) -> None:
    azure.control("POST", "/role", {"scope": AT_GROUP, "actions": ["Microsoft.Compute/*"]})
    forbid(azure.cloud, "Microsoft.Compute/disks/delete")
    path = "providers/Microsoft.Authorization/permissions"
    (above,) = azure.list(f"{AT_SUBSCRIPTION}/{path}")
    assert set(LEAST_PRIVILEGE) - set(above["actions"]) == {"Microsoft.Compute/disks/delete"}
    both = azure.list(f"{AT_GROUP}/{path}")
    assert both[1] == {
        "actions": ["Microsoft.Compute/*"],
        "notActions": ["Microsoft.Compute/disks/delete"],
        "dataActions": [],
        "notDataActions": [],
    }
    vm = azure.cloud.add_vm("vm")
    assert azure.list(f"{vm.id}/{path}") == both


def test_a_caller_without_a_role_sees_no_subscription(azure: Client) -> None:
    assert [each["displayName"] for each in azure.list("/subscriptions")] == ["Research VDI"]
    azure.cloud.access.assignments.clear()
    assert azure.list("/subscriptions") == []
    assert azure.refused("GET", AT_SUBSCRIPTION) == (403, "AuthorizationFailed")
    assign_default(azure.cloud)
    azure.get(AT_SUBSCRIPTION)


@pytest.mark.parametrize(
    ("subscription", "refusal"),
    [
        (OTHER_SUBSCRIPTION, (403, "AuthorizationFailed")),
        ("55555555-5555-4555-8555-555555555555", (404, "SubscriptionNotFound")),
    ],
)
def test_other_peoples_subscriptions_are_closed(
    azure: Client, subscription: str, refusal: tuple[int, str]
) -> None:
    path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/disks"
    assert azure.refused("GET", path) == refusal
    assert OTHER_SUBSCRIPTION not in str(azure.list("/subscriptions"))


def test_the_sdk_raises_the_code_and_the_words(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.cloud.add_disk("drive")
    forbid(azure.cloud, SNAPSHOT_WRITE)
    wanted = Snapshot(_snapshot_of(f"{COMPUTE}/disks/drive"))
    with pytest.raises(HttpResponseError) as raised:
        sdk.snapshots.begin_create_or_update("rg-research-vdi", "one", wanted, polling=False)
    assert raised.value.status_code == 403
    assert raised.value.error is not None
    assert raised.value.error.code == "AuthorizationFailed"
    assert SNAPSHOT_WRITE in str(raised.value.error.message)


def test_the_sdks_pipeline_reads_the_permissions(sdk: ComputeManagementClient) -> None:
    path = f"{AT_SUBSCRIPTION}/providers/Microsoft.Authorization/permissions"
    answer = sdk.send_request(HttpRequest("GET", f"{path}?api-version=2022-04-01"))
    answer.raise_for_status()
    assert SNAPSHOT_WRITE in answer.json()["value"][0]["actions"]
