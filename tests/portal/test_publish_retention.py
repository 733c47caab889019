"""How many publish backups are kept: changed by staff alone (R017)."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from backups.retention import kept_number
from portal.models import Account, AuditEntry, User
from tests.addresses import ours
from tests.people import World
from tests.things import Things

SignIn = Callable[[User], Client]
ADMINISTRATORS = ("customer_admin", "org_admin", "account_admin")
FORGED = {"publish_retention": "99", "keep_publish": "99", "retention": "99"}


class Forms(HTMLParser):
    """The forms of a page that post, each with its address and what it would send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.found.append((given.get("action", ""), {}))
        if not self.found:
            return
        fields = self.found[-1][1]
        is_off = given.get("type") in {"checkbox", "radio"} and "checked" not in given
        if tag in {"input", "button"} and given.get("name") and not is_off:
            fields[given["name"]] = given.get("value", "on")
        if tag == "textarea" and given.get("name"):
            fields[given["name"]] = "Said by a test"
        if tag == "select":
            self._select = given.get("name", "")
        is_first = self._select and self._select not in fields
        if tag == "option" and self._select and (is_first or "selected" in given):
            fields[self._select] = given.get("value", "")


def posts(client: Client, path: str) -> list[tuple[str, dict[str, str]]]:
    """What can be posted from and to an address: its page's forms as filled in, and by hand."""
    page = client.get(path)
    text = "" if page.streaming else page.text
    return [(path, {}), *((to or path, fields) for to, fields in Forms(text).found)]


@pytest.mark.parametrize("who", ADMINISTRATORS)
def test_no_page_of_the_portal_changes_it_for_an_administrator(
    who: str, things: Things, sign_in: SignIn, request: pytest.FixtureRequest
) -> None:
    user, account = request.getfixturevalue(who), things.world.account
    saved: set[str] = set()
    for address in ours():
        path = things.path(address)
        for to, fields in posts(sign_in(user), path):
            with transaction.atomic():
                # Signed in anew, as one of the forms signs out.
                answer = sign_in(user).post(to, fields | FORGED)
                account.refresh_from_db()
                assert account.publish_retention == 2, to
                transaction.set_rollback(True)
            if answer.status_code in {204, 302}:
                saved.add(to)
    # Forms were really filled in and saved: the account's own settings among them.
    assert reverse("portal:account_edit", args=[account.pk]) in saved, sorted(saved)


@pytest.mark.parametrize("who", ADMINISTRATORS)
def test_administrators_do_not_reach_the_administration(
    who: str, world: World, sign_in: SignIn, request: pytest.FixtureRequest
) -> None:
    client = sign_in(request.getfixturevalue(who))
    url = f"/admin/portal/account/{world.account.pk}/change/"
    assert client.post(url, form_of(world.account, publish_retention="99")).status_code in {
        302,
        403,
    }
    world.account.refresh_from_db()
    assert world.account.publish_retention == 2


def form_of(account: Account, **changes: Any) -> dict[str, Any]:
    """What the account's page in the administration posts."""
    return {
        "organization": account.organization_id,
        "name": account.name,
        "time_zone": account.time_zone,
        "infrastructure": account.infrastructure,
        "cloud_account": account.cloud_account_id,
        "site": account.site,
        "publish_retention": account.publish_retention,
    } | changes


@pytest.mark.parametrize("number", [1, 3, 100])
def test_staff_change_it_and_the_trail_says_from_what_to_what(
    world: World, staff: User, sign_in: SignIn, number: int
) -> None:
    client = sign_in(staff)
    url = f"/admin/portal/account/{world.account.pk}/change/"
    client.post(url, form_of(world.account, publish_retention=number))
    world.sandbox.refresh_from_db()
    assert kept_number(world.sandbox, Backup.Type.PUBLISH) == number
    entry = AuditEntry.objects.get(action="account.edit", account=world.account)
    assert (entry.actor, entry.actor_label) == (staff, "Sam Staff")
    assert entry.detail["before"] == {"publish_retention": 2}
    assert entry.detail["after"] == {"publish_retention": number}
    assert entry.detail["through"] == "admin"
    assert LogEntry.objects.get().get_change_message() == "Changed Publish backups retained."


@pytest.mark.parametrize("number", ["0", "-1", "101", "", "many"])
def test_staff_cannot_leave_1_to_100(
    world: World, staff: User, sign_in: SignIn, number: str
) -> None:
    url = f"/admin/portal/account/{world.account.pk}/change/"
    answer = sign_in(staff).post(url, form_of(world.account, publish_retention=number))
    assert answer.status_code == 200
    assert "errorlist" in answer.text
    world.account.refresh_from_db()
    assert world.account.publish_retention == 2
    assert not AuditEntry.objects.exists()


def test_an_edit_of_something_else_says_nothing_about_it(
    world: World, staff: User, sign_in: SignIn
) -> None:
    url = f"/admin/portal/account/{world.account.pk}/change/"
    sign_in(staff).post(url, form_of(world.account, name="Renamed"))
    entry = AuditEntry.objects.get(action="account.edit")
    assert entry.detail == {"changed": ["Name"], "through": "admin"}
