"""What the gateway answers, and what the driver makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal.clouds import connect
from portal.clouds.ahv.agent import GuestAgents
from portal.clouds.api import CloudBusy, CloudError, CloudRefused, CloudUnreachable, Connection
from portal.lab import Fault, Lab, LabServer
from tests.contract.carrying import MARK, carry
from tests.contract.sites import CLUSTER, PrismSite

GATEWAY_CALL = "/generalize/"


@pytest.fixture
def site(lab_directory: Path) -> Iterator[PrismSite]:
    lab = Lab.empty()
    with LabServer(lab, directory=lab_directory) as server:
        yield PrismSite(lab, server, iter(range(1, 9)))


@pytest.fixture
def vm(site: PrismSite) -> str:
    return site.add_server(["system"], power="on")


def agents_of(connection: Connection, **secrets: str) -> GuestAgents:
    return GuestAgents(replace(connection, secrets={**connection.secrets, **secrets}))


def test_sysprep_is_begun_once_for_a_token(site: PrismSite, vm: str) -> None:
    agents = agents_of(site.connection)
    assert agents.look(vm, "a") is None
    first = agents.begin(vm, "a")
    site.advance(30)
    assert agents.begin(vm, "a") == first
    site.advance(31)
    ended = agents.look(vm, "a")
    assert ended
    assert ended.state == "done"
    assert site.contents(vm) == ["system+generalized"]
    agents.close()


def test_an_agent_that_is_not_up_is_waited_for(site: PrismSite, vm: str) -> None:
    site.lab.clusters[CLUSTER].guests.agent = "never"
    agents = agents_of(site.connection)
    assert agents.begin(vm, "a") is None
    agents.close()


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ({"kind": "status", "status": 503, "retry_after": 7}, CloudBusy, "gateway is busy"),
        ({"kind": "status", "status": 500}, CloudBusy, "gateway is busy"),
        ({"kind": "status", "status": 422}, CloudRefused, "refused with status 422"),
        ({"kind": "status", "status": 200, "body": [1]}, CloudUnreachable, "is not one"),
        ({"kind": "status", "status": 200, "body": {"state": "?"}}, CloudUnreachable, "is not one"),
        ({"kind": "status", "status": 200, "body": {"state": []}}, CloudUnreachable, "is not one"),
        ({"kind": "status", "status": 200, "body": "<html>"}, CloudUnreachable, "is not one"),
        ({"kind": "status", "status": 404, "body": "<html>"}, CloudUnreachable, "is not one"),
        ({"kind": "html"}, CloudBusy, "gateway is busy"),
        ({"kind": "drop_before"}, CloudUnreachable, "broke"),
    ],
)
def test_troubles_are_of_the_three_kinds(
    site: PrismSite, vm: str, fault: dict[str, Any], error: type[CloudError], said: str
) -> None:
    agents = agents_of(site.connection)
    site.lab.faults.add(Fault(path=GATEWAY_CALL, **fault))
    with pytest.raises(error, match=said) as raised:
        agents.begin(vm, "a")
    assert getattr(raised.value, "retry_after", None) in (None, fault.get("retry_after"))
    agents.close()


def test_a_404_of_a_proxy_does_not_start_a_clone_that_is_done(site: PrismSite) -> None:
    server = site.add_server(["system"])
    cloud = connect(site.connection)
    made = carry(site, cloud, lambda cloud: cloud.ensure_clone(server, "tok", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_generalized(made.id, "tok"))
    fault = Fault("status", path=GATEWAY_CALL, status=404, body="<html>", count=1)
    site.lab.faults.add(fault)
    with pytest.raises(CloudUnreachable, match="is not one"):
        cloud.ensure_generalized(made.id, "tok")
    assert cloud.ensure_generalized(made.id, "tok") is None
    cloud.close()


def test_a_wrong_token_is_named_and_never_shown(site: PrismSite, vm: str) -> None:
    agents = agents_of(site.connection, agent_token="guess-4711")
    with pytest.raises(CloudRefused, match="does not accept its token") as raised:
        agents.look(vm, "a")
    assert "guess-4711" not in f"{raised.value} {raised.value.advice}"
    assert "token in the cloud account" in raised.value.advice
    agents.close()


def test_without_a_gateway_it_says_what_to_add(site: PrismSite, vm: str) -> None:
    with pytest.raises(CloudRefused, match="no guest agent gateway"):
        agents_of(site.connection, agent_endpoint="").look(vm, "a")


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({}, ()),
        ({"agent_endpoint": "", "agent_token": ""}, ()),
        ({"agent_token": "guess"}, ("Sysprep cannot be run: The guest agent gateway does not",)),
        (
            {"agent_endpoint": "https://localhost:1"},
            ("Sysprep cannot be run: localhost:1 refuses",),
        ),
    ],
)
def test_the_test_of_a_connection_says_what_is_wrong_with_the_gateway(
    site: PrismSite, secrets: dict[str, str], said: tuple[str, ...]
) -> None:
    connection = replace(site.connection, secrets={**site.connection.secrets, **secrets})
    cloud = connect(connection)
    warnings = cloud.identify().warnings
    cloud.close()
    assert len(warnings) == len(said)
    assert all(warning.startswith(begin) for warning, begin in zip(warnings, said, strict=True))
