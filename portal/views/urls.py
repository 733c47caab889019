"""Addresses of the ground floor."""

from __future__ import annotations

from django.urls import path

from portal.views import (
    account_access,
    account_settings,
    cloud_accounts,
    customer_sign_in,
    health,
    home,
    instance_types,
    invitations,
    live,
    machines,
    organizations,
    removal,
    security,
    single_sign_on,
)

app_name = "portal"

_ACCOUNT = "accounts/<uuid:account>/"
_SETTINGS = f"{_ACCOUNT}settings/"
_CUSTOMER = "customers/<uuid:customer>/sign-in/"
_CLOUD_ACCOUNT = "cloud-accounts/<uuid:cloud_account>/"

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("live/", live.live, name="live"),
    path("accounts/", home.account_list, name="account_list"),
    path("accounts/switcher/", home.account_switcher, name="account_switcher"),
    path(f"{_ACCOUNT}live/", live.account_live, name="account_live"),
    path(_SETTINGS, account_settings.account_settings, name="account_settings"),
    path(f"{_SETTINGS}edit/", account_settings.account_edit, name="account_edit"),
    path(f"{_SETTINGS}place/", account_settings.account_place, name="account_place"),
    path(f"{_SETTINGS}access/", account_access.account_access, name="account_access"),
    path(f"{_SETTINGS}access/create/", account_access.role_grant_create, name="role_grant_create"),
    path(
        f"{_SETTINGS}access/<int:grant>/revoke/",
        account_access.role_grant_revoke,
        name="role_grant_revoke",
    ),
    path(
        f"{_SETTINGS}invitations/<uuid:invitation>/revoke/",
        account_access.invitation_revoke,
        name="invitation_revoke",
    ),
    path(f"{_ACCOUNT}machines/", machines.account_machines, name="account_machines"),
    path(f"{_ACCOUNT}machines/assign/", machines.machine_assign, name="machine_assign"),
    path(
        f"{_ACCOUNT}machines/<uuid:resource>/remove/",
        machines.machine_remove,
        name="machine_remove",
    ),
    path("organizations/", organizations.organization_list, name="organization_list"),
    path(
        "customers/<uuid:customer>/organizations/create/",
        organizations.organization_create,
        name="organization_create",
    ),
    path(
        "organizations/<uuid:organization>/delete/",
        removal.organization_delete,
        name="organization_delete",
    ),
    path(
        "organizations/<uuid:organization>/accounts/create/",
        organizations.account_create,
        name="account_create",
    ),
    path("cloud-accounts/", cloud_accounts.cloud_account_list, name="cloud_account_list"),
    path(
        "cloud-accounts/create/", cloud_accounts.cloud_account_create, name="cloud_account_create"
    ),
    path(_CLOUD_ACCOUNT, cloud_accounts.cloud_account_detail, name="cloud_account_detail"),
    path(f"{_CLOUD_ACCOUNT}edit/", cloud_accounts.cloud_account_edit, name="cloud_account_edit"),
    path(f"{_CLOUD_ACCOUNT}delete/", removal.cloud_account_delete, name="cloud_account_delete"),
    path(
        f"{_CLOUD_ACCOUNT}instance-types/create/",
        instance_types.instance_type_create,
        name="instance_type_create",
    ),
    path(
        f"{_CLOUD_ACCOUNT}instance-types/<int:instance_type>/remove/",
        instance_types.instance_type_remove,
        name="instance_type_remove",
    ),
    path(f"{_CLOUD_ACCOUNT}test/", cloud_accounts.cloud_account_test, name="cloud_account_test"),
    path(f"{_CLOUD_ACCOUNT}sync/", cloud_accounts.cloud_account_sync, name="cloud_account_sync"),
    path("security/", security.security, name="security"),
    path("security/webauthn/", security.passkey_list, name="passkey_list"),
    path("security/sessions/<uuid:session>/end/", security.session_end, name="session_end"),
    path("security/sessions/end/", security.session_end_others, name="session_end_others"),
    path(
        "security/identities/<int:identity>/disconnect/",
        security.identity_disconnect,
        name="identity_disconnect",
    ),
    path("sign-in/with/", single_sign_on.single_sign_on, name="single_sign_on"),
    path("sign-in/with/connect/", single_sign_on.identity_connect, name="identity_connect"),
    path("sign-in/with/back/", single_sign_on.single_sign_on_back, name="single_sign_on_back"),
    path(_CUSTOMER, customer_sign_in.customer_sign_in, name="customer_sign_in"),
    path(f"{_CUSTOMER}two-factor/", customer_sign_in.two_factor_edit, name="two_factor_edit"),
    path(
        f"{_CUSTOMER}groups/create/",
        customer_sign_in.group_mapping_create,
        name="group_mapping_create",
    ),
    path(
        f"{_CUSTOMER}groups/<int:mapping>/delete/",
        customer_sign_in.group_mapping_delete,
        name="group_mapping_delete",
    ),
    path("invitations/<str:token>/", invitations.invitation_accept, name="invitation_accept"),
]
