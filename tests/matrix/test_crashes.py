"""A worker, a real process, killed before and after every call to the cloud.

Killed before: the call was not acted upon, the checkpoint before it stands: that is
every step boundary. Killed after: the cloud acted, and the commit that would have
said so never came. Afterwards a second worker is started, as the supervisor does,
and nothing is pressed.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from backups.models import Backup
from portal.lab import Fault, Lab, LabServer
from portal.models import Task
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import empty_lab
from tests.matrix.strides import RUNNING, of_each_kind, stride_of, strides
from tests.scene import CLUSTER, Scene, build

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
# Far above what any workflow needs: the loop ends when a run outlives its kill.
MANY = 1000
# AHV is struck at every call; the second database sees a part, see `tests.matrix.strides`.
STRIDES = strides(ahv=5, azure=15)


class Host:
    """Forks workers on demand; see tests/worker_host.py."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker_host"],
            cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.pids: queue.Queue[int] = queue.Queue()

    def work(self, server: LabServer) -> int:
        """Run one worker to its end; return its wait status."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{server.urls[CLUSTER]} {server.ca_path}\n")
        self.process.stdin.flush()
        self.pids.put(int(self.process.stdout.readline().split()[1]))
        status = int(self.process.stdout.readline().split()[1])
        while not self.pids.empty():
            self.pids.get()
        return status

    def kill(self) -> None:
        """Kill the worker at work; called by the lab in the middle of a request."""
        os.kill(self.pids.get(timeout=10), signal.SIGKILL)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def host(process_environment: dict[str, str], settings: LazySettings) -> Iterator[Host]:
    keys = {"SECRETS_KEYS": ",".join(settings.SECRETS_KEYS)}
    host = Host(process_environment | keys)
    yield host
    host.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


def _prepare_backup(scene: Scene, *, keep_running: bool = False) -> Callable[[], None]:
    backup = scene.backup(keep_running=keep_running)

    def check() -> None:
        backup.refresh_from_db()
        assert backup.status == Backup.Status.READY
        assert scene.content_of(backup) == "original"
        scene.assert_in_order("original")

    return check


def _prepare_running_backup(scene: Scene) -> Callable[[], None]:
    return _prepare_backup(scene, keep_running=True)


def _prepare_publish(scene: Scene) -> Callable[[], None]:
    backup = scene.publish()

    def check() -> None:
        backup.refresh_from_db()
        assert backup.status == Backup.Status.READY
        assert scene.content_of(backup) == "original+generalized"
        scene.assert_in_order("original")

    return check


def _prepare_restore(scene: Scene) -> Callable[[], None]:
    backup = scene.have_backup()
    scene.write("changed")
    task = scene.restore(backup)

    def check() -> None:
        task.refresh_from_db()
        assert task.state == Task.State.DONE
        scene.assert_in_order("original")

    return check


def _prepare_delete(scene: Scene) -> Callable[[], None]:
    backup = scene.have_backup()
    scene.delete(backup)

    def check() -> None:
        backup.refresh_from_db()
        assert backup.status == Backup.Status.DELETED
        scene.assert_in_order("original")

    return check


WORKFLOWS = {
    "backup": _prepare_backup,
    "restore": _prepare_restore,
    "delete": _prepare_delete,
    RUNNING: _prepare_running_backup,
    "publish": _prepare_publish,
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "workflow"), of_each_kind(WORKFLOWS))
def test_a_killed_worker_loses_and_doubles_nothing(
    kind: str,
    workflow: str,
    when: str,
    host: Host,
    directory: Path,
    record_property: Callable[[str, object], None],
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _kill_at_every_call(kind, workflow, when, host, lab, server))
    assert cases >= 1
    record_property("matrix", f"{kind}: {workflow}, worker killed {when} a call: {cases} cases")


def _kill_at_every_call(
    kind: str, workflow: str, when: str, host: Host, lab: Lab, server: LabServer
) -> Iterator[int]:
    stride = stride_of(STRIDES[kind], workflow)
    first = list(WORKFLOWS).index(workflow) % stride
    for number in range(first, MANY, stride):
        empty_lab(lab)
        scene = build(server, lab, kind=kind)
        check = WORKFLOWS[workflow](scene)
        lab.faults.add(
            Fault("call", path=r"^(?!.*\.lab)", after=number, callback=host.kill, when=when)
        )
        status = host.work(server)
        was_killed = os.WIFSIGNALED(status)
        lab.faults.clear()
        if was_killed:
            assert host.work(server) == 0
        check()
        if not was_killed:
            return
        yield number
    raise AssertionError("the workflow never ran out of calls")
