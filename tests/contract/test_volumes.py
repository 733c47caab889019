"""Volumes apart from servers: copied, restored into a new one, undone, nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from portal.clouds.api import (
    Cloud,
    CloudRefused,
    Copy,
    NotFound,
    Operation,
    Target,
    Volume,
)
from portal.lab import Fault
from tests.contract.carrying import (
    FAULTS,
    MARK,
    calls_struck,
    carry,
    connected,
    insist,
    let_pass,
)
from tests.contract.sites import EXTREMES, GIB, Site

OLD, NEW = "drive, monday", "drive, friday"


@dataclass
class Backed:
    """A volume that has changed since its copy was made."""

    site: Site
    volume: str
    copy: Copy

    def content(self) -> str:
        return self.site.contents(self.volume)[0]


@pytest.fixture
def backed(site: Site, cloud: Cloud) -> Backed:
    return _backed(site, cloud)


def _backed(site: Site, cloud: Cloud) -> Backed:
    volume = site.add_volume("drive")
    site.write_volume(volume, OLD)
    copy = carry(site, cloud, _copying(volume, "first"))
    site.write_volume(volume, NEW)
    return Backed(site, volume, copy)


def _copying(volume: str, token: str) -> Callable[[Cloud], Operation | Copy]:
    return lambda cloud: cloud.ensure_volume_copy(volume, token, MARK)


def _set_aside(backed: Backed) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_volume_undo(backed.volume, "undo", MARK)


def _restore(backed: Backed) -> Callable[[Cloud], Operation | Volume]:
    return lambda cloud: cloud.ensure_volume_restored(backed.volume, backed.copy.id, "undo", MARK)


def _put_back(backed: Backed) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_volume_undone(backed.volume, "undo", MARK)


def _drop(backed: Backed) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_no_volume_undo(backed.volume, "undo", MARK)


def test_a_copy_holds_what_the_volume_held(site: Site, cloud: Cloud, backed: Backed) -> None:
    assert site.contents(backed.copy.id) == [OLD]
    assert backed.copy.size_bytes == 10 * GIB
    assert cloud.find_volume_copy(backed.copy.id) == backed.copy
    assert _copying(backed.volume, "first")(cloud) == backed.copy
    carry(site, cloud, lambda cloud: cloud.ensure_no_volume_copy("first", MARK))
    assert site.everything() == {backed.volume}


def test_sending_is_stopped_any_number_of_times_and_what_is_here_stays(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    def stop(token: str) -> Callable[[Cloud], object]:
        to = Target(site="elsewhere", link="elsewhere")
        return lambda cloud: cloud.ensure_volume_copy_not_sending(token, MARK, to)

    assert carry(site, cloud, stop("first")) == carry(site, cloud, stop("first"))
    assert cloud.find_volume_copy(backed.copy.id) == backed.copy
    # Nothing was ordered by this one, or the order is taken back.
    assert not carry(site, cloud, stop("second"))
    _copying(backed.volume, "third")(cloud)
    carry(site, cloud, stop("third"))
    carry(site, cloud, lambda cloud: cloud.ensure_no_volume_copy("third", MARK))
    assert site.everything() == {backed.volume, backed.copy.id}


def test_a_volume_in_use_is_copied_but_not_restored(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    name = site.attach_volume(backed.volume, site.add_server(["system"], power="on"))
    carry(site, cloud, _copying(backed.volume, "second"))
    carry(site, cloud, _set_aside(backed))
    with pytest.raises(CloudRefused, match=name) as caught:
        _restore(backed)(cloud)
    assert name in caught.value.advice
    carry(site, cloud, _put_back(backed))
    carry(site, cloud, _drop(backed))
    assert backed.content() == NEW


def test_a_restored_volume_takes_the_old_ones_place(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    before = cloud.volume(backed.volume)
    carry(site, cloud, _set_aside(backed))
    made = carry(site, cloud, _restore(backed))
    assert site.contents(made.id) == [OLD]
    assert (made.size_bytes, made.description, made.site) == (
        before.size_bytes, before.description, before.site,
    )  # fmt: skip
    assert _set_aside(backed)(cloud) is None
    assert _restore(backed)(cloud) == made
    carry(site, cloud, _drop(backed))
    assert site.everything() == {made.id, backed.copy.id}
    assert _drop(backed)(cloud) is None
    with pytest.raises(NotFound):
        cloud.volume(backed.volume)
    # Never without the old one: what was made is the last.
    with pytest.raises(CloudRefused):
        _put_back(backed)(cloud)
    assert site.contents(made.id) == [OLD]


def test_the_inventory_shows_one_volume_all_the_while(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    def shown() -> int:
        return len(cloud.inventory().volumes)

    carry(site, cloud, _set_aside(backed))
    assert shown() == 1
    while isinstance(_restore(backed)(cloud), Operation):
        assert shown() == 1
        site.advance(2)
    assert shown() == 1
    carry(site, cloud, _drop(backed))
    assert shown() == 1


def test_no_volume_is_replaced_before_it_is_set_aside(cloud: Cloud, backed: Backed) -> None:
    with pytest.raises(CloudRefused):
        _restore(backed)(cloud)


def test_a_restore_is_undone_from_every_halfway_point(site: Site, cloud: Cloud) -> None:
    for steps in range(20):
        site.empty()
        backed = _backed(site, cloud)
        carry(site, cloud, _set_aside(backed))
        made: Operation | Volume | None = None
        for _ in range(steps):
            made = _restore(backed)(cloud)
            site.advance(3)
        carry(site, cloud, _put_back(backed))
        carry(site, cloud, _drop(backed))
        assert backed.content() == NEW
        assert site.everything() == {backed.volume, backed.copy.id}
        assert _drop(backed)(cloud) is None
        if isinstance(made, Volume):
            break
    assert steps >= 2


def test_a_volume_made_and_taken_into_use_is_not_removed_under_its_server(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    carry(site, cloud, _set_aside(backed))
    made = carry(site, cloud, _restore(backed))
    name = site.attach_volume(made.id, site.add_server(["system"]))
    with pytest.raises(CloudRefused, match=name):
        _put_back(backed)(cloud)


def test_an_old_volume_taken_into_use_again_is_not_dropped(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, _restore(backed))
    name = site.attach_volume(backed.volume, site.add_server(["system"]))
    with pytest.raises(CloudRefused, match=name):
        _drop(backed)(cloud)
    assert backed.content() == NEW


def test_a_volume_that_is_gone_is_not_found(cloud: Cloud, backed: Backed) -> None:
    gone = f"{backed.volume}-gone"
    with pytest.raises(NotFound):
        cloud.volume(gone)
    with pytest.raises(NotFound):
        _copying(gone, "tok")(cloud)


@pytest.mark.parametrize("_site", ["azure", "azure with every habit"], indirect=True)
def test_a_servers_own_disk_is_no_volume(site: Site, cloud: Cloud) -> None:
    disk = cloud.server(site.add_server(["system"])).disks[0].id
    with pytest.raises(CloudRefused, match="no data disk"):
        _copying(disk, "tok")(cloud)
    with pytest.raises(CloudRefused, match="no data disk"):
        cloud.ensure_volume_undo(disk, "tok", MARK)


Make = Callable[[Backed], Callable[[Cloud], object]]
VERBS: dict[str, Make] = {
    "copy": lambda backed: _copying(backed.volume, "again"),
    "set aside": _set_aside,
    "restore": _restore,
    "put back": _put_back,
    "drop": _drop,
}
# What has to have happened before.
BEFORE: dict[str, list[Make]] = {
    "restore": [_set_aside],
    "put back": [_set_aside, _restore],
    "drop": [_set_aside, _restore],
}
# What the volumes and copies hold in the end.
LEFT = {"copy": [NEW, NEW, OLD], "set aside": [NEW, OLD], "restore": [NEW, OLD, OLD],
        "put back": [NEW, OLD], "drop": [OLD, OLD]}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("_site", EXTREMES, indirect=True)
def test_a_trouble_at_any_call_changes_nothing_about_the_end(
    site: Site, cloud: Cloud, verb: str, fault: str
) -> None:
    for number in calls_struck(list(VERBS).index(verb), FAULTS.index(fault)):
        site.empty()
        backed = _backed(site, cloud)
        for earlier in BEFORE.get(verb, []):
            carry(site, cloud, earlier(backed))
        struck = site.strike(Fault(fault, after=number, count=1, detail="Out of luck"))
        insist(site, VERBS[verb](backed))
        is_done = struck.count > 0
        site.fault_free()
        let_pass(site, cloud, 600)
        assert sorted(site.contents(id_)[0] for id_ in site.everything()) == LEFT[verb]
        if is_done:
            assert number >= 2
            return
    raise AssertionError("it never ran out of calls")


def test_another_process_finds_what_one_began(site: Site, cloud: Cloud, backed: Backed) -> None:
    carry(site, cloud, _set_aside(backed))
    _restore(backed)(cloud)
    with connected(site.connection) as other:
        made = carry(site, other, _restore(backed))
    assert site.everything() == {backed.volume, made.id, backed.copy.id}


def _detach(backed: Backed) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_detached(backed.volume)


def test_a_volume_is_taken_off_its_machine_and_others_stay(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    machine = site.add_server(["system"], power="on")
    other = site.add_volume("other")
    for volume in (other, backed.volume):
        site.attach_volume(volume, machine)
    carry(site, cloud, _detach(backed))
    assert cloud.volume(backed.volume).attached_to == ()
    assert cloud.volume(other).attached_to
    assert (backed.content(), site.power(machine)) == (NEW, "on")
    assert _detach(backed)(cloud) is None


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", ["drop_after", "status"])
def test_a_detachment_survives_a_fault_at_any_call(
    number: int, kind: str, site: Site, backed: Backed
) -> None:
    site.attach_volume(backed.volume, site.add_server(["system"], power="on"))
    site.strike(Fault(kind, after=number))
    insist(site, _detach(backed))
    with connected(site.connection) as cloud:
        assert cloud.volume(backed.volume).attached_to == ()
