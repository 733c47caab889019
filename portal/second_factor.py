"""Second factors: codes of an app, passkeys, recovery codes; and who has to have one.

allauth keeps and checks them; here is what is ours: secrets are encrypted at rest with the
keys of cloud credentials, also while somebody sets one up, and the rule of who needs one.
"""

from __future__ import annotations

from typing import Any

import qrcode
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from cryptography.fernet import InvalidToken
from django import forms
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.safestring import SafeString
from qrcode.image.svg import SvgPathImage

from portal.audit import Actor, record
from portal.forms import plain_text
from portal.models import Customer, User
from portal.secret_field import fernet

# What signs somebody in; recovery codes only stand in for one that is lost.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# Set by a sign-in of which the identity provider said that it asked for more than a password.
ASKED_ELSEWHERE = "second_factor_elsewhere"
_ENROLLING = "second_factor_secret"
LONGEST_NAME = 60


class SecondFactorAdapter(DefaultMFAAdapter):
    """What allauth asks of us about second factors."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This did not work. Try again with a new code, or with the same passkey.",
        "cannot_delete_authenticator": "Your organization requires two-factor sign-in. Add a "
        "passkey first, then remove the authenticator app.",
    }

    def get_totp_issuer(self) -> str:
        return f"Standby ({context.request.get_host()})"

    def build_totp_svg(self, url: str) -> str:
        """A QR code for the page itself: the policy lets no image be inside an address."""
        image = qrcode.make(url, image_factory=SvgPathImage, border=2)
        return SafeString(image.to_string(encoding="unicode"))

    def encrypt(self, text: str) -> str:
        return fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Fail closed: what no key opens raises, it is never returned as it is."""
        try:
            return fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "A second factor cannot be read: SECRETS_KEYS lacks the key it was written with."
            ) from error

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user = authenticator.user
        others = Authenticator.objects.filter(user=user, type__in=FACTORS)
        return others.exclude(pk=authenticator.pk).exists() or not is_required(user)

    def generate_authenticator_name(self, user: User, type: str) -> str:
        return f"Passkey {Authenticator.objects.filter(user=user, type=type).count() + 1}"


class ActivateForm(ActivateTOTPForm):
    """Sets up an app. Its secret waits for the first code in the session, encrypted."""

    code = forms.CharField(
        label="Code of the app",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "input"}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.user = kwargs.pop("user")
        # Past allauth's own, which would keep the secret in the session as it is.
        super(ActivateTOTPForm, self).__init__(*args, **{"label_suffix": "", **kwargs})
        self.secret = _enrolling(anew=not self.is_bound)


def _enrolling(*, anew: bool) -> str:
    """The secret that is being set up in this session."""
    adapter, session = SecondFactorAdapter(), context.request.session
    if anew or _ENROLLING not in session:
        session[_ENROLLING] = adapter.encrypt(generate_totp_secret())
    return adapter.decrypt(session[_ENROLLING])


def forget_enrolling(request: HttpRequest) -> None:
    """Drop the secret that was being set up."""
    request.session.pop(_ENROLLING, None)


class NamedForm(forms.Form):
    """A passkey's name: one line without control characters."""

    def clean_name(self) -> str:
        return plain_text(self.cleaned_data["name"].strip() or "Passkey")[:LONGEST_NAME]


_NAME = {"class": "input", "autocomplete": "off"}


class AddPasskeyForm(NamedForm, AddWebAuthnForm):
    """Takes what the browser has made."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs=_NAME),
        help_text="Such as the device it is on.",
    )
    passwordless = forms.BooleanField(
        label="Sign in with it alone",
        required=False,
        initial=True,
        help_text="It asks for your fingerprint, face or PIN, and the password is not needed. "
        "Switch off for a security key that cannot ask.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class RenamePasskeyForm(NamedForm, EditWebAuthnForm):
    name = forms.CharField(
        label="Name", max_length=LONGEST_NAME, widget=forms.TextInput(attrs=_NAME)
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    @transaction.atomic
    def save(self) -> Authenticator:
        before = self.instance.wrap().name
        saved = super().save()
        actor = Actor.of(context.request)
        after = self.cleaned_data["name"]
        record(actor, "user.rename_factor", actor.user, before=before, after=after)
        return saved


def has_factor(user: User) -> bool:
    """Whether the person signs in with more than a password."""
    return bool(Authenticator.objects.filter(user=user, type__in=FACTORS).exists())


def is_required(user: User) -> bool:
    """Whether the person has to have one: staff by setting, others by any of their customers."""
    if (user.is_staff or user.is_superuser) and settings.STAFF_TWO_FACTOR:
        return True
    reached = (
        Q(rolegrants__user=user)
        | Q(organizations__rolegrants__user=user)
        | Q(organizations__accounts__rolegrants__user=user)
    )
    return Customer.objects.filter(reached, requires_two_factor=True).exists()


def is_missing(request: HttpRequest, user: User) -> bool:
    """Whether one is required that this session has not been asked for, and cannot be yet."""
    if request.session.get(ASKED_ELSEWHERE):
        return False
    return is_required(user) and not has_factor(user)


def rewritten(data: dict[str, Any]) -> dict[str, Any]:
    """An authenticator's data with its secrets encrypted by the first key."""
    adapter = SecondFactorAdapter()
    secret = {key: data[key] for key in ("secret", "seed") if key in data}
    return data | {key: adapter.encrypt(adapter.decrypt(value)) for key, value in secret.items()}
