"""The Django admin: staff change how long records are kept, and see keys and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from backups.admin import AccountWithSystemsAdmin
from portal.admin.audited import Audited, ReadOnly
from portal.audit import Actor
from portal.engine import clock
from portal.models import Account
from portal.refusals import Refused
from reporting.models import AlertDelivery, AlertRule, ApiKey, DataAvailability, Session
from reporting.purge.outlook import outlook_of
from reporting.purge.rules import due
from reporting.termination.request import holding_of, latest_attempt, terminate

if TYPE_CHECKING:
    _AvailabilityForm = forms.ModelForm[DataAvailability]
else:  # classes of the admin cannot be subscripted when the program runs
    _AvailabilityForm = forms.ModelForm


class DataAvailabilityForm(_AvailabilityForm):
    """A change by which more would go than goes now is saved once somebody has accepted that."""

    is_accepted = forms.BooleanField(
        label="Remove what the change no longer covers",
        required=False,
        help_text="Needed only where there is any; how much it is, is said first.",
    )

    class Meta:
        model = DataAvailability
        fields = ("months", "is_starred")
        help_texts = {
            "is_starred": (
                "Starred: nothing goes while its account lives, however old, and all of it goes "
                "when the account is terminated. Not starred: what is older than the period goes "
                "each day, and outlives a terminated account until then."
            )
        }

    @property
    def changed_data(self) -> list[str]:
        """What of the row is changed: that somebody accepted it is no part of that."""
        return [name for name in super().changed_data if name != "is_accepted"]

    def clean(self) -> dict[str, Any]:
        """Say what the change would remove, unless that is accepted."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors or cleaned["is_accepted"] or not self.changed_data:
            return cleaned
        row, now = self.instance, clock.now()
        before = DataAvailability.objects.get(pk=row.pk)
        wanted = DataAvailability(
            data_type=row.pk, months=cleaned["months"], is_starred=cleaned["is_starred"]
        )
        going = outlook_of(due(wanted, now))
        more = going.rows - outlook_of(due(before, now)).rows
        if more > 0:
            self.add_error(
                "is_accepted",
                f"The next purge would remove {_rows(going.rows)} of {row}, {more:,} of them only "
                f"because of this change; the oldest is of {going.oldest:%d %b %Y}. They cannot be "
                "brought back. Tick this and save again to go on.",
            )
        return cleaned


def _rows(number: int) -> str:
    return f"{number:,} row{'s' if number != 1 else ''}"


@admin.register(DataAvailability)
class DataAvailabilityAdmin(Audited):
    """The types are what the product has: none is added and none goes."""

    form = DataAvailabilityForm
    told = ("months", "is_starred")
    fields = (
        "data_type", "months", "is_starred", "is_accepted", "has_csv", "has_report", "has_api",
    )  # fmt: skip
    readonly_fields = ("data_type", "has_csv", "has_report", "has_api")
    list_display = ("data_type", "period", "has_csv", "has_report", "has_api")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: DataAvailability | None = None
    ) -> bool:
        return False


class TerminateForm(forms.Form):
    """The account's name, typed, and what becomes of what it has at the clouds."""

    KEEP, DELETE = "keep", "delete"

    name = forms.CharField(label="Name of the account", help_text="Type it as it is written above.")
    objects = forms.ChoiceField(
        label="Backups and replicas at the clouds",
        choices=[(KEEP, "Keep them"), (DELETE, "Delete them; they cannot be brought back")],
        initial=KEEP,
        widget=forms.RadioSelect,
    )

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data)
        self._account = account

    def clean_name(self) -> str:
        """Refuse any other name: somebody may be on the wrong page."""
        name: str = self.cleaned_data["name"]
        if name != self._account.name:
            raise forms.ValidationError("This is not the name of the account.")
        return name


admin.site.unregister(Account)


@admin.register(Account)
class TerminableAccountAdmin(AccountWithSystemsAdmin):
    """Accounts as the floors below show them, and their end, which concerns every floor."""

    list_display = (*AccountWithSystemsAdmin.list_display, "standing")
    readonly_fields = (*AccountWithSystemsAdmin.readonly_fields, "standing")

    @admin.display(description="Standing")
    def standing(self, account: Account) -> str:
        if account.terminated_at:
            return f"Terminated on {account.terminated_at:%d %b %Y}"
        return "Is being terminated" if account.terminating_at else "In use"

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """What has ended is looked at alone."""
        is_open = obj is None or obj.terminating_at is None
        return is_open and super().has_change_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        terminate = path(
            "<uuid:pk>/terminate/",
            self.admin_site.admin_view(self.terminate_view),
            name="portal_account_terminate",
        )
        return [terminate, *super().get_urls()]

    def terminate_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask for the name, then start it; and show how it stands."""
        if not getattr(request.user, "is_superuser", False):
            raise PermissionDenied
        account = get_object_or_404(Account.objects.select_related("organization__customer"), pk=pk)
        form = TerminateForm(request.POST or None, account=account)
        if request.method == "POST" and form.is_valid():
            with_objects = form.cleaned_data["objects"] == TerminateForm.DELETE
            try:
                terminate(Actor.of(request), account, with_objects=with_objects)
            except Refused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"Termination of {account} requested.")
                return redirect("admin:portal_account_terminate", pk=account.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Terminate {account}",
            "opts": self.opts,
            "account": account,
            "form": form,
            "task": latest_attempt(account),
            "holding": holding_of(account),
        }
        status = 422 if form.errors else 200
        return TemplateResponse(request, "reporting/account_terminate.html", context, status=status)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Secrets are shown to nobody. Keys are made and revoked by commands."""

    list_display = ("name", "role", "scope", "manner", "last_used_at", "revoked_at")
    list_select_related = ("customer", "organization", "account")
    exclude = ("secret", "secret_hash")


@admin.register(AlertRule)
class AlertRuleAdmin(ReadOnly):
    """Administrators of accounts make them. An address may be a secret in itself."""

    list_display = ("name", "account", "goes_to", "timing", "lowest_level", "is_paused")
    list_select_related = ("account",)
    list_filter = ("channel", "is_paused")
    exclude = ("secret", "url")


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnly):
    """What became of each message."""

    list_display = ("created_at", "rule", "sent_to", "state", "attempts", "last_error")
    list_select_related = ("rule",)
    list_filter = ("state",)
    exclude = ("claim",)


@admin.register(Session)
class SessionAdmin(ReadOnly):
    """As their brokers reported them."""

    list_display = ("user_name", "machine_name", "account", "state", "started_at", "ended_at")
    list_select_related = ("account",)
    list_filter = ("state",)
