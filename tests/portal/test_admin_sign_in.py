"""Staff sign in where everybody does, and no faster."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import AuditEntry, User

pytestmark = pytest.mark.usefixtures("no_tries_yet")

SignIn = Callable[[User], Client]
PASSWORD = "correct horse battery"


@pytest.fixture
def person(staff: User) -> User:
    """Staff with a password."""
    staff.set_password(PASSWORD)
    staff.save()
    return staff


def try_at(client: Client, person: User, password: str) -> tuple[str, str]:
    """Post to the admin's sign-in as its own form would; return where it led, and the page."""
    form = {"username": person.email, "password": password, "next": "/admin/portal/task/"}
    sent_on = client.post("/admin/login/?next=/admin/portal/task/", form)
    assert sent_on.status_code == 302
    where = sent_on["Location"]
    return where, client.post(where, {"login": person.email, "password": password}).text


def test_the_admins_sign_in_is_the_portals(person: User) -> None:
    client = Client()
    answer = client.get("/admin/portal/task/", follow=True)
    assert answer.redirect_chain[-1][0] == "/sign-in/login/?next=/admin/portal/task/"
    assert 'name="username"' not in answer.text
    where = answer.redirect_chain[-1][0]
    answer = client.post(where, {"login": person.email, "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/portal/task/"
    assert answer.status_code == 200


def test_six_wrong_passwords_close_it_for_the_right_one_too(person: User) -> None:
    client = Client()
    pages = []
    for _ in range(6):
        where, page = try_at(client, person, "wrong")
        assert where.startswith("/sign-in/login/")
        pages.append(page)
    assert all("Email or password is wrong." in page for page in pages[:5])
    assert "Too many tries." in pages[5]
    assert "Too many tries." in try_at(client, person, PASSWORD)[1]
    # Another browser is no way around it.
    assert "Too many tries." in try_at(Client(), person, PASSWORD)[1]
    assert "_auth_user_id" not in client.session
    tries = AuditEntry.objects.filter(action="user.sign_in", result=AuditEntry.Result.FAILED)
    assert tries.count() >= 5


def test_from_one_address_there_is_an_end_to_tries_at_any_name(person: User) -> None:
    answers = [
        Client().post("/sign-in/login/", {"login": f"a{n}@example.org", "password": "wrong"})
        for n in range(40)
    ]
    assert answers[-1].status_code == 429 or "Too many tries." in answers[-1].text


def test_whoever_is_signed_in_as_staff_cannot_try_passwords_of_others_there(
    person: User, auditor: User, sign_in: SignIn
) -> None:
    auditor.set_password(PASSWORD)
    auditor.save()
    client = sign_in(person)
    for password in ("wrong", PASSWORD):
        answer = client.post("/admin/login/", {"username": auditor.email, "password": password})
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.session["_auth_user_id"] == str(person.pk)


def test_people_of_customers_are_refused_at_its_door(auditor: User, sign_in: SignIn) -> None:
    for method in ("get", "post"):
        assert getattr(sign_in(auditor), method)("/admin/login/").status_code == 403


def test_signing_out_of_the_administration_is_in_the_trail(person: User, sign_in: SignIn) -> None:
    client = sign_in(person)
    client.post("/admin/logout/")
    assert "_auth_user_id" not in client.session
    assert AuditEntry.objects.get().action == "user.signed_out"
    assert AuditEntry.objects.get().actor == person


def test_the_own_password_is_changed_where_tries_are_limited(person: User, sign_in: SignIn) -> None:
    client = sign_in(person)
    form = {"old_password": "wrong", "new_password1": "x" * 20, "new_password2": "x" * 20}
    answer = client.post("/admin/password_change/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/password/change/")
    form = {"oldpassword": "wrong", "password1": "x" * 20, "password2": "x" * 20}
    answers = [client.post(answer["Location"], form).status_code for _ in range(6)]
    assert answers[-1] == 429
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
