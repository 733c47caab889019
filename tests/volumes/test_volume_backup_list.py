"""The Backups tab: what it lists, narrows, pages and counts, and who sees what."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, VolumePolicy
from portal.models import Account, Resource, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import (
    DESKTOP,
    DRIVE,
    HTMX,
    PROFILE,
    a_volume,
    being_made,
    failed,
    missed,
)

SignIn = Callable[[User], Client]


def url(account: Account) -> str:
    return reverse("volumes:volume_backup_list", args=[account.pk])


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _names(text: str) -> list[str]:
    """Names of the backups, in the order of the rows."""
    return re.findall(r'class="lead">([^<]*)', text)


def _listed(client: Client, account: Account, **query: str) -> list[str]:
    answer = client.get(url(account), query)
    assert answer.status_code == 200
    return _names(answer.text)


def _facets(text: str) -> dict[str, str]:
    return dict(re.findall(r">([A-Z][a-z ]+) <span>([\d,+]+)</span></a>", text))


@pytest.fixture
def account(world: World) -> Account:
    """One of each kind of volume, type and state, each an hour older than the one before."""
    now, account = timezone.now(), world.account
    profile = a_volume(account, user_name="sofia.lindqvist@meridian.example")
    desktop = a_volume(account, DESKTOP, name="PD-0042")
    drive = a_volume(account, DRIVE, name="PDR-ines", user_name="ines.castro")
    hour = timedelta(hours=1)
    BackupFactory(resource=profile, name="Manual", created_at=now)
    BackupFactory(resource=desktop, name="Night", type="S", created_at=now - hour)
    BackupFactory(resource=drive, name="Session", type="D", created_at=now - 2 * hour)
    failed(profile, name="Broken", type="S", created_at=now - 3 * hour)
    being_made(desktop, name="Now", created_at=now - 4 * hour)
    missed(drive, name="Skipped", created_at=now - 5 * hour)
    for status in ("deleted", "canceled"):
        BackupFactory(resource=profile, name="Gone", status=status)
    BackupFactory(resource=world.sandbox, name="Sandbox")
    return account


def test_it_lists_backups_of_volumes_alone_newest_first(account: Account, reader: Client) -> None:
    newest = ["Manual", "Night", "Session", "Broken", "Now", "Skipped"]
    assert _listed(reader, account) == newest
    assert _listed(reader, account, sort="created_at") == newest[::-1]
    assert _listed(reader, account, sort="name") == newest, "there is no such order"


def test_a_row_says_all_that_is_known(account: Account, reader: Client) -> None:
    Backup.objects.filter(name="Manual").update(
        is_pinned=True, is_crash_consistent=True, description="Before <b>codecs</b>"
    )
    text = reader.get(url(account)).text
    row = text.partition('class="lead">Manual')[2].partition("</tr>")[0]
    profile = Resource.objects.get(name="EP-sofia")
    for part in (
        "Pinned", "Crash-consistent", "Before &lt;b&gt;codecs&lt;/b&gt;", "EP-sofia",
        "Enterprise Profile", "sofia.lindqvist@<wbr>meridian.example", 'title="Manual"',
        "45.0 GB", "Complete", reverse("volumes:volume_detail", args=[account.pk, profile.pk]),
    ):  # fmt: skip
        assert part in row
    for word in ("Failed", "Missed", "In progress", "Take the backup: the container is full",
                 "The portal was not running."):  # fmt: skip
        assert word in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"show": "running"}, ["Now"]),
        ({"show": "failed"}, ["Broken"]),
        ({"kind": PROFILE}, ["Manual", "Broken"]),
        ({"kind": DESKTOP}, ["Night", "Now"]),
        ({"kind": "sandbox"}, ["Manual", "Night", "Session", "Broken", "Now", "Skipped"]),
        ({"type": "M"}, ["Manual", "Now"]),
        ({"type": "S"}, ["Night", "Broken", "Skipped"]),
        ({"type": "D"}, ["Session"]),
        ({"type": "P"}, ["Manual", "Night", "Session", "Broken", "Now", "Skipped"]),
        ({"type": "S", "show": "failed", "kind": PROFILE}, ["Broken"]),
        ({"q": "sofia"}, ["Manual", "Broken"]),
        ({"q": "pd-0042"}, ["Night", "Now"]),
        ({"q": "castro ines"}, ["Session", "Skipped"]),
        ({"q": "nobody"}, []),
        ({"q": "\x00"}, ["Manual", "Night", "Session", "Broken", "Now", "Skipped"]),
        ({"q": "ines", "type": "D"}, ["Session"]),
    ],
)
def test_it_is_narrowed(
    account: Account, reader: Client, query: dict[str, str], names: list[str]
) -> None:
    assert _listed(reader, account, **query) == names
    if not names:
        assert "No backup matches" in reader.get(url(account), query).text


def test_of_one_volume(account: Account, elsewhere: World, reader: Client) -> None:
    drive = Resource.objects.get(name="PDR-ines")
    answer = reader.get(url(account), {"volume": str(drive.pk)})
    assert _names(answer.text) == ["Session", "Skipped"]
    assert "Backups of PDR-ines" in answer.text
    assert "All volumes" in answer.text
    assert f'name="volume" value="{drive.pk}"' in answer.text
    foreign = a_volume(elsewhere.account)
    for other in (str(foreign.pk), "no-id", "\x00"):
        assert len(_listed(reader, account, volume=other)) == 6
    assert "EP-sofia" not in reader.get(url(account), {"volume": str(drive.pk)}).text


def test_each_state_is_counted_within_what_is_chosen(account: Account, reader: Client) -> None:
    assert _facets(reader.get(url(account)).text) == {"All": "6", "In progress": "1", "Failed": "1"}
    of_drives = reader.get(url(account), {"kind": DRIVE, "show": "failed"}).text
    assert _facets(of_drives) == {"All": "2", "In progress": "0", "Failed": "0"}


def test_the_answer_to_htmx_is_the_rows_and_the_counts(account: Account, reader: Client) -> None:
    answer = reader.get(url(account), {"q": "sofia"}, headers=HTMX)
    assert "<html" not in answer.text
    assert _names(answer.text) == ["Manual", "Broken"]
    assert 'id="facets" data-hx-swap-oob="true"' in answer.text
    assert "HX-Request" in answer.headers["Vary"]


def test_pages_lead_on_and_back(world: World, reader: Client) -> None:
    volume, now = a_volume(world.account), timezone.now()
    for number in range(120):
        BackupFactory(
            resource=volume, name=f"B{number:03}", created_at=now - timedelta(minutes=number)
        )
    every = [f"B{number:03}" for number in range(120)]
    address, seen = url(world.account), []
    pages = []
    while address:
        text = reader.get(address).text
        pages.append(_names(text))
        seen += pages[-1]
        onward = re.search(r'href="([^"]*)"[^>]*rel="next"', text)
        address = url(world.account) + onward[1].replace("&amp;", "&") if onward else ""
    assert seen == every
    assert [len(page) for page in pages] == [50, 50, 20]
    back = re.search(r'href="([^"]*)"[^>]*rel="prev"', text)
    assert back
    assert _names(reader.get(url(world.account) + back[1]).text) == pages[1]
    for wrong in ("rubbish", "\x00", "e30"):
        assert _listed(reader, world.account, after=wrong) == pages[0]


def _queries(client: Client, account: Account, **query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url(account), query).status_code == 200
    return len(captured)


@pytest.mark.parametrize("query", [{}, {"q": "user", "type": "M"}, {"show": "running"}])
def test_queries_do_not_grow_with_the_backups(
    world: World, reader: Client, query: dict[str, str]
) -> None:
    volumes = [a_volume(world.account, name=f"EP-{number}") for number in range(20)]
    for volume in volumes[:2]:
        being_made(volume)
        BackupFactory(resource=volume)
        failed(volume)
    with_few = _queries(reader, world.account, **query)
    for volume in volumes:
        BackupFactory.create_batch(10, resource=volume)
        failed(volume)
    for volume in volumes[2:]:
        being_made(volume)
    assert _queries(reader, world.account, **query) == with_few


def test_without_any_it_says_so(world: World, reader: Client) -> None:
    text = reader.get(url(world.account)).text
    assert "No backups yet" in text
    assert "every " not in text


def test_settings_of_each_kind_are_said(world: World, reader: Client) -> None:
    text = reader.get(url(world.account)).text
    for kind in ("Persistent Desktops", "Enterprise Profiles", "Personal Drives"):
        assert kind in text
    assert text.count("no schedule") == 3
    VolumePolicy.objects.create(
        account=world.account, kind=PROFILE, is_scheduled=True, backup_time=time(22),
        time_zone="Europe/London", keep_scheduled=5, keep_manual=4, keep_after_session=2,
        starts_on=timezone.now().date(), next_run_at=timezone.now() + timedelta(hours=30),
    )  # fmt: skip
    text = reader.get(url(world.account)).text
    assert text.count("no schedule") == 2
    for part in ("22:00 Europe/London", "5 scheduled", "4 manual", "2 post-session"):
        assert part in text


def test_who_may_only_look_sees_no_menu_and_no_settings(
    account: Account, reader: Client, support: User, admin: Client, sign_in: SignIn
) -> None:
    by_auditor = reader.get(url(account)).text
    assert "Actions for" not in by_auditor
    assert "section-menu" not in by_auditor
    assert "Create Backup" not in by_auditor
    by_support = sign_in(support).get(url(account)).text
    assert by_support.count("Actions for") == 6
    assert "section-menu" not in by_support
    by_admin = admin.get(url(account)).text
    assert by_admin.count("Actions for") == 6
    assert "section-menu" in by_admin


@pytest.mark.parametrize("person", ["stranger", "neighbour"])
def test_others_do_not_find_it(
    account: Account, person: str, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    assert sign_in(request.getfixturevalue(person)).get(url(account)).status_code == 404


def test_other_accounts_backups_are_not_shown(
    account: Account, elsewhere: World, stranger: User, sign_in: SignIn
) -> None:
    BackupFactory(resource=a_volume(elsewhere.account), name="Theirs")
    assert _listed(sign_in(stranger), elsewhere.account) == ["Theirs"]


def test_other_methods_are_405(account: Account, admin: Client) -> None:
    for method in ("post", "put", "patch", "delete"):
        assert getattr(admin, method)(url(account)).status_code == 405


def _live(client: Client, account: Account, *backups: Backup) -> str:
    address = reverse("portal:account_live", args=[account.pk])
    parts = [f"volume_backup:{backup.pk}" for backup in backups]
    return str(client.get(address, {"part": parts}, headers=HTMX).text)


def test_what_is_under_way_is_drawn_anew_until_it_has_ended(
    account: Account, reader: Client
) -> None:
    backup = Backup.objects.get(name="Now")
    page = reader.get(url(account)).text
    assert page.count(f'data-live="volume_backup:{backup.pk}"') == 1
    text = _live(reader, account, backup)
    assert f'id="backup-{backup.pk}"' in text
    assert "42%" in text
    assert 'data-hx-swap-oob="true"' in text
    assert "every 2s" in text
    backup.move_to("ready")
    Task.objects.filter(backups=backup).update(state="done")
    text = _live(reader, account, backup)
    assert "Complete" in text
    assert "data-live" not in text
    assert "every " not in text


def test_the_poll_tells_nothing_of_other_accounts(
    account: Account, world: World, elsewhere: World, reader: Client
) -> None:
    foreign = being_made(a_volume(elsewhere.account))
    of_server = BackupFactory(resource=world.sandbox)
    text = _live(reader, account, foreign, of_server)
    assert str(foreign.pk) not in text
    assert str(of_server.pk) not in text


def test_what_is_queued_waits(world: World, reader: Client) -> None:
    being_made(a_volume(world.account), state=Task.State.QUEUED)
    assert "Waiting" in reader.get(url(world.account)).text
