"""Settings of an account: General, place, machines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import AuditEntry, Resource, User
from tests.factories import (
    BackupFactory,
    CloudAccountFactory,
    DiscoveredServerFactory,
    OrganizationFactory,
    TaskFactory,
)
from tests.people import World

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
GENERAL = {"name": "Radiology", "time_zone": "Europe/Dublin", "is_domain_joined": "on"}


def _url(name: str, world: World, *args: object) -> str:
    return reverse(f"portal:{name}", args=[world.account.pk, *args])


def test_everybody_within_reach_reads_the_settings(
    world: World, auditor: User, sign_in: SignIn
) -> None:
    page = sign_in(auditor).get(_url("account_settings", world))
    assert page.status_code == 200
    assert "Europe/London" in page.text
    assert world.cloud_account.name not in page.text.replace(world.account.site, "")
    assert _url("account_edit", world) not in page.text


def test_an_account_administrator_does_not_learn_names_of_cloud_accounts(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    world.account.site = "Room 4"
    world.account.save()
    client = sign_in(account_admin)
    for name in ("account_settings", "account_edit", "account_machines"):
        assert world.cloud_account.name not in client.get(_url(name, world)).text
    assert client.get(_url("account_place", world)).status_code == 403


def test_the_dialog_shows_what_is_set(world: World, account_admin: User, sign_in: SignIn) -> None:
    page = sign_in(account_admin).get(_url("account_edit", world), headers=HTMX)
    assert '<option value="Europe/London" selected>' in page.text
    assert page.text.count(" selected>") == 1
    assert f'value="{world.account.name}"' in page.text


def test_general_settings_are_changed_and_audited(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    answer = sign_in(account_admin).post(_url("account_edit", world), GENERAL)
    assert answer.status_code == 302
    world.account.refresh_from_db()
    assert (world.account.name, world.account.time_zone) == ("Radiology", "Europe/Dublin")
    entry = AuditEntry.objects.get(action="account.edit")
    assert entry.actor == account_admin
    assert entry.detail["after"]["time_zone"] == "Europe/Dublin"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "required"),
        ("name", "x" * 101, "at most 100"),
        ("name", "bad\x07name", "control characters"),
        ("time_zone", "Mars/Olympus", "valid choice"),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    world: World, account_admin: User, sign_in: SignIn, field: str, value: str, said: str
) -> None:
    answer = sign_in(account_admin).post(
        _url("account_edit", world), GENERAL | {field: value}, headers=HTMX
    )
    assert answer.status_code == 422
    assert said in answer.text
    assert answer.text.lstrip().startswith("<dialog")
    assert not AuditEntry.objects.exists()


def test_the_name_of_a_sister_account_is_refused(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    world.organization.accounts.create(name="Taken")
    answer = sign_in(account_admin).post(_url("account_edit", world), GENERAL | {"name": "Taken"})
    assert answer.status_code == 422
    assert "already has an account of that name" in answer.text


def test_an_account_moves_to_a_cloud_account_its_organization_can_use(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    Resource.objects.all().delete()
    other = CloudAccountFactory(customer=world.customer)
    answer = sign_in(org_admin).post(_url("account_place", world), {"cloud_account": other.pk})
    assert answer.status_code == 302
    world.account.refresh_from_db()
    assert world.account.cloud_account == other
    assert world.account.site == other.name


def test_an_account_does_not_leave_its_cloud_account_while_machines_are_assigned(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    other = CloudAccountFactory(customer=world.customer)
    answer = sign_in(org_admin).post(_url("account_place", world), {"cloud_account": other.pk})
    assert answer.status_code == 422
    assert "Remove them first" in answer.text


def test_a_cloud_account_of_another_branch_cannot_be_chosen(
    world: World, elsewhere: World, org_admin: User, sign_in: SignIn
) -> None:
    Resource.objects.all().delete()
    next_door = OrganizationFactory(customer=world.customer)
    for foreign in (
        elsewhere.cloud_account,
        CloudAccountFactory(customer=world.customer, organization=next_door),
    ):
        answer = sign_in(org_admin).post(
            _url("account_place", world), {"cloud_account": foreign.pk}
        )
        assert answer.status_code == 422
        assert foreign.name not in answer.text


def test_a_discovered_machine_becomes_a_utility_server(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    server = DiscoveredServerFactory(cloud_account=world.cloud_account)
    answer = sign_in(org_admin).post(
        _url("machine_assign", world), {"server": server.pk, "kind": "utility_server"}
    )
    assert answer.status_code == 302
    made = world.account.resources.get(external_id=server.external_id)
    assert (made.name, made.size_bytes) == (server.name, server.size_bytes)
    assert AuditEntry.objects.filter(action="machine.assign", account=world.account).exists()


def test_a_second_sandbox_is_refused(world: World, org_admin: User, sign_in: SignIn) -> None:
    server = DiscoveredServerFactory(cloud_account=world.cloud_account)
    answer = sign_in(org_admin).post(
        _url("machine_assign", world), {"server": server.pk, "kind": "sandbox"}
    )
    assert answer.status_code == 422
    assert "already has a Sandbox" in answer.text


def test_machines_assigned_or_of_another_cloud_account_cannot_be_chosen(
    world: World, elsewhere: World, org_admin: User, sign_in: SignIn
) -> None:
    taken = DiscoveredServerFactory(
        cloud_account=world.cloud_account, external_id=world.sandbox.external_id
    )
    foreign = DiscoveredServerFactory(cloud_account=elsewhere.cloud_account)
    for server in (taken, foreign):
        answer = sign_in(org_admin).post(
            _url("machine_assign", world), {"server": server.pk, "kind": "utility_server"}
        )
        assert answer.status_code == 422
        assert server.name not in answer.text


def test_a_machine_is_let_go_and_its_tasks_stay(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    gone = BackupFactory(resource=world.utility_server, status=Backup.Status.DELETED)
    answer = sign_in(org_admin).post(_url("machine_remove", world, world.utility_server.pk))
    assert answer.status_code == 302
    assert not Resource.objects.filter(pk=world.utility_server.pk).exists()
    gone.task.refresh_from_db()
    assert gone.task.resource is None
    assert AuditEntry.objects.filter(action="machine.remove").exists()


def test_a_machine_with_backups_or_at_work_stays_assigned(
    world: World, org_admin: User, sign_in: SignIn
) -> None:
    BackupFactory(resource=world.utility_server)
    TaskFactory(account=world.account, resource=world.sandbox, state="running")
    for resource, said in ((world.utility_server, "backup"), (world.sandbox, "is busy")):
        answer = sign_in(org_admin).post(_url("machine_remove", world, resource.pk))
        assert answer.status_code == 422
        assert said in answer.text
        assert Resource.objects.filter(pk=resource.pk).exists()


def test_pages_of_settings_cost_the_same_however_much_there_is(
    world: World,
    customer_admin: User,
    sign_in: SignIn,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    client = sign_in(customer_admin)
    for name in ("account_settings", "account_machines", "account_access"):
        with django_assert_max_num_queries(20):  # type: ignore[attr-defined]
            assert client.get(_url(name, world)).status_code == 200
