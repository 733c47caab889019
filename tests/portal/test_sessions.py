"""Sessions: listed, ended, and over by themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.conf import settings as plain
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.models import AuditEntry, User, UserSession

SignIn = Callable[[User], Client]
PASSWORD = "a-long-enough-password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"


@pytest.fixture
def person(auditor: User) -> User:
    cache.clear()
    auditor.set_password(PASSWORD)
    auditor.save()
    return auditor


def enter(person: User, agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post("/sign-in/login/", {"login": person.email, "password": PASSWORD})
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get("/accounts/").status_code == 200


def rest(client: Client, seconds: int, *, of: str = "seen_at") -> None:
    """Let the session be as if so much time had gone by."""
    session = client.session
    session[of] -= seconds
    session.save()


def test_a_session_is_listed_with_device_and_address(person: User) -> None:
    client = enter(person)
    page = client.get("/security/").text
    assert "Firefox on Linux" in page
    assert "127.0.0.1" in page
    assert "This one" in page
    row = UserSession.objects.get(user=person)
    assert row.session_key == client.session.session_key


def test_one_is_ended_and_is_nobody_with_the_next_click(person: User) -> None:
    here, there = enter(person), enter(person, "curl/8")
    row = UserSession.objects.get(session_key=there.session.session_key)
    assert "Unknown device" in here.get(f"/security/sessions/{row.pk}/end/").text
    here.post(f"/security/sessions/{row.pk}/end/")
    assert not is_in(there)
    assert is_in(here)
    assert AuditEntry.objects.filter(action="user.end_session", actor=person).count() == 1


def test_all_others_are_ended_at_once(person: User, sign_in: SignIn, support: User) -> None:
    here, others, foreign = enter(person), [enter(person), enter(person)], sign_in(support)
    here.post("/security/sessions/end/")
    assert not any(is_in(other) for other in others)
    assert is_in(here)
    assert is_in(foreign)
    assert AuditEntry.objects.get(action="user.end_sessions").detail == {"ended": 2}


def test_nobody_ends_the_session_of_somebody_else(
    person: User, support: User, sign_in: SignIn
) -> None:
    there = enter(person)
    row = UserSession.objects.get(user=person)
    assert sign_in(support).post(f"/security/sessions/{row.pk}/end/").status_code == 404
    assert is_in(there)


def test_a_changed_password_ends_the_others_and_keeps_this_one(person: User) -> None:
    here, there = enter(person), enter(person)
    form = {"oldpassword": PASSWORD, "password1": "x7-another-one", "password2": "x7-another-one"}
    here.post("/sign-in/password/change/", form)
    assert is_in(here)
    assert not is_in(there)
    row = UserSession.objects.get(user=person)
    assert row.session_key == here.session.session_key
    assert AuditEntry.objects.filter(action="user.change_password", actor=person).exists()


def test_a_password_set_by_staff_ends_all(person: User, staff: User, sign_in: SignIn) -> None:
    there = enter(person)
    form = {"usable_password": "true", "password1": "x7-another-one", "password2": "x7-another-one"}
    answer = sign_in(staff).post(f"/admin/portal/user/{person.pk}/password/", form)
    assert answer.status_code == 302
    assert not is_in(there)
    assert not UserSession.objects.filter(user=person).exists()


def test_signing_out_takes_it_off_the_list(person: User) -> None:
    client = enter(person)
    client.post("/sign-in/logout/")
    assert not UserSession.objects.filter(user=person).exists()


def test_one_that_rests_too_long_is_over(person: User, settings: LazySettings) -> None:
    settings.SESSION_IDLE_SECONDS = 1800
    client = enter(person)
    rest(client, 1700)
    assert is_in(client)
    rest(client, 1801)
    assert not is_in(client)
    assert not UserSession.objects.filter(user=person).exists()
    assert AuditEntry.objects.filter(action="user.session_expired", actor=person).count() == 1


def test_a_page_that_is_open_and_asks_by_itself_does_not_keep_it(
    person: User, settings: LazySettings
) -> None:
    settings.SESSION_IDLE_SECONDS = 1800
    client = enter(person)
    rest(client, 1000)
    client.get("/live/", headers={"HX-Request": "true"})
    rest(client, 900)
    answer = client.get("/live/", headers={"HX-Request": "true"})
    assert answer.status_code == 401


def test_one_is_over_after_its_hours_however_busy(person: User) -> None:
    client = enter(person)
    rest(client, plain.SESSION_COOKIE_AGE + 1, of="began_at")
    assert not is_in(client)


def test_using_it_is_noted_once_a_minute_and_costs_nothing_else(person: User) -> None:
    client = enter(person)
    row = UserSession.objects.get(user=person)
    with CaptureQueriesContext(connection) as asked:
        client.get("/accounts/")
    assert not any("portal_usersession" in each["sql"] for each in asked.captured_queries)
    rest(client, 61)
    UserSession.objects.update(address="192.0.2.7", seen_at=row.began_at)
    client.get("/accounts/")
    row.refresh_from_db()
    assert row.address == "127.0.0.1"
    assert row.seen_at > row.began_at


def test_who_is_switched_off_is_out_at_once(person: User) -> None:
    client = enter(person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert not is_in(client)


def test_the_key_changes_with_sign_in_and_the_cookie_is_hidden_from_scripts(person: User) -> None:
    client = Client()
    client.get("/sign-in/login/?next=/accounts/")
    session = client.session
    session["known"] = "to somebody"
    session.save()
    before = session.session_key
    answer = client.post("/sign-in/login/", {"login": person.email, "password": PASSWORD})
    cookie = answer.cookies[plain.SESSION_COOKIE_NAME]
    assert cookie.value != before
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
