"""A worker that was cut off changes nothing at a cloud once its tasks may be another's."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from portal.clouds import connect
from portal.clouds.fence import Withheld, fenced, require
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Task
from tests.clock import JumpClock
from tests.engine.conftest import Script
from tests.recovery_scene import PRIMARY_CLUSTER
from tests.volume_scene import PROFILE, build_volume

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE


def test_what_only_reads_is_never_withheld() -> None:
    with fenced(lambda: False):
        require("get")
        with pytest.raises(Withheld):
            require("POST")
    require("POST")


@pytest.mark.parametrize(("kind", "look"), [(AHV, "/oob_schedules"), (AZURE, "/snapshots/")])
def test_no_order_follows_a_look_that_was_answered_too_late(
    kind: str, look: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=kind, volume=PROFILE)
    late: list[int] = []

    def answered(cloud: str, request: Any, answer: Any) -> None:
        if look in request.path and not late:
            late.append(len(lab.calls))
            scene.scene.clock.advance(settings.ENGINE_LEASE_SECONDS)

    lab.observers.append(answered)
    try:
        backup = scene.have_backup()
    finally:
        lab.observers.remove(answered)
    after = [call for call in lab.calls[late[0] + 1 :] if look in call.path]
    assert after[0].method == "GET", "it looks again before it orders"
    assert backup.task is not None
    assert Task.objects.get(pk=backup.task.pk).error == ""


@override_settings(ENGINE_LEASE_SECONDS=0.2)
def test_renewing_does_not_bring_back_a_lease_that_had_run_out(
    trial: Task, script: Script, clock: JumpClock
) -> None:
    """As when a cable is back: the database answers again before the cloud does."""
    runner = Runner(clock=clock, threads=2)
    withheld: list[bool] = []

    def cut_off() -> dict[str, object]:
        clock.advance(60)
        while runner.renewed_at < clock.now():
            threading.Event().wait(0.01)
        try:
            require("POST")
        except Withheld:
            withheld.append(True)
            raise
        return {}

    script.answers["first"] = [cut_off]
    runner.run(seconds=600)
    trial.refresh_from_db()
    assert withheld
    assert trial.state == Task.State.DONE
    assert script.calls == ["first", "first", "second"]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a limit of Linux")
@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_what_is_not_acknowledged_is_given_up_before_the_lease_ends(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=kind, volume=PROFILE)
    port = int(lab_server.urls[PRIMARY_CLUSTER if kind == AHV else AZURE].rpartition(":")[2])
    with closing(connect(scene.scene.resource.cloud_account.connection())) as cloud:
        cloud.identify()
        # By its type: to ask what is lazy for its class would make it.
        sockets = [each for each in gc.get_objects() if type(each) is ssl.SSLSocket]
        opened = [each for each in sockets if _port_of(each) == port]
        told = {each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for each in opened}
    assert told == {settings.ENGINE_LEASE_SECONDS * 500}


def _port_of(opened: ssl.SSLSocket) -> int:
    """The port of whom it is connected to; 0: nobody any more."""
    try:
        return int(opened.getpeername()[1])
    except OSError:
        return 0
