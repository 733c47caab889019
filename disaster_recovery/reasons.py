"""Why an account is not ready for a disaster, in words, each with the button that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from backups.panels import system_url
from disaster_recovery.standing import Standing, failures_of
from portal.access import Permission
from portal.models import Account, Resource
from portal.models.resources import NEVER
from portal.templatetags.ui import duration

SHOWN = 3
ADMINISTRATORS = "A Customer Administrator or Organization Administrator can mend it."


@dataclass(frozen=True)
class Button:
    """Leads to a page; ``is_dialog`` opens one over this page, ``is_post`` does it at once."""

    label: str
    url: str
    icon: str = ""
    is_dialog: bool = False
    is_post: bool = False


@dataclass(frozen=True)
class Reason:
    """``tone`` is bad where there would be no return at all, else warn."""

    tone: str
    title: str
    text: str
    buttons: tuple[Button, ...] = ()


def reasons_of(standing: Standing, rights: frozenset[Permission]) -> list[Reason]:
    """What keeps the word from being Ready, the gravest first."""
    account = standing.account
    if not account.dr_enabled:
        return [_off(standing, rights)]
    return [*_checks(standing, rights), *_coverage(standing, rights), *_lost(standing)]


def _settings(account: Account, rights: frozenset[Permission], label: str) -> tuple[Button, ...]:
    if Permission.MANAGE_RECOVERY not in rights:
        return ()
    url = reverse("disaster_recovery:recovery_settings", args=[account.pk])
    return (Button(label, url, "settings"),)


def _off(standing: Standing, rights: frozenset[Permission]) -> Reason:
    account = standing.account
    text = f"Backups stay at {account.site or 'the primary site'} and are lost with it."
    if standing.replicated:
        text += f" Replicas of before are kept: {standing.replicated:,} resources have one."
    if Permission.MANAGE_RECOVERY not in rights:
        text += " A Customer Administrator or Organization Administrator can enable it."
    buttons = _settings(account, rights, "Settings")
    return Reason("bad", "Disaster recovery is off", text, buttons)


def _checks(standing: Standing, rights: frozenset[Permission]) -> Iterator[Reason]:
    """What was measured may name what belongs to cloud accounts: for those who manage them."""
    account, failed = standing.account, standing.failed_checks
    may = Permission.MANAGE_RECOVERY in rights
    buttons = _settings(account, rights, "Settings")
    if may and not standing.task:
        url = reverse("disaster_recovery:recovery_check", args=[account.pk])
        buttons = (Button("Check again", url, "refresh", is_post=True), *buttons)
    for check in failed[:SHOWN]:
        text = f"{check.measured} {check.advice}".strip() if may else ADMINISTRATORS
        yield Reason("bad", f"Check failed: {check.title}", text, buttons)
    if more := len(failed[SHOWN:]):
        title = f"{more} more check{'s' if more > 1 else ''} failed"
        yield Reason("bad", title, "All are listed in the settings.", buttons[-1:])


def _coverage(standing: Standing, rights: frozenset[Permission]) -> Iterator[Reason]:
    without, mend = standing.without, _of_first(standing, rights)
    moving = _moving(standing)
    if not standing.count and standing.has_nothing:
        text = "The account has no resource of the five kinds."
        yield Reason("bad", "There is nothing to replicate yet", text)
    elif standing.has_nothing:
        text = f"Every backup is replicated once it is complete. {moving}"
        yield Reason("bad", "No resource has a replica yet", text, mend)
    elif without:
        title = f"{_resources(without)} {_have(without)} no replica"
        text = f"If {_place(standing.account)} is lost, there is no return for them. {moving}"
        yield Reason("warn", title, text, mend)
    if standing.failed:
        yield _failed(standing, rights)
    if standing.late:
        yield _late(standing, rights)


def _late(standing: Standing, rights: frozenset[Permission]) -> Reason:
    late, hours = standing.late, standing.settings.target_rpo_hours
    title = f"{_resources(late)} {_have(late)} no replica of the last {hours} h"
    text = f"The oldest is {duration(standing.oldest_age)} old; the target (RPO) is {hours} h."
    return Reason("warn", title, text, _of_first(standing, rights, is_late=True))


def _failed(standing: Standing, rights: frozenset[Permission]) -> Reason:
    account, failures = standing.account, failures_of(standing.account, SHOWN)
    title = f"The latest replication of {_resources(standing.failed)} failed"
    said = "; ".join(f"{row}: {error}" if error else str(row) for row, error in failures.items())
    if more := max(0, standing.failed - len(failures)):
        said += f"; and {more:,} more"
    if standing.failed == 1:
        return Reason(
            "warn", title, said, tuple(action_of(row, account, rights) for row in failures)
        )
    page = "#oldest"
    if any(row.is_volume for row in failures):
        page = reverse("volumes:volume_backup_list", args=[account.pk]) + "?show=unreplicated"
    return Reason("warn", title, said, (*_many(failures, account, rights), Button("View", page)))


def _many(
    rows: Iterable[Resource], account: Account, rights: frozenset[Permission]
) -> tuple[Button, ...]:
    """Replicate those of the volumes at once that can be."""
    chosen = [row for row in rows if row.is_volume and may_replicate(row, account, rights)]
    if len(chosen) < 2:
        return ()
    url = reverse("disaster_recovery:volumes_replicate", args=[account.pk])
    query = urlencode([("volume", row.pk) for row in chosen])
    label = f"Replicate {len(chosen)} volumes"
    return (Button(label, f"{url}?{query}", "replicate", is_dialog=True),)


def _lost(standing: Standing) -> Iterator[Reason]:
    if standing.missing:
        missing, there = standing.missing, standing.missing_replicated
        verb = "was" if missing == 1 else "were"
        title = f"{_resources(missing)} {verb} not found at {_place(standing.account)}"
        text = f"{there:,} of {missing:,} can be restored from a replica."
        yield Reason("warn", title, text)


def _of_first(
    standing: Standing, rights: frozenset[Permission], *, is_late: bool = False
) -> tuple[Button, ...]:
    """What mends the worst of them; all ten stand below."""
    rows = standing.oldest
    if is_late:
        rows = [row for row in rows if row.last_replica_at > NEVER]
    count = standing.late if is_late else standing.without
    if count == 1 and rows:
        return (action_of(rows[0], standing.account, rights),)
    return (*_many(rows, standing.account, rights), Button("View", "#oldest"))


def action_of(row: Resource, account: Account, rights: frozenset[Permission]) -> Button:
    """What brings a newer replica of one resource: Replicate, a new backup, or a look at it."""
    if may_replicate(row, account, rights):
        name = "volume_backup_replicate" if row.is_volume else "backup_replicate"
        url = reverse(f"disaster_recovery:{name}", args=[account.pk, row.last_good_id])
        return Button("Replicate", url, "replicate", is_dialog=True)
    if not _is_idle(row, account, rights):
        return Button("View", page_of(row, account))
    if row.is_volume:
        url = reverse("volumes:volume_backup_create", args=[account.pk])
        return Button("Backup", f"{url}?volume={row.pk}", "backup", is_dialog=True)
    url = reverse("backups:backup_create", args=[account.pk, row.pk])
    return Button("Backup", url, "backup", is_dialog=True)


def may_replicate(row: Resource, account: Account, rights: frozenset[Permission]) -> bool:
    """Whether it has a good backup that is newer than its replica, and the person may send it."""
    is_behind = row.last_good_id is not None and row.last_good_at > row.last_replica_at
    return is_behind and _is_idle(row, account, rights)


def _is_idle(row: Resource, account: Account, rights: frozenset[Permission]) -> bool:
    """Whether the person may do anything about it now."""
    needed = Permission.PROTECT_VOLUMES if row.is_volume else Permission.BACK_UP_SERVERS
    is_busy = row.last_replication_status == "in_progress" or row.last_backup_status == "creating"
    return needed in rights and account.dr_enabled and not row.is_missing and not is_busy


def page_of(row: Resource, account: Account) -> str:
    """The page of a resource."""
    if row.is_volume:
        return reverse("volumes:volume_detail", args=[account.pk, row.pk])
    return system_url(row)


def _moving(standing: Standing) -> str:
    count = standing.under_way.count
    if not count:
        return "None is under way."
    return f"{count:,} replication{' is' if count == 1 else 's are'} under way."


def _resources(count: int) -> str:
    return f"{count:,} resource{'' if count == 1 else 's'}"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _place(account: Account) -> str:
    return account.site or "the primary site"
