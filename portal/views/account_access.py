"""Who has which role on an account, and on what is above it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Permission, Request, account_view
from portal.account_forms import GrantForm
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Invitation
from portal.paging import numbered
from portal.refusals import Refused
from portal.services import people


@account_view(Permission.VIEW)
@require_GET
def account_access(request: Request) -> HttpResponse:
    offers = people.offers(request.user, request.account)
    grants = people.grants_on(request.account).order_by("user__full_name", "user__email", "pk")
    invitations = people.open_invitations_on(request.account).order_by("email", "pk")
    page = numbered(grants, request.GET)
    invited = numbered(invitations, request.GET, field="invitations")
    context = {
        "grants": [(grant, people.may_revoke(grant, offers)) for grant in page],
        "page": page,
        "invitations": [(row, people.may_revoke(row, offers)) for row in invited],
        "invited": invited,
        "may_manage": Permission.MANAGE_ACCESS in request.permissions,
        "section": "portal:account_settings",
    }
    return render(request, "portal/account_access.html", context)


@account_view(Permission.MANAGE_ACCESS)
@require_http_methods(["GET", "POST"])
def role_grant_create(request: Request) -> HttpResponse:
    """Give a role to somebody known here, or invite them."""
    form = GrantForm(people.offers(request.user, request.account), request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            message = _grant_or_invite(request, **form.cleaned_data)
            return done(request, message, _back(request))
        except Refused as refusal:
            form.refuse(refusal)
    status = 422 if form.is_bound else 200
    context = _context(request, "Grant a role") | {"form": form}
    return render_dialog(request, "portal/role_grant_create.html", context, status=status)


def _grant_or_invite(request: Request, email: str, role: people.Offer) -> str:
    actor = Actor.of(request)
    known = people.known_at(request.account.organization.customer, email)
    if known:
        people.grant_role(actor, known, role=role.role, scope=role.scope)
        return f"{known} is now {role.role.label} of {role.scope}."
    path = reverse("portal:invitation_accept", kwargs={"token": "TOKEN"})
    people.invite(
        actor,
        email=email,
        role=role.role,
        scope=role.scope,
        address=request.build_absolute_uri(path),
    )
    return f"Invitation sent to {email}."


@account_view(Permission.MANAGE_ACCESS)
@require_http_methods(["GET", "POST"])
def role_grant_revoke(request: Request, grant: int) -> HttpResponse:
    found = get_object_or_404(people.grants_on(request.account), pk=grant)
    context = _context(request, "Revoke role") | {
        "grant": found,
        "is_own": found.user == request.user,
    }
    if not people.may_revoke(found, people.offers(request.user, request.account)):
        context["refusal"] = "This role is above your own; ask an administrator of its scope."
        return render_dialog(request, "portal/role_grant_revoke.html", context, status=403)
    if request.method != "POST":
        return render_dialog(request, "portal/role_grant_revoke.html", context)
    try:
        people.revoke_role(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = refusal
        return render_dialog(request, "portal/role_grant_revoke.html", context, status=422)
    # Without the role the page behind may be out of reach.
    back = reverse("portal:home") if context["is_own"] else _back(request)
    return done(request, f"{found.user} is no longer {found.get_role_display()}.", back)


@account_view(Permission.MANAGE_ACCESS)
@require_http_methods(["GET", "POST"])
def invitation_revoke(request: Request, invitation: UUID) -> HttpResponse:
    rows: Any = Invitation.objects.filter(people.reaching(request.account), accepted_at=None)
    found = get_object_or_404(rows, pk=invitation)
    context = _context(request, "Withdraw invitation") | {"invitation": found}
    if not people.may_revoke(found, people.offers(request.user, request.account)):
        context["refusal"] = "This invitation is above your own role."
        return render_dialog(request, "portal/invitation_revoke.html", context, status=403)
    if request.method != "POST":
        return render_dialog(request, "portal/invitation_revoke.html", context)
    people.revoke_invitation(Actor.of(request), found)
    return done(request, f"The invitation of {found.email} has been withdrawn.", _back(request))


def _context(request: Request, heading: str) -> dict[str, Any]:
    back = _back(request)
    return {"back": back, "heading": heading, "section": "portal:account_settings"}


def _back(request: Request) -> str:
    return reverse("portal:account_access", args=[request.account.pk])
