"""What every answer says to browsers and caches, and what no other site can make a browser do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.http.response import HttpResponseBase
from django.test import Client

from portal.models import User
from tests.addresses import ours
from tests.deployment import production
from tests.things import Things

SignIn = Callable[[User], Client]
ROOT = Path(__file__).resolve().parents[2]
RULES = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OTHERS = ("/sign-in/login/", "/sign-in/password/reset/", "/sign-in/logout/", "/nowhere/", "/admin/")


def assert_guarded(answer: HttpResponseBase, path: str) -> None:
    for name, value in RULES.items():
        assert answer.headers.get(name) == value, (path, name)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy, path
    assert "frame-ancestors 'none'" in policy, path
    assert "unsafe" not in policy, path
    assert "camera=()" in answer.headers["Permissions-Policy"], path
    assert "no-store" in answer.headers["Cache-Control"], path


def test_every_answer_keeps_every_rule(
    things: Things, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    paths = [things.path(address) for address in ours()]
    asked = [(client, path) for path in paths] + [(Client(), path) for path in OTHERS]
    for who, path in asked:
        answer = who.get(path)
        assert_guarded(answer, path)
        if answer.streaming:
            answer.getvalue()  # only so many may be written at a time


def test_no_page_opens_by_the_browsers_back_button_after_signing_out(
    things: Things, auditor: User, sign_in: SignIn
) -> None:
    client = sign_in(auditor)
    path = f"/accounts/{things.world.account.pk}/"
    assert "no-store" in client.get(path)["Cache-Control"]
    client.post("/sign-in/logout/")
    assert client.get(path)["Location"].startswith("/sign-in/login/")


def test_a_form_of_another_site_changes_nothing(things: Things, customer_admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(customer_admin)
    refused = 0
    for address in ours():
        if address.mark == "api":
            continue  # needs a key, which no browser sends by itself
        answer = client.post(things.path(address), {"name": "forged"})
        assert answer.status_code in {403, 405}, address
        refused += answer.status_code == 403
    assert refused > 40
    for path in ("/sign-in/login/", "/sign-in/logout/", "/admin/logout/"):
        assert client.post(path).status_code == 403, path


def test_a_browsers_session_is_no_key_of_the_api(
    things: Things, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    for address in ours():
        if address.mark == "api" and "schema" not in address.name:
            path = things.path(address)
            assert {client.get(path).status_code, client.post(path).status_code} <= {401, 405}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:80@evil.example", "localhost.evil", ""]
)
def test_a_host_that_is_not_ours_is_refused(host: str, db: None, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["standby.example"]
    answer = Client().get("/sign-in/password/reset/", headers={"host": host})
    assert answer.status_code == 400
    assert_guarded(answer, host)


def test_a_forwarded_host_has_no_say(db: None, auditor: User, mailoutbox: list[object]) -> None:
    headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    Client().post("/sign-in/password/reset/", {"email": auditor.email}, headers=headers)
    assert len(mailoutbox) == 1
    assert "evil.example" not in str(vars(mailoutbox[0]))


def test_a_deployment_has_strict_cookies_and_tls(tmp_path: Path) -> None:
    names = (
        "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY",
        "SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH",
        "CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "DEBUG",
        "ALLOW_LOOPBACK_CLOUDS", "USE_X_FORWARDED_HOST",
    )  # fmt: skip
    program = (
        "import json, sys; from portal import settings; from django.conf import settings as s; "
        f"print(json.dumps([getattr(s, name) for name in {names!r}]))"
    )
    environment = production(str(tmp_path)) | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    told = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, env=environment)
    assert dict(zip(names, json.loads(told), strict=True)) == {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_PATH": "/",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "DEBUG": False,
        "ALLOW_LOOPBACK_CLOUDS": False,
        "USE_X_FORWARDED_HOST": False,
    }
