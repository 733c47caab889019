"""Configuring disaster recovery: look at both sites, judge, then switch it on (R128 to R141).

Nothing of what was chosen is stored before every check that blocks has passed.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import transaction

from disaster_recovery.models import ReadinessCheck, RecoverySettings
from disaster_recovery.readiness import (
    Finding,
    Machine,
    Needs,
    Port,
    link_to,
    of_clusters,
    of_regions,
)
from disaster_recovery.sight import SIGHT, facts_of
from portal import engine
from portal.audit import Actor, record
from portal.clouds.api import CloudRefused
from portal.engine import clock
from portal.engine.workflow import Job, Learned, Step, Workflow, nothing
from portal.models import (
    Account,
    CloudAccount,
    Infrastructure,
    InstanceType,
    Resource,
    Task,
    User,
)
from portal.notify import Kind, Level, tell
from portal.refusals import Refused

if TYPE_CHECKING:
    from django.db.models import QuerySet

CONFIGURE, CHECK = "configure_recovery", "check_recovery"
_BLOCKS = ReadinessCheck.State.FAILED


def secondary_choices(user: User, account: Account) -> QuerySet[CloudAccount]:
    """Cloud accounts that can be the account's secondary, within the person's reach.

    AHV: another cluster of the customer or organization (R102, R103). Azure: the account's
    own (R104).
    """
    choices = CloudAccount.objects.visible_to(user).usable_by(account.organization)
    choices = choices.filter(kind=account.infrastructure)
    if account.cloud_account_id is None:
        return choices.none()
    if account.infrastructure == Infrastructure.AZURE:
        return choices.filter(pk=account.cloud_account_id)
    return choices.exclude(pk=account.cloud_account_id)


def _require_choice(actor: Actor, account: Account, secondary: CloudAccount, site: str) -> None:
    """Refuse what the form would not offer: a request can name anything."""
    if account.is_vendor_hosted:
        raise Refused("This account runs on the vendor's infrastructure.", field="enable")
    if account.cloud_account is None:
        raise Refused("This account has no cloud account yet.", field="enable")
    if actor.user and not secondary_choices(actor.user, account).filter(pk=secondary.pk).exists():
        raise Refused("Choose a cloud account of the list.", field="cloud_account")
    if account.infrastructure == Infrastructure.AZURE:
        if not site:
            raise Refused("Choose a backup data center.", field="site")
        if site.lower() == account.site.lower():
            raise Refused("Choose another region than the account's own.", field="site")


def _present(account: Account) -> str:
    """What is set, in words."""
    if not account.dr_enabled:
        return "Frame DR is off now"
    chosen = RecoverySettings.of(account)
    after = (
        "after sessions a backup is made"
        if chosen.post_session_backup
        else ("no backup is made after sessions")
    )
    if chosen.stops_server:
        after += " with the server stopped"
    return f"now {account.dr_site}, RPO {chosen.target_rpo_hours} h, {after}"


def _under_way(account: Account) -> Task | None:
    return Task.objects.active().filter(account=account, kind=CONFIGURE).first()


@transaction.atomic
def enable(
    actor: Actor,
    account: Account,
    *,
    cloud_account: CloudAccount,
    site: str = "",
    target_rpo_hours: int,
    post_session_backup: bool = False,
    stops_server: bool = False,
    seen: str = "",
) -> Task:
    """Start configuring disaster recovery, or changing it. Raises Refused.

    ``site`` is the region, on a public cloud. What is chosen holds when the task is done;
    until then, and when it fails, all stays as it was (R139, R140). ``seen`` is the
    fingerprint of the settings the person looked at: others saved since are not overwritten.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    if seen and seen != RecoverySettings.fingerprint(account):
        raise Refused(
            "Somebody has changed these settings since this page was opened: "
            f"{_present(account)}. Save again to put yours in their place, or discard them."
        )
    _require_choice(actor, account, cloud_account, site)
    if stops_server and not post_session_backup:
        raise Refused("Enable post-session backup first.", field="stops_server")
    if _under_way(account):
        raise Refused("Disaster recovery is being configured already. Wait until that has ended.")
    task = engine.start(
        CONFIGURE,
        title="Configure disaster recovery",
        subject=account.name,
        account=account,
        cloud_account=account.cloud_account,
        other_cloud_account=cloud_account,
        requested_by=actor.user,
        args={
            "site": site,
            "primary_site": account.site,
            "target_rpo_hours": target_rpo_hours,
            "post_session_backup": post_session_backup,
            "stops_server": stops_server,
        },
    )
    record(
        actor, "recovery.enable", account, result="requested", cloud_account=cloud_account.name,
        site=site, target_rpo_hours=target_rpo_hours, post_session_backup=post_session_backup,
        stops_server=stops_server, task=str(task.pk),
    )  # fmt: skip
    return task


@transaction.atomic
def check_again(actor: Actor, account: Account, *, since: datetime | None = None) -> Task:
    """Run the checks of an account whose disaster recovery is on; nothing else changes.

    Refused also where they have been started ``since``.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    if not account.dr_enabled:
        raise Refused(f"Disaster recovery is off for {account}.")
    checks = Task.objects.filter(account=account, kind=CHECK)
    if checks.active().exists():
        raise Refused("The checks are running already.")
    if since and checks.filter(created_at__gt=since).exists():
        raise Refused("The checks have just been made.")
    task = engine.start(
        CHECK,
        title="Check disaster recovery",
        subject=account.name,
        account=account,
        cloud_account=account.cloud_account,
        other_cloud_account=account.dr_cloud_account,
        requested_by=actor.user,
        args={"site": account.dr_site, "primary_site": account.site},
    )
    if actor.user:
        record(actor, "recovery.check", account, result="requested", task=str(task.pk))
    return task


# Judging


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} of disaster recovery has no account")
    return task.account


def needs_of(account: Account, secondary: CloudAccount, site: str, memory: Learned) -> Needs:
    """What the account brings along, by its rows."""
    machines = Resource.objects.filter(account=account, is_missing=False, vcpus__gt=0)
    sizes = machines.values_list("vm_size", "vcpus", "memory_mb").order_by("vcpus").distinct()
    declared = InstanceType.objects.filter(cloud_account=account.cloud_account)
    names = {(each.vcpus, each.memory_mb): each.name for each in declared}
    return Needs(
        is_vendor_hosted=account.is_vendor_hosted,
        machines=tuple(
            Machine(vm_size or names.get((vcpus, memory_mb), "AHV"), vcpus, memory_mb)
            for vm_size, vcpus, memory_mb in sizes
        ),
        containers=memory["containers"],
        types={
            each.name: (each.vcpus, each.memory_mb)
            for each in InstanceType.objects.filter(cloud_account=secondary)
        },
        region=site,
    )


def _judge(task: Task, learned: Learned) -> Learned:
    """Write each check with what was measured; what fails is named by the next step."""
    account, secondary = _account(task), task.other_cloud_account
    if secondary is None:
        raise ValueError(f"task {task.pk} of disaster recovery has no secondary")
    needs = needs_of(account, secondary, task.args["site"], task.memory)
    primary, other = facts_of(task.memory["primary"]), facts_of(task.memory["secondary"])
    if account.infrastructure == Infrastructure.AZURE:
        found = of_regions(needs, primary, other)
    else:
        ports = [Port(**port) for port in task.memory.get("ports", [])]
        found = of_clusters(needs, primary, other, ports)
    _write(account, found)
    there, back = link_to(primary, other), link_to(other, primary)
    return {
        "failed": [
            f"{each.title}: {each.measured} {each.advice}" for each in found if _is_red(each)
        ],
        "link": there.name if there else "",
        "link_back": back.name if back else "",
        "throttles": {
            way: asdict(link.bandwidth)
            for way, link in (("there", there), ("back", back))
            if link and link.bandwidth
        },
        "secondary_name": other.identity.name,
    }


def _is_red(finding: Finding) -> bool:
    return finding.state == _BLOCKS


def _write(account: Account, found: list[Finding]) -> None:
    ReadinessCheck.objects.filter(account=account).delete()
    ReadinessCheck.objects.bulk_create(
        ReadinessCheck(
            account=account,
            key=finding.key,
            position=position,
            title=finding.title,
            state=finding.state,
            measured=finding.measured,
            advice=finding.advice,
            rows=[list(row) for row in finding.rows],
            checked_at=clock.now(),
        )
        for position, finding in enumerate(found)
    )


def _require(job: Job) -> Learned:
    """A red check blocks, and is named."""
    failed = job.memory["failed"]
    if failed:
        more = f" {len(failed) - 1} more failed." if len(failed) > 1 else ""
        raise CloudRefused(
            f"{failed[0]}{more}",
            advice="Mend what the checks on the Disaster recovery tab name, then save again.",
        )
    return {}


LOOKING = (
    *SIGHT,
    Step("judge", "Judge the prerequisites", nothing, save=_judge, is_local=True),
)


@engine.register
class ConfigureRecovery(Workflow):
    """Check every prerequisite; when none is red, switch disaster recovery on."""

    kind = CONFIGURE
    steps: ClassVar[tuple[Step, ...]] = (
        *LOOKING,
        Step("require", "Require all prerequisites", _require, is_local=True),
    )
    deadline = timedelta(minutes=30)

    def done(self, task: Task) -> None:
        """Store all of it at once (R139); from now on every backup is replicated (R141)."""
        account, args, memory = _account(task), task.args, task.memory
        is_azure = account.infrastructure == Infrastructure.AZURE
        Account.objects.filter(pk=account.pk).update(
            dr_enabled=True,
            dr_cloud_account=task.other_cloud_account,
            dr_site=args["site"] if is_azure else memory["secondary_name"][:100],
            dr_link=memory["link"],
            dr_link_back=memory["link_back"],
            dr_throttles=memory.get("throttles", {}),
        )
        chosen = {
            name: args[name] for name in ("target_rpo_hours", "post_session_backup", "stops_server")
        }
        RecoverySettings.objects.update_or_create(account=account, defaults=chosen)
        title = "Disaster recovery is configured"
        tell(account, Level.INFO, title, _what_holds(task), kind=Kind.RECOVERY, task=task)

    def failed(self, task: Task) -> None:
        if task.state == Task.State.CANCELED:
            return
        title = "Disaster recovery was not configured"
        body = f"{task.error} {task.advice}"
        tell(_account(task), Level.ERROR, title, body, kind=Kind.RECOVERY, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        args = dict(task.args)
        del args["primary_site"]
        if task.other_cloud_account is None:
            return None
        return enable(actor, _account(task), cloud_account=task.other_cloud_account, **args)


def _what_holds(task: Task) -> str:
    account = Account.objects.get(pk=_account(task).pk)
    return f"From now on every backup is replicated to {account.dr_site}."


@engine.register
class CheckRecovery(Workflow):
    """The same checks, daily and when asked for; a red one is told, and stays on the page."""

    kind = CHECK
    steps: ClassVar[tuple[Step, ...]] = LOOKING
    deadline = timedelta(minutes=30)

    def done(self, task: Task) -> None:
        """What limits the bandwidth may have changed: estimates go by it (R117)."""
        throttles = task.memory.get("throttles", {})
        Account.objects.filter(pk=_account(task).pk).update(dr_throttles=throttles)
        failed = task.memory["failed"]
        if failed:
            title = "A prerequisite of disaster recovery is not met any more"
            tell(_account(task), Level.ERROR, title, failed[0], kind=Kind.RECOVERY, task=task)

    def failed(self, task: Task) -> None:
        if task.state == Task.State.CANCELED:
            return
        title = "Disaster recovery could not be checked"
        body = f"{task.error} {task.advice}"
        tell(_account(task), Level.ERROR, title, body, kind=Kind.RECOVERY, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        return check_again(actor, _account(task))
