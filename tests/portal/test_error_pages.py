"""Sign-in and error pages: outside the shell, without database where it may be what failed."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from portal.error_pages import server_error


def test_a_failed_page_names_its_request_and_asks_no_database() -> None:
    request: HttpRequest = RequestFactory().get("/")
    request.id = "0f6c8a52-req"  # type: ignore[attr-defined]
    response = server_error(request)
    assert isinstance(response, HttpResponse)
    assert response.status_code == 500
    assert "0f6c8a52-req" in response.content.decode()


@pytest.mark.parametrize("page", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_an_error_page_needs_no_context(page: str) -> None:
    drawn = render_to_string(page)
    assert "<h1>" in drawn
    assert "<script" not in drawn


def test_a_refusal_says_which_role_is_needed_and_escapes_it() -> None:
    drawn = render_to_string("403.html", {"exception": "This needs the role <Auditor>."})
    assert "role &lt;Auditor&gt;." in drawn


@pytest.mark.django_db
def test_an_unknown_address_is_a_plain_page(client: Client) -> None:
    response = client.get("/nothing/here/")
    assert response.status_code == 404
    assert "Page not found" in response.content.decode()


def test_a_form_without_its_token_is_out_of_date() -> None:
    response = Client(enforce_csrf_checks=True).post("/sign-in/login/", {"login": "a"})
    assert response.status_code == 403
    assert "out of date" in response.content.decode()


@pytest.mark.django_db
def test_sign_in_is_strict_and_remembers_the_theme(client: Client) -> None:
    client.cookies["theme"] = "dark"
    response = client.get("/sign-in/login/")
    assert 'data-theme="dark"' in response.content.decode()
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_a_made_up_theme_is_ignored(client: Client) -> None:
    client.cookies["theme"] = '"><script>'
    assert "data-theme" not in client.get("/sign-in/login/").content.decode()


@pytest.mark.django_db
def test_a_wrong_password_says_no_more_than_that(client: Client) -> None:
    sent = {"login": "nobody@meridian.example", "password": "wrong"}
    response = client.post("/sign-in/login/", sent)
    assert "Email or password is wrong." in response.content.decode()


@pytest.mark.django_db
def test_resetting_a_password_does_not_tell_who_exists(
    client: Client, mailoutbox: list[object]
) -> None:
    response = client.post("/sign-in/password/reset/", {"email": "nobody@x.example"}, follow=True)
    assert "Look into your mail" in response.content.decode()
    assert len(mailoutbox) == 1
