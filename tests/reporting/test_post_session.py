"""Backups after sessions, on both clouds, against the lab: what closes, waits, detaches, stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from backups.models import Backup, Replica
from disaster_recovery.models import RecoverySettings
from portal import engine
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Resource, Task
from reporting import post_session, services, sessions
from reporting.models import Session
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery
from tests.volume_scene import DESKTOP, PROFILE, USER, VolumeScene

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
UNDER_USER = "sofia.lindqvist"


@dataclass
class At:
    """Somebody at work: a session on a machine, and what it holds of theirs."""

    recovery: RecoveryScene
    number: int = 0

    @property
    def resource(self) -> Resource:
        return self.recovery.resource

    def tell(self, type_: str, *, session: str = "s-1", reason: str = "logged_out") -> None:
        """Report an event that happened this moment."""
        self.number += 1
        account, server = self.recovery.account, self.machine
        event = sessions.Event(
            event_id=f"e-{self.number}", account=account.pk, session_id=session, type=type_,
            occurred_at=self.recovery.scene.clock.now(), user_name=USER,
            close_reason=reason if type_ == "closed" else "", facts={"machine_id": server},
        )  # fmt: skip
        with engine.clock.using(self.recovery.scene.clock):
            (outcome,) = sessions.take_in({account.pk: account}, [event])
        assert outcome.status == "accepted", outcome.problem
        for task in Task.objects.active():
            self.recovery.scene.allow_time(task)

    @property
    def machine(self) -> str:
        base = self.recovery.base
        return base.server if isinstance(base, VolumeScene) else base.resource.external_id

    def close(self, **more: str) -> Task:
        """End the session, and let everything that follows run."""
        self.tell("closed", **more)
        task = Task.objects.filter(kind=post_session.KIND).latest("created_at")
        return self.recovery.drive(task)

    def power(self) -> str:
        return self.recovery.scene.site.power(self.machine)


def _at_work(
    server: LabServer, lab: Lab, kind: str, what: str, *, stops_server: bool = False
) -> At:
    recovery = build_recovery(server, lab, kind=kind, what=what)
    RecoverySettings.objects.update_or_create(
        account=recovery.account,
        defaults={"post_session_backup": True, "stops_server": stops_server},
    )
    base = recovery.base
    if what == PROFILE and isinstance(base, VolumeScene):
        base.site.attach_volume(base.resource.external_id, base.server)
        Resource.objects.filter(pk=base.resource.pk).update(attached_to="vm")
    at = At(recovery)
    at.tell("started")
    return at


@pytest.fixture(
    params=[(cloud, what) for cloud in (AHV, AZURE) for what in (SERVER, DESKTOP, PROFILE)],
    ids=lambda each: "-".join(each),
)
def at(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> At:
    return _at_work(lab_server, lab, *request.param)


def _backup(at: At) -> Backup:
    return Backup.objects.get(type=Backup.Type.AFTER_SESSION, resource=at.resource)


def test_a_closed_session_is_backed_up_and_replicated(at: At) -> None:
    at.tell("disconnected")
    assert not Backup.objects.exists(), "a disconnect is no end (R131)"
    at.recovery.lab.calls.clear()
    task = at.close()
    assert task.state == Task.State.DONE, task.error
    backup = _backup(at)
    assert backup.is_ready, backup.error
    assert backup.name == f"After session of {USER}"
    assert task.children.get(resource=at.resource) == backup.task
    assert Replica.objects.get(backup=backup).status == Replica.Status.DONE
    assert at.recovery.replica_content(at.recovery.replica_of(backup)) == "original"
    # Servers stayed on (R132), and the backup says what that means (R133); a volume is at rest.
    assert at.power() == "on"
    assert backup.is_crash_consistent == (at.resource.kind != PROFILE)
    assert not _powered_off(at)
    assert not Notification.objects.filter(task=task).exists()


def _powered_off(at: At) -> list[str]:
    ends = ("/deallocate", "/powerOff", "/set_power_state")
    paths = [call.path for call in at.recovery.lab.calls if call.path.endswith(ends)]
    return [path for path in paths if at.machine.lower() in path.lower()]


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_a_volume_is_detached_before_its_backup_begins(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    at = _at_work(lab_server, lab, kind, PROFILE)
    lab.calls.clear()
    at.close()
    backup = _backup(at)
    task = backup.task
    assert task is not None
    assert [step["name"] for step in task.steps if step["state"] == "done"][:4] == [
        "detach", "look", "copy", "check",
    ]  # fmt: skip
    # The server's own backup begins at once; only the volume's snapshot has to wait.
    volume = at.resource.external_id
    domain = backup.external_id.partition("/")[0]
    changes = [call for call in lab.calls if call.method != "GET"]
    detached = next(n for n, call in enumerate(changes) if "etach" in call.path)
    taken = next(
        n for n, call in enumerate(changes)
        if call.path.endswith(f"{domain}/oob_schedules")
        or ("/snapshots/" in call.path and volume in str(call.body))
    )  # fmt: skip
    assert detached < taken
    assert at.resource.attached_to == ""


@pytest.mark.parametrize("what", [SERVER, DESKTOP])
@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_a_server_is_stopped_first_where_that_is_wanted(
    kind: str, what: str, lab: Lab, lab_server: LabServer
) -> None:
    at = _at_work(lab_server, lab, kind, what, stops_server=True)
    at.close()
    backup = _backup(at)
    assert (backup.status, backup.is_crash_consistent) == (Backup.Status.READY, False)
    assert backup.task is not None
    names = [step["name"] for step in backup.task.steps if step["state"] == "done"]
    assert names.index("power_off") < names.index("copy") < names.index("power_on")
    assert at.power() == "on"


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_a_server_with_another_session_is_not_stopped_under_it(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    at = _at_work(lab_server, lab, kind, SERVER, stops_server=True)
    at.tell("started", session="s-2")
    lab.calls.clear()
    at.close()
    assert _backup(at).is_crash_consistent
    assert not _powered_off(at)


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_a_volume_is_not_taken_from_a_user_who_is_back(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    at = _at_work(lab_server, lab, kind, PROFILE)
    at.tell("started", session="s-2")
    task = at.close()
    assert task.state == Task.State.DONE
    assert not Backup.objects.filter(resource=at.resource).exists()
    assert task.memory["in_use"] == 1
    assert at.resource.attached_to


def test_what_is_busy_is_waited_for(lab: Lab, lab_server: LabServer) -> None:
    at = _at_work(lab_server, lab, AHV, SERVER)
    by_hand = at.recovery.begin_backup("By hand")
    task = at.close()
    by_hand.refresh_from_db()
    assert (by_hand.is_ready, task.state) == (True, Task.State.DONE)
    assert _backup(at).is_ready


def test_what_is_busy_for_an_hour_is_told(lab: Lab, lab_server: LabServer) -> None:
    at = _at_work(lab_server, lab, AHV, SERVER)
    blocker = Task.objects.create(
        kind="create_backup", title="Backup", account=at.recovery.account, resource=at.resource,
        is_exclusive=True, next_wake_at=at.recovery.scene.clock.now() + timedelta(days=90),
        deadline_at=at.recovery.scene.clock.now() + timedelta(days=99),
    )  # fmt: skip
    at.tell("closed")
    task = Task.objects.get(kind=post_session.KIND)
    scene = at.recovery.scene
    while Task.objects.get(pk=task.pk).is_active:
        scene.clock.advance(15)
        Runner(clock=scene.clock, threads=1).run(seconds=1)
    blocker.delete()
    told = Notification.objects.get(task=task)
    assert "not complete" in told.title
    assert "busy with another task for an hour" in told.body


def test_one_close_makes_one_backup_however_often_it_is_told(at: At) -> None:
    at.close()
    at.tell("closed")
    at.tell("disconnected")
    assert Task.objects.filter(kind=post_session.KIND).count() == 1


def test_a_lost_machine_is_told_and_not_backed_up(at: At) -> None:
    at.tell("closed", reason="vm_lost")
    assert not Backup.objects.exists()
    assert Notification.objects.get(level="warning").title == f"No backup after a session of {USER}"


def test_nothing_is_backed_up_where_it_is_not_wanted(at: At) -> None:
    RecoverySettings.objects.update(post_session_backup=False, stops_server=False)
    at.tell("closed")
    assert Session.objects.get().state == "closed"
    assert not Task.objects.filter(kind=post_session.KIND).exists()


def test_a_backup_that_fails_is_told(lab: Lab, lab_server: LabServer) -> None:
    at = _at_work(lab_server, lab, AZURE, SERVER)
    lab.faults.add(Fault("status", status=403, method="PUT", path="snapshots", count=50))
    task = at.close()
    assert task.state == Task.State.DONE
    told = Notification.objects.get(task=task)
    assert (told.level, "not complete" in told.title) == ("error", True)
    lab.faults.clear()
    again = services.retry_task(SYSTEM, task)
    for each in Task.objects.active():
        at.recovery.scene.allow_time(each)
    assert at.recovery.drive(again).state == Task.State.DONE
    assert Backup.objects.ready().filter(type="D").count() == 1


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_retention_of_its_own_leaves_other_types_alone(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    at = _at_work(lab_server, lab, kind, SERVER)
    at.recovery.backup("By hand")
    for n in range(5):
        at.tell("started", session=f"n-{n}")
        at.close(session=f"n-{n}")
        at.tell("closed", session=f"n-{n}")
    ready = Backup.objects.ready()
    assert ready.filter(type="D").count() == 3
    assert ready.filter(type="M").count() == 1
