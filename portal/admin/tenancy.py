"""Customers, organizations and accounts in the Django admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from portal.admin.audited import Audited
from portal.clouds.kinds import KINDS
from portal.models import Account, CloudAccount, Customer, Organization

if TYPE_CHECKING:
    _AccountForm = forms.ModelForm[Account]
else:  # classes of the admin cannot be subscripted when the program runs
    _AccountForm = forms.ModelForm


@admin.register(Customer)
class CustomerAdmin(Audited):
    search_fields = ("name",)


@admin.register(Organization)
class OrganizationAdmin(Audited):
    list_display = ("name", "customer")
    list_select_related = ("customer",)
    search_fields = ("name", "customer__name")
    autocomplete_fields = ("customer",)


class AccountAdminForm(_AccountForm):
    """Only a cloud account the organization can use (R111), and none taken away under machines."""

    class Meta:
        model = Account
        fields = "__all__"  # staff edit whole rows
        help_texts = {
            "publish_retention": "1 to 100. Raised or lowered on a support request alone."
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        chosen, organization = cleaned.get("cloud_account"), cleaned.get("organization")
        if chosen and organization:
            usable = CloudAccount.objects.usable_by(organization)
            if not usable.filter(pk=chosen.pk, kind=cleaned.get("infrastructure")).exists():
                self.add_error("cloud_account", "The organization cannot use this cloud account.")
        if "cloud_account" in self.changed_data and self.instance.resources.exists():
            self.add_error("cloud_account", "Machines are assigned; remove them first.")
        if chosen and KINDS[chosen.kind].has_regions and "site" in self.changed_data:
            self.add_error("site", "A region is chosen in the portal, which knows its machines.")
        return cleaned


@admin.register(Account)
class AccountAdmin(Audited):
    form = AccountAdminForm
    told = ("publish_retention", "is_vendor_hosted")
    list_display: tuple[str, ...] = (
        "name", "organization", "infrastructure", "cloud_account", "site", "publish_retention",
    )  # fmt: skip
    list_select_related = ("organization", "cloud_account")
    list_filter = ("infrastructure",)
    search_fields = ("name", "organization__name", "organization__customer__name")
    autocomplete_fields = ("organization", "cloud_account")
    readonly_fields: ClassVar[tuple[str, ...]] = ("tasks_at_a_time",)

    @admin.display(description="Tasks at a time")
    def tasks_at_a_time(self, account: Account) -> str:
        """Belongs to the cloud account, for all its accounts together: changed there."""
        cloud_account = account.cloud_account
        if cloud_account is None:
            return "-"
        url = reverse("admin:portal_cloudaccount_change", args=[cloud_account.pk])
        return format_html(
            '{}, of the cloud account <a href="{}">{}</a>',
            cloud_account.max_tasks,
            url,
            cloud_account,
        )
