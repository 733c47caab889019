"""Copy, restore, undo, remove: the right content, once, and nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from portal.clouds.api import Cloud, CloudRefused, Copy, NotFound, Operation
from portal.lab import Fault
from tests.contract.carrying import (
    FAULTS,
    MARK,
    OperationFailed,
    calls_struck,
    carry,
    connected,
    insist,
    let_pass,
)
from tests.contract.sites import EXTREMES, GIB, Site

OLD = ["system, monday", "data, monday"]
NEW = ["system, friday", "data, friday"]


@dataclass
class Backed:
    """A server that has changed since its copy was made."""

    site: Site
    server: str
    copy: Copy

    def contents(self) -> list[str]:
        return self.site.contents(self.server)

    def assert_nothing_else(self) -> None:
        assert self.site.everything() == {self.server, self.copy.id}
        assert self.site.contents(self.copy.id) == kept(self.site, OLD)


def kept(site: Site, contents: list[str]) -> list[str]:
    """What a backup of these disks holds."""
    return contents[: site.disks_kept]


def kept_sizes(site: Site) -> list[int]:
    """Bytes of the disks that a backup holds."""
    return [40 * GIB, 41 * GIB][: site.disks_kept]


def restored(site: Site) -> list[str]:
    """What the disks hold after a restore: those that are not backed up stay."""
    return OLD[: site.disks_kept] + NEW[site.disks_kept :]


@pytest.fixture
def backed(site: Site, cloud: Cloud) -> Backed:
    return _backed(site, cloud)


def _backed(site: Site, cloud: Cloud) -> Backed:
    server = site.add_server(OLD)
    copy = carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "first", MARK))
    site.write(server, NEW)
    return Backed(site, server, copy)


def _set_aside(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_undo(backed.server, aside, MARK)


def _swap(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_restored(backed.server, backed.copy.id, aside)


def _put_back(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_undone(backed.server, aside)


def _drop(aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_no_undo(aside)


# Copies


def test_a_copy_holds_what_the_server_held(site: Site, cloud: Cloud, backed: Backed) -> None:
    assert site.contents(backed.copy.id) == kept(site, OLD)
    assert backed.contents() == NEW
    assert backed.copy.size_bytes == sum(kept_sizes(site))
    assert cloud.find_copy(backed.copy.id) == backed.copy


def test_a_copy_is_made_once_however_often_it_is_asked_for(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    cloud.ensure_copy(server, "tok", MARK)
    cloud.ensure_copy(server, "tok", MARK)
    with connected(site.connection) as other:
        made = carry(site, other, lambda cloud: cloud.ensure_copy(server, "tok", MARK))
    assert cloud.ensure_copy(server, "tok", MARK) == made
    assert site.everything() == {server, made.id}


def test_two_tokens_make_two_copies(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    one = carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "a", MARK))
    two = carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "b", MARK))
    assert len({server, one.id, two.id}) == 3
    assert site.everything() == {server, one.id, two.id}


def test_a_copy_is_removed_by_token_or_by_id(site: Site, cloud: Cloud, backed: Backed) -> None:
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("another", backed.copy.id))
    assert site.everything() == {backed.server}
    with pytest.raises(NotFound):
        cloud.find_copy(backed.copy.id)
    carry(site, cloud, lambda cloud: cloud.ensure_copy(backed.server, "second", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("second"))
    assert site.everything() == {backed.server}
    assert cloud.ensure_no_copy("second") is None


def test_a_copy_in_the_making_is_removed_too(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    cloud.ensure_copy(server, "tok", MARK)
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("tok"))
    let_pass(site, cloud, 600)
    assert site.everything() == {server}


def test_a_customers_server_is_never_deleted(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    with pytest.raises(CloudRefused, match="not made by"):
        cloud.ensure_no_copy("tok", server)
    assert site.contents(server) == OLD


# Restores


def test_a_restore_puts_the_copys_content_in_place(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    before = cloud.server(backed.server)
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, _swap(backed))
    assert backed.contents() == restored(site)
    carry(site, cloud, _drop())
    backed.assert_nothing_else()
    after = cloud.server(backed.server)
    assert (after.id, after.name, after.description) == (
        before.id,
        before.name,
        before.description,
    )
    assert [disk.address for disk in after.disks] == [disk.address for disk in before.disks]


def test_a_restore_repeated_leaves_the_restored_disks_alone(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, _swap(backed))
    fresh = cloud.server(backed.server).disks
    assert _set_aside(backed)(cloud) is None
    assert _swap(backed)(cloud) is None
    assert cloud.server(backed.server).disks == fresh


def test_the_same_backup_can_be_restored_twice(site: Site, cloud: Cloud, backed: Backed) -> None:
    for token in ("one", "two"):
        carry(site, cloud, _set_aside(backed, token))
        carry(site, cloud, _swap(backed, token))
        carry(site, cloud, _drop(token))
        assert backed.contents() == restored(site)
        site.write(backed.server, NEW)
    backed.assert_nothing_else()


def test_nothing_is_replaced_before_it_is_set_aside(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    with pytest.raises(CloudRefused):
        _swap(backed)(cloud)
    assert backed.contents() == NEW


def test_disks_of_a_running_server_are_not_replaced(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, lambda cloud: cloud.ensure_on(backed.server))
    with pytest.raises(CloudRefused):
        _swap(backed)(cloud)
    assert backed.contents() == NEW


def test_a_restore_is_undone_from_every_halfway_point(site: Site, cloud: Cloud) -> None:
    for steps in range(20):
        site.empty()
        backed = _backed(site, cloud)
        carry(site, cloud, _set_aside(backed))
        is_complete = _steps(site, cloud, _swap(backed), steps)
        carry(site, cloud, _put_back(backed))
        assert backed.contents() == NEW
        assert _put_back(backed)(cloud) is None
        carry(site, cloud, _drop())
        backed.assert_nothing_else()
        if is_complete:
            break
    assert steps >= 2


def test_an_undo_that_was_never_set_aside_has_nothing_to_do(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    assert _put_back(backed)(cloud) is None
    assert _drop()(cloud) is None
    _set_aside(backed)(cloud)
    carry(site, cloud, _put_back(backed))
    carry(site, cloud, _drop())
    assert backed.contents() == NEW
    backed.assert_nothing_else()


def _steps(site: Site, cloud: Cloud, verb: Callable[[Cloud], Operation | None], count: int) -> bool:
    """Start ``count`` operations of a verb, the last left unfinished. True: it had no more."""
    for number in range(count):
        if number:
            site.advance(120)
        if verb(cloud) is None:
            return True
    return False


# Troubles in the middle


VERBS: dict[str, Callable[[Backed], Callable[[Cloud], object]]] = {
    "copy": lambda backed: lambda cloud: cloud.ensure_copy(backed.server, "again", MARK),
    "set aside": _set_aside,
    "swap": _swap,
    "put back": _put_back,
    "drop": lambda backed: _drop(),
    "remove": lambda backed: lambda cloud: cloud.ensure_no_copy("first", backed.copy.id),
    "on": lambda backed: lambda cloud: cloud.ensure_on(backed.server),
}
# What has to have happened before.
BEFORE = {"swap": ["set aside"], "put back": ["set aside", "swap"], "drop": ["set aside"]}


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
            carry(site, cloud, VERBS[earlier](backed))
        struck = site.strike(Fault(fault, after=number, count=1, detail="Out of luck"))
        insist(site, VERBS[verb](backed))
        is_done = struck.count > 0
        site.fault_free()
        _assert_reached(site, cloud, backed, verb)
        if is_done:
            assert number >= 3
            return
    raise AssertionError("it never ran out of calls")


def _assert_reached(site: Site, cloud: Cloud, backed: Backed, verb: str) -> None:
    let_pass(site, cloud, 600)
    made = site.everything() - {backed.server, backed.copy.id}
    match verb:
        case "copy" | "set aside":
            assert [site.contents(id_) for id_ in made] == [kept(site, NEW)]
        case "swap":
            assert backed.contents() == restored(site)
            assert [site.contents(id_) for id_ in made] == [kept(site, NEW)]
        case "put back":
            assert backed.contents() == NEW
            assert [site.contents(id_) for id_ in made] == [kept(site, NEW)]
        case "drop":
            backed.assert_nothing_else()
        case "remove":
            assert site.everything() == {backed.server}
        case "on":
            assert site.power(backed.server) == "on"


def test_a_copy_that_fails_at_the_cloud_says_so_and_leaves_nothing(
    site: Site, cloud: Cloud
) -> None:
    server = site.add_server(OLD)
    site.strike(
        Fault("task_failed", site.copy_method, site.copy_path, detail="Storage container is full")
    )
    with pytest.raises(OperationFailed, match="Storage container is full"):
        carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "tok", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("tok"))
    assert site.everything() == {server}
