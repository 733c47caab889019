"""The Sandbox page: state, facts, its Backups panel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from backups.models import Backup
from portal.models import CloudAccount, Resource, Task, User
from tests.backups.pages import HTMX, failed_backup, running_backup
from tests.factories import GIB, BackupFactory
from tests.people import World

SignIn = Callable[[User], Client]


def url(world: World) -> str:
    return reverse("backups:sandbox_detail", args=[world.account.pk])


def page(client: Client, world: World, query: str = "", **headers: str) -> str:
    response = client.get(url(world) + query, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def names(text: str, *wanted: str) -> list[str]:
    """The wanted names in the order in which the page shows them."""
    return sorted((name for name in wanted if name in text), key=text.index)


def test_it_shows_facts_and_backups_at_a_glance(world: World, admin: Client) -> None:
    BackupFactory(resource=world.sandbox, name="Before codecs", description="Known good")
    text = page(admin, world)
    for part in ("meridian-sandbox", "Running", "AHV 4 vCPU · 16 GB", "Before codecs"):
        assert part in text
    for part in ("Known good", "Manual", "45.0 GB", "Today, ", "Create backup"):
        assert part in text
    assert "Restore" in text
    assert "Delete" in text


def test_the_fragment_is_the_system_alone(world: World, admin: Client) -> None:
    response = admin.get(url(world), headers=HTMX)
    text = response.content.decode().strip()
    assert text.startswith(f'<div id="system-{world.sandbox.pk}"')
    assert "<html" not in text
    assert response["Vary"].count("HX-Request") == 1


def test_an_account_without_a_sandbox_says_who_can_assign_one(
    world: World, org_admin: User, auditor: User, sign_in: SignIn
) -> None:
    world.sandbox.delete()
    assert "Assign a machine" in page(sign_in(org_admin), world)
    text = page(sign_in(auditor), world)
    assert "Assign a machine" not in text
    assert "Organization Administrator assigns" in text


def test_other_tenants_get_404(world: World, stranger: User, sign_in: SignIn) -> None:
    assert sign_in(stranger).get(url(world)).status_code == 404


def test_it_is_only_read(world: World, admin: Client) -> None:
    assert admin.post(url(world)).status_code == 405


def test_a_backup_of_another_system_is_not_in_the_list(world: World, admin: Client) -> None:
    BackupFactory(resource=world.utility_server, name="Somewhere else")
    assert "Somewhere else" not in page(admin, world)


def test_deleted_and_cancelled_backups_are_not_listed(world: World, admin: Client) -> None:
    BackupFactory(resource=world.sandbox, name="Gone", status=Backup.Status.DELETED)
    BackupFactory(resource=world.sandbox, name="Stopped short", status=Backup.Status.CANCELED)
    text = page(admin, world)
    assert "Gone" not in text
    assert "Stopped short" not in text
    assert "No backups yet" in text


def test_maintenance_mode_lasts_as_long_as_its_task(world: World, admin: Client) -> None:
    backup = running_backup(world.sandbox)
    text = page(admin, world)
    for part in ("Maintenance mode", "Copy the disk", "42%", "View task", "is backed up"):
        assert part in text
    for state in (Task.State.DONE, Task.State.FAILED, Task.State.CANCELED):
        Task.objects.filter(backups=backup).update(state=state)
        assert "Maintenance mode" not in page(admin, world)


def test_a_busy_system_has_its_buttons_disabled_with_the_reason(
    world: World, admin: Client
) -> None:
    ready = BackupFactory(resource=world.sandbox, name="Ready")
    running_backup(world.sandbox)
    text = page(admin, world)
    assert "Busy: “Backup Sandbox Under way” is under way." in text
    for name, pk in (
        ("backup_create", world.sandbox.pk),
        ("backup_restore", ready.pk),
        ("backup_delete", ready.pk),
    ):
        assert reverse(f"backups:{name}", args=[world.account.pk, pk]) not in text


def test_an_auditor_reads_and_is_told_which_role_acts(
    world: World, auditor: User, sign_in: SignIn
) -> None:
    backup = BackupFactory(resource=world.sandbox)
    text = page(sign_in(auditor), world)
    assert "This needs the role Customer Administrator" in text
    assert reverse("backups:backup_restore", args=[world.account.pk, backup.pk]) not in text
    assert reverse("backups:backup_create", args=[world.account.pk, world.sandbox.pk]) not in text


def test_only_a_complete_backup_offers_restore(world: World, admin: Client) -> None:
    failed = failed_backup(world.sandbox)
    text = page(admin, world)
    assert reverse("backups:backup_restore", args=[world.account.pk, failed.pk]) not in text
    assert reverse("backups:backup_delete", args=[world.account.pk, failed.pk]) in text


def test_a_failed_backup_says_why_and_what_to_do(world: World, admin: Client) -> None:
    failed_backup(world.sandbox)
    text = page(admin, world)
    for part in ("Failed", "the container is full", "Make room in the container.", "View task"):
        assert part in text


def test_markup_in_names_is_escaped(world: World, admin: Client) -> None:
    BackupFactory(resource=world.sandbox, name="<b>bold</b>", description="<script>x</script>")
    text = page(admin, world)
    assert "<b>bold" not in text
    assert "<script>x" not in text


def test_a_missing_machine_is_said_and_stops_new_backups(world: World, admin: Client) -> None:
    Resource.objects.filter(pk=world.sandbox.pk).update(is_missing=True)
    text = page(admin, world)
    assert "The last inventory did not find this machine" in text
    assert "The machine is no longer at the cloud." in text


def test_an_unreachable_cloud_is_said_with_the_time_of_what_is_shown(
    world: World, admin: Client, org_admin: User, sign_in: SignIn
) -> None:
    CloudAccount.objects.filter(pk=world.cloud_account.pk).update(
        health=CloudAccount.Health.UNREACHABLE,
        health_detail="https://10.0.0.1:9440: no route",
        health_changed_at=timezone.now(),
    )
    text = page(admin, world)
    assert "cannot be reached" in text
    assert "no route" not in text  # account administrators do not see cloud accounts (R112)
    assert "no route" in page(sign_in(org_admin), world)


def order_of(admin: Client, world: World, sort: str) -> list[str]:
    return names(page(admin, world, f"?sort={sort}"), "alpha-b", "Beta-b", "gamma-b")


def test_the_list_sorts_by_name_time_and_size(world: World, admin: Client) -> None:
    now = timezone.now()
    for days, (name, size) in enumerate((("Beta-b", 30), ("alpha-b", None), ("gamma-b", 10))):
        BackupFactory(
            resource=world.sandbox, name=name, size_bytes=size and size * GIB,
            created_at=now - timedelta(days=days),
        )  # fmt: skip
    assert order_of(admin, world, "name") == ["alpha-b", "Beta-b", "gamma-b"]
    assert order_of(admin, world, "-name") == ["gamma-b", "Beta-b", "alpha-b"]
    assert order_of(admin, world, "created_at") == ["gamma-b", "alpha-b", "Beta-b"]
    assert order_of(admin, world, "size_bytes") == ["gamma-b", "Beta-b", "alpha-b"]
    assert order_of(admin, world, "-size_bytes") == ["Beta-b", "gamma-b", "alpha-b"]
    for nonsense in ("", "error", "task__secrets", ",,", "-"):
        assert order_of(admin, world, nonsense) == ["Beta-b", "alpha-b", "gamma-b"]


def test_the_list_narrows_to_a_type_and_ignores_nonsense(world: World, admin: Client) -> None:
    BackupFactory(resource=world.sandbox, name="By hand")
    BackupFactory(resource=world.sandbox, name="At publish", type=Backup.Type.PUBLISH)
    text = page(admin, world, "?type=P")
    assert "At publish" in text
    assert "By hand" not in text
    assert "No backup of this type" in page(admin, world, "?type=D")
    assert "By hand" in page(admin, world, "?type=%00")


@pytest.mark.parametrize(("number", "shown"), [("1", "25"), ("2", "30"), ("99", "30"), ("x", "25")])
def test_pages_hold_25(world: World, admin: Client, number: str, shown: str) -> None:
    BackupFactory.create_batch(30, resource=world.sandbox)
    assert f"{shown} of 30" in page(admin, world, f"?page={number}")


@pytest.mark.parametrize("count", [1, 24])
def test_queries_do_not_grow_with_the_list(
    world: World, admin: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    BackupFactory.create_batch(count, resource=world.sandbox)
    failed_backup(world.sandbox)
    # Session and person, the account and its rights, the Sandbox, its task, totals, count, rows.
    with django_assert_num_queries(10):
        page(admin, world, **HTMX)
