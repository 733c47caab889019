"""Data availability in the Django admin: staff change how long records are kept."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from portal.admin.audited import Audited
from reporting.models import DataAvailability


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
