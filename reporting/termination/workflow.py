"""The task that terminates an account."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from portal import engine
from portal.audit import SYSTEM, Actor, record
from portal.engine import clock
from portal.engine.workflow import Learned, Step, Workflow, nothing
from portal.models import Account, Task
from reporting.termination.deleting import (
    account_of,
    await_quiet,
    delete_portion,
    require_all_gone,
)
from reporting.termination.forgetting import forget_portion
from reporting.termination.request import KIND, terminate
from reporting.termination.unprotecting import require_unprotected, unprotect


def _is_with_objects(args: Learned, memory: Learned) -> bool:
    return bool(args["with_objects"])


@engine.register
class TerminateAccount(Workflow):
    """Failed, the account stays as it is then, and is terminated by asking again."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("quiet", "Wait for tasks to stop", nothing, save=await_quiet, is_local=True),
        Step(
            "delete", "Delete backups and replicas at the clouds", nothing, save=delete_portion,
            when=_is_with_objects, is_local=True, weight=10,
        ),
        Step("require", "Require that nothing is left", require_all_gone, when=_is_with_objects,
             is_local=True),
        Step("unprotect", "Remove what protects its volumes", nothing, save=unprotect,
             when=_is_with_objects, is_local=True),
        Step("require_unprotected", "Require that nothing protects them", require_unprotected,
             when=_is_with_objects, is_local=True),
        Step(
            "forget", "Remove its records", nothing, save=forget_portion, is_local=True,
            is_committed=True, is_all_saved=True,
        ),
    )  # fmt: skip
    deadline = timedelta(days=7)

    def done(self, task: Task) -> None:
        """What is left is a name on records that are kept for their time."""
        account = account_of(task)
        Account.objects.filter(pk=account.pk).update(
            terminated_at=clock.now(), cloud_account=None, site="", dr_enabled=False,
            dr_cloud_account=None, dr_site="", dr_link="", dr_link_back="",
            dr_throttles={},
        )  # fmt: skip
        kept = "deleted" if task.args["with_objects"] else "kept"
        rows = task.memory.get("rows_removed", 0)
        record(SYSTEM, "account.terminated", account, at_the_clouds=kept, rows_removed=rows)

    def failed(self, task: Task) -> None:
        record(SYSTEM, "account.terminated", account_of(task), result="failed", error=task.error)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        return terminate(actor, account_of(task), with_objects=task.args["with_objects"])
