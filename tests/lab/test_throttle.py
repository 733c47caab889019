"""A remote site's bandwidth policy: what travels obeys it, by the cluster's own clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.lab.conftest import DUB, GIB, Client
from tests.lab.test_domains import begin

MB, HOUR = 2**20, 3600
ZONE = "Europe/London"


@pytest.fixture
def domains(lon: Client) -> list[str]:
    """Two protected machines of 10 GiB, each in a domain of its own, at noon."""
    lon.cluster.identity.timezone = ZONE
    local = lon.lab.clock.now().astimezone(ZoneInfo(ZONE))
    noon = (12 * HOUR - _second(local)) % (24 * HOUR)
    lon.lab.clock.advance(noon)
    for name in ("one", "two"):
        vm = lon.cluster.add_vm(name, size_bytes=10 * GIB)
        lon.send("POST", "/protection_domains", {"value": name})
        lon.send("POST", f"/protection_domains/{name}/protect_vms", {"uuids": [vm.uuid]})
    return ["one", "two"]


def _second(local: datetime) -> int:
    return local.hour * HOUR + local.minute * 60 + local.second


def _throttle(client: Client, default: int, *windows: tuple[float, float, int]) -> None:
    site = client.get(f"/remote_sites/{DUB}")
    policy = {
        "policy_name": "tight",
        "default_bandwidth_limit": default,
        "bandwidth_configurations": [
            {"start_time": int(begins * HOUR * 10**6), "end_time": int(ends * HOUR * 10**6),
             "days_selected": 127, "bandwidth_limit": limit}
            for begins, ends, limit in windows
        ],
    }  # fmt: skip
    body = {**site, "bandwidth_policy_enabled": True, "bandwidth_policy": policy}
    client.send("PUT", "/remote_sites", body)


def _send(client: Client, domain: str) -> None:
    begin(client, DUB, domain=domain)
    client.lab.clock.advance(5)


def _done(client: Client) -> list[float]:
    rows: list[Any] = client.list("/protection_domains/replications")
    return [row["completed_bytes"] / MB for row in rows if row["sender"]]


def test_what_travels_obeys_the_default_limit_and_shares_it(
    lon: Client, domains: list[str]
) -> None:
    _throttle(lon, 10 * MB)
    for domain in domains:
        _send(lon, domain)
    before = _done(lon)
    lon.lab.clock.advance(100)
    assert [after - was for after, was in zip(_done(lon), before, strict=True)] == pytest.approx(
        [500, 500], abs=10
    )
    lon.lab.clock.advance(20 * GIB / (10 * MB))
    assert _done(lon) == []


def test_a_window_begins_and_ends_while_something_travels(lon: Client, domains: list[str]) -> None:
    _throttle(lon, 18 * MB, (12.1, 12.2, 1 * MB))
    _send(lon, domains[0])
    lon.lab.clock.advance(0.15 * HOUR - 5)
    expected = 0.1 * HOUR * 18 + 0.05 * HOUR * 1
    assert _done(lon) == pytest.approx([expected], abs=130)
    lon.lab.clock.advance(0.1 * HOUR)
    expected += 0.05 * HOUR * 1 + 0.05 * HOUR * 18
    assert _done(lon) == pytest.approx([expected], abs=130)


def test_a_limit_that_is_lifted_lets_it_go_on_at_once(lon: Client, domains: list[str]) -> None:
    _throttle(lon, 1 * MB)
    _send(lon, domains[0])
    lon.lab.clock.advance(60)
    (slow,) = _done(lon)
    assert slow < 100
    _throttle(lon, 0)
    lon.lab.clock.advance(11)
    assert _done(lon) == []
