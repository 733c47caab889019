"""The Volumes tab, one volume's page, its card and its menu."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import Backup
from portal.models import Resource, Task, User
from portal.words import note_words
from tests.factories import BackupFactory, ResourceFactory, TaskFactory
from tests.people import World

SignIn = Callable[[User], Client]
Kind = Resource.Kind
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _url(world: World) -> str:
    return f"/accounts/{world.account.pk}/volumes/"


def _volume(world: World, name: str, kind: str = Kind.PERSISTENT_DESKTOP, **more: Any) -> Resource:
    made: Resource = ResourceFactory(
        account=world.account, kind=kind, name=name, user_name=more.pop("user", name), **more
    )
    note_words([made.pk])
    return made


def test_all_three_kinds_are_listed_with_user_type_and_state(world: World, admin: Client) -> None:
    _volume(world, "pd-0388", user="sofia.lindqvist", power_state="on")
    _volume(world, "EP-osei", Kind.ENTERPRISE_PROFILE, attached_to="pd-0402")
    _volume(world, "PDR-raman", Kind.PERSONAL_DRIVE)
    page = admin.get(_url(world)).text
    for said in ("pd-0388", "sofia.lindqvist", "Running", "to pd-0402", "Detached"):
        assert said in page
    assert "1 Persistent Desktop, 1 Enterprise Profile, 1 Personal Drive" in page
    assert "meridian-util-01" not in page.partition("<main")[2]


def test_a_desktop_without_a_user_is_absent(world: World, admin: Client) -> None:
    _volume(world, "pd-lonely", user="")
    page = admin.get(_url(world)).text
    assert "pd-lonely" not in page
    assert "No volumes yet" in page


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ready", "okcircle"), ("failed", "Failed: "), ("missed", "Missed: "),
        ("", "Not backed up"), ("creating", "In progress"),
    ],
)  # fmt: skip
def test_the_latest_backup_is_told_in_word_and_time(
    world: World, admin: Client, status: str, said: str
) -> None:
    volume = _volume(world, "pd-1")
    if status:
        BackupFactory(resource=volume, status=status, error="The container is full.")
    page = admin.get(_url(world)).text
    assert said in page.partition("<tbody")[2]
    if status in ("failed", "missed"):
        assert "The container is full." in page
        assert f'href="{_url(world)}{volume.pk}/#last-backup"' in page


def test_a_later_success_replaces_a_failure_and_the_other_way_round(
    world: World, admin: Client
) -> None:
    volume = _volume(world, "pd-1")
    now = timezone.now()
    for hours, status in ((3, "failed"), (2, "ready"), (1, "failed")):
        BackupFactory(resource=volume, status=status, created_at=now - timedelta(hours=hours))
        volume.refresh_from_db()
        assert volume.last_backup_status == status


def test_facets_count_and_narrow(world: World, admin: Client) -> None:
    bad, good = _volume(world, "pd-bad"), _volume(world, "pd-good")
    _volume(world, "pd-none")
    BackupFactory(resource=bad, status=Backup.Status.FAILED)
    BackupFactory(resource=good)
    page = admin.get(_url(world)).text
    for said in ("All <span>3", "Failed <span>1", "Not backed up <span>1", "In progress <span>0"):
        assert said in page
    failed = admin.get(_url(world), {"status": "failed"}).text
    assert "pd-bad" in failed
    assert "pd-good" not in failed
    none = admin.get(_url(world), {"status": "none", "kind": Kind.PERSONAL_DRIVE}).text
    assert "No volume matches" in none


@pytest.mark.parametrize("typed", ["0388", "lindq", "PD-03", "sofia 0388"])
def test_search_finds_by_the_beginning_of_words(world: World, admin: Client, typed: str) -> None:
    _volume(world, "pd-0388", user="sofia.lindqvist@meridian.example")
    _volume(world, "pd-0402", user="kwame.osei@meridian.example")
    page = admin.get(_url(world), {"q": typed}).text
    assert "pd-0388" in page
    assert "pd-0402" not in page


def test_search_finds_by_id(world: World, admin: Client) -> None:
    volume = _volume(world, "pd-0388")
    assert "pd-0388" in admin.get(_url(world), {"q": volume.external_id}).text


@pytest.mark.parametrize("sort", ["sort_name", "user_name", "size_bytes", "last_backup_at"])
def test_pages_follow_one_another_in_any_order(world: World, admin: Client, sort: str) -> None:
    for number in range(120):
        ResourceFactory(
            account=world.account, kind=Kind.PERSISTENT_DESKTOP, name=f"pd-{number:03}",
            user_name=f"user-{number}", size_bytes=number // 7,
        )  # fmt: skip
    for sign in ("", "-"):
        seen: list[str] = []
        address = f"{_url(world)}?sort={sign}{sort}"
        while address:
            page = admin.get(address).text
            seen += [part.partition('"')[0] for part in page.split('aria-label="Select ')[2:]]
            ahead = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
            address = _url(world) + ahead.replace("&amp;", "&") if 'rel="next"' in page else ""
        assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize(
    "query", ["sort=nothing", "after=made-up", "kind=sandbox", "status=x", "q=%00", "before=%ff"]
)
def test_what_nobody_offers_is_ignored(world: World, admin: Client, query: str) -> None:
    _volume(world, "pd-1")
    answer = admin.get(f"{_url(world)}?{query}")
    assert answer.status_code == 200
    assert "pd-1" in answer.text


@pytest.mark.parametrize("count", [3, 200])
def test_the_page_costs_the_same_however_many_there_are(
    world: World, admin: Client, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        volume = ResourceFactory(
            account=world.account, kind=Kind.PERSISTENT_DESKTOP, name=f"pd-{number:03}",
            user_name=f"user-{number}",
        )  # fmt: skip
        BackupFactory(resource=volume, status=("ready", "failed", "creating")[number % 3])
    admin.get(_url(world))
    with django_assert_num_queries(8):
        admin.get(_url(world))


def test_who_may_only_look_sees_no_tick_and_no_menu(
    world: World, auditor: User, sign_in: SignIn
) -> None:
    volume = _volume(world, "pd-1")
    client = sign_in(auditor)
    page = client.get(_url(world)).text
    assert "pd-1" in page
    assert 'type="checkbox"' not in page
    assert "Create Backup" not in page
    assert client.get(f"{_url(world)}{volume.pk}/menu/").status_code == 403


def test_the_card_and_the_page_name_name_type_and_id(world: World, admin: Client) -> None:
    volume = _volume(world, "EP-osei", Kind.ENTERPRISE_PROFILE)
    for address in ("card/", ""):
        text = admin.get(f"{_url(world)}{volume.pk}/{address}").text
        for said in ("EP-osei", "Enterprise Profile", volume.external_id):
            assert said in text


def test_the_page_of_a_volume_tells_a_failure_in_full(world: World, admin: Client) -> None:
    volume = _volume(world, "pd-1")
    task = TaskFactory(
        account=world.account, resource=volume, state=Task.State.FAILED,
        error_detail="NoSpace: container full", advice="Make room, then retry.",
    )  # fmt: skip
    BackupFactory(resource=volume, task=task, status="failed", error="Take the backup: full.")
    page = admin.get(f"{_url(world)}{volume.pk}/").text
    for said in ("Take the backup: full.", "NoSpace: container full", "Make room, then retry."):
        assert said in page


def test_the_menu_offers_what_can_be_done(world: World, admin: Client) -> None:
    volume = _volume(world, "EP-1", Kind.ENTERPRISE_PROFILE)
    menu = f"{_url(world)}{volume.pk}/menu/"
    assert "Restore latest" not in admin.get(menu).text
    BackupFactory(resource=volume)
    assert "Restore latest" in admin.get(menu).text
    Resource.objects.filter(pk=volume.pk).update(attached_to="pd-7")
    assert "is attached to pd-7" in admin.get(menu).text


def test_another_accounts_volume_is_not_there(
    world: World, elsewhere: World, admin: Client
) -> None:
    foreign = _volume(elsewhere, "pd-theirs")
    for address in ("", "card/", "menu/"):
        assert admin.get(f"{_url(world)}{foreign.pk}/{address}").status_code == 404


def test_the_poll_renews_the_cells_of_what_is_under_way(world: World, admin: Client) -> None:
    volume = _volume(world, "pd-1")
    task = TaskFactory(
        account=world.account, resource=volume, state=Task.State.RUNNING, is_exclusive=True,
        kind="create_volume_backup", percent=40,
    )  # fmt: skip
    page = admin.get(_url(world)).text
    assert f'data-live="volume:{volume.pk}"' in page
    live = f"/accounts/{world.account.pk}/live/"
    part = admin.get(live, {"part": f"volume:{volume.pk}"}, headers=HTMX).text
    assert f'data-hx-swap-oob="true" id="last-{volume.pk}"' in part
    assert "40%" in part
    Task.objects.filter(pk=task.pk).update(state=Task.State.DONE)
    part = admin.get(live, {"part": f"volume:{volume.pk}"}, headers=HTMX).text
    assert "data-live" not in part.partition(f'id="state-{volume.pk}"')[0].rpartition("last-")[2]
