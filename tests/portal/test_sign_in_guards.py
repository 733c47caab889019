"""Sign-in: nobody learns who exists, keeps a session they should not, or is sent elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.audit import SYSTEM
from portal.models import Role, User
from portal.services import people
from tests.people import World

pytestmark = pytest.mark.usefixtures("no_tries_yet")

SIGN_IN, CHANGE, RESET = (
    f"/sign-in/{end}/" for end in ("login", "password/change", "password/reset")
)
PASSWORD, NEW = "correct horse battery", "another horse and battery"
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "https://testserver@evil.example/",
    "\t//evil.example",
)


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is made into a hash, which is what takes the time."""

    algorithm = "counting"
    made = 0

    def encode(self, *args: Any) -> str:
        type(self).made += 1
        return super().encode(*args)


@pytest.fixture
def person(auditor: User) -> User:
    auditor.set_password(PASSWORD)
    auditor.save()
    return auditor


def signed_in(person: User, password: str = PASSWORD) -> Client:
    client = Client()
    client.post(SIGN_IN, {"login": person.email, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/accounts/").status_code == 200


def test_a_session_is_a_new_one_after_signing_in_and_gone_after_signing_out(person: User) -> None:
    client = Client()
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = str(planted)
    client.post(SIGN_IN, {"login": person.email, "password": PASSWORD})
    assert is_in(client)
    used = client.cookies["sessionid"].value
    assert used != planted
    client.post("/sign-in/logout/")
    client.cookies["sessionid"] = used
    assert not is_in(client)


def test_a_new_password_ends_every_other_session(person: User) -> None:
    here, there = signed_in(person), signed_in(person)
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post(CHANGE, form).status_code == 302
    assert not is_in(there)
    assert is_in(signed_in(person, NEW))


def test_a_person_switched_off_is_out_at_once(person: User) -> None:
    client = signed_in(person)
    assert is_in(client)
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert not is_in(client)
    assert not is_in(signed_in(person))


@pytest.mark.parametrize("where", ELSEWHERE)
def test_signing_in_and_out_leads_to_no_other_site(person: User, where: str) -> None:
    client = Client()
    form = {"login": person.email, "password": PASSWORD, "next": where}
    for address, sent in ((SIGN_IN, form), ("/sign-in/logout/", {"next": where})):
        answer = client.post(address, sent)
        assert answer.status_code == 302
        assert answer["Location"] in {"/", SIGN_IN}
        shown = client.get(address, {"next": where})
        assert "evil.example" not in shown.headers.get("Location", "")
        assert f'href="{where}' not in shown.text


def test_an_address_nobody_has_takes_as_long_and_says_the_same(
    person: User, settings: LazySettings
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    person.set_password(PASSWORD)
    person.save()
    told = []
    for email in (person.email, "nobody@example.org"):
        CountingHasher.made = 0
        page = Client().post(SIGN_IN, {"login": email, "password": "wrong"})
        told.append((CountingHasher.made, page.status_code, page.text.count("is wrong.")))
    assert told[0] == told[1]
    assert told[0][0] >= 1


def test_asking_for_a_new_password_says_the_same_of_everybody(person: User) -> None:
    told = []
    for email in (person.email, "nobody@example.org"):
        answer = Client().post(RESET, {"email": email})
        told.append((answer.status_code, answer["Location"], len(mail.outbox)))
    assert told[0][:2] == told[1][:2]
    assert [number for _, _, number in told] == [1, 2]


def test_a_link_for_a_new_password_is_good_once_and_for_an_hour(
    person: User, settings: LazySettings
) -> None:
    assert settings.PASSWORD_RESET_TIMEOUT == 3600
    Client().post(RESET, {"email": person.email})
    link = next(word for word in str(mail.outbox[0].body).split() if "password/reset/key" in word)
    client = Client()
    form = client.get(link, follow=True).redirect_chain[-1][0]
    sent = {"password1": NEW, "password2": NEW}
    assert client.post(form, sent).status_code == 302
    assert not is_in(client)
    assert Client().get(link, follow=True).status_code == 200
    second = Client()
    form = second.get(link, follow=True).request["PATH_INFO"]
    second.post(form, {"password1": "yet another horse", "password2": "yet another horse"})
    assert is_in(signed_in(person, NEW))


def test_a_link_for_a_new_password_ends_every_session(person: User) -> None:
    there = signed_in(person)
    assert is_in(there)
    Client().post(RESET, {"email": person.email})
    link = next(word for word in str(mail.outbox[0].body).split() if "password/reset/key" in word)
    client = Client()
    form = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert not is_in(there)


@pytest.mark.parametrize(
    ("password", "is_good"),
    [
        ("short", False),
        ("elevenchars", False),
        ("password1234", False),
        ("123456789012", False),
        ("Kennwort mit Lücken", True),
        ("🔑 unicode is fine", True),
        ("x y" * 40, True),
    ],
)
def test_a_password_is_long_and_none_that_everybody_uses(
    world: World, password: str, is_good: bool
) -> None:
    _, token = people.invite(
        SYSTEM, email="new@example.org", role=Role.AUDITOR, scope=world.account,
        address="https://standby.example/TOKEN",
    )  # fmt: skip
    client = Client()
    link = reverse("portal:invitation_accept", args=[token])
    form = {"full_name": "New Person", "password": password, "password_again": password}
    status = client.post(link, form).status_code
    assert status == (302 if is_good else 422)
    assert User.objects.filter(email="new@example.org").exists() == is_good
    if is_good:
        assert is_in(client)
        assert User.objects.get(email="new@example.org").check_password(password)


def test_a_person_is_told_of_a_changed_password(person: User) -> None:
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert signed_in(person).post(CHANGE, change).status_code == 302
    (sent,) = mail.outbox
    assert sent.to == [person.email]
    assert "Your password was changed." in sent.body
    assert "from 127.0.0.1" in sent.body
    assert NEW not in sent.body


def test_a_mail_server_that_is_away_stops_no_change(person: User, settings: LazySettings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert signed_in(person).post(CHANGE, change).status_code == 302
    person.refresh_from_db()
    assert person.check_password(NEW)
