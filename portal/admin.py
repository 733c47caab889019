"""Django admin, for staff: customers and what is below them. Every change is in the audit trail.

Sign-in is the portal's own, with its limits. Secrets go in and never come back out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.admin import EmailAddress  # importing registers it
from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django_q.admin import Failure, OrmQ, Schedule, Success  # importing registers them

from portal.audit import Actor, record
from portal.cloud_account_forms import checked_ca
from portal.clouds.kinds import KINDS
from portal.endpoints import checked_endpoint
from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    Customer,
    Infrastructure,
    Invitation,
    Notification,
    Organization,
    Role,
    RoleGrant,
    Task,
    User,
)

admin.site.site_header = "Standby administration"
admin.site.site_title = "Standby"
admin.site.index_title = "Customers and people"
# allauth's throttled sign-in in place of the admin's own.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# Rights come from role grants, addresses are kept on the person, and whoever could schedule
# a call by name could run anything in a worker.
admin.site.unregister([Group, EmailAddress, Failure, OrmQ, Schedule, Success])

_NAMES = {"rolegrant": "access", "cloudaccount": "cloud_account"}

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _UserAdmin = UserAdmin[User]
    _AccountForm = forms.ModelForm[Account]
    _CloudAccountForm = forms.ModelForm[CloudAccount]
    _CreationForm = AdminUserCreationForm[User]
    _ChangeForm = UserChangeForm[User]
else:  # classes of the admin cannot be subscripted when the program runs
    _ModelAdmin = admin.ModelAdmin
    _UserAdmin = UserAdmin
    _AccountForm = _CloudAccountForm = forms.ModelForm
    _CreationForm, _ChangeForm = AdminUserCreationForm, UserChangeForm


def _record(request: HttpRequest, obj: Model, verb: str, **detail: Any) -> None:
    name = str(obj._meta.model_name)
    record(Actor.of(request), f"{_NAMES.get(name, name)}.{verb}", obj, through="admin", **detail)


class Audited(_ModelAdmin):
    """Writes each change to the audit trail too, in the transaction of the change."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(request, obj, "create")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(request, obj, "edit", changed=_changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            _record(request, obj, "delete")
        return super().log_deletions(request, queryset)


def _changed_fields(message: Any) -> list[str]:
    """Names of the fields an admin form has changed; never their values."""
    changes = message if isinstance(message, list) else []
    return [str(name) for change in changes for name in change.get("changed", {}).get("fields", [])]


class ReadOnly(_ModelAdmin):
    """What people and tasks have written is looked at, not changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    list_display = ("name", "organization", "infrastructure", "cloud_account", "site")
    list_select_related = ("organization", "cloud_account")
    search_fields = ("name", "organization__name", "organization__customer__name")
    autocomplete_fields = ("organization", "cloud_account")


class PersonCreationForm(_CreationForm):
    class Meta:
        model = User
        fields = ("email", "full_name")
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class PersonChangeForm(_ChangeForm):
    class Meta:
        model = User
        fields = "__all__"  # staff edit whole rows
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


@admin.register(User)
class PersonAdmin(Audited, _UserAdmin):
    form = PersonChangeForm
    add_form = PersonCreationForm
    list_display = ("email", "full_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "full_name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login",)
    fieldsets = (
        (None, {"fields": ("email", "full_name", "password")}),
        ("Standing", {"fields": ("is_active", "is_staff", "is_superuser", "last_login")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "full_name", "usable_password", "password1", "password2")}),
    )


@admin.register(RoleGrant)
class RoleGrantAdmin(Audited):
    fields = ("user", "role", "customer", "organization", "account")
    list_display = ("user", "role", "customer", "organization", "account")
    list_select_related = ("user", "customer", "organization", "account")
    list_filter = ("role",)
    search_fields = ("user__email", "user__full_name")
    autocomplete_fields = ("user", "customer", "organization", "account")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Protect the last Customer Administrator of a customer, as the portal does."""
        shown, counts, missing, protected = super().get_deleted_objects(objs, request)
        going = {grant.pk for grant in objs if grant.role == Role.CUSTOMER_ADMINISTRATOR}
        for grant in objs:
            if grant.pk in going and not _others(grant, going).exists():
                protected = [*protected, f"{grant} (the last Customer Administrator)"]
        return shown, counts, missing, protected


def _others(grant: RoleGrant, going: set[int]) -> QuerySet[RoleGrant]:
    admins = RoleGrant.objects.filter(role=grant.role, customer=grant.customer)
    return admins.filter(user__is_active=True).exclude(pk__in=going)


class CloudAccountAdminForm(_CloudAccountForm):
    """What staff may change of any cloud account; how it is signed in to is left to the portal."""

    class Meta:
        model = CloudAccount
        fields: tuple[str, ...] = ("customer", "organization", "name", "ca_pem", "max_tasks")

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
        fields = ("customer", "organization", "name", "endpoint", "ca_pem", "max_tasks")

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
        kept = self.instance.secrets.get("password", "") if self.instance.secrets else ""
        secrets: Any = {
            "user": self.cleaned_data["user"],
            "password": self.cleaned_data["password"] or kept,
        }
        self.instance.secrets = secrets
        return super().save(commit)


@admin.register(CloudAccount)
class CloudAccountAdmin(Audited):
    """Clusters are added here too; whatever else is added in the portal."""

    list_display = ("name", "kind", "customer", "organization", "health", "last_answer_at")
    list_select_related = ("customer", "organization")
    search_fields = ("name", "customer__name")
    autocomplete_fields = ("customer", "organization")
    readonly_fields = ("kind", "health", "health_detail", "identity", "version", "last_answer_at")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        is_cluster = obj is None or obj.kind == Infrastructure.AHV
        kwargs["form"] = ClusterAdminForm if is_cluster else CloudAccountAdminForm
        return super().get_form(request, obj, change, **kwargs)


@admin.register(Task)
class TaskAdmin(ReadOnly):
    list_display = ("title", "subject", "state", "account", "cloud_account", "created_at")
    list_select_related = ("account", "cloud_account")
    list_filter = ("state", "kind")
    search_fields = ("title", "subject", "id")
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
    list_display = ("created_at", "level", "title", "account")
    list_select_related = ("account",)
    list_filter = ("level",)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ("email", "role", "created_at", "expires_at", "accepted_at")
    exclude = ("token_hash",)
