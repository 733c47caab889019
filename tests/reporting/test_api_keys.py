"""The page of API keys: who sees, makes and revokes which; the secret is shown once."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from portal.audit import SYSTEM
from portal.models import AuditEntry, Role, User
from portal.refusals import Refused
from reporting import api_keys
from reporting.models import ApiKey
from reporting.models.api_keys import SESSION_BROKER
from tests.factories import RoleGrantFactory
from tests.people import World
from tests.reporting.api_calls import BASE
from tests.reporting.pages import HTMX, SignIn, count_queries, text_of, url

pytestmark = pytest.mark.django_db
GIVEN = {"name": "Nightly export", "role": "auditor", "manner": "bearer"}


def _shown_secret(text: str) -> str:
    found = re.search(r'id="api-secret">([^<]+)<', text)
    assert found, text
    return unescape(found[1])


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_key_is_made_and_works_and_its_secret_is_shown_once(
    world: World, admin: Client, headers: dict[str, str]
) -> None:
    address = url("api_key_create", world.account)
    answer = admin.post(address, GIVEN, headers=headers)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    token = _shown_secret(answer.content.decode())
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get(f"{BASE}/accounts", headers=bearer).status_code == 200
    secret = token.partition(".")[2]
    listed = text_of(admin, url("api_key_list", world.account))
    assert "Nightly export" in listed
    assert "Amir Rahman" in listed
    for text in (listed, json.dumps(dict(admin.session)), text_of(admin, address)):
        assert secret not in text
    entry = AuditEntry.objects.get(action="api_key.create")
    assert (entry.actor_label, entry.account) == ("Amir Rahman", world.account)
    assert secret not in json.dumps(entry.detail)


def test_a_key_is_revoked_after_a_confirmation(world: World, admin: Client) -> None:
    key, token = api_keys.create(SYSTEM, world.account, name="Old", role="auditor")
    address = url("api_key_revoke", world.account, key.pk)
    assert "cannot be made good again" in text_of(admin, address)
    assert ApiKey.objects.get().revoked_at is None
    assert admin.post(address).status_code == 302
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get(f"{BASE}/accounts", headers=bearer).status_code == 401
    assert "Revoked" in text_of(admin, url("api_key_list", world.account))
    assert AuditEntry.objects.filter(action="api_key.revoke", account=world.account).exists()
    assert admin.post(address).status_code == 422  # revoked before


@pytest.mark.parametrize(
    ("who", "roles"),
    [
        ("account_admin", ["auditor", "support", "account_administrator"]),
        ("org_admin", [SESSION_BROKER, "auditor", "support", "account_administrator"]),
        ("support", []),
        ("auditor", []),
        ("neighbour", []),
        ("stranger", []),
    ],
)
def test_nobody_gives_a_key_more_than_they_have(
    world: World, who: str, roles: list[str], request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    assert sorted(api_keys.offered_roles(user, world.account)) == sorted(roles)
    assert api_keys.offered_roles(user, world.customer) == []
    if who != "org_admin":
        assert api_keys.offered_roles(user, world.organization) == []


@pytest.mark.parametrize("role", [SESSION_BROKER, "organization_administrator", "no_role"])
def test_a_role_that_is_not_offered_is_refused(world: World, admin: Client, role: str) -> None:
    answer = admin.post(url("api_key_create", world.account), GIVEN | {"role": role})
    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_a_role_stands_on_its_own_kind_of_scope(world: World) -> None:
    with pytest.raises(Refused, match="one customer"):
        api_keys.create(SYSTEM, world.account, name="X", role="customer_administrator")


def test_who_may_only_read_sees_keys_and_can_change_none(world: World, reader: Client) -> None:
    key, _ = api_keys.create(SYSTEM, world.account, name="Somebody's", role="support")
    listed = text_of(reader, url("api_key_list", world.account))
    assert "Somebody&#x27;s" in listed
    assert "Create API key" not in listed
    assert reader.get(url("api_key_create", world.account)).status_code == 403
    assert reader.post(url("api_key_revoke", world.account, key.pk)).status_code == 403


def test_a_key_above_ones_own_role_is_not_ones_to_revoke(world: World, admin: Client) -> None:
    broker, _ = api_keys.create(SYSTEM, world.account, name="Broker", role=SESSION_BROKER)
    assert admin.post(url("api_key_revoke", world.account, broker.pk)).status_code == 403
    above, _ = api_keys.create(SYSTEM, world.organization, name="Above", role="auditor")
    assert admin.post(url("api_key_revoke", world.account, above.pk)).status_code == 404
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


def test_keys_from_above_are_listed_for_those_whose_role_stands_there(
    world: World, admin: Client, org_admin: User, auditor: User, sign_in: SignIn
) -> None:
    api_keys.create(SYSTEM, world.customer, name="Of the customer", role="auditor")
    api_keys.create(SYSTEM, world.organization, name="Of the organization", role="auditor")
    address = url("api_key_list", world.account)
    seen = {
        name: [each for each in ("customer", "organization") if f"Of the {each}" in text]
        for name, text in {
            "account": text_of(admin, address),
            "organization": text_of(sign_in(org_admin), address),
            "customer": text_of(sign_in(auditor), address),
        }.items()
    }
    assert seen == {
        "account": [],
        "organization": ["organization"],
        "customer": ["customer", "organization"],
    }


@pytest.mark.parametrize("level", ["organization", "customer"])
def test_keys_of_what_is_above_are_made_and_revoked_on_their_own_page(
    world: World, customer_admin: User, sign_in: SignIn, level: str
) -> None:
    client, scope = sign_in(customer_admin), getattr(world, level)
    create = reverse(f"reporting:{level}_api_key_create", args=[scope.pk])
    answer = client.post(create, GIVEN | {"role": f"{level}_administrator", "manner": "signed"})
    assert "Client secret" in answer.content.decode()
    key = ApiKey.objects.get()
    assert (key.scope, key.created_by, key.secret_hash) == (scope, customer_admin, "")
    listed = text_of(client, reverse(f"reporting:{level}_api_key_list", args=[scope.pk]))
    revoke = reverse(f"reporting:{level}_api_key_revoke", args=[scope.pk, key.pk])
    assert revoke in listed
    assert client.post(revoke).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert f"/{level}s/{scope.pk}/api-keys/" in text_of(client, "/organizations/")


def test_keys_of_a_customer_are_beyond_an_organization_administrator(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(org_admin)
    for verb in ("list", "create"):
        address = reverse(f"reporting:customer_api_key_{verb}", args=[world.customer.pk])
        assert client.get(address).status_code == 404


def test_a_long_list_of_keys_takes_no_more_queries(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client, address = sign_in(customer_admin), url("api_key_list", world.account)
    api_keys.create(SYSTEM, world.account, name="One", role="auditor")
    api_keys.create(SYSTEM, world.customer, name="One above", role="auditor")
    text_of(client, address)
    before = count_queries(client, address)
    for number in range(5):
        api_keys.create(SYSTEM, world.account, name=f"Key {number}", role="auditor")
        api_keys.create(SYSTEM, world.organization, name=f"Above {number}", role="auditor")
    assert count_queries(client, address) == before


def test_a_grant_to_nothing_here_opens_no_page(world: World, sign_in: SignIn) -> None:
    elsewhere = RoleGrantFactory(role=Role.AUDITOR, account=None, customer=world.customer).user
    assert api_keys.offered_roles(elsewhere, world.account) == []
