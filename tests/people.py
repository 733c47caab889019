"""The people of the tests: one of each role in one small world, staff, and a stranger.

`world` is a customer with an organization, a cloud account, an account, its Sandbox and one
Utility Server. `stranger` is the Customer Administrator of another customer, whose world is
`elsewhere`; `neighbour` administers another organization of the same customer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.core.cache import cache
from django.test import Client

from portal.models import (
    Account,
    CloudAccount,
    Customer,
    Organization,
    Resource,
    Role,
    User,
)
from tests.factories import (
    AccountFactory,
    CloudAccountFactory,
    CustomerFactory,
    OrganizationFactory,
    ResourceFactory,
    RoleGrantFactory,
    UserFactory,
)


@dataclass(frozen=True)
class World:
    customer: Customer
    organization: Organization
    cloud_account: CloudAccount
    account: Account
    sandbox: Resource
    utility_server: Resource


def make_world(name: str) -> World:
    """Make a customer and everything below it; names begin with ``name``."""
    customer = CustomerFactory(name=name)
    organization = OrganizationFactory(customer=customer, name=f"{name} organization")
    cloud_account = CloudAccountFactory(customer=customer, name=f"{name} cluster")
    account = AccountFactory(
        organization=organization, cloud_account=cloud_account, name=f"{name} account"
    )
    sandbox = ResourceFactory(
        account=account, kind=Resource.Kind.SANDBOX, name=f"{name.lower()}-sandbox"
    )
    utility_server = ResourceFactory(account=account, name=f"{name.lower()}-util-01")
    return World(customer, organization, cloud_account, account, sandbox, utility_server)


def _person(name: str, role: Role, **scope: object) -> User:
    user: User = UserFactory(full_name=name, email=f"{name.replace(' ', '.').lower()}@example.org")
    RoleGrantFactory(user=user, role=role, **scope)
    return user


@pytest.fixture
def world(db: None) -> World:
    return make_world("Meridian")


@pytest.fixture
def elsewhere(db: None) -> World:
    """The stranger's world: another customer."""
    return make_world("Northwind")


@pytest.fixture
def customer_admin(world: World) -> User:
    return _person("Cleo Adams", Role.CUSTOMER_ADMINISTRATOR, customer=world.customer)


@pytest.fixture
def org_admin(world: World) -> User:
    return _person(
        "Hana Oliveira", Role.ORGANIZATION_ADMINISTRATOR, organization=world.organization
    )


@pytest.fixture
def account_admin(world: World) -> User:
    return _person("Amir Rahman", Role.ACCOUNT_ADMINISTRATOR, account=world.account)


@pytest.fixture
def support(world: World) -> User:
    return _person("Sofia Lind", Role.SUPPORT, customer=world.customer)


@pytest.fixture
def auditor(world: World) -> User:
    return _person("Ana Torres", Role.AUDITOR, customer=world.customer)


@pytest.fixture
def neighbour(world: World) -> User:
    """Organization Administrator of another organization of the same customer."""
    other = OrganizationFactory(customer=world.customer, name="Next door")
    return _person("Noor Haddad", Role.ORGANIZATION_ADMINISTRATOR, organization=other)


@pytest.fixture
def stranger(elsewhere: World) -> User:
    """Customer Administrator of another customer."""
    return _person("Stan Other", Role.CUSTOMER_ADMINISTRATOR, customer=elsewhere.customer)


@pytest.fixture
def staff(db: None) -> User:
    """A member of staff with every right in Django admin and none in the portal."""
    user: User = UserFactory(full_name="Sam Staff", is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """Return a browser in which this person is signed in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def no_tries_yet(db: None) -> None:
    """Nobody has tried to sign in: tries are counted in the cache, which tests share."""
    cache.clear()
