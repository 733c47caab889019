"""Publishing the Sandbox, with a confirmation."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods

from backups.models import Backup
from backups.panels import servers_of
from backups.publish import publish_sandbox
from backups.retention import surplus
from backups.views import dialog_context, has_consent, open_dialog, panel_of, refused, requested
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done
from portal.models import Resource
from portal.refusals import Refused

TEMPLATE = "backups/sandbox_publish.html"


@account_view(Permission.BACK_UP_SERVERS)
@require_http_methods(["GET", "POST"])
def sandbox_publish(request: Request) -> HttpResponse:
    """What happens in which order, and which publish backup leaves (R012 to R016)."""
    sandbox = servers_of(request.account).filter(kind=Resource.Kind.SANDBOX).first()
    if sandbox is None:
        raise Http404
    panel = panel_of(request, sandbox.pk)
    keep = request.account.publish_retention
    context = dialog_context(panel, panel.publish_hindrance) | {
        "keep": keep,
        "leaving": surplus(sandbox, Backup.Type.PUBLISH, keep, coming=1),
    }
    if request.method != "POST":
        return open_dialog(request, panel, TEMPLATE, context)
    try:
        backup = publish_sandbox(
            Actor.of(request), panel.resource, may_power_off=has_consent(request)
        )
    except Refused as refusal:
        return refused(request, panel, TEMPLATE, context, refusal)
    return done(request, requested(panel, "Publishing", backup.task_id), panel.url)
