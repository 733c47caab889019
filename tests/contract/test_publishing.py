"""Clone, generalize, copy the clone, remove it: the server is left alone, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from portal.clouds.api import Cloud, CloudRefused, NotFound, Operation, PowerState
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
from tests.contract.sites import PUBLISHING_SITES, PublishingSite, Site

OLD = ["system, monday", "data, monday"]
NEW = ["system, friday", "data, friday"]
TOKEN = "tok"
GENERALIZED = "+generalized"

pytestmark = pytest.mark.parametrize("_site", PUBLISHING_SITES, indirect=True)


@dataclass
class Cloned:
    """A server that has changed since its clone was made."""

    site: Site
    server: str
    clone: str

    def assert_nothing_else(self, *others: str) -> None:
        assert self.site.everything() == {self.server, *others}
        assert self.site.contents(self.server) == NEW


@pytest.fixture
def cloned(site: Site, cloud: Cloud) -> Cloned:
    return _cloned(site, cloud)


def _cloned(site: Site, cloud: Cloud) -> Cloned:
    server = site.add_server(OLD)
    clone = carry(site, cloud, lambda cloud: cloud.ensure_clone(server, TOKEN, MARK))
    site.write(server, NEW)
    return Cloned(site, server, clone.id)


def _kept(site: Site, contents: list[str]) -> list[str]:
    return contents[: site.disks_kept]


def _generalize(cloned: Cloned) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_generalized(cloned.clone, TOKEN)


def _copy(cloned: Cloned) -> Callable[[Cloud], object]:
    return lambda cloud: cloud.ensure_clone_copy(cloned.clone, TOKEN, MARK)


def _remove(cloned: Cloned | None = None) -> Callable[[Cloud], Operation | None]:
    return lambda cloud: cloud.ensure_no_clone(TOKEN)


def test_a_clone_holds_what_the_server_held_and_is_no_server(
    site: Site, cloud: Cloud, cloned: Cloned
) -> None:
    assert site.contents(cloned.clone) == _kept(site, OLD)
    assert site.contents(cloned.server) == NEW
    found = cloud.inventory()
    assert [each.id for each in found.servers] == [cloned.server]
    assert cloned.clone not in {each.id for each in found.volumes}


def test_a_clone_is_made_once_however_often_it_is_asked_for(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    cloud.ensure_clone(server, TOKEN, MARK)
    with connected(site.connection) as other:
        made = carry(site, other, lambda cloud: cloud.ensure_clone(server, TOKEN, MARK))
    assert cloud.ensure_clone(server, TOKEN, MARK) == made
    assert site.everything() == {server, made.id}


def test_two_tokens_make_two_clones(site: Site, cloud: Cloud) -> None:
    server = site.add_server(OLD)
    made = {
        carry(site, cloud, lambda cloud, t=token: cloud.ensure_clone(server, t, MARK)).id  # type: ignore[misc]
        for token in ("a", "b")
    }
    carry(site, cloud, lambda cloud: cloud.ensure_no_clone("a"))
    assert len(made) == 2
    assert len(site.everything()) == 2


def test_the_copy_of_a_clone_is_a_copy_like_any_other(
    site: Site, cloud: Cloud, cloned: Cloned
) -> None:
    made = carry(site, cloud, lambda cloud: cloud.ensure_clone_copy(cloned.clone, TOKEN, MARK))
    carry(site, cloud, _remove())
    cloned.assert_nothing_else(made.id)
    assert site.contents(made.id) == _kept(site, OLD)
    assert cloud.find_copy(made.id) == made
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy(TOKEN))
    cloned.assert_nothing_else()


def test_what_is_kept_of_a_generalized_clone_is_generalized(
    site: Site, cloud: Cloud, cloned: Cloned
) -> None:
    carry(site, cloud, _generalize(cloned))
    assert _generalize(cloned)(cloud) is None
    made = carry(site, cloud, lambda cloud: cloud.ensure_clone_copy(cloned.clone, TOKEN, MARK))
    carry(site, cloud, _remove())
    assert site.contents(made.id)[0] == OLD[0] + GENERALIZED
    cloned.assert_nothing_else(made.id)


def test_the_server_runs_on_while_its_clone_is_generalized(
    site: Site, cloud: Cloud, cloned: Cloned
) -> None:
    carry(site, cloud, lambda cloud: cloud.ensure_on(cloned.server))
    carry(site, cloud, _generalize(cloned))
    assert cloud.server(cloned.server).power == PowerState.ON
    assert site.contents(cloned.server) == NEW


def test_sysprep_that_fails_says_why_and_its_clone_goes(
    site: PublishingSite, cloud: Cloud, cloned: Cloned
) -> None:
    site.guests_fail("The package Contoso.Notes is in the way.")
    with pytest.raises((OperationFailed, CloudRefused), match=r"Contoso\.Notes is in the way"):
        carry(site, cloud, _generalize(cloned))
    carry(site, cloud, _remove())
    cloned.assert_nothing_else()


def test_a_clone_that_is_gone_is_not_generalized_nor_copied(
    site: Site, cloud: Cloud, cloned: Cloned
) -> None:
    carry(site, cloud, _remove())
    assert _remove()(cloud) is None
    for verb in (_generalize(cloned), _copy(cloned)):
        with pytest.raises(NotFound):
            verb(cloud)
    cloned.assert_nothing_else()


def test_a_clone_is_removed_from_every_halfway_point(site: Site, cloud: Cloud) -> None:
    """Of making it and of generalizing it, the last operation left unfinished."""
    for steps in range(40):
        site.empty()
        server = site.add_server(OLD)
        is_complete = _steps(site, cloud, server, steps)
        site.write(server, NEW)
        carry(site, cloud, _remove())
        let_pass(site, cloud, 600)
        Cloned(site, server, "").assert_nothing_else()
        if is_complete:
            break
    assert steps >= 4


def _steps(site: Site, cloud: Cloud, server: str, count: int) -> bool:
    """Start so many operations. True: there were no more."""
    clone = ""
    for number in range(count):
        if number:
            site.advance(200)
        if not clone:
            made = cloud.ensure_clone(server, TOKEN, MARK)
            if isinstance(made, Operation):
                continue
            clone = made.id
        if cloud.ensure_generalized(clone, TOKEN) is None:
            return True
    return False


VERBS: dict[str, Callable[[Cloned], Callable[[Cloud], object]]] = {
    "clone": lambda cloned: lambda cloud: cloud.ensure_clone(cloned.server, "again", MARK),
    "generalize": _generalize,
    "copy": _copy,
    "remove": _remove,
}
BEFORE = {"copy": ["generalize"], "remove": ["generalize"]}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_trouble_at_any_call_changes_nothing_about_the_end(
    site: Site, cloud: Cloud, verb: str, fault: str
) -> None:
    for number in calls_struck(list(VERBS).index(verb), FAULTS.index(fault), every=5):
        site.empty()
        cloned = _cloned(site, cloud)
        for earlier in BEFORE.get(verb, []):
            carry(site, cloud, VERBS[earlier](cloned))
        struck = site.strike(Fault(fault, after=number, count=1, detail="Out of luck"))
        insist(site, VERBS[verb](cloned))
        is_done = struck.count > 0
        site.fault_free()
        let_pass(site, cloud, 600)
        _assert_reached(cloned, verb)
        if is_done:
            assert number >= 3
            return
    raise AssertionError("it never ran out of calls")


def _assert_reached(cloned: Cloned, verb: str) -> None:
    site = cloned.site
    match verb:
        case "clone":
            (made,) = site.everything() - {cloned.server, cloned.clone}
            assert site.contents(made) == _kept(site, NEW)
        case "generalize":
            assert site.contents(cloned.clone)[0] == OLD[0] + GENERALIZED
        case "copy":
            held = [site.contents(id_)[0] for id_ in site.everything() - {cloned.server}]
            assert set(held) == {OLD[0] + GENERALIZED}
        case "remove":
            cloned.assert_nothing_else()
