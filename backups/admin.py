"""Backups in the Django admin: to look at. They change through tasks alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from backups.models import Backup

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Backup]
else:
    _Base = admin.ModelAdmin


@admin.register(Backup)
class BackupAdmin(_Base):
    list_display = ("name", "resource", "type", "status", "created_at", "size_bytes", "site")
    list_filter = ("status", "type")
    list_select_related = ("resource",)
    search_fields = ("name", "id", "external_id", "resource__name")
    date_hierarchy = "created_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Backup | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Backup | None = None) -> bool:
        return False
