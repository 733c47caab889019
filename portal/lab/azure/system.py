"""Subscriptions, providers, groups, locks and permissions: what is not compute."""

from __future__ import annotations

import re
from typing import Any

from portal.lab.azure import wire
from portal.lab.azure.access import assignments_at, covers, group_names, has_role
from portal.lab.azure.cloud import AzureCloud
from portal.lab.azure.model import REGIONS, SUBSCRIPTION, TENANT, Lock
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.azure.routes import ARM, GROUP_PATH, SUBSCRIPTION_PATH, arm, scope_of
from portal.lab.routing import Answer, Request

_GROUPS_READ = "Microsoft.Resources/subscriptions/resourceGroups/read"
_PERMISSIONS = "providers/Microsoft.Authorization/permissions"
_LOCKS = "providers/Microsoft.Authorization/locks"
_TYPE_FILTER = re.compile(r"^\s*resourceType\s+eq\s+'([^']*)'\s*$", re.IGNORECASE)
_DISPLAY = {"westeurope": "West Europe", "northeurope": "North Europe"}


@ARM("GET", "/tenants")
def tenant_list(cloud: AzureCloud, request: Request) -> Answer:
    shown = {"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": "Lab"}
    return Answer({"value": [shown]})


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
    """Those where the caller has a role; somebody else's is not among them."""
    return Answer({"value": [_subscription()] if has_role(cloud) else []})


@arm("GET", SUBSCRIPTION_PATH, "")
def subscription_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(_subscription())


@arm("GET", f"{SUBSCRIPTION_PATH}/locations", "")
def location_list(cloud: AzureCloud, request: Request) -> Answer:
    return Answer({"value": [
        {
            "id": f"/subscriptions/{SUBSCRIPTION}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": _DISPLAY[name],
            "regionalDisplayName": f"(Europe) {_DISPLAY[name]}",
        }
        for name in REGIONS
    ]})  # fmt: skip


def provider_show(cloud: AzureCloud, request: Request) -> Answer:
    namespace = request.path.rstrip("/").rpartition("/")[2]
    missing = {each.lower() for each in cloud.limits.unregistered}
    return Answer(_provider(namespace, is_registered=namespace.lower() not in missing))


def _provider(namespace: str, *, is_registered: bool) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered" if is_registered else "NotRegistered",
        "resourceTypes": [],
    }


@arm("POST", f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/register",
     "Microsoft.Compute/register/action")  # fmt: skip
def provider_register(cloud: AzureCloud, request: Request) -> Answer:
    """Takes effect at once; a role that only backs up does not allow it."""
    kept = [each for each in cloud.limits.unregistered if each.lower() != "microsoft.compute"]
    cloud.limits.unregistered = kept
    return Answer(_provider("Microsoft.Compute", is_registered=True))


# Those that have routes of their own are named: a fixed segment hides one that may be any.
for _name in ("Microsoft.Compute", "Microsoft.Network", "Microsoft.Authorization", "{provider}"):
    arm("GET", f"{SUBSCRIPTION_PATH}/providers/{_name}", "")(provider_show)


# Groups, and what they hold


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
    return wire.page(cloud, request, [_group(name) for name in group_names(cloud)])


@arm("GET", GROUP_PATH, _GROUPS_READ)
def group_show(cloud: AzureCloud, request: Request) -> Answer:
    wanted = request["group"].lower()
    return Answer(next(_group(name) for name in group_names(cloud) if name.lower() == wanted))


def resource_list(cloud: AzureCloud, request: Request) -> Answer:
    """The only filter is ``resourceType eq 'Microsoft.Compute/disks'``."""
    given, scope = request.query.get("$filter", ""), scope_of(request)
    found = _TYPE_FILTER.match(given)
    if given and not found:
        raise invalid(f"The filter '{given}' is not supported.", "$filter", "InvalidFilter")
    wanted = found.group(1).lower() if found else ""
    shown = []
    for kind, held in (
        ("virtualMachines", cloud.vms), ("disks", cloud.disks), ("snapshots", cloud.snapshots)
    ):  # fmt: skip
        name = f"Microsoft.Compute/{kind}"
        for each in held.values():
            if covers(scope, each.id) and wanted in ("", name.lower()):
                shown.append({
                    "id": each.id, "name": each.name, "location": each.location, "type": name,
                    "tags": dict(each.tags),
                })  # fmt: skip
    return wire.page(cloud, request, shown)


# Roles and locks


def permission_list(cloud: AzureCloud, request: Request) -> Answer:
    """What the caller may do on a scope: its roles there and above."""
    found = assignments_at(cloud, scope_of(request))
    return Answer({"value": [
        {
            "actions": list(each.actions), "notActions": list(each.not_actions),
            "dataActions": [], "notDataActions": [],
        }
        for each in found
    ]})  # fmt: skip


def lock_list(cloud: AzureCloud, request: Request) -> Answer:
    """Locks above a scope, on it and below it; with ``atScope()`` not those below."""
    scope = scope_of(request)
    at_scope = request.query.get("$filter", "").replace(" ", "").lower() == "atscope()"
    return wire.page(cloud, request, (
        _lock(each) for each in cloud.locks.values()
        if covers(each.scope, scope) or (covers(scope, each.scope) and not at_scope)
    ))  # fmt: skip


def _lock(lock: Lock) -> dict[str, Any]:
    return {
        "id": f"{lock.scope}/{_LOCKS}/{lock.name}",
        "name": lock.name,
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": lock.level} | ({"notes": lock.notes} if lock.notes else {}),
    }


def lock_show(cloud: AzureCloud, request: Request) -> Answer:
    wanted = f"{scope_of(request)}/{request['lock']}".lower()
    if wanted not in cloud.locks:
        raise ArmRefusal(404, "LockNotFound", f"The lock '{request['lock']}' could not be found.")
    return Answer(_lock(cloud.locks[wanted]))


_COMPUTE = f"{GROUP_PATH}/providers/Microsoft.Compute"
_KINDS = ("virtualMachines", "disks", "snapshots")
for _base in (
    SUBSCRIPTION_PATH, GROUP_PATH, *(f"{_COMPUTE}/{kind}/{{name}}" for kind in _KINDS)
):  # fmt: skip
    arm("GET", f"{_base}/{_PERMISSIONS}", "Microsoft.Authorization/permissions/read")(
        permission_list
    )
    arm("GET", f"{_base}/{_LOCKS}", "Microsoft.Authorization/locks/read")(lock_list)
    arm("GET", f"{_base}/{_LOCKS}/{{lock}}", "Microsoft.Authorization/locks/read")(lock_show)
for _base in (SUBSCRIPTION_PATH, GROUP_PATH):
    arm("GET", f"{_base}/resources", _GROUPS_READ)(resource_list)
