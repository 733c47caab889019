"""Secrets of cloud accounts in the Django admin: no page, value, entry or error has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from portal.models import AuditEntry, CloudAccount, User
from tests.factories import CloudAccountFactory
from tests.people import World

SignIn = Callable[[User], Client]
SECRET = "very-secret-4711"
TYPED = "typed-secret-0815"
SECRETS = {
    "ahv": {"user": "admin", "password": SECRET},
    "azure": {
        "tenant": "11111111-2222-3333-4444-555555555555",
        "client": "22222222-2222-3333-4444-555555555555",
        "subscription": "33333333-2222-3333-4444-555555555555",
        "client_secret": SECRET,
    },
}


@pytest.fixture(params=["ahv", "azure"])
def cloud_account(world: World, request: pytest.FixtureRequest) -> CloudAccount:
    made: CloudAccount = CloudAccountFactory(
        customer=world.customer, kind=request.param, secrets=SECRETS[request.param]
    )
    return made


def form_of(cloud_account: CloudAccount, **changes: Any) -> dict[str, Any]:
    return {
        "customer": cloud_account.customer_id,
        "name": cloud_account.name,
        "endpoint": cloud_account.endpoint,
        "max_tasks": "3",
        "max_transfers": "20",
        "user": "admin",
        "password": TYPED,
        "client_secret": TYPED,
        "secrets": f'{{"password": "{TYPED}"}}',
    } | changes


def places(cloud_account: CloudAccount) -> list[str]:
    """Every page of the administration that is about it, or lists it."""
    names = [reverse(f"admin:portal_cloudaccount_{name}") for name in ("changelist", "add")]
    for name in ("change", "history", "delete"):
        names.append(reverse(f"admin:portal_cloudaccount_{name}", args=[cloud_account.pk]))
    return [*names, "/admin/", "/admin/portal/auditentry/", "/admin/portal/customer/"]


def assert_told_nowhere(client: Client, cloud_account: CloudAccount) -> None:
    for place in places(cloud_account):
        page = client.get(place).text
        assert SECRET not in page, place
        assert TYPED not in page, place
    for entry in AuditEntry.objects.all():
        page = client.get(f"/admin/portal/auditentry/{entry.pk}/change/").text
        assert TYPED not in page
    kept = str([*AuditEntry.objects.values(), *LogEntry.objects.values()])
    assert SECRET not in kept
    assert TYPED not in kept


def test_no_page_has_it_and_saving_leaves_it_untold(
    cloud_account: CloudAccount, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    assert_told_nowhere(client, cloud_account)
    url = reverse("admin:portal_cloudaccount_change", args=[cloud_account.pk])
    assert client.post(url, form_of(cloud_account, name="renamed")).status_code == 302
    assert LogEntry.objects.filter(object_id=str(cloud_account.pk)).exists()
    assert AuditEntry.objects.get(action="cloud_account.edit").actor == staff
    cloud_account.refresh_from_db()
    secrets = SECRETS[cloud_account.kind]
    # A subscription's secret is changed in the portal alone.
    changed = secrets | {"password": TYPED} if cloud_account.kind == "ahv" else secrets
    assert (cloud_account.name, cloud_account.secrets) == ("renamed", changed)
    assert_told_nowhere(client, cloud_account)


def test_a_form_that_is_refused_does_not_show_what_was_typed(
    cloud_account: CloudAccount, staff: User, sign_in: SignIn
) -> None:
    url = reverse("admin:portal_cloudaccount_change", args=[cloud_account.pk])
    answer = sign_in(staff).post(url, form_of(cloud_account, max_tasks="many"))
    assert "Enter a whole number." in answer.text
    assert TYPED not in answer.text
    assert SECRET not in answer.text


def test_an_error_page_does_not_show_what_was_typed(
    cloud_account: CloudAccount, staff: User, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    client = sign_in(staff)
    client.raise_request_exception = False
    # No customer has this id, which no database column takes.
    url = reverse("admin:portal_cloudaccount_change", args=[cloud_account.pk])
    answer = client.post(url, form_of(cloud_account, name="\x00", customer="not an id"))
    assert TYPED not in answer.text
    assert TYPED not in caplog.text


def test_removing_one_tells_its_name_alone(
    cloud_account: CloudAccount, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    client.post(
        reverse("admin:portal_cloudaccount_delete", args=[cloud_account.pk]), {"post": "yes"}
    )
    assert not CloudAccount.objects.filter(pk=cloud_account.pk).exists()
    assert AuditEntry.objects.get().target_label == cloud_account.name
    assert SECRET not in str([*AuditEntry.objects.values(), *LogEntry.objects.values()])
