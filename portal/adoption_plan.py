"""Which resource each volume of an inventory is: matching, without a database.

A thing is known again by its id. A profile or drive whose resource has lost its thing is known
by its user, too: of each kind a user has one (R008, R009), and a restore makes a new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from portal.models import Resource

Kind = Resource.Kind
ONE_EACH = frozenset({Kind.ENTERPRISE_PROFILE, Kind.PERSONAL_DRIVE})
Key = tuple[UUID, str, str]


class Facts(NamedTuple):
    """What a resource mirrors of a thing, by the names of its columns."""

    name: str
    user_name: str
    size_bytes: int
    attached_to: str = ""
    power_state: str = ""
    vcpus: int = 0
    memory_mb: int = 0
    vm_size: str = ""


class Thing(NamedTuple):
    """A volume as the inventory has it. ``account`` is whose the platform says it is, or ""."""

    external_id: str
    kind: str
    account: str
    site: str
    facts: Facts


class Row(NamedTuple):
    """A volume as we have it."""

    pk: UUID
    account: UUID
    kind: str
    external_id: str
    is_missing: bool
    facts: Facts

    def key_as(self, user_name: str) -> Key:
        """What is there once, were it this user's; of desktops a user may have several."""
        what = "" if self.kind in ONE_EACH else str(self.pk)
        return self.account, self.kind + what, user_name


@dataclass(frozen=True)
class Homes:
    """The accounts of a cloud account, each with its site."""

    sites: Mapping[UUID, str]

    def of(self, thing: Thing) -> list[UUID]:
        """The accounts a thing can belong to."""
        here = [pk for pk, site in self.sites.items() if thing.site in ("", site)]
        return [pk for pk in here if thing.account in ("", str(pk))]


@dataclass
class Plan:
    """What to write: ``kept`` and ``gone`` are all that is not busy, changed or not."""

    kept: dict[UUID, tuple[Row, Thing]] = field(default_factory=dict)
    gone: dict[UUID, Row] = field(default_factory=dict)
    new: list[tuple[UUID, Thing]] = field(default_factory=list)
    # A second profile or drive of one user, and whose account it would be.
    second: list[tuple[UUID, Thing]] = field(default_factory=list)
    # What several accounts could have, or one that is not here.
    nobodys: list[Thing] = field(default_factory=list)


def plan(
    rows: Sequence[Row], things: Iterable[Thing], busy: Collection[UUID], homes: Homes
) -> Plan:
    """Match; resources in ``busy`` are being written by a task and are left as they are."""
    by_id = {row.external_id: row for row in rows}
    made, strange = Plan(), []
    # The order decides which of two is the second: it must not be the cloud's of today.
    for thing in sorted(things, key=lambda each: (each.facts.name, each.external_id)):
        row = by_id.get(thing.external_id)
        if row and row.kind == thing.kind and thing.account in ("", str(row.account)):
            made.kept[row.pk] = row, thing
        elif row is None or row.pk not in busy:
            strange.append(thing)
    made.gone = {row.pk: row for row in rows if row.pk not in made.kept}
    holders = _settle_users(made, busy)
    for thing in strange:
        _place(made, thing, holders, busy, homes)
    for pk in busy:
        made.kept.pop(pk, None)
        made.gone.pop(pk, None)
    return made


def _settle_users(made: Plan, busy: Collection[UUID]) -> dict[Key, UUID]:
    """Give things their new users, as far as these have no such volume; say who has what then.

    Users may have been swapped, so all changes are tried together; one that collides is taken
    back, and with it what had counted on it.
    """
    unchanged = {
        pk
        for pk, (row, thing) in made.kept.items()
        if pk in busy or _user(row, thing) == row.facts.user_name
    }
    fixed = set(unchanged)
    while True:
        holders = {row.key_as(row.facts.user_name): pk for pk, row in made.gone.items()}
        for pk in fixed:
            row, _ = made.kept[pk]
            holders[row.key_as(row.facts.user_name)] = pk
        collide = set()
        for pk, (row, thing) in made.kept.items():
            if pk not in fixed and holders.setdefault(row.key_as(_user(row, thing)), pk) != pk:
                collide.add(pk)
        if not collide:
            break
        fixed |= collide
    for pk, (row, thing) in made.kept.items():
        if pk in fixed and pk not in unchanged:
            made.second.append((row.account, thing))
        user = row.facts.user_name if pk in fixed else _user(row, thing)
        if user == thing.facts.user_name:
            continue
        made.kept[pk] = row, thing._replace(facts=thing.facts._replace(user_name=user))
    return holders


def _user(row: Row, thing: Thing) -> str:
    """Whose it is now. A profile or drive of nobody is still the one of who had it."""
    if row.kind in ONE_EACH:
        return thing.facts.user_name or row.facts.user_name
    return thing.facts.user_name


def _place(
    made: Plan, thing: Thing, holders: dict[Key, UUID], busy: Collection[UUID], homes: Homes
) -> None:
    """Find the resource of a thing whose id is new, or an account for a new one."""
    user = thing.facts.user_name
    if not user:
        return
    accounts = homes.of(thing)
    keys = {(account, thing.kind, user): account for account in accounts}
    heirs = [holders[key] for key in keys if key in holders and holders[key] in made.gone]
    if len(heirs) == 1:
        row = made.gone[heirs[0]]
        if row.pk not in busy:
            made.kept[row.pk] = made.gone.pop(row.pk), thing
        return
    if len(accounts) != 1:
        # Where no account lives nobody waits for it.
        if accounts or thing.account:
            made.nobodys.append(thing)
        return
    key = accounts[0], thing.kind, user
    if thing.kind in ONE_EACH and key in holders:
        made.second.append((accounts[0], thing))
        return
    holders[key] = NOBODY
    made.new.append((accounts[0], thing))


# Stands for a resource that will be there; no resource has this id.
NOBODY = UUID(int=0)
