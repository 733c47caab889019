"""What stands between a caller and a resource: roles and locks (reference 7.7, 7.11)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from portal.lab.azure.model import (
    CLIENT,
    GROUP,
    LEAST_PRIVILEGE,
    OTHER_SUBSCRIPTION,
    SUBSCRIPTION,
    Assignment,
    Lock,
    Vm,
)
from portal.lab.azure.refusals import ArmRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portal.lab.azure.cloud import AzureCloud


def require_subscription(cloud: AzureCloud, subscription: str) -> None:
    """404 for one that is unknown, 403 for one where the caller has no role."""
    if subscription.lower() == OTHER_SUBSCRIPTION:
        scope = f"/subscriptions/{subscription}"
        raise forbidden("Microsoft.Resources/subscriptions/read", scope)
    if subscription.lower() != SUBSCRIPTION:
        raise ArmRefusal(
            404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
        )


def group_names(cloud: AzureCloud) -> list[str]:
    """Groups are not kept apart: they are those that hold something, and the demo's."""
    names = {GROUP.lower(): GROUP}
    for held in (cloud.vms, cloud.disks, cloud.snapshots):
        for each in held.values():
            name = each.id.split("/")[4]
            names.setdefault(name.lower(), name)
    return list(names.values())


def require_group(cloud: AzureCloud, group: str) -> None:
    """404 for a group that is not there, whatever is asked of it."""
    if group.lower() not in {name.lower() for name in group_names(cloud)}:
        raise ArmRefusal(
            404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.",
            headers={"x-ms-failure-cause": "gateway"},
        )  # fmt: skip


def require_registered(cloud: AzureCloud, path: str) -> None:
    """409 while the subscription is not registered for the provider of a path."""
    parts = path.strip("/").lower().split("/")
    for namespace in cloud.limits.unregistered:
        if namespace.lower() in parts and parts[-1] not in (namespace.lower(), "register"):
            raise ArmRefusal(
                409, "MissingSubscriptionRegistration",
                f"The subscription is not registered to use namespace '{namespace}'. See "
                "https://aka.ms/rps-not-found for how to register subscriptions.",
            )  # fmt: skip


# Roles


def is_allowed(cloud: AzureCloud, action: str, scope: str) -> bool:
    """Whether an assignment at the scope or above allows this action."""
    return any(_allows(each, action) for each in assignments_at(cloud, scope))


def assignments_at(cloud: AzureCloud, scope: str) -> list[Assignment]:
    """The caller's assignments that reach a scope."""
    return [each for each in cloud.access.assignments if covers(each.scope, scope)]


def covers(scope: str, inner: str) -> bool:
    """Whether a scope is another or lies above it."""
    outer, inner = scope.lower().rstrip("/"), inner.lower().rstrip("/")
    return inner == outer or inner.startswith(f"{outer}/")


def _allows(assignment: Assignment, action: str) -> bool:
    wanted = action.lower()
    is_named = any(fnmatchcase(wanted, each.lower()) for each in assignment.actions)
    return is_named and not any(fnmatchcase(wanted, e.lower()) for e in assignment.not_actions)


def has_role(cloud: AzureCloud) -> bool:
    """Whether the caller has any role in the subscription: then it can see that it is there."""
    scope = f"/subscriptions/{SUBSCRIPTION}"
    return any(covers(scope, each.scope) for each in cloud.access.assignments)


def forbid(cloud: AzureCloud, action: str) -> None:
    """Take an action out of every role."""
    for each in cloud.access.assignments:
        each.actions = [kept for kept in each.actions if kept.lower() != action.lower()]
        if _allows(each, action):  # by a wildcard
            each.not_actions.append(action)


def assign(cloud: AzureCloud, scope: str, actions: Iterable[str] = LEAST_PRIVILEGE) -> None:
    """Give the caller a role on a scope; by default the least that the product needs."""
    cloud.access.assignments.append(Assignment(scope, list(actions)))


def assign_default(cloud: AzureCloud) -> None:
    """Give back the role that the lab starts with, and no other."""
    cloud.access.assignments.clear()
    assign(cloud, f"/subscriptions/{SUBSCRIPTION}")


def require_action(cloud: AzureCloud, action: str, scope: str, within: str = "") -> None:
    """403 AuthorizationFailed, naming action and scope. A role on ``within`` is good too."""
    if not is_allowed(cloud, action, scope) and not is_allowed(cloud, action, within):
        raise forbidden(action, scope)


def require_linked(cloud: AzureCloud, action: str, scope: str, source: str) -> None:
    """403 LinkedAuthorizationFailed: making ``scope`` needs an action on its source."""
    if not is_allowed(cloud, action, source):
        raise ArmRefusal(
            403, "LinkedAuthorizationFailed",
            f"The client with object id '{CLIENT}' has permission to perform action on scope "
            f"'{scope}'; however, it does not have permission to perform action(s) '{action}' "
            f"on the linked scope(s) '{source}' (respectively) or the linked scope(s) are invalid.",
        )  # fmt: skip


def require_vm_links(cloud: AzureCloud, vm: Vm, disks: Iterable[str]) -> None:
    """A write to a VM is one to its network card and to the disks it names, too."""
    if vm.nic:
        require_linked(cloud, "Microsoft.Network/networkInterfaces/join/action", vm.id, vm.nic)
    for disk in disks:
        require_linked(cloud, "Microsoft.Compute/disks/write", vm.id, disk)


def forbidden(action: str, scope: str) -> ArmRefusal:
    """403: no role allows this action there."""
    return ArmRefusal(
        403, "AuthorizationFailed",
        f"The client '{CLIENT}' with object id '{CLIENT}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials.",
    )  # fmt: skip


# Locks


def lock(cloud: AzureCloud, scope: str, level: str = "CanNotDelete", name: str = "keep") -> Lock:
    """Put a lock on a subscription, a group or a resource."""
    made = Lock(name, scope, level)
    cloud.locks[f"{scope}/{name}".lower()] = made
    return made


def require_unlocked(cloud: AzureCloud, scope: str, *, is_deletion: bool) -> None:
    """409 ScopeLocked, naming the scope that holds the lock."""
    for lock in cloud.locks.values():
        is_hit = is_deletion or lock.level == "ReadOnly"
        if is_hit and covers(lock.scope, scope):
            verb = "delete" if is_deletion else "write"
            raise ArmRefusal(
                409, "ScopeLocked",
                f"The scope '{scope}' cannot perform {verb} operation because following scope(s) "
                f"are locked: '{lock.scope}'. Please remove the lock and try again.",
            )  # fmt: skip
