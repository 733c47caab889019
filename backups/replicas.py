"""Replicas as backup workflows meet them: what goes with a backup, and what comes back of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from backups.models import Backup, Replica, note_replica_age, note_replication
from portal.clouds.api import Copy, Mark, NotFound, Operation, Sent, Target
from portal.engine import clock
from portal.engine.workflow import Job, Learned, Step
from portal.models import Resource, Task


def removals_of(replicas: Iterable[Replica]) -> list[dict[str, str]]:
    """What a task is told to remove these replicas, at both sites."""
    return [
        {
            "id": str(replica.pk),
            "token": replica.task_token,
            "copy": replica.external_id,
            "sent": replica.sent_id,
        }
        for replica in replicas
    ]


def mark_of(job: Job) -> Mark:
    """The mark on what the task makes at a cloud."""
    args = job.args
    return Mark(
        args["account"],
        args["resource"],
        args["backup"],
        job.token,
        args["type"],
        # Tasks from before a release that marks this have none.
        args.get("server", ""),
    )


# Removing


def _remove_replicas(job: Job) -> Operation | None:
    for each in job.args["replicas"]:
        waiting = job.cloud.ensure_not_received(
            each["token"], mark_of(job), each["copy"], each["sent"]
        )
        if waiting:
            return waiting
    return None


def _remove_sent(job: Job) -> Operation | None:
    for each in job.args["replicas"]:
        waiting = job.cloud.ensure_not_sent(job.args["copy"], each["token"], mark_of(job))
        if waiting:
            return waiting
    return None


def _has_replicas(args: Learned, memory: Learned) -> bool:
    return bool(args.get("replicas"))


def _note_removed(task: Task, learned: Learned) -> Learned:
    """Write that these replicas are gone."""
    ids = [UUID(each["id"]) for each in task.args["replicas"]]
    Replica.objects.filter(pk__in=ids, removed_at=None).update(removed_at=clock.now())
    backup = Backup.objects.get(pk=task.args["backup"])
    if backup.replicas.not_removed().exists():
        note_replica_age(Resource.objects.filter(pk=backup.resource_id))
    else:
        note_replication(backup, "")
    return learned


REMOVE_REPLICAS = Step(
    "remove_replica",
    "Remove the replica at the secondary site",
    _remove_replicas,
    save=_note_removed,
    when=_has_replicas,
    is_committed=True,
    is_elsewhere=True,
)
# What replicating has made here: on AHV the protection domain of the backup (R059).
REMOVE_SENT = Step(
    "remove_sent",
    "Remove what was made to replicate it",
    _remove_sent,
    when=_has_replicas,
    is_committed=True,
)


# Bringing back (R051): local copies are not read

# The server is out of service until its restore has ended: what could not be removed by then is
# left to the reconciliation.
TIDY_SECONDS = 900


def from_replica(args: Learned, memory: Learned) -> bool:
    """Whether the restore uses the replica."""
    return bool(args.get("replica"))


def copy_of(job: Job) -> str:
    """The copy to restore: what was brought back of the replica, or the local one."""
    if from_replica(job.args, job.memory):
        return str(job.memory["fetched"])
    return str(job.args["copy"])


def source_of(task: Task) -> str:
    """What a restore came from, for people."""
    site = task.args.get("replica", {}).get("site")
    which = f"the replica at {site} of the backup" if site else "the backup"
    return f"From {which} “{task.subject}”."


def _look_at_replica(job: Job) -> Learned:
    try:
        job.cloud.find_received(job.args["replica"]["copy"])
    except NotFound as error:
        raise NotFound(
            "The replica is no longer at the secondary site, so nothing was changed.",
            advice="Restore from the local backup, or replicate it again.",
        ) from error
    return {}


def _way_back(job: Job) -> Target:
    return Target(site=job.args["back"]["site"], link=job.args["back"]["link"])


def _send_back(job: Job) -> Operation | Learned:
    copy = job.args["replica"]["copy"]
    answer = job.cloud.ensure_sent(copy, job.token, mark_of(job), _way_back(job))
    return {"sent_back": answer.id} if isinstance(answer, Sent) else answer


def _receive_back(job: Job) -> Operation | Learned:
    answer = job.cloud.ensure_received(job.memory["sent_back"], job.token, mark_of(job))
    return {"fetched": answer.id} if isinstance(answer, Copy) else answer


def _stop_sending_back(job: Job) -> Operation | Learned:
    if "send_back" not in job.begun:
        return {}
    copy = job.args["replica"]["copy"]
    sent = job.cloud.ensure_not_sending(copy, job.token, _way_back(job))
    if isinstance(sent, Operation):
        return sent
    return {"sent_back": job.memory.get("sent_back") or sent}


def _drop_fetched(job: Job) -> Operation | None:
    if "send_back" not in job.begun:
        return None
    return job.cloud.ensure_not_received(
        job.token, mark_of(job), job.memory.get("fetched", ""), job.memory.get("sent_back", "")
    )


def _drop_sent_back(job: Job) -> Operation | None:
    if "send_back" not in job.begun:
        return None
    return job.cloud.ensure_not_sent(job.args["replica"]["copy"], job.token, mark_of(job))


def _is_on_its_way(args: Learned, memory: Learned) -> bool:
    return from_replica(args, memory) and not memory.get("fetched")


def _may_arrive_late(args: Learned, memory: Learned) -> bool:
    """What waited for its turn or the link could leave until what it was sent by was removed."""
    return _is_on_its_way(args, memory) and bool(memory.get("sent_back"))


FETCH = (
    Step(
        "look_at_replica",
        "Check the replica",
        _look_at_replica,
        when=from_replica,
        is_elsewhere=True,
    ),
    Step(
        "send_back",
        "Send the replica back",
        _send_back,
        when=from_replica,
        weight=8,
        is_elsewhere=True,
    ),
    Step("receive_back", "Receive the replica", _receive_back, when=from_replica, weight=2),
)


def drop_fetched(prefix: str = "") -> tuple[Step, ...]:
    """The steps that remove what was brought back; a clean-up needs names of its own."""
    return (
        Step(
            f"{prefix}stop_sending_back",
            "Stop sending it back",
            _stop_sending_back,
            when=_is_on_its_way,
            timeout_seconds=TIDY_SECONDS,
            may_time_out=True,
            is_committed=True,
            is_elsewhere=True,
        ),
        Step(
            f"{prefix}drop_fetched",
            "Remove what was brought back",
            _drop_fetched,
            when=from_replica,
            timeout_seconds=TIDY_SECONDS,
            may_time_out=True,
            is_committed=True,
        ),
        Step(
            f"{prefix}drop_sent_back",
            "Remove what was made to send it back",
            _drop_sent_back,
            when=from_replica,
            timeout_seconds=TIDY_SECONDS,
            may_time_out=True,
            is_committed=True,
            is_elsewhere=True,
        ),
        Step(
            f"{prefix}drop_late",
            "Remove what has arrived meanwhile",
            _drop_fetched,
            when=_may_arrive_late,
            timeout_seconds=TIDY_SECONDS,
            may_time_out=True,
            is_committed=True,
        ),
    )


def restore_args(replica: Replica) -> dict[str, Any]:
    """What a restore is told to use this replica."""
    return {
        "replica": {"copy": replica.external_id, "site": replica.site},
        "back": {"site": replica.account.site, "link": replica.link_back},
    }
