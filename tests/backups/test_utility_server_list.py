"""The Utility Servers page: one independent panel for each server, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.models import Resource, User
from tests.backups.pages import HTMX, running_backup
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World

SignIn = Callable[[User], Client]
CountQueries = Callable[..., CaptureQueriesContext]


def url(world: World) -> str:
    return reverse("backups:utility_server_list", args=[world.account.pk])


def detail(resource: Resource) -> str:
    return reverse("backups:utility_server_detail", args=[resource.account_id, resource.pk])


def page(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def test_two_servers_are_two_panels_with_a_list_each(world: World, admin: Client) -> None:
    second = ResourceFactory(account=world.account, name="meridian-util-02")
    BackupFactory(resource=world.utility_server, name="Of the first")
    BackupFactory(resource=second, name="Of the second")
    text = page(admin, url(world))
    assert text.count('class="panel server"') == 2
    first, rest = text.split(f'id="system-{second.pk}"')
    assert "Of the first" in first
    assert "Of the second" in rest
    assert "Of the first" not in rest
    assert "meridian-sandbox" not in text


def test_many_servers_stay_closed_until_opened(world: World, admin: Client) -> None:
    servers = ResourceFactory.create_batch(5, account=world.account)
    BackupFactory(resource=servers[0], name="Hidden until opened")
    text = page(admin, url(world))
    assert "Hidden until opened" not in text
    assert f'href="{detail(servers[0])}"' in text  # works without script
    assert "Hidden until opened" in page(admin, detail(servers[0]))


def test_the_panel_of_one_server_is_a_fragment(world: World, admin: Client) -> None:
    text = page(admin, detail(world.utility_server), **HTMX).strip()
    assert text.startswith('<details class="panel server"')
    assert " open" in text.partition(">")[0]
    closed = page(admin, detail(world.utility_server) + "?closed=1", **HTMX).strip()
    assert " open" not in closed.partition(">")[0]


def test_queries_do_not_grow_with_the_servers(
    world: World, admin: Client, django_assert_max_num_queries: CountQueries
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(25) as queries:
            page(admin, url(world))
        return len(queries)

    ResourceFactory.create_batch(3, account=world.account)
    few = count()
    for server in ResourceFactory.create_batch(40, account=world.account):
        BackupFactory(resource=server)
        running_backup(server)
    assert count() == few


def test_servers_are_found_by_name_and_sorted(world: World, admin: Client) -> None:
    for name, days in (("files", 3), ("Licences", 1), ("dicom", 2)):
        server = ResourceFactory(account=world.account, name=name)
        BackupFactory(resource=server, completed_at=timezone.now() - timedelta(days=days))

    def order(query: str) -> list[str]:
        text = page(admin, url(world) + query).partition('class="stack"')[2]
        shown = ("files", "Licences", "dicom", "meridian-util-01")
        found = [name for name in shown if f"<strong>{name}</strong>" in text]
        return sorted(found, key=lambda name: text.index(f"<strong>{name}</strong>"))

    assert order("") == ["dicom", "files", "Licences", "meridian-util-01"]
    assert order("?sort=-name")[0] == "meridian-util-01"
    assert order("?sort=last") == ["meridian-util-01", "files", "dicom", "Licences"]
    assert order("?sort=-last") == ["Licences", "dicom", "files", "meridian-util-01"]
    assert order("?q=LICEN") == ["Licences"]
    assert order("?sort=password&page=-1")[0] == "dicom"
    assert "No server found" in page(admin, url(world) + "?q=nothing")
    assert order("?q=%00dic%00om") == ["dicom"]


def test_pages_hold_50_servers(world: World, admin: Client) -> None:
    ResourceFactory.create_batch(50, account=world.account)
    assert page(admin, url(world)).count('class="panel server"') == 50
    assert page(admin, url(world) + "?page=2").count('class="panel server"') == 1


def test_maintenance_shows_on_a_closed_panel_too(world: World, admin: Client) -> None:
    ResourceFactory.create_batch(4, account=world.account)
    running_backup(world.utility_server)
    text = page(admin, url(world))
    assert text.count("Maintenance mode") == 1
    assert text.count("every 2s") == 1


def test_an_account_without_servers_says_what_they_are(
    world: World, org_admin: User, auditor: User, sign_in: SignIn
) -> None:
    world.utility_server.delete()
    assert "Add server" in page(sign_in(org_admin), url(world))
    text = page(sign_in(auditor), url(world))
    assert "No Utility Servers" in text
    assert "Add server" not in text


@pytest.mark.parametrize("address", [url, lambda world: detail(world.utility_server)])
def test_strangers_get_404_and_posts_405(
    world: World,
    admin: Client,
    stranger: User,
    sign_in: SignIn,
    address: Callable[[World], str],
) -> None:
    assert sign_in(stranger).get(address(world)).status_code == 404
    assert admin.post(address(world)).status_code == 405


def test_the_sandbox_is_no_utility_server(world: World, admin: Client) -> None:
    assert admin.get(detail(world.sandbox)).status_code == 404


def test_a_server_of_another_account_is_404(world: World, elsewhere: World, admin: Client) -> None:
    foreign = reverse(
        "backups:utility_server_detail", args=[world.account.pk, elsewhere.utility_server.pk]
    )
    assert admin.get(foreign).status_code == 404
