"""Azure subscriptions as cloud accounts: their form, their secret, their regions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.lab.azure.access import assign_default, forbid
from portal.models import Account, AuditEntry, CloudAccount, Infrastructure, User
from portal.refusals import Refused
from portal.services import cloud_accounts, machines, tenancy
from tests.clock import JumpClock
from tests.factories import AccountFactory, CloudAccountFactory, DiscoveredServerFactory
from tests.people import World

SignIn = Callable[[User], Client]
CREATE = "/cloud-accounts/create/"
SECRET = "very-secret-4711"
TENANT = "11111111-1111-4111-8111-111111111111"


def _form(world: World, **changes: str) -> dict[str, str]:
    return {
        "kind": "azure",
        "scope": f"customer:{world.customer.pk}",
        "name": "azure-new",
        "tenant": TENANT.upper(),
        "subscription": "33333333-3333-4333-8333-333333333333",
        "client_id": "22222222-2222-4222-8222-222222222222",
        "client_secret": SECRET,
        "authority": "https://login.microsoftonline.com",
        "endpoint": "https://management.azure.com/",
        "ca_pem": "",
    } | changes


@pytest.fixture
def subscription(world: World, customer_admin: User, sign_in: SignIn) -> CloudAccount:
    assert sign_in(customer_admin).post(CREATE, _form(world)).status_code == 302
    return CloudAccount.objects.get(name="azure-new")


def _edit(cloud_account: CloudAccount) -> str:
    return reverse("portal:cloud_account_edit", args=[cloud_account.pk])


def test_each_kind_has_its_own_fields(customer_admin: User, sign_in: SignIn) -> None:
    client = sign_in(customer_admin)
    cluster, azure = client.get(CREATE).text, client.get(f"{CREATE}?kind=azure").text
    assert "Prism Element address" in cluster
    assert "Tenant ID" not in cluster
    for label in ("Tenant ID", "Subscription ID", "Client ID", "Client secret", "Authority"):
        assert label in azure
    assert "https://login.microsoftonline.us" in azure
    assert client.get(f"{CREATE}?kind=gcp").status_code == 404


def test_a_subscription_is_registered_and_its_secret_shown_to_nobody(
    subscription: CloudAccount, customer_admin: User, sign_in: SignIn
) -> None:
    assert subscription.kind == Infrastructure.AZURE
    assert subscription.endpoint == "https://management.azure.com"
    assert subscription.secrets["tenant"] == TENANT
    assert subscription.secrets["client_secret"] == SECRET
    entry = AuditEntry.objects.get(action="cloud_account.create")
    assert TENANT in str(entry.detail)
    assert SECRET not in str(entry.detail)
    client = sign_in(customer_admin)
    for url in (
        _edit(subscription),
        reverse("portal:cloud_account_detail", args=[subscription.pk]),
    ):
        assert SECRET not in client.get(url).text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tenant", "contoso", "Enter an ID such as"),
        ("subscription", "", "required"),
        ("client_id", "x" * 40, "at most 36"),
        ("client_secret", "", "required"),
        ("authority", "http://login.microsoftonline.com", "must begin with https://"),
        ("authority", "https://login.microsoftonline.com/tenant", "Leave out everything"),
        ("endpoint", "https://169.254.169.254", "link-local"),
        ("ca_pem", "nonsense", "no certificate in PEM form"),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    world: World, customer_admin: User, sign_in: SignIn, field: str, value: str, said: str
) -> None:
    answer = sign_in(customer_admin).post(CREATE, _form(world, **{field: value}))
    assert answer.status_code == 422
    assert said in answer.text
    assert SECRET not in answer.text
    assert not CloudAccount.objects.filter(name="azure-new").exists()


def _changed(found: CloudAccount, **changes: str) -> dict[str, str]:
    facts = {key: value for key, value in found.secrets.items() if key != "client_secret"}
    present = {"name": found.name, "endpoint": found.endpoint, "client_secret": ""}
    return {**present, **facts, "ca_pem": "", **changes}


def test_an_empty_secret_keeps_the_one_there_is(
    subscription: CloudAccount, customer_admin: User, sign_in: SignIn
) -> None:
    sent = _changed(subscription, name="azure-renamed")
    assert sign_in(customer_admin).post(_edit(subscription), sent).status_code == 302
    subscription.refresh_from_db()
    assert subscription.name == "azure-renamed"
    assert subscription.secrets["client_secret"] == SECRET


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("authority", "https://login.example.net"),
        ("tenant", "55555555-5555-4555-8555-555555555555"),
        ("subscription", "55555555-5555-4555-8555-555555555555"),
        ("endpoint", "https://arm.example.net"),
        ("client_id", "55555555-5555-4555-8555-555555555555"),
    ],
)
def test_the_secret_does_not_follow_to_another_place(
    subscription: CloudAccount, customer_admin: User, sign_in: SignIn, field: str, value: str
) -> None:
    answer = sign_in(customer_admin).post(
        _edit(subscription), _changed(subscription, **{field: value})
    )
    assert answer.status_code == 422
    assert "Enter the client secret again" in answer.text
    before = subscription.secrets
    subscription.refresh_from_db()
    assert subscription.secrets == before


# Regions


@pytest.fixture
def azure_account(world: World) -> Account:
    cloud = CloudAccountFactory(customer=world.customer, kind=Infrastructure.AZURE)
    DiscoveredServerFactory(cloud_account=cloud, name="here", site="westeurope")
    DiscoveredServerFactory(cloud_account=cloud, name="there", site="northeurope")
    return AccountFactory(
        organization=world.organization, infrastructure=Infrastructure.AZURE, cloud_account=cloud,
        site="westeurope",
    )  # fmt: skip


def test_an_account_names_a_region_that_has_machines(azure_account: Account) -> None:
    cloud = azure_account.cloud_account
    placed = tenancy.place_account(SYSTEM, azure_account, cloud_account=cloud, site="North Europe")
    assert placed.site == "northeurope"
    for site, said in (("", "Name the region"), ("mars", "northeurope, westeurope")):
        with pytest.raises(Refused, match=said):
            tenancy.place_account(SYSTEM, azure_account, cloud_account=cloud, site=site)


def test_an_account_with_machines_stays_in_their_region(azure_account: Account) -> None:
    cloud = azure_account.cloud_account
    assert cloud is not None
    here = cloud.servers.get(name="here")
    machines.assign_machine(SYSTEM, azure_account, server=here, kind="utility_server")
    with pytest.raises(Refused, match="Machines in westeurope are assigned"):
        tenancy.place_account(SYSTEM, azure_account, cloud_account=cloud, site="northeurope")
    azure_account.refresh_from_db()
    assert azure_account.site == "westeurope"


def test_machines_of_another_region_are_neither_offered_nor_taken(
    azure_account: Account, customer_admin: User, sign_in: SignIn
) -> None:
    page = sign_in(customer_admin).get(reverse("portal:machine_assign", args=[azure_account.pk]))
    assert "here" in page.text
    assert ">there<" not in page.text
    assert azure_account.cloud_account is not None
    elsewhere = azure_account.cloud_account.servers.get(name="there")
    with pytest.raises(Refused, match="is in northeurope"):
        machines.assign_machine(SYSTEM, azure_account, server=elsewhere, kind="utility_server")


def test_what_is_wrong_now_is_shown_not_what_was_wrong_first(
    world: World, lab: Lab, lab_server: LabServer
) -> None:
    url = lab_server.urls["azure"]
    facts = {key: _form(world)[key] for key in ("tenant", "subscription", "client_id")}
    cloud_account = cloud_accounts.create_cloud_account(
        SYSTEM, customer=world.customer, name="azure-lab", endpoint=url, kind=Infrastructure.AZURE,
        secrets={**facts, "tenant": TENANT, "client_secret": "lab-secret", "authority": url},
        ca_pem=lab_server.ca_pem,
    )  # fmt: skip
    clock = JumpClock(lab.clock.advance)

    def tested() -> str:
        cloud_accounts.check_connection(SYSTEM, cloud_account)
        Runner(clock=clock, threads=2).run(seconds=120)
        cloud_account.refresh_from_db()
        return f"{cloud_account.health} {cloud_account.health_detail}"

    forbid(lab.azure, "Microsoft.Compute/snapshots/write")
    assert "refused The application's role lacks Microsoft.Compute/snapshots/write." in tested()
    lab.azure.access.secret = "another"
    assert "AADSTS7000215" in tested()
    lab.azure.access.secret = "lab-secret"
    assign_default(lab.azure)
    assert tested() == "reachable "


def test_the_web_process_loads_no_sdk(process_environment: dict[str, str]) -> None:
    program = (
        "import sys, portal.wsgi; from django.urls import get_resolver; "
        "get_resolver().url_patterns; "
        "sys.exit(any(name.partition('.')[0] in ('azure', 'msal') for name in sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=process_environment, check=False
    )
    assert done.returncode == 0
