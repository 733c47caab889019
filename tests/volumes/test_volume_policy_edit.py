"""Settings of all volumes of a kind: shown, refused, foretold, saved (R069 to R076, R159)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, VolumePolicy
from portal.models import AuditEntry, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.reporting.pages import plan_of
from tests.volumes.backup_pages import (
    DESKTOP,
    DRIVE,
    HTMX,
    KINDS,
    PROFILE,
    a_volume,
    failed,
    under_way,
)

SignIn = Callable[[User], Client]

FIELDS = {
    "is_scheduled": "on", "backup_time": "22:00", "time_zone": "Europe/London",
    "keep_scheduled": "5", "keep_manual": "4", "keep_after_session": "6",
}  # fmt: skip
RANGE = "from 1 to 100"
PREVIEW = {**HTMX, "HX-Target": "policy-preview"}
FIRST = "First run with the new time"


def url(world: World, kind: str = PROFILE) -> str:
    return reverse("volumes:volume_policy_edit", args=[world.account.pk, kind])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def post(client: Client, world: World, kind: str = PROFILE, **changes: str) -> Any:
    data = {name: value for name, value in (FIELDS | changes).items() if value != "-"}
    return client.post(url(world, kind), data, headers=HTMX)


def preview(client: Client, world: World, kind: str = PROFILE, **changes: str) -> str:
    return str(client.get(url(world, kind), FIELDS | changes, headers=PREVIEW).text)


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_has_the_labels_of_the_documentation(
    world: World, admin: Client, kind: str
) -> None:
    page = admin.get(url(world, kind), headers=HTMX).text
    for label in (
        "Backups Settings", "Schedule daily backups", "Backup time", "including weekends",
        "Number of scheduled backups retained", "Number of manual backups retained",
        "Number of post-session backups retained", "Maximum 100", "Confirm",
        "incur storage costs from your cloud provider",
    ):  # fmt: skip
        assert label in page
    assert "<html" not in page


def test_each_kind_has_a_tab_and_settings_of_its_own(world: World, admin: Client) -> None:
    VolumePolicy.objects.create(account=world.account, kind=DRIVE, keep_manual=42)
    for kind in KINDS:
        page = admin.get(url(world, kind), headers=HTMX).text
        for other in KINDS:
            assert f'href="{url(world, other)}"' in page
        assert page.count('aria-current="page"') == 1
        assert ('value="42"' in page) == (kind == DRIVE)


def test_the_kebab_of_the_section_leads_to_it(world: World, admin: Client) -> None:
    page = admin.get(reverse("volumes:volume_backup_list", args=[world.account.pk])).text
    menu = page.partition('id="section-menu"')[2].partition("</ul>")[0]
    assert f'href="{url(world, DESKTOP)}"' in menu
    assert "Settings" in menu


@pytest.mark.parametrize("kind", KINDS)
def test_confirming_saves_that_kind_and_starts_nothing(
    world: World, admin: Client, kind: str
) -> None:
    a_volume(world.account, kind)
    tab = reverse("volumes:volume_backup_list", args=[world.account.pk])
    assert post(admin, world, kind).headers["HX-Redirect"] == tab
    policy = VolumePolicy.objects.get()
    assert (policy.account, policy.kind, policy.is_scheduled) == (world.account, kind, True)
    assert (policy.backup_time, policy.time_zone) == (time(22), "Europe/London")
    numbers = (policy.keep_scheduled, policy.keep_manual, policy.keep_after_session)
    assert numbers == (5, 4, 6)
    assert policy.next_run_at
    assert not Task.objects.exists()
    assert not Backup.objects.exists()
    page = admin.get(tab).text
    assert f"Settings of {policy.get_kind_display()}s saved. Next run:" in page
    assert "daily at 22:00 Europe/London" in page


def test_saving_is_in_the_audit_trail_with_before_and_after(world: World, admin: Client) -> None:
    post(admin, world)
    post(admin, world, keep_manual="9", backup_time="23:15")
    post(admin, world, keep_manual="9", backup_time="23:15")  # changes nothing
    first, second = AuditEntry.objects.filter(action="volume_policy.edit").order_by("at")
    assert first.detail["before"] is None
    assert first.detail["kind"] == PROFILE
    assert second.detail["before"]["keep_manual"] == 4
    assert second.detail["after"]["keep_manual"] == 9
    assert second.detail["after"]["backup_time"] == "23:15"


def test_two_people_save_one_after_the_other(
    world: World, admin: Client, customer_admin: User, sign_in: SignIn
) -> None:
    other = sign_in(customer_admin)
    for client in (admin, other):
        assert 'value="10"' in client.get(url(world), headers=HTMX).text
    post(admin, world, keep_manual="2")
    post(other, world, keep_manual="3")
    assert VolumePolicy.objects.get().keep_manual == 3
    last = AuditEntry.objects.filter(action="volume_policy.edit").latest("at")
    assert last.detail["before"]["keep_manual"] == 2
    assert last.actor == customer_admin


def test_without_a_schedule_the_other_numbers_alone_are_saved(world: World, admin: Client) -> None:
    post(admin, world, is_scheduled="-", backup_time="rubbish", keep_scheduled="0")
    policy = VolumePolicy.objects.get()
    assert (policy.is_scheduled, policy.next_run_at, policy.keep_scheduled) == (False, None, 7)
    assert (policy.keep_manual, policy.keep_after_session) == (4, 6)
    page = admin.get(reverse("volumes:volume_backup_list", args=[world.account.pk])).text
    assert "Settings of Enterprise Profiles saved. No backup is scheduled." in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        *((field, value, RANGE)
          for field in ("keep_scheduled", "keep_manual", "keep_after_session")
          for value in ("0", "-1", "101", "3.5", "x", "", " ", "²", "1e9", "\x00")),
        *(("backup_time", value, "Enter a time of day")
          for value in ("25:00", "24:00", "noon", "", "  ", "\x00")),
        *(("time_zone", value, "Choose a time zone of the list.")
          for value in ("Mars/Olympus", "", "\x00", "../etc/passwd")),
    ],
)  # fmt: skip
def test_bad_input_is_said_beside_its_field_and_nothing_is_lost(
    world: World, admin: Client, field: str, value: str, said: str
) -> None:
    answer = post(admin, world, **{field: value})
    assert answer.status_code == 422
    assert said in answer.text.partition('id="policy-preview"')[0]
    kept = "4" if field != "keep_manual" else "5"
    assert f'value="{kept}"' in answer.text
    assert not VolumePolicy.objects.exists()
    assert "This cannot be saved" in preview(admin, world, **{field: value})


@pytest.mark.parametrize("kind", ["sandbox", "utility_server", "nonsense", "Enterprise_Profile"])
def test_of_another_kind_there_are_none(world: World, admin: Client, kind: str) -> None:
    address = url(world).replace(PROFILE, kind)
    assert admin.get(address).status_code == 404
    assert admin.post(address, FIELDS).status_code == 404
    assert not VolumePolicy.objects.exists()


def test_the_preview_comes_alone_and_writes_nothing(world: World, admin: Client) -> None:
    answer = admin.get(url(world), FIELDS, headers=PREVIEW)
    assert answer.text.lstrip().startswith("<div")
    assert answer.text.count("22:00</time>") == 3
    assert "HX-Target" in answer.headers["Vary"]
    assert "None: there is no schedule" in admin.get(
        url(world), {"keep_manual": "4", "keep_after_session": "3"}, headers=PREVIEW
    ).text  # fmt: skip
    assert not VolumePolicy.objects.exists()


def test_without_script_the_preview_comes_with_the_window(world: World, admin: Client) -> None:
    page = admin.get(url(world)).text
    assert "<html" in page
    assert "Show what changes" in page
    looked = admin.post(url(world), FIELDS | {"look": "yes"})
    assert looked.status_code == 200
    assert looked.text.count("22:00</time>") == 3
    wrong = admin.post(url(world), FIELDS | {"look": "yes", "keep_manual": "0"})
    assert wrong.status_code == 422
    assert not VolumePolicy.objects.exists()


def test_the_preview_is_over_all_volumes_of_the_kind(world: World, admin: Client) -> None:
    now = timezone.now()
    for number, kept in enumerate((3, 2, 1)):
        volume = a_volume(world.account, name=f"EP-{number}")
        for night in range(kept):
            BackupFactory(resource=volume, type="S", created_at=now - timedelta(days=night))
        BackupFactory.create_batch(kept, resource=volume, type="M")
        failed(volume, type="S")
    BackupFactory(resource=a_volume(world.account, DRIVE), type="S")
    told = preview(admin, world, keep_scheduled="2", keep_manual="2")
    assert "3 backups, the oldest of each volume first" in told, "2 of the first, 1 of the second"
    assert "2 volumes at the number or over it" in told
    told = preview(admin, world, DESKTOP, keep_scheduled="1", keep_manual="1")
    assert "Deleted by" not in told
    assert "at the number" not in told
    told = preview(admin, world, DRIVE, keep_scheduled="1", keep_manual="1")
    assert "1 backup, the oldest" in told
    assert "Deleted by" not in preview(admin, world, is_scheduled="", keep_scheduled="1")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others plan by how many rows there are")
def test_the_preview_counts_by_an_index_alone(world: World, admin: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        preview(admin, world, keep_scheduled="2", keep_manual="2")
    counts = [each["sql"] for each in asked.captured_queries if "COUNT(*)" in each["sql"]]
    plans = [plan_of(sql) for sql in counts if "backups_backup" in sql]
    assert len(plans) == 2
    for plan in plans:
        assert any("COVERING INDEX backup_held" in line for line in plan), plan


def test_a_changed_time_says_when_it_applies_first_until_it_does(
    world: World, admin: Client
) -> None:
    assert FIRST not in preview(admin, world), "a new schedule changes no time"
    post(admin, world)
    assert FIRST in preview(admin, world, backup_time="23:00")
    assert FIRST not in preview(admin, world)
    was_next = VolumePolicy.objects.get().next_run_at
    post(admin, world, backup_time="23:00")
    assert FIRST in admin.get(url(world), headers=HTMX).text
    assert FIRST not in admin.get(url(world, DRIVE), headers=HTMX).text
    policy = VolumePolicy.objects.get()
    assert policy.starts_on
    assert policy.next_run_at
    assert was_next
    assert policy.next_run_at >= was_next
    policy.starts_on -= timedelta(days=2)
    policy.save()
    assert FIRST not in admin.get(url(world), headers=HTMX).text


def test_it_can_be_saved_while_volumes_are_busy(world: World, admin: Client) -> None:
    under_way(a_volume(world.account))
    assert post(admin, world).headers["HX-Redirect"]


@pytest.mark.parametrize(("person", "status"), [("support", 403), ("auditor", 403),
                                                ("stranger", 404), ("neighbour", 404)])  # fmt: skip
def test_others_may_not_open_or_save_them(
    world: World, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(world)).status_code == status
    assert client.get(url(world), FIELDS, headers=PREVIEW).status_code == status
    assert post(client, world).status_code == status
    assert not VolumePolicy.objects.exists()


def test_other_methods_are_405(world: World, admin: Client) -> None:
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(url(world)).status_code == 405


def test_a_stored_zone_that_is_not_in_the_list_stays(world: World, admin: Client) -> None:
    VolumePolicy.objects.create(account=world.account, kind=PROFILE, time_zone="Etc/GMT-3")
    page = admin.get(url(world), headers=HTMX).text
    assert '<option value="Etc/GMT-3" selected>' in page
    assert post(admin, world, time_zone="Etc/GMT-3").headers["HX-Redirect"]


def _shown(page: str) -> str:
    return page.partition('name="shown" value="')[2].partition('"')[0]


def test_who_saves_second_is_told_and_saves_by_pressing_again(
    world: World, admin: Client, sign_in: SignIn, account_admin: User, org_admin: User
) -> None:
    other = sign_in(org_admin)
    VolumePolicy.objects.create(account=world.account, kind=DRIVE)
    first = _shown(admin.get(url(world), headers=HTMX).text)
    second = _shown(other.get(url(world), headers=HTMX).text)
    assert first == second != ""
    assert post(admin, world, shown=first).status_code == 200
    # Of another kind: not of this one.
    post(other, world, DRIVE, shown=_shown(other.get(url(world, DRIVE), headers=HTMX).text))
    answer = post(other, world, shown=second, keep_manual="9")
    assert answer.status_code == 422
    assert f"changed by {account_admin} while you had them open" in answer.text
    assert "daily at 22:00 Europe/London; kept 5 scheduled, 4 manual, 6 post-session" in answer.text
    assert 'value="9"' in answer.text
    assert "This cannot be saved" not in answer.text
    policy = VolumePolicy.objects.get(kind=PROFILE)
    assert policy.keep_manual == 4
    again = post(other, world, shown=_shown(answer.text), keep_manual="9")
    assert again.status_code == 200
    policy.refresh_from_db()
    assert policy.keep_manual == 9


def test_the_same_settings_twice_lose_nothing(world: World, admin: Client) -> None:
    shown = _shown(admin.get(url(world), headers=HTMX).text)
    for _ in range(2):
        assert post(admin, world, shown=shown).status_code == 200
