"""Volumes become resources by themselves, and go on being the same ones (R001, R007 to R009)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.adoption import Outcome, adopt, busy_since
from portal.audit import SYSTEM
from portal.clouds.api import Inventory, PowerState, Server, Volume
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.mirror import mirror_servers, refresh_machines
from portal.models import (
    Account,
    CloudAccount,
    DiscoveredServer,
    Infrastructure,
    Notification,
    Resource,
    ResourceWord,
    Task,
    User,
)
from portal.refusals import Refused
from portal.services import cloud_accounts, machines, tenancy
from tests.clock import JumpClock
from tests.factories import (
    GIB,
    AccountFactory,
    BackupFactory,
    CloudAccountFactory,
    DiscoveredServerFactory,
    ResourceFactory,
    TaskFactory,
)
from tests.people import World

Kind = Resource.Kind
AZURE_SECRETS = {
    "tenant": "11111111-1111-4111-8111-111111111111",
    "subscription": "33333333-3333-4333-8333-333333333333",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "client_secret": "lab-secret",
}
SOFIA, KWAME = "sofia.lindqvist@meridian.example", "kwame.osei@meridian.example"


def _line(kind: str, user: str = "", account: Account | None = None) -> str:
    whose = f" user={user}" if user else ""
    return f"frame: kind={kind}{whose}" + (f" account={account.pk}" if account else "")


def desktop(number: int = 1, user: str = SOFIA, *, line: str | None = None, **more: Any) -> Server:
    facts: dict[str, Any] = {
        "name": f"pd-{number:04}",
        "power": PowerState.ON,
        "vcpus": 2,
        "memory_mb": 8192,
        "size_bytes": 60 * GIB,
    }
    said = _line("persistent-desktop", user) if line is None else line
    return Server(id=f"vm-{number}", description=said, **facts | more)


def profile(
    number: int = 1, user: str = SOFIA, *, kind: str = "enterprise-profile", **more: Any
) -> Volume:
    account = more.pop("account", None)
    facts: dict[str, Any] = {"name": f"EP-{number}", "size_bytes": 30 * GIB}
    return Volume(id=f"vg-{number}", description=_line(kind, user, account), **facts | more)


def drive(number: int = 1, user: str = SOFIA, **more: Any) -> Volume:
    return profile(number, user, kind="personal-drive", **more)


def synchronise(cloud_account: CloudAccount, *things: Server | Volume) -> Outcome:
    """What a synchronisation writes when the cloud has these."""
    servers = tuple(each for each in things if isinstance(each, Server))
    volumes = tuple(each for each in things if isinstance(each, Volume))
    inventory, now = Inventory(servers, volumes), timezone.now()
    busy = busy_since(cloud_account.pk, now)
    mirror_servers(cloud_account, inventory, now)
    refresh_machines(cloud_account, inventory, busy, now)
    return adopt(cloud_account, inventory, busy, now)


def volumes_of(account: Account) -> Sequence[tuple[str, str, str]]:
    rows = account.resources.filter(kind__in=Resource.VOLUME_KINDS)
    return sorted(rows.values_list("kind", "name", "user_name"))


def back_up(row: Resource) -> None:
    BackupFactory(resource=row)


# Adopting


def test_what_the_platform_marked_becomes_a_resource(world: World) -> None:
    held = desktop(1)
    outcome = synchronise(
        world.cloud_account, held, desktop(2, line="frame: kind=production"),
        profile(1, attached_to=(held.id,)), drive(2),
    )  # fmt: skip
    assert volumes_of(world.account) == [
        (Kind.ENTERPRISE_PROFILE, "EP-1", SOFIA),
        (Kind.PERSISTENT_DESKTOP, "pd-0001", SOFIA),
        (Kind.PERSONAL_DRIVE, "EP-2", SOFIA),
    ]
    assert (outcome.adopted, outcome.warnings) == (3, [])
    adopted = {row.kind: row for row in world.account.resources.volumes()}
    assert adopted[Kind.PERSISTENT_DESKTOP].is_on
    assert adopted[Kind.PERSISTENT_DESKTOP].size_bytes == 60 * GIB
    assert adopted[Kind.ENTERPRISE_PROFILE].attached_to == "pd-0001"
    assert adopted[Kind.PERSONAL_DRIVE].attached_to == ""


def test_a_desktop_or_volume_of_nobody_is_not_adopted(world: World) -> None:
    synchronise(world.cloud_account, desktop(1, user=""), profile(1, user=""), drive(2, user=""))
    assert not volumes_of(world.account)


def test_the_line_may_stand_among_others_and_says_no_more_than_it_says(world: World) -> None:
    said = f"Ordered by Ines.\n  {_line('persistent-desktop', SOFIA)}\nkeep"
    synchronise(
        world.cloud_account,
        desktop(1, line=said),
        desktop(2, line=f"not frame: kind=persistent-desktop user={KWAME}"),
        desktop(3, line=f"frame: kind=shadow user={KWAME}"),
    )
    assert [name for _, name, _ in volumes_of(world.account)] == ["pd-0001"]


def test_a_desktop_that_loses_its_user_leaves_the_page_and_keeps_its_backups(
    world: World,
) -> None:
    for later in (desktop(1, user=""), desktop(1, line=""), desktop(1, line="frame: kind=test")):
        synchronise(world.cloud_account, desktop(1))
        row = world.account.resources.volumes().get()
        back_up(row)
        synchronise(world.cloud_account, later)
        row.refresh_from_db()
        assert (row.user_name, row.is_missing) == ("", False)
        assert not world.account.resources.volumes().exists()
        assert row.backups.exists()


def test_what_changed_is_followed(world: World) -> None:
    synchronise(world.cloud_account, desktop(1), profile(1), drive(2))
    before = {row.kind: row.pk for row in world.account.resources.volumes()}
    outcome = synchronise(
        world.cloud_account,
        desktop(1, KWAME, name="pd-new", power=PowerState.OFF, vcpus=4),
        profile(1, KWAME, size_bytes=40 * GIB, attached_to=("vm-1", "vm-unknown")),
        drive(2),
    )
    rows = {row.kind: row for row in world.account.resources.volumes()}
    assert {kind: row.pk for kind, row in rows.items()} == before
    assert outcome.changed == 2
    changed = rows[Kind.PERSISTENT_DESKTOP]
    assert (changed.name, changed.user_name, changed.vcpus) == ("pd-new", KWAME, 4)
    assert changed.power_state == "off"
    changed = rows[Kind.ENTERPRISE_PROFILE]
    assert (changed.user_name, changed.size_bytes) == (KWAME, 40 * GIB)
    assert changed.attached_to == "pd-new, vm-unknown"


def test_two_users_may_swap_their_volumes(world: World) -> None:
    synchronise(world.cloud_account, profile(1, SOFIA), profile(2, KWAME))
    before = dict(world.account.resources.volumes().values_list("external_id", "pk"))
    outcome = synchronise(world.cloud_account, profile(1, KWAME), profile(2, SOFIA))
    rows = {row.external_id: row for row in world.account.resources.volumes()}
    assert {key: row.pk for key, row in rows.items()} == before
    assert (rows["vg-1"].user_name, rows["vg-2"].user_name) == (KWAME, SOFIA)
    assert not outcome.warnings


def test_a_change_of_user_that_collides_is_not_made_and_said(world: World) -> None:
    synchronise(world.cloud_account, profile(1, SOFIA), profile(2, KWAME), profile(3, "ines"))
    outcome = synchronise(
        world.cloud_account, profile(1, KWAME), profile(2, "ines"), profile(3, "ines")
    )
    rows = dict(world.account.resources.volumes().values_list("external_id", "user_name"))
    assert rows == {"vg-1": SOFIA, "vg-2": KWAME, "vg-3": "ines"}
    assert "2 persistent user volumes are left out" in outcome.warnings[0]


# Gone


def test_what_vanished_is_missing_if_it_was_used_and_forgotten_if_not(world: World) -> None:
    synchronise(world.cloud_account, desktop(1), profile(1), drive(2))
    rows = {row.kind: row for row in world.account.resources.volumes()}
    back_up(rows[Kind.PERSISTENT_DESKTOP])
    TaskFactory(account=world.account, resource=rows[Kind.ENTERPRISE_PROFILE])
    synchronise(world.cloud_account)
    left = {row.kind: row for row in world.account.resources.volumes()}
    assert set(left) == {Kind.PERSISTENT_DESKTOP, Kind.ENTERPRISE_PROFILE}
    assert all(row.is_missing for row in left.values())
    synchronise(world.cloud_account, desktop(1))
    back = Resource.objects.get(kind=Kind.PERSISTENT_DESKTOP)
    assert (back.pk, back.is_missing) == (rows[Kind.PERSISTENT_DESKTOP].pk, False)


def test_a_new_volume_of_a_user_whose_old_one_is_gone_takes_its_place(world: World) -> None:
    synchronise(world.cloud_account, profile(1))
    row = world.account.resources.volumes().get()
    back_up(row)
    synchronise(world.cloud_account)
    synchronise(world.cloud_account, profile(2))
    again = world.account.resources.volumes().get()
    assert (again.pk, again.external_id, again.is_missing) == (row.pk, "vg-2", False)


def test_a_thing_that_became_another_kind_leaves_its_backups_behind(world: World) -> None:
    synchronise(world.cloud_account, profile(1))
    row = world.account.resources.volumes().get()
    back_up(row)
    synchronise(world.cloud_account, drive(1))
    row.refresh_from_db()
    assert (row.is_missing, row.external_id) == (True, f"former:{row.pk}")
    assert Resource.objects.get(external_id="vg-1").kind == Kind.PERSONAL_DRIVE
    assert not ResourceWord.objects.filter(resource=row, word="vg-1").exists()


# While tasks run


@pytest.mark.parametrize("state", ["queued", "running", "failing", "canceling"])
def test_a_volume_under_an_exclusive_task_is_left_alone(world: World, state: str) -> None:
    synchronise(world.cloud_account, profile(1))
    row = world.account.resources.volumes().get()
    task = TaskFactory(
        account=world.account, resource=row, state=state, is_exclusive=True, started_at=None
    )
    synchronise(world.cloud_account, profile(2, size_bytes=1))
    synchronise(world.cloud_account)
    again = world.account.resources.volumes().get()
    assert (again.external_id, again.size_bytes, again.is_missing) == ("vg-1", 30 * GIB, False)
    Task.objects.filter(pk=task.pk).update(
        state="done", ended_at=timezone.now() - timedelta(seconds=1)
    )
    synchronise(world.cloud_account, profile(2, size_bytes=1))
    assert world.account.resources.volumes().get().external_id == "vg-2"


def test_what_was_asked_before_a_restore_ended_does_not_undo_it(world: World) -> None:
    """The list is older than the row: the volume's new id stands in the row alone."""
    synchronise(world.cloud_account, profile(1))
    asked_at = timezone.now() - timedelta(minutes=1)
    row = world.account.resources.volumes().get()
    Resource.objects.filter(pk=row.pk).update(external_id="vg-restored")
    TaskFactory(
        account=world.account, resource=row, is_exclusive=True, state="done",
        ended_at=asked_at + timedelta(seconds=5),
    )  # fmt: skip
    busy = busy_since(world.cloud_account.pk, asked_at)
    adopt(world.cloud_account, Inventory((), (profile(1),)), busy, timezone.now())
    assert world.account.resources.volumes().get().external_id == "vg-restored"
    restored = profile(1, name="EP-1")
    restored = Volume("vg-restored", restored.name, 30 * GIB, restored.description)
    synchronise(world.cloud_account, restored)
    assert world.account.resources.volumes().get().pk == row.pk


# Whose


def test_with_one_account_there_it_is_that_ones(world: World, elsewhere: World) -> None:
    synchronise(world.cloud_account, profile(1))
    assert volumes_of(world.account)
    assert not volumes_of(elsewhere.account)


def test_with_several_accounts_the_platform_has_to_name_one(world: World) -> None:
    other = AccountFactory(organization=world.organization, cloud_account=world.cloud_account)
    for _ in range(2):
        outcome = synchronise(
            world.cloud_account, profile(1), drive(2, KWAME), profile(3, KWAME, account=other)
        )
    assert not volumes_of(world.account)
    assert [name for _, name, _ in volumes_of(other)] == ["EP-3"]
    assert "2 persistent user volumes are left out" in outcome.warnings[0]
    assert "EP-1, EP-2." in outcome.warnings[0]
    told = Notification.objects.filter(title__contains="belong to no account")
    assert {each.account for each in told} == {world.account, other}
    assert told.count() == 2
    assert not any("EP-" in each.body or KWAME in each.body for each in told)


def test_a_volume_stays_its_accounts_when_another_account_comes_to_the_cloud(
    world: World,
) -> None:
    synchronise(world.cloud_account, profile(1), drive(2))
    row = world.account.resources.get(external_id="vg-1")
    back_up(row)
    AccountFactory(organization=world.organization, cloud_account=world.cloud_account)
    # The profile has been restored meanwhile: a new one, and still its user's.
    synchronise(world.cloud_account, profile(7), drive(2))
    assert len(volumes_of(world.account)) == 2
    row.refresh_from_db()
    assert row.external_id == "vg-7"


def test_an_account_that_is_not_at_this_cloud_gets_nothing(world: World, elsewhere: World) -> None:
    outcome = synchronise(
        world.cloud_account,
        profile(1, account=elsewhere.account),
        desktop(1, line=f"frame: kind=persistent-desktop user={SOFIA} account=nonsense"),
    )
    assert not Resource.objects.volumes().exists()
    assert "2 persistent user volumes are left out" in outcome.warnings[0]
    assert not Notification.objects.exists()


def test_a_volume_that_becomes_another_accounts_is_no_longer_the_firsts(world: World) -> None:
    other = AccountFactory(organization=world.organization, cloud_account=world.cloud_account)
    synchronise(world.cloud_account, profile(1, account=world.account))
    row = world.account.resources.volumes().get()
    back_up(row)
    synchronise(world.cloud_account, profile(1, account=other))
    row.refresh_from_db()
    assert (row.account, row.is_missing) == (world.account, True)
    assert row.backups.get().account == world.account
    assert other.resources.volumes().get().external_id == "vg-1"


def test_in_azure_the_region_tells_accounts_apart(world: World) -> None:
    cloud = CloudAccountFactory(customer=world.customer, kind=Infrastructure.AZURE)
    west, north = (
        AccountFactory(
            organization=world.organization, cloud_account=cloud, site=site,
            infrastructure=Infrastructure.AZURE,
        )
        for site in ("westeurope", "northeurope")
    )  # fmt: skip
    synchronise(
        cloud, desktop(1, site="westeurope"), profile(1, site="northeurope"),
        drive(2, site="uksouth"),
    )  # fmt: skip
    assert [name for _, name, _ in volumes_of(west)] == ["pd-0001"]
    assert [name for _, name, _ in volumes_of(north)] == ["EP-1"]


def test_a_second_profile_of_one_user_is_left_out_and_said_once(world: World) -> None:
    synchronise(world.cloud_account, profile(2))
    for _ in range(2):
        outcome = synchronise(world.cloud_account, profile(1), profile(2), drive(3))
    assert [row[1] for row in volumes_of(world.account)] == ["EP-2", "EP-3"]
    assert f"EP-1 of {SOFIA}." in outcome.warnings[0]
    told = Notification.objects.get()
    assert told.title == f"A second Enterprise Profile of {SOFIA} is left out"
    assert told.account == world.account


def test_a_user_may_have_several_desktops(world: World) -> None:
    synchronise(world.cloud_account, desktop(1), desktop(2))
    assert len(volumes_of(world.account)) == 2


def test_an_account_may_move_to_another_cloud_until_its_volumes_are_used(
    world: World,
) -> None:
    account = world.account
    account.resources.all().delete()
    synchronise(world.cloud_account, desktop(1), profile(1))
    other = CloudAccountFactory(customer=world.customer)
    back_up(account.resources.get(name="EP-1"))
    with pytest.raises(Refused, match="Volumes of the account at this cloud account have"):
        tenancy.place_account(SYSTEM, account, cloud_account=other, site="")
    assert account.resources.count() == 2
    account.backups.all().delete()
    Task.objects.all().delete()
    tenancy.place_account(SYSTEM, account, cloud_account=other, site="")
    assert not account.resources.exists()


def test_a_restored_volume_keeps_its_name_where_the_cloud_renames_nothing(
    world: World,
) -> None:
    synchronise(world.cloud_account, profile(1))
    row = world.account.resources.volumes().get()
    back_up(row)
    for _ in range(2):
        outcome = synchronise(world.cloud_account, profile(2, name="standby-data-0a1b"))
    row.refresh_from_db()
    assert (row.name, row.external_id) == ("EP-1", "vg-2")
    assert outcome.changed == 0


# Machines of people


def test_what_a_person_assigned_stays_what_it_is(world: World) -> None:
    sandbox = world.sandbox
    marked = desktop(1, name="renamed")
    Resource.objects.filter(pk=sandbox.pk).update(external_id=marked.id)
    synchronise(world.cloud_account, marked)
    sandbox.refresh_from_db()
    assert (sandbox.kind, sandbox.name) == (Kind.SANDBOX, "renamed")
    assert not volumes_of(world.account)


def test_a_desktop_is_never_offered_as_a_machine(
    world: World, customer_admin: User, sign_in: Callable[[User], Client]
) -> None:
    DiscoveredServerFactory(cloud_account=world.cloud_account, name="plain-01")
    marked = DiscoveredServerFactory(
        cloud_account=world.cloud_account, name="pd-0001", description=desktop(1).description
    )
    page = sign_in(customer_admin).get(reverse("portal:machine_assign", args=[world.account.pk]))
    assert "plain-01" in page.text
    assert "pd-0001" not in page.text
    with pytest.raises(Refused, match="is a Persistent Desktop: it is on the Volumes page"):
        machines.assign_machine(SYSTEM, world.account, server=marked, kind=Kind.UTILITY_SERVER)


def test_machines_are_mirrored_by_what_differs(world: World) -> None:
    server = world.utility_server
    plain = [desktop(number, line="", name=f"srv-{number}") for number in (1, 2)]
    Resource.objects.filter(pk=server.pk).update(external_id=plain[0].id, name="old")
    synchronise(world.cloud_account, *plain)
    server.refresh_from_db()
    assert (server.name, server.vcpus, server.is_missing) == ("srv-1", 2, False)
    world.sandbox.refresh_from_db()
    assert world.sandbox.is_missing
    later = desktop(1, line="", name="srv-1", power=PowerState.OFF)
    synchronise(world.cloud_account, later)
    server.refresh_from_db()
    assert server.power_state == "off"
    known = DiscoveredServer.objects.filter(cloud_account=world.cloud_account)
    assert list(known.values_list("name", "power_state")) == [("srv-1", "off")]


# Cost


def _statements(cloud_account: CloudAccount, *things: Server | Volume) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        synchronise(cloud_account, *things)
    return [query["sql"] for query in captured]


def test_what_did_not_change_costs_no_statement(world: World) -> None:
    def inventory(count: int) -> list[Server | Volume]:
        users = [f"user{number}@meridian.example" for number in range(count)]
        found: list[Server | Volume] = []
        for number, user in enumerate(users):
            found += [desktop(number, user), profile(2 * number, user), drive(2 * number + 1, user)]
        return found

    costs = []
    for count in (5, 400):
        synchronise(world.cloud_account, *inventory(count))
        statements = _statements(world.cloud_account, *inventory(count))
        costs.append(len(statements))
        writes = [sql for sql in statements if not sql.startswith("SELECT")]
        # One says when machines that people assigned were seen; there is none.
        assert len(writes) <= 1, writes
    assert costs[0] == costs[1] <= 12
    few = inventory(400)
    few[3] = desktop(1, "user1@meridian.example", power=PowerState.OFF)
    assert len(_statements(world.cloud_account, *few)) <= costs[0] + 8


# Through a task, at the lab


def test_a_synchronisation_adopts_what_the_lab_has(
    world: World, lab: Lab, lab_server: LabServer
) -> None:
    cluster = lab.clusters["ahv-lon-01"]
    vm = cluster.add_vm("pd-0001", description=_line("persistent-desktop", SOFIA))
    cluster.add_volume_group(
        "EP-sofia", description=_line("enterprise-profile", SOFIA), attached_to=vm.uuid
    )
    cluster.add_volume_group("PDR-none", description=_line("personal-drive"))
    cloud_account = cloud_accounts.create_cloud_account(
        SYSTEM, customer=world.customer, name="lab", endpoint=lab_server.urls["ahv-lon-01"],
        secrets={"user": "admin", "password": "lab-password"}, ca_pem=lab_server.ca_pem,
    )  # fmt: skip
    account = AccountFactory(organization=world.organization, cloud_account=cloud_account)
    task = cloud_accounts.synchronise(SYSTEM, cloud_account)
    Runner(clock=JumpClock(lab.clock.advance), threads=2).run(seconds=60)
    task.refresh_from_db()
    assert task.state == "done", task.error
    assert volumes_of(account) == [
        (Kind.ENTERPRISE_PROFILE, "EP-sofia", SOFIA),
        (Kind.PERSISTENT_DESKTOP, "pd-0001", SOFIA),
    ]
    assert account.resources.get(name="EP-sofia").attached_to == "pd-0001"
    assert task.memory["adopted"] == 2


def test_in_azure_tags_say_whose_a_disk_is(world: World, lab: Lab, lab_server: LabServer) -> None:
    url = lab_server.urls["azure"]
    cloud_account = cloud_accounts.create_cloud_account(
        SYSTEM, customer=world.customer, name="lab", endpoint=url, kind=Infrastructure.AZURE,
        secrets=AZURE_SECRETS | {"authority": url}, ca_pem=lab_server.ca_pem,
    )  # fmt: skip
    first, second = (
        AccountFactory(
            organization=world.organization, cloud_account=cloud_account,
            infrastructure=Infrastructure.AZURE, site="westeurope",
        )
        for _ in range(2)
    )  # fmt: skip
    for number, account in enumerate((first, second)):
        tags = {"frame-kind": "personal-drive", "frame-user": SOFIA, "frame-account": account.pk}
        lab.azure.add_disk(f"PDR-{number}", tags={key: str(value) for key, value in tags.items()})
    task = cloud_accounts.synchronise(SYSTEM, cloud_account)
    Runner(clock=JumpClock(lab.clock.advance), threads=2).run(seconds=60)
    task.refresh_from_db()
    assert (task.state, task.memory["warnings"]) == ("done", []), task.error
    assert volumes_of(first) == [(Kind.PERSONAL_DRIVE, "PDR-0", SOFIA)]
    assert volumes_of(second) == [(Kind.PERSONAL_DRIVE, "PDR-1", SOFIA)]


def test_words_follow_what_names_a_volume(world: World) -> None:
    synchronise(world.cloud_account, desktop(1))
    row = world.account.resources.volumes().get()

    def words() -> set[str]:
        return set(row.words.values_list("word", flat=True))

    assert {"pd", "0001", "sofia", "lindqvist", SOFIA, str(row.pk)} <= words()
    synchronise(world.cloud_account, desktop(1, KWAME))
    assert {"kwame", "osei", KWAME} <= words()
    assert "sofia" not in words()
    server = machines.assign_machine(
        SYSTEM,
        world.account,
        server=DiscoveredServerFactory(cloud_account=world.cloud_account, name="util-files"),
        kind=Kind.UTILITY_SERVER,
    )
    assert server.words.filter(word="files").exists()
    assert not ResourceFactory().words.exists()
