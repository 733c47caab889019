"""What has to hold at the end, whatever went wrong on the way: one check a function."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, F

from backups.models import Backup, BackupPolicy, Replica, VolumePolicy
from disaster_recovery.reconciliation import open_ones, reconcile
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.models import Account, Notification, Resource, Task
from tests.soak.plan import AHV, DUBLIN, LONDON
from tests.soak.report import Check

if TYPE_CHECKING:
    from uuid import UUID

    from tests.soak.broker import Broker
    from tests.soak.sites import Site
    from tests.soak.world import World

RECONCILE_SECONDS = 600
# Once for each publish: what was restored may be published again.
GENERALIZED = "+generalized"
# What a comparison takes for too young to judge is older than this, once records are dated back.
AN_HOUR = timedelta(hours=1, minutes=5)


@dataclass
class Judge:
    """``sites`` are what the lab holds; ``broker`` knows what was written where, and when."""

    world: World
    sites: dict[str, Site]
    broker: Broker

    def __post_init__(self) -> None:
        self.resources = list(Resource.objects.select_related("account"))
        ready = Backup.objects.ready().select_related("resource__account", "task")
        self.ready = list(ready)
        replicas = Replica.objects.not_removed().select_related("backup__resource__account")
        self.not_removed = list(replicas)
        self.own: set[str] = set()
        self.replicas = [each for each in self.not_removed if each.is_there]
        self.restores: dict[UUID, list[Task]] = defaultdict(list)
        for task in Task.objects.filter(kind__startswith="restore").order_by("created_at"):
            if task.resource_id:
                self.restores[task.resource_id].append(task)

    def checks(self) -> list[Check]:
        """All of them."""
        return [
            self.settled(), self.no_internal_error(), self.maintenance(), self.backups_exist(),
            self.replicas_exist(), self.no_orphans(), self.resources_agree(), self.power(),
            self.restored(), self.runs(), self.notified_once(), self.reconciled(),
        ]  # fmt: skip

    def _here(self, resource: Resource) -> Site:
        is_ahv = resource.account.infrastructure == AHV
        return self.sites[LONDON if is_ahv else "azure"]

    def _there(self, resource: Resource) -> Site:
        is_ahv = resource.account.infrastructure == AHV
        return self.sites[DUBLIN if is_ahv else "azure"]

    # Tasks

    def settled(self) -> Check:
        """Every task has ended, and so has what belongs to it."""
        found = [f"{task.kind} {task.pk} {task}: {task.state}, {task.step}, {task.message}"
                 for task in Task.objects.active()]  # fmt: skip
        moving = Backup.objects.filter(status__in=("creating", "deleting"))
        found += [f"backup {each.pk} of {each.resource}: {each.status}" for each in moving]
        sent = Replica.objects.filter(status=Replica.Status.IN_PROGRESS)
        found += [f"replica {each.pk}: {each.status}" for each in sent]
        return Check("every task settled", Task.objects.count(), found)

    def no_internal_error(self) -> Check:
        broken = Task.objects.filter(error__contains="internal error")
        found = [f"{task.kind} {task.pk}: {task.error} {task.error_detail}" for task in broken]
        return Check("no task failed by a mistake of ours", Task.objects.count(), found)

    def maintenance(self) -> Check:
        """Nothing is out of service: no task holds a resource."""
        held = Task.objects.active().filter(is_exclusive=True) | Task.objects.active().filter(
            is_maintenance=True
        )
        found = [f"{task.resource}: {task}" for task in held]
        return Check("no server stuck in maintenance mode", len(self.resources), found)

    # Copies

    def backups_exist(self) -> Check:
        """Each complete backup is at its site, and holds what its resource held at that time."""
        found = []
        for backup in self.ready:
            content = self._here(backup.resource).contents.get(backup.external_id.lower())
            if content is None or backup.missing_since:
                found.append(f"{_named(backup)}: {backup.external_id} is not there")
            elif wrong := self._wrong(backup, content):
                found.append(f"{_named(backup)}: holds {content}, {wrong}")
        return Check("no backup lost, each with the right content", len(self.ready), found)

    def _wrong(self, backup: Backup, content: str) -> str:
        """Why a backup cannot hold this, or ""."""
        name, _, number = content.replace(GENERALIZED, "").partition("#")
        if name != backup.resource.name:
            return f"which is not of {backup.resource.name}"
        written = self.broker.contents.get(name, [])
        numbers = {int(text.partition("#")[2]): at for at, text in written} | {0: None}
        end = backup.completed_at or backup.created_at
        at = numbers.get(int(number), end + timedelta(days=1))
        if at and at > end:
            return "which was written later"
        begun = backup.task.created_at if backup.task else backup.created_at
        before = [int(text.partition("#")[2]) for when, text in written if when < begun]
        is_restored = any(task.created_at < end for task in self.restores[backup.resource_id])
        if before and not is_restored and int(number) < before[-1]:
            return f"though it held #{before[-1]} when the backup was asked for"
        return ""

    def replicas_exist(self) -> Check:
        """Each complete replica is at the secondary site, and holds what its backup does."""
        found = []
        for replica in self.replicas:
            backup = replica.backup
            content = self._there(backup.resource).contents.get(replica.external_id.lower())
            if content is None:
                found.append(f"{_named(backup)}: replica {replica.external_id} is not there")
                continue
            here = self._here(backup.resource).contents.get(backup.external_id.lower())
            if here is not None and here != content:
                found.append(f"{_named(backup)}: replica holds {content}, the backup {here}")
        return Check("no replica lost, each with its backup's content", len(self.replicas), found)

    def no_orphans(self) -> Check:
        """Nothing is at a site that no record knows."""
        known: dict[str, set[str]] = {name: set() for name in self.sites}
        domains: dict[str, set[str]] = {name: set() for name in self.sites}
        self._know(known, domains)
        found, looked_at = [], 0
        for name, site in self.sites.items():
            there = {*site.contents, *site.loose}
            looked_at += len(there) + len(site.domains)
            wanted = {site.names.get(each, each) for each in known[name]}
            # What a server's copy was sent by goes with the copy, in a domain of its own.
            own = set()
            if name == LONDON:
                own = {each for each in there if each.partition("/")[0] in self.own}
            found += [f"{name}: {each}" for each in sorted(there - wanted - own)]
            found += [f"{name}: domain {each}" for each in sorted(site.domains - domains[name])]
        return Check("no orphan at either site", looked_at, found)

    def _know(self, known: dict[str, set[str]], domains: dict[str, set[str]]) -> None:
        """All that records know, by site."""
        for resource in self.resources:
            here = LONDON if resource.account.infrastructure == AHV else "azure"
            known[here].add(resource.external_id.lower())
            # The domain of a volume lasts as long as it does, at either site.
            for name in (LONDON, DUBLIN):
                domains[name].add(f"standby-pd-{resource.pk.hex}")
        for backup in self.ready:
            here = LONDON if backup.resource.account.infrastructure == AHV else "azure"
            known[here].add(backup.external_id.lower())
        for replica in self.not_removed:
            backup = replica.backup
            is_ahv = backup.resource.account.infrastructure == AHV
            if not replica.is_there:
                # Of one that failed nothing is left, but for what its backup itself had sent.
                if replica.sent_id.partition("/")[0] == backup.external_id.partition("/")[0]:
                    known[DUBLIN].add(replica.sent_id.lower())
                continue
            domains[DUBLIN] |= {
                each.partition("/")[0] for each in (replica.external_id, replica.sent_id)
            }
            known[DUBLIN if is_ahv else "azure"] |= {
                replica.external_id.lower(), replica.sent_id.lower()
            }  # fmt: skip
            if is_ahv and backup.resource.is_server:
                # Its copy travels in a domain of its own, which stays with it.
                known[LONDON].add(replica.sent_id.lower())
                own = f"standby-pd-{backup.external_id.replace('-', '')}"
                self.own.add(own)
                domains[LONDON].add(own)
                domains[DUBLIN].add(own)

    # Things

    def resources_agree(self) -> Check:
        """Records say of each thing what its cloud does."""
        found = []
        names = {each.external_id.lower(): each.name for each in self.resources}
        for resource in self.resources:
            site, key = self._here(resource), resource.external_id.lower()
            if resource.is_missing or key not in site.contents:
                found.append(f"{resource}: {key} is missing")
                continue
            if key in site.power and resource.is_on != site.power[key]:
                found.append(f"{resource}: recorded {resource.power_state}, is the other")
            held_by = ", ".join(
                sorted(names.get(each, each) for each in site.attached.get(key, ()))
            )
            if key in site.attached and resource.attached_to != held_by:
                found.append(f"{resource}: recorded at {resource.attached_to!r}, is at {held_by!r}")
            if not site.contents[key].startswith(f"{resource.name}#"):
                found.append(f"{resource}: holds {site.contents[key]}")
        return Check("records equal what the clouds have", len(self.resources), found)

    def power(self) -> Check:
        """Whatever was on is on, what was off is off."""
        wanted = {t.name: t.is_on for desk in self.world.desks for t in desk.things}
        found, looked_at = [], 0
        for resource in self.resources:
            site, key = self._here(resource), resource.external_id.lower()
            if key in site.power:
                looked_at += 1
                if site.power[key] != wanted[resource.name]:
                    found.append(f"{resource} is {'on' if site.power[key] else 'off'}")
        return Check("power states as before", looked_at, found)

    def restored(self) -> Check:
        """What was restored last, and not written to since, holds what its backup held."""
        found, looked_at = [], 0
        for resource in self.resources:
            done = [t for t in self.restores[resource.pk] if t.state == Task.State.DONE]
            later = [t for t in self.restores[resource.pk] if t.state != Task.State.DONE]
            if not done or any(t.created_at > done[-1].created_at for t in later):
                continue
            written = self.broker.contents.get(resource.name, [])
            if any(at > done[-1].created_at for at, _ in written):
                continue
            backup = Backup.objects.filter(pk=done[-1].args["backup"]).first()
            wanted = backup and self._here(resource).contents.get(backup.external_id.lower())
            if wanted:
                looked_at += 1
                holds = self._here(resource).contents.get(resource.external_id.lower())
                if holds != wanted:
                    found.append(f"{resource}: holds {holds}, was restored to {wanted}")
        return Check("what was restored holds its backup", looked_at, found)

    # The clock, and people

    def runs(self) -> Check:
        """Each run that came due has made one backup of each system, or one task of a kind."""
        now = datetime.now(tz=self.world.runs[0][1].tzinfo) if self.world.runs else None
        due = [(pk, run) for pk, run in self.world.runs if now and run < now - timedelta(minutes=2)]
        found = []
        for pk, run in due:
            if policy := BackupPolicy.objects.filter(pk=pk).first():
                made = Backup.objects.filter(resource=policy.resource_id, due_at=run).count()
                what = str(policy.resource)
            else:
                kind = VolumePolicy.objects.get(pk=pk)
                parents = Task.objects.filter(account=kind.account_id, args__due_at=run.isoformat())
                made = sum(kind.kind in t.args["selection"]["kinds"] for t in parents)
                what = f"{kind.kind} of {kind.account}"
            if made != 1:
                found.append(f"{what}: run of {run:%H:%M} made {made}")
        # The database refuses two backups of one run; a run counts once for each volume.
        doubled = Backup.objects.exclude(due_at=None).values("resource", "due_at")
        for each in doubled.annotate(n=Count("pk")).filter(n__gt=1):
            found.append(f"{each}")
        return Check("one backup for each run of a schedule", len(due), found)

    def notified_once(self) -> Check:
        """Nobody was told the same thing twice."""
        told: Counter[tuple[object, ...]] = Counter(
            Notification.objects.values_list("account", "title", "body", "task")
        )
        found = [f"{times} times: {key[1]}: {key[2]}" for key, times in told.items() if times > 1]
        return Check("no notification twice", sum(told.values()), found)

    def reconciled(self) -> Check:
        """The product's own comparison finds nothing, of what is older than an hour too."""
        Task.objects.update(ended_at=F("ended_at") - AN_HOUR, created_at=F("created_at") - AN_HOUR)
        accounts = list(Account.objects.order_by("name"))
        tasks = [reconcile(SYSTEM, account, with_young=True) for account in accounts]
        # What has not settled is no reason to wait for ever: the runner takes that up, too.
        until = time.monotonic() + RECONCILE_SECONDS
        ids = [task.pk for task in tasks]
        while Task.objects.active().filter(pk__in=ids).exists() and time.monotonic() < until:
            Runner().run(seconds=5)
        found = []
        for account, task in zip(accounts, tasks, strict=True):
            task.refresh_from_db()
            if task.state != Task.State.DONE:
                found.append(f"{account}: {task.state} {task.error}")
            for each in open_ones(account):
                found.append(f"{account}: {each.get_kind_display()}: {each.name} at {each.site}")
        return Check("reconciliation finds nothing", len(accounts), found)


def _named(backup: Backup) -> str:
    return f"{backup.get_type_display()} backup of {backup.resource}"
