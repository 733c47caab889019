"""Signs of life for load balancers and monitoring. Nothing here names a customer."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.access import public
from portal.health import readiness


@public
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process is up; nothing else is looked at."""
    return JsonResponse({"status": "ok"})


@public
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether people and tasks are served: 200, or 503 with the reasons."""
    findings = readiness()
    is_ready = all(finding.is_ok for finding in findings)
    body = {
        "status": "ready" if is_ready else "not ready",
        "checks": {finding.name: "ok" if finding.is_ok else finding.text for finding in findings},
    }
    return JsonResponse(body, status=200 if is_ready else 503)
