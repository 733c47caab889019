"""The wire: bases, sign-in, faults, dialects, tasks/poll, the control API, the server itself."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from portal.lab import Clock, Fault, Lab, LabServer
from portal.lab.prism import V1, V2
from tests.lab.conftest import BASE, LON, Client

ROOT = Path(__file__).resolve().parents[2]


def status(client: Client, method: str = "GET", path: str = "/cluster", **options: Any) -> int:
    return client.ask(method, path, **options).status_code


# Routes and sign-in


@pytest.mark.parametrize("base", [BASE, "/api/nutanix/v2.0"])
def test_both_bases_answer_with_and_without_a_slash(lon: Client, base: str) -> None:
    for path in ("/cluster", "/cluster/", "/vms", "/vms/"):
        assert status(lon, path=path, base=base) == 200
    assert lon.ask("GET", "/cluster").headers["X-Ntnx-Env"] == "PE"
    assert status(lon, path="/nothing", base=base) == 404
    assert status(lon, "PUT", "/vms", base=base) == 405
    assert status(lon, path="/containers", base=base) == 404


def test_the_v3_probe_names_prism_element(lon: Client) -> None:
    answer = lon.ask("GET", "/users/me", base="/api/nutanix/v3")
    assert answer.headers["X-Ntnx-Env"] == "PE"
    lon.cluster.identity.environment = "PC"
    assert lon.ask("GET", "/cluster").headers["X-Ntnx-Env"] == "PC"


def test_the_system_is_described(lon: Client) -> None:
    cluster = lon.get("/cluster")
    assert (cluster["name"], cluster["hypervisor_types"]) == (LON, ["kKvm"])
    assert lon.list("/clusters")[0]["uuid"] == cluster["uuid"]
    assert lon.get(f"/clusters/{cluster['uuid']}")["num_nodes"] == 3
    host = lon.list("/hosts")[0]
    assert lon.get(f"/hosts/{host['uuid']}")["state"] == "NORMAL"
    containers = lon.list("/storage_containers", count=2147483647)
    assert [each["name"] for each in containers] == [
        "SelfServiceContainer",
        "default-container-77107",
    ]
    usage = containers[0]["usage_stats"]
    assert isinstance(usage["storage.free_bytes"], str)
    assert [each["name"] for each in lon.list("/vstores")] == [each["name"] for each in containers]
    assert len(lon.list("/networks")) == 2


def test_containers_come_and_go(lon: Client) -> None:
    lon.send("POST", "/storage_containers", {"name": "new", "compression_enabled": "true"})
    new = next(each for each in lon.list("/storage_containers") if each["name"] == "new")
    path = f"/storage_containers/{new['storage_container_uuid']}"
    assert lon.ask("DELETE", path).status_code == 204
    home = lon.cluster.container(None).uuid
    lon.cluster.add_vm("pacs")
    assert lon.ask("DELETE", f"/storage_containers/{home}").status_code == 422


def test_tolerates_what_clients_send(lon: Client) -> None:
    assert status(lon, path="/vms", body=None, __="1700000000") == 200
    raw = requests.Request("GET", lon.url("/vms"), data="null").prepare()
    raw.headers["Authorization"] = "Basic YWRtaW46bGFiLXBhc3N3b3Jk"
    assert lon.http.send(raw, verify=str(lon.server.ca_path)).status_code == 200
    assert lon.http.post(lon.url("/vms"), data="{oops").status_code == 400


def test_a_session_lives_by_its_cookie_until_it_idles(lon: Client) -> None:
    assert "JSESSIONID" in lon.ask("GET", "/cluster").cookies
    lon.http.auth = None
    lon.lab.clock.advance(14 * 60)
    assert status(lon) == 200
    lon.lab.clock.advance(14 * 60)
    assert status(lon) == 200
    lon.lab.clock.advance(16 * 60)
    assert status(lon) == 401
    lon.http.auth = ("admin", "lab-password")
    assert status(lon) == 200


def test_bad_passwords_lock_the_user_for_a_while(lon: Client) -> None:
    lon.http.auth = ("admin", "guess")
    assert [status(lon) for _ in range(5)] == [401] * 5
    lon.http.auth = ("admin", "lab-password")
    assert status(lon) == 401
    lon.lab.clock.advance(16 * 60)
    assert status(lon) == 200


def test_no_credentials_and_garbage_are_401(lon: Client) -> None:
    lon.http.auth = None
    assert status(lon) == 401
    for header in ("Bearer x", "Basic ???", "Basic /w=="):
        assert (
            lon.http.get(lon.url("/cluster"), headers={"Authorization": header}).status_code == 401
        )


# Dialects


def test_the_old_dialect_answers_500_for_refusals(lon: Client) -> None:
    lon.control("POST", "/dialect", {"errors": "500", "boolean_delete": "200"})
    assert status(lon, path="/vms/none") == 500
    answer = lon.ask("POST", "/protection_domains", {"name": "x"})
    assert answer.status_code == 500
    assert answer.json()["error_code"]["code"]
    lon.send("POST", "/protection_domains", {"value": "pd"})
    assert lon.send("DELETE", "/protection_domains/pd") == {"value": True}


def test_the_new_dialect_answers_204_for_boolean_deletes(lon: Client) -> None:
    lon.send("POST", "/protection_domains", {"value": "pd"})
    assert lon.ask("DELETE", "/protection_domains/pd").status_code == 204


@pytest.mark.parametrize("body", [{"nothing": 1}, {"errors": 5}, {"honours_clone_uuid": "yes"}])
def test_a_switch_that_does_not_exist_is_refused(lon: Client, body: dict[str, Any]) -> None:
    assert lon.ask("POST", "/dialect", body, base="/.lab").status_code == 400


# Tasks


def test_poll_answers_the_ended_and_ignores_the_unknown(lon: Client) -> None:
    vm = lon.cluster.add_vm("pacs", power="off")
    body = {"transition": "ON"}
    task = lon.send("POST", f"/vms/{vm.uuid}/set_power_state", body)["task_uuid"]
    poll = {"completed_tasks": [task, "unknown"], "timeout_interval": 0}
    assert lon.send("POST", "/tasks/poll", poll) == {"completed_tasks_info": [], "timed_out": True}
    lon.lab.clock.advance(5)
    answer = lon.send("POST", "/tasks/poll", poll)
    assert [each["uuid"] for each in answer["completed_tasks_info"]] == [task]
    assert answer["timed_out"] is False


def test_poll_waits_for_the_first_to_end(lon: Client) -> None:
    vm = lon.cluster.add_vm("pacs", power="off")
    body = {"transition": "ON"}
    task = lon.send("POST", f"/vms/{vm.uuid}/set_power_state", body)["task_uuid"]
    timer = threading.Timer(0.05, lon.lab.clock.advance, [5])
    timer.start()
    poll = {"completed_tasks": [task], "timeout_interval": 60}
    answer = lon.send("POST", "/tasks/poll", poll)
    timer.join()
    assert answer["timed_out"] is False


def test_tasks_show_percent_then_vanish(lon: Client) -> None:
    vm = lon.cluster.add_vm("pacs", power="off")
    begun = lon.send("POST", f"/vms/{vm.uuid}/clone", {"spec_list": [{"name": "copy"}]})
    lon.lab.clock.advance(2)
    (task,) = lon.send("POST", "/tasks/list", {"include_completed": False})["entities"]
    assert 50 <= task["percentage_complete"] < 99
    assert task["complete_time_usecs"] is None
    lon.lab.clock.advance(5)
    (row,) = lon.list("/progress_monitors", base="/PrismGateway/services/rest/v1")
    assert (row["status"], row["percentageCompleted"]) == ("succeeded", 100)
    assert len(lon.send("POST", "/tasks/list", {"include_completed": True})["entities"]) == 1
    lon.lab.clock.advance(3600)
    assert status(lon, path=f"/tasks/{begun['task_uuid']}") == 404


# Faults


def test_a_status_fault_answers_and_does_not_act(lon: Client) -> None:
    fault = lon.lab.faults.add(
        Fault("status", method="POST", path="^/protection_domains$", retry_after=7, after=1)
    )
    assert status(lon, "POST", "/protection_domains", body={"value": "a"}) == 201
    answer = lon.ask("POST", "/protection_domains", {"value": "b"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert fault.count == 0
    assert [each["name"] for each in lon.list("/protection_domains")] == ["a"]
    assert status(lon, "POST", "/protection_domains", body={"value": "b"}) == 201


def test_an_html_fault_is_no_json(lon: Client) -> None:
    lon.control("POST", "/faults", {"kind": "html"})
    answer = lon.ask("GET", "/cluster")
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize(("kind", "acts"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_connection_has_no_answer(lon: Client, kind: str, acts: bool) -> None:
    lon.lab.faults.add(Fault(kind))
    with pytest.raises(requests.ConnectionError):
        lon.ask("POST", "/protection_domains", {"value": "pd"})
    assert bool(lon.list("/protection_domains")) == acts
    assert lon.lab.calls[0].status == 0
    assert lon.lab.calls[0].body == {"value": "pd"}


def test_a_hanging_call_does_nothing_until_the_client_leaves(lon: Client) -> None:
    lon.lab.faults.add(Fault("hang", method="POST"))
    with pytest.raises(requests.ReadTimeout):
        lon.http.post(lon.url("/protection_domains"), json={"value": "pd"}, timeout=0.1)
    assert lon.list("/protection_domains") == []


def test_a_slow_call_acts_and_answers_late(lon: Client) -> None:
    lon.lab.faults.add(Fault("slow", delay=0.05))
    before = time.monotonic()
    assert status(lon) == 200
    assert time.monotonic() - before >= 0.05


def test_a_failed_task_says_why(lon: Client) -> None:
    vm = lon.cluster.add_vm("pacs", power="off")
    lon.lab.faults.add(Fault("task_failed", path="clone", detail="No space left"))
    begun = lon.send("POST", f"/vms/{vm.uuid}/clone", {"spec_list": [{"name": "copy"}]})
    task = lon.wait(begun["task_uuid"])
    assert task["progress_status"] == "Failed"
    assert task["meta_response"] == {"error_code": 1, "error_detail": "No space left"}
    assert len(lon.cluster.vms) == 1


def test_an_expired_cookie_is_refused_and_basic_still_works(lon: Client) -> None:
    fault = lon.lab.faults.add(Fault("expired_session"))
    assert status(lon) == 200
    assert fault.count == 1
    assert status(lon) == 401
    lon.http.cookies.clear()
    assert status(lon) == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_callback_runs_in_the_middle_of_a_call(lon: Client, when: str) -> None:
    seen: list[bool] = []
    domains = lon.cluster.protection_domains
    lon.lab.faults.add(Fault("call", callback=lambda: seen.append(bool(domains)), when=when))
    with pytest.raises(requests.ConnectionError):
        lon.ask("POST", "/protection_domains", {"value": "pd"})
    assert seen == [when == "after"]
    assert bool(domains) == (when == "after")


def test_a_fault_of_one_cluster_spares_the_other(lon: Client, dub: Client) -> None:
    lon.lab.faults.add(Fault("status", cluster=LON))
    assert status(dub) == 200
    assert status(lon) == 503


@pytest.mark.parametrize(
    "body",
    [{"kind": "nothing"}, {"kind": "call"}, {"kind": "html", "when": "never"}, {}, {"x": 1},
     {"kind": "html", "path": "("}],
)  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(lon: Client, body: dict[str, Any]) -> None:
    assert lon.ask("POST", "/faults", body, base="/.lab").status_code == 400


def test_faults_and_calls_can_be_seen_and_cleared(lon: Client) -> None:
    lon.control("POST", "/faults", {"kind": "html", "count": 3})
    assert [each["kind"] for each in lon.control("GET", "/faults")] == ["html"]
    lon.control("DELETE", "/faults")
    status(lon, path="/vms")
    calls = lon.control("GET", "/calls")
    assert [(call["method"], call["path"], call["status"]) for call in calls] == [
        ("GET", "/vms", 200)
    ]
    lon.control("DELETE", "/calls")
    assert lon.lab.calls == []


# Control


def test_disks_are_read_and_written(lon: Client) -> None:
    vm = lon.control("POST", "/vms", {"name": "pacs", "content": "monday"})
    path = f"/vms/{vm['uuid']}/disks/{vm['disks'][0]['uuid']}/content"
    assert lon.control("GET", path) == {"content": "monday"}
    lon.control("POST", path, {"content": "tuesday"})
    assert lon.control("GET", f"/vms/{vm['uuid']}")["disks"][0]["content"] == "tuesday"
    group = lon.control("POST", "/volume_groups", {"name": "data"})
    path = f"/volume_groups/{group['uuid']}/disks/vg.0/content"
    lon.control("POST", path, {"content": "x"})
    assert lon.control("GET", path) == {"content": "x"}
    state = lon.control("GET", "/")
    assert [each["name"] for each in state["vms"]] == ["pacs"]
    lon.control("DELETE", f"/vms/{vm['uuid']}")
    lon.control("DELETE", f"/volume_groups/{group['uuid']}")
    assert lon.list("/vms") == lon.list("/volume_groups") == []


def test_the_clock_jumps_and_runs_at_its_pace(lon: Client) -> None:
    lon.control("POST", "/clock", {"scale": 0})
    before = lon.lab.clock.now_usecs()
    lon.control("POST", "/clock", {"advance": 60})
    assert lon.lab.clock.now_usecs() == before + 60_000_000
    assert lon.control("GET", "/clock")["now"] == lon.lab.clock.now().isoformat()
    for body in ({"advance": -1}, {"advance": "x"}, {"scale": -1}):
        assert lon.ask("POST", "/clock", body, base="/.lab").status_code == 400


def test_a_fast_clock_carries_work_along() -> None:
    clock = Clock(scale=1_000_000)
    first = clock.now_usecs()
    while clock.now_usecs() < first + 3600 * 1_000_000:
        pass
    clock.scale = 0
    assert clock.now_usecs() == clock.now_usecs()


def test_link_and_guest_need_sense(lon: Client) -> None:
    for body in ({"site": "nowhere", "up": True}, {"site": LON, "up": True}):
        assert lon.ask("POST", "/link", body, base="/.lab").status_code == 404
    assert lon.ask("POST", "/link", {"site": "ahv-dub-02"}, base="/.lab").status_code == 400
    vm = lon.cluster.add_vm("pacs")
    assert lon.ask("POST", f"/vms/{vm.uuid}/guest", {}, base="/.lab").status_code == 400
    assert lon.ask("POST", "/vms", {"colour": "red"}, base="/.lab").status_code == 400


# The server


def test_the_ca_is_kept_and_its_key_is_private(tmp_path: Path) -> None:
    pems = []
    for _ in range(2):
        with LabServer(Lab.empty(), directory=tmp_path) as server:
            pems.append(server.ca_pem)
    assert pems[0] == pems[1] == (tmp_path / "ca.pem").read_text()
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0


def test_a_server_stops_at_once_with_calls_hanging(lab: Lab, lab_directory: Path) -> None:
    lab.faults.add(Fault("hang"))
    with LabServer(lab, directory=lab_directory) as server:
        client = Client(server, LON)
        troubles: list[Exception] = []

        def hang() -> None:
            try:
                client.ask("GET", "/cluster")
            except requests.ConnectionError as error:
                troubles.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        while not lab.calls:
            threading.Event().wait(0.005)
        before = time.monotonic()
    assert time.monotonic() - before < 0.3
    thread.join()
    client.http.close()
    assert troubles


def test_a_port_in_use_is_an_error_and_leaves_nothing_open(lab: Lab, lab_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError), LabServer(lab, {LON: port}, directory=lab_directory):  # noqa: PT011
            pass


def test_every_route_of_the_readme_exists(lab: Lab) -> None:
    text = (ROOT / "portal/lab/README.md").read_text()
    for version, routes in (("v2.0", V2), ("v1", V1)):
        section = text.partition(f"### {version}\n")[2].partition("\n###")[0]
        written = {
            tuple(line.strip("|` ").split("`")[0].split(" ", 1))
            for line in section.splitlines()
            if line.startswith("| `")
        }
        assert written == set(routes.listed)


# The command


def test_the_command_serves_ends_at_once_and_keeps_its_state(tmp_path: Path) -> None:
    names, pace = [], []
    for _ in range(2):
        command = [
            sys.executable, "-m", "portal.lab", "--ports", "0,0,0",
            "--directory", str(tmp_path), "--state", str(tmp_path / "state.sqlite3"),
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                url = line.partition("ahv-lon-01 at ")[2].partition(",")[0]
                http = requests.Session()
                http.trust_env, http.verify = False, str(tmp_path / "ca.pem")
                with http:
                    state = http.get(f"{url}/.lab/", timeout=5).json()
                    http.post(f"{url}/.lab/vms", json={"name": "added"}, timeout=5)
                names.append({vm["name"] for vm in state["vms"]})
                pace.append(time.monotonic())
                process.send_signal(signal.SIGTERM)
                assert process.wait(5) == 0
                assert time.monotonic() - pace[-1] < 1
            finally:
                process.kill()
    assert "radiology-pacs-sandbox" in names[0]
    assert names[1] == names[0] | {"added"}


def test_the_command_refuses_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = f"{taken.getsockname()[1]},0,0"
        command = [
            sys.executable, "-m", "portal.lab", "--ports", ports, "--directory", str(tmp_path),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
