"""A person's own sign-in: second factors, identities, sessions.

What is set up or removed with allauth has its pages there; they come back to this one.
"""

from __future__ import annotations

from uuid import UUID

from allauth.mfa.models import Authenticator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from portal import sessions
from portal.access import Request, signed_in
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.identity_provider import provider
from portal.models import ExternalIdentity
from portal.refusals import Refused
from portal.second_factor import is_required
from portal.services import security as services
from portal.services import single_sign_on
from portal.sign_in import DISCONNECTED, reauthenticated, tell_of_change


@signed_in
@require_GET
@never_cache
def security(request: Request) -> HttpResponse:
    factors = list(Authenticator.objects.filter(user=request.user).order_by("created_at"))
    by_type = {factor.type: factor for factor in factors}
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    context = {
        "app": by_type.get(Authenticator.Type.TOTP),
        "passkeys": [each for each in factors if each.type == Authenticator.Type.WEBAUTHN],
        "codes": codes,
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "is_required": is_required(request.user),
        "must_enrol": sessions.must_enrol(request),
        "provider": provider(),
        "identities": request.user.identities.order_by("pk"),
        "sessions": sessions.of(request.user),
        "current": request.session.session_key,
    }
    return render(request, "portal/security.html", context)


@signed_in
@require_GET
def passkey_list(request: Request) -> HttpResponse:
    """Stand in front of allauth's list: passkeys are on the one page with everything else."""
    return redirect("portal:security")


@signed_in
@require_http_methods(["GET", "POST"])
def session_end(request: Request, session: UUID) -> HttpResponse:
    """End one of one's own; the one that is used here ends by signing out."""
    mine = sessions.of(request.user).exclude(session_key=request.session.session_key)
    found = get_object_or_404(mine, pk=session)
    back = reverse("portal:security")
    if request.method != "POST":
        context = {"session": found, "back": back, "heading": "End session"}
        return render_dialog(request, "portal/session_end.html", context)
    services.end_session(Actor.of(request), found)
    return done(request, f"The session in {found.device} has ended.", back)


@signed_in
@require_http_methods(["GET", "POST"])
def session_end_others(request: Request) -> HttpResponse:
    back = reverse("portal:security")
    if request.method != "POST":
        context = {"back": back, "heading": "End all other sessions"}
        return render_dialog(request, "portal/session_end.html", context)
    key = request.session.session_key
    ended = services.end_other_sessions(Actor.of(request), request.user, key)
    return done(request, f"{ended} other session{'' if ended == 1 else 's'} ended.", back)


@signed_in
@require_http_methods(["GET", "POST"])
@reauthenticated
def identity_disconnect(request: Request, identity: int) -> HttpResponse:
    found = get_object_or_404(ExternalIdentity.objects.filter(user=request.user), pk=identity)
    back = reverse("portal:security")
    context = {"identity": found, "back": back, "heading": "Disconnect"}
    if request.method != "POST":
        return render_dialog(request, "portal/identity_disconnect.html", context)
    try:
        single_sign_on.disconnect(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = refusal
        return render_dialog(request, "portal/identity_disconnect.html", context, status=422)
    tell_of_change(request, request.user, DISCONNECTED)
    return done(request, "Disconnected.", back)
