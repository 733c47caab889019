"""What the control API can do to roles, locks, quotas, offers and the secret."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from portal.lab.azure import access, limits, skus
from portal.lab.azure.control import CONTROL
from portal.lab.azure.model import REGIONS, SUBSCRIPTION
from portal.lab.control import DONE
from portal.lab.routing import Answer, Refusal, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

_WHOLE = f"/subscriptions/{SUBSCRIPTION}"


def _texts(request: Request, name: str) -> list[str]:
    given: Any = request.object.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Refusal(f"{name} is a list of texts", 400)
    return given


def _optional(request: Request, name: str, default: str) -> str:
    return request.text(name) if name in request.object else default


# Roles


@CONTROL("GET", "/role")
def role_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer([asdict(each) for each in cloud.access.assignments])


@CONTROL("POST", "/role")
def role_assign(cloud: AzureCloud, request: Request) -> Answer:
    """``{"actions": […], "scope": …}``: one more role, on the subscription by default."""
    access.assign(cloud, _optional(request, "scope", _WHOLE), _texts(request, "actions"))
    return role_show(cloud, request)


@CONTROL("POST", "/role/forbid")
def role_forbid(cloud: AzureCloud, request: Request) -> Answer:
    """``{"actions": […]}``: no role allows these any longer."""
    for action in _texts(request, "actions"):
        access.forbid(cloud, action)
    return role_show(cloud, request)


@CONTROL("DELETE", "/role")
def role_reset(cloud: AzureCloud, request: Request) -> Answer:
    """Back to the least that the product needs; ``?all=true`` leaves no role at all."""
    access.assign_default(cloud)
    if request.flag("all"):
        cloud.access.assignments.clear()
    return role_show(cloud, request)


@CONTROL("POST", "/secret")
def secret_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"secret": …, "is_expired": …}``; what is not named stays."""
    cloud.access.secret = _optional(request, "secret", cloud.access.secret)
    cloud.access.is_secret_expired = request.object.get("is_expired") is True
    return DONE


# Locks


@CONTROL("GET", "/locks")
def lock_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer([asdict(each) for each in cloud.locks.values()])


@CONTROL("POST", "/locks")
def lock_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"scope": …, "level": "CanNotDelete" or "ReadOnly", "name": …}``."""
    level = _optional(request, "level", "CanNotDelete")
    if level not in ("CanNotDelete", "ReadOnly"):
        raise Refusal(f"There is no lock {level}", 400)
    access.lock(cloud, request.text("scope"), level, _optional(request, "name", "keep"))
    return lock_show(cloud, request)


@CONTROL("DELETE", "/locks")
def lock_clear(cloud: AzureCloud, request: Request) -> Answer:
    """Lift all locks, or those of ``?scope=``."""
    scope = request.query.get("scope")
    for key, held in list(cloud.locks.items()):
        if scope is None or held.scope.lower() == scope.lower():
            del cloud.locks[key]
    return lock_show(cloud, request)


# Quotas and offers


@CONTROL("POST", "/quotas")
def quota_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"location": …, "name": …, "limit": …}``."""
    limit = request.object.get("limit")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise Refusal("The limit is a whole number", 400)
    limits.set_quota(cloud, request.text("location"), request.text("name"), limit)
    return Answer(cloud.limits.quotas)


@CONTROL("POST", "/sizes/restrict")
def size_restrict(cloud: AzureCloud, request: Request) -> Answer:
    """``{"size": …, "location": …, "zones": […]}``; without zones, everywhere in the region."""
    size, location = _offer(request)
    reason = _optional(request, "reason", "NotAvailableForSubscription")
    if reason not in ("NotAvailableForSubscription", "QuotaId"):
        raise Refusal(f"There is no reason {reason}", 400)
    skus.restrict(cloud, size, location, _texts(request, "zones"), reason)
    return _limits(cloud)


@CONTROL("POST", "/sizes/exhaust")
def size_exhaust(cloud: AzureCloud, request: Request) -> Answer:
    """``{"size": …, "location": …}``: no such VM starts there for now."""
    size, location = _offer(request)
    cloud.limits.exhausted.setdefault(location, []).append(size)
    return _limits(cloud)


@CONTROL("POST", "/providers")
def provider_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"namespace": …, "is_registered": …}``."""
    namespace = request.text("namespace")
    kept = [each for each in cloud.limits.unregistered if each.lower() != namespace.lower()]
    cloud.limits.unregistered = kept
    if request.object.get("is_registered") is False:
        cloud.limits.unregistered.append(namespace)
    return _limits(cloud)


@CONTROL("DELETE", "/limits")
def limits_clear(cloud: AzureCloud, request: Request) -> Answer:
    """Default quotas, nothing withheld, room for all, every provider registered."""
    cloud.limits = type(cloud.limits)()
    return _limits(cloud)


def _offer(request: Request) -> tuple[str, str]:
    size, location = request.text("size"), request.text("location")
    if size not in skus.SIZES or location not in REGIONS:
        raise Refusal(f"There is no {size} in {location}", 400)
    return size, location


def _limits(cloud: AzureCloud) -> Answer:
    return Answer(asdict(cloud.limits))
