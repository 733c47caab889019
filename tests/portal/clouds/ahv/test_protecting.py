"""Backups by protection domains: at how many calls, of what, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.clouds.ahv.arrivals import FEW, SNAPSHOT_PATIENCE
from portal.clouds.ahv.backups import KEPT_SECONDS, SPREAD, Order
from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import CloudBusy, CloudRefused, Mark, NotFound, Operation, Progress
from portal.lab import Fault, Lab, LabServer
from portal.lab.prism.domains import enlist
from portal.lab.prism.model import Dialect, Member, ProtectionDomain, Schedule, Timing
from portal.lab.prism.taking import add_schedule, new_schedule_id, take
from tests.contract.carrying import carry, wait
from tests.contract.sites import CLUSTER, GIB, PrismSite
from tests.portal.clouds.ahv.protecting import DOMAIN, MARK, Scene


@pytest.fixture
def scene(lab: Lab, lab_server: LabServer) -> Iterator[Scene]:
    site = PrismSite(lab, lab_server, iter(range(1, 9999)))
    cloud = AhvCloud(site.connection, monotonic=lambda: lab.clock.now_usecs() / 1e6)
    yield Scene(site, cloud)
    cloud.close()
    lab.clusters[CLUSTER].dialect, lab.clusters[CLUSTER].timing = Dialect(), Timing()


THINGS = pytest.mark.parametrize("thing", ["desktop", "drive"])


# Calls


@THINGS
def test_a_backup_of_a_protected_thing_takes_few_calls(scene: Scene, thing: str) -> None:
    uuid = getattr(scene, thing)
    scene.back_up(uuid, "first")
    scene.calls()
    begun = scene.backing_up(uuid, "second")(None)
    assert isinstance(begun, Operation)
    assert scene.calls() == [
        f"GET /protection_domains/{DOMAIN}/oob_schedules",
        f"GET /protection_domains/{DOMAIN}/dr_snapshots",
        f"POST /protection_domains/{DOMAIN}/oob_schedules",
    ]
    wait(scene.site, scene.cloud, begun)
    scene.calls()
    assert not isinstance(scene.backing_up(uuid, "second")(None), Operation)
    assert len(scene.calls()) == 2


def test_five_hundred_snapshots_are_waited_for_by_a_few_calls(scene: Scene) -> None:
    scene.cluster.timing.domain_snapshot_seconds = 300
    begun = _order_many(scene, 500)
    scene.calls()
    assert {each.state for each in scene.cloud.progress(begun).values()} == {Progress.RUNNING}
    assert len(scene.calls()) <= 1 + 2 * FEW
    scene.site.advance(301)
    assert {each.state for each in scene.cloud.progress(begun).values()} == {Progress.DONE}
    assert scene.calls() == ["GET /protection_domains/dr_snapshots"]


def test_the_last_few_of_many_are_found_though_the_others_came_after_them(scene: Scene) -> None:
    """As when hundreds were noticed first: the newest of the cluster are theirs."""
    begun = _order_many(scene, 300)
    scene.cloud.progress(begun)
    scene.site.advance(60)
    few = begun[:30]
    scene.calls()
    found = scene.cloud.progress(few)
    assert {each.state for each in found.values()} == {Progress.DONE}
    assert scene.calls() == ["GET /protection_domains/dr_snapshots"]


def test_a_snapshot_hidden_by_newer_ones_of_others_is_found_in_its_turn(scene: Scene) -> None:
    begun = _order_many(scene, 2 * FEW)
    scene.site.advance(10)
    scene.cloud.identify()
    _take_by_others(scene, 200)
    for left in (FEW, 0):
        progress = scene.cloud.progress(begun)
        begun = [id_ for id_ in begun if progress[id_].state == Progress.RUNNING]
        assert len(begun) == left


def _order_many(scene: Scene, count: int) -> list[str]:
    """Order the snapshots of so many new volumes; return what is waited for."""
    begun = []
    for number in range(count):
        group = scene.cluster.add_volume_group(f"drive-{number}", size_bytes=GIB)
        mark = Mark("account-1", f"resource{number}", "backup", "task")
        answer = scene.cloud.ensure_volume_copy(group.uuid, f"tok{number}", mark)
        assert isinstance(answer, Operation)
        begun.append(answer.id)
    return begun


def _take_by_others(scene: Scene, count: int) -> None:
    foreign = _foreign(scene, scene.desktop)
    for _ in range(count):
        schedule = Schedule(new_schedule_id(scene.cluster), True, scene.cluster.now)
        take(scene.cluster, foreign, schedule)


# Domains


@THINGS
def test_each_thing_has_a_lasting_domain_of_its_own(scene: Scene, thing: str) -> None:
    uuid = getattr(scene, thing)
    copy = scene.back_up(uuid)
    assert scene.members == [uuid]
    assert scene.domain.annotations == [f"standby:v1 account=account-1 resource={MARK.resource}"]
    carry(scene.site, scene.cloud, lambda c: c.ensure_no_volume_copy("tok", MARK, copy.id))
    assert scene.members == [uuid]
    assert not scene.domain.snapshots


@THINGS
def test_what_is_in_a_foreign_domain_is_refused_by_its_name(scene: Scene, thing: str) -> None:
    uuid = getattr(scene, thing)
    foreign = _foreign(scene, uuid)
    with pytest.raises(CloudRefused, match="protection domain gold") as caught:
        scene.back_up(uuid)
    assert "Take it out of gold in Prism" in caught.value.advice
    assert DOMAIN not in scene.cluster.protection_domains
    foreign.members.clear()
    assert scene.site.contents(scene.back_up(uuid).id) == ["old"]


def _foreign(scene: Scene, uuid: str) -> ProtectionDomain:
    foreign = ProtectionDomain("gold")
    scene.cluster.protection_domains["gold"] = foreign
    kind = "vm" if uuid in scene.cluster.vms else "volume_group"
    enlist(scene.cluster, foreign, [Member(kind, uuid, "it", "it")])
    return foreign


@THINGS
def test_what_a_foreign_domain_takes_meanwhile_is_refused_in_the_clusters_words(
    scene: Scene, thing: str
) -> None:
    other = scene.cluster.add_vm("other").uuid
    scene.cloud.ensure_desktop_copy(other, "tok", Mark("account-1", "other", "b", "t"))
    uuid = getattr(scene, thing)
    _foreign(scene, uuid)
    with pytest.raises(CloudRefused, match="gold") as caught:
        scene.back_up(uuid)
    assert DOMAIN in caught.value.advice


@pytest.mark.parametrize("errors", ["4xx", "500"])
def test_a_cluster_that_protects_no_volume_groups_says_what_to_do(
    scene: Scene, errors: str
) -> None:
    scene.cluster.dialect.supports_volume_group_protection = False
    scene.cluster.dialect.errors = errors
    with pytest.raises(CloudRefused, match="does not let this volume group") as caught:
        scene.back_up(scene.drive)
    assert not isinstance(caught.value, NotFound)
    assert f"Add the volume group to the protection domain {DOMAIN}" in caught.value.advice
    # As a person does it in Prism.
    enlist(scene.cluster, scene.domain, [Member("volume_group", scene.drive, "drive", "drive")])
    assert scene.site.contents(scene.back_up(scene.drive).id) == ["old"]


def test_a_cluster_without_the_call_at_all_is_not_taken_for_gone(scene: Scene) -> None:
    scene.site.strike(
        Fault("status", path="add_entities", status=404, body="<html>nothing here</html>")
    )
    with pytest.raises(CloudRefused, match="does not let this volume group"):
        scene.back_up(scene.drive)


def test_a_domain_that_is_being_removed_is_waited_for(scene: Scene) -> None:
    scene.back_up(scene.desktop)
    scene.domain.snapshots.clear()
    scene.domain.is_marked_for_removal = True
    with pytest.raises(CloudBusy, match="being removed"):
        scene.back_up(scene.desktop, "second")


def test_a_domain_that_moved_to_another_cluster_is_not_used(scene: Scene) -> None:
    scene.back_up(scene.desktop)
    scene.domain.snapshots.clear()
    scene.domain.is_active = False
    with pytest.raises(CloudRefused, match="not active") as caught:
        scene.back_up(scene.desktop, "second")
    assert caught.value.advice


def test_what_was_taken_out_of_its_domain_is_put_back(scene: Scene) -> None:
    scene.back_up(scene.drive, "first")
    scene.domain.members.clear()
    assert scene.site.contents(scene.back_up(scene.drive, "second").id) == ["old"]
    assert scene.members == [scene.drive]


def test_what_was_exchanged_in_its_domain_is_put_back_for_the_next_backup_but_one(
    scene: Scene,
) -> None:
    scene.back_up(scene.drive, "first")
    other = scene.cluster.add_volume_group("other", size_bytes=GIB)
    scene.domain.members.clear()
    enlist(scene.cluster, scene.domain, [Member("volume_group", other.uuid, "other", "other")])
    with pytest.raises(CloudRefused, match="lacks what is protected"):
        scene.back_up(scene.drive, "second")
    carry(scene.site, scene.cloud, lambda c: c.ensure_no_volume_copy("second", MARK))
    scene.domain.snapshots.clear()
    scene.back_up(scene.drive, "third")
    assert scene.drive in scene.members


# Snapshots


def test_a_snapshot_is_kept_for_decades_and_known_by_its_retention(scene: Scene) -> None:
    copy = scene.back_up(scene.drive, "one")
    other = scene.back_up(scene.drive, "two")
    first, second = (scene.site.snapshots()[each.id] for each in (copy, other))
    for taken, token in ((first, "one"), (second, "two")):
        assert taken.expires_at is not None
        seconds = (taken.expires_at - taken.created_at) // 1_000_000
        assert seconds == Order.copy(token, MARK).retention
        assert KEPT_SECONDS <= seconds < KEPT_SECONDS + SPREAD <= 2**31


def test_an_order_that_has_not_fired_is_found_and_taken_back(scene: Scene) -> None:
    begun = _ordered(scene)
    assert scene.backing_up(scene.drive, "tok")(None) == begun
    assert scene.cloud.progress([begun.id])[begun.id].state == Progress.RUNNING
    assert len(scene.domain.schedules) == 1
    assert scene.cloud.ensure_no_volume_copy("tok", MARK) is None
    assert not scene.domain.schedules
    scene.site.advance(600)
    scene.cloud.identify()
    assert not scene.domain.snapshots


def _ordered(scene: Scene) -> Operation:
    """Order a snapshot that the cluster's clock lets wait."""
    begun = scene.backing_up(scene.drive, "tok")(None)
    assert isinstance(begun, Operation)
    (schedule,) = scene.domain.schedules.values()
    schedule.due_at += 60_000_000
    add_schedule(scene.cluster, scene.domain, schedule)
    return begun


def test_an_order_that_vanished_is_waited_for_a_while_then_given_again(scene: Scene) -> None:
    begun = _ordered(scene)
    scene.domain.schedules.clear()
    assert scene.cloud.progress([begun.id])[begun.id].state == Progress.RUNNING
    scene.site.advance(SNAPSHOT_PATIENCE - 1)
    assert scene.cloud.progress([begun.id])[begun.id].state == Progress.RUNNING
    scene.site.advance(2)
    assert scene.cloud.progress([begun.id])[begun.id].state == Progress.DONE
    assert scene.site.contents(scene.back_up(scene.drive).id) == ["old"]


def test_a_snapshot_taken_twice_is_kept_once(scene: Scene) -> None:
    begun = _ordered(scene)
    scene.domain.schedules.clear()
    scene.back_up(scene.drive)
    twice = scene.backing_up(scene.drive, "other")(None)
    assert isinstance(twice, Operation)
    (schedule,) = scene.domain.schedules.values()
    schedule.retention_seconds = int(begun.id.split(":")[2])
    scene.site.advance(10)
    copy = scene.back_up(scene.drive)
    assert list(scene.site.snapshots()) == [copy.id]


def test_a_cluster_that_changes_the_retention_is_told_of_once(scene: Scene) -> None:
    begun = scene.backing_up(scene.drive, "tok")(None)
    assert isinstance(begun, Operation)
    (schedule,) = scene.domain.schedules.values()
    schedule.retention_seconds = 86400
    scene.site.advance(10)
    progress = scene.cloud.progress([begun.id])[begun.id]
    assert progress.state == Progress.FAILED
    assert "for 86400 s" in progress.detail


def test_a_snapshot_that_lacks_a_member_is_refused_and_removed(scene: Scene) -> None:
    scene.back_up(scene.drive, "first")
    gone = Member("volume_group", "0d9f7a0e-0000-4000-8000-000000000000", "gone", "gone")
    enlist(scene.cluster, scene.domain, [gone])
    with pytest.raises(CloudRefused, match=f"{DOMAIN} lacks gone") as caught:
        scene.back_up(scene.drive, "second")
    assert DOMAIN in caught.value.advice
    carry(scene.site, scene.cloud, lambda c: c.ensure_no_volume_copy("second", MARK))
    assert len(scene.domain.snapshots) == 1


@THINGS
def test_what_is_gone_is_not_found_though_its_domain_is_there(scene: Scene, thing: str) -> None:
    uuid = getattr(scene, thing)
    scene.back_up(uuid, "first")
    backing_up = scene.backing_up(uuid, "second")
    scene.cluster.vms.pop(uuid, None)
    scene.cluster.volume_groups.pop(uuid, None)
    with pytest.raises(NotFound):
        carry(scene.site, scene.cloud, backing_up)


def test_a_copy_that_expired_or_lacks_something_is_not_found(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    taken = scene.site.snapshots()[copy.id]
    taken.state = "EXPIRED"
    with pytest.raises(NotFound):
        scene.cloud.find_volume_copy(copy.id)
    taken.state = "RETAIN_FOREVER"
    taken.expires_at = None
    assert scene.cloud.find_volume_copy(copy.id) == copy
    taken.missing = taken.members
    with pytest.raises(NotFound, match="lacks drive"):
        scene.cloud.find_volume_copy(copy.id)


def test_a_copy_whose_retention_was_changed_by_hand_is_removed_by_its_id(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    scene.site.snapshots()[copy.id].expires_at = None
    assert scene.cloud.ensure_no_volume_copy("tok", MARK, copy.id) is None
    assert not scene.domain.snapshots


@pytest.mark.parametrize("id_", ["gold/7", "7", f"{DOMAIN}/"])
def test_what_is_no_copy_of_ours_is_never_deleted(scene: Scene, id_: str) -> None:
    with pytest.raises(CloudRefused, match="no snapshot made by Standby"):
        scene.cloud.ensure_no_volume_copy("tok", MARK, id_)


def test_the_inventory_shows_what_is_protected_and_nothing_of_ours(scene: Scene) -> None:
    before = scene.cloud.inventory()
    scene.back_up(scene.drive)
    assert scene.cloud.inventory() == before
    assert [each.name for each in before.volumes] == ["drive"]


def test_a_received_copy_keeps_its_whole_id(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    taken = scene.domain.snapshots.pop(copy.id.split("/")[1])
    taken.id = "site 1:42"
    scene.domain.snapshots[taken.id] = taken
    assert scene.cloud.find_volume_copy(f"{DOMAIN}/site 1:42").size_bytes == GIB
    assert scene.cloud.ensure_no_volume_copy("x", MARK, f"{DOMAIN}/site 1:42") is None
    assert not scene.domain.snapshots
