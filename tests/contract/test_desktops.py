"""Desktops: copied as they run, restored in place, undone; identity and nothing else stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from portal.clouds.api import Cloud, CloudRefused, Copy, NotFound, Operation
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
from tests.contract.sites import Site

OLD, NEW = ["system, monday"], ["system, friday"]
# At Azure a desktop is a server like others, whose troubles are tried elsewhere.
PRISM_EXTREMES = ("ahv", "ahv with both habits")


@dataclass
class Backed:
    """A desktop that was copied while it ran, has changed since, and is off."""

    site: Site
    server: str
    copy: Copy

    def contents(self) -> list[str]:
        return self.site.contents(self.server)


@pytest.fixture
def backed(site: Site, cloud: Cloud) -> Backed:
    return _backed(site, cloud)


def _backed(site: Site, cloud: Cloud) -> Backed:
    server = site.add_server(OLD, power="on")
    copy = carry(site, cloud, _copying(server, "first"))
    site.write(server, NEW)
    carry(site, cloud, lambda cloud: cloud.ensure_off(server))
    return Backed(site, server, copy)


def _copying(server: str, token: str) -> Callable[[Cloud], Operation | Copy]:
    return lambda cloud: cloud.ensure_desktop_copy(server, token, MARK)


def _removing(token: str, copy_id: str = "") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_no_volume_copy(token, MARK, copy_id)


def _set_aside(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_desktop_undo(backed.server, aside, MARK)


def _restore(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_desktop_restored(backed.server, backed.copy.id, aside, MARK)


def _put_back(backed: Backed) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_desktop_undone(backed.server, "undo", MARK)


def _drop(backed: Backed, aside: str = "undo") -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_no_desktop_undo(backed.server, aside, MARK)


# Copies


def test_a_running_desktop_is_copied_and_stays_on(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD, power="on")
    made = carry(site, cloud, _copying(server, "tok"))
    assert site.power(server) == "on"
    assert site.contents(made.id) == OLD
    assert cloud.find_volume_copy(made.id) == made
    assert made.size_bytes == cloud.server(server).size_bytes


def test_a_copy_is_made_once_however_often_it_is_asked_for(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    cloud.ensure_desktop_copy(server, "tok", MARK)
    cloud.ensure_desktop_copy(server, "tok", MARK)
    with connected(site.connection) as other:
        made = carry(site, other, _copying(server, "tok"))
    assert cloud.ensure_desktop_copy(server, "tok", MARK) == made
    second = carry(site, cloud, _copying(server, "another"))
    assert site.everything() == {server, made.id, second.id}


def test_a_copy_is_removed_by_token_or_by_id(site: Site, cloud: Cloud, backed: Backed) -> None:
    second = carry(site, cloud, _copying(backed.server, "second"))
    carry(site, cloud, _removing("another", backed.copy.id))
    assert site.everything() == {backed.server, second.id}
    with pytest.raises(NotFound):
        cloud.find_volume_copy(backed.copy.id)
    carry(site, cloud, _removing("second"))
    assert site.everything() == {backed.server}
    assert _removing("second", second.id)(cloud) is None
    assert _removing("never made")(cloud) is None


def test_a_copy_in_the_making_is_removed_too(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    cloud.ensure_desktop_copy(server, "tok", MARK)
    carry(site, cloud, _removing("tok"))
    let_pass(site, cloud, 600)
    assert site.everything() == {server}


def test_a_desktop_that_is_gone_is_not_found(site: Site, cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        _copying(site.gone, "tok")(cloud)


# Restores


def test_a_restore_puts_the_copys_content_in_place_and_keeps_who_it_is(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    before = cloud.server(backed.server)
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, _restore(backed))
    assert backed.contents() == OLD
    assert site.power(backed.server) == "off"
    assert _set_aside(backed)(cloud) is None
    assert _restore(backed)(cloud) is None
    carry(site, cloud, _drop(backed))
    site.advance(60)
    assert _drop(backed)(cloud) is None
    assert site.everything() == {backed.server, backed.copy.id}
    after = cloud.server(backed.server)
    assert (after.id, after.name, after.description) == (
        before.id, before.name, before.description,
    )  # fmt: skip
    carry(site, cloud, lambda cloud: cloud.ensure_on(backed.server))


def test_the_same_backup_can_be_restored_twice(site: Site, cloud: Cloud, backed: Backed) -> None:
    for token in ("one", "two"):
        carry(site, cloud, _set_aside(backed, token))
        carry(site, cloud, _restore(backed, token))
        carry(site, cloud, _drop(backed, token))
        let_pass(site, cloud, 60)
        assert backed.contents() == OLD
        site.write(backed.server, NEW)
    assert site.everything() == {backed.server, backed.copy.id}


def test_nothing_is_replaced_before_it_is_set_aside(
    site: Site, cloud: Cloud, backed: Backed
) -> None:
    with pytest.raises(CloudRefused):
        _restore(backed)(cloud)
    assert backed.contents() == NEW


def test_a_restore_is_undone_from_every_halfway_point(site: Site, cloud: Cloud) -> None:
    for steps in range(20):
        site.empty()
        backed = _backed(site, cloud)
        carry(site, cloud, _set_aside(backed))
        is_complete = False
        for number in range(steps):
            if number:
                site.advance(120)
            is_complete = _restore(backed)(cloud) is None
        carry(site, cloud, _put_back(backed))
        assert backed.contents() == NEW
        assert _put_back(backed)(cloud) is None
        assert site.power(backed.server) == "off"
        carry(site, cloud, _drop(backed))
        let_pass(site, cloud, 60)
        assert site.everything() == {backed.server, backed.copy.id}
        if is_complete:
            break
    assert steps >= 2


def test_an_undo_that_was_never_set_aside_has_nothing_to_do(cloud: Cloud, backed: Backed) -> None:
    assert _put_back(backed)(cloud) is None
    assert _drop(backed)(cloud) is None
    assert backed.contents() == NEW


def test_a_backup_that_is_gone_is_not_restored(site: Site, cloud: Cloud, backed: Backed) -> None:
    carry(site, cloud, _set_aside(backed))
    carry(site, cloud, _removing("first", backed.copy.id))
    with pytest.raises(CloudRefused):
        carry(site, cloud, _restore(backed))
    carry(site, cloud, _put_back(backed))
    assert backed.contents() == NEW


Make = Callable[[Backed], Callable[[Cloud], object]]
VERBS: dict[str, Make] = {
    "copy": lambda backed: _copying(backed.server, "again"),
    "remove": lambda backed: _removing("first", backed.copy.id),
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
# What the desktop holds in the end.
HOLDS = {"restore": OLD, "drop": OLD}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("_site", PRISM_EXTREMES, indirect=True)
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
        _assert_reached(site, cloud, backed, verb)
        if is_done:
            assert number >= 1
            return
    raise AssertionError("it never ran out of calls")


def _assert_reached(site: Site, cloud: Cloud, backed: Backed, verb: str) -> None:
    assert backed.contents() == HOLDS.get(verb, NEW)
    assert site.power(backed.server) == "off"
    kept = {backed.server, backed.copy.id}
    match verb:
        case "copy":
            (made,) = site.everything() - kept
            assert site.contents(made) == NEW
        case "remove":
            assert site.everything() == {backed.server}
        case "drop":
            assert site.everything() == kept
        case _:
            # What it held before is kept, and nothing is left over when that is dropped.
            carry(site, cloud, _put_back(backed))
            assert backed.contents() == NEW
            carry(site, cloud, _drop(backed))
            let_pass(site, cloud, 60)
            assert site.everything() == kept
