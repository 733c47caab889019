"""Workflows of disaster recovery for the matrix: how each begins, and what must hold at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from backups.models import Backup, Replica
from disaster_recovery.models import RecoverySettings
from portal.engine import clock
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Task
from reporting import sessions
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery
from tests.volume_scene import DESKTOP, PROFILE, USER, VolumeScene

State, Status = Task.State, Backup.Status
PLACES: list[tuple[str, str]] = list(
    product([Infrastructure.AHV, Infrastructure.AZURE], [SERVER, DESKTOP, PROFILE])
)


@dataclass
class Case:
    """A task about to run; ``initial`` is what there was at both sites before any backup."""

    scene: RecoveryScene
    task: Task
    backup: Backup | None
    initial: set[str]
    former_id: str


def _scene(server: LabServer, lab: Lab, kind: str, what: str, *, is_on: bool) -> RecoveryScene:
    return build_recovery(server, lab, kind=kind, what=what, is_on=is_on)


def _replicated(scene: RecoveryScene) -> Backup:
    backup = scene.backup()
    assert backup.replication_status == Replica.Status.DONE, backup.error
    return backup


def begin(workflow: str, server: LabServer, lab: Lab, kind: str, what: str) -> Case:
    """Make the scene and start the workflow in it."""
    is_on = workflow not in ("replicate", "configure")
    scene = _scene(server, lab, kind, what, is_on=is_on)
    initial, former_id = scene.everything(), scene.resource.external_id
    task, backup = _STARTS[workflow](scene)
    return Case(scene, task, backup, initial, former_id)


Started = tuple[Task, Backup | None]


def _backup(scene: RecoveryScene) -> Started:
    backup = scene.begin_backup()
    assert backup.task
    return backup.task, backup


def _replicate(scene: RecoveryScene) -> Started:
    backup = scene.backup()
    scene.enable()
    return scene.begin_to_replicate(backup), backup


def _again(scene: RecoveryScene) -> Started:
    backup = _replicated(scene)
    return scene.begin_to_replicate(backup), backup


def _restore(scene: RecoveryScene) -> Started:
    backup = _replicated(scene)
    scene.write("changed")
    return scene.begin_to_restore(backup, from_replica=True), backup


def _delete(scene: RecoveryScene) -> Started:
    backup = _replicated(scene)
    return scene.begin_to_delete(backup), backup


def _after_session(scene: RecoveryScene) -> Started:
    """A profile is attached when its session is closed; servers are stopped first."""
    RecoverySettings.objects.update_or_create(
        account=scene.account, defaults={"post_session_backup": True, "stops_server": True}
    )
    base = scene.base
    if scene.resource.kind == PROFILE and isinstance(base, VolumeScene):
        base.site.attach_volume(base.resource.external_id, base.server)
        machine = "a machine of a pool"
    else:
        machine = scene.resource.external_id
    account = scene.account
    event = sessions.Event(
        event_id="closed", account=account.pk, session_id="s-1", type="closed",
        occurred_at=scene.scene.clock.now(), user_name=USER, close_reason="logged_out",
        facts={"machine_id": machine},
    )  # fmt: skip
    with clock.using(scene.scene.clock):
        (outcome,) = sessions.take_in({account.pk: account}, [event])
    assert outcome.status == "accepted", outcome.problem
    for task in Task.objects.active():
        scene.scene.allow_time(task)
    backup = Backup.objects.get(type=Backup.Type.AFTER_SESSION, resource=scene.resource)
    assert backup.task
    return backup.task, backup


def _configure(scene: RecoveryScene) -> Started:
    return scene.begin_to_enable(), None


_STARTS: dict[str, Callable[[RecoveryScene], Started]] = {
    "backup with replication": _backup,
    "replicate": _replicate,
    "replicate again": _again,
    "restore from replica": _restore,
    "delete with replica": _delete,
    "post-session backup": _after_session,
    "configure": _configure,
}
WORKFLOWS = tuple(_STARTS)
# What is configured is configured in the same way, whatever the account has.
CASES = [
    (*place, workflow)
    for place, workflow in product(PLACES, WORKFLOWS)
    if workflow != "configure" or place[1] == SERVER
]


def check(case: Case, workflow: str, *, must_succeed: bool) -> None:
    """What holds after every end; then the backup is deleted, and nothing is left anywhere."""
    scene = case.scene
    case.task.refresh_from_db()
    assert not Task.objects.active().exists()
    is_done = case.task.state == State.DONE
    assert is_done or not must_succeed, f"{case.task.error} {case.task.error_detail}"
    if case.backup is None:
        assert scene.account.dr_enabled == is_done
        return
    backup = Backup.objects.get(pk=case.backup.pk)
    _check_content(case, workflow, is_done=is_done)
    _check_records(scene, backup, workflow, is_done=is_done)
    if backup.is_ready:
        assert scene.scene.site.contents(backup.external_id)[0] == "original"
        ended = scene.delete(backup)
        assert ended.state == State.DONE, ended.error
    new_id = scene.resource.external_id
    assert scene.everything() == _moved(case.initial, case.former_id, new_id)


def _moved(initial: set[str], former: str, new: str) -> set[str]:
    """A restored profile or drive is a new thing at its cloud."""
    return {each.replace(former, new) for each in initial}


def _check_content(case: Case, workflow: str, *, is_done: bool) -> None:
    content = "original"
    is_put_in_place = any(record["name"] == "drop" for record in case.task.steps)
    if workflow == "restore from replica" and not (is_done or is_put_in_place):
        content = "changed"
    assert case.scene.content == content
    if case.scene.resource.kind != PROFILE:
        power = case.scene.scene.site.power(case.scene.resource.external_id)
        assert power == "on", "its power was not put back"


def _check_records(scene: RecoveryScene, backup: Backup, workflow: str, *, is_done: bool) -> None:
    replicas = list(backup.replicas.order_by("task__created_at"))
    assert all(each.status != Replica.Status.IN_PROGRESS for each in replicas)
    there = [each for each in replicas if each.is_there]
    if workflow == "delete with replica" and is_done:
        assert backup.status == Status.DELETED
        assert not there
        return
    assert backup.status in (Status.READY, Status.FAILED, Status.CANCELED)
    for replica in there:
        assert scene.replica_content(replica) == "original"
    if workflow == "replicate again":
        assert len(there) == 1
    elif workflow == "replicate":
        # Complete is complete, whatever became of tidying up after it.
        assert len(there) == (replicas[-1].status == Replica.Status.DONE)
        assert there or not is_done
    if replicas and workflow != "delete with replica":
        assert backup.replication_status == replicas[-1].status
