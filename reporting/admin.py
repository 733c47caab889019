"""The Django admin: staff change how long records are kept, and see keys and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from portal.admin.audited import Audited, ReadOnly
from portal.engine import clock
from reporting.models import ApiKey, DataAvailability, Session
from reporting.purge.outlook import outlook_of
from reporting.purge.rules import due

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
                f"The next purge would remove {going.rows:,} rows of {row}, {more:,} of them only "
                f"because of this change; the oldest is of {going.oldest:%d %b %Y}. They cannot be "
                "brought back. Tick this and save again to go on.",
            )
        return cleaned


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


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Secrets are shown to nobody. Keys are made and revoked by commands."""

    list_display = ("name", "role", "scope", "manner", "last_used_at", "revoked_at")
    list_select_related = ("customer", "organization", "account")
    exclude = ("secret", "secret_hash")


@admin.register(Session)
class SessionAdmin(ReadOnly):
    """As their brokers reported them."""

    list_display = ("user_name", "machine_name", "account", "state", "started_at", "ended_at")
    list_select_related = ("account",)
    list_filter = ("state",)
