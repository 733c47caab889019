"""Reconciliation: our records against what both sites hold, by our marks.

Nothing at a cloud is changed. A backup or replica that is not found in the list is asked for
by itself before it is taken for gone. What is there and in no record is shown to people, who
adopt, delete or ignore it. Tasks under way are left alone, with all they make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, UUIDField
from django.db.models.functions import Coalesce

from backups.models import Backup, Replica, note_replication
from disaster_recovery.models import Discrepancy
from disaster_recovery.whose import Whose, being_sent, of_others
from portal import engine
from portal.audit import SYSTEM, Actor, record
from portal.clouds.api import Mark, Marked, NotFound
from portal.engine import clock
from portal.engine.interrupting import INTERRUPTED
from portal.engine.ticks import every_minute
from portal.engine.workflow import Job, Learned, Step, Workflow, nothing
from portal.models import Account, Notification, Resource, Task
from portal.notify import Level, tell
from portal.refusals import Refused

if TYPE_CHECKING:
    from django.db.models import QuerySet

KIND = "reconcile"
EVERY = timedelta(days=1)
# What is younger may be of a task that has ended this moment.
YOUNG = timedelta(hours=1)
# So many that were not listed are asked for one by one; the others the next time.
MOST_ASKED = 200
Kind, State = Discrepancy.Kind, Discrepancy.State
# What a copy is called after: its task, there or purged.
_MAKER = Coalesce("task_id", "purged_task", output_field=UUIDField())


@transaction.atomic
def reconcile(
    actor: Actor, account: Account, *, since: datetime | None = None, with_young: bool = False
) -> Task:
    """Start comparing an account's records with its sites. Raises Refused.

    Refused also where that was started ``since``. ``with_young``: with what was made this hour,
    too, which nobody here can have made when the records are lost.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    if account.cloud_account is None:
        raise Refused(f"{account} has no cloud account yet.")
    former = Task.objects.filter(account=account, kind=KIND)
    if former.active().exists():
        raise Refused("The comparison is under way already.")
    if since and former.filter(created_at__gt=since).exists():
        raise Refused("It has just been compared.")
    task = engine.start(
        KIND,
        title="Reconcile",
        subject=account.name,
        account=account,
        cloud_account=account.cloud_account,
        other_cloud_account=account.dr_cloud_account,
        requested_by=actor.user,
        args={
            "site": account.site,
            "other_site": account.dr_site,
            "has_secondary": account.dr_cloud_account_id is not None,
            "with_young": with_young,
        },
    )
    if actor.user:
        record(actor, "recovery.reconcile", account, result="requested", task=str(task.pk))
    return task


@every_minute
def reconcile_daily() -> None:
    """Once a day for each account that has a cloud account and a backup."""
    since = clock.now() - EVERY
    compared = Task.objects.on_top().filter(account=OuterRef("pk"), kind=KIND, created_at__gt=since)
    backups = Backup.objects.filter(account=OuterRef("pk"))
    accounts = Account.objects.living().exclude(cloud_account=None).filter(Exists(backups))
    for account in accounts.exclude(Exists(compared)):
        try:
            reconcile(SYSTEM, account, since=since)
        except Refused:
            continue  # another worker's tick came first


# Comparing


def _look(job: Job) -> Learned:
    return {"found": [asdict(each) for each in job.cloud.marked(job.args["site"])]}


def _look_there(job: Job) -> Learned:
    return {"found": [asdict(each) for each in job.cloud.marked(job.args["other_site"])]}


def marked_of(kept: Mapping[str, Any]) -> Marked:
    """Read a thing back that was kept as JSON."""
    given = {name: kept[name] for name in ("id", "name", "role", "size_bytes", "created_at")}
    return Marked(**given, mark=Mark(**kept["mark"]), other_ids=tuple(kept["other_ids"]))


def _plain(external_id: str) -> str:
    """A snapshot's id without the cluster that its receiver names before the number (AHV)."""
    domain, slash, number = external_id.lower().partition("/")
    if not slash or external_id.startswith("/"):
        return external_id.lower()
    return f"{domain}/{number.rpartition(':')[2]}"


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} of reconciliation has no account")
    return task.account


def _compare(task: Task, learned: Learned) -> Learned:
    """Write what is unknown here; remember which backups were not listed."""
    things = [marked_of(each) for each in learned["found"]]
    account = _account(task)
    backups = Backup.objects.filter(account=account).exclude(status=Backup.Status.DELETED)
    known = {_plain(pk) for pk in backups.exclude(external_id="").values_list(
        "external_id", flat=True).iterator()}  # fmt: skip
    made_by = backups.annotate(by=_MAKER).exclude(by=None).values_list("by", flat=True)
    tokens = {pk.hex for pk in made_by.iterator()} - _of_interrupted(backups)
    unknown = _unknown(task, things, known, tokens)
    fresh = _write(task, unknown, is_secondary=False)
    there = {_plain(name) for each in things for name in (each.id, *each.other_ids)}
    # What an account had at a cloud account it has left is not looked at.
    here = backups.filter(resource__cloud_account=account.cloud_account_id)
    ready = here.ready().select_related("resource").filter(missing_since=None)
    missing = [
        {"backup": str(each.pk), "copy": each.external_id, "is_volume": each.resource.is_volume}
        for each in ready.iterator(chunk_size=2000)
        if _plain(each.external_id) not in there
    ]
    return {"missing": missing[:MOST_ASKED], "fresh": fresh}


def _of_interrupted(backups: QuerySet[Backup]) -> set[str]:
    """Tokens whose task was ended without a look at the cloud: what it made may be whole."""
    failed = backups.filter(**{f"task__memory__{INTERRUPTED}": True}, status=Backup.Status.FAILED)
    return {pk.hex for pk in failed.values_list("task_id", flat=True)}


def _compare_there(task: Task, learned: Learned) -> Learned:
    things = [marked_of(each) for each in learned["found"]]
    account = _account(task)
    replicas = Replica.objects.filter(account=account).not_removed()
    known: set[str] = set()
    for copy, sent in replicas.values_list("external_id", "sent_id").iterator():
        known |= {_plain(copy), _plain(sent)} - {""}
    tokens = {pk.hex for pk in replicas.values_list(_MAKER, flat=True).iterator() if pk}
    # On Azure one list shows both regions; a cluster's shows its own alone.
    fresh = _write(task, _unknown(task, things, known, tokens), is_secondary=True)
    there = {_plain(name) for each in things for name in (each.id, *each.other_ids)}
    current = replicas.there().filter(cloud_account=account.dr_cloud_account, site=account.dr_site)
    missing = [
        {"replica": str(each.pk), "copy": each.external_id}
        for each in current.iterator(chunk_size=2000)
        if _plain(each.external_id) not in there
    ]
    return {"missing_there": missing[:MOST_ASKED], "fresh": task.memory["fresh"] + fresh}


def _unknown(
    task: Task, things: Iterable[Marked], known: set[str], tokens: set[str]
) -> list[tuple[Marked, Resource | None]]:
    """What is in no record, of nobody else, of no task under way, and not quite new."""
    account, now = _account(task), clock.now()
    whose = Whose.of(account)
    active = {pk.hex for pk in Task.objects.active().values_list("pk", flat=True)}
    active |= being_sent()
    since = inf
    if not task.args["with_young"]:
        young = Task.objects.filter(account=account, ended_at__gt=now - YOUNG)
        active |= {pk.hex for pk in young.values_list("pk", flat=True)}
        since = (now - YOUNG).timestamp()
    found = []
    for each in things:
        names = {_plain(name) for name in (each.id, *each.other_ids)}
        token = each.mark.task
        is_copy = each.role == Marked.COPY and token in tokens
        is_recorded = names & known or is_copy or whose.keeps(each)
        is_moving = token in active or names & active or _is_named_after(each, active)
        is_fresh = is_moving or each.created_at > since
        if not is_recorded and not is_fresh and not whose.is_anothers(each.mark):
            found.append((each, whose.resource(each.mark)))
    anothers = of_others(account, [each for each, _ in found])
    return [pair for pair in found if pair[0].id not in anothers]


def _is_named_after(thing: Marked, tokens: set[str]) -> bool:
    return any(token in thing.name for token in tokens)


def _write(task: Task, unknown: list[tuple[Marked, Resource | None]], *, is_secondary: bool) -> int:
    """Keep what was found; return how many of it are new."""
    account, now, fresh = _account(task), clock.now(), 0
    site = account.dr_site if is_secondary else account.site
    place = account.dr_cloud_account if is_secondary else account.cloud_account
    for thing, resource in unknown:
        kind = Kind.LEFT_OVER
        if thing.role == Marked.COPY:
            kind = Kind.REPLICA if is_secondary else Kind.COPY
        values = {
            "cloud_account": place,
            "site": site,
            "is_secondary": is_secondary,
            "name": thing.name[:255],
            "size_bytes": thing.size_bytes,
            "made_at": datetime.fromtimestamp(thing.created_at, UTC) if thing.created_at else None,
            "found": asdict(thing) | {"resource": str(resource.pk) if resource else ""},
            "seen_at": now,
        }
        row, is_new = Discrepancy.objects.update_or_create(
            account=account,
            kind=kind,
            external_id=thing.id,
            defaults=values,
            create_defaults=values | {"found_at": now},
        )
        if not is_new and row.state in (State.ADOPTED, State.DELETED, State.GONE):
            Discrepancy.objects.filter(pk=row.pk).update(state=State.OPEN, found_at=now)
            is_new = True
        fresh += is_new
    return fresh


# What was not listed is asked for by itself


def _ask(job: Job) -> Learned:
    gone = []
    for each in job.memory["missing"]:
        find = job.cloud.find_volume_copy if each["is_volume"] else job.cloud.find_copy
        try:
            find(each["copy"])
        except NotFound:
            gone.append(each["backup"])
    return {"gone": gone}


def _ask_there(job: Job) -> Learned:
    gone = []
    for each in job.memory["missing_there"]:
        try:
            job.cloud.find_received(each["copy"])
        except NotFound:
            gone.append(each["replica"])
    return {"gone_there": gone}


def _conclude(task: Task, learned: Learned) -> Learned:
    """Write what is gone: a backup that nothing is left of is not shown as good any more."""
    account, now = _account(task), clock.now()
    fresh = task.memory["fresh"]
    for pk in task.memory.get("gone_there", ()):
        fresh += _lose_replica(account, UUID(pk), now)
    for pk in task.memory["gone"]:
        fresh += _lose_backup(account, UUID(pk), now)
    lost = Backup.objects.filter(account=account, missing_since__isnull=False).ready()
    for backup in lost.exclude(pk__in=Replica.objects.there().values("backup")):
        _fail(backup)
    unseen = Discrepancy.objects.filter(account=account, kind__in=Discrepancy.UNKNOWN)
    if task.args["has_secondary"] is False:
        unseen = unseen.filter(is_secondary=False)
    unseen.open().filter(seen_at__lt=task.created_at).update(state=State.GONE)
    return {"fresh": fresh}


def _lose_replica(account: Account, pk: UUID, now: datetime) -> bool:
    replica = Replica.objects.there().select_related("backup").filter(pk=pk).first()
    if replica is None:
        return False
    error = f"The replica is no longer at {replica.site}: it was removed there."
    Replica.objects.filter(pk=pk).update(status=Replica.Status.FAILED, removed_at=now, error=error)
    if not replica.backup.replicas.there().exists():
        note_replication(replica.backup, Replica.Status.FAILED)
    place = replica.cloud_account_id
    return _note_missing(account, Kind.MISSING_REPLICA, replica.backup, replica.external_id, place)


def _lose_backup(account: Account, pk: UUID, now: datetime) -> bool:
    backup = Backup.objects.filter(pk=pk, status=Backup.Status.READY).first()
    if backup is None:
        return False
    Backup.objects.filter(pk=pk).update(missing_since=now)
    place = backup.resource.cloud_account_id
    return _note_missing(account, Kind.MISSING_BACKUP, backup, backup.external_id, place)


def _fail(backup: Backup) -> None:
    backup.move_to(
        Backup.Status.FAILED,
        error=f"Its copy is no longer at {backup.site}: it was removed there, and no replica "
        "is left.",
    )


def _note_missing(
    account: Account, kind: str, backup: Backup, external_id: str, place: UUID
) -> bool:
    is_secondary = kind == Kind.MISSING_REPLICA
    Discrepancy.objects.update_or_create(
        account=account,
        kind=kind,
        external_id=external_id,
        defaults={
            "cloud_account_id": place,
            "site": account.dr_site if is_secondary else account.site,
            "is_secondary": is_secondary,
            "name": f"{backup.name} of {backup.resource}"[:255],
            "size_bytes": backup.size_bytes or 0,
            "made_at": backup.created_at,
            "backup": backup,
            "state": State.OPEN,
            "seen_at": clock.now(),
        },
    )
    return True


def _has_secondary(args: Learned, memory: Learned) -> bool:
    return bool(args["has_secondary"])


@engine.register
class Reconcile(Workflow):
    """Look at both sites; ask again for what was not listed; write what does not agree."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("look", "List what is at the primary site", _look, save=_compare, weight=3),
        Step("ask", "Ask for what was not listed", _ask),
        Step(
            "look_there",
            "List what is at the secondary site",
            _look_there,
            save=_compare_there,
            when=_has_secondary,
            weight=3,
            is_elsewhere=True,
        ),
        Step(
            "ask_there",
            "Ask for what was not listed there",
            _ask_there,
            when=_has_secondary,
            is_elsewhere=True,
        ),
        Step("conclude", "Write what does not agree", nothing, save=_conclude, is_local=True),
    )
    deadline = timedelta(hours=6)

    def done(self, task: Task) -> None:
        if fresh := task.memory["fresh"]:
            plural = "s" if fresh != 1 else ""
            title = f"Reconciliation found {fresh} thing{plural} that records and sites differ in"
            body = "See Reconciliation in the settings of disaster recovery: adopt, delete, ignore."
            tell(
                _account(task),
                Level.WARNING,
                title,
                body,
                kind=Notification.Kind.RECOVERY,
                task=task,
            )

    def failed(self, task: Task) -> None:
        if task.state == Task.State.FAILED:
            title = "Records could not be compared with the sites"
            body = f"{task.error} {task.advice}"
            tell(
                _account(task), Level.ERROR, title, body, kind=Notification.Kind.RECOVERY, task=task
            )

    def retry(self, task: Task, actor: Actor) -> Task | None:
        return reconcile(actor, _account(task))


def open_ones(account: Account) -> QuerySet[Discrepancy]:
    """What waits for somebody to decide."""
    return Discrepancy.objects.filter(account=account).open()
