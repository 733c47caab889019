"""Cloud accounts and organizations are deleted by those who manage them, once nothing uses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    DiscoveredServer,
    Organization,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)
from tests.factories import (
    CloudAccountFactory,
    DiscoveredServerFactory,
    OrganizationFactory,
    RoleGrantFactory,
    TaskFactory,
)
from tests.people import World

SignIn = Callable[[User], Client]


@pytest.fixture
def admin(customer_admin: User, sign_in: SignIn) -> Client:
    return sign_in(customer_admin)


def _cloud(row: CloudAccount) -> str:
    return reverse("portal:cloud_account_delete", args=[row.pk])


def _organization(row: Organization) -> str:
    return reverse("portal:organization_delete", args=[row.pk])


def test_an_unused_cloud_account_goes_with_its_credentials_inventory_and_tasks(
    world: World, admin: Client
) -> None:
    row = CloudAccountFactory(customer=world.customer, name="ahv-old")
    DiscoveredServerFactory(cloud_account=row)
    TaskFactory(account=None, cloud_account=row, kind="sync_inventory")
    history = TaskFactory(account=world.account, cloud_account=row)
    assert "Delete ahv-old?" in admin.get(_cloud(row)).text
    assert "ahv-old deleted." in admin.post(_cloud(row), follow=True).text
    assert not CloudAccount.objects.filter(name="ahv-old").exists()
    assert not DiscoveredServer.objects.exists()
    kept = Task.objects.get()
    assert (kept.pk, kept.cloud_account) == (history.pk, None)
    entry = AuditEntry.objects.get(action="cloud_account.delete")
    assert (entry.customer, entry.target_label) == (world.customer, "ahv-old")
    assert "password" not in str(entry.detail)
    assert admin.post(_cloud(row)).status_code == 404


def test_a_cloud_account_in_use_stays_and_the_reason_is_given(world: World, admin: Client) -> None:
    row = world.cloud_account
    for answer in (admin.get(_cloud(row)), admin.post(_cloud(row))):
        assert f"Used by “{world.account}”." in answer.text
    assert answer.status_code == 422
    Account.objects.update(cloud_account=None)
    assert "Used by" in admin.post(_cloud(row)).text  # its machines are still assigned
    Resource.objects.all().delete()
    task = TaskFactory(account=None, cloud_account=row, state=Task.State.RUNNING, subject="now")
    assert f"“{task}” is under way" in admin.post(_cloud(row)).text
    assert CloudAccount.objects.filter(pk=row.pk).exists()
    assert not AuditEntry.objects.exists()


def test_only_those_who_manage_a_cloud_account_delete_it(
    world: World, org_admin: User, account_admin: User, stranger: User, sign_in: SignIn
) -> None:
    above = CloudAccountFactory(customer=world.customer)
    for person, status in ((org_admin, 403), (account_admin, 404), (stranger, 404)):
        assert sign_in(person).post(_cloud(above)).status_code == status
    own = CloudAccountFactory(customer=world.customer, organization=world.organization)
    assert sign_in(org_admin).post(_cloud(own)).status_code == 302


def test_an_empty_organization_goes_with_the_roles_on_it(world: World, admin: Client) -> None:
    row = OrganizationFactory(customer=world.customer, name="Left over")
    RoleGrantFactory(role=Role.ORGANIZATION_ADMINISTRATOR, organization=row)
    assert "with it 1 role on it" in admin.get(_organization(row)).text
    assert "Organization Left over deleted." in admin.post(_organization(row), follow=True).text
    assert not Organization.objects.filter(name="Left over").exists()
    assert not RoleGrant.objects.filter(role=Role.ORGANIZATION_ADMINISTRATOR).exists()
    entry = AuditEntry.objects.get(action="organization.delete")
    assert (entry.customer, entry.target_label) == (world.customer, "Left over")


def test_an_organization_that_holds_something_stays(world: World, admin: Client) -> None:
    row = world.organization
    answer = admin.post(_organization(row))
    assert answer.status_code == 422
    assert f"It has the account “{world.account}”." in answer.text
    empty = OrganizationFactory(customer=world.customer)
    for number in range(5):
        CloudAccountFactory(customer=world.customer, organization=empty, name=f"ahv-{number}")
    said = admin.post(_organization(empty)).text
    assert "the cloud accounts “ahv-0”, “ahv-1”, “ahv-2” and 2 more" in said
    assert Organization.objects.count() == 2


def test_an_organizations_administrator_does_not_delete_it(
    world: World, org_admin: User, stranger: User, account_admin: User, sign_in: SignIn
) -> None:
    for person, status in ((org_admin, 404), (stranger, 404), (account_admin, 403)):
        assert sign_in(person).post(_organization(world.organization)).status_code == status
    assert "/delete/" not in sign_in(org_admin).get("/organizations/").text
