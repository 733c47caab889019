"""What the driver makes of answers the lab does not give."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import (
    CloudBusy,
    CloudError,
    CloudRefused,
    CloudUnreachable,
    NotFound,
    PowerState,
    Progress,
    SignInRefused,
)
from tests.portal.clouds.ahv.conftest import Reply, Wire

CLUSTER = {"uuid": "c-1", "name": "ahv-1", "version": "6.5.2", "hypervisor_types": ["kKvm"]}
COOKIE = {"Set-Cookie": "JSESSIONID=abc; Path=/; Secure; HttpOnly"}
ERROR = {"message": "No such thing", "detailed_message": None, "error_code": {"code": 1202}}
EMPTY: dict[str, Any] = {"metadata": {}, "entities": []}


def vm(**fields: Any) -> dict[str, Any]:
    return {"uuid": "vm-1", "name": "server", "power_state": "on", **fields}


# Classes of trouble


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(ERROR, 500), CloudRefused, "No such thing"),
        (Reply(ERROR, 422), CloudRefused, "No such thing"),
        (Reply(ERROR, 404), NotFound, "No such thing"),
        (Reply("oops", 500), CloudBusy, "500"),
        (Reply(None, 500), CloudBusy, "500"),
        (Reply("<html>", 502), CloudBusy, "502"),
        (Reply(ERROR, 429), CloudBusy, "No such thing"),
        (Reply("<html>", 404), CloudUnreachable, "not Prism Element"),
        (Reply(None, 302, {"Location": "https://elsewhere/"}), CloudUnreachable, "302"),
        (Reply(None, 403), SignInRefused, "lacks the right for GET /vms"),
        (Reply("<html>login</html>", 200), CloudUnreachable, "not JSON"),
        (Reply('{"entities": [', 200), CloudUnreachable, "not JSON"),
        (Reply([], 200), CloudUnreachable, "not Prism Element"),
        (Reply({"entities": None}, 200), CloudUnreachable, "not Prism Element"),
        (Reply({"entities": [7]}, 200), CloudUnreachable, "not Prism Element"),
        (Reply(None, 200), CloudUnreachable, "not Prism Element"),
        (Reply("{", 200, {"Content-Length": "900"}), CloudUnreachable, "broke"),
    ],
)
def test_each_trouble_has_its_class(
    wire: Wire, ahv: AhvCloud, reply: Reply, kind: type[CloudError], words: str
) -> None:
    wire.answer(reply)
    with pytest.raises(kind, match=words) as caught:
        ahv.inventory()
    assert type(caught.value) is kind


def test_of_a_java_trace_only_the_first_line_is_shown(wire: Wire, ahv: AhvCloud) -> None:
    trace = "java.lang.IllegalState: in use\n\tat com.example.A\n\tat com.example.B"
    wire.answer(Reply({"message": "Refused", "detailed_message": trace}, 500))
    with pytest.raises(CloudRefused) as caught:
        ahv.inventory()
    assert str(caught.value) == "Refused (java.lang.IllegalState: in use)"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("", None)],
)
def test_retry_after_is_seconds_or_a_date(
    wire: Wire, ahv: AhvCloud, header: str, seconds: float | None
) -> None:
    wire.answer(Reply(None, 503, {"Retry-After": header}))
    with pytest.raises(CloudBusy) as caught:
        ahv.inventory()
    assert caught.value.retry_after == seconds


def test_a_ca_that_is_no_certificate_is_refused(wire: Wire) -> None:
    cloud = AhvCloud(replace(wire.connection, ca_pem="-----BEGIN NONSENSE"))
    with pytest.raises(CloudRefused, match="CA certificate"):
        cloud.identify()


def test_the_secrets_are_in_no_repr(wire: Wire) -> None:
    assert "pässword" not in repr(wire.connection)
    assert "pässword" not in repr(AhvCloud(wire.connection))


# Signing in


def test_a_session_cookie_takes_the_place_of_the_password(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER, headers=COOKIE), Reply(CLUSTER))
    ahv.identify()
    ahv.identify()
    first, second = (headers for _, _, headers, _ in wire.asked)
    assert first["Authorization"] == "Basic " + b64encode("admin:pässword".encode()).decode()
    assert "Authorization" not in second
    assert second["Cookie"] == "JSESSIONID=abc"


def test_an_expired_cookie_costs_one_more_call(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER, headers=COOKIE), Reply(None, 401), Reply(CLUSTER))
    ahv.identify()
    assert ahv.identify().name == "ahv-1"
    assert [("Cookie" in headers) for _, _, headers, _ in wire.asked] == [False, True, False]


def test_a_password_changed_under_a_session_is_tried_once(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER, headers=COOKIE), Reply(None, 401))
    ahv.identify()
    for _ in range(5):
        with pytest.raises(SignInRefused, match="admin"):
            ahv.inventory()
    assert len(wire.asked) == 3


def _at_once(ahv: AhvCloud, threads: int) -> list[BaseException | None]:
    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(ahv.server, "vm-1") for _ in range(threads)]
        return [call.exception() for call in calls]


def test_threads_do_not_try_a_wrong_password_together(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(None, 401))
    assert {type(error) for error in _at_once(ahv, 12)} == {SignInRefused}
    assert len(wire.asked) == 1


@pytest.mark.parametrize("headers", [COOKIE, {}], ids=["with a cookie", "without"])
def test_threads_share_the_session(wire: Wire, ahv: AhvCloud, headers: dict[str, str]) -> None:
    wire.answer(Reply(vm(), headers=headers))
    assert set(_at_once(ahv, 12)) == {None}
    with_password = sum("Authorization" in headers for _, _, headers, _ in wire.asked)
    assert with_password == (1 if headers else 12)


def test_a_person_may_test_a_refused_password_again_at_once(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(None, 401), Reply(CLUSTER))
    with pytest.raises(SignInRefused):
        ahv.inventory()
    assert ahv.identify().name == "ahv-1"


# What answers


def test_prism_central_is_not_a_cluster(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER, headers={"X-Ntnx-Env": "PC"}))
    with pytest.raises(CloudRefused, match="Prism Central"):
        ahv.identify()


def test_another_hypervisor_is_refused(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER | {"hypervisor_types": ["kVMware"]}))
    with pytest.raises(CloudRefused, match="kVMware"):
        ahv.identify()


def test_json_that_is_no_cluster_is_refused(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply({"hello": "world"}))
    with pytest.raises(CloudRefused, match="not a Prism Element"):
        ahv.identify()


def test_upgrades_and_new_releases_are_warned_of(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(CLUSTER | {"version": "7.0.1", "is_upgrade_in_progress": True}))
    warnings = ahv.identify().warnings
    assert ["upgrade" in warnings[0], "7.0.1" in warnings[1]] == [True, True]


# Odd JSON


def test_missing_and_null_fields_do_no_harm(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(vm(description=None, num_vcpus=None, vm_disk_info=None, power_state=None)))
    server = ahv.server("vm-1")
    assert (server.description, server.vcpus, server.disks) == ("", 0, ())
    assert server.power == PowerState.UNKNOWN


@pytest.mark.parametrize(
    ("wire_state", "power"),
    [
        ("on", PowerState.ON),
        ("ON", PowerState.ON),
        ("Off", PowerState.OFF),
        ("POWERING_ON", PowerState.OFF),
        ("shutting_down", PowerState.ON),
        ("suspended", PowerState.UNKNOWN),
    ],
)
def test_power_comes_in_any_case(
    wire: Wire, ahv: AhvCloud, wire_state: str, power: PowerState
) -> None:
    wire.answer(Reply(vm(power_state=wire_state)))
    assert ahv.server("vm-1").power == power


def test_cores_count_and_only_disks_with_data(wire: Wire, ahv: AhvCloud) -> None:
    disks = [
        {"disk_address": {"device_bus": "IDE", "device_index": 0}, "is_cdrom": True},
        {
            "disk_address": {"device_bus": "SCSI", "device_index": 1, "vmdisk_uuid": "d-1"},
            "size": 7,
            "source_disk_address": {"vmdisk_uuid": "d-0"},
        },
        {"disk_address": {"device_bus": "scsi", "device_index": 2, "volume_group_uuid": "g"}},
    ]
    wire.answer(Reply(vm(num_vcpus=2, num_cores_per_vcpu=4, vm_disk_info=disks)))
    server = ahv.server("vm-1")
    assert server.vcpus == 8
    assert [(d.id, d.address, d.source_id) for d in server.disks] == [("d-1", "scsi.1", "d-0")]
    assert server.size_bytes == 7


def test_counts_of_an_envelope_are_not_believed(wire: Wire, ahv: AhvCloud) -> None:
    groups = [
        {"uuid": "g-1", "name": "g", "disk_list": [{"vmdisk_size_mb": 1}]},
        {"uuid": "g-2", "name": "deleted", "is_deleted": True},
    ]
    envelope = {"metadata": {"total_entities": 0}}
    wire.answer(Reply(envelope | {"entities": [vm()]}), Reply(envelope | {"entities": groups}))
    inventory = ahv.inventory()
    assert [server.name for server in inventory.servers] == ["server"]
    assert [(volume.id, volume.size_bytes) for volume in inventory.volumes] == [("g-1", 1 << 20)]


def test_an_unknown_vm_that_answers_500_is_looked_for_in_the_list(
    wire: Wire, ahv: AhvCloud
) -> None:
    wire.answer(Reply(ERROR, 500), Reply(EMPTY))
    with pytest.raises(NotFound):
        ahv.server("vm-1")
    wire.answer(Reply(ERROR, 500), Reply({"entities": [vm()]}))
    with pytest.raises(CloudRefused) as caught:
        ahv.server("vm-1")
    assert not isinstance(caught.value, NotFound)


def test_an_id_cannot_leave_its_path(wire: Wire, ahv: AhvCloud) -> None:
    wire.answer(Reply(ERROR, 404))
    with pytest.raises(NotFound):
        ahv.server("../cluster?x=y")
    assert "/vms/..%2Fcluster%3Fx%3Dy" in wire.asked[0][1]


# Operations


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Succeeded", Progress.DONE),
        ("SUCCEEDED", Progress.DONE),
        ("Failed", Progress.FAILED),
        ("aborted", Progress.FAILED),
        ("Suspended", Progress.RUNNING),
        (None, Progress.RUNNING),
    ],
)
def test_task_states_come_in_any_case(
    wire: Wire, ahv: AhvCloud, status: str | None, state: str
) -> None:
    task = {"uuid": "t", "progress_status": status, "meta_response": None}
    wire.answer(Reply({"completed_tasks_info": [task], "timed_out": False}))
    assert ahv.progress(["task:t"])["task:t"].state == state


def test_a_task_nobody_knows_is_done_when_it_is_unknown_twice(wire: Wire, ahv: AhvCloud) -> None:
    nothing = Reply({"completed_tasks_info": None})
    for state in (Progress.RUNNING, Progress.DONE):
        wire.answer(nothing, Reply(EMPTY), Reply(ERROR, 404))
        assert ahv.progress(["task:t"])["task:t"].state == state


def test_a_failed_task_that_was_only_waited_for_is_done(wire: Wire, ahv: AhvCloud) -> None:
    task = {"uuid": "t", "progress_status": "Failed"}
    wire.answer(Reply({"completed_tasks_info": [task]}))
    answer = ahv.progress(["ended:t", "task:t"])
    assert answer["ended:t"].state == Progress.DONE
    assert answer["task:t"].state == Progress.FAILED


def test_a_refusal_to_say_how_operations_stand_fails_none_of_them(
    wire: Wire, ahv: AhvCloud
) -> None:
    wire.answer(Reply(ERROR, 404))
    with pytest.raises(CloudBusy, match="No such thing"):
        ahv.progress(["task:t"])


def test_an_id_of_another_driver_has_failed(wire: Wire, ahv: AhvCloud) -> None:
    assert ahv.progress(["copy:7"])["copy:7"].state == Progress.FAILED
    assert wire.asked == []
