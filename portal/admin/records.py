"""What people and tasks have written, in the Django admin: to be looked at."""

from __future__ import annotations

from django.contrib import admin

from portal.admin.audited import ReadOnly
from portal.models import AuditEntry, Notification, Task


@admin.register(Task)
class TaskAdmin(ReadOnly):
    list_display = ("title", "subject", "state", "account", "cloud_account", "created_at")
    list_select_related = ("account", "cloud_account")
    list_filter = ("state", "kind")
    search_fields = ("title", "subject", "id")
    # On Azure it holds what the cloud answered, which nobody has looked through.
    exclude = ("operation",)
    show_full_result_count = False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "actor_label", "action", "target_label", "result", "account", "source")
    list_select_related = ("account",)
    list_filter = ("result",)
    search_fields = ("actor_label", "action", "target_label", "request_id")
    show_full_result_count = False


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    list_display = ("created_at", "level", "kind", "title", "account")
    list_select_related = ("account",)
    list_filter = ("level", "kind")
