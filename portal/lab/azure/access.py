"""What stands between a caller and a resource: roles, locks, throttling (reference 7.7 to 7.11)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from portal.lab.azure.model import CLIENT, OTHER_SUBSCRIPTION, SUBSCRIPTION, Assignment, Bucket
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.clock import SECOND

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

# Calls at once, and calls a second after that.
RATES = {"reads": (250, 25), "writes": (200, 10), "deletes": (200, 10)}
KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}


def require_subscription(cloud: AzureCloud, subscription: str) -> None:
    """404 for one that is unknown, 403 for one where the caller has no role."""
    if subscription.lower() == OTHER_SUBSCRIPTION:
        scope = f"/subscriptions/{subscription}"
        raise _forbidden("Microsoft.Resources/subscriptions/read", scope)
    if subscription.lower() != SUBSCRIPTION:
        raise ArmRefusal(
            404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
        )


def throttle(cloud: AzureCloud, method: str) -> None:
    """429 when the caller's bucket for this kind of call is empty."""
    if not cloud.dialect.is_throttled:
        return
    kind = KINDS.get(method, "writes")
    size, rate = RATES[kind]
    bucket = cloud.buckets.setdefault(kind, Bucket(size, cloud.now))
    passed = (cloud.now - bucket.at) / SECOND
    bucket.left, bucket.at = min(size, bucket.left + passed * rate), cloud.now
    if bucket.left < 1:
        raise ArmRefusal(
            429, "TooManyRequests",
            f"Number of {kind} for subscription '{SUBSCRIPTION}' exceeded the limit. "
            "Please try again later.",
            headers={"Retry-After": str(max(1, round((1 - bucket.left) / rate)))},
        )  # fmt: skip
    bucket.left -= 1


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


def require_action(cloud: AzureCloud, action: str, scope: str) -> None:
    """403 AuthorizationFailed, naming action and scope."""
    if not is_allowed(cloud, action, scope):
        raise _forbidden(action, scope)


def require_linked(cloud: AzureCloud, action: str, scope: str, source: str) -> None:
    """403 LinkedAuthorizationFailed: making ``scope`` needs an action on its source."""
    if not is_allowed(cloud, action, source):
        raise ArmRefusal(
            403, "LinkedAuthorizationFailed",
            f"The client with object id '{CLIENT}' has permission to perform action on scope "
            f"'{scope}'; however, it does not have permission to perform action(s) '{action}' "
            f"on the linked scope(s) '{source}' (respectively) or the linked scope(s) are invalid.",
        )  # fmt: skip


def _forbidden(action: str, scope: str) -> ArmRefusal:
    return ArmRefusal(
        403, "AuthorizationFailed",
        f"The client '{CLIENT}' with object id '{CLIENT}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials.",
    )  # fmt: skip


# Locks


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
