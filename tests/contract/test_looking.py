"""What a driver sees: identity, inventory, servers, operations, troubles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.clouds.api import (
    Cloud,
    CloudBusy,
    CloudUnreachable,
    NotFound,
    Operation,
    PowerState,
    Progress,
    SignInRefused,
)
from portal.lab import Fault
from tests.contract.carrying import MARK, carry, connected, wait
from tests.contract.sites import GIB, Site


def test_identity_names_what_answers(cloud: Cloud) -> None:
    identity = cloud.identify()
    assert identity.id
    assert identity.name
    assert identity.version


def test_inventory_lists_servers_and_volumes_but_not_what_we_made(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one", "two"], power="on")
    volume = site.add_volume("EP-someone")
    carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "tok", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_undo(server, "tok", MARK))
    inventory = cloud.inventory()
    assert [found.id for found in inventory.servers] == [server]
    assert inventory.servers[0].size_bytes == sum([40 * GIB, 41 * GIB][: site.disks_kept])
    assert inventory.servers[0].description
    assert [(found.id, found.size_bytes) for found in inventory.volumes] == [(volume, 10 * GIB)]


def test_inventory_says_how_full_a_site_is_where_the_cloud_tells(site: Site, cloud: Cloud) -> None:
    before = cloud.inventory().storage
    site.add_server(["one"], power="on")
    after = cloud.inventory().storage
    # Azure has quotas and no end.
    assert (before is None) == (after is None) == (site.connection.kind == "azure")
    if before and after:
        assert after.used_bytes - before.used_bytes == 40 * GIB
        assert after.capacity_bytes == before.capacity_bytes > after.used_bytes


def test_a_server_is_shown_with_its_disks(site: Site, cloud: Cloud) -> None:
    server = cloud.server(site.add_server(["one", "two"], power="on"))
    assert server.power == PowerState.ON
    sizes = [40 * GIB, 41 * GIB][: site.disks_kept]
    assert [disk.size_bytes for disk in server.disks] == sizes
    assert len({disk.address for disk in server.disks}) == len(sizes)


def test_a_thing_that_is_gone_is_not_found(site: Site, cloud: Cloud) -> None:
    site.add_server(["one"])
    with pytest.raises(NotFound):
        cloud.server(site.gone)
    with pytest.raises(NotFound):
        cloud.find_copy(site.gone_copy)
    with pytest.raises(NotFound):
        cloud.ensure_on(site.gone)
    with pytest.raises(NotFound):
        cloud.ensure_copy(site.gone, "tok", MARK)


def test_many_operations_cost_as_many_calls_as_few(site: Site, cloud: Cloud) -> None:
    def calls_for(count: int) -> int:
        ids = []
        for number in range(count):
            server = site.add_server(["one"], power="on", shutdown_seconds=None)
            begin = cloud.ensure_shut_down if number % 2 else cloud.ensure_off
            begun = begin(server)
            assert begun is not None
            ids.append(begun.id)
        before = len(site.calls())
        answer = cloud.progress(ids)
        assert set(answer) == set(ids)
        assert Progress.RUNNING in {progress.state for progress in answer.values()}
        return len(site.calls()) - before

    site.list_in_one()
    cloud.identify()
    assert calls_for(10) == calls_for(30) <= 3


def test_an_operation_whose_record_is_dropped_counts_as_done(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    begun = cloud.ensure_on(server)
    assert begun is not None
    site.advance(48 * 3600)
    wait(site, cloud, begun, looks=3)
    assert cloud.ensure_on(server) is None


def test_an_operation_can_be_watched_by_another_process(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    begun = cloud.ensure_copy(server, "tok", MARK)
    assert isinstance(begun, Operation)
    with connected(site.connection) as other:
        wait(site, other, begun)


def test_a_failed_operation_gives_the_clouds_own_words(site: Site, cloud: Cloud) -> None:
    server = site.add_server(["one"])
    site.strike(Fault("task_failed", method="POST", path=site.power_path, detail="No host left"))
    begun = cloud.ensure_on(server)
    assert begun is not None
    site.advance(30)
    progress = cloud.progress([begun.id])[begun.id]
    assert progress.state == Progress.FAILED
    assert "No host left" in progress.detail


def test_a_busy_cloud_says_when_to_come_back(site: Site, cloud: Cloud) -> None:
    site.strike(Fault("status", status=503, retry_after=7))
    with pytest.raises(CloudBusy) as caught:
        cloud.inventory()
    assert caught.value.retry_after == 7
    assert cloud.inventory().servers == ()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html"),
        Fault("status", status=504),
        Fault("status", status=429),
        Fault("drop_before"),
        Fault("drop_after"),
    ],
    ids=["HTML instead of JSON", "504", "429", "dropped", "dropped after acting"],
)
def test_a_passing_trouble_may_be_asked_again(site: Site, cloud: Cloud, fault: Fault) -> None:
    site.strike(replace(fault))
    with pytest.raises((CloudBusy, CloudUnreachable)):
        cloud.inventory()
    assert cloud.inventory().servers == ()


def test_a_cloud_that_hangs_is_given_up(site: Site) -> None:
    site.strike(Fault("hang"))
    impatient = replace(site.connection, read_timeout=0.2)
    with connected(impatient) as cloud:
        with pytest.raises(CloudUnreachable, match=r"timed out.*0\.2 s"):
            cloud.inventory()
        assert cloud.inventory().servers == ()


def test_another_ca_is_not_trusted(site: Site, other_ca: str) -> None:
    with connected(replace(site.connection, ca_pem=other_ca)) as cloud:
        with pytest.raises(CloudUnreachable, match="not trusted") as caught:
            cloud.identify()
        assert caught.value.advice
    assert site.calls() == []


def test_the_systems_cas_are_not_enough_for_a_private_one(site: Site) -> None:
    with (
        connected(replace(site.connection, ca_pem="")) as cloud,
        pytest.raises(CloudUnreachable, match="not trusted"),
    ):
        cloud.identify()


def test_the_environment_has_no_say_in_whom_to_trust(
    site: Site, other_ca: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = f"{tmp_path}/bundle.pem"
    with open(bundle, "w", encoding="ascii") as file:
        file.write(other_ca)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with connected(site.connection) as cloud:
        assert cloud.identify().id


def test_a_wrong_password_is_tried_once(site: Site) -> None:
    with connected(replace(site.connection, secrets=site.wrong_secrets)) as cloud:
        tries = []
        for _ in range(8):
            with pytest.raises(SignInRefused) as caught:
                cloud.inventory()
            tries.append(len(site.calls()))
        assert caught.value.advice
        assert "guess" not in str(caught.value)
    assert len(set(tries)) == 1
    with connected(site.connection) as cloud:
        assert cloud.identify().id  # nobody is locked out


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9440", "ftp://x", "127.0.0.1", "https://", "https://x:port"]
)
def test_an_endpoint_that_is_no_https_address_is_refused(site: Site, endpoint: str) -> None:
    from portal.clouds.api import CloudRefused

    with (
        connected(replace(site.connection, endpoint=endpoint)) as cloud,
        pytest.raises(CloudRefused),
    ):
        cloud.identify()


def test_nobody_listening_is_unreachable(site: Site) -> None:
    with (
        connected(replace(site.connection, endpoint="https://127.0.0.1:9")) as cloud,
        pytest.raises(CloudUnreachable, match="refuses connections"),
    ):
        cloud.identify()
