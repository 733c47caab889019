"""Sign-ins in the audit trail: for administrators of the people they concern, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import AuditEntry, Role, User
from tests.factories import RoleGrantFactory
from tests.people import World
from tests.reporting.pages import SignIn, text_of, url

PASSWORD = "a-long-enough-password"


def _enter(user: User, password: str = PASSWORD, *, email: str = "") -> Client:
    """Come in by the sign-in page, as people do."""
    client = Client()
    client.post("/sign-in/login/", {"login": email or user.email, "password": password})
    return client


@pytest.fixture
def trail(sign_in: SignIn, world: World) -> Callable[[User], list[tuple[str, str, str]]]:
    """What a person is shown: action, address or name, result."""

    def rows(user: User) -> list[tuple[str, str, str]]:
        address = f"{url('audit_list', world.account)}?scope=sign-ins"
        page = sign_in(user).get(address).context["page"]
        return [(row.action, row.target_label, row.result) for row in page.rows]

    return rows


@pytest.fixture
def person(support: User) -> User:
    support.set_password(PASSWORD)
    support.save()
    return support


def test_in_wrong_and_out_are_shown_to_administrators_of_that_person(
    person: User, customer_admin: User, org_admin: User, trail: Callable[[User], list[object]]
) -> None:
    _enter(person, "not-the-password")
    _enter(person, email=person.email.upper()).post("/sign-in/logout/")
    assert trail(customer_admin) == [
        ("user.signed_out", str(person), "done"),
        ("user.signed_in", str(person), "done"),
        ("user.sign_in", person.email, "failed"),
    ]
    # Support of the customer is above the organization: not the business of its administrator.
    assert trail(org_admin) == []


def test_an_organizations_administrator_sees_those_of_its_own_people(
    person: User, world: World, org_admin: User, trail: Callable[[User], list[object]]
) -> None:
    RoleGrantFactory(user=person, role=Role.AUDITOR, account=world.account)
    _enter(person)
    assert trail(org_admin) == [("user.signed_in", str(person), "done")]


def test_strangers_and_addresses_nobody_has_are_shown_to_nobody_here(
    stranger: User, customer_admin: User, trail: Callable[[User], list[object]]
) -> None:
    stranger.set_password(PASSWORD)
    stranger.save()
    _enter(stranger)
    _enter(stranger, "wrong")
    _enter(stranger, email="nobody@example.org")
    _enter(stranger, email="no\x00body@example.org")
    assert AuditEntry.objects.filter(action__startswith="user.").count() >= 3
    assert trail(customer_admin) == []


def test_others_are_not_offered_sign_ins(
    person: User, account_admin: User, auditor: User, world: World, sign_in: SignIn
) -> None:
    _enter(person, "not-the-password")
    for reader in (account_admin, auditor):
        text = text_of(sign_in(reader), f"{url('audit_list', world.account)}?scope=sign-ins")
        assert person.email not in text
        assert "scope=sign-ins" not in text.replace("?scope=sign-ins", "", 1)


def test_those_above_find_the_link_and_the_words(
    customer_admin: User, sign_in: SignIn, world: World, person: User
) -> None:
    _enter(person, "not-the-password")
    client = sign_in(customer_admin)
    assert "Sign-ins" in text_of(client, url("audit_list", world.account))
    text = text_of(client, f"{url('audit_list', world.account)}?scope=sign-ins&q=sofia")
    assert "Sign in" in text
    assert "Failed" in text
    assert "127.0.0.1" in text
