"""Volumes become resources by themselves: nobody assigns ten thousand by hand (R001, R007-R009).

Rows are read once and only what differs is written, so that a synchronisation that finds
everything as it was costs the same few statements however many volumes there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast

from portal.adoption_plan import Facts, Homes, Plan, Row, Thing, plan
from portal.bulk import among, lock_in_order, update_each
from portal.clouds.api import Inventory, Server, Volume
from portal.models import Account, CloudAccount, Notification, Resource, Task
from portal.notify import tell
from portal.platform_line import Said, said_in
from portal.words import note_words

Kind = Resource.Kind
ROWS_AT_ONCE = 500
# How many are named, to administrators and to an account's people.
MOST_TOLD = 20
# No task is under way longer: those that ended a moment ago are looked for among younger ones.
LONGEST_TASK = timedelta(days=3)
# Azure renames nothing: a restored volume is called so there, and here as it was before.
OURS = "standby-"
# What `fill_account` makes is at no cloud: no inventory has it, and none takes it away.
FILLED = "filled:"
_keeping: list[Callable[[QuerySet[Resource]], QuerySet[Resource]]] = []


def keeps_volumes(
    having: Callable[[QuerySet[Resource]], QuerySet[Resource]],
) -> Callable[[QuerySet[Resource]], QuerySet[Resource]]:
    """Register which volumes an app above has something of. Use as a decorator.

    They stay, as missing, when their thing is gone at the cloud; others are forgotten.
    """
    _keeping.append(having)
    return having


@dataclass(frozen=True)
class Outcome:
    """What a synchronisation changed, and what administrators should know."""

    adopted: int
    changed: int
    gone: int
    warnings: list[str]


def forget_unused(account: Account) -> None:
    """Let go of an account's volumes that nothing was ever done with."""
    _forget(Resource.objects.filter(account=account, kind__in=Resource.VOLUME_KINDS))


def busy_since(cloud_account: UUID, since: datetime) -> set[UUID]:
    """Resources that a task is writing, or was after the cloud was asked.

    What the inventory says of them may be older than what the task has written: a restored
    volume has a new id.
    """
    tasks = Task.objects.filter(cloud_account=cloud_account, is_exclusive=True)
    young = tasks.filter(created_at__gte=since - LONGEST_TASK, ended_at__gte=since)
    # Two questions: each is answered by an index of its own.
    return {
        resource
        for each in (tasks.active(), young)
        for resource in each.exclude(resource=None).values_list("resource", flat=True)
    }


def adopt(
    cloud_account: CloudAccount, inventory: Inventory, busy: set[UUID], now: datetime
) -> Outcome:
    """Make the volumes of a cloud account equal to what the platform has marked there."""
    rows, taken = _rows(cloud_account)
    things = list(_things(inventory, rows))
    homes_here = Account.objects.living().filter(cloud_account=cloud_account)
    sites = homes_here.values_list("pk", "site")
    homes = Homes(dict(sites))
    made = plan(rows, [each for each in things if each.external_id not in taken], busy, homes)
    renamed = _let_go(made, cloud_account)
    changes = dict(_changes(made, now))
    _write(made, changes)
    new = _insert(cloud_account, made, now)
    named = {"name", "user_name", "external_id"}
    renamed += [pk for pk, values in changes.items() if named & values.keys()]
    note_words([*renamed, *new])
    _tell(cloud_account, made, homes)
    return Outcome(len(new), len(changes), len(made.gone), _warnings(made))


def _rows(cloud_account: CloudAccount) -> tuple[list[Row], set[str]]:
    """Our volumes there, and the ids of the machines that people have assigned."""
    resources = Resource.objects.filter(cloud_account=cloud_account)
    resources = resources.exclude(external_id__startswith=FILLED)
    volumes = resources.filter(kind__in=Resource.VOLUME_KINDS).values_list(
        "pk", "account", "kind", "external_id", "is_missing", *Facts._fields
    )
    rows = [
        Row(pk, account, kind, external_id, is_missing, Facts(*facts))
        for pk, account, kind, external_id, is_missing, *facts in volumes
    ]
    servers = resources.exclude(kind__in=Resource.VOLUME_KINDS)
    return rows, set(servers.values_list("external_id", flat=True))


def _things(inventory: Inventory, rows: Iterable[Row]) -> Iterator[Thing]:
    """What the platform has marked; and desktops of ours that it has not: they have no user."""
    desktops = {row.external_id for row in rows if row.kind == Kind.PERSISTENT_DESKTOP}
    names = {server.id: server.name for server in inventory.servers}
    for server in inventory.servers:
        said = said_in(server.description)
        if said is None and server.id in desktops:
            said = Said(Kind.PERSISTENT_DESKTOP)
        if said and said.kind == Kind.PERSISTENT_DESKTOP:
            yield _desktop(server, said)
    for volume in inventory.volumes:
        said = said_in(volume.description)
        if said and said.kind != Kind.PERSISTENT_DESKTOP:
            yield _volume(volume, said, names)


def _desktop(server: Server, said: Said) -> Thing:
    facts = Facts(
        name=server.name[:255],
        user_name=said.user_name,
        size_bytes=server.size_bytes,
        power_state=server.power.value,
        vcpus=server.vcpus,
        memory_mb=server.memory_mb,
        vm_size=server.vm_size[:100],
    )
    return Thing(server.id, said.kind, said.account, server.site, facts)


def _volume(volume: Volume, said: Said, names: Mapping[str, str]) -> Thing:
    holders = volume.attached_to
    # One that the inventory leaves out has its id for a name: attached it is all the same.
    held_by = [names.get(each) or each.rpartition("/")[2] for each in holders]
    facts = Facts(
        name=volume.name[:255],
        user_name=said.user_name,
        size_bytes=volume.size_bytes,
        attached_to=", ".join(sorted(held_by))[:255],
    )
    return Thing(volume.id, said.kind, said.account, volume.site, facts)


# Writing


def _let_go(made: Plan, cloud_account: CloudAccount) -> list[UUID]:
    """Forget what is gone and was never used; of the rest write that it is missing.

    Returns those whose id had to go: their thing is of another kind now, or another account's.
    """
    fresh = [row.pk for row in made.gone.values() if not row.is_missing]
    for part in _parts(fresh):
        for pk in _forget(Resource.objects.filter(pk__in=among(part))):
            del made.gone[pk]
    things = [*made.new, *((row.account, thing) for row, thing in made.kept.values())]
    claimed = {thing.external_id for _, thing in things}
    changes: dict[UUID, dict[str, Any]] = {}
    for pk, row in made.gone.items():
        if not row.is_missing:
            changes[pk] = {
                "is_missing": True, "attached_to": "", "seen_at": cloud_account.synced_at
            }  # fmt: skip
        if row.external_id in claimed:
            changes.setdefault(pk, {})["external_id"] = f"former:{pk}"
    update_each(Resource, changes)
    return [pk for pk, values in changes.items() if "external_id" in values]


def _forget(volumes: QuerySet[Resource]) -> list[UUID]:
    """Delete those that nothing was ever done with; return them."""
    used = Exists(Task.objects.filter(resource=OuterRef("pk")))
    volumes = volumes.filter(~used)
    for having in _keeping:
        volumes = volumes.exclude(pk__in=having(volumes).values("pk"))
    # The lock keeps a task from starting on one between the look and the end.
    unused = list(volumes.select_for_update().values_list("pk", flat=True))
    if unused:
        Resource.objects.filter(pk__in=among(unused)).delete()
    return unused


def _changes(made: Plan, now: datetime) -> Iterator[tuple[UUID, dict[str, Any]]]:
    """What differs, by resource."""
    for pk, (row, thing) in made.kept.items():
        old, new = row.facts._asdict(), thing.facts._asdict()
        values: dict[str, Any] = {key: new[key] for key in new if new[key] != old[key]}
        if thing.facts.name.startswith(OURS):
            values.pop("name", None)
        if row.external_id != thing.external_id:
            values["external_id"] = thing.external_id
        if row.is_missing:
            values["is_missing"] = False
        if "power_state" in values:
            values["power_changed_at"] = now
        if values:
            yield pk, values | {"seen_at": now}


def _write(made: Plan, changes: Mapping[UUID, dict[str, Any]]) -> None:
    """Two users who swapped their volumes must not meet on the way: both step aside first."""
    lock_in_order(Resource.objects.filter(pk__in=among(list(changes))))
    moving = [pk for pk, values in changes.items() if "user_name" in values]
    for part in _parts(moving):
        rows = Resource.objects.filter(pk__in=among(part)).exclude(kind=Kind.PERSISTENT_DESKTOP)
        rows.update(user_name=Cast("pk", CharField(max_length=150)))
    update_each(Resource, changes)


def _insert(cloud_account: CloudAccount, made: Plan, now: datetime) -> list[UUID]:
    """Add what is new. Somebody who assigns a machine at this moment has won."""
    rows = [
        Resource(
            account_id=account,
            cloud_account=cloud_account,
            kind=thing.kind,
            external_id=thing.external_id,
            power_changed_at=now if thing.facts.power_state else None,
            seen_at=now,
            **thing.facts._asdict(),
        )
        for account, thing in made.new
    ]
    Resource.objects.bulk_create(rows, ignore_conflicts=True, batch_size=ROWS_AT_ONCE)
    return [row.pk for row in rows]


def _parts(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), ROWS_AT_ONCE):
        yield ids[start : start + ROWS_AT_ONCE]


# Telling


def _warnings(made: Plan) -> list[str]:
    """For the administrators of the cloud account, who see its machines anyway."""
    said = []
    if made.nobodys:
        names = _named(thing.facts.name for thing in made.nobodys)
        said.append(
            f"{_volumes(len(made.nobodys))} left out: it is not known whose of the accounts here "
            f"{'it is' if len(made.nobodys) == 1 else 'they are'}. The desktop platform has to "
            f"name the account. {names}"
        )
    if made.second:
        names = _named(f"{thing.facts.name} of {thing.facts.user_name}" for _, thing in made.second)
        said.append(
            f"{_volumes(len(made.second))} left out: the user has another of that kind. {names}"
        )
    return said


def _volumes(count: int) -> str:
    return f"{count:,} persistent user volume{'s are' if count != 1 else ' is'}"


def _named(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - MOST_TOLD:,} more" if len(listed) > MOST_TOLD else ""
    return ", ".join(listed[:MOST_TOLD]) + more + "."


def _tell(cloud_account: CloudAccount, made: Plan, homes: Homes) -> None:
    """Tell each account once of what is left out, not at every synchronisation.

    What may be another account's is not named.
    """
    said = dict(_told(cloud_account, made, homes))
    if not said:
        return
    known = Notification.objects.filter(
        account__in={account for account, _ in said}, title__in={title for _, title in said}
    )
    for account, title in said.keys() - set(known.values_list("account", "title")):
        level = Notification.Level.WARNING
        about = Notification.Kind.INVENTORY
        tell(Account.objects.get(pk=account), level, title, said[account, title], kind=about)


def _told(
    cloud_account: CloudAccount, made: Plan, homes: Homes
) -> Iterator[tuple[tuple[UUID, str], str]]:
    """Title and text for an account."""
    for account in {each for thing in made.nobodys for each in homes.of(thing)}:
        yield (
            (account, f"Volumes at {cloud_account} belong to no account"),
            "More than one account has its machines there, and the desktop platform does not say "
            "which of them these volumes belong to. They appear once it names the account.",
        )
    told: Counter[UUID] = Counter()
    for account, thing in made.second:
        told[account] += 1
        if told[account] <= MOST_TOLD:
            label = Kind(thing.kind).label
            yield (
                (account, f"A second {label} of {thing.facts.user_name} is left out"),
                f"A user has one. {thing.facts.name} at {cloud_account} is not backed up.",
            )
