"""Restores from protection domains: generations of a group, odd clusters, what is in the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import CloudRefused, Operation, Volume
from portal.lab import Fault, Lab, LabServer
from portal.lab.prism.model import Dialect
from tests.contract.carrying import OperationFailed, carry, let_pass
from tests.contract.sites import CLUSTER, PrismSite
from tests.portal.clouds.ahv.protecting import DOMAIN, MARK, Scene


@pytest.fixture
def scene(lab: Lab, lab_server: LabServer) -> Iterator[Scene]:
    site = PrismSite(lab, lab_server, iter(range(1, 99)))
    cloud = AhvCloud(site.connection, monotonic=lambda: lab.clock.now_usecs() / 1e6)
    yield Scene(site, cloud)
    cloud.close()
    lab.clusters[CLUSTER].dialect = Dialect()


def _write(scene: Scene, content: str, drive: str = "") -> None:
    scene.site.write_volume(drive or scene.drive, content)


# Drives


def test_later_generations_join_the_same_domain_and_the_old_ones_leave(scene: Scene) -> None:
    first = scene.back_up(scene.drive, "first")
    _write(scene, "new")
    second = scene.restore_drive(first)
    assert scene.members == [second]
    _write(scene, "newer", second)
    newer = scene.back_up(second, "second")
    # The first backup holds the first generation, which is gone.
    third = scene.restore_drive(first, second, "again")
    assert (scene.members, scene.site.contents(third)) == ([third], ["old"])
    fourth = scene.restore_drive(newer, third, "third")
    assert (scene.members, scene.site.contents(fourth)) == ([fourth], ["newer"])
    (left,) = scene.cluster.volume_groups.values()
    assert (left.name, left.description) == ("drive", "frame: kind=drive user=ada")


def test_a_cluster_that_lets_nothing_leave_is_backed_up_all_the_same(scene: Scene) -> None:
    copy = scene.back_up(scene.drive, "first")
    scene.site.strike(Fault("status", path="remove_entities", status=422, count=99))
    made = scene.restore_drive(copy)
    assert set(scene.members) == {scene.drive, made}
    again = scene.back_up(made, "second")
    assert scene.site.snapshots()[again.id].missing
    assert scene.cloud.find_volume_copy(again.id) == again
    assert scene.site.contents(scene.restore_drive(again, made, "again")) == ["old"]


def test_a_snapshot_that_holds_two_generations_gives_back_the_one_that_was_in_place(
    scene: Scene,
) -> None:
    first = scene.back_up(scene.drive, "first")
    _write(scene, "new")
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    made = carry(
        scene.site,
        cloud,
        lambda _: cloud.ensure_volume_restored(scene.drive, first.id, "undo", MARK),
    )
    both = scene.back_up(made.id, "both")
    assert len(scene.site.snapshots()[both.id].groups) == 2
    carry(scene.site, cloud, lambda _: cloud.ensure_no_volume_undo(scene.drive, "undo", MARK))
    _write(scene, "newer", made.id)
    assert scene.site.contents(scene.restore_drive(both, made.id, "again")) == ["old"]


@pytest.mark.parametrize("steps", range(5))
def test_a_drive_that_is_taken_into_use_on_the_way_is_not_replaced(
    scene: Scene, steps: int
) -> None:
    copy = scene.back_up(scene.drive)
    _write(scene, "new")
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))

    def restoring(_: object) -> Operation | Volume:
        return cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK)

    for _ in range(steps):
        restoring(None)
        scene.site.advance(10)
    name = scene.site.attach_volume(scene.drive, scene.desktop)
    with pytest.raises(CloudRefused, match=f"The volume group drive is attached to {name}"):
        restoring(None)
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undone(scene.drive, "undo", MARK))
    carry(scene.site, cloud, lambda _: cloud.ensure_no_volume_undo(scene.drive, "undo", MARK))
    (left,) = scene.cluster.volume_groups.values()
    assert (left.uuid, left.content, left.name) == (scene.drive, "new", "drive")
    assert left.description == "frame: kind=drive user=ada"
    assert scene.members == [scene.drive]


def test_a_drive_with_an_iscsi_client_is_not_replaced(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    scene.cluster.volume_groups[scene.drive].iscsi_clients.append("iqn.ward-7")
    with pytest.raises(CloudRefused, match=r"iqn\.ward-7"):
        scene.restore_drive(copy)


def test_a_restored_drive_that_was_renamed_is_not_taken_away(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    made = carry(
        scene.site,
        cloud,
        lambda _: cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK),
    )
    scene.cluster.volume_groups[made.id].name = "drive of ada"
    assert [each.name for each in cloud.inventory().volumes] == ["drive of ada"]
    carry(scene.site, cloud, lambda _: cloud.ensure_no_volume_undo(scene.drive, "undo", MARK))
    assert set(scene.cluster.volume_groups) == {made.id}


def test_the_line_of_ours_is_not_shown(scene: Scene) -> None:
    cloud, before = scene.cloud, scene.cloud.volume(scene.drive)
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    assert "standby:undo" in str(scene.cluster.volume_groups[scene.drive].description)
    assert cloud.volume(scene.drive) == before
    assert cloud.inventory().volumes == (before,)


def test_a_restore_that_ended_after_it_was_given_up_is_swept_away(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    for _ in range(2):
        # The second as by a worker that knows nothing of the first.
        cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK)
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undone(scene.drive, "undo", MARK))
    carry(scene.site, cloud, lambda _: cloud.ensure_no_volume_undo(scene.drive, "undo", MARK))
    let_pass(scene.site, cloud, 60)
    assert set(scene.cluster.volume_groups) == {scene.drive}


def test_what_came_back_without_its_disks_is_not_put_in_place(scene: Scene) -> None:
    copy = scene.back_up(scene.drive)
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK)
    let_pass(scene.site, cloud, 10)
    (made,) = set(scene.cluster.volume_groups) - {scene.drive}
    scene.cluster.volume_groups[made].disks.clear()
    with pytest.raises(CloudRefused, match="not complete"):
        cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK)


# Clusters whose restores start no task


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_drive_is_restored_where_no_task_tells_of_it(scene: Scene, is_lost: bool) -> None:
    scene.cluster.dialect.restore_returns_task = False
    scene.cluster.dialect.volume_group_put_returns_task = False
    copy = scene.back_up(scene.drive)
    _write(scene, "new")
    if is_lost:
        scene.site.strike(Fault("drop_after", path="restore_entities"))
        with pytest.raises(Exception, match="broke"):
            scene.restore_drive(copy)
    made = scene.restore_drive(copy)
    assert scene.site.contents(made) == ["old"]
    assert set(scene.cluster.volume_groups) == {made}


def test_a_drive_is_put_back_while_a_restore_goes_on_that_no_task_tells_of(scene: Scene) -> None:
    scene.cluster.dialect.restore_returns_task = False
    copy = scene.back_up(scene.drive)
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undo(scene.drive, "undo", MARK))
    cloud.ensure_volume_restored(scene.drive, copy.id, "undo", MARK)
    carry(scene.site, cloud, lambda _: cloud.ensure_volume_undone(scene.drive, "undo", MARK))
    let_pass(scene.site, cloud, 60)
    assert set(scene.cluster.volume_groups) == {scene.drive}


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_desktop_is_restored_where_no_task_tells_of_it(scene: Scene, is_lost: bool) -> None:
    scene.cluster.dialect.restore_returns_task = False
    copy = scene.back_up(scene.desktop)
    scene.set_desktop_aside()
    scene.site.write(scene.desktop, ["new"])
    if is_lost:
        scene.site.strike(Fault("drop_after", path="restore_entities"))
        with pytest.raises(Exception, match="broke"):
            _restore(scene, copy.id)
    scene.site.lab.calls.clear()
    _restore(scene, copy.id)
    ordered = sum("restore_entities" in call for call in scene.calls())
    assert ordered == (0 if is_lost else 1)
    assert scene.site.contents(scene.desktop) == ["old"]
    assert scene.site.power(scene.desktop) == "off"


def _restore(scene: Scene, copy_id: str) -> None:
    cloud = scene.cloud
    carry(
        scene.site,
        cloud,
        lambda _: cloud.ensure_desktop_restored(scene.desktop, copy_id, "undo", MARK),
    )


# Desktops


def test_a_desktop_keeps_the_name_and_the_user_it_has_now(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    vm = scene.cluster.vms[scene.desktop]
    vm.name, vm.description = "desktop of bo", "frame: kind=desktop\nuser=bo"
    cards = [card.mac for card in vm.nics]
    scene.set_desktop_aside()
    _restore(scene, copy.id)
    after = scene.cluster.vms[scene.desktop]
    assert (after.name, after.description) == ("desktop of bo", "frame: kind=desktop\nuser=bo")
    assert [card.mac for card in after.nics] == cards
    assert scene.members == [scene.desktop]


def test_a_running_desktop_is_not_replaced(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    scene.set_desktop_aside()
    carry(scene.site, scene.cloud, lambda cloud: cloud.ensure_on(scene.desktop))
    with pytest.raises(CloudRefused, match="must be off"):
        _restore(scene, copy.id)


def test_a_desktop_that_vanished_on_the_way_is_brought_back(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    scene.set_desktop_aside()
    del scene.cluster.vms[scene.desktop]
    _restore(scene, copy.id)
    assert scene.site.contents(scene.desktop) == ["old"]
    del scene.cluster.vms[scene.desktop]
    cloud = scene.cloud
    carry(scene.site, cloud, lambda _: cloud.ensure_desktop_undone(scene.desktop, "undo", MARK))
    assert scene.site.power(scene.desktop) == "off"


def test_what_a_desktop_held_is_not_given_up_when_it_cannot_be_put_back(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    scene.set_desktop_aside()
    _restore(scene, copy.id)
    for taken in list(scene.domain.snapshots.values()):
        if f"{DOMAIN}/{taken.id}" != copy.id:
            del scene.domain.snapshots[taken.id]
    with pytest.raises(CloudRefused, match="keeps what came from the backup"):
        scene.cloud.ensure_desktop_undone(scene.desktop, "undo", MARK)
    assert scene.site.contents(scene.desktop) == ["old"]


def test_a_restore_that_fails_at_the_cluster_says_so_and_can_be_repeated(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    scene.set_desktop_aside()
    scene.site.strike(Fault("task_failed", path="restore_entities", detail="No space left"))
    with pytest.raises(OperationFailed, match="No space left"):
        _restore(scene, copy.id)
    _restore(scene, copy.id)
    assert scene.site.contents(scene.desktop) == ["old"]


def test_a_cluster_that_keeps_no_notes_replaces_nothing(scene: Scene) -> None:
    copy = scene.back_up(scene.desktop)
    cloud = scene.cloud
    cloud.ensure_desktop_undo(scene.desktop, "undo", MARK)
    let_pass(scene.site, cloud, 10)

    def forget() -> None:
        scene.cluster.protection_domains["standby-undo-undo"].annotations.clear()

    scene.site.strike(Fault("call", "POST", "^/protection_domains$", callback=forget, when="after"))
    with pytest.raises(Exception, match="broke"):
        cloud.ensure_desktop_undo(scene.desktop, "undo", MARK)
    with pytest.raises(CloudRefused, match="did not keep the note"):
        cloud.ensure_desktop_undo(scene.desktop, "undo", MARK)
    with pytest.raises(CloudRefused, match="did not keep the note"):
        _restore(scene, copy.id)
    assert cloud.ensure_no_desktop_undo(scene.desktop, "undo", MARK) is None
    let_pass(scene.site, cloud, 60)
    assert set(scene.cluster.protection_domains) == {DOMAIN}
