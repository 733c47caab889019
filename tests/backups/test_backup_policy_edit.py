"""The settings of a system: what the window shows, refuses, foretells and saves (R028 to R042)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, BackupPolicy
from portal.models import AuditEntry, Resource, Task, User
from tests.backups.pages import HTMX, running_backup
from tests.factories import BackupFactory
from tests.people import World

SignIn = Callable[[User], Client]

FIELDS = {
    "is_scheduled": "on", "backup_time": "22:00", "time_zone": "Europe/London",
    "keep_scheduled": "5", "keep_manual": "4", "keep_after_session": "3",
}  # fmt: skip
RANGE = "from 1 to 100"
PREVIEW = {**HTMX, "HX-Target": "policy-preview"}


def url(resource: Resource) -> str:
    return reverse("backups:backup_policy_edit", args=[resource.account_id, resource.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def post(client: Client, resource: Resource, **changes: str) -> Any:
    data = {name: value for name, value in (FIELDS | changes).items() if value != "-"}
    return client.post(url(resource), data, headers=HTMX)


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_window_has_the_labels_of_the_documentation(world: World, admin: Client) -> None:
    page = text(admin.get(url(world.utility_server), headers=HTMX))
    for label in (
        "Backups Settings", "Schedule daily backups", "Backup time",
        "Number of scheduled backups retained", "Number of manual backups retained", "Confirm",
        "Number of post-session backups retained",
        "incur storage costs from your cloud provider", "including weekends", "Maximum 100",
    ):  # fmt: skip
        assert label in page
    assert "Not during working hours" in page
    assert "Publish backups retained" not in page


def test_the_sandbox_has_no_caution_and_shows_the_publish_number(
    world: World, admin: Client
) -> None:
    page = text(admin.get(url(world.sandbox), headers=HTMX))
    assert "working hours" not in page
    assert "Publish backups retained" in page
    assert "Open a support case to change this." in page
    assert "publish" not in page.partition("<form")[2].partition('name="keep_manual"')[0].lower()


def test_the_kebab_of_the_panel_leads_to_it(world: World, admin: Client) -> None:
    page = text(admin.get(reverse("backups:sandbox_detail", args=[world.account.pk])))
    assert f'href="{url(world.sandbox)}"' in page
    assert "No schedule" in page


def test_confirming_saves_and_starts_nothing(world: World, admin: Client) -> None:
    assert post(admin, world.sandbox).headers["HX-Redirect"]
    policy = BackupPolicy.objects.get()
    assert (policy.resource, policy.is_scheduled) == (world.sandbox, True)
    assert (policy.backup_time, policy.time_zone) == (time(22), "Europe/London")
    assert (policy.keep_scheduled, policy.keep_manual) == (5, 4)
    assert policy.next_run_at
    assert not Task.objects.exists()
    assert not Backup.objects.exists()
    assert AuditEntry.objects.filter(action="backup_policy.edit").count() == 1
    page = text(admin.get(reverse("backups:sandbox_detail", args=[world.account.pk])))
    assert "Settings saved. Next backup" in page
    assert "Daily at 22:00 Europe/London" in page


def test_without_a_schedule_the_manual_number_alone_is_saved(world: World, admin: Client) -> None:
    post(admin, world.sandbox, is_scheduled="-", backup_time="rubbish", keep_scheduled="0")
    policy = BackupPolicy.objects.get()
    assert (policy.is_scheduled, policy.next_run_at, policy.keep_manual) == (False, None, 4)
    assert policy.keep_scheduled == 7


def test_post_session_backups_have_a_number_of_their_own(world: World, admin: Client) -> None:
    page = text(admin.get(url(world.sandbox), headers=HTMX))
    field = page.partition('name="keep_after_session"')[2].partition(">")[0]
    assert 'value="3"' in field, "the default (R159)"
    post(admin, world.sandbox, is_scheduled="-", keep_after_session="9")
    policy = BackupPolicy.objects.get()
    assert (policy.is_scheduled, policy.keep_manual, policy.keep_after_session) == (False, 4, 9)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        *(("keep_scheduled", value, RANGE) for value in ("0", "-1", "101", "3.5", "x", "")),
        *(("keep_manual", value, RANGE) for value in ("0", "-1", "101", "1e9", "²", "")),
        *(("keep_after_session", value, RANGE) for value in ("0", "-1", "101", "")),
        *(("backup_time", value, "Enter a time of day") for value in ("25:00", "noon", "", "\x00")),
        ("time_zone", "Mars/Olympus", "Choose a time zone of the list."),
        ("time_zone", "", "Choose a time zone of the list."),
    ],
)  # fmt: skip
def test_bad_input_is_said_beside_its_field_and_nothing_is_lost(
    world: World, admin: Client, field: str, value: str, said: str
) -> None:
    answer = post(admin, world.sandbox, **{field: value})
    page = text(answer)
    assert answer.status_code == 422
    assert said in page.partition('id="policy-preview"')[0]
    kept = "4" if field != "keep_manual" else "5"
    assert f'value="{kept}"' in page
    assert not BackupPolicy.objects.exists()
    told = text(admin.get(url(world.sandbox), FIELDS | {field: value}, headers=PREVIEW))
    assert "This cannot be saved" in told


def test_the_preview_comes_alone_and_writes_nothing(world: World, admin: Client) -> None:
    answer = admin.get(url(world.sandbox), FIELDS, headers=PREVIEW)
    page = text(answer)
    assert page.lstrip().startswith("<div")
    assert page.count("22:00</time>") == 3
    assert "<dialog" not in page
    assert "HX-Target" in answer.headers["Vary"]
    assert not BackupPolicy.objects.exists()


def test_without_script_the_preview_comes_with_the_window(world: World, admin: Client) -> None:
    page = text(admin.get(url(world.sandbox), FIELDS))
    assert "<html" in page
    assert page.count("22:00</time>") == 3
    assert 'value="22:00"' in page
    assert 'formmethod="get"' not in page, "the token would be in the address"
    looked = admin.post(url(world.sandbox), FIELDS | {"look": "yes"})
    assert looked.status_code == 200
    assert text(looked).count("22:00</time>") == 3
    wrong = admin.post(url(world.sandbox), FIELDS | {"look": "yes", "keep_manual": "0"})
    assert wrong.status_code == 422
    assert RANGE in text(wrong)
    assert not BackupPolicy.objects.exists()


def test_a_changed_time_says_when_it_applies_first(world: World, admin: Client) -> None:
    post(admin, world.sandbox)
    told = text(admin.get(url(world.sandbox), FIELDS | {"backup_time": "23:00"}, headers=PREVIEW))
    assert "First run with the new time" in told
    same = text(admin.get(url(world.sandbox), FIELDS, headers=PREVIEW))
    assert "First run with the new time" not in same


def test_the_first_run_with_a_new_time_is_said_until_it_holds(world: World, admin: Client) -> None:
    post(admin, world.sandbox)
    post(admin, world.sandbox, backup_time="23:00")
    assert "First run with the new time" in text(admin.get(url(world.sandbox), headers=HTMX))
    policy = BackupPolicy.objects.get()
    assert policy.starts_on
    policy.starts_on -= timedelta(days=1)
    policy.save()
    assert "First run with the new time" not in text(admin.get(url(world.sandbox), headers=HTMX))


def test_what_the_numbers_remove_is_named(world: World, admin: Client) -> None:
    now = timezone.now()
    for n in range(3):
        BackupFactory.create(
            resource=world.sandbox, type="S", name=f"Night {n}", created_at=now - timedelta(days=n)
        )
    BackupFactory.create_batch(2, resource=world.sandbox, type="M")
    changes = {"keep_scheduled": "2", "keep_manual": "1"}
    told = text(admin.get(url(world.sandbox), FIELDS | changes, headers=PREVIEW))
    assert "Night 2" in told
    assert "Night 1" in told
    assert "Night 0" not in told
    assert "2 must be deleted before another can be created" in told


@pytest.mark.parametrize(
    ("at", "warns"), [("07:59", False), ("08:00", True), ("17:59", True), ("18:00", False)]
)
def test_working_hours_are_warned_of_but_allowed(
    world: World, admin: Client, at: str, warns: bool
) -> None:
    fields = FIELDS | {"backup_time": at}
    told = text(admin.get(url(world.utility_server), fields, headers=PREVIEW))
    assert ("is within working hours" in told) == warns
    told = text(admin.get(url(world.sandbox), fields, headers=PREVIEW))
    assert "is within working hours" not in told
    assert post(admin, world.utility_server, backup_time=at).status_code == 200
    assert BackupPolicy.objects.get().is_scheduled


def test_settings_can_be_changed_while_the_system_is_busy(world: World, admin: Client) -> None:
    running_backup(world.sandbox)
    assert post(admin, world.sandbox).headers["HX-Redirect"]


def test_the_cap_is_said_on_the_page_with_the_way_to_the_settings(
    world: World, admin: Client
) -> None:
    BackupPolicy.objects.create(resource=world.sandbox, keep_manual=1)
    BackupFactory.create(resource=world.sandbox, type="M")
    page = text(admin.get(reverse("backups:sandbox_detail", args=[world.account.pk])))
    assert "has 1 manual backup; 1 may be kept." in page
    assert page.count(f'href="{url(world.sandbox)}"') == 2
    dialog = reverse("backups:backup_create", args=[world.account.pk, world.sandbox.pk])
    refused = admin.post(dialog, {"name": "More", "may_power_off": "yes"}, headers=HTMX)
    assert refused.status_code == 422
    assert "1 may be kept" in text(refused)
    assert f'href="{url(world.sandbox)}"' in text(refused)
    assert Backup.objects.count() == 1


def test_readers_see_the_settings_and_cannot_open_them(
    world: World, auditor: User, support: User, sign_in: SignIn
) -> None:
    for person in (auditor, support):
        client = sign_in(person)
        page = text(client.get(reverse("backups:sandbox_detail", args=[world.account.pk])))
        assert "0 of 10 manual" in page
        assert client.get(url(world.sandbox)).status_code == 403
        assert post(client, world.sandbox).status_code == 403
    assert not BackupPolicy.objects.exists()


def test_a_stored_zone_that_is_not_in_the_list_stays(world: World, admin: Client) -> None:
    BackupPolicy.objects.create(resource=world.sandbox, time_zone="Etc/GMT-3")
    page = text(admin.get(url(world.sandbox), headers=HTMX))
    assert '<option value="Etc/GMT-3" selected>' in page
    assert post(admin, world.sandbox, time_zone="Etc/GMT-3").headers["HX-Redirect"]


def _shown(page: str) -> str:
    return page.partition('name="shown" value="')[2].partition('"')[0]


def test_who_saves_second_is_told_and_saves_by_pressing_again(
    world: World, admin: Client, sign_in: SignIn, account_admin: User, org_admin: User
) -> None:
    server, other = world.utility_server, sign_in(org_admin)
    first = _shown(text(admin.get(url(server), headers=HTMX)))
    second = _shown(text(other.get(url(server), headers=HTMX)))
    assert first == second != ""
    assert post(admin, server, shown=first).status_code == 200
    looked = text(other.post(url(server), FIELDS | {"shown": second, "look": "yes"}))
    assert _shown(looked) == second, "to look is not to be told"
    answer = post(other, server, shown=second, is_scheduled="-", keep_manual="9")
    assert answer.status_code == 422
    told = text(answer)
    assert f"changed by {account_admin} while you had them open" in told
    assert "daily at 22:00 Europe/London; kept 5 scheduled, 4 manual, 3 post-session" in told
    assert 'value="9"' in told
    assert BackupPolicy.objects.get().is_scheduled
    again = post(other, server, shown=_shown(told), is_scheduled="-", keep_manual="9")
    assert again.status_code == 200
    policy = BackupPolicy.objects.get()
    assert (policy.is_scheduled, policy.keep_manual) == (False, 9)
