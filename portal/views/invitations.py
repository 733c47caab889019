"""Accepting an invitation by its link."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.access import public
from portal.account_forms import JoinForm
from portal.audit import Actor, record
from portal.models import Invitation, User
from portal.refusals import Refused
from portal.services import people
from portal.sign_in import limited

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@public
@never_cache
@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "POST"])
def invitation_accept(request: HttpRequest, token: str) -> HttpResponse:
    """Somebody new gives a name and a password; who has an account signs in as themselves."""
    if too_many := limited(request, "invitation"):
        return too_many
    invitation = people.find_invitation(token)
    if invitation is None:
        return render(request, "portal/invitation_closed.html", {}, status=404)
    if User.objects.filter(email=invitation.email).exists():
        return _accept(request, invitation)
    if request.user.is_authenticated:
        context = {"invitation": invitation, "is_other": True}
        return render(request, "portal/invitation_accept.html", context)
    return _register(request, invitation)


def _register(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = JoinForm(invitation.email, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.register(Actor.of(request), invitation, **form.cleaned_data)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            login(request, user, backend=BACKEND)
            record(Actor.of(request), "user.signed_in", user, by="invitation")
            messages.success(request, f"Welcome. You are {invitation.get_role_display()}.")
            return redirect("portal:home")
    status = 422 if form.is_bound else 200
    context = {"invitation": invitation, "form": form}
    return render(request, "portal/invitation_accept.html", context, status=status)


def _accept(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """For somebody who has an account: signed in as the one invited, one button."""
    if not request.user.is_authenticated:
        sign_in = f"{reverse('account_login')}?next={request.path}"
        return redirect(sign_in)
    is_other = request.user.email.lower() != invitation.email.lower()
    context = {"invitation": invitation, "is_other": is_other}
    if request.method == "POST" and not is_other:
        try:
            people.accept(Actor.of(request), invitation)
        except Refused as refusal:
            return render(request, "portal/invitation_closed.html", {"reason": refusal}, status=422)
        messages.success(request, f"You are now {invitation.get_role_display()}.")
        return redirect("portal:home")
    return render(request, "portal/invitation_accept.html", context)
