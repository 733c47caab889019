"""What admin pages share: changes go to the audit trail, or nothing is changed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from portal.audit import Actor, record

_NAMES = {
    "rolegrant": "access",
    "groupmapping": "access",
    "externalidentity": "user",
    "authenticator": "user",
    "cloudaccount": "cloud_account",
    "dataavailability": "data_availability",
}

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:  # classes of the admin cannot be subscripted when the program runs
    _ModelAdmin = admin.ModelAdmin


def _record(request: HttpRequest, obj: Model, verb: str, **detail: Any) -> None:
    name = str(obj._meta.model_name)
    record(Actor.of(request), f"{_NAMES.get(name, name)}.{verb}", obj, through="admin", **detail)


class _Choice(AutocompleteSelect):
    """Shows no row for what is no id: the form says so. Django's own fails there (UUIDs)."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        target: Any = self.field
        return super().optgroups(name, [each for each in value if _is_id(target, each)], attr)


def _is_id(field: Any, value: Any) -> bool:
    try:
        field.target_field.to_python(value)
    except (ValidationError, ValueError):
        return False
    return True


class Audited(_ModelAdmin):
    """Writes each change to the audit trail too, in the transaction of the change.

    Of most fields the trail has the names alone; of those in ``told`` what was there before
    and after. No secrets among them.
    """

    told: tuple[str, ...] = ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", _Choice(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        message: Any = super().construct_change_message(request, form, formsets, add)
        told = [name for name in self.told if name in form.changed_data]
        for change in message:
            # The first is the row's own; an addition has no before.
            if told and "changed" in change:
                change["changed"]["before"] = {name: form.initial.get(name) for name in told}
                change["changed"]["after"] = {name: form.cleaned_data[name] for name in told}
                break
        return message

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(request, obj, "create")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        if message:  # a form sent back as it was has changed nothing
            _record(request, obj, "edit", **_changes(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            _record(request, obj, "delete")
        return super().log_deletions(request, queryset)

    def response_action(self, *args: Any, **kwargs: Any) -> HttpResponse | None:
        # The admin has a transaction for pages of one row, not for what is done to several.
        with transaction.atomic():
            return super().response_action(*args, **kwargs)


def _changes(message: Any) -> dict[str, Any]:
    """What an admin form has changed: names of fields, and the values of those that are told."""
    changes = [change["changed"] for change in message if "changed" in change]
    fields = [str(name) for change in changes for name in change.get("fields", [])]
    told = [change for change in changes if "before" in change]
    values = {"before": told[0]["before"], "after": told[0]["after"]} if told else {}
    return {"changed": fields, **values}


class ReadOnly(_ModelAdmin):
    """What people and tasks have written is looked at, not changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
