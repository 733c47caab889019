"""Forms of cloud accounts. The password goes in and never comes back out."""

from __future__ import annotations

from typing import Any, ClassVar

from cryptography import x509
from django import forms
from django.core.exceptions import ValidationError

from portal.choices import LongSelect
from portal.clouds.kinds import KINDS
from portal.endpoints import HTTPS_PORT, checked_endpoint
from portal.forms import PlainCharField, StandbyForm
from portal.models import CloudAccount, Customer, Infrastructure, Organization, User
from portal.uuids import as_uuid

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
    """What is asked of every cloud account; `secrets` of its kind are gathered by `clean`."""

    kind: ClassVar[str]
    intro: ClassVar[str]

    name = PlainCharField(max_length=100)
    ca_pem = forms.CharField(
        max_length=100_000,
        required=False,
        label="CA certificate",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off"}),
        help_text="PEM text of the CA that signed the endpoint's certificate. "
        "Empty: a public CA of the system's list.",
    )

    def clean_ca_pem(self) -> str:
        text = self.cleaned_data["ca_pem"]
        return checked_ca(text) if text.strip() else ""

    def clean(self) -> dict[str, Any]:
        """Put facts and secret of the kind into ``secrets``, in place of their fields."""
        cleaned = super().clean() or self.cleaned_data
        kind = KINDS[self.kind]
        names = (*kind.facts, kind.secret)
        optional = {name: cleaned.pop(name, "") for name in kind.agent}
        if all(name in cleaned for name in names):
            given = {name: value for name, value in optional.items() if value}
            cleaned["secrets"] = {name: cleaned.pop(name) for name in names} | given
        return cleaned


class AhvForm(CloudAccountForm):
    """How to reach a Prism Element cluster."""

    kind = Infrastructure.AHV
    intro = "A Nutanix AHV cluster, reached through its Prism Element."

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
    agent_endpoint = PlainCharField(
        max_length=200,
        required=False,
        label="Guest agent gateway",
        help_text="https address of the service that tells guests to run sysprep, for publishing "
        "a domain-joined Sandbox. README says what it must do. Empty: there is none.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    agent_token = forms.CharField(
        max_length=500,
        strip=False,
        required=False,
        label="Gateway token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted; never shown again.",
    )
    field_order = (
        "scope", "name", "endpoint", "user", "password", "ca_pem", "agent_endpoint", "agent_token",
    )  # fmt: skip

    def clean_endpoint(self) -> str:
        return checked_endpoint(self.cleaned_data["endpoint"])

    def clean_agent_endpoint(self) -> str:
        given = self.cleaned_data["agent_endpoint"]
        return checked_endpoint(given, HTTPS_PORT) if given else ""

    def clean_agent_token(self) -> str:
        token: str = self.cleaned_data["agent_token"]
        if token and not (self.cleaned_data.get("agent_endpoint") or self.errors):
            raise ValidationError("Enter the gateway's address too, or leave the token empty.")
        return token


class AzureForm(CloudAccountForm):
    """How to reach an Azure subscription, as an application with a client secret."""

    kind = Infrastructure.AZURE
    intro = (
        "A Microsoft Azure subscription, reached as an application of your tenant. "
        "README says which actions its role needs."
    )

    tenant = PlainCharField(max_length=36, label="Tenant ID")
    subscription = PlainCharField(max_length=36, label="Subscription ID")
    client_id = PlainCharField(
        max_length=36, label="Client ID", help_text="Application (client) ID of the registration."
    )
    client_secret = forms.CharField(
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="The secret's value. Kept encrypted; never shown again.",
    )
    authority = PlainCharField(
        max_length=200,
        initial="https://login.microsoftonline.com",
        help_text="Where tokens come from. Sovereign clouds: https://login.microsoftonline.us, "
        "https://login.partner.microsoftonline.cn",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    endpoint = PlainCharField(
        max_length=200,
        label="Resource Manager address",
        initial="https://management.azure.com",
        help_text="Sovereign clouds: https://management.usgovcloudapi.net, "
        "https://management.chinacloudapi.cn",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    field_order = (
        "scope", "name", "tenant", "subscription", "client_id", "client_secret", "authority",
        "endpoint", "ca_pem",
    )  # fmt: skip

    def clean_tenant(self) -> str:
        return _checked_id(self.cleaned_data["tenant"])

    def clean_subscription(self) -> str:
        return _checked_id(self.cleaned_data["subscription"])

    def clean_client_id(self) -> str:
        return _checked_id(self.cleaned_data["client_id"])

    def clean_authority(self) -> str:
        return checked_endpoint(self.cleaned_data["authority"], HTTPS_PORT)

    def clean_endpoint(self) -> str:
        return checked_endpoint(self.cleaned_data["endpoint"], HTTPS_PORT)


def _checked_id(value: str) -> str:
    """Azure's ids are UUIDs; people paste them in any casing."""
    found = as_uuid(value)
    if found is None:
        raise ValidationError("Enter an ID such as 00000000-0000-0000-0000-000000000000.")
    return str(found)


class _Scoped(CloudAccountForm):
    """Also says where it is registered: on a customer or on one organization (R111)."""

    scope = forms.ChoiceField(
        label="Registered on",
        widget=LongSelect,
        error_messages={"invalid_choice": "Choose one of the list."},
        help_text="A cloud account of a customer can be used by all its organizations.",
    )

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
        """Add ``kind``, and ``customer`` and ``organization`` in place of the scope's value."""
        cleaned = super().clean()
        scope = self._scopes.get(cleaned.pop("scope", ""))
        if isinstance(scope, Organization):
            cleaned |= {"customer": scope.customer, "organization": scope}
        elif scope:
            cleaned |= {"customer": scope, "organization": None}
        return cleaned | {"kind": self.kind}


class _Editing(CloudAccountForm):
    """An empty secret keeps the one there is."""

    def __init__(self, cloud_account: CloudAccount, *args: Any, **kwargs: Any) -> None:
        kind = KINDS[cloud_account.kind]
        kwargs["initial"] = {
            "name": cloud_account.name,
            "endpoint": cloud_account.endpoint,
            "ca_pem": cloud_account.ca_pem,
        } | {fact: cloud_account.secrets.get(fact, "") for fact in (*kind.facts, *kind.agent[:1])}
        super().__init__(*args, **kwargs)
        secret = self.fields[kind.secret]
        secret.required = False
        secret.help_text = f"Empty: the present one stays. Another {kind.place} needs it again."
        for token in kind.agent[1:]:
            stays = "Empty: the present one stays. Another address needs it again."
            self.fields[token].help_text = stays


class AhvCreateForm(_Scoped, AhvForm):
    """A new cluster."""


class AzureCreateForm(_Scoped, AzureForm):
    """A new subscription."""


class AhvEditForm(_Editing, AhvForm):
    """A cluster, changed."""


class AzureEditForm(_Editing, AzureForm):
    """A subscription, changed."""


CREATE_FORMS: dict[str, type[_Scoped]] = {"ahv": AhvCreateForm, "azure": AzureCreateForm}
EDIT_FORMS: dict[str, type[_Editing]] = {"ahv": AhvEditForm, "azure": AzureEditForm}


def _scope_label(scope: Customer | Organization) -> str:
    if isinstance(scope, Organization):
        return f"{scope} (organization)"
    return f"{scope} (customer, all organizations)"


class InstanceTypeForm(StandbyForm):
    """A size of machine of a cluster."""

    name = PlainCharField(max_length=100)
    vcpus = forms.IntegerField(label="vCPUs", min_value=1, max_value=1024)
    memory_gb = forms.IntegerField(label="Memory in GB", min_value=1, max_value=65536)
