"""Signing in with the identity provider: to it, and back.

By links, not by forms: the policy lets no form lead to another site, and nothing is changed on
the way there but one's own session.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.access import Request, public, signed_in
from portal.audit import Actor, record
from portal.identity_provider import (
    Attempt,
    Person,
    Provider,
    Untrusted,
    authorization_url,
    identify,
    new_attempt,
    provider,
)
from portal.models import AuditEntry, User
from portal.refusals import Refused
from portal.second_factor import ASKED_ELSEWHERE
from portal.services import single_sign_on as services
from portal.sign_in import CONNECTED, limited, reauthenticated, tell_of_change

# In the session: what is under way to the provider, by state. Each is good once, and not for long.
_UNDER_WAY = "single_sign_on"
_LONGEST_SECONDS = 600
_MOST = 5


@public
@require_GET
@never_cache
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Lead to the provider."""
    return _lead(request, connecting=None)


@signed_in
@require_GET
@never_cache
@reauthenticated
def identity_connect(request: Request) -> HttpResponse:
    """Lead to the provider, to connect who one is there with who one is here."""
    return _lead(request, connecting=request.user)


def _lead(request: HttpRequest, *, connecting: User | None) -> HttpResponse:
    given = _provider()
    if too_many := limited(request, "single_sign_on"):
        return too_many
    attempt = new_attempt()
    try:
        url = authorization_url(given, attempt, _back(request))
    except Untrusted as trouble:
        return _refuse(request, given, str(trouble), status=503)
    wish = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wish, {request.get_host()}, request.is_secure())
    under_way = list(request.session.get(_UNDER_WAY, {}).items())[-_MOST + 1 :]
    entry = asdict(attempt) | {
        "at": time.time(),
        "next": wish if is_ours else "",
        "connecting": str(connecting.pk) if connecting else "",
    }
    request.session[_UNDER_WAY] = dict([*under_way, (attempt.state, entry)])
    return redirect(url)


@public
@require_GET
@never_cache
def single_sign_on_back(request: HttpRequest) -> HttpResponse:
    """The provider sends the browser here, with a code or an error."""
    given = _provider()
    if too_many := limited(request, "single_sign_on"):
        return too_many
    entry = _taken(request)
    if entry is None:
        return _refuse(request, given, "This sign-in is over, or was begun elsewhere. Start again.")
    code, issuer = request.GET.get("code", ""), request.GET.get("iss", given.issuer)
    if not code or issuer != given.issuer:
        return _refuse(request, given, "The identity provider has not signed you in.")
    attempt = Attempt(entry["state"], entry["nonce"], entry["verifier"])
    try:
        person = identify(given, attempt, code, _back(request))
        if entry["connecting"]:
            return _connect(request, person, entry)
        user = services.come_in(Actor.of(request), person)
    except (Untrusted, Refused) as refusal:
        return _refuse(request, given, str(refusal))
    return _come_in(request, user, person, entry)


def _come_in(
    request: HttpRequest, user: User, person: Person, entry: dict[str, Any]
) -> HttpResponse:
    """Through allauth, which asks for the second factor of whoever has one here."""
    request.session[ASKED_ELSEWHERE] = person.was_asked_for_more
    record_authentication(request, user, method="single_sign_on", issuer=person.issuer)
    answer: HttpResponse = perform_login(
        request, Login(user=user, redirect_url=entry["next"] or None)
    )
    return answer


def _connect(request: HttpRequest, person: Person, entry: dict[str, Any]) -> HttpResponse:
    user = request.user
    if not isinstance(user, User) or str(user.pk) != entry["connecting"]:
        raise Refused("You are signed in as somebody else by now. Start again.")
    services.connect(Actor.of(request), user, person)
    tell_of_change(request, user, CONNECTED)
    return redirect("portal:security")


def _taken(request: HttpRequest) -> dict[str, Any] | None:
    """What was under way with this state, taken out of the session: no state is good twice."""
    under_way = request.session.get(_UNDER_WAY, {})
    entry: dict[str, Any] | None = under_way.pop(request.GET.get("state", ""), None)
    if entry is None:
        return None
    request.session[_UNDER_WAY] = under_way
    # At once: a second answer that comes meanwhile must find nothing.
    request.session.save()
    return entry if time.time() - entry["at"] < _LONGEST_SECONDS else None


def _provider() -> Provider:
    given = provider()
    if given is None:
        raise Http404
    return given


def _back(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("portal:single_sign_on_back"))


def _refuse(
    request: HttpRequest, given: Provider, reason: str, *, status: int = 403
) -> HttpResponse:
    actor = Actor.of(request)
    failed = AuditEntry.Result.FAILED
    record(actor, "user.sign_in", actor.user, result=failed, label=given.name, reason=reason)
    context = {"reason": reason, "provider": given}
    return render(request, "portal/single_sign_on_refused.html", context, status=status)
