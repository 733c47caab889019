"""Subscriptions, groups, locks, permissions, and the little of Network that clients read."""

from __future__ import annotations

from typing import Any

from portal.lab.azure import wire
from portal.lab.azure.access import assignments_at, covers
from portal.lab.azure.cloud import AzureCloud
from portal.lab.azure.model import GROUP, REGIONS, SUBSCRIPTION, TENANT
from portal.lab.azure.refusals import ArmRefusal, not_found
from portal.lab.azure.routes import ARM, GROUP_PATH, SUBSCRIPTION_PATH, arm, scope_of
from portal.lab.routing import Answer, Request

_GROUPS_READ = "Microsoft.Resources/subscriptions/resourceGroups/read"
_PERMISSIONS = "providers/Microsoft.Authorization/permissions"
_LOCKS = "providers/Microsoft.Authorization/locks"
_NICS = "providers/Microsoft.Network/networkInterfaces"


def _subscription() -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "Research VDI",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
    }


@ARM("GET", "/subscriptions")
def subscription_list(cloud: AzureCloud, request: Request) -> Answer:
    return Answer({"value": [_subscription()]})


@arm("GET", SUBSCRIPTION_PATH, _GROUPS_READ)
def subscription_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(_subscription())


@arm("GET", f"{SUBSCRIPTION_PATH}/providers/{{provider}}", _GROUPS_READ)
def provider_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer({
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/{request['provider']}",
        "namespace": request["provider"],
        "registrationState": "Registered",
        "resourceTypes": [],
    })  # fmt: skip


def _group_names(cloud: AzureCloud) -> list[str]:
    """Groups are not kept apart: they are those that hold something, and the demo's."""
    names = {GROUP.lower(): GROUP}
    for held in (cloud.vms, cloud.disks, cloud.snapshots):
        for each in held.values():
            name = each.id.split("/")[4]
            names.setdefault(name.lower(), name)
    return list(names.values())


def _group(name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": REGIONS[0],
        "properties": {"provisioningState": "Succeeded"},
    }


@arm("GET", f"{SUBSCRIPTION_PATH}/resourceGroups", _GROUPS_READ)
def group_list(cloud: AzureCloud, request: Request) -> Answer:
    return wire.page(cloud, request, [_group(name) for name in _group_names(cloud)])


@arm("GET", GROUP_PATH, _GROUPS_READ)
def group_show(cloud: AzureCloud, request: Request) -> Answer:
    for name in _group_names(cloud):
        if name.lower() == request["group"].lower():
            return Answer(_group(name))
    raise ArmRefusal(
        404, "ResourceGroupNotFound", f"Resource group '{request['group']}' could not be found."
    )


@arm("GET", f"{SUBSCRIPTION_PATH}/resources", _GROUPS_READ)
def resource_list(cloud: AzureCloud, request: Request) -> Answer:
    shown = []
    for kind, held in (
        ("virtualMachines", cloud.vms), ("disks", cloud.disks), ("snapshots", cloud.snapshots)
    ):  # fmt: skip
        for each in held.values():
            shown.append({
                "id": each.id, "name": each.name, "location": each.location,
                "type": f"Microsoft.Compute/{kind}", "tags": dict(each.tags),
            })  # fmt: skip
    return wire.page(cloud, request, shown)


# Roles and locks


def permission_list(cloud: AzureCloud, request: Request) -> Answer:
    """What the caller may do on a scope: its assignments there and above."""
    found = assignments_at(cloud, scope_of(request))
    shown = [{"actions": each.actions, "notActions": each.not_actions} for each in found]
    return Answer({"value": shown})


def lock_list(cloud: AzureCloud, request: Request) -> Answer:
    """Locks that bear on a scope: above it, on it, and below it."""
    scope = scope_of(request)
    return wire.page(cloud, request, [
        {
            "id": f"{lock.scope}/{_LOCKS}/{lock.name}",
            "name": lock.name,
            "type": "Microsoft.Authorization/locks",
            "properties": {"level": lock.level},
        }
        for lock in cloud.locks.values()
        if covers(lock.scope, scope) or covers(scope, lock.scope)
    ])  # fmt: skip


for _base in (SUBSCRIPTION_PATH, GROUP_PATH):
    arm("GET", f"{_base}/{_PERMISSIONS}", "Microsoft.Authorization/permissions/read")(
        permission_list
    )
    arm("GET", f"{_base}/{_LOCKS}", "Microsoft.Authorization/locks/read")(lock_list)


# Network


@arm("GET", f"{GROUP_PATH}/{_NICS}/{{name}}", "Microsoft.Network/networkInterfaces/read")
def nic_show(cloud: AzureCloud, request: Request) -> Answer:
    id_ = f"{scope_of(request)}"
    for vm in cloud.vms.values():
        if vm.nic.lower() == id_.lower():
            return Answer({
                "id": vm.nic, "name": request["name"], "location": vm.location,
                "type": "Microsoft.Network/networkInterfaces",
                "properties": {"provisioningState": "Succeeded", "virtualMachine": {"id": vm.id}},
            })  # fmt: skip
    raise not_found(id_)
