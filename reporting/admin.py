"""The Django admin: staff change how long records are kept, and see keys and sessions."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from portal.admin.audited import Audited, ReadOnly
from reporting.models import AlertDelivery, AlertRule, ApiKey, DataAvailability, Session


@admin.register(DataAvailability)
class DataAvailabilityAdmin(Audited):
    """The types are what the product has: none is added and none goes."""

    told = ("months",)
    fields = ("data_type", "months", "is_starred", "has_csv", "has_report", "has_api")
    readonly_fields = ("data_type", "is_starred", "has_csv", "has_report", "has_api")
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
