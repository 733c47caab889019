"""The Create backup dialog, and its prompt to power off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from backups import services
from backups.models import Backup
from portal.models import AuditEntry, Resource, Task, User
from tests.backups.pages import HTMX, running_backup
from tests.factories import GIB, ResourceFactory
from tests.people import World

SignIn = Callable[[User], Client]


def url(resource: Resource) -> str:
    return reverse("backups:backup_create", args=[resource.account_id, resource.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def off(world: World) -> Resource:
    """The Sandbox, powered off."""
    Resource.objects.filter(pk=world.sandbox.pk).update(power_state="off")
    world.sandbox.refresh_from_db()
    return world.sandbox


def post(client: Client, resource: Resource, **data: Any) -> HttpResponse:
    return client.post(url(resource), data, headers=HTMX)  # type: ignore[return-value]


def nothing_happened() -> bool:
    return not (Backup.objects.exists() or Task.objects.exists() or AuditEntry.objects.exists())


def test_the_dialog_asks_for_a_name_and_tells_the_time(world: World, admin: Client) -> None:
    text = admin.get(url(world.sandbox), headers=HTMX).content.decode()
    assert text.strip().startswith("<dialog") or "<dialog" in text
    assert "<html" not in text
    for part in ("Create backup", "Optional", "About 5 to 10 minutes", "may take longer"):
        assert part in text
    assert nothing_happened()


def test_without_script_the_dialog_lies_on_the_page_of_its_system(
    world: World, admin: Client
) -> None:
    for resource in (world.sandbox, world.utility_server):
        text = admin.get(url(resource)).content.decode()
        assert "<html" in text
        assert f'id="system-{resource.pk}"' in text
        assert '<dialog class="dialog" id="dialog"' in text


def test_a_powered_off_server_is_backed_up_without_a_prompt(off: Resource, admin: Client) -> None:
    response = post(admin, off, name="  Before codecs ", description="Known good\r\nReally")
    backup = Backup.objects.get()
    assert response["HX-Redirect"] == reverse("backups:sandbox_detail", args=[off.account_id])
    assert (backup.name, backup.description) == ("Before codecs", "Known good\nReally")
    assert backup.type == Backup.Type.MANUAL
    assert backup.task
    assert backup.task.args["may_power_off"] is False
    assert AuditEntry.objects.get().action == "backup.create"


def test_the_page_after_it_says_requested_and_links_the_task(off: Resource, admin: Client) -> None:
    response = admin.post(url(off), {"name": "Plain"}, follow=True)
    backup = Backup.objects.get()
    text = response.content.decode()
    assert "Backup “Plain” requested." in text
    assert f"/tasks/{backup.task_id}/" in text
    assert "Maintenance mode" in text


def test_a_running_server_gets_the_prompt_and_nothing_starts(world: World, admin: Client) -> None:
    response = post(admin, world.sandbox, name="Before codecs")
    text = response.content.decode()
    assert response.status_code == 200
    for part in ("is running and will be powered off", "maintenance mode", "5 to 10 minutes"):
        assert part in text
    assert "Power off and create backup" in text
    assert 'value="Before codecs"' in text
    assert nothing_happened()
    world.sandbox.refresh_from_db()
    assert world.sandbox.power_state == "on"


def test_an_accepted_prompt_starts_the_backup(world: World, admin: Client) -> None:
    post(admin, world.sandbox, name="Before codecs", may_power_off="yes")
    task = Task.objects.get()
    assert task.args["may_power_off"] is True
    assert task.is_exclusive
    assert task.is_maintenance


@pytest.mark.parametrize("state", ["unknown", ""])
def test_a_server_that_may_be_running_gets_the_prompt_too(
    world: World, admin: Client, state: str
) -> None:
    Resource.objects.filter(pk=world.sandbox.pk).update(power_state=state)
    text = post(admin, world.sandbox, name="Before codecs").content.decode()
    assert "may be running" in text
    assert nothing_happened()


def test_any_other_word_is_no_consent(world: World, admin: Client) -> None:
    for word in ("no", "false", "", "YES please"):
        post(admin, world.sandbox, name="Before codecs", may_power_off=word)
    assert nothing_happened()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Give the backup a name."),
        ({"name": ""}, "Give the backup a name."),
        ({"name": " \t "}, "Give the backup a name."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "ñ漢🙂" * 100}, "at most 100 characters"),
        ({"name": "Good", "description": "x" * 501}, "at most 500 characters"),
        ({"name": "a\x00b"}, "Null characters are not allowed."),
        ({"name": "a\x1b[31mb"}, "control characters are not allowed"),
        ({"name": "a\nb"}, "control characters are not allowed"),
        ({"name": "Good", "description": "a\x07b"}, "control characters are not allowed"),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    off: Resource, admin: Client, data: dict[str, str], message: str
) -> None:
    response = post(admin, off, **data)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert nothing_happened()


@pytest.mark.parametrize("name", ["x" * 100, "ñ漢🙂é" * 25, "<b>&amp;", "'; DROP TABLE --"])
def test_odd_but_good_names_are_kept_as_they_are(off: Resource, admin: Client, name: str) -> None:
    post(admin, off, name=name)
    assert Backup.objects.get().name == name


def test_a_long_description_is_counted_as_the_browser_counts_it(
    off: Resource, admin: Client
) -> None:
    post(admin, off, name="Lines", description="x\r\n" * 249 + "xx")
    assert len(Backup.objects.get().description) == 500


def test_a_name_may_be_used_twice(off: Resource, world: World, admin: Client) -> None:
    post(admin, off, name="Same")
    Task.objects.update(state=Task.State.DONE)
    post(admin, off, name="Same")
    assert Backup.objects.filter(name="Same").count() == 2


def test_sending_twice_starts_one_task(off: Resource, admin: Client) -> None:
    post(admin, off, name="Once")
    response = post(admin, off, name="Once")
    text = response.content.decode()
    assert response.status_code == 422
    assert "is busy: “Backup Sandbox Once” is under way" in text
    assert f"/tasks/{Task.objects.get().pk}/" in text
    assert Backup.objects.count() == 1


def test_two_servers_do_not_stand_in_each_others_way(
    off: Resource, world: World, admin: Client
) -> None:
    running_backup(world.utility_server)
    post(admin, off, name="Independent")
    assert Backup.objects.filter(name="Independent").exists()


def test_a_missing_machine_is_refused_with_the_reason(off: Resource, admin: Client) -> None:
    Resource.objects.filter(pk=off.pk).update(is_missing=True)
    response = post(admin, off, name="Too late")
    assert response.status_code == 422
    assert "is no longer at" in response.content.decode()
    assert nothing_happened()


@pytest.mark.parametrize("person", ["support", "auditor"])
def test_it_needs_a_role_that_may_back_up(
    off: Resource, person: str, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(off)).status_code == 403
    assert post(client, off, name="Forged").status_code == 403
    assert nothing_happened()


def test_other_tenants_get_404(off: Resource, stranger: User, sign_in: SignIn) -> None:
    client = sign_in(stranger)
    assert client.get(url(off)).status_code == 404
    assert post(client, off, name="Forged").status_code == 404
    assert nothing_happened()


def test_a_server_of_another_account_is_404(world: World, elsewhere: World, admin: Client) -> None:
    forged = reverse("backups:backup_create", args=[world.account.pk, elsewhere.sandbox.pk])
    assert admin.post(forged, {"name": "Forged", "may_power_off": "yes"}).status_code == 404
    assert nothing_happened()


def test_a_volume_has_no_such_dialog(world: World, admin: Client) -> None:
    volume = ResourceFactory(
        account=world.account, kind=Resource.Kind.PERSONAL_DRIVE, user_name="ann"
    )
    assert admin.get(url(volume)).status_code == 404


def test_other_methods_are_405(world: World, admin: Client) -> None:
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(url(world.sandbox)).status_code == 405


def test_the_estimate_grows_with_the_disk() -> None:
    assert services.estimate_minutes(45 * GIB) == (5, 10)
    assert services.estimate_minutes(450 * GIB) == (50, 100)
    assert services.estimate_minutes(0) == (1, 2)
