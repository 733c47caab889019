"""Cloud accounts in the Django admin: secrets go in and never come back out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from portal.admin.audited import Audited
from portal.cloud_account_forms import checked_ca
from portal.endpoints import checked_endpoint
from portal.models import CloudAccount, Infrastructure

if TYPE_CHECKING:
    _CloudAccountForm = forms.ModelForm[CloudAccount]
else:  # classes of the admin cannot be subscripted when the program runs
    _CloudAccountForm = forms.ModelForm


class CloudAccountAdminForm(_CloudAccountForm):
    """What staff may change of any cloud account; how it is signed in to is left to the portal."""

    class Meta:
        model = CloudAccount
        fields: tuple[str, ...] = (
            "customer", "organization", "name", "ca_pem", "max_tasks", "max_transfers",
        )  # fmt: skip

    def clean_ca_pem(self) -> str:
        text = self.cleaned_data["ca_pem"]
        return checked_ca(text) if text.strip() else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        organization, customer = cleaned.get("organization"), cleaned.get("customer")
        if organization and customer and organization.customer_id != customer.pk:
            self.add_error("organization", "This organization belongs to another customer.")
        return cleaned

    def save(self, commit: bool = True) -> CloudAccount:
        if {"endpoint", "user", "password", "ca_pem"} & set(self.changed_data):
            self.instance.health = CloudAccount.Health.UNKNOWN
            self.instance.health_detail = ""
        return super().save(commit)


class ClusterAdminForm(CloudAccountAdminForm):
    """An AHV cluster. As in the portal, an empty password keeps the one there is."""

    endpoint = forms.CharField(max_length=200, help_text="https address of Prism Element.")
    user = forms.CharField(max_length=100)
    password = forms.CharField(
        max_length=500,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown. Empty keeps the present one.",
    )

    class Meta(CloudAccountAdminForm.Meta):
        fields = (
            "customer", "organization", "name", "endpoint", "ca_pem", "max_tasks", "max_transfers",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.secrets:
            self.fields["user"].initial = self.instance.secrets.get("user", "")

    def clean_endpoint(self) -> str:
        return checked_endpoint(self.cleaned_data["endpoint"])

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        is_elsewhere = "endpoint" in self.changed_data
        if not password and (self.instance._state.adding or is_elsewhere):
            raise ValidationError("Enter the password for this address.")
        return password

    def save(self, commit: bool = True) -> CloudAccount:
        present: Any = self.instance.secrets or {}
        kept = present.get("password", "")
        secrets: Any = present | {
            "user": self.cleaned_data["user"],
            "password": self.cleaned_data["password"] or kept,
        }
        self.instance.secrets = secrets
        return super().save(commit)


@admin.register(CloudAccount)
class CloudAccountAdmin(Audited):
    """Clusters are added here too; whatever else is added in the portal."""

    told = ("max_tasks", "max_transfers")
    list_display = (
        "name", "kind", "customer", "organization", "max_tasks", "health", "last_answer_at",
    )  # fmt: skip
    list_select_related = ("customer", "organization")
    list_filter = ("kind", "health")
    search_fields = ("name", "customer__name")
    autocomplete_fields = ("customer", "organization")
    readonly_fields = ("kind", "health", "health_detail", "identity", "version", "last_answer_at")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        is_cluster = obj is None or obj.kind == Infrastructure.AHV
        kwargs["form"] = ClusterAdminForm if is_cluster else CloudAccountAdminForm
        return super().get_form(request, obj, change, **kwargs)
