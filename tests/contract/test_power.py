"""Power: asked nicely, cut, switched on, and what happens meanwhile."""

from __future__ import annotations

import pytest

from portal.clouds.api import Cloud, Operation, Progress
from tests.contract.carrying import MARK, carry, let_pass
from tests.contract.sites import Site


def test_a_guest_is_shut_down_when_it_is_off(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"], power="on", shutdown_seconds=60)
    begun = cloud.ensure_shut_down(server)
    assert begun is not None
    site.advance(50)
    assert cloud.progress([begun.id])[begun.id].state == Progress.RUNNING
    site.advance(20)
    assert cloud.progress([begun.id])[begun.id].state == Progress.DONE
    assert cloud.ensure_shut_down(server) is None
    assert site.power(server) == "off"


def test_many_guests_are_watched_to_their_end(site: Site, cloud: Cloud) -> None:
    servers = [site.add_server(["one"], power="on", shutdown_seconds=10 * n) for n in range(1, 7)]
    begun = [cloud.ensure_shut_down(server) for server in servers]
    ids = [operation.id for operation in begun if operation]
    site.advance(35)
    states = [progress.state for progress in (cloud.progress(ids)[id_] for id_ in ids)]
    assert states == [Progress.DONE] * 3 + [Progress.RUNNING] * 3


def test_power_can_be_cut_under_a_guest_that_never_ends(site: Site, cloud: Cloud) -> None:
    if not site.asks_guest_alone:
        pytest.skip("this cloud cuts the power itself when a guest takes too long")
    server = site.add_server(["one"], power="on", shutdown_seconds=None)
    begun = cloud.ensure_shut_down(server)
    assert begun is not None
    site.advance(3600)
    assert cloud.progress([begun.id])[begun.id].state == Progress.RUNNING
    carry(site, cloud, lambda cloud: cloud.ensure_off(server))
    assert site.power(server) == "off"


def test_on_is_on_and_stays_on(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    carry(site, cloud, lambda cloud: cloud.ensure_on(server))
    assert site.power(server) == "on"
    assert cloud.ensure_on(server) is None


def test_a_change_waits_for_the_one_before_it(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    assert cloud.ensure_on(server) is not None
    # Nobody remembers that operation; the server still looks off.
    carry(site, cloud, lambda cloud: cloud.ensure_off(server))
    let_pass(site, cloud, 60)
    assert site.power(server) == "off"


def test_a_server_being_copied_is_not_touched(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    begun = cloud.ensure_copy(server, "tok", MARK)
    assert isinstance(begun, Operation)
    carry(site, cloud, lambda cloud: cloud.ensure_on(server))
    carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "tok", MARK))
    assert len(site.everything()) == 2
