"""Sign-in: closed to self-registration, and every try in the audit trail.

allauth's own hooks are used, as it offers no call of ours to write from.
"""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from portal.access import View, public
from portal.audit import Actor, client_address, record
from portal.models import AuditEntry, User

log = structlog.get_logger(__name__)
CONNECTED, DISCONNECTED = "portal/identity_connected", "portal/identity_disconnected"
# What allauth says by the name of a template, and what is ours alone.
CHANGES = {
    "account/email/password_changed": "Your password was changed.",
    "account/email/password_reset": "A new password was set, by a link sent to this address.",
    "account/email/password_set": "A password was set.",
    "mfa/email/totp_activated": "An authenticator app was added.",
    "mfa/email/totp_deactivated": "The authenticator app was removed.",
    "mfa/email/webauthn_added": "A passkey was added.",
    "mfa/email/webauthn_removed": "A passkey was removed.",
    "mfa/email/recovery_codes_generated": "New recovery codes were made. Former ones are void.",
    CONNECTED: "An identity of the identity provider was connected: it signs in here now.",
    DISCONNECTED: "The identity of the identity provider was disconnected.",
}


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

    def send_notification_mail(
        self, template_prefix: str, user: User, *args: Any, **kwargs: Any
    ) -> None:
        """Tell a person what was done to their sign-in. Without a mail server it is done, too."""
        told = {
            "change": CHANGES[template_prefix],
            "at": timezone.now(),
            "address": client_address(self.request),
        }
        try:
            self.send_mail("account/email/changed", user.email, told)
        except OSError as error:  # of smtplib's, too
            log.warning("mail.not_sent", what=template_prefix, error=type(error).__name__)


def tell_of_change(request: HttpRequest, user: User, what: str) -> None:
    """Send a person the mail about what was done to their sign-in, one of ``CHANGES``."""
    get_adapter(request).send_notification_mail(what, user)


def _steps(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """What the person showed to come in, one after the other."""
    return list(get_authentication_records(request, user))


@public
def not_offered(request: HttpRequest) -> HttpResponse:
    """Stand in front of pages of allauth's that the portal does without."""
    raise Http404


def limited(request: HttpRequest, action: str) -> HttpResponse | None:
    """The page of too many tries of this, by ``SIGN_IN_LIMITS``; None: this one may go on."""
    answer: HttpResponse | None = ratelimit.consume_or_429(
        request, app="portal", action=action, config=settings.SIGN_IN_LIMITS, limit_get=True
    )
    return answer


def reauthenticated(view: View) -> View:
    """Only for whoever has said a moment ago, once more, who they are; others are asked first."""
    guarded: View = reauthentication_required(app="allauth.mfa")(view)
    return guarded
