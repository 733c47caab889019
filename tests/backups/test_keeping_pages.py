"""Pinning, publishing and the master image on the pages, and why each backup is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import Account, AuditEntry, Infrastructure, Resource, Task, User
from tests.backups.pages import HTMX, running_backup
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World

SignIn = Callable[[User], Client]


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def backup(world: World) -> Backup:
    found: Backup = BackupFactory.create(resource=world.sandbox, name="Before codecs")
    return found


def url(verb: str, backup: Backup) -> str:
    return reverse(f"backups:backup_{verb}", args=[backup.resource.account_id, backup.pk])


def sandbox_url(world: World) -> str:
    return reverse("backups:sandbox_detail", args=[world.account.pk])


def publish_url(world: World) -> str:
    return reverse("backups:sandbox_publish", args=[world.account.pk])


def text(answer: Any) -> str:
    return str(answer.content.decode())


# Pins


def test_pinning_and_unpinning_from_the_row(world: World, admin: Client, backup: Backup) -> None:
    page = text(admin.get(sandbox_url(world)))
    assert f'action="{url("pin", backup)}"' in page
    page = text(admin.post(url("pin", backup), follow=True))
    assert "“Before codecs” is pinned" in page
    assert f'action="{url("unpin", backup)}"' in page
    assert f'action="{url("pin", backup)}"' not in page
    page = text(admin.post(url("unpin", backup), follow=True))
    assert "is no longer pinned" in page
    backup.refresh_from_db()
    assert not backup.is_pinned


def test_a_pin_leaves_the_list_where_it_stood(world: World, admin: Client, backup: Backup) -> None:
    at = "?type=M&sort=name&page=1"
    page = text(admin.get(sandbox_url(world) + at))
    assert f'action="{url("pin", backup)}{at.replace("&", "&amp;")}"' in page
    answer = admin.post(f"{url('pin', backup)}{at}&next=//elsewhere.example")
    assert answer["Location"] == sandbox_url(world) + at


def test_a_stale_pin_is_told_and_changes_nothing(admin: Client, backup: Backup) -> None:
    Backup.objects.update(status=Backup.Status.DELETED)
    assert "cannot be pinned: it is deleted." in text(admin.post(url("pin", backup), follow=True))
    assert not AuditEntry.objects.filter(action="backup.pin").exists()


@pytest.mark.parametrize("verb", ["pin", "unpin", "unmark_master_image"])
def test_reading_the_address_of_a_click_is_no_click(
    admin: Client, backup: Backup, verb: str
) -> None:
    assert admin.get(url(verb, backup)).status_code == 405


@pytest.mark.parametrize("verb", ["pin", "unpin", "mark_master_image", "unmark_master_image"])
def test_readers_and_strangers_cannot(
    world: World, auditor: User, stranger: User, sign_in: SignIn, backup: Backup, verb: str
) -> None:
    assert sign_in(auditor).post(url(verb, backup)).status_code == 403
    assert sign_in(stranger).post(url(verb, backup)).status_code == 404
    backup.refresh_from_db()
    assert not backup.is_pinned
    assert not Task.objects.filter(kind="protect_master_image").exists()


# The list


def test_each_row_says_why_it_is_there(world: World, admin: Client) -> None:
    now = timezone.now()
    for n in range(2):
        BackupFactory.create(resource=world.sandbox, type="S", created_at=now - timedelta(days=n))
    BackupFactory.create(resource=world.sandbox, type="P")
    page = text(admin.get(sandbox_url(world)))
    for said in ("Scheduled 1 of 7", "Scheduled 2 of 7", "Publish 1 of 2"):
        assert said in page
    assert "P Publish · M Manual · S Scheduled · D After session" in page


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (1, "One Publish backup is retained."),
        (2, "Two Publish backups are retained."),
        (12, "12 Publish backups are retained."),
    ],
)
def test_the_foot_says_how_many_are_published_and_whom_to_ask(
    world: World, admin: Client, backup: Backup, keep: int, said: str
) -> None:
    Account.objects.update(publish_retention=keep)
    assert f"{said} Open a support case to change this." in text(admin.get(sandbox_url(world)))


def test_a_missed_run_says_what_happened_and_can_be_taken_off(world: World, admin: Client) -> None:
    missed = BackupFactory.create(
        resource=world.sandbox, type="S", status="missed", task=None, external_id="",
        size_bytes=None, error="Due at 02:00 UTC; no worker was running for 6 hours.",
    )  # fmt: skip
    page = text(admin.get(sandbox_url(world)))
    assert "Missed: what happened" in page
    assert missed.error in page
    assert f'href="{url("restore", missed)}"' not in page
    page = text(admin.post(url("delete", missed), follow=True))
    assert "is off the list" in page
    assert "Missed: what happened" not in page
    assert not Task.objects.exists()


@pytest.mark.parametrize("direction", ["type", "-type"])
def test_the_list_sorts_by_type(world: World, admin: Client, direction: str) -> None:
    for letter in "MPS":
        BackupFactory.create(resource=world.sandbox, type=letter, name=f"Of {letter}")
    page = text(admin.get(sandbox_url(world), {"sort": direction}))
    places = [page.index(f"Of {letter}") for letter in "MPS"]
    assert places == sorted(places, reverse=direction.startswith("-"))


# Publish


@pytest.fixture
def plain(world: World) -> World:
    Account.objects.update(is_domain_joined=False)
    return world


def test_publishing_is_confirmed_first(plain: World, admin: Client) -> None:
    page = text(admin.get(sandbox_url(plain)))
    assert f'href="{publish_url(plain)}"' in page
    dialog = text(admin.get(publish_url(plain), headers=HTMX))
    assert "Publish the Sandbox?" in dialog
    assert "sysprep" not in dialog
    assert not Task.objects.exists()
    answer = admin.post(publish_url(plain), {"may_power_off": "yes"}, follow=True)
    assert "Publishing requested" in text(answer)
    backup = Backup.objects.get()
    assert (backup.type, backup.status) == ("P", "creating")
    assert "In maintenance mode while the Sandbox is published" in text(answer)


def test_a_joined_account_is_told_of_sysprep(world: World, admin: Client) -> None:
    Account.objects.update(is_domain_joined=True)
    cloud = world.sandbox.cloud_account
    cloud.secrets = {**cloud.secrets, "agent_endpoint": "https://gw.example", "agent_token": "t"}
    cloud.save()
    assert "generalized by sysprep" in text(admin.get(publish_url(world), headers=HTMX))


def test_without_a_gateway_the_button_is_off_and_says_why(world: World, admin: Client) -> None:
    Account.objects.update(is_domain_joined=True)
    page = text(admin.get(sandbox_url(world)))
    assert f'href="{publish_url(world)}"' not in page
    assert "needs a guest agent gateway" in page
    refused = admin.post(publish_url(world), {"may_power_off": "yes"})
    assert refused.status_code == 422
    assert not Task.objects.exists()


def test_the_one_that_leaves_is_named(plain: World, admin: Client) -> None:
    now = timezone.now()
    for n in range(2):
        BackupFactory.create(
            resource=plain.sandbox, type="P", name=f"Image {n}", created_at=now - timedelta(days=n)
        )
    dialog = text(admin.get(publish_url(plain), headers=HTMX))
    assert "Image 1" in dialog
    assert "Image 0" not in dialog


def test_a_busy_sandbox_is_not_published_from_page_or_forged_post(
    plain: World, admin: Client
) -> None:
    running_backup(plain.sandbox)
    assert f'href="{publish_url(plain)}"' not in text(admin.get(sandbox_url(plain)))
    answer = admin.post(publish_url(plain), {"may_power_off": "yes"}, headers=HTMX)
    assert answer.status_code == 422
    assert "busy" in text(answer)
    assert Task.objects.count() == 1


def test_publishing_twice_starts_one_task(plain: World, admin: Client) -> None:
    statuses = [
        admin.post(publish_url(plain), {"may_power_off": "yes"}).status_code for _ in range(2)
    ]
    assert statuses == [302, 422]
    assert Task.objects.count() == 1


def test_without_consent_a_running_sandbox_is_left_alone(plain: World, admin: Client) -> None:
    Resource.objects.update(power_state="on")
    answer = admin.post(publish_url(plain))
    assert answer.status_code == 422
    assert "Accept that it is powered off" in text(answer)
    assert not Task.objects.exists()


def test_an_account_without_a_sandbox_has_nothing_to_publish(plain: World, admin: Client) -> None:
    Resource.objects.filter(pk=plain.sandbox.pk).update(kind="utility_server")
    assert admin.get(publish_url(plain)).status_code == 404


def test_readers_and_strangers_do_not_publish(
    plain: World, auditor: User, stranger: User, sign_in: SignIn
) -> None:
    assert sign_in(auditor).post(publish_url(plain)).status_code == 403
    assert sign_in(stranger).post(publish_url(plain)).status_code == 404


# Master image


def test_the_dialog_says_why_an_additional_backup_is_made(
    world: World, admin: Client, backup: Backup
) -> None:
    address = url("mark_master_image", backup)
    assert f'href="{address}"' in text(admin.get(sandbox_url(world)))
    dialog = text(admin.get(address, headers=HTMX))
    assert "an additional backup is made of it, which stays" in dialog
    page = text(admin.post(address, follow=True))
    assert "Additional backup of “Before codecs” requested" in page
    assert Backup.objects.get(original=backup).status == "creating"
    assert admin.post(address, headers=HTMX).status_code == 422


def test_the_additional_backup_names_its_machine_and_is_unmarked_by_hand(
    world: World, admin: Client, backup: Backup
) -> None:
    image = BackupFactory.create(resource=world.sandbox, name="Image", original=backup)
    page = text(admin.get(sandbox_url(world)))
    assert f"{image.machine_name} ({image.external_id})" in page
    assert f'href="{url("delete", image)}"' not in page
    dialog = text(admin.get(url("delete", backup), headers=HTMX))
    assert f"stays: “Image”, the virtual machine {image.machine_name}" in dialog
    page = text(admin.post(url("unmark_master_image", image), follow=True))
    assert "no longer serves as BYO Master Image" in page
    assert f'href="{url("delete", image)}"' in page


def test_on_azure_there_is_no_such_entry(world: World, admin: Client, backup: Backup) -> None:
    Account.objects.update(infrastructure=Infrastructure.AZURE)
    assert "Master Image" not in text(admin.get(sandbox_url(world)))
    answer = admin.post(url("mark_master_image", backup), headers=HTMX)
    assert answer.status_code == 422
    assert "no additional backup is needed" in text(answer)
    assert Backup.objects.count() == 1


def test_a_backup_of_another_account_is_not_found(world: World, admin: Client) -> None:
    foreign = BackupFactory.create(resource=ResourceFactory.create())
    address = reverse("backups:backup_pin", args=[world.account.pk, foreign.pk])
    assert admin.post(address).status_code == 404
