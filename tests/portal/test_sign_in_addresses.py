"""Sign-in and administration: what strangers, people and staff reach of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from portal.models import User

SignIn = Callable[[User], Client]
OPEN = ("login", "signup", "reset_password", "reset_password_done", "inactive")
CLOSED = ("change_password", "set_password", "reauthenticate")
NOT_OFFERED = ("email", "email_verification_sent", "confirm_login_code")


@pytest.mark.parametrize("name", OPEN)
def test_pages_of_sign_in_are_open(db: None, name: str) -> None:
    assert Client().get(reverse(f"account_{name}")).status_code == 200


@pytest.mark.parametrize("name", CLOSED)
def test_pages_about_oneself_need_sign_in(db: None, name: str) -> None:
    answer = Client().get(reverse(f"account_{name}"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/login/")


@pytest.mark.parametrize("name", NOT_OFFERED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_changes_the_own_address(
    auditor: User, sign_in: SignIn, name: str, method: str
) -> None:
    for client in (Client(), sign_in(auditor)):
        answer = getattr(client, method)(reverse(f"account_{name}"), {"email": "boss@example.org"})
        assert answer.status_code == 404
    auditor.refresh_from_db()
    assert auditor.email != "boss@example.org"


def test_nobody_signs_up_by_themselves(db: None) -> None:
    form = {"email": "new@example.org", "password1": "correct horse battery"}
    Client().post(reverse("account_signup"), form)
    assert not User.objects.exists()


@pytest.mark.parametrize("who", ["customer_admin", "auditor", "stranger"])
def test_no_page_of_the_administration_opens_to_people_of_customers(
    who: str, sign_in: SignIn, request: pytest.FixtureRequest
) -> None:
    client = sign_in(request.getfixturevalue(who))
    paths = ["/admin/"]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        paths += [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_add")]
    for path in paths:
        for method in ("get", "post"):
            assert getattr(client, method)(path).status_code in {302, 403}, path
