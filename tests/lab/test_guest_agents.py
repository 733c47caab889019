"""The guest agent gateway beside a cluster: sysprep begins, ends, fails and hangs in a guest."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from portal.lab import Fault
from portal.lab.prism.model import Vm
from tests.lab.conftest import GIB, Client

GATEWAY = "/guest-agent/v1"
SECRET = "lab-agent-token"


@pytest.fixture
def vm(lon: Client) -> Vm:
    """A machine that is on, and its agent up."""
    vm = lon.cluster.add_vm("frame", power="off", disks=[(10 * GIB, "system")])
    turn(lon, vm, "ON")
    lon.lab.clock.advance(30)
    return vm


def turn(lon: Client, vm: Vm, transition: str) -> None:
    lon.run("POST", f"/vms/{vm.uuid}/set_power_state", {"transition": transition})


def call(
    lon: Client, method: str, vm: Vm, *, run: str = "a", secret: str = SECRET
) -> requests.Response:
    url = lon.url(f"/vms/{vm.uuid}/generalize/{run}", GATEWAY)
    headers = {"Authorization": f"Bearer {secret}"}
    # The client's own sign-in would take the place of the header.
    with requests.Session() as http:
        http.trust_env, http.verify = False, lon.http.verify
        return http.request(method, url, headers=headers, timeout=5)


def said(lon: Client, method: str, vm: Vm) -> tuple[int, Any]:
    answer = call(lon, method, vm)
    return answer.status_code, answer.json()


def test_a_call_without_the_gateways_token_is_refused(lon: Client, vm: Vm) -> None:
    assert call(lon, "GET", vm, secret="lab-password").status_code == 401
    assert lon.ask("PUT", f"/vms/{vm.uuid}/generalize/a", base=GATEWAY).status_code == 401
    assert call(lon, "GET", Vm("none", "none")).status_code == 404
    assert call(lon, "PUT", Vm("none", "none")).status_code == 404


def test_an_agent_answers_some_time_after_the_start(lon: Client, vm: Vm) -> None:
    turn(lon, vm, "OFF")
    assert call(lon, "PUT", vm).status_code == 409
    turn(lon, vm, "ON")
    assert call(lon, "PUT", vm).status_code == 409
    lon.control("POST", "/guests", {"agent": "never"})
    lon.lab.clock.advance(600)
    assert call(lon, "PUT", vm).status_code == 409
    lon.control("POST", "/guests", {"agent": "ready"})
    assert call(lon, "GET", vm).status_code == 404
    assert said(lon, "PUT", vm) == (202, {"state": "running", "detail": ""})


def test_sysprep_shuts_the_guest_down_and_changes_what_its_disk_holds(lon: Client, vm: Vm) -> None:
    call(lon, "PUT", vm)
    lon.lab.clock.advance(30)
    call(lon, "PUT", vm)
    lon.lab.clock.advance(31)
    assert said(lon, "GET", vm) == (200, {"state": "done", "detail": ""})
    assert said(lon, "PUT", vm) == (202, {"state": "done", "detail": ""})
    lon.lab.clock.advance(600)
    assert (vm.power_state, vm.disks[0].content) == ("off", "system+generalized")


def test_a_cut_of_power_ends_sysprep_halfway(lon: Client, vm: Vm) -> None:
    call(lon, "PUT", vm)
    turn(lon, vm, "OFF")
    turn(lon, vm, "ON")
    lon.lab.clock.advance(600)
    assert said(lon, "GET", vm)[1]["state"] == "failed"
    assert (vm.power_state, vm.disks[0].content) == ("on", "system")


def test_sysprep_fails_and_hangs_when_told_to(lon: Client, vm: Vm) -> None:
    lon.control("POST", "/guests", {"sysprep": "fails", "detail": "Store app in the way"})
    assert said(lon, "PUT", vm)[1] == {"state": "failed", "detail": "Store app in the way"}
    lon.control("POST", "/guests", {"sysprep": "hangs"})
    assert call(lon, "PUT", vm, run="b").json()["state"] == "running"
    lon.lab.clock.advance(3600)
    assert call(lon, "GET", vm, run="b").json()["state"] == "running"
    assert (vm.power_state, vm.disks[0].content) == ("on", "system")


def test_faults_strike_the_gateway_too_and_its_calls_are_logged(lon: Client, vm: Vm) -> None:
    lon.lab.faults.add(Fault("status", method="PUT", path="/generalize/", status=503))
    assert call(lon, "PUT", vm).status_code == 503
    assert vm.sysprep is None
    assert call(lon, "PUT", vm).status_code == 202
    logged = [each.status for each in lon.lab.calls if "/generalize/" in each.path]
    assert logged == [503, 202]
