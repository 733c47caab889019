"""The poll of a page: everything on it that moves, in one answer."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.access import Permission, Request, account_view, signed_in, wants_fragment
from portal.live import answer


@signed_in
@never_cache
@require_GET
def live(request: Request) -> HttpResponse:
    """Of pages above accounts, for somebody who has looked at none yet."""
    return answer(request) if wants_fragment(request) else redirect("portal:home")


@account_view(Permission.VIEW)
@never_cache
@require_GET
def account_live(request: Request) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("reporting:overview", account=request.account.pk)
    return answer(request)
