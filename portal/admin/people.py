"""People and what they may reach in the Django admin."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from allauth.mfa.admin import Authenticator  # importing registers it
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal import sessions
from portal.admin.audited import Audited, ReadOnly
from portal.models import ExternalIdentity, GroupMapping, Invitation, Role, RoleGrant, User

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
    _CreationForm = AdminUserCreationForm[User]
    _ChangeForm = UserChangeForm[User]
else:  # classes of the admin cannot be subscripted when the program runs
    _UserAdmin = UserAdmin
    _CreationForm, _ChangeForm = AdminUserCreationForm, UserChangeForm

# Ours, below, shows no secrets and says in the trail who removed one.
admin.site.unregister(Authenticator)


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

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        # The one page that Django saves from without a transaction.
        with transaction.atomic():
            answer = super().user_change_password(request, id, form_url)
            if request.method == "POST" and answer.status_code == HTTPStatus.FOUND:
                person = User.objects.get(pk=id)
                is_own = person == request.user
                sessions.end_others(person, request.session.session_key if is_own else None)
            return answer


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


@admin.register(GroupMapping)
class GroupMappingAdmin(Audited):
    fields = ("claim", "group", "role", "customer", "organization", "account")
    list_display = ("group", "claim", "role", "customer", "organization", "account")
    list_select_related = ("customer", "organization", "account")
    search_fields = ("group",)
    autocomplete_fields = ("customer", "organization", "account")


class TakenAway(Audited):
    """What people set up themselves: looked at, and removed for who has lost it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(TakenAway):
    list_display = ("user", "issuer", "subject", "connected_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "subject")


@admin.register(Authenticator)
class SecondFactorAdmin(TakenAway):
    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("type",)
    search_fields = ("user__email",)
    # Keys and secrets, if only encrypted ones.
    exclude = ("data",)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ("email", "role", "created_at", "expires_at", "accepted_at")
    exclude = ("token_hash",)
