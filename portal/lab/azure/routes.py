"""The tables of routes, filled by the modules beside this one. Fixed segments in lower case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from portal.lab.azure import access, throttling
from portal.lab.routing import Answer, Handler, Request, Routes

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

ARM: Routes[AzureCloud] = Routes()
TOKENS: Routes[AzureCloud] = Routes()

Scope = Callable[["AzureCloud", Request], str]
Register = Callable[["Handler[AzureCloud]"], "Handler[AzureCloud]"]
SUBSCRIPTION_PATH = "/subscriptions/{subscription}"
GROUP_PATH = f"{SUBSCRIPTION_PATH}/resourceGroups/{{group}}"
# The segments of the id of a resource: /subscriptions/s/resourceGroups/g/providers/p/type/name.
ID_SEGMENTS = 8


def arm(method: str, path: str, action: str, within: Scope | None = None) -> Register:
    """Register a handler that needs ``action`` on what its path names.

    ``within`` says where else a role is good enough. An empty action needs any role at all.
    """

    def register(handler: Handler[AzureCloud]) -> Handler[AzureCloud]:
        @wraps(handler)
        def guarded(cloud: AzureCloud, request: Request) -> Answer:
            access.require_subscription(cloud, request["subscription"])
            left = throttling.count(cloud, method, request.path)
            scope = scope_of(request)
            if action:
                wider = within(cloud, request) if within else ""
                access.require_action(cloud, action, scope, wider)
            elif not access.has_role(cloud):
                raise access.forbidden("Microsoft.Resources/subscriptions/read", scope)
            if "group" in request.params:
                access.require_group(cloud, request["group"])
            access.require_registered(cloud, request.path)
            if method not in ("GET", "HEAD"):
                access.require_unlocked(cloud, scope, is_deletion=method == "DELETE")
            answer = handler(cloud, request)
            return replace(answer, headers={**left, **answer.headers})

        ARM(method, _folded(path))(guarded)
        return guarded

    return register


def compute(method: str, path: str, action: str) -> Register:
    """Register a handler below the compute provider of a group; ``action`` without the provider."""
    full = f"{GROUP_PATH}/providers/Microsoft.Compute/{path}"
    return arm(method, full, f"Microsoft.Compute/{action}")


def scope_of(request: Request) -> str:
    """Return the scope a call acts on: a resource, a group or a subscription.

    Locks and permissions are asked of the scope that they follow in the path.
    """
    end = request.path.lower().find("/providers/microsoft.authorization")
    path = request.path if end < 0 else request.path[:end]
    parts = path.strip("/").split("/")
    if len(parts) > 3 and parts[2].lower() == "resourcegroups":
        length = ID_SEGMENTS if len(parts) >= ID_SEGMENTS else 4
    else:
        length = 2
    return "/" + "/".join(parts[:length])


def _folded(path: str) -> str:
    parts = path.split("/")
    return "/".join(part if part.startswith("{") else part.lower() for part in parts)
