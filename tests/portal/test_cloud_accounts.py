"""Cloud accounts: added, changed, tested; never a machine of our own, never a secret shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import AuditEntry, CloudAccount, DiscoveredServer, Task, User
from tests.clock import JumpClock
from tests.factories import (
    AccountFactory,
    CloudAccountFactory,
    DiscoveredServerFactory,
    OrganizationFactory,
    ResourceFactory,
    TaskFactory,
)
from tests.people import World

SignIn = Callable[[User], Client]
PASSWORD = "very-secret-4711"
HTMX = {"HX-Request": "true"}


def _form(world: World, **changes: str) -> dict[str, str]:
    return {
        "scope": f"customer:{world.customer.pk}",
        "name": "ahv-new",
        "endpoint": "https://203.0.113.7:9440",
        "user": "admin",
        "password": PASSWORD,
        "ca_pem": "",
    } | changes


def _url(name: str, cloud_account: CloudAccount) -> str:
    return reverse(f"portal:cloud_account_{name}", args=[cloud_account.pk])


CREATE = "/cloud-accounts/create/"


def test_a_customer_administrator_adds_one_for_the_whole_customer(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    answer = sign_in(customer_admin).post(CREATE, _form(world))
    assert answer.status_code == 302
    made = CloudAccount.objects.get(name="ahv-new")
    assert (made.customer, made.organization) == (world.customer, None)
    assert made.secrets == {"user": "admin", "password": PASSWORD}
    entry = AuditEntry.objects.get(action="cloud_account.create")
    assert entry.customer == world.customer
    assert PASSWORD not in str(entry.detail)


def test_an_organization_administrator_adds_one_to_the_own_organization_only(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(org_admin)
    above = client.post(CREATE, _form(world))
    assert above.status_code == 422
    own = client.post(CREATE, _form(world, scope=f"organization:{world.organization.pk}"))
    assert own.status_code == 302
    assert CloudAccount.objects.get(name="ahv-new").organization == world.organization


@override_settings(ALLOW_LOOPBACK_CLOUDS=False)
@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://203.0.113.7:9440", "must begin with https://"),
        ("ftp://203.0.113.7", "must begin with https://"),
        ("203.0.113.7:9440", "must begin with https://"),
        ("https://", "Enter an address"),
        ("https://127.0.0.1:9440", "loopback"),
        ("https://127.9.9.9", "loopback"),
        ("https://localhost:9440", "loopback"),
        ("https://2130706433", "loopback"),
        ("https://0x7f000001", "loopback"),
        ("https://[::1]:9440", "loopback"),
        ("https://[::ffff:127.0.0.1]", "loopback"),
        ("https://169.254.169.254", "link-local"),
        ("https://[fe80::1]", "link-local"),
        ("https://0.0.0.0:9440", "no machine"),
        ("https://[::]", "no machine"),
        ("https://224.0.0.1", "multicast"),
        ("https://admin:secret@203.0.113.7", "Leave user and password out"),
        ("https://203.0.113.7:9440/PrismGateway", "Leave out everything"),
        ("https://203.0.113.7:99999", "port must be"),
        ("", "required"),
    ],
)
def test_an_address_that_is_unsafe_or_malformed_is_refused(
    world: World, customer_admin: User, sign_in: SignIn, endpoint: str, said: str
) -> None:
    answer = sign_in(customer_admin).post(CREATE, _form(world, endpoint=endpoint))
    assert answer.status_code == 422
    assert said in answer.text
    assert PASSWORD not in answer.text
    assert not CloudAccount.objects.filter(name="ahv-new").exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "required"),
        ("name", "x" * 101, "at most 100"),
        ("name", "ü" * 300, "at most 100"),
        ("user", "", "required"),
        ("password", "", "required"),
        ("ca_pem", "not a certificate", "no certificate in PEM form"),
        ("ca_pem", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", "private key"),
        ("scope", "customer:nonsense", "Choose one of the list."),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    world: World, customer_admin: User, sign_in: SignIn, field: str, value: str, said: str
) -> None:
    answer = sign_in(customer_admin).post(CREATE, _form(world, **{field: value}))
    assert answer.status_code == 422
    assert said in answer.text


def test_a_name_in_use_at_the_customer_is_refused(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    answer = sign_in(customer_admin).post(CREATE, _form(world, name=world.cloud_account.name))
    assert answer.status_code == 422
    assert "already has a cloud account of that name" in answer.text


def test_an_empty_password_keeps_the_one_there_is_and_none_is_ever_shown(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    row = world.cloud_account
    client = sign_in(customer_admin)
    page = client.get(_url("edit", row))
    assert "cluster-password" not in page.text
    answer = client.post(
        _url("edit", row),
        {"name": "renamed", "endpoint": row.endpoint, "user": "admin", "password": ""},
    )
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.name == "renamed"
    assert row.secrets["password"] == "cluster-password"
    assert row.health == CloudAccount.Health.REACHABLE


def test_new_credentials_make_its_health_unknown_and_are_audited_without_the_secret(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    row = world.cloud_account
    form = {"name": row.name, "endpoint": row.endpoint, "user": "admin", "password": PASSWORD}
    sign_in(customer_admin).post(_url("edit", row), form)
    row.refresh_from_db()
    assert row.health == CloudAccount.Health.UNKNOWN
    entry = AuditEntry.objects.get(action="cloud_account.edit")
    assert entry.detail["changed"] == ["secrets"]
    assert PASSWORD not in str(entry.detail)


def test_the_password_does_not_follow_a_new_address_by_itself(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    row = world.cloud_account
    form = {"name": row.name, "endpoint": "https://203.0.113.9", "user": "admin", "password": ""}
    answer = sign_in(customer_admin).post(_url("edit", row), form)
    assert answer.status_code == 422
    assert "password again" in answer.text


def test_an_organization_administrator_uses_but_does_not_change_the_customers(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(org_admin)
    page = client.get(_url("detail", world.cloud_account))
    assert page.status_code == 200
    assert _url("edit", world.cloud_account) not in page.text
    assert client.get(_url("edit", world.cloud_account)).status_code == 403


@pytest.mark.parametrize("who", ["account_admin", "support", "auditor", "stranger", "neighbour"])
def test_others_cannot_list_or_open_it(
    world: World, sign_in: SignIn, who: str, request: pytest.FixtureRequest
) -> None:
    row = world.cloud_account
    row.organization = world.organization
    row.save()
    client = sign_in(request.getfixturevalue(who))
    listed = client.get("/cloud-accounts/")
    assert row.name not in listed.text
    assert listed.status_code == (200 if who in {"stranger", "neighbour"} else 403)
    for name in ("detail", "edit"):
        assert client.get(_url(name, row)).status_code == 404
    for name in ("test", "sync", "edit"):
        assert client.post(_url(name, row)).status_code == 404
    assert not Task.objects.exists()


def test_connection_is_tested_once_at_a_time(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(org_admin)
    for _ in range(2):
        answer = client.post(_url("test", world.cloud_account))
        assert answer.status_code == 302
    assert Task.objects.filter(kind="test_cloud_account").count() == 1
    assert client.get(_url("test", world.cloud_account)).status_code == 405
    page = client.get(_url("detail", world.cloud_account))
    assert "already under way" in page.text
    assert 'data-hx-trigger="every 2s"' in page.text


def test_a_test_shows_what_answered_and_polls_until_it_has_ended(
    world: World, org_admin: User, sign_in: SignIn, lab: Lab, lab_server: LabServer
) -> None:
    row = world.cloud_account
    row.endpoint, row.ca_pem = lab_server.urls["ahv-lon-01"], lab_server.ca_pem
    row.secrets = {"user": "admin", "password": "lab-password"}
    row.save()
    client = sign_in(org_admin)
    client.post(_url("test", row))
    poll = f"{reverse('portal:live')}?part=cloud_account:{row.pk}"
    assert "every 2s" in client.get(poll, headers=HTMX).text
    Runner(clock=JumpClock(lab.clock.advance), threads=2).run(seconds=60)
    settled = client.get(poll, headers=HTMX)
    assert "data-live" not in settled.text
    assert "every 2s" not in settled.text
    assert "ahv-lon-01" in settled.text
    assert "Reachable" in settled.text


def test_a_failed_test_shows_the_clouds_own_words(
    world: World, org_admin: User, sign_in: SignIn, lab: Lab, lab_server: LabServer
) -> None:
    row = world.cloud_account
    row.endpoint, row.ca_pem = lab_server.urls["ahv-lon-01"], lab_server.ca_pem
    row.secrets = {"user": "admin", "password": "wrong"}
    row.save()
    client = sign_in(org_admin)
    client.post(_url("test", row))
    Runner(clock=JumpClock(lab.clock.advance), threads=2).run(seconds=300)
    task = Task.objects.get(kind="test_cloud_account")
    assert task.state == Task.State.FAILED
    page = client.get(_url("detail", row))
    assert "Sign-in refused" in page.text
    told = client.get(reverse("reporting:cloud_account_task", args=[row.pk, task.pk]))
    assert task.error[:20] in told.text


def test_machines_of_accounts_out_of_reach_are_not_named(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    next_door = AccountFactory(
        organization=OrganizationFactory(customer=world.customer),
        cloud_account=world.cloud_account,
        name="Hidden account",
    )
    for account in (world.account, next_door):
        server = DiscoveredServerFactory(cloud_account=world.cloud_account)
        ResourceFactory(account=account, external_id=server.external_id)
    page = sign_in(org_admin).get(_url("detail", world.cloud_account))
    assert "Hidden account" not in page.text
    assert "Another account" in page.text
    assert world.account.name in page.text


def test_the_pages_cost_the_same_however_much_there_is(
    world: World,
    customer_admin: User,
    sign_in: SignIn,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    CloudAccountFactory.create_batch(30, customer=world.customer)
    DiscoveredServerFactory.create_batch(60, cloud_account=world.cloud_account)
    TaskFactory.create_batch(
        12, account=None, cloud_account=world.cloud_account, kind="sync_inventory"
    )
    client = sign_in(customer_admin)
    for url in ("/cloud-accounts/", _url("detail", world.cloud_account)):
        with django_assert_max_num_queries(18):  # type: ignore[attr-defined]
            assert client.get(url).status_code == 200
    rows = client.get("/cloud-accounts/?page=2", headers=HTMX)
    assert rows.text.lstrip().startswith('<div id="rows"')
    assert DiscoveredServer.objects.count() == 60
