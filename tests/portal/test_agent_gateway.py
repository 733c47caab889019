"""The guest agent gateway of an AHV cloud account: optional, its token as secret as a password."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from portal.clouds.kinds import can_generalize
from portal.models import AuditEntry, CloudAccount, User
from tests.factories import CloudAccountFactory
from tests.people import World

SignIn = Callable[[User], Client]
TOKEN = "gateway-token-0815"
GATEWAY = "https://203.0.113.9:8443"


@pytest.fixture
def account(world: World) -> CloudAccount:
    found: CloudAccount = CloudAccountFactory.create(
        customer=world.customer,
        kind="ahv",
        endpoint="https://203.0.113.7:9440",
        secrets={
            "user": "admin", "password": "pass",
            "agent_endpoint": GATEWAY, "agent_token": TOKEN,
        },
    )  # fmt: skip
    return found


@pytest.fixture
def client(customer_admin: User, sign_in: SignIn) -> Client:
    return sign_in(customer_admin)


def edit(client: Client, account: CloudAccount, **changes: str) -> tuple[int, str, dict[str, str]]:
    form = {
        "name": account.name, "endpoint": account.endpoint, "user": "admin", "password": "",
        "ca_pem": "", "agent_endpoint": GATEWAY, "agent_token": "",
    } | changes  # fmt: skip
    answer = client.post(reverse("portal:cloud_account_edit", args=[account.pk]), form)
    account.refresh_from_db()
    return answer.status_code, answer.content.decode(), account.secrets


def test_it_is_given_with_a_new_cloud_account(client: Client, world: World) -> None:
    form = {
        "scope": f"customer:{world.customer.pk}", "name": "new", "user": "admin",
        "endpoint": "https://203.0.113.7:9440", "password": "pass", "ca_pem": "",
        "agent_endpoint": GATEWAY, "agent_token": TOKEN,
    }  # fmt: skip
    assert client.post("/cloud-accounts/create/", form).status_code == 302
    made = CloudAccount.objects.get(name="new")
    assert can_generalize("ahv", made.secrets)
    entry = AuditEntry.objects.get(action="cloud_account.create")
    assert entry.detail["agent_endpoint"] == GATEWAY
    assert TOKEN not in str(entry.detail)


def test_an_empty_token_keeps_the_present_one(client: Client, account: CloudAccount) -> None:
    status, _, secrets = edit(client, account, name="renamed")
    assert status == 302
    assert secrets["agent_token"] == TOKEN


def test_another_address_needs_the_token_again(client: Client, account: CloudAccount) -> None:
    status, page, secrets = edit(client, account, agent_endpoint="https://203.0.113.10")
    assert status == 422
    assert "Enter the token of the guest agent gateway." in page
    assert secrets["agent_endpoint"] == GATEWAY


def test_without_an_address_the_token_goes_too(client: Client, account: CloudAccount) -> None:
    status, _, secrets = edit(client, account, agent_endpoint="")
    assert status == 302
    assert secrets == {"user": "admin", "password": "pass"}
    assert not can_generalize("ahv", secrets)


def test_a_token_without_an_address_is_refused(client: Client, account: CloudAccount) -> None:
    status, page, _ = edit(client, account, agent_endpoint="", agent_token="x")
    assert status == 422
    assert "Enter the gateway&#x27;s address too" in page


@override_settings(ALLOW_LOOPBACK_CLOUDS=False)
@pytest.mark.parametrize("address", ["http://203.0.113.9", "https://127.0.0.1:8443", "gateway"])
def test_it_is_no_address_of_our_own_and_https(
    client: Client, account: CloudAccount, address: str
) -> None:
    status, _, secrets = edit(client, account, agent_endpoint=address, agent_token="x")
    assert status == 422
    assert secrets["agent_endpoint"] == GATEWAY


def test_the_token_is_on_no_page(client: Client, account: CloudAccount) -> None:
    for name in ("detail", "edit"):
        page = client.get(reverse(f"portal:cloud_account_{name}", args=[account.pk]))
        assert page.status_code == 200
        assert TOKEN not in page.content.decode()
