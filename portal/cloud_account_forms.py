"""Forms of cloud accounts. The password goes in and never comes back out."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from django import forms
from django.core.exceptions import ValidationError

from portal.endpoints import checked_endpoint
from portal.forms import PlainCharField, StandbyForm
from portal.models import CloudAccount, Customer, Organization, User

CUSTOMER_WIDE = "customer"


def checked_ca(value: str) -> str:
    """Return PEM text with at least one certificate; raise ValidationError otherwise."""
    text = value.strip()
    if "PRIVATE KEY" in text:
        raise ValidationError("This holds a private key. Paste the certificate alone.")
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValidationError(
            "This is no certificate in PEM form. It begins with -----BEGIN CERTIFICATE-----."
        ) from error
    return text + "\n"


class CloudAccountForm(StandbyForm):
    """How to reach a Prism Element cluster."""

    name = PlainCharField(max_length=100, help_text="As your people call the cluster.")
    endpoint = PlainCharField(
        max_length=200,
        label="Prism Element address",
        help_text="https, with the port: https://cluster.example:9440",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    user = PlainCharField(
        max_length=100,
        help_text="A Prism Element user with the role Cluster Admin.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted; never shown again.",
    )
    ca_pem = forms.CharField(
        max_length=100_000,
        required=False,
        label="CA certificate",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off"}),
        help_text="PEM text of the CA that signed the cluster's certificate. "
        "Empty: a public CA of the system's list.",
    )

    def clean_endpoint(self) -> str:
        return checked_endpoint(self.cleaned_data["endpoint"])

    def clean_ca_pem(self) -> str:
        text = self.cleaned_data["ca_pem"]
        return checked_ca(text) if text.strip() else ""


class CloudAccountCreateForm(CloudAccountForm):
    """Also says where it is registered: on a customer or on one organization (R111)."""

    scope = forms.ChoiceField(
        label="Registered on",
        help_text="A cloud account of a customer can be used by all its organizations.",
    )
    field_order = ("scope",)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scopes: dict[str, Customer | Organization] = {}
        for customer in Customer.objects.administered_by(user).order_by("name"):
            self._scopes[f"customer:{customer.pk}"] = customer
        organizations = Organization.objects.administered_by(user).select_related("customer")
        for organization in organizations.order_by("name"):
            self._scopes[f"organization:{organization.pk}"] = organization
        choices = [(value, _scope_label(scope)) for value, scope in self._scopes.items()]
        scope_field = self.fields["scope"]
        if isinstance(scope_field, forms.ChoiceField):
            scope_field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Add ``customer`` and ``organization`` in place of the scope's value."""
        cleaned = super().clean() or self.cleaned_data
        scope = self._scopes.get(cleaned.pop("scope", ""))
        if isinstance(scope, Organization):
            cleaned |= {"customer": scope.customer, "organization": scope}
        elif scope:
            cleaned |= {"customer": scope, "organization": None}
        return cleaned


class CloudAccountEditForm(CloudAccountForm):
    """An empty password keeps the one there is."""

    def __init__(self, cloud_account: CloudAccount, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "name": cloud_account.name,
            "endpoint": cloud_account.endpoint,
            "user": cloud_account.secrets.get("user", ""),
            "ca_pem": cloud_account.ca_pem,
        }
        super().__init__(*args, **kwargs)
        self.fields["password"].required = False
        self.fields[
            "password"
        ].help_text = "Empty: the present one stays. A new address needs it again."


def _scope_label(scope: Customer | Organization) -> str:
    if isinstance(scope, Organization):
        return f"{scope} (organization)"
    return f"{scope} (customer, all organizations)"
