"""An account filled with volumes and backups that are at no cloud, to see pages at scale.

Backups are made by the database: one statement for each point in time, over all volumes. All
of it is told by its ids "at the cloud", and so can be taken away again; inventories leave it
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    DateTimeField,
    DurationField,
    Expression,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import MD5, Concat, Substr

from backups.models import Backup, note_latest
from portal.adoption import FILLED
from portal.bulk import among, as_text, insert_from, uuid_of
from portal.engine import clock
from portal.models import Account, Resource, ResourceWord, Task
from portal.words import note_words

Say = Callable[[str], None]
Kind, Type, Status = Resource.Kind, Backup.Type, Backup.Status
GIB = 2**30
SPAN = timedelta(days=425)
ROWS_AT_ONCE = 500
# The size of a volume carries its number, in blocks of so many bytes.
BLOCK = 4096
# One volume of so many has never been backed up.
BARE_EVERY = 23

# Kind, what its names begin with, size in GiB: 60, 20 and 20 per cent.
KINDS = (
    *((Kind.PERSISTENT_DESKTOP, "pd-", 60),) * 3,
    (Kind.ENTERPRISE_PROFILE, "EP-", 30),
    (Kind.PERSONAL_DRIVE, "PDR-", 50),
)
FIRST = (
    "sofia", "kwame", "zoë", "michael", "priya", "łukasz", "ines", "jürgen", "aiko", "søren",
    "amara", "αλέξης", "luísa", "дарья", "tomás", "健太", "noor", "íñigo", "hana", "björn",
)  # fmt: skip
LAST = (
    "lindqvist", "osei", "müller", "okafor", "raman", "żak", "moreau", "weber", "tanaka",
    "nwosu", "παπαδάκης", "santos", "иванова", "ferreira", "佐藤", "haddad", "o'neill", "kovář",
    "nair",
)  # fmt: skip
BY_HAND = ("Before update", "Vor dem Umzug", "Avant la mise à jour", "更新前", "Known good")
ERRORS = (
    "Take the backup: The storage container is full.",
    "Check the backup: The snapshot is not complete: a disk is missing.",
    "Take the backup: It is already protected by the protection domain gold-nightly.",
)


def filled(account: Account) -> QuerySet[Resource]:
    """What was filled in so far."""
    return account.resources.filter(external_id__startswith=FILLED)


def fill(account: Account, volumes: int, backups: int, say: Say) -> None:
    """Add so many volumes, and so many backups over those that have any."""
    now = clock.now()
    ids = _add_volumes(account, volumes)
    say(f"{len(ids):,} volumes are there, and the words to find them by.")
    number = ExpressionWrapper(F("size_bytes") % GIB / BLOCK, BigIntegerField())
    made = Resource.objects.filter(pk__in=among(ids)).annotate(number=number)
    bare = ExpressionWrapper(F("number") % BARE_EVERY, BigIntegerField())
    _add_backups(made.annotate(bare=bare).exclude(bare=0), backups, now, say)
    for part in _parts(ids):
        note_latest(Resource.objects.filter(pk__in=among(part)))
    say("The facts of their latest backups are noted.")


def _parts(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), ROWS_AT_ONCE):
        yield ids[start : start + ROWS_AT_ONCE]


def _add_volumes(account: Account, count: int) -> list[UUID]:
    first = filled(account).count() + 1
    rows = [_volume(account, number) for number in range(first, first + count)]
    Resource.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    ids = [row.pk for row in rows]
    note_words(ids)
    return ids


def _volume(account: Account, number: int) -> Resource:
    kind, begin, gib = KINDS[number % len(KINDS)]
    first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
    is_desktop, is_used = kind == Kind.PERSISTENT_DESKTOP, number % 3 == 0
    return Resource(
        account=account,
        cloud_account=account.cloud_account,
        kind=kind,
        external_id=f"{FILLED}{uuid4()}",
        name=f"{begin}{number:05}" if is_desktop else f"{begin}{first[0]}.{last}-{number}",
        user_name=f"{first}.{last}{number}@filled.example",
        size_bytes=gib * GIB + number * BLOCK % GIB,
        power_state=("on" if is_used else "off") if is_desktop else "",
        attached_to=f"pd-{number:05}" if is_used and not is_desktop else "",
        vcpus=2 if is_desktop else 0,
        memory_mb=8192 if is_desktop else 0,
        is_missing=number % 500 == 0,
        seen_at=clock.now(),
    )


# Backups


def _add_backups(volumes: QuerySet[Resource], count: int, now: datetime, say: Say) -> None:
    """The oldest first, under keys that rise with time: then indexes grow at their ends."""
    each = volumes.count()
    rounds = -(-count // each) if each else 0
    done = 0
    for turn in range(rounds, 0, -1):
        rows = volumes
        if (left := count - done) < each:
            some = volumes.order_by("pk").values_list("pk", flat=True)[:left]
            rows = volumes.filter(pk__in=among(list(some)))
        done += insert_from(Backup, _with_luck(rows, turn), _backup(turn, rounds, now))
        if turn % 20 == 1:
            say(f"{done:,} of {count:,} backups are there.")


def _with_luck(rows: QuerySet[Resource], turn: int) -> QuerySet[Resource]:
    """Where these are 0, the backup of this turn failed, or was missed."""
    return rows.annotate(
        failing=ExpressionWrapper((F("number") * 7 + turn * 13) % 41, BigIntegerField()),
        missing=ExpressionWrapper((F("number") + turn * 5) % 97, BigIntegerField()),
    )


def _backup(turn: int, rounds: int, now: datetime) -> dict[str, Any]:
    """Columns of one backup of each volume; ``turn`` counts back from now."""
    at = now - SPAN * (turn - 1) / rounds
    type_ = {0: Type.MANUAL, 5: Type.AFTER_SESSION}.get(turn % 10, Type.SCHEDULED)
    name = f"Scheduled {at.day} {at:%b %Y}"
    if type_ != Type.SCHEDULED:
        name = BY_HAND[turn // 10 % len(BY_HAND)] if type_ == Type.MANUAL else "After session"
    digits = _digits(turn)
    created_at = _before(at, timedelta(seconds=3))
    is_bad = Q(failing=0) | Q(missing=0)
    copy = Concat(Value(FILLED), digits, output_field=CharField())
    return {
        "id": uuid_of(digits),
        "resource": F("pk"),
        "account": F("account"),
        "kind": F("kind"),
        "name": name,
        "type": type_,
        "status": Case(
            When(failing=0, then=Value(Status.FAILED)),
            When(missing=0, then=Value(Status.MISSED)),
            default=Value(Status.READY),
        ),
        "status_changed_at": created_at,
        "created_at": created_at,
        "completed_at": Case(When(~is_bad, then=created_at), output_field=DateTimeField()),
        "size_bytes": Case(When(~is_bad, then=F("size_bytes"))),
        "site": F("account__site"),
        "external_id": Case(When(~is_bad, then=copy), default=Value("")),
        "error": Case(
            When(failing=0, then=Value(ERRORS[turn % len(ERRORS)])),
            When(missing=0, then=Value("The volume was busy for 6 hours.")),
            default=Value(""),
        ),
        "is_crash_consistent": turn % 3 == 0,
    }


def _digits(turn: int) -> Concat:
    """Digits of an id that rise with time."""
    hashed = MD5(Concat(as_text("pk"), Value(str(turn)), output_field=TextField()))
    return Concat(Value(f"{2**31 - turn:08x}"), Substr(hashed, 9), output_field=TextField())


def _before(at: datetime, apart: timedelta) -> Expression:
    """Times of the volumes one after another, as if they had waited for their turn."""
    waited = ExpressionWrapper(F("number") % 8000 * Value(apart), DurationField())
    return ExpressionWrapper(Value(at, DateTimeField()) - waited, DateTimeField())


# Taking it away


def remove(account: Account, say: Say) -> None:
    """Remove what was filled in, and what was done with it since."""
    ids = list(filled(account).values_list("pk", flat=True))
    gone = 0
    for part in _parts(ids):
        gone += _remove(part)
        say(f"{gone:,} of {len(ids):,} volumes are gone.")


@transaction.atomic
def _remove(ids: Sequence[UUID]) -> int:
    """Without collecting a million rows to find that nothing else hangs on them."""
    rows = Resource.objects.filter(pk__in=among(ids))
    for hanging in (
        Backup.objects.filter(resource__in=rows),
        ResourceWord.objects.filter(resource__in=rows),
    ):
        hanging._raw_delete(hanging.db)
    # Its tasks stay on the Tasks page; their titles name it.
    Task.objects.filter(resource__in=rows).update(resource=None)
    rows.delete()
    return len(ids)
