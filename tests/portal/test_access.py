"""Rights come from role grants alone and reach no further than their scope (R110-R112, R165)."""

from __future__ import annotations

import pytest

from portal.access import Permission, permissions
from portal.models import Account, CloudAccount, User
from tests.factories import AccountFactory
from tests.people import World


@pytest.fixture
def person(request: pytest.FixtureRequest) -> User:
    user: User = request.getfixturevalue(request.param)
    return user


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("customer_admin", set(Permission)),
        ("org_admin", set(Permission)),
        (
            "account_admin",
            set(Permission)
            - {
                Permission.ASSIGN_MACHINES,
                Permission.VIEW_CLOUD_ACCOUNTS,
                Permission.MANAGE_RECOVERY,
                Permission.REPORT_SESSIONS,
            },
        ),
        ("support", {Permission.VIEW, Permission.PROTECT_VOLUMES}),
        ("auditor", {Permission.VIEW}),
        ("neighbour", set()),
        ("stranger", set()),
        ("staff", set()),
    ],
    indirect=["person"],
)
def test_each_role_has_its_rights_and_no_others(
    world: World, person: User, expected: set[Permission]
) -> None:
    assert permissions(person, world.account) == expected
    assert Account.objects.visible_to(person).filter(pk=world.account.pk).exists() == bool(expected)


@pytest.mark.parametrize("person", ["account_admin", "support", "auditor"], indirect=True)
def test_only_administrators_above_the_account_see_cloud_accounts(
    world: World, person: User
) -> None:
    assert not CloudAccount.objects.visible_to(person).exists()


def test_a_cloud_account_of_another_branch_cannot_be_used(world: World, neighbour: User) -> None:
    own = world.cloud_account
    own.organization = world.organization
    own.save()
    assert not CloudAccount.objects.visible_to(neighbour).exists()
    other = AccountFactory(organization__customer=world.customer, cloud_account=None)
    assert not CloudAccount.objects.usable_by(other.organization).exists()


def test_an_organization_uses_its_customers_cloud_account_but_does_not_manage_it(
    world: World, org_admin: User
) -> None:
    assert CloudAccount.objects.visible_to(org_admin).get() == world.cloud_account
    assert not CloudAccount.objects.managed_by(org_admin).exists()
