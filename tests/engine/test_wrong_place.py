"""A name may stand for another machine than when it was saved: judged when it is connected to."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings

from portal import engine
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import CloudAccount, Task
from tests.scene import build

pytestmark = pytest.mark.usefixtures("db")


@override_settings(ALLOW_LOOPBACK_CLOUDS=False)
def test_a_task_ends_with_a_sentence_and_sends_nothing_to_a_machine_of_ours(tmp_path: Path) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=tmp_path) as server:
        scene = build(server, lab)
        # Saved while the name stood for something else; it is "localhost" now.
        CloudAccount.objects.update(
            endpoint=scene.resource.cloud_account.endpoint.replace("127.0.0.1", "localhost")
        )
        task = engine.start(
            "test_cloud_account", title="Test connection", cloud_account=CloudAccount.objects.get()
        )
        Runner(clock=scene.clock, threads=2).run(seconds=600)
        assert lab.calls == []
    task.refresh_from_db()
    assert task.state == Task.State.FAILED
    assert "localhost stands for 127.0.0.1, which is this machine (loopback)" in task.error
    assert "another machine's" in task.advice
    row = CloudAccount.objects.get()
    assert row.health == CloudAccount.Health.UNREACHABLE
    assert "Nothing was sent there." in row.health_detail
