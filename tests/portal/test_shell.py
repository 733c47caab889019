"""The shell around pages, dialogs that are addresses, and list pages."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import django_tables2
import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django_htmx.middleware import HtmxDetails

from portal.context_processors import Shell
from portal.dialogs import done, render_dialog
from portal.models import Task, User
from portal.tables import Table, show_table
from portal.views.home import SWITCHER_ROWS
from tests.factories import AccountFactory, NotificationFactory, TaskFactory
from tests.people import World

Queries = Callable[[int], Any]


def asked(user: Any, path: str = "/", account: Any = None, *, htmx: bool = False) -> Any:
    """A request as it reaches a view, behind the middleware and the access mark."""
    headers = {"HX-Request": "true"} if htmx else {}
    request: Any = RequestFactory().get(path, headers=headers)
    request.user = user
    request.htmx = HtmxDetails(request)
    request.session = {}
    request._messages = FallbackStorage(request)
    if account:
        request.account, request.permissions = account, frozenset({"view"})
    return request


def test_a_stranger_costs_the_shell_no_query() -> None:  # no database is open to this test
    shell = Shell(asked(AnonymousUser()))
    assert shell.role == ""
    assert (shell.active_task_count, shell.unread_notification_count) == (0, 0)


def test_the_shell_asks_for_roles_once_and_counts_once(
    world: World, org_admin: User, django_assert_num_queries: Queries
) -> None:
    shell = Shell(asked(org_admin, account=world.account))
    with django_assert_num_queries(2):
        for _ in range(2):
            assert shell.role == "Organization Administrator"
            assert shell.is_administrator
            assert shell.active_task_count == 0
            assert shell.unread_notification_count == 0


def test_counts_of_the_shell_stop_at_99(world: World, org_admin: User) -> None:
    TaskFactory.create_batch(99, account=world.account, state=Task.State.QUEUED)
    NotificationFactory.create_batch(120, account=world.account)
    shell = Shell(asked(org_admin, account=world.account))
    assert (shell.active_tasks, shell.unread_notifications) == ("99", "99+")


def test_the_switcher_shows_only_what_the_person_reaches(
    world: World, elsewhere: World, org_admin: User, client: Client
) -> None:
    client.force_login(org_admin)
    part = client.get("/accounts/switcher/", headers={"HX-Request": "true"}).text
    assert world.account.name in part
    assert elsewhere.account.name not in part


def test_the_switcher_is_cut_and_searched_beyond(
    world: World, org_admin: User, client: Client
) -> None:
    AccountFactory.create_batch(SWITCHER_ROWS, organization=world.organization)
    client.force_login(org_admin)
    part = client.get("/accounts/switcher/", headers={"HX-Request": "true"}).text
    assert part.count('class="clip"') == SWITCHER_ROWS


def test_the_switcher_is_loaded_when_it_opens(
    world: World, org_admin: User, client: Client
) -> None:
    client.force_login(org_admin)
    page = client.get(f"/accounts/{world.account.pk}/").text
    assert 'data-hx-get="/accounts/switcher/"' in page
    assert 'href="/accounts/"' in page.partition('id="switcher-list"')[2]


def test_an_account_administrator_is_no_administrator_of_the_customer(account_admin: User) -> None:
    assert not Shell(asked(account_admin)).is_administrator


def test_pages_above_accounts_keep_the_way_back_to_the_last_one(
    world: World, elsewhere: World, org_admin: User, client: Client
) -> None:
    client.force_login(org_admin)
    client.cookies["account"] = str(world.account.pk)
    page = client.get("/organizations/").text
    assert f'href="/accounts/{world.account.pk}/sandbox/"' in page
    client.cookies["account"] = str(elsewhere.account.pk)
    page = client.get("/organizations/").text
    assert str(elsewhere.account.pk) not in page
    client.cookies["account"] = "no id at all"
    assert client.get("/organizations/").status_code == 200


def test_a_dialog_is_alone_for_htmx_and_open_on_a_page_otherwise(
    world: World, org_admin: User
) -> None:
    context = {"back": "/back/", "form": ""}
    part = render_dialog(
        asked(org_admin, account=world.account, htmx=True), "portal/_dialog.html", context
    )
    page = render_dialog(
        asked(org_admin, account=world.account), "portal/_dialog.html", context, status=422
    )
    assert b"<html" not in part.content
    assert b"data-autoopen" in part.content
    assert b" open data-page" not in part.content
    assert b"<html" in page.content
    assert b" open data-page" in page.content
    assert page.status_code == 422
    assert "HX-Request" in part["Vary"]
    assert "HX-Request" in page["Vary"]


def test_a_dialog_that_went_well_leaves_for_its_page(org_admin: User) -> None:
    plain = done(asked(org_admin), "Backup requested", "/back/")
    htmx = done(asked(org_admin, htmx=True), "Backup requested", "/back/")
    assert (plain.status_code, plain["Location"]) == (302, "/back/")
    assert (htmx.status_code, htmx["HX-Redirect"]) == (200, "/back/")


class RowTable(Table):
    status = django_tables2.Column(attrs={"td": {"class": "lead"}})


def shown(request: HttpRequest) -> str:
    rows = [SimpleNamespace(status=f"row {number:02}") for number in range(60)]
    response = show_table(request, "portal/_table.html", RowTable(rows))  # type: ignore[arg-type]
    return response.content.decode()


@pytest.mark.parametrize(
    ("query", "first"),
    [("", "row 00"), ("?page=2", "row 25"), ("?page=99", "row 50"), ("?page=x", "row 00")],
)
def test_a_page_out_of_range_shows_the_nearest(query: str, first: str) -> None:
    assert first in shown(asked(AnonymousUser(), f"/{query}"))


def test_links_of_a_list_keep_filter_and_order() -> None:
    drawn = shown(asked(AnonymousUser(), "/?q=a%22b&sort=-status"))
    assert 'href="?q=a%22b&amp;sort=-status&amp;page=2"' in drawn
    assert 'aria-sort="descending"' in drawn


def test_cells_carry_roles_and_only_their_own_classes() -> None:
    drawn = shown(asked(AnonymousUser()))
    assert '<td role="cell" data-label="Status" class="lead">row 00</td>' in drawn
