"""Signing in with an identity provider: who gets in, with which roles, and who does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme
from django.conf import LazySettings
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.identity_provider import provider
from portal.models import AuditEntry, ExternalIdentity, GroupMapping, Role, RoleGrant, User
from portal.sign_in import CHANGES, CONNECTED, DISCONNECTED
from tests.factories import RoleGrantFactory
from tests.identity_server import CLIENT_ID, CLIENT_SECRET, OTHER_KEY, IdentityServer
from tests.identity_server import identity_server as serve
from tests.people import World

SignIn = Callable[[User], Client]
ANN = {
    "sub": "ann-1",
    "email": "Ann@Example.org",
    "email_verified": True,
    "name": "Ann Other",
    "groups": ["auditors"],
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(
    authority: trustme.CA, settings: LazySettings, tmp_path: Path, db: None
) -> Iterator[IdentityServer]:
    cache.clear()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serve(authority) as found:
        settings.OIDC_ISSUER = found.issuer
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        settings.OIDC_NAME, settings.OIDC_CA_FILE = "Example ID", str(tmp_path / "ca.pem")
        found.person = dict(ANN)
        yield found


@pytest.fixture
def mapping(world: World) -> GroupMapping:
    """Auditors of the provider are auditors of the organization."""
    return GroupMapping.objects.create(
        group="auditors", role=Role.AUDITOR, organization=world.organization
    )


def begin(client: Client, path: str = "/sign-in/with/") -> str:
    """Follow the button; return where it leads."""
    answer = client.get(path)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def come_back(client: Client, server: IdentityServer, path: str = "/sign-in/with/") -> Any:
    """All of the way: there, signed in there, and back."""
    return client.get("/sign-in/with/back/", server.authorize(begin(client, path)))


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def assert_refused(client: Client, answer: Any, words: str) -> None:
    assert answer.status_code == 403
    assert words in answer.content.decode()
    assert not is_in(client)
    failed = AuditEntry.objects.get(action="user.sign_in")
    assert (failed.result, failed.target_label) == ("failed", "Example ID")
    assert not ExternalIdentity.objects.exists()


def test_without_a_provider_there_is_no_button_and_no_address(client: Client, db: None) -> None:
    assert provider() is None
    assert "Sign in with Example" not in client.get("/sign-in/login/").text
    assert client.get("/sign-in/with/").status_code == 404
    assert client.get("/sign-in/with/back/").status_code == 404


def test_the_button_leads_there_with_all_that_guards_the_way(
    client: Client, server: IdentityServer
) -> None:
    page = client.get("/sign-in/login/?next=/accounts/").text
    assert "Sign in with Example ID" in page
    assert "/sign-in/with/?next=%2Faccounts%2F" in page
    urls = [begin(client), begin(client)]
    first, second = (dict(parse_qsl(urlsplit(url).query)) for url in urls)
    assert urls[0].startswith(f"{server.issuer}/authorize?")
    assert first["redirect_uri"] == "http://testserver/sign-in/with/back/"
    for secret in ("state", "nonce", "code_challenge"):
        assert len(first[secret]) >= 43
        assert first[secret] != second[secret]


def test_somebody_new_of_a_mapped_group_comes_in_with_its_role(
    client: Client, server: IdentityServer, mapping: GroupMapping, world: World
) -> None:
    answer = come_back(client, server, "/sign-in/with/?next=/accounts/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/")
    ann = User.objects.get(email="ann@example.org")
    assert (ann.full_name, ann.has_usable_password()) == ("Ann Other", False)
    assert client.session["_auth_user_id"] == str(ann.pk)
    grant = RoleGrant.objects.get(user=ann)
    assert (grant.role, grant.organization, grant.by_group) == ("auditor", world.organization, True)
    identity = ExternalIdentity.objects.get(user=ann)
    assert (identity.issuer, identity.subject) == (server.issuer, "ann-1")
    given = AuditEntry.objects.get(action="access.grant")
    assert (given.actor, given.detail["by"], given.detail["group"]) == (ann, "group", "auditors")
    entered = AuditEntry.objects.get(action="user.signed_in")
    assert entered.detail["by"] == ["single_sign_on"]


def test_who_is_known_is_known_by_subject_whatever_the_address(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    come_back(client, server)
    server.person["email"] = "married@example.org"
    come_back(Client(), server)
    assert User.objects.filter(email__in=["ann@example.org", "married@example.org"]).count() == 1
    # Another subject with an address of somebody here is not them.
    server.person |= {"sub": "eve-1", "email": "ann@example.org"}
    other = Client()
    answer = come_back(other, server)
    assert answer.status_code == 403
    assert "connect the two on your Security page" in answer.text
    assert not is_in(other)
    assert ExternalIdentity.objects.count() == 1


def test_an_address_of_somebody_here_takes_nothing_over(
    client: Client, server: IdentityServer, mapping: GroupMapping, customer_admin: User
) -> None:
    server.person["email"] = customer_admin.email
    assert_refused(client, come_back(client, server), "signs in here with your address already")
    assert not customer_admin.grants.filter(by_group=True).exists()


def test_somebody_without_a_mapped_group_is_told_whom_to_ask(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    del server.person["groups"]
    assert_refused(client, come_back(client, server), "Ask your administrator")
    assert not User.objects.filter(email="ann@example.org").exists()


def test_an_address_that_is_not_verified_is_not_believed(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    server.person["email_verified"] = "false"
    assert_refused(client, come_back(client, server), "has not verified your address")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://somebody.example"}, "not genuine, or too old"),
        ({"aud": "another client"}, "not genuine, or too old"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "meant for somebody else"),
        ({"aud": [CLIENT_ID, "another"]}, "meant for somebody else"),
        ({"exp": int(time.time()) - 3600}, "not genuine, or too old"),
        ({"exp": None}, "not genuine, or too old"),
        ({"iat": int(time.time()) + 3600}, "not genuine, or too old"),
        ({"sub": None}, "not genuine, or too old"),
        ({"nonce": "of another attempt"}, "belongs to another sign-in"),
        ({"nonce": None}, "belongs to another sign-in"),
    ],
)
def test_a_token_that_does_not_fit_opens_nothing(
    client: Client,
    server: IdentityServer,
    mapping: GroupMapping,
    claims: dict[str, Any],
    words: str,
) -> None:
    server.wrong_claims = claims
    assert_refused(client, come_back(client, server), words)


def test_a_token_of_another_key_opens_nothing(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    server.signing_key = OTHER_KEY
    assert_refused(client, come_back(client, server), "not genuine")


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_anybody_could_sign_opens_nothing(
    client: Client, server: IdentityServer, mapping: GroupMapping, algorithm: str
) -> None:
    server.algorithm = algorithm
    assert_refused(client, come_back(client, server), "signs in a way that is not accepted")


def test_an_answer_is_good_once_and_only_where_it_was_asked_for(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    sent = server.authorize(begin(client))
    assert Client().get("/sign-in/with/back/", sent).status_code == 403
    assert client.get("/sign-in/with/back/", sent).status_code == 302
    again = client.get("/sign-in/with/back/", sent)
    assert again.status_code == 403
    assert "This sign-in is over" in again.text
    stranger = Client()
    begin(stranger)
    forged = stranger.get("/sign-in/with/back/", sent | {"state": "made up"})
    assert forged.status_code == 403
    assert not is_in(stranger)


def test_an_answer_that_comes_late_is_over(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    sent = server.authorize(begin(client))
    session = client.session
    session["single_sign_on"][sent["state"]]["at"] -= 601
    session.save()
    assert_refused(client, client.get("/sign-in/with/back/", sent), "This sign-in is over")


def test_an_answer_of_another_provider_or_none_is_refused(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    sent = server.authorize(begin(client))
    answer = client.get("/sign-in/with/back/", sent | {"iss": "https://somebody.example"})
    assert answer.status_code == 403
    refused = {"error": "access_denied", "state": server.authorize(begin(client))["state"]}
    answer = client.get("/sign-in/with/back/", refused)
    assert "has not signed you in" in answer.text
    assert "/token" not in server.asked


def test_userinfo_of_somebody_else_is_not_mixed_in(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    server.userinfo = {"sub": "bob-1", "groups": ["auditors"]}
    assert_refused(client, come_back(client, server), "two people at once")


def test_groups_of_userinfo_count_too(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    del server.person["groups"]
    server.userinfo = {"groups": "auditors"}
    assert come_back(client, server).status_code == 302


def test_roles_follow_the_groups_and_those_by_hand_stay(
    client: Client, server: IdentityServer, mapping: GroupMapping, world: World
) -> None:
    come_back(client, server)
    ann = User.objects.get(email="ann@example.org")
    RoleGrantFactory(user=ann, role=Role.SUPPORT, account=world.account)
    GroupMapping.objects.create(
        group="owners", role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer
    )
    server.person["groups"] = ["owners"]
    come_back(Client(), server)
    held = {(grant.role, grant.by_group) for grant in ann.grants.all()}
    assert held == {("support", False), ("customer_administrator", True)}
    taken = AuditEntry.objects.get(action="access.revoke")
    assert (taken.detail["role"], taken.detail["by"]) == ("auditor", "group")
    # No groups at all: in they come, with what was given by hand.
    del server.person["groups"]
    come_back(Client(), server)
    assert [grant.role for grant in ann.grants.all()] == ["support"]


def test_one_given_by_hand_is_not_given_again_nor_taken(
    client: Client, server: IdentityServer, mapping: GroupMapping, world: World
) -> None:
    come_back(client, server)
    ann = User.objects.get(email="ann@example.org")
    ann.grants.update(by_group=False)
    come_back(Client(), server)
    server.person["groups"] = []
    come_back(Client(), server)
    assert ann.grants.get().by_group is False


def test_groups_left_out_for_their_number_take_no_role_away(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    come_back(client, server)
    server.person |= {"groups": None, "_claim_names": {"groups": "src1"}}
    other = Client()
    assert "too many groups" in come_back(other, server).text
    assert not is_in(other)
    assert RoleGrant.objects.filter(by_group=True).count() == 1


def test_who_is_switched_off_stays_out_and_gets_nothing(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    come_back(client, server)
    User.objects.filter(email="ann@example.org").update(is_active=False)
    RoleGrant.objects.filter(by_group=True).delete()
    other = Client()
    assert "switched off" in come_back(other, server).text
    assert not is_in(other)
    assert not RoleGrant.objects.filter(by_group=True).exists()


def test_somebody_here_connects_the_two_and_then_signs_in_either_way(
    server: IdentityServer, mapping: GroupMapping, support: User
) -> None:
    support.set_password("a-long-enough-password")
    support.save()
    client = Client()
    form = {"login": support.email, "password": "a-long-enough-password"}
    client.post("/sign-in/login/", form)
    asked = client.get("/sign-in/with/connect/")
    assert asked["Location"].startswith("/sign-in/reauthenticate/")
    client.post("/sign-in/reauthenticate/", {"password": form["password"]})
    mail.outbox.clear()
    answer = come_back(client, server, "/sign-in/with/connect/")
    assert (answer.status_code, answer["Location"]) == (302, "/security/")
    assert server.issuer in client.get("/security/").text
    assert AuditEntry.objects.filter(action="user.connect_identity", actor=support).exists()
    other = Client()
    come_back(other, server)
    assert other.session["_auth_user_id"] == str(support.pk)
    # What came by group goes with the identity.
    identity = ExternalIdentity.objects.get(user=support)
    client.post(f"/security/identities/{identity.pk}/disconnect/")
    assert not ExternalIdentity.objects.exists()
    assert [(each.to, each.body.splitlines()[0]) for each in mail.outbox] == [
        ([support.email], CHANGES[CONNECTED]), ([support.email], CHANGES[DISCONNECTED]),
    ]  # fmt: skip
    assert [grant.by_group for grant in support.grants.all()] == [False]


def test_the_only_way_in_is_not_taken_away(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    come_back(client, server)
    identity = ExternalIdentity.objects.get()
    answer = client.post(f"/security/identities/{identity.pk}/disconnect/")
    assert answer.status_code == 422
    assert ExternalIdentity.objects.exists()


def test_a_certificate_nobody_here_trusts_is_not_spoken_to(
    client: Client, server: IdentityServer, settings: LazySettings
) -> None:
    settings.OIDC_CA_FILE = ""
    answer = client.get("/sign-in/with/")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
    assert server.asked == []


def test_this_machine_is_no_provider_in_production(
    client: Client, server: IdentityServer, settings: LazySettings
) -> None:
    settings.ALLOW_LOOPBACK_CLOUDS = False
    assert client.get("/sign-in/with/").status_code == 503
    assert server.asked == []


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://somebody.example"},
        {"authorization_endpoint": "http://127.0.0.1/authorize"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_says_it_is_another_leads_nowhere(
    client: Client, server: IdentityServer, about: dict[str, Any]
) -> None:
    server.about = about
    assert client.get("/sign-in/with/").status_code == 503


def test_nobody_is_led_on_to_another_site(
    client: Client, server: IdentityServer, mapping: GroupMapping
) -> None:
    answer = come_back(client, server, "/sign-in/with/?next=https://evil.example/")
    assert answer["Location"] == "/"


def test_tries_have_an_end(client: Client, server: IdentityServer) -> None:
    answers = [client.get("/sign-in/with/back/").status_code for _ in range(31)]
    assert answers[:30] == [403] * 30
    assert answers[30] == 429
