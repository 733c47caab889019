"""Sign-in: closed to self-registration, and every try in the audit trail.

allauth's own hooks are used, as it offers no call of ours to write from.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from django.http import Http404, HttpRequest, HttpResponse

from portal.access import View, public
from portal.audit import Actor, record
from portal.models import AuditEntry, User


class SignInAdapter(DefaultAccountAdapter):
    """What allauth asks of us."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Email or password is wrong.",
        "too_many_login_attempts": "Too many tries. Wait a few minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People come in by invitation or by staff, never by signing themselves up."""
        return False

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> Any:
        methods = [str(each.get("type", each["method"])) for each in _steps(request, user)]
        record(Actor.of(request), "user.signed_in", user, by=methods)
        return super().post_login(request, user, **kwargs)

    def logout(self, request: HttpRequest) -> None:
        actor = Actor.of(request)
        if actor.user:
            record(actor, "user.signed_out", actor.user)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        email = str(credentials.get("email") or credentials.get("username") or "")
        email = email.replace("\x00", "").strip()
        # Whose address it is decides which administrators are shown the try; nobody's, none.
        meant = User.objects.filter(email=email.lower()).first()
        failed = AuditEntry.Result.FAILED
        record(Actor.of(request), "user.sign_in", meant, result=failed, label=email)
        super().authentication_failed(request, **credentials)


def _steps(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """What the person showed to come in, one after the other."""
    return list(get_authentication_records(request, user))


@public
def not_offered(request: HttpRequest) -> HttpResponse:
    """Stand in front of pages of allauth's that the portal does without."""
    raise Http404


def reauthenticated(view: View) -> View:
    """Only for whoever has said a moment ago, once more, who they are; others are asked first."""
    guarded: View = reauthentication_required(app="allauth.mfa")(view)
    return guarded
