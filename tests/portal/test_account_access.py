"""Roles granted and revoked within one's own scope, people invited by mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.models import AuditEntry, Invitation, Role, RoleGrant, User
from tests.factories import InvitationFactory, RoleGrantFactory, UserFactory
from tests.people import World

SignIn = Callable[[User], Client]
PASSWORD = "correct horse battery"
JOIN = {"full_name": "New Person", "password": PASSWORD, "password_again": PASSWORD}


def _grant(client: Client, world: World, email: str, role: str) -> int:
    url = reverse("portal:role_grant_create", args=[world.account.pk])
    return client.post(url, {"email": email, "role": role}).status_code


def _revoke(client: Client, world: World, grant: RoleGrant) -> int:
    url = reverse("portal:role_grant_revoke", args=[world.account.pk, grant.pk])
    return client.post(url).status_code


@pytest.fixture
def link(
    world: World,
    account_admin: User,
    sign_in: SignIn,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> str:
    """The link in the mail to new@example.org, invited as auditor of the account."""
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        assert _grant(sign_in(account_admin), world, "New@Example.org", "auditor:account") == 302
    found = re.search(r"http://testserver(/invitations/\S+)", str(mailoutbox[0].body))
    assert found
    assert mailoutbox[0].to == ["new@example.org"]
    return found.group(1)


@pytest.mark.parametrize(
    ("who", "role", "status"),
    [
        ("account_admin", "account_administrator:account", 302),
        ("account_admin", "auditor:account", 302),
        ("account_admin", "organization_administrator:organization", 422),
        ("account_admin", "auditor:organization", 422),
        ("account_admin", "customer_administrator:customer", 422),
        ("org_admin", "organization_administrator:organization", 302),
        ("org_admin", "support:customer", 422),
        ("customer_admin", "customer_administrator:customer", 302),
        ("customer_admin", "account_administrator:customer", 422),
        ("auditor", "auditor:account", 403),
        ("support", "auditor:account", 403),
        ("stranger", "auditor:account", 404),
        ("neighbour", "auditor:account", 404),
    ],
)
def test_nobody_grants_above_or_beside_the_own_scope(
    world: World, sign_in: SignIn, who: str, role: str, status: int, request: pytest.FixtureRequest
) -> None:
    person = request.getfixturevalue(who)
    colleague = RoleGrantFactory(role=Role.SUPPORT, account=world.account).user
    assert _grant(sign_in(person), world, colleague.email, role) == status
    assert colleague.grants.count() == (2 if status == 302 else 1)
    assert AuditEntry.objects.filter(action="access.grant").exists() == (status == 302)


def test_somebody_known_elsewhere_is_invited_like_somebody_unknown(
    world: World, account_admin: User, stranger: User, sign_in: SignIn
) -> None:
    client = sign_in(account_admin)
    assert _grant(client, world, stranger.email, "auditor:account") == 302
    assert not RoleGrant.objects.filter(user=stranger, account=world.account).exists()
    page = client.get(reverse("portal:account_access", args=[world.account.pk]))
    assert f"Invitation sent to {stranger.email}" in page.text
    assert stranger.full_name not in page.text


def test_a_role_held_already_is_refused(world: World, account_admin: User, sign_in: SignIn) -> None:
    client = sign_in(account_admin)
    assert _grant(client, world, account_admin.email, "account_administrator:account") == 422


def test_a_role_is_revoked_only_by_those_who_could_grant_it(
    world: World, account_admin: User, org_admin: User, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(account_admin)
    for above in (org_admin, customer_admin):
        grant = above.grants.get()
        assert _revoke(client, world, grant) == 403
    own_level = RoleGrantFactory(role=Role.AUDITOR, account=world.account)
    assert _revoke(client, world, own_level) == 302
    assert not RoleGrant.objects.filter(pk=own_level.pk).exists()
    assert AuditEntry.objects.filter(action="access.revoke", actor=account_admin).exists()


def test_a_grant_that_does_not_reach_the_account_cannot_be_revoked_through_it(
    world: World, customer_admin: User, stranger: User, sign_in: SignIn
) -> None:
    assert _revoke(sign_in(customer_admin), world, stranger.grants.get()) == 404


def test_the_last_customer_administrator_stays(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client, own = sign_in(customer_admin), customer_admin.grants.get()
    RoleGrantFactory(
        user__is_active=False, role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer
    )
    assert _revoke(client, world, own) == 422
    RoleGrantFactory(role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer)
    url = reverse("portal:role_grant_revoke", args=[world.account.pk, own.pk])
    assert "This is your own role" in client.get(url).text
    assert RoleGrant.objects.filter(pk=own.pk).exists()
    assert _revoke(client, world, own) == 302


def test_somebody_new_joins_by_the_link_once(link: str, world: World) -> None:
    browser = Client()
    page = browser.get(link)
    assert page.status_code == 200
    # The address holds the token: no other site is told. (no-referrer would end the form's Origin.)
    assert page["Referrer-Policy"] == "same-origin"
    assert browser.post(link, JOIN).status_code == 302
    person = User.objects.get(email="new@example.org")
    assert person.check_password(PASSWORD)
    assert person.grants.get().account == world.account
    assert (
        browser.get(reverse("portal:account_settings", args=[world.account.pk])).status_code == 200
    )
    assert AuditEntry.objects.filter(action="access.accept", actor=person).exists()
    entered = AuditEntry.objects.get(action="user.signed_in", actor=person)
    assert entered.detail == {"by": "invitation"}
    again = Client().post(link, JOIN | {"full_name": "Second"})
    assert again.status_code == 404
    assert User.objects.filter(email="new@example.org").count() == 1


def test_only_a_hash_of_the_link_is_kept(link: str) -> None:
    token = link.rstrip("/").rpartition("/")[2]
    assert len(token) >= 43
    kept = Invitation.objects.get()
    assert token not in {kept.token_hash, str(kept.pk)}
    assert token not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password_again": "something else"}, "differ"),
        ({"full_name": ""}, "required"),
        ({"password": "new@example.org1", "password_again": "new@example.org1"}, "too similar"),
    ],
)
def test_a_weak_password_or_no_name_is_refused(
    link: str, changes: dict[str, str], said: str
) -> None:
    answer = Client().post(link, JOIN | changes)
    assert answer.status_code == 422
    assert said in answer.text
    assert not User.objects.filter(email="new@example.org").exists()


def test_a_link_expired_withdrawn_or_made_up_says_so_plainly(
    link: str, world: World, account_admin: User, sign_in: SignIn
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(link).status_code == 404
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert Client().get(link).status_code == 200
    url = reverse("portal:invitation_revoke", args=[world.account.pk, Invitation.objects.get().pk])
    assert sign_in(account_admin).post(url).status_code == 302
    gone = Client().get(link)
    assert gone.status_code == 404
    assert "does not work" in gone.text
    assert Client().get("/invitations/made-up/").status_code == 404


def test_somebody_with_an_account_signs_in_as_the_one_invited(
    link: str, world: World, stranger: User, sign_in: SignIn
) -> None:
    person = UserFactory(email="new@example.org")
    to_sign_in = Client().get(link)
    assert to_sign_in.status_code == 302
    assert to_sign_in["Location"].startswith("/sign-in/")
    as_other = sign_in(stranger)
    assert "signed in as" in as_other.get(link).text
    as_other.post(link)
    assert not RoleGrant.objects.filter(account=world.account, user=stranger).exists()
    assert sign_in(person).post(link).status_code == 302
    assert person.grants.get().role == Role.AUDITOR


def test_an_invitation_above_the_own_role_cannot_be_withdrawn(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    above = InvitationFactory(role=Role.SUPPORT, customer=world.customer)
    url = reverse("portal:invitation_revoke", args=[world.account.pk, above.pk])
    assert sign_in(account_admin).post(url).status_code == 403
    assert Invitation.objects.filter(pk=above.pk).exists()
