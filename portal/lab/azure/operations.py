"""Long-running operations as clients follow them (reference 3.1, 5.1, 8.5)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from portal.lab.azure import wire
from portal.lab.azure.refusals import ArmRefusal, error_body
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm
from portal.lab.clock import from_usecs
from portal.lab.routing import Answer, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud
    from portal.lab.azure.model import Operation

_LOCATION = f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/locations/{{location}}"
SIGNATURE_BYTES = 4000


def headers(cloud: AzureCloud, operation: Operation, request: Request) -> dict[str, str]:
    """Return the headers by which a client follows an operation."""
    version = request.query.get("api-version", "")
    url = (
        f"{cloud.base}/subscriptions/{operation.subscription}/providers/Microsoft.Compute/"
        f"locations/{operation.location}/{operation.collection}/{operation.id}"
        f"?p={operation.id}&api-version={version}"
    )
    if cloud.dialect.signed_urls:
        seal = hashlib.sha256(operation.id.encode()).hexdigest()
        url += f"&t={operation.started_at}&c={seal * (SIGNATURE_BYTES // len(seal))}&s=s&h={seal}"
    found = {"Location": f"{url}&monitor=true"}
    if not cloud.dialect.location_only:
        found["Azure-AsyncOperation"] = url
    if cloud.timing.retry_after:
        found["Retry-After"] = str(cloud.timing.retry_after)
    return found


def accepted(
    cloud: AzureCloud, operation: Operation, request: Request, body: Any = None, status: int = 202
) -> Answer:
    """Return the first answer of an operation."""
    return Answer(body, status, headers(cloud, operation, request))


def said(request: Request) -> str:
    """Return what tells a call from another one to the same resource."""
    text = json.dumps([request.method, request.body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def replayed(cloud: AzureCloud, request: Request, id_: str) -> Answer | None:
    """Answer a PUT or DELETE that has come before and is not done yet, as if it were the first.

    Clients send these again when a connection breaks (reference 6.1).
    """
    operation = cloud.active_on(id_)
    if operation is None or operation.params.get("said") != said(request):
        return None
    body = wire.any_resource(cloud, id_) if request.method == "PUT" else None
    status = 200 if body and operation.collection == "operations" else 202
    return accepted(cloud, operation, request, body, status)


def _show(cloud: AzureCloud, operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "startTime": from_usecs(operation.started_at).isoformat(),
        "status": operation.status,
        "name": operation.id,
    }
    if operation.ended_at is not None:
        shown["endTime"] = from_usecs(operation.ended_at).isoformat()
    if operation.error_code:
        shown |= error_body(operation.error_code, operation.error)
    elif operation.status == "Succeeded" and operation.action in ("disk_put", "snapshot_put"):
        output = wire.any_resource(cloud, operation.target) or {"properties": {}}
        output["properties"].pop("completionPercent", None)
        shown["properties"] = {"output": output}
    return shown


def _follow(cloud: AzureCloud, request: Request) -> Answer:
    operation = cloud.operations.get(request["id"].lower())
    if operation is None or operation.is_forgotten:
        raise ArmRefusal(404, "NotFound", f"The operation '{request['id']}' was not found.")
    if "monitor" not in request.query:
        wait = cloud.timing.retry_after
        extra = {"Retry-After": str(wait)} if wait and operation.ended_at is None else {}
        return Answer(_show(cloud, operation), 200, extra)
    if operation.ended_at is None:
        return Answer(None, 202, headers(cloud, operation, request))
    if operation.error_code:
        return Answer(error_body(operation.error_code, operation.error), 409)
    if operation.method in ("PUT", "PATCH"):
        return Answer(wire.any_resource(cloud, operation.target))
    output = operation.params.get("output")
    return (
        Answer(output, 200) if output else Answer(None, 200 if operation.method == "POST" else 204)
    )


def _group_of(cloud: AzureCloud, request: Request) -> str:
    """An operation lies outside its resource: a role on the group reaches it, one on that no."""
    operation = cloud.operations.get(request["id"].lower())
    return "/".join(operation.target.split("/")[:5]) if operation else ""


for _kind, _action in (("DiskOperations", "diskOperations"), ("operations", "operations")):
    arm(
        "GET", f"{_LOCATION}/{_kind}/{{id}}", f"Microsoft.Compute/locations/{_action}/read",
        _group_of,
    )(_follow)  # fmt: skip
