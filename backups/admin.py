"""Backups and settings of systems in the Django admin. Backups change through tasks alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from backups import policies
from backups.models import Backup, BackupPolicy, Settings, VolumePolicy
from portal.admin.audited import ReadOnly
from portal.admin.tenancy import AccountAdmin
from portal.audit import Actor
from portal.models import Account, Resource

if TYPE_CHECKING:
    _PolicyAdmin = admin.ModelAdmin[BackupPolicy]
    _VolumePolicyAdmin = admin.ModelAdmin[VolumePolicy]
else:  # classes of the admin cannot be subscripted when the program runs
    _PolicyAdmin = _VolumePolicyAdmin = admin.ModelAdmin

Kind = Resource.Kind
_KEPT = ("keep_scheduled", "keep_manual", "keep_after_session")


@admin.register(Backup)
class BackupAdmin(ReadOnly):
    list_display = ("name", "resource", "type", "status", "created_at", "size_bytes", "site")
    list_filter = ("status", "type")
    list_select_related = ("resource",)
    search_fields = ("name", "id", "external_id", "resource__name")
    date_hierarchy = "created_at"
    show_full_result_count = False


@admin.register(BackupPolicy)
class BackupPolicyAdmin(_PolicyAdmin):
    """Staff change how many are kept. The schedule is the administrators' own."""

    fields = ("account", "resource", "runs", "next_run_at", *_KEPT)
    readonly_fields = ("account", "resource", "runs", "next_run_at")
    list_display = ("resource", "account", "runs", "next_run_at", *_KEPT)
    list_select_related = ("resource__account",)
    list_filter = ("is_scheduled",)
    search_fields = ("resource__name", "resource__account__name")
    show_full_result_count = False

    @admin.display(ordering="resource__account__name")
    def account(self, policy: BackupPolicy) -> Account:
        return policy.resource.account

    @admin.display(description="schedule", ordering="backup_time")
    def runs(self, policy: BackupPolicy) -> str:
        return _schedule(policy)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: BackupPolicy | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: BackupPolicy, form: Any, change: bool) -> None:
        """Save as the portal does: it writes the audit trail, and minds who else saves."""
        # Before the settings are read, so that nobody changes the schedule in between.
        resource = Resource.objects.select_for_update(of=("self",)).get(pk=obj.resource_id)
        present = policies.present(BackupPolicy.objects.get(pk=obj.pk))
        numbers = {name: form.cleaned_data[name] for name in form.changed_data}
        policies.save_policy(Actor.of(request), resource, replace(present, **numbers))


@admin.register(VolumePolicy)
class VolumePolicyAdmin(_VolumePolicyAdmin):
    """The same for all volumes of a kind."""

    fields = ("account", "kind", "runs", "next_run_at", *_KEPT)
    readonly_fields = ("account", "kind", "runs", "next_run_at")
    list_display = ("account", "kind", "runs", "next_run_at", *_KEPT)
    list_select_related = ("account",)
    list_filter = ("is_scheduled", "kind")
    search_fields = ("account__name",)
    show_full_result_count = False

    @admin.display(description="schedule", ordering="backup_time")
    def runs(self, policy: VolumePolicy) -> str:
        return _schedule(policy)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: VolumePolicy | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: VolumePolicy, form: Any, change: bool) -> None:
        """Save as the portal does, see above."""
        account = Account.objects.select_for_update().get(pk=obj.account_id)
        present = policies.present(VolumePolicy.objects.get(pk=obj.pk))
        numbers = {name: form.cleaned_data[name] for name in form.changed_data}
        wanted = replace(present, **numbers)
        policies.save_volume_policy(Actor.of(request), account, obj.kind, wanted)


def _schedule(policy: Settings) -> str:
    if not policy.is_scheduled:
        return "off"
    every = "daily" if policy.interval_days == 1 else f"every {policy.interval_days} days"
    return f"{every} at {policy.backup_time:%H:%M} {policy.time_zone}"


admin.site.unregister(Account)


@admin.register(Account)
class AccountWithSystemsAdmin(AccountAdmin):
    """With each system's schedule and numbers, which only this app knows."""

    readonly_fields = (*AccountAdmin.readonly_fields, "systems")

    @admin.display(description="Systems")
    def systems(self, account: Account) -> SafeString | str:
        servers = account.resources.filter(kind__in=(Kind.SANDBOX, Kind.UTILITY_SERVER))
        servers = servers.select_related("backup_policy").order_by("kind", "name")
        lines = [(_line(resource),) for resource in servers]
        lines += [(_kind_line(policy),) for policy in account.volume_policies.order_by("kind")]
        return format_html_join("", "<p>{}</p>", lines) if lines else "-"


def _line(resource: Resource) -> SafeString:
    """A system in a sentence, with the way to its numbers once it has any of its own."""
    policy = getattr(resource, "backup_policy", None)
    if policy is None:
        return format_html("{}: settings as they were set up, never changed", resource)
    url = reverse("admin:backups_backuppolicy_change", args=[policy.pk])
    return _numbers(url, str(resource), policy)


def _kind_line(policy: VolumePolicy) -> SafeString:
    url = reverse("admin:backups_volumepolicy_change", args=[policy.pk])
    return _numbers(url, f"{policy.get_kind_display()}s", policy)


def _numbers(url: str, name: str, policy: Settings) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>: schedule {}; {} scheduled and {} manual backups retained',
        url,
        name,
        _schedule(policy),
        policy.keep_scheduled,
        policy.keep_manual,
    )
