"""Forms of organizations, accounts, their people and machines."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from portal.choices import LongModelChoiceField
from portal.clouds.kinds import KINDS
from portal.forms import PlainCharField, StandbyForm, ZoneSelect, time_zones
from portal.models import (
    Account,
    CloudAccount,
    DiscoveredServer,
    Infrastructure,
    Organization,
    User,
)
from portal.services.machines import SERVER_KINDS
from portal.services.people import Offer


class OrganizationForm(StandbyForm):
    name = PlainCharField(max_length=100)


class GeneralForm(StandbyForm):
    """What an Account Administrator may change."""

    name = PlainCharField(max_length=100)
    time_zone = forms.ChoiceField(
        choices=time_zones,
        widget=ZoneSelect,
        help_text="Times on the account's pages, and of its schedules.",
    )
    is_domain_joined = forms.BooleanField(
        label="Domain-joined",
        required=False,
        help_text="The account's machines belong to a Windows domain.",
    )


class PlaceForm(StandbyForm):
    """Where the account's machines live."""

    cloud_account = LongModelChoiceField(
        CloudAccount.objects.none(),
        required=False,
        empty_label="None yet",
        error_messages={"invalid_choice": "Choose a cloud account of the list."},
    )
    site = PlainCharField(
        max_length=100,
        required=False,
        help_text="On Azure the region of its machines, such as westeurope. On AHV the cluster as "
        "it is shown with each backup; empty: the cloud account's name.",
    )

    def __init__(self, usable: QuerySet[CloudAccount], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["cloud_account"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = usable.order_by("name")


class AccountCreateForm(PlaceForm, GeneralForm):
    """A new account of an organization; of those no driver exists for, it is said (R094)."""

    infrastructure = forms.ChoiceField(
        choices=[
            (kind.value, kind.label if kind in KINDS else f"{kind.label} (no backups yet)")
            for kind in Infrastructure
        ]
    )
    field_order = (
        "name",
        "time_zone",
        "infrastructure",
        "cloud_account",
        "site",
        "is_domain_joined",
    )

    def __init__(self, organization: Organization, user: User, *args: Any, **kwargs: Any) -> None:
        usable = CloudAccount.objects.usable_by(organization) & CloudAccount.objects.visible_to(
            user
        )
        kwargs.setdefault("initial", {"time_zone": "UTC"})
        super().__init__(usable, *args, **kwargs)


class AccountPlaceForm(PlaceForm):
    def __init__(self, account: Account, user: User, *args: Any, **kwargs: Any) -> None:
        usable = CloudAccount.objects.usable_by(account.organization)
        kwargs["initial"] = {"cloud_account": account.cloud_account, "site": account.site}
        super().__init__(
            usable.filter(kind=account.infrastructure)
            & CloudAccount.objects.visible_to(user).filter(kind=account.infrastructure),
            *args,
            **kwargs,
        )


class GrantForm(StandbyForm):
    """A role for a person, known by address."""

    email = forms.EmailField(
        label="Email",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="Somebody new gets an invitation by mail.",
    )
    role = forms.ChoiceField()

    def __init__(self, offered: list[Offer], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offered = {offer.value: offer for offer in offered}
        field = self.fields["role"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(value, offer.label) for value, offer in self._offered.items()]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()

    def clean_role(self) -> Offer:
        return self._offered[self.cleaned_data["role"]]


class JoinForm(StandbyForm):
    """What an invited person says of themselves."""

    full_name = PlainCharField(
        max_length=150, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )
    password_again = forms.CharField(
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        label="Password again",
    )

    def __init__(self, email: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._email = email

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        password, again = cleaned.get("password"), cleaned.pop("password_again", None)
        if password and again and password != again:
            self.add_error("password_again", "The two passwords differ.")
        elif password:
            person = User(email=self._email, full_name=cleaned.get("full_name", ""))
            try:
                validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class MachineAssignForm(StandbyForm):
    """A machine of the account's cloud account that is nobody's yet."""

    server = LongModelChoiceField(
        DiscoveredServer.objects.none(),
        label="Machine",
        empty_label="Choose a machine",
        error_messages={"invalid_choice": "Choose a machine of the list."},
    )
    kind = forms.ChoiceField(
        label="Assign as",
        choices=[(kind.value, kind.label) for kind in SERVER_KINDS],
        widget=forms.RadioSelect(attrs={"class": ""}),
    )

    def __init__(self, servers: QuerySet[DiscoveredServer], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["server"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = servers.order_by("name")
