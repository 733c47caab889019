"""Limits of sign-in that stand elsewhere are not repeated here: the ways round them are closed."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.cache import cache, caches
from django.core.cache.backends.db import DatabaseCache
from django.test import Client

from portal.models import User

pytestmark = pytest.mark.usefixtures("no_tries_yet")

PASSWORD = "a-long-enough-password"


def test_tries_are_counted_where_all_processes_see_them() -> None:
    assert isinstance(caches["default"], DatabaseCache)


def test_tries_at_many_names_do_not_push_out_those_at_one(auditor: User) -> None:
    auditor.set_password(PASSWORD)
    auditor.save()
    for _ in range(6):
        Client().post("/sign-in/login/", {"login": auditor.email, "password": "wrong"})
    for number in range(400):
        cache.set(f"others-{number}", [1.0], 300)
    page = Client().post("/sign-in/login/", {"login": auditor.email, "password": PASSWORD})
    assert "Too many tries" in page.text


def test_links_of_invitations_are_not_tried_without_end() -> None:
    answers = [Client().get(f"/invitations/made-up-{n}/") for n in range(31)]
    assert [answer.status_code for answer in answers] == [404] * 30 + [429]
    assert "Too many tries" in answers[-1].text
    assert "wait a few minutes, then try again" in answers[-1].text


def test_links_to_a_new_password_are_not_asked_for_without_end(auditor: User) -> None:
    answers = [
        Client().post("/sign-in/password/reset/", {"email": auditor.email}).status_code
        for _ in range(6)
    ]
    assert answers[-1] == 429


def test_a_client_cannot_name_another_address_for_itself() -> None:
    assert settings.TRUSTED_PROXY_COUNT == 0
    answers = [
        Client(headers={"X-Forwarded-For": f"192.0.2.{n}"}).get(f"/invitations/made-up-{n}/")
        for n in range(31)
    ]
    assert answers[30].status_code == 429
