"""Backups of volumes that leave for the secondary site as they are taken, when one is not kept.

What was ordered with the Remote Site travels by itself (AHV). So the clean-up first lets nothing
leave any more and remembers what has left; then it removes what is here, then what is there. By
then nothing can arrive after it. A cloud that sends only what is complete has nothing to do.
"""

from __future__ import annotations

from backups.replicas import mark_of
from portal.clouds.api import Operation, Target
from portal.engine.workflow import Job, Learned, Step
from portal.models import Account, CloudAccount, Task

# Meanwhile the volume can have no other backup: what cannot be removed by then is left to the
# reconciliation.
TAKE_BACK_SECONDS = 4 * 3600


def secondary_of(account: Account) -> CloudAccount | None:
    """Where the account's backups go to, if they do."""
    return account.dr_cloud_account if account.dr_enabled else None


def target(job: Job) -> Target | None:
    """The secondary site a backup is to be sent to as it is taken."""
    return Target(**job.args["to"]) if job.args.get("to") else None


def _has_target(args: Learned, memory: Learned) -> bool:
    return bool(args.get("to"))


def _stop_sending(job: Job) -> Operation | Learned:
    to = target(job)
    if to is None or "copy" not in job.begun:
        return {}
    answer = job.cloud.ensure_volume_copy_not_sending(job.token, mark_of(job), to)
    return answer if isinstance(answer, Operation) else {"sent": list(answer)}


def _save_sent(task: Task, learned: Learned) -> Learned:
    """A task from before a release that takes back knows no secondary."""
    return learned if task.other_cloud_account_id else {}


def _has_left(args: Learned, memory: Learned) -> bool:
    return bool(memory.get("sent"))


def _take_back(job: Job) -> Operation | None:
    for sent in job.memory["sent"]:
        waiting = job.cloud.ensure_not_received(job.token, mark_of(job), sent_id=sent)
        if waiting:
            return waiting
    return None


STOP_SENDING = Step(
    "stop_sending", "Stop sending", _stop_sending, save=_save_sent, when=_has_target
)
TAKE_BACK = Step(
    "take_back",
    "Remove what has arrived at the secondary site",
    _take_back,
    when=_has_left,
    timeout_seconds=TAKE_BACK_SECONDS,
    is_elsewhere=True,
)


def left_there(task: Task) -> str:
    """What to say after a clean-up that could not take back what was sent; "" where it could."""
    if not any(task.memory.get(f"{step.name}_timed_out") for step in (STOP_SENDING, TAKE_BACK)):
        return ""
    return (
        f"A copy of it may be left at {task.args['to']['site']}; the reconciliation will show it."
    )
