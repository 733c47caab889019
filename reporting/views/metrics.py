"""/metrics: figures of the deployment for Prometheus. Nothing here names a customer."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from portal.access import public
from reporting.metrics import exposition


@public
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For who has the token of the settings; without one the page is not there."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_known = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    if scheme.lower() != "bearer" or not is_known:
        refusal = HttpResponse("A bearer token is needed.\n", "text/plain", status=401)
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
