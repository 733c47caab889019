"""What allauth and Django tell about sign-in: written into the audit trail and the sessions.

Signals are used here alone, as neither has a call of ours to write from.
"""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from allauth.core import context
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest

from portal import sessions
from portal.audit import Actor, record
from portal.models import AuditEntry, User, UserSession
from portal.second_factor import forget_enrolling


@receiver(user_logged_in)
def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    sessions.begin(request, user)


@receiver(user_logged_out)
def _signed_out(request: HttpRequest, **_: Any) -> None:
    UserSession.objects.filter(session_key=request.session.session_key or "").delete()


@receiver([password_changed, password_set])
def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    record(Actor.of(request), "user.change_password", user)
    sessions.end_others(user, request.session.session_key)
    sessions.note_again(request, user)


@receiver(password_reset)
def _password_reset(request: HttpRequest, user: User, **_: Any) -> None:
    record(Actor.of(request), "user.reset_password", user)
    sessions.end_others(user, None)


def _factor(authenticator: Authenticator) -> dict[str, Any]:
    is_passkey = authenticator.type == Authenticator.Type.WEBAUTHN
    return {"factor": str(authenticator.type)} | (
        {"name": authenticator.wrap().name} if is_passkey else {}
    )


@receiver(post_save, sender=Authenticator)
def _added(instance: Authenticator, created: bool, **_: Any) -> None:
    # In the transaction of the change; allauth's own signal comes when that is over.
    request = context.request
    if not created or request is None:
        return
    is_codes = instance.type == Authenticator.Type.RECOVERY_CODES
    action = "user.renew_recovery_codes" if is_codes else "user.add_factor"
    record(Actor.of(request), action, instance.user, **_factor(instance))
    forget_enrolling(request)
    sessions.note_again(request, instance.user)


@receiver(factors.authenticator_removed)
def _removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    record(Actor.of(request), "user.remove_factor", user, **_factor(authenticator))
    sessions.note_again(request, user)


@receiver(factors.authentication_failed)
def _failed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    result = AuditEntry.Result.FAILED
    record(Actor.of(request), "user.second_factor", user, result=result, **_factor(authenticator))
